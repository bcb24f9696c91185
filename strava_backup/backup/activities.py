"""Finds and fetches missing items of activities: original, GPX, detail, photo list."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Protocol

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.archive.directory import Inventory, Stored
from strava_backup.backup.files import Answer, FetchedFile, Files
from strava_backup.backup.photos import PhotoFile, Photos
from strava_backup.backup.tasks import Host, Hosts, Result, Task
from strava_backup.items import DETAIL, GPX, ORIGINAL, OWN_KEY, PHOTO_LIST
from strava_backup.records import merge, plan
from strava_backup.records.store import RecordStore
from strava_backup.report import Report, printable
from strava_backup.strava import records
from strava_backup.strava.records import Activity, Record, Source, parse_activity


class Originals(Protocol):
    """Downloads from the website; see `strava.website` for the errors."""

    def download_original(self, activity_id: int) -> AbstractContextManager[Answer]: ...

    def download_gpx(self, activity_id: int) -> AbstractContextManager[Answer]: ...


class Work(NamedTuple):
    """One listed activity, its new metadata (None if unchanged), and its missing items.

    `photo_files` are the missing pictures and videos of listed photos, `suffixes` those of the
    stored files.
    """

    activity: Activity
    stem: PurePosixPath
    metadata: PurePosixPath
    record: Record | None
    missing: tuple[str, ...]
    photo_files: tuple[PhotoFile, ...] = ()
    suffixes: tuple[str, ...] = ()

    @property
    def has_missing_items(self) -> bool:
        """Whether items other than the listed record are missing."""
        return bool(self.missing or self.photo_files)

    @property
    def title(self) -> str:
        """The activity's id and name for messages."""
        return f"{self.activity.id} {printable(self.activity.name)}".strip()


class Activities:
    """Plans and fetches the items of activities."""

    def __init__(
        self,
        source: Source,
        originals: Originals | None,
        photos: Photos,
        files: Files,
        store: RecordStore,
        report: Report,
        hosts: Hosts,
        wanted: plan.Wanted,
    ) -> None:
        self._source = source
        self._originals = originals
        self._photos = photos
        self._files = files
        self._store = store
        self._report = report
        self._hosts = hosts
        self._wanted = wanted
        self._starts: dict[int, datetime] = {}

    def work(self, activity: Activity, inventory: Inventory) -> Work:
        """Return the missing items of a listed activity. Raises DiskError."""
        self._starts[activity.id] = activity.start
        stored = inventory.activities.get(activity.id)
        stem = stored.stem if stored else layout.activity_stem(activity.start, activity.id)
        metadata = (stored and stored.metadata) or layout.metadata_path(stem)
        if stored and stored.problem:
            return Work(activity, stem, metadata, None, ())
        record = None
        state, own = (stored.resource_state, stored.own) if stored else (None, {})
        if plan.is_changed(activity, stored, self._source.name):
            old = self._store.read(metadata) if stored and stored.metadata else None
            record = merge.listed_record(activity, old, self._source.name, self._store.now())
            state, own = record.get("resource_state"), record[OWN_KEY]
        suffixes = stored.suffixes if stored else ()
        today = self._store.now().date()
        missing = plan.missing_items(activity, state, suffixes, own, self._wanted, today)
        if self._photos.wants_list(activity.id) and self._source.has_details:
            missing = tuple(dict.fromkeys([*missing, PHOTO_LIST]))
        files = () if PHOTO_LIST in missing else self._photos.missing(activity.id)
        return Work(activity, stem, metadata, record, missing, files, suffixes)

    def stored_work(self, activity_id: int, inventory: Inventory) -> Work | None:
        """Return the missing items of a stored activity that this run's listing left out.

        Returns None if no item is missing, if the activity was deleted on Strava, or if its
        metadata cannot be used. Raises DiskError.
        """
        stored = inventory.activities[activity_id]
        files = self._photos.missing(activity_id)
        if plan.is_gone(stored.own) or stored.metadata is None or stored.problem:
            return None
        if not (files or self._may_lack_files(stored) or self._lacks_note(stored)):
            return None
        try:
            activity = parse_activity(self._store.read(stored.metadata))
        except errors.ItemError:
            return None
        wanted = self._wanted._replace(details=False, photos=False)
        today = self._store.now().date()
        missing = plan.missing_items(
            activity, stored.resource_state, stored.suffixes, stored.own, wanted, today
        )
        return Work(activity, stored.stem, stored.metadata, None, missing, files, stored.suffixes)

    def find_start(self, activity_id: int, inventory: Inventory) -> datetime | None:
        """Return the start of an activity that was listed in this run or is stored, else None."""
        if activity_id in self._starts:
            return self._starts[activity_id]
        stored = inventory.activities.get(activity_id)
        # Metadata without a state was written by version 0.4 or earlier, with wrong dates.
        if stored is not None and stored.metadata and stored.resource_state is not None:
            with suppress(errors.ItemError):
                return parse_activity(self._store.read(stored.metadata)).start
        return None

    def tasks(self, work: Work) -> list[Task]:
        """Return the task that saves the listed record, with the other tasks as its follow-ups,
        except for the items that are fetched last.

        They are its follow-ups even if the record is unchanged, so that activities stay in order.
        """
        missing = [item for item in work.missing if item not in plan.LAST_ITEMS]
        tasks = [self._task(work, item) for item in missing]
        start = work.activity.start
        tasks += [self._photos.stored_task(work.title, file, start) for file in work.photo_files]
        save = partial(self._save_listed, work, tuple(tasks))
        return [Task("listing", f"activity {work.title}", None, work.metadata, save)]

    def _may_lack_files(self, stored: Stored) -> bool:
        today = self._store.now().date()
        suffixes, own = stored.suffixes, stored.own
        if stored.lacks_original:
            return plan.may_have_original({}, own, self._wanted, today)
        return plan.lacks_gpx(suffixes, own, self._wanted, today)

    def _lacks_note(self, stored: Stored) -> bool:
        return self._wanted.private_notes and "private_note_at" not in stored.own

    def _task(self, work: Work, item: str) -> Task:
        website, source = self._hosts.website, self._hosts.source
        handlers: dict[str, tuple[Host, Callable[..., Any], Callable[..., Result], Any]] = {
            ORIGINAL: (website, self._fetch_original, self._save_original, _no_original),
            GPX: (website, self._fetch_gpx, self._save_gpx, _no_gpx),
            DETAIL: (source, self._fetch_detail, self._save_detail, None),
            PHOTO_LIST: (source, self._fetch_photos, self._save_photos, _no_photo_list),
        }
        host, fetch, save, note = handlers[item]
        return Task(
            item,
            f"activity {work.title}",
            host,
            work.metadata,
            partial(save, work),
            partial(fetch, work),
            work.activity.id,
            note and partial(note, self._store, work),
            start=work.activity.start,
        )

    def _save_listed(
        self, work: Work, follow_ups: tuple[Task, ...], task: Task, answer: None
    ) -> Result:
        if work.record is not None and self._store.save(work.metadata, work.record):
            self._report.count_listed()
        return Result("", follow_ups)

    def _fetch_detail(self, work: Work) -> Record:
        detail = self._source.fetch_activity(work.activity.id)
        lost = records.lost_fields(detail, work.activity.record)
        if lost:
            raise errors.PageChanged(f"Strava's metadata lacks fields that its list has: {lost}")
        return detail

    def _save_detail(self, work: Work, task: Task, detail: Record) -> Result:
        with self._store.editing(work.metadata):
            old = self._store.read(work.metadata)
            own = merge.without_refusal((old or {}).get(OWN_KEY, {}), task.item)
            new = merge.fetched_record(detail, own, self._source.name, self._store.now())
            if not self._store.replace(work.metadata, old, new):
                return Result()
        self._report.count(task.item)
        return Result("metadata")

    def _fetch_original(self, work: Work) -> FetchedFile:
        assert self._originals is not None
        download = partial(self._originals.download_original, work.activity.id)
        return self._files.fetch(work.stem, download)

    def _save_original(self, work: Work, task: Task, fetched: FetchedFile) -> Result:
        saved = self._files.save(task, fetched, work.stem, self._with_original)
        today = self._store.now().date()
        lacks_gpx = plan.lacks_gpx((saved.suffix, *work.suffixes), {}, self._wanted, today)
        return Result(str(saved), (self._task(work, GPX),) if lacks_gpx else ())

    def _with_original(
        self, own: Record, sent_name: str, suspicion: str | None, file: str
    ) -> Record:
        return merge.with_original(own, sent_name, suspicion, file, self._store.now())

    def _fetch_gpx(self, work: Work) -> FetchedFile:
        assert self._originals is not None
        download = partial(self._originals.download_gpx, work.activity.id)
        return self._files.fetch(work.stem, download)

    def _save_gpx(self, work: Work, task: Task, fetched: FetchedFile) -> Result:
        return Result(str(self._files.save(task, fetched, work.stem, _with_gpx, only=".gpx")))

    def _fetch_photos(self, work: Work) -> list[Any]:
        return self._source.fetch_photos(work.activity)

    def _save_photos(self, work: Work, task: Task, entries: list[Any]) -> Result:
        tasks, gap = self._photos.save_list(work.activity, work.title, entries)
        if gap:
            refusal = errors.Refused(f"Strava's list is incomplete: {gap}", gap)
            return Result("", tuple(tasks), refusal)
        count = _photo_count(work)
        self._store.note(work.metadata, lambda own: merge.with_photo_list(own, count))
        return Result("", tuple(tasks))


def _no_original(store: RecordStore, work: Work, own: Record, why: str, now: datetime) -> Record:
    """Return our key for an original that does not exist, or that Strava refuses.

    A redirect means that it does not exist, unless the record has an upload id or is too new.
    """
    record = store.read(work.metadata) or {}
    is_proof = plan.tells_of_no_original(record, work.activity.start, now)
    if plan.is_redirect(why) and is_proof:
        return merge.without_original(own, why, now)
    return merge.with_refusal(own, ORIGINAL, why, now)


def _no_gpx(store: RecordStore, work: Work, own: Record, why: str, now: datetime) -> Record:
    # Strava redirects if the activity has no track to make a GPX from.
    if plan.is_redirect(why):
        return merge.without_gpx(own, why, now)
    return merge.with_refusal(own, GPX, why, now)


def _no_photo_list(store: RecordStore, work: Work, own: Record, why: str, now: datetime) -> Record:
    return merge.without_photo_list(own, why, now, _photo_count(work))


def _photo_count(work: Work) -> int:
    count = work.activity.record.get("total_photo_count")
    return count if isinstance(count, int) else 0


def _with_gpx(own: Record, sent_name: str, suspicion: str | None, file: str) -> Record:
    return merge.without_refusal(own, GPX)
