"""What an activity misses, and how it is fetched: original, GPX, detail, photo list."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple, Protocol

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.archive.directory import Inventory, Stored
from strava_backup.archive.metadata import OWN_KEY
from strava_backup.backup.photos import Photos
from strava_backup.backup.pipeline import Done, Lanes, Task
from strava_backup.records import merge, plan
from strava_backup.records.store import Answer, Keeper
from strava_backup.report import printable
from strava_backup.strava import records
from strava_backup.strava.records import Activity, Record, Source, parse_activity


class Originals(Protocol):
    """What is asked of the website; see `strava.website` for what it raises."""

    def download_original(self, activity_id: int) -> AbstractContextManager[Answer]: ...

    def download_gpx(self, activity_id: int) -> AbstractContextManager[Answer]: ...


class Work(NamedTuple):
    """One listed activity: its metadata's new form, if it has one, and what is missing.

    `pictures` is the metadata of listed photos whose pictures are not held, `suffixes` are those of
    the files that are held.
    """

    activity: Activity
    stem: PurePosixPath
    metadata: PurePosixPath
    record: Record | None
    missing: tuple[str, ...]
    pictures: tuple[PurePosixPath, ...] = ()
    suffixes: tuple[str, ...] = ()

    @property
    def lacks_something(self) -> bool:
        """Whether there is more to it than to save what was listed."""
        return bool(self.missing or self.pictures)

    @property
    def title(self) -> str:
        """The activity in a message."""
        return f"{self.activity.id} {printable(self.activity.name)}".strip()


class Activities:
    """Plans and fetches the items of activities."""

    def __init__(
        self,
        source: Source,
        originals: Originals | None,
        photos: Photos,
        keeper: Keeper,
        lanes: Lanes,
        wanted: plan.Wanted,
    ) -> None:
        self._source = source
        self._originals = originals
        self._photos = photos
        self._keeper = keeper
        self._lanes = lanes
        self._wanted = wanted

    def work(self, activity: Activity, inventory: Inventory) -> Work:
        """What a listed activity misses. Raises DiskError."""
        stored = inventory.activities.get(activity.id)
        stem = stored.stem if stored else layout.activity_stem(activity.start, activity.id)
        metadata = (stored and stored.metadata) or layout.metadata_path(stem)
        if stored and stored.problem:
            return Work(activity, stem, metadata, None, ())
        record = None
        state, own = (stored.resource_state, stored.own) if stored else (None, {})
        if plan.is_changed(activity, stored, self._source.name):
            kept = (
                self._keeper.archive.read_record(metadata) if stored and stored.metadata else None
            )
            record = merge.listed_record(activity, kept, self._source.name, self._keeper.now())
            state, own = record.get("resource_state"), record[OWN_KEY]
        suffixes = stored.suffixes if stored else ()
        today = self._keeper.now().date()
        missing = plan.missing_items(activity, state, suffixes, own, self._wanted, today)
        if self._photos.wants_list(activity.id) and self._source.has_details:
            missing = tuple(dict.fromkeys([*missing, plan.PHOTO_LIST]))
        pictures = () if plan.PHOTO_LIST in missing else self._photos.missing(activity.id)
        return Work(activity, stem, metadata, record, missing, pictures, suffixes)

    def stored_work(self, activity_id: int, inventory: Inventory) -> Work | None:
        """What an activity still misses that is held and was not listed now. Raises DiskError.

        What Strava no longer has is not asked for.
        """
        stored = inventory.activities[activity_id]
        pictures = self._photos.missing(activity_id)
        if plan.is_gone(stored.own) or stored.metadata is None or stored.problem:
            return None
        if not (pictures or self._may_lack_files(stored)):
            return None
        try:
            activity = parse_activity(self._keeper.archive.read_record(stored.metadata))
        except errors.ItemError:
            return None
        wanted = self._wanted._replace(details=False, photos=False)
        today = self._keeper.now().date()
        missing = plan.missing_items(
            activity, stored.resource_state, stored.suffixes, stored.own, wanted, today
        )
        return Work(
            activity, stored.stem, stored.metadata, None, missing, pictures, stored.suffixes
        )

    def tasks(self, work: Work) -> list[Task]:
        """The task that saves what was listed, if it is new, and leads to what is missing.

        Where it is not new the others wait in line all the same, so that activities keep their
        order.
        """
        tasks = [self._task(work, item) for item in work.missing]
        tasks += [self._photos.task(work.title, path) for path in work.pictures]
        save = partial(self._save_listed, work, tuple(tasks))
        lane = self._lanes.disk
        return [Task("listing", f"activity {work.title}", lane, work.metadata, save)]

    def _may_lack_files(self, stored: Stored) -> bool:
        today = self._keeper.now().date()
        suffixes, own = stored.suffixes, stored.own
        if stored.lacks_original:
            return plan.may_have_original({}, own, self._wanted, today)
        return plan.lacks_gpx(suffixes, own, self._wanted, today)

    def _task(self, work: Work, item: str) -> Task:
        lane, fetch = {
            plan.ORIGINAL: (self._lanes.website, self._fetch_original),
            plan.GPX: (self._lanes.website, self._fetch_gpx),
            plan.DETAIL: (self._lanes.source, self._fetch_detail),
            plan.PHOTO_LIST: (self._lanes.source, self._fetch_photo_list),
        }[item]
        task = Task(item, f"activity {work.title}", lane, work.metadata, Done, work.activity.id)
        note = {
            plan.ORIGINAL: self._note_no_original,
            plan.GPX: self._note_no_gpx,
            plan.PHOTO_LIST: self._note_no_photo_list,
        }.get(item)
        return task._replace(
            fetch=partial(fetch, task, work), note_refusal=note and partial(note, work)
        )

    def _save_listed(self, work: Work, leads_to: tuple[Task, ...]) -> Done:
        if work.record is not None and self._keeper.save_record(work.metadata, work.record):
            self._keeper.count_listed()
        return Done("", leads_to)

    def _fetch_detail(self, task: Task, work: Work) -> Done:
        detail = self._source.fetch_activity(work.activity.id)
        lost = records.lost_fields(detail, work.activity.record)
        if lost:
            raise errors.PageChanged(f"Strava's detail lacks what its list has: {lost}")
        with self._keeper.editing(work.metadata):
            old = self._keeper.archive.read_record(work.metadata)
            own = merge.without_refusal((old or {}).get(OWN_KEY, {}), task.item)
            new = merge.fetched_record(detail, own, self._source.name, self._keeper.now())
            if not self._keeper.save_record(work.metadata, new):
                return Done()
        self._keeper.count(task.item)
        return Done("metadata")

    def _fetch_original(self, task: Task, work: Work) -> Done:
        assert self._originals is not None
        download = partial(self._originals.download_original, work.activity.id)
        saved = self._keeper.save_file(task, work.stem, download, self._with_original)
        today = self._keeper.now().date()
        lacks_gpx = plan.lacks_gpx((saved.suffix, *work.suffixes), {}, self._wanted, today)
        return Done(str(saved), (self._task(work, plan.GPX),) if lacks_gpx else ())

    def _with_original(
        self, own: Record, sent_name: str, suspicion: str | None, file: str
    ) -> Record:
        return merge.with_original(own, sent_name, suspicion, file, self._keeper.now())

    def _note_no_original(self, work: Work, own: Record, why: str, now: datetime) -> Record:
        """Accept a redirect as "there is none" if no record could say so beforehand."""
        record = self._keeper.archive.read_record(work.metadata) or {}
        is_said = plan.tells_of_no_original(record, work.activity.start, now)
        if plan.is_redirect(why) and is_said:
            return merge.without_original(own, why, now)
        return merge.with_refusal(own, plan.ORIGINAL, why, now)

    def _note_no_gpx(self, work: Work, own: Record, why: str, now: datetime) -> Record:
        # Strava makes none of an activity without a track, and redirects.
        if plan.is_redirect(why):
            return merge.without_gpx(own, why, now)
        return merge.with_refusal(own, plan.GPX, why, now)

    def _note_no_photo_list(self, work: Work, own: Record, why: str, now: datetime) -> Record:
        return merge.without_photo_list(own, why, now, _photo_count(work))

    def _fetch_gpx(self, task: Task, work: Work) -> Done:
        assert self._originals is not None
        download = partial(self._originals.download_gpx, work.activity.id)
        return Done(str(self._keeper.save_file(task, work.stem, download, _with_gpx, only=".gpx")))

    def _fetch_photo_list(self, task: Task, work: Work) -> Done:
        tasks, lack = self._photos.fetch_list(work.activity, work.title)
        if lack:
            refusal = errors.Refused(f"Strava's list is not whole: {lack}", lack)
            return Done("", tuple(tasks), refusal)
        count = _photo_count(work)
        self._keeper.note(work.metadata, lambda own: merge.with_photo_list(own, count))
        return Done("", tuple(tasks))


def _photo_count(work: Work) -> int:
    count = work.activity.record.get("total_photo_count")
    return count if isinstance(count, int) else 0


def _with_gpx(own: Record, sent_name: str, suspicion: str | None, file: str) -> Record:
    return merge.without_refusal(own, plan.GPX)
