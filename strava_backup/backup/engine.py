"""Runs a backup of one archive: lists, plans, queues the tasks, and saves the results.

Its caller provides source, website and archive, so it imports neither requests, stravalib nor os.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Protocol, TypeVar

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.archive.directory import Archive, Stored
from strava_backup.backup.activities import Activities, Originals, Work
from strava_backup.backup.comments import Comments
from strava_backup.backup.completeness import CompletenessCheck
from strava_backup.backup.deletions import Counts, Deletions
from strava_backup.backup.files import Files
from strava_backup.backup.gear import BikePages, Gear
from strava_backup.backup.outcomes import Outcomes
from strava_backup.backup.photos import Photos, Pictures
from strava_backup.backup.pipeline import Pipeline
from strava_backup.backup.private_notes import EditPages, PrivateNotes
from strava_backup.backup.probes import Probes
from strava_backup.backup.routes import RouteFiles, Routes
from strava_backup.backup.tasks import Host, HostClosed, Hosts, Job, Task
from strava_backup.items import COMMENTS, ORIGINAL, PHOTO, PRIVATE_NOTE, VIDEO, shown_name
from strava_backup.progress import Progress
from strava_backup.records import merge, plan
from strava_backup.records.plan import Wanted, asked_items, is_absent, is_due, is_gone
from strava_backup.records.store import RecordStore
from strava_backup.report import Completeness, Report, count_of, format_duration
from strava_backup.strava.records import (
    Activity,
    Checkpoint,
    ListingResult,
    Source,
    is_gear_id,
    parse_activity,
)
from strava_backup.timestamps import utc_timestamp

_log = logging.getLogger(__name__)

_MANY_ORIGINALS = 500
# The page that requests the export also deletes accounts, so this is the article that explains it.
_EXPORT_ARTICLE = (
    "https://support.strava.com/hc/en-us/articles/216918437-Exporting-your-Data-and-Bulk-Export"
)

T = TypeVar("T")


class Website(Originals, BikePages, EditPages, Counts, RouteFiles, Protocol):
    """The requests to the website that a run makes."""


class Connections(NamedTuple):
    """The connections to Strava; `website` is None if it is not available.

    `pause` is the mean time in seconds between requests to the website; `break_off` aborts the
    requests in flight.
    """

    source: Source
    website: Website | None
    pictures: Pictures
    pause: float
    break_off: Callable[[], None]


class Backup:
    """One run. The constructor only reads the archive."""

    def __init__(
        self,
        connections: Connections,
        archive: Archive,
        athlete_id: int,
        wanted: Wanted,
        report: Report,
        *,
        clock: Callable[[], float],
        progress: Progress,
    ) -> None:
        self._connections = connections
        self._source = connections.source
        self._archive = archive
        self._athlete_id = athlete_id
        self._report = report
        self._progress = progress
        has_details = connections.source.has_details
        self._wanted = wanted._replace(
            details=wanted.details and has_details, comments=wanted.comments and has_details
        )
        self._hosts = Hosts(connections.source.name, connections.source.stop_waiting)
        self._store = RecordStore(archive, clock)
        self._outcomes = Outcomes(self._store, report)
        self._pipeline = Pipeline(self._outcomes, self._finish_job, connections.break_off)
        progress.phase("Reading the archive")
        self._inventory = inventory = archive.scan()
        self._wanted = self._wanted._replace(unproven=plan.unproven_items(inventory))
        source, website = connections.source, connections.website
        self._hosts.website.is_closed = website is None
        pictures = connections.pictures
        self._probes = Probes(source, website, pictures, archive, inventory)
        files = Files(self._store, report)
        rest = (self._store, report, self._hosts, self._wanted)
        self._photos = Photos(source, pictures, files, *rest, inventory.photos)
        self._activities = Activities(source, website, self._photos, files, *rest)
        self._gear = Gear(source, website, *rest, inventory.gear)
        self._notes = PrivateNotes(website, self._store, report, self._hosts.website)
        self._comments = Comments(*(source, self._store, report, self._hosts.source, self._wanted))
        self._routes = Routes(source, website, files, *rest, inventory.routes)
        self._deletions = Deletions(
            *(source, website, self._store, report, self._hosts.website, inventory),
            accepts_any_number=wanted.full,
        )
        self._checkpoint = self._find_checkpoint()
        self._completeness = CompletenessCheck(inventory, self._checkpoint.activity_ids)
        self._used_gear: set[str] = set()
        self._newly_deleted: frozenset[int] = frozenset()
        self._has_listed_photos = False
        self._lacks_photos = False
        self._limit: int | None = None
        self._has_reached_limit = False
        self._has_recommended_export = False

    def run(self, limit: int | None = None) -> None:
        """Save the listed activities, and fetch missing items. Raises DiskError."""
        self._limit = limit
        with self._pipeline:
            listing = self._checked_listing()
            if listing is None:
                return
            self._archive.save_marker(replace(self._archive.marker, athlete_id=self._athlete_id))
            for path, damage in self._archive.add_checksums(self._inventory):
                self._report_damage(path, damage)
            self._report_problems()
            tried = self._queue(listing)
            self._progress.phase("Fetching")
            self._pipeline.wait()
        self._outcomes.settle(self._probes.is_still_served)
        failed = self._report.failed_ids | self._outcomes.skipped_ids
        self._compare((self._completeness.incomplete - tried) | failed)
        self._finish(tried)
        self._report.is_finished = True

    def _queue(self, listing: Iterable[Activity]) -> set[int]:
        """Queue all tasks, and return the ids of the activities with missing items.

        Originals are fetched while the list is still read. Tasks of the API wait for the end of its
        list, because a slow list is more likely to change between two pages. Tasks of the website
        alternate with its list, which may take minutes, so that an interrupted run has saved files.
        """
        if self._hosts.source is not self._hosts.website:
            self._hosts.source.hold()
        missing: Counter[str] = Counter()
        tried = set()
        last: list[Work] = []
        for work in self._plan(listing):
            if work.record is None and not work.has_missing_items:
                continue
            self._add_job(
                f"{work.activity.start.date()} {work.title}", self._activities.tasks(work)
            )
            if work.has_missing_items:
                tried.add(work.activity.id)
                missing.update(work.missing)
                last += [work] if set(work.missing) & set(plan.LAST_ITEMS) else []
        if len(tried) > 1:
            is_again = self._wanted.full and self._inventory.activities
            state = "to fetch again" if is_again else "are incomplete; fetching"
            _log.info("%s activities %s", f"{len(tried):,}", state)
        self._recommend_export(missing[ORIGINAL])
        if self._limit is None:
            # Right after listing: an activity uploaded later would make the list look incomplete.
            self._newly_deleted = self._deletions.conclude(self._completeness, self._ask)
        find_start = partial(self._activities.find_start, inventory=self._inventory)
        listed_photos = self._photos.save_listed(self._listed_photos(), find_start)
        for activity_id, tasks in listed_photos.items():
            self._add_job(f"activity {activity_id}", tasks)
        for gear in self._gear.plan(self._used_gear, self._ask):
            # First, because it takes few requests, and some have follow-ups on the slow website.
            self._add_job(gear.title, self._gear.tasks(gear), first=True)
        self._hosts.source.release()
        self._queue_routes()
        self._queue_last(last)
        return tried

    def _queue_routes(self) -> None:
        for route in self._routes.plan(self._ask):
            self._add_job(route.title, self._routes.tasks(route))
        if self._limit is None:
            self._routes.conclude()

    def _queue_last(self, works: list[Work]) -> None:
        """Queue the private notes and comments, which cost the most requests, after all others.

        The listed records have to be saved before, or they would replace the private notes.
        """
        if works:
            self._pipeline.wait_for_listed()
        for work in works:
            stored = self._inventory.activities.get(work.activity.id)
            tasks = [self._notes.task(work)] if PRIVATE_NOTE in work.missing else []
            tasks += [self._comments.task(work, stored)] if COMMENTS in work.missing else []
            self._add_job(f"{work.activity.start.date()} {work.title}", tasks)

    def _add_job(self, title: str, tasks: Iterable[Task], *, first: bool = False) -> None:
        self._pipeline.add(title, tasks, first=first)
        self._progress.expect(self._pipeline.jobs)

    def _ask(self, host: Host, name: str, fetch: Callable[[], T]) -> T | None:
        """Return a host's answer; None if the host is closed or the request failed."""
        try:
            return self._pipeline.call(host, fetch)
        except HostClosed:
            return None
        except errors.ItemError as error:
            self._report.fail(name, error)
            return None

    def _recommend_export(self, originals: int) -> None:
        """Log once that the bulk export is quicker, if so many originals are missing."""
        is_quicker = originals > _MANY_ORIGINALS and self._wanted.originals
        if not is_quicker or self._has_recommended_export or self._hosts.website.is_closed:
            return
        self._has_recommended_export = True
        _log.info(
            "about %s originals are missing, which takes %s or more at the pace that Strava "
            "allows. Its bulk export has all of them in one file for strava-backup --import: "
            "request it as %s says, and press nothing but Request Your Archive",
            f"{originals:,}",
            format_duration(max(60.0, originals * self._connections.pause)),
            _EXPORT_ARTICLE,
        )

    def _count_missing_originals(self) -> int:
        """Return about how many originals are missing, by the source's total; 0 without one."""
        stored = sum(
            not is_gone(one.own) and (not one.lacks_original or is_absent(one.own, ORIGINAL))
            for one in self._inventory.activities.values()
        )
        missing = (self._source.total or 0) - stored
        return missing if self._limit is None else min(missing, self._limit)

    def dry_run(self, out: Callable[[str], None], limit: int | None = None) -> None:
        """Print the items that `run` would fetch, one line per activity, gear or route."""
        self._limit = limit
        with self._pipeline:
            self._report_problems()
            for work in self._plan(self._checked_listing() or ()):
                items = [*work.missing, *(file.item for file in work.photo_files)]
                if items:
                    names = ", ".join(map(shown_name, items))
                    out(f"{work.activity.start.date()} {work.title}: {names}")
                self._report.saved.update(items)
            new_photos = self._photos.new_keys(self._listed_photos())
            for item, keys in new_photos.items():
                if not keys:
                    continue
                out(f"{item}s: {len(keys)} that are not stored")
                self._report.saved[item] += len(keys)
                self._completeness.incomplete |= {activity_id for activity_id, _ in keys}
            for gear in self._gear.plan(self._used_gear, self._ask):
                expected = self._gear.expected_items(gear)
                out(f"{gear.title}: {', '.join(map(shown_name, expected))}")
                self._report.saved.update(expected)
            for route in self._routes.plan(self._ask):
                if route.missing:
                    out(f"{route.title}: {', '.join(route.missing)}")
                    self._report.saved.update(route.missing)
        self._compare(self._completeness.incomplete)
        self._report.is_finished = True

    def _plan(self, listing: Iterable[Activity]) -> Iterator[Work]:
        """Yield the work in order, with no more incomplete activities than the limit allows."""
        left = self._limit if self._limit is not None else -1
        for work in self._ordered(self._works(listing)):
            gear_id = work.activity.record.get("gear_id")
            self._used_gear |= {gear_id} if is_gear_id(gear_id) else set()
            if work.has_missing_items:
                if left == 0:
                    self._has_reached_limit = True
                    return
                left -= 1
            yield work

    def _works(self, listing: Iterable[Activity]) -> Iterator[Work]:
        """Yield listed activities, and stored ones that are incomplete but left out of the list."""
        for activity in listing:
            with self._report.guarding(f"activity {activity.id}", activity.id):
                stored = self._inventory.activities.get(activity.id)
                listed = self._activities.work(activity, self._inventory)
                yield self._counted(self._comments.added_to(listed, stored))
        if self._source.listing_result is None or self._source.listing_result.is_whole:
            return
        for activity_id in self._inventory.activities:
            if activity_id not in self._completeness.listed:
                with self._report.guarding(f"activity {activity_id}", activity_id):
                    work = self._activities.stored_work(activity_id, self._inventory)
                    if work is not None:
                        yield self._counted(work)

    def _counted(self, work: Work) -> Work:
        if work.has_missing_items:
            self._completeness.incomplete.add(work.activity.id)
        return work

    def _report_problems(self) -> None:
        for path, problem in self._archive.problems(self._inventory):
            activity_id = layout.activity_of(path)
            error = errors.ItemError(f"cannot be used ({problem}): repair it or move it away")
            self._report.fail(str(path), error, activity_id)
            self._completeness.broken.add(activity_id)

    def _report_damage(self, path: PurePosixPath, damage: str) -> None:
        activity_id = layout.activity_of(path)
        stored = self._inventory.activities.get(activity_id or 0)
        stored = stored or self._inventory.routes.get(path.stem)
        if stored is not None and is_gone(stored.own):
            # The file cannot be fetched again, and its readable parts may still be of use.
            _log.info("%s: damaged (%s), but deleted on Strava, so it stays as it is", path, damage)
            return
        message = f"damaged ({damage}): --verify --repair sets it aside to be fetched again"
        self._report.fail(str(path), errors.ItemError(message))
        self._completeness.broken.add(activity_id)

    def _listed_photos(self) -> list[Any]:
        """Return the photos of the source's own list of photos, if it has one."""
        # The API has no list of all photos, only one for each activity.
        self._lacks_photos = self._wanted.photos and not self._source.has_details
        if self._has_reached_limit or not self._wanted.photos:
            return []
        if self._lacks_photos:
            self._progress.phase("Reading the list of photos")
        pages = iter(self._source.fetch_new_photos(self._checkpoint))
        records: list[Any] = []
        while (page := self._next_page("list of photos", pages)) is not None:
            if not page:
                self._lacks_photos = False
                self._has_listed_photos = self._checkpoint.wants_full_photo_listing
                return records
            records += page
        return []

    def _next_page(self, name: str, pages: Iterator[list[Any]]) -> list[Any] | None:
        """Return the next page of a list, empty at its end; None if a request failed."""
        return self._ask(self._hosts.source, name, lambda: next(pages, []))

    def _find_checkpoint(self) -> Checkpoint:
        """Return the activities and photos that the source may leave out of its lists."""
        marker, now = self._archive.marker, self._store.now()
        stored = self._inventory.activities.items()
        return Checkpoint(
            frozenset(
                activity_id
                for activity_id, one in stored
                if _is_listed(one) and not is_gone(one.own)
            ),
            frozenset(key for key, one in self._inventory.photos.items() if _is_listed(one)),
            marker.surplus,
            wants_full_listing=self._wanted.full or is_due(marker.last_walk, now),
            wants_full_photo_listing=self._wanted.full or is_due(marker.last_photo_walk, now),
            now=now,
        )

    def _ordered(self, works: Iterable[Work]) -> Iterator[Work]:
        """Yield the work in the given order, except for less urgent work, which comes last.

        That is metadata in an old format, then the activities that failed in the last run, so that
        they never delay the others.
        """
        failed_before = set(self._archive.marker.failed)
        old, failed = [], []
        for work in works:
            stored = self._inventory.activities.get(work.activity.id)
            if work.has_missing_items and work.activity.id in failed_before:
                failed.append(work)
            elif stored and stored.metadata_text and stored.resource_state is None:
                old.append(work)
            else:
                yield work
        yield from old
        yield from failed

    def _checked_listing(self) -> Iterable[Activity] | None:
        """Return the listing, after a check that it belongs to an archive without a marker.

        Returns None if a request failed before an activity of the archive was listed. Raises
        AccountMismatch if none of them is listed.
        """
        listing = self._listing()
        stored = self._inventory.activities
        if self._archive.marker.athlete_id is not None or not stored:
            return listing
        activities = list(listing)
        if not any(activity.id in stored for activity in activities):
            if self._source.listing_result is None:
                return None
            raise errors.AccountMismatch(
                f"{self._archive.root} contains activities, but none that Strava lists for this "
                "account: another athlete's archive? Choose another output_dir"
            )
        return activities

    def _listing(self) -> Iterator[Activity]:
        self._progress.phase("Reading the list")
        pages = iter(self._source.fetch_activities(self._checkpoint))
        while page := self._next_page("list of activities", pages):
            if not self._report.listed:
                # Now, since the rest of the website's list takes minutes.
                self._recommend_export(self._count_missing_originals())
            self._report.listed += len(page)
            listed = count_of(self._report.listed, "activity", "activities")
            self._progress.phase(f"Reading the list: {listed}")
            for record in page:
                self._completeness.add(record)
                try:
                    yield parse_activity(record)
                except errors.ItemError as error:
                    self._completeness.add_invalid(record)
                    self._report.fail("list of activities", error)

    def _finish_job(self, job: Job) -> None:
        self._progress.done()
        counts = {item: job.results.count(item) for item in (PHOTO, VIDEO)}
        if job.results:
            results = [text for text in job.results if text not in counts]
            results += [count_of(number, item) for item, number in counts.items() if number]
            _log.info("%s: %s", job.title, ", ".join(results))

    def _compare(self, missing: Collection[int | None]) -> None:
        """Report how the archive compares with Strava; `missing` are the incomplete activities.

        With --full, items that were not available are requested again, and only the new answers
        count.
        """
        asked = asked_items(self._wanted, has_details=self._source.has_details)
        found = self._completeness.completeness(
            self._source.listing_result, missing, asked, self._wanted, self._store.now().date()
        )
        found = found._replace(
            not_available=found.not_available + len(self._report.not_available),
            lacks_photos=self._lacks_photos,
        )
        self._report.completeness = self._limited(found) if self._has_reached_limit else found

    def _limited(self, found: Completeness) -> Completeness:
        """Return the comparison after --limit ended the run before the end of the list."""
        total = self._source.total
        on_strava = max(total or 0, self._report.listed)
        return found._replace(on_strava=on_strava, is_whole=total is not None, limit=self._limit)

    def _finish(self, tried: set[int]) -> None:
        """Save failures and the state of the lists in the marker, after everything else.

        A limited run marks no deletions. If activities are no longer listed, it leaves the state of
        the list unchanged, so that the next run lists everything again.
        """
        failed = set(self._archive.marker.failed) - tried - self._newly_deleted
        failed |= self._report.failed_ids
        marker = replace(self._archive.marker, failed=tuple(sorted(failed)))
        now = utc_timestamp(self._store.now())
        listing_result = self._source.listing_result
        if listing_result is not None and not (
            self._limit is not None and self._completeness.unlisted(listing_result)
        ):
            if self._source.name == "website":
                marker = replace(marker, surplus=self._surplus(listing_result))
            if listing_result.is_whole:
                marker = replace(marker, last_walk=now)
        if self._has_listed_photos:
            marker = replace(marker, last_photo_walk=now)
        if self._routes.is_whole:
            marker = replace(marker, last_route_walk=now)
        if not self._has_reached_limit and self._report.exit_code == errors.OK:
            marker = replace(marker, last_complete_run=now)
        self._archive.save_marker(marker)

    def _surplus(self, listing_result: ListingResult) -> int | None:
        """Return the website's surplus without the activities newly marked as deleted."""
        if listing_result.surplus is None:
            return None
        return listing_result.surplus + len(self._checkpoint.activity_ids & self._newly_deleted)


def _is_listed(stored: Stored) -> bool:
    """Whether a source has listed it, which is false if only a bulk export contained it."""
    return stored.resource_state is not None and stored.own.get("source") != merge.EXPORT_SOURCE
