"""One run over one archive: lists, plans, has the tasks worked off, notes the outcome.

It is given its source, website and archive, and imports neither requests nor stravalib nor os.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import NamedTuple, Protocol

from strava_backup import errors
from strava_backup.activities import Activities, Originals, Work
from strava_backup.archive.directory import Archive
from strava_backup.decide import Wanted
from strava_backup.gear import BikePages, Gear
from strava_backup.keeper import Keeper
from strava_backup.lanes import Lanes
from strava_backup.photos import Photos, Pictures
from strava_backup.report import Report
from strava_backup.strava.records import Activity, Source, parse_activity

_log = logging.getLogger(__name__)


class Website(Originals, BikePages, Protocol):
    """What is asked of the website."""


class Ways(NamedTuple):
    """Where things come from; `website` is None where it cannot be asked."""

    source: Source
    website: Website | None
    pictures: Pictures


class Backup:
    """One run. The constructor only reads the archive."""

    def __init__(
        self,
        ways: Ways,
        archive: Archive,
        athlete_id: int,
        wanted: Wanted,
        report: Report,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._source = ways.source
        self._archive = archive
        self._athlete_id = athlete_id
        self._report = report
        self._lanes = Lanes(report)
        self._lanes.website.is_over = ways.website is None
        self._keeper = Keeper(archive, report, clock)
        self._inventory = inventory = archive.scan()
        rest = (self._keeper, self._lanes, wanted)
        photos = Photos(ways.source, ways.pictures, *rest, inventory.photos)
        self._activities = Activities(ways.source, ways.website, photos, *rest)
        self._gear = Gear(ways.source, ways.website, *rest, inventory.gear)
        self._used_gear: set[str] = set()

    def run(self, limit: int | None = None) -> None:
        """Save what the listing brings, then fetch what is missing. Raises DiskError."""
        is_taken_over = self._archive.marker.athlete_id is None
        listing = self._own_listing()
        self._archive.save_marker(replace(self._archive.marker, athlete_id=self._athlete_id))
        self._check_held(is_taken_over)
        queue = []
        for work in self._plan(listing, limit):
            if work.record is not None:
                self._keeper.save_record(work.metadata, work.record)
            if work.missing or work.pictures:
                queue.append(work)
        if len(queue) > 1:
            _log.info("%d activities miss something", len(queue))
        for work in queue:
            texts = self._keeper.work_off(self._activities.tasks(work))
            self._say(f"{work.activity.start.date()} {work.title}", texts)
        for gear in self._gear.plan(self._used_gear):
            self._say(gear.title, self._keeper.work_off(self._gear.tasks(gear)))
        self._finish(limit, {work.activity.id for work in queue})

    def dry_run(self, out: Callable[[str], None], limit: int | None = None) -> None:
        """Tell what `run` would fetch, a line an activity or gear."""
        for work in self._plan(self._own_listing(), limit):
            items = [*work.missing, *("photo" for _ in work.pictures)]
            if items:
                out(f"{work.activity.start.date()} {work.title}: {', '.join(items)}")
            self._report.saved.update(items)
        for gear in self._gear.plan(self._used_gear):
            out(f"{gear.title}: {', '.join(gear.missing)}")
            self._report.saved.update(gear.missing)

    def _plan(self, listing: Iterable[Activity], limit: int | None) -> Iterator[Work]:
        """The listed activities in the order of work, at most `limit` of them missing something."""
        left = limit if limit is not None else -1
        for work in self._ordered(self._activities.work(one, self._inventory) for one in listing):
            self._used_gear.add(work.activity.record.get("gear_id") or "")
            if work.missing or work.pictures:
                if left == 0:
                    return
                left -= 1
            yield work

    def _ordered(self, works: Iterable[Work]) -> Iterator[Work]:
        """As they come, but what can wait comes last: old metadata of which only the form is old,
        and then what failed last time, so that it never keeps the rest waiting."""
        failed_before = set(self._archive.marker.failed)
        old, failed = [], []
        for work in works:
            held = self._inventory.activities.get(work.activity.id)
            if (work.missing or work.pictures) and work.activity.id in failed_before:
                failed.append(work)
            elif held and held.metadata and held.resource_state is None:
                old.append(work)
            else:
                yield work
        yield from old
        yield from failed

    def _check_held(self, is_taken_over: bool) -> None:
        """Name the damaged files of an archive that is taken over, and in later runs those that
        still are: they are neither called a backup nor touched."""
        suspects = list(self._archive.marker.damaged)
        if is_taken_over:
            rooms = (self._inventory.activities, self._inventory.photos)
            suspects = [
                str(file) for room in rooms for held in room.values() for file in held.files
            ]
        if len(suspects) > 1:
            _log.info("checking the %d files that are held", len(suspects))
        damaged = []
        for path in suspects:
            damage = self._archive.damage(PurePosixPath(path))
            if damage is not None:
                damaged.append(path)
                message = f"damaged ({damage}): move it away, and the next run fetches it again"
                self._keeper.fail(path, errors.ItemError(message))
        marker = replace(self._archive.marker, damaged=tuple(damaged))
        self._archive.save_marker(marker)

    def _own_listing(self) -> Iterable[Activity]:
        """The listing; for an archive without a marker only if it knows something of it."""
        listing = self._listing()
        held = self._inventory.activities
        if self._archive.marker.athlete_id is not None or not held:
            return listing
        activities = list(listing)
        if not any(activity.id in held for activity in activities):
            raise errors.AccountMismatch(
                f"{self._archive.root} holds activities, but none that Strava lists for this "
                "account: another athlete's archive? Choose another output_dir"
            )
        return activities

    def _listing(self) -> Iterator[Activity]:
        try:
            for record in self._source.fetch_activities():
                self._report.listed += 1
                try:
                    yield parse_activity(record)
                except errors.ItemError as error:
                    self._keeper.fail("list of activities", error)
        except (errors.HumanNeeded, errors.TryLater) as error:
            self._lanes.api.end(error)

    def _say(self, title: str, texts: list[str]) -> None:
        if texts:
            _log.info("%s: %s", title, ", ".join(texts))

    def _finish(self, limit: int | None, tried: set[int]) -> None:
        """Note what failed, and what a later run may rely on; written last."""
        failed = (set(self._archive.marker.failed) - tried) | self._keeper.failed_ids
        marker = replace(self._archive.marker, failed=tuple(sorted(failed)))
        now = self._keeper.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        if limit is None and not self._lanes.api.is_over:
            marker = replace(marker, last_walk=now)
            if self._report.exit_code == errors.OK:
                marker = replace(marker, last_complete_run=now)
        self._archive.save_marker(marker)
