"""Finds and fetches missing items of gear: metadata, and the components of bikes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Protocol

from strava_backup.archive import layout
from strava_backup.archive.directory import Stored
from strava_backup.backup.tasks import Ask, Host, Hosts, Result, Task
from strava_backup.items import COMPONENTS, GEAR, OWN_KEY
from strava_backup.records import merge, plan
from strava_backup.records.store import RecordStore
from strava_backup.report import Report, count_of, printable
from strava_backup.strava.records import Record, Source

_log = logging.getLogger(__name__)

# From `FrameType` in https://github.com/pR0Ps/stravaweblib; Strava added 5 later.
_FRAME_TYPES = {
    1: "mountain bike",
    2: "cyclocross bike",
    3: "road bike",
    4: "time trial bike",
    5: "gravel bike",
}


class BikePages(Protocol):
    """The website's pages of bikes; see `strava.website` for the errors."""

    def fetch_components(self, bike_id: str) -> Callable[[], list[Record]]: ...


class GearWork(NamedTuple):
    """One bike or pair of shoes, and its missing items."""

    gear_id: str
    summary: Record | None
    metadata: PurePosixPath
    missing: tuple[str, ...]

    @property
    def title(self) -> str:
        """The gear's id and name for messages."""
        return f"gear {self.gear_id} {printable(str((self.summary or {}).get('name', '')))}".strip()


class Gear:
    """Plans and fetches gear; `stored` is the archive's inventory of gear."""

    def __init__(
        self,
        source: Source,
        pages: BikePages | None,
        store: RecordStore,
        report: Report,
        hosts: Hosts,
        wanted: plan.Wanted,
        stored: dict[str, Stored],
    ) -> None:
        self._source = source
        self._pages = pages
        self._store = store
        self._report = report
        self._hosts = hosts
        self._wanted = wanted
        self._stored = stored

    def plan(self, used: Iterable[str], ask: Ask) -> list[GearWork]:
        """Return the athlete's gear, and the gear `used` in activities, that has missing items.

        The athlete's own lists leave out retired gear, which activities still refer to
        (https://github.com/pR0Ps/strava-backup/issues/1).
        """
        if not self._wanted.gear:
            return []
        summaries = self._fetch_summaries(ask)
        if summaries is None:
            return []
        if not self._source.has_details:
            used = ()
        gear_ids = sorted({*summaries, *used})
        works = []
        for gear_id in gear_ids:
            with self._report.guarding(f"gear {gear_id}"):
                works.append(self._work(gear_id, summaries.get(gear_id)))
        return [work for work in works if work.missing]

    def _fetch_summaries(self, ask: Ask) -> dict[str, Record] | None:
        answer = ask(
            self._hosts.source, "list of gear", lambda: [self._source.fetch_gear_summaries()]
        )
        if answer is None:
            return None
        [summaries] = answer
        if summaries is None:
            _log.warning(
                "gear is not fetched: [api] refresh_token lacks the scope profile:read_all "
                "(--no-gear silences this)"
            )
        return summaries

    def tasks(self, work: GearWork) -> list[Task]:
        """Return the tasks that fetch the missing items."""
        return [self._task(work, item) for item in work.missing]

    def expected_items(self, work: GearWork) -> tuple[str, ...]:
        """Return the items that a run would fetch: the missing ones, and components after those."""
        if GEAR not in work.missing:
            return work.missing
        stored = self._stored.get(work.gear_id)
        own = merge.with_gear_summary(stored.own if stored else {}, work.summary, self._source.name)
        today = self._store.now().date()
        due = plan.lacks_components(work.gear_id, own, self._wanted, today)
        return (*work.missing, COMPONENTS) if due else work.missing

    def _work(self, gear_id: str, summary: Record | None) -> GearWork:
        stored = self._stored.get(gear_id)
        metadata = (stored and stored.metadata) or layout.metadata_path(layout.gear_stem(gear_id))
        if stored and stored.problem:
            return GearWork(gear_id, summary, metadata, ())
        today = self._store.now().date()
        missing = plan.missing_gear_items(
            gear_id, summary, stored, self._source.name, self._wanted, today
        )
        return GearWork(gear_id, summary, metadata, missing)

    def _task(self, work: GearWork, item: str) -> Task:
        handlers: dict[str, tuple[Host, Callable[..., Any], Callable[..., Result]]] = {
            GEAR: (self._hosts.source, self._fetch_gear, self._save_gear),
            COMPONENTS: (
                self._hosts.website,
                self._fetch_components,
                self._save_components,
            ),
        }
        host, fetch, save = handlers[item]
        return Task(
            item, work.title, host, work.metadata, partial(save, work), partial(fetch, work)
        )

    def _fetch_gear(self, work: GearWork) -> Record:
        return self._source.fetch_gear(work.gear_id)

    def _save_gear(self, work: GearWork, task: Task, gear: Record) -> Result:
        with self._store.editing(work.metadata):
            old = self._store.read(work.metadata) or {}
            own = self._own(task, work, gear, old)
            record = merge.gear_record(gear, old, self._source.name)
            if "components" in old and old.get("resource_state") is not None:
                # The newest components until the bike's page has been read.
                record["components"] = old["components"]
            source = merge.better_source(old, self._source.name)
            record = merge.fetched_record(record, own, source, self._store.now())
            self._store.save(work.metadata, record, merge.gear_history_fields)
        self._report.count(task.item)
        today = self._store.now().date()
        due = plan.lacks_components(work.gear_id, own, self._wanted, today)
        return Result("metadata", (self._task(work, COMPONENTS),) if due else ())

    def _own(self, task: Task, work: GearWork, gear: Record, old: Record) -> Record:
        """Return our key for fetched gear."""
        own = {**old.get(OWN_KEY, {}), **gear.get(OWN_KEY, {})}
        own = merge.without_refusal(own, task.item)
        own = merge.with_gear_summary(own, work.summary, self._source.name)
        frame_type = gear.get("frame_type")
        if isinstance(frame_type, int) and frame_type in _FRAME_TYPES:
            own["frame_type"] = _FRAME_TYPES[frame_type]
        return own

    def _fetch_components(self, work: GearWork) -> Callable[[], list[Record]]:
        assert self._pages is not None
        return self._pages.fetch_components(work.gear_id)

    def _save_components(
        self, work: GearWork, task: Task, parse: Callable[[], list[Record]]
    ) -> Result:
        components = parse()
        with self._store.editing(work.metadata):
            old = self._store.read(work.metadata) or {}
            own = merge.without_refusal(old.get(OWN_KEY, {}), task.item)
            own = merge.with_components(own, self._store.now())
            record = {**old, "components": components, OWN_KEY: own}
            self._store.save(
                work.metadata,
                record,
                merge.gear_history_fields,
                keep_history="components" in old,
            )
        self._report.count(task.item)
        return Result(count_of(len(components), "component"))
