"""What is missing of bikes and shoes, and how it is fetched: metadata, and a bike's components."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple, Protocol

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.archive.directory import Stored
from strava_backup.archive.metadata import OWN_KEY
from strava_backup.backup.pipeline import Done, Lanes, Task, step_aside
from strava_backup.records import merge, plan
from strava_backup.records.store import Keeper
from strava_backup.report import count_of, printable
from strava_backup.strava.records import Record, Source

_log = logging.getLogger(__name__)

# https://github.com/pR0Ps/stravaweblib, `FrameType`; 5 came with gravel bikes.
_FRAME_TYPES = {
    1: "mountain bike",
    2: "cyclocross bike",
    3: "road bike",
    4: "time trial bike",
    5: "gravel bike",
}


class BikePages(Protocol):
    """What is asked of the website; see `strava.website` for what it raises."""

    def fetch_components(self, bike_id: str) -> Callable[[], list[Record]]: ...


class GearWork(NamedTuple):
    """One bike or pair of shoes, and what is missing of it."""

    gear_id: str
    summary: Record | None
    metadata: PurePosixPath
    missing: tuple[str, ...]

    @property
    def title(self) -> str:
        """The gear in a message."""
        return f"gear {self.gear_id} {printable(str((self.summary or {}).get('name', '')))}".strip()


class Gear:
    """Plans and fetches gear; `held` is the archive's inventory of it."""

    def __init__(
        self,
        source: Source,
        pages: BikePages | None,
        keeper: Keeper,
        lanes: Lanes,
        wanted: plan.Wanted,
        stored: dict[str, Stored],
    ) -> None:
        self._source = source
        self._pages = pages
        self._keeper = keeper
        self._lanes = lanes
        self._wanted = wanted
        self._stored = stored

    def plan(self, used: Iterable[str]) -> list[GearWork]:
        """What is missing of the athlete's gear and of the gear `used` in activities.

        The athlete's own lists leave out retired gear, which activities still name
        (https://github.com/pR0Ps/strava-backup/issues/1).
        """
        if not self._wanted.gear:
            return []
        summaries = self._fetch_summaries()
        if summaries is None:
            return []
        if not self._source.has_details:
            used = ()
        gear_ids = sorted({*summaries, *used})
        works = []
        for gear_id in gear_ids:
            with self._keeper.guarding(f"gear {gear_id}"):
                works.append(self._work(gear_id, summaries.get(gear_id)))
        return [work for work in works if work.missing]

    def _fetch_summaries(self) -> dict[str, Record] | None:
        lane = self._lanes.source
        if lane.is_over:
            return None
        try:
            summaries = self._source.fetch_gear_summaries()
        except errors.ItemError as error:
            self._keeper.fail("list of gear", error)
            return None
        except (errors.HumanNeeded, errors.TryLater) as error:
            lane.end(error)
            return None
        if summaries is None:
            _log.warning(
                "gear is not asked for: [api] refresh_token lacks the scope profile:read_all "
                "(--no-gear silences this)"
            )
        return summaries

    def tasks(self, work: GearWork) -> list[Task]:
        """The tasks that bring what is missing."""
        return [self._task(work, item) for item in work.missing]

    def _work(self, gear_id: str, summary: Record | None) -> GearWork:
        stored = self._stored.get(gear_id)
        metadata = (stored and stored.metadata) or layout.metadata_path(layout.gear_stem(gear_id))
        if stored and stored.problem:
            return GearWork(gear_id, summary, metadata, ())
        today = self._keeper.now().date()
        missing = plan.missing_gear_items(
            gear_id, summary, stored, self._source.name, self._wanted, today
        )
        return GearWork(gear_id, summary, metadata, missing)

    def _task(self, work: GearWork, item: str) -> Task:
        lane, fetch = {
            plan.GEAR: (self._lanes.source, self._fetch_gear),
            plan.COMPONENTS: (self._lanes.website, self._fetch_components),
        }[item]
        task = Task(item, work.title, lane, work.metadata, Done)
        return task._replace(fetch=partial(fetch, task, work))

    def _fetch_gear(self, task: Task, work: GearWork) -> Done:
        gear = self._source.fetch_gear(work.gear_id)
        with self._keeper.editing(work.metadata):
            old = self._keeper.archive.read_record(work.metadata) or {}
            own = self._own(task, work, gear, old)
            record = merge.gear_record(gear, old, self._source.name)
            if "components" in old and old.get("resource_state") is not None:
                # Until the bike's page has told what they are now.
                record["components"] = old["components"]
            source = merge.better_source(old, self._source.name)
            record = merge.fetched_record(record, own, source, self._keeper.now())
            self._keeper.save_record(work.metadata, record, merge.gear_history_fields)
        self._keeper.count(task.item)
        today = self._keeper.now().date()
        due = plan.lacks_components(work.gear_id, own, self._wanted, today)
        return Done("metadata", (self._task(work, plan.COMPONENTS),) if due else ())

    def _own(self, task: Task, work: GearWork, gear: Record, old: Record) -> Record:
        """Our key after gear was fetched."""
        own = {**old.get(OWN_KEY, {}), **gear.get(OWN_KEY, {})}
        own = merge.without_refusal(own, task.item)
        own = merge.with_gear_summary(own, work.summary, self._source.name)
        frame_type = gear.get("frame_type")
        if isinstance(frame_type, int) and frame_type in _FRAME_TYPES:
            own["frame_type"] = _FRAME_TYPES[frame_type]
        return own

    def _fetch_components(self, task: Task, work: GearWork) -> Done:
        assert self._pages is not None
        read = self._pages.fetch_components(work.gear_id)
        step_aside()
        components = read()
        with self._keeper.editing(work.metadata):
            old = self._keeper.archive.read_record(work.metadata) or {}
            own = merge.without_refusal(old.get(OWN_KEY, {}), task.item)
            own = merge.with_components(own, self._keeper.now())
            record = {**old, "components": components, OWN_KEY: own}
            history_fields = merge.gear_history_fields if "components" in old else merge.nothing
            self._keeper.save_record(work.metadata, record, history_fields)
        self._keeper.count(task.item)
        return Done(count_of(len(components), "component"))
