"""Decides what is missing, hands it to the lanes, counts what happened.

It is given its source, website and archive, and imports neither requests nor stravalib nor os.
"""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, Protocol

from strava_backup import decide, errors
from strava_backup.archive import layout
from strava_backup.archive.directory import OURS, Archive, Held, Inventory
from strava_backup.report import Failure, Report, format_size, printable
from strava_backup.strava.records import Activity, Record, Source, parse_activity

if TYPE_CHECKING:
    from strava_backup.strava import website

    Download = Callable[[int], AbstractContextManager[website.Download]]

_log = logging.getLogger(__name__)

# A fault of the items themselves seldom hits three in a row; a fault of the way there does.
_FAILURES_THAT_END_A_LANE = 3
_TRIES_OF_A_BODY = 3


class Originals(Protocol):
    """What a backup asks of the website; see `strava.website` for what it raises."""

    def download_original(self, activity_id: int) -> AbstractContextManager[website.Download]: ...

    def download_gpx(self, activity_id: int) -> AbstractContextManager[website.Download]: ...


class Work(NamedTuple):
    """One listed activity: its metadata's new form, if it has one, and what is missing."""

    activity: Activity
    stem: PurePosixPath
    metadata: PurePosixPath
    record: Record | None
    missing: tuple[str, ...]

    @property
    def title(self) -> str:
        """The activity in a message."""
        return f"{self.activity.id} {printable(self.activity.name)}".strip()


class Done(NamedTuple):
    """A fetched item in words, and the items that it calls for."""

    text: str = ""
    leads_to: tuple[str, ...] = ()


class Downloaded(NamedTuple):
    """A file that was fetched and saved."""

    suffix: str
    size: int
    sent_name: str
    odd: str | None


class Lane:
    """One way to Strava. A fatal error, or three items in a row that cannot be reached, end it."""

    def __init__(self, name: str, report: Report) -> None:
        self.name = name
        self.is_over = False
        self._report = report
        self._failures_in_a_row = 0

    def succeeded(self) -> None:
        """An item came."""
        self._failures_in_a_row = 0

    def failed(self, error: errors.ItemError) -> None:
        """An item did not come."""
        if not error.ends_lane_when_repeated:
            self._failures_in_a_row = 0
            return
        self._failures_in_a_row += 1
        if self._failures_in_a_row == _FAILURES_THAT_END_A_LANE:
            self.end(
                errors.TryLater(
                    f"{self._failures_in_a_row} requests in a row to the {self.name} failed, "
                    "so no more are made: try again later"
                )
            )

    def end(self, error: errors.Error) -> None:
        """Send nothing more this way; the run ends with the error's exit code."""
        self.is_over = True
        self._report.fatal.append(error)


class Backup:
    """One run over one archive; `originals` is None where the website cannot be asked."""

    def __init__(
        self,
        source: Source,
        originals: Originals | None,
        archive: Archive,
        athlete_id: int,
        wanted: decide.Wanted,
        report: Report,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._originals = originals
        self._archive = archive
        self._athlete_id = athlete_id
        self._wanted = wanted
        self._report = report
        self._clock = clock
        self._api = Lane("API", report)
        self._website = Lane("website", report)
        self._website.is_over = originals is None
        self._ways: dict[str, tuple[Lane, Callable[[Work], Done]]] = {
            decide.ORIGINAL: (self._website, self._fetch_original),
            decide.GPX: (self._website, self._fetch_gpx),
            decide.DETAIL: (self._api, self._fetch_detail),
        }
        self._failed_ids: set[int] = set()

    def run(self, limit: int | None = None) -> None:
        """Save what the listing brings, then fetch what is missing. Raises DiskError."""
        queue = []
        inventory = self._archive.scan()
        listing = self._own_listing(inventory)
        self._archive.save_marker(replace(self._archive.marker, athlete_id=self._athlete_id))
        for work in self._plan(inventory, listing, limit):
            if work.record is not None:
                self._save_record(work.metadata, work.record)
            if work.missing:
                queue.append(work)
        if len(queue) > 1:
            _log.info("%d activities miss something", len(queue))
        for work in queue:
            self._fetch(work)
        self._finish(limit, {work.activity.id for work in queue})

    def dry_run(self, out: Callable[[str], None], limit: int | None = None) -> None:
        """Tell what `run` would fetch, a line an activity."""
        inventory = self._archive.scan()
        for work in self._plan(inventory, self._own_listing(inventory), limit):
            if work.missing:
                day = work.activity.start.date().isoformat()
                out(f"{day} {work.title}: {', '.join(work.missing)}")
            self._report.saved.update(work.missing)

    def _plan(
        self, inventory: Inventory, listing: Iterable[Activity], limit: int | None
    ) -> Iterator[Work]:
        """The listed activities in the order of work, at most `limit` of them missing something.

        What failed last time comes last, so that it never keeps the rest waiting.
        """
        failed_before = set(self._archive.marker.failed)
        put_off = []
        left = limit if limit is not None else -1
        for activity in listing:
            work = self._work(activity, inventory.get(activity.id))
            if work.missing and activity.id in failed_before:
                put_off.append(work)
                continue
            if work.missing:
                if left == 0:
                    return
                left -= 1
            yield work
        yield from put_off[: left if left >= 0 else None]

    def _own_listing(self, inventory: Inventory) -> Iterable[Activity]:
        """The listing; for an archive without a marker only if it knows something of it."""
        listing = self._listing()
        if self._archive.marker.athlete_id is not None or not inventory:
            return listing
        activities = list(listing)
        if not any(activity.id in inventory for activity in activities):
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
                    self._report.failures.append(Failure("list of activities", str(error)))
        except (errors.HumanNeeded, errors.TryLater) as error:
            self._api.end(error)

    def _work(self, activity: Activity, held: Held | None) -> Work:
        stem = held.stem if held else layout.activity_stem(activity.start, activity.id)
        metadata = (held and held.metadata) or stem.with_name(stem.name + layout.META_SUFFIX)
        record = None
        state, ours = (held.resource_state, held.ours) if held else (None, {})
        if decide.is_changed(activity, held, self._source.name):
            kept = self._archive.read_record(metadata) if held and held.metadata else None
            record = decide.listed_record(activity, kept, self._source.name, self._now())
            state, ours = record.get("resource_state"), record[OURS]
        suffixes = held.suffixes if held else ()
        missing = decide.missing_items(activity, state, suffixes, ours, self._wanted)
        return Work(activity, stem, metadata, record, missing)

    def _fetch(self, work: Work) -> None:
        pending, texts = deque(work.missing), []
        while pending:
            item = pending.popleft()
            done = self._attempt(work, item)
            texts += [done.text] if done.text else []
            pending.extendleft(done.leads_to)
        if texts:
            _log.info("%s %s: %s", work.activity.start.date(), work.title, ", ".join(texts))

    def _attempt(self, work: Work, item: str) -> Done:
        """Fetch one item; its error is counted, a fatal one ends its lane and nothing else."""
        lane, fetch = self._ways[item]
        if lane.is_over:
            self._report.left[item] += 1
            return Done()
        try:
            done = fetch(work)
        except errors.ItemError as error:
            self._failed(work, item, error)
            lane.failed(error)
        except (errors.HumanNeeded, errors.TryLater) as error:
            self._report.left[item] += 1
            lane.end(error)
        else:
            lane.succeeded()
            return done
        return Done()

    def _fetch_detail(self, work: Work) -> Done:
        detail = self._source.fetch_activity(work.activity.id)
        old = self._archive.read_record(work.metadata)
        ours = decide.without_refusal((old or {}).get(OURS, {}), decide.DETAIL)
        new = decide.detailed_record(detail, ours, self._source.name, self._now())
        if not self._save_record(work.metadata, new):
            return Done()
        self._report.saved[decide.DETAIL] += 1
        return Done("metadata")

    def _fetch_original(self, work: Work) -> Done:
        assert self._originals is not None
        original = self._download(work, self._originals.download_original)
        self._note(
            work,
            lambda ours: decide.with_original(ours, original.sent_name, original.odd, self._now()),
        )
        lacks_gpx = decide.lacks_gpx((original.suffix,), {}, self._wanted)
        return self._saved(work, decide.ORIGINAL, original, (decide.GPX,) if lacks_gpx else ())

    def _fetch_gpx(self, work: Work) -> Done:
        assert self._originals is not None
        try:
            gpx = self._download(work, self._originals.download_gpx)
        except errors.Blocked:
            raise
        except errors.Refused as refused:
            # Strava makes none where there is no track.
            why = refused.why
            self._note(work, lambda ours: decide.without_gpx(ours, why))
            return Done()
        self._note(work, lambda ours: decide.without_refusal(ours, decide.GPX))
        return self._saved(work, decide.GPX, gpx)

    def _saved(
        self, work: Work, item: str, download: Downloaded, leads_to: tuple[str, ...] = ()
    ) -> Done:
        self._report.saved[item] += 1
        self._report.saved_bytes += download.size
        if download.odd:
            _log.warning("activity %s: the %s is odd: %s", work.title, item, download.odd)
        return Done(f"{download.suffix} {format_size(download.size)}", leads_to)

    def _download(self, work: Work, download: Download) -> Downloaded:
        """Fetch a file and save it; one whose body breaks off is fetched again."""
        for _ in range(_TRIES_OF_A_BODY - 1):
            with suppress(errors.CutShort):
                return self._download_once(work, download)
        return self._download_once(work, download)

    def _download_once(self, work: Work, download: Download) -> Downloaded:
        with (
            download(work.activity.id) as answer,
            self._archive.original_draft(work.stem) as draft,
        ):
            draft.write(answer.chunks)
            sent = layout.sent_suffix(answer.sent_name)
            odd = self._archive.oddity(draft, sent)
            if odd is not None:
                self._compare(download, work.activity.id, draft.sha256)
            path = self._archive.save_original(draft, work.stem, sent)
            suffix = path.name.removeprefix(work.stem.name)
            return Downloaded(suffix, draft.size, answer.sent_name, odd)

    def _compare(self, download: Download, activity_id: int, sha256: str) -> None:
        """Fetch an odd file a second time: if it comes the same, that is what Strava holds."""
        again = hashlib.sha256()
        with download(activity_id) as answer:
            for chunk in answer.chunks:
                again.update(chunk)
        if again.hexdigest() != sha256:
            raise errors.ItemError("it came broken, and differently each of two times")

    def _failed(self, work: Work, item: str, error: errors.ItemError) -> None:
        """Count and note an item's error; one that is not to be had is no failure."""
        ours: Record = {}
        if isinstance(error, errors.Refused):
            refused = error
            ours = self._note(
                work,
                lambda ours: decide.with_refusal(ours, item, refused.why, self._now().date()),
            )
        failure = Failure(f"activity {work.title}, {item}", str(error))
        if decide.is_given_up(ours, item):
            self._report.given_up.append(failure)
        else:
            self._failed_ids.add(work.activity.id)
            self._report.failures.append(failure)
            _log.warning("%s: %s", failure.what, failure.why)

    def _note(self, work: Work, change: Callable[[Record], Record]) -> Record:
        """Change our key in the activity's metadata, and return its new value."""
        record = self._archive.read_record(work.metadata) or {}
        ours = change(record.get(OURS, {}))
        self._save_record(work.metadata, {**record, OURS: ours})
        return ours

    def _save_record(self, path: PurePosixPath, record: Record) -> bool:
        """Save metadata; False where it says nothing new."""
        old = self._archive.read_record(path)
        if decide.is_same(old, record):
            return False
        history = self._now() if decide.needs_history(old, record) else None
        self._archive.save_record(path, record, history=history)
        return True

    def _finish(self, limit: int | None, tried: set[int]) -> None:
        """Note what failed, and what a later run may rely on; written last."""
        failed = (set(self._archive.marker.failed) - tried) | self._failed_ids
        marker = replace(self._archive.marker, failed=tuple(sorted(failed)))
        now = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        if limit is None and not self._api.is_over:
            marker = replace(marker, last_walk=now)
            if self._report.exit_code == errors.OK:
                marker = replace(marker, last_complete_run=now)
        self._archive.save_marker(marker)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
