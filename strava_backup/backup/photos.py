"""Finds and fetches missing photos of activities: list, metadata, pictures and videos."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Protocol

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.archive.directory import Stored
from strava_backup.backup.files import Answer, FetchedFile, Files
from strava_backup.backup.tasks import Hosts, Result, Task
from strava_backup.items import OWN_KEY, PHOTO, VIDEO
from strava_backup.records import merge, plan
from strava_backup.records.store import RecordStore
from strava_backup.report import Report
from strava_backup.strava.records import (
    NEVER_OFFERED,
    NO_PICTURE,
    Activity,
    Photo,
    Record,
    Source,
    has_photo_id,
    parse_photo,
)


class Pictures(Protocol):
    """Downloads from the photo hosts; see `strava.photo_hosts` for the errors."""

    def download(self, url: str) -> AbstractContextManager[Answer]: ...

    def download_video(self, url: str) -> AbstractContextManager[Answer]: ...


class PhotoFile(NamedTuple):
    """A missing file of a photo: its kind of item, PHOTO or VIDEO, and the path of its metadata."""

    item: str
    metadata: PurePosixPath


class Photos:
    """Plans and fetches photos; `stored` is the archive's inventory of photos."""

    def __init__(
        self,
        source: Source,
        pictures: Pictures,
        files: Files,
        store: RecordStore,
        report: Report,
        hosts: Hosts,
        wanted: plan.Wanted,
        stored: dict[tuple[int, str], Stored],
    ) -> None:
        self._source = source
        self._pictures = pictures
        self._files = files
        self._store = store
        self._report = report
        self._hosts = hosts
        self._wanted = wanted
        self._stored = stored
        # The files that have a task in this run: a photo can be both stored and listed.
        self._planned: set[PhotoFile] = set()
        self._saved_keys: set[tuple[int, str]] = set()
        self._missing: dict[int, list[PhotoFile]] = defaultdict(list)
        self._without_address: set[int] = set()
        # The ids of pictures from a bulk export, by activity and SHA-256. They are compared by
        # content, because the names in the export may differ from the ids of the sources.
        self._exported: dict[int, dict[str, str]] = defaultdict(dict)
        for (activity_id, photo_id), photo in stored.items():
            sha256 = photo.own.get(merge.BULK_EXPORT, {}).get("sha256")
            if photo.file_texts and sha256 and photo.own.get("source") == merge.EXPORT_SOURCE:
                self._exported[activity_id][sha256] = photo_id
        for (activity_id, _), photo in stored.items() if wanted.photos else ():
            if photo.metadata and not photo.problem:
                self._find_missing(activity_id, photo, photo.metadata)

    def missing(self, activity_id: int) -> tuple[PhotoFile, ...]:
        """Return the pictures and videos of an activity's listed photos that are not stored."""
        return tuple(self._missing.get(activity_id, ()))

    def new_keys(self, records: Iterable[Any]) -> dict[str, set[tuple[int, str]]]:
        """Return the keys (see `layout`) of listed photos and videos that are not stored, by kind
        of item, without those that `missing` returns."""
        keys: dict[str, set[tuple[int, str]]] = {PHOTO: set(), VIDEO: set()}
        for record in records:
            if isinstance(record, dict) and isinstance(record.get("activity_id"), int):
                key = layout.photo_key(record["activity_id"], str(record.get("unique_id")))
                for item in self._new_items(key, record):
                    keys[item].add(key)
        return keys

    def _new_items(self, key: tuple[int, str], record: Record) -> Iterator[str]:
        stored = self._stored.get(key)
        if stored is None:
            yield PHOTO
        is_listed = has_photo_id(record) and (stored is None or not self._lacks_video(stored))
        if is_listed and self._lacks_video(stored, parse_photo(key[0], record)):
            yield VIDEO

    def wants_list(self, activity_id: int) -> bool:
        """Whether a stored photo of an activity has no usable URL, which its list may provide."""
        return activity_id in self._without_address

    def save_list(
        self, activity: Activity, title: str, entries: list[Any]
    ) -> tuple[list[Task], str]:
        """Save the metadata of an activity's photos, and return tasks for their missing files.

        The second value is the reason if the list is incomplete, else empty.
        """
        photos = [entry for entry in entries if has_photo_id(entry)]
        tasks = self._save_records(activity.id, title, photos, activity.start)
        listed = activity.record.get("total_photo_count") or 0
        if len(photos) < len(entries):
            return tasks, f"{len(entries) - len(photos)} of its entries have no photo id"
        return tasks, f"{len(photos)} of {listed} photos" if len(photos) < listed else ""

    def save_listed(
        self, records: Iterable[Any], find_start: Callable[[int], datetime | None]
    ) -> dict[int, list[Task]]:
        """Save the metadata of listed photos, and return tasks for missing files, by activity.

        `find_start` returns the start of an activity, or None if it is unknown.

        `records` are listed newest first, but the oldest is saved first: if the run is interrupted,
        the next run finds the newest photos unknown and reads the list down to the stored ones.
        """
        tasks: dict[int, list[Task]] = defaultdict(list)
        for record in reversed(list(records)):
            activity_id = record.get("activity_id") if isinstance(record, dict) else None
            if not isinstance(activity_id, int):
                continue  # a photo of a post
            with self._report.guarding(f"activity {activity_id}, list of photos", activity_id):
                if not has_photo_id(record):
                    raise errors.ItemError("an entry has no photo id and was skipped")
                start = find_start(activity_id)
                title = str(activity_id)
                tasks[activity_id] += self._save_records(activity_id, title, [record], start)
        return tasks

    def stored_task(self, title: str, file: PhotoFile, start: datetime) -> Task:
        """Return the task that reads a photo's metadata, and then queues that of its file."""
        self._planned.add(file)
        task = self._task(title, file, start)
        return task._replace(host=None, save=self._save_stored)

    def _save_stored(self, task: Task, answer: None) -> Result:
        photo = parse_photo(task.activity_id or 0, self._store.read(task.metadata))
        return Result("", (self._with_photo(task, photo),))

    def _task(self, title: str, file: PhotoFile, start: datetime | None) -> Task:
        name = file.metadata.name.removesuffix(layout.META_SUFFIX)
        activity_id, _, photo_id = name.partition("_")
        return Task(
            file.item,
            f"activity {title}, {photo_id}",
            self._hosts.photo_hosts,
            file.metadata,
            _save_nothing,
            activity_id=int(activity_id),
            start=start,
        )

    def _with_photo(self, task: Task, photo: Photo) -> Task:
        is_video = task.item == VIDEO
        fetch = self._fetch_video if is_video else self._fetch_picture
        return task._replace(
            host=self._hosts.photo_hosts,
            fetch=partial(fetch, task.metadata, photo),
            save=self._save_video if is_video else partial(self._save_picture, photo),
        )

    def _save_records(
        self, activity_id: int, title: str, records: Iterable[Any], start: datetime | None
    ) -> list[Task]:
        tasks = []
        for record in records:
            photo = parse_photo(activity_id, record)
            key = layout.photo_key(activity_id, photo.id)
            if key in self._saved_keys:
                continue  # listed twice
            self._saved_keys.add(key)
            stored = self._stored.get(key)
            if stored and stored.problem:
                continue
            try:
                metadata = self._save_metadata(photo, stored)
            except errors.ItemError as error:
                self._report.fail(f"activity {title}, photo {photo.id}", error, activity_id)
                continue
            for file in self._missing_files(photo, stored, metadata):
                self._planned.add(file)
                tasks.append(self._with_photo(self._task(title, file, start), photo))
        return tasks

    def _missing_files(
        self, photo: Photo, stored: Stored | None, metadata: PurePosixPath
    ) -> Iterator[PhotoFile]:
        """Yield the missing files of a listed photo that have no task yet."""
        lacks_picture = stored is None or self._lacks_picture(photo.activity_id, stored)
        lacks_video = self._lacks_video(stored, photo)
        for item, is_missing in ((PHOTO, lacks_picture), (VIDEO, lacks_video)):
            file = PhotoFile(item, metadata)
            if is_missing and file not in self._planned:
                yield file

    def _find_missing(self, activity_id: int, stored: Stored, metadata: PurePosixPath) -> None:
        """Note the missing files of a stored photo, and if its list may have their addresses."""
        lacks_picture = self._lacks_picture(activity_id, stored)
        for item, is_missing in ((PHOTO, lacks_picture), (VIDEO, self._lacks_video(stored))):
            if is_missing:
                self._missing[activity_id].append(PhotoFile(item, metadata))
                if stored.own.get("refused", {}).get(item, {}).get("why") in NO_PICTURE:
                    self._without_address.add(activity_id)

    def _lacks_video(self, stored: Stored | None, photo: Photo | None = None) -> bool:
        """Whether the video of a photo has to be fetched; `photo` is its listed record, if any."""
        stored = stored or Stored()
        is_listed = photo is not None and photo.is_video
        today = self._store.now().date()
        return plan.lacks_video(stored, self._wanted, today, is_listed=is_listed)

    def _lacks_picture(self, activity_id: int, photo: Stored) -> bool:
        """Whether a picture has to be fetched; not if it is stored as that of another photo."""
        today = self._store.now().date()
        return plan.lacks_picture(photo, self._wanted, today) and not plan.is_stored_as_other(
            activity_id, photo, self._stored
        )

    def _save_metadata(self, photo: Photo, stored: Stored | None) -> PurePosixPath:
        stem = stored.stem if stored else layout.photo_stem(photo.activity_id, photo.id)
        path = layout.metadata_path(stem)
        with self._store.editing(path):
            old = self._store.read(path)
            own = (old or {}).get(OWN_KEY, {})
            if self._source.name == "website" and own.get("source") == "api":
                return path  # the API's record has more fields
            new = merge.fetched_record(photo.record, own, self._source.name, self._store.now())
            self._store.replace(path, old, new)
            return path

    def _fetch_picture(self, metadata: PurePosixPath, photo: Photo) -> FetchedFile:
        if photo.url is None:
            is_certain = photo.why_not in NEVER_OFFERED
            refusal = errors.NotOffered if is_certain else errors.Refused
            raise refusal(f"Strava offers no picture ({photo.why_not})", photo.why_not)
        return self._files.fetch(_stem(metadata), partial(self._pictures.download, photo.url))

    def _fetch_video(self, metadata: PurePosixPath, photo: Photo) -> FetchedFile:
        if photo.video_url is None:
            raise errors.Refused("Strava offers no video (no address)", NO_PICTURE[0])
        stem = layout.partial_video_stem(_stem(metadata))
        return self._files.fetch(stem, partial(self._pictures.download_video, photo.video_url))

    def _save_video(self, task: Task, fetched: FetchedFile) -> Result:
        suffix = layout.sent_suffix(fetched.sent_name)
        self._files.save(task, fetched, _stem(task.metadata), self._with_video, only=suffix)
        return Result(task.item)

    def _save_picture(self, photo: Photo, task: Task, fetched: FetchedFile) -> Result:
        metadata = task.metadata
        stored = self._exported.get(photo.activity_id, {})
        saved = self._files.save(task, fetched, _stem(metadata), self._with_picture, stored=stored)
        same, now = saved.same_as, self._store.now()
        if same is not None:
            self._store.note(metadata, lambda own: merge.with_same_picture(own, same, now))
        return Result(task.item)

    def _with_picture(
        self, own: Record, sent_name: str, suspicion: str | None, file: str
    ) -> Record:
        return merge.with_picture(own, suspicion, file, self._store.now())

    def _with_video(self, own: Record, sent_name: str, suspicion: str | None, file: str) -> Record:
        return merge.with_video(own, suspicion, file, self._store.now())


def _stem(metadata: PurePosixPath) -> PurePosixPath:
    return metadata.with_name(metadata.name.removesuffix(layout.META_SUFFIX))


def _save_nothing(task: Task, answer: Any) -> Result:
    return Result()
