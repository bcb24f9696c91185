"""Import the items of Strava's bulk export that the archive lacks.

Makes no requests. Originals and photos are checked like downloads; damaged ones go to `damaged/`,
so that a later backup run downloads them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from itertools import chain, count, islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from strava_backup import errors
from strava_backup.archive import checks, layout
from strava_backup.archive.directory import Archive
from strava_backup.bulk_export import export_file, rows, start_time, table
from strava_backup.bulk_export.export_file import Export
from strava_backup.bulk_export.table import Entry
from strava_backup.items import FILE, METADATA, ORIGINAL, OWN_KEY, PHOTO, VIDEO
from strava_backup.progress import Progress
from strava_backup.records import merge
from strava_backup.records.store import RecordStore
from strava_backup.report import Report, count_of, first_of, printable
from strava_backup.strava.records import Record, has_photo_id
from strava_backup.timestamps import utc_timestamp

_log = logging.getLogger(__name__)

_SILENT = Progress()
_PROFILE = "profile.csv"
_CAPTIONS = "media.csv"
# Several concurrent writes take hardly longer than one.
_THREADS = 4
# Activities per batch, which is flushed to disk as a whole.
_BATCH = 300
_ORIGINALS = "activities/"
_AGAIN = "Import the export as downloaded from Strava, or download it again"
# Advice on a file that the export lacks.
_ELSE = "(a run without --import may fetch it from Strava)"


class Options(NamedTuple):
    """The options of the command line for an import."""

    limit: int | None = None
    photos: bool = True
    videos: bool = True
    dry_run: bool = False


class Work(NamedTuple):
    """The items of an activity in the export that the archive lacks.

    `metadata` is the path of its metadata in the archive, which has a file there if `has_metadata`.
    `photos` are names of files, and `start` is None if it is unknown.
    """

    entry: Entry
    stem: PurePosixPath
    metadata: PurePosixPath
    record: Record
    start: datetime | None
    lacks_original: bool
    lacks_metadata: bool
    has_metadata: bool
    photos: tuple[str, ...]

    @property
    def items(self) -> list[str]:
        """The missing items."""
        items = [ORIGINAL] * self.lacks_original + [METADATA] * self.lacks_metadata
        return items + [_item_of(name) for name in self.photos]


class SavedFile(NamedTuple):
    """A file that was stored in the archive."""

    name: str
    size: int
    sha256: str
    suspicion: str | None


class Result(NamedTuple):
    """The stored files of an activity, or the errors that prevented it."""

    work: Work
    original: SavedFile | errors.ItemError | None
    photos: dict[str, SavedFile | errors.ItemError]


def import_export(
    path: Path,
    root: Path,
    options: Options,
    report: Report,
    *,
    with_parents: bool,
    out: Callable[[str], None],
    clock: Callable[[], float],
    progress: Progress = _SILENT,
) -> None:
    """Import the export at `path` into the archive at `root`.

    The report has the results, including fatal errors.
    """
    archive = Archive(root)
    report.archive = str(root)
    report.dry_run = options.dry_run
    report.is_import = True
    try:
        with export_file.opened(path) as export:
            progress.phase("Reading the export")
            summary = _read_summary(export)
            if not options.dry_run:
                archive.prepare(with_parents=with_parents)
            with archive.locked(creates=not options.dry_run):
                archive.read_marker()
                store = RecordStore(archive, clock)
                importer = Import(export, summary, archive, options, store, report, progress)
                progress.phase("Importing activities")
                progress.expect(summary.row_count)
                if options.dry_run:
                    importer.dry_run(out)
                else:
                    importer.run()
                report.is_finished = True
    except errors.Error as error:
        report.fatal.append(error)


def _read_summary(export: Export) -> table.Summary:
    """Return facts about the table. Raise ConfigError if activities cannot be read from it."""
    try:
        summary = table.summarize(_table(export))
    except errors.ItemError as error:
        raise errors.ConfigError(f"{error}. {_AGAIN}") from error
    problem, originals = summary.problem, len(_originals(export))
    if not problem and not summary.row_count and originals:
        problem = f"has no row, but {_ORIGINALS} contains {count_of(originals, 'file')}"
    if problem:
        raise errors.ConfigError(f"{export_file.TABLE} {problem}. {_AGAIN}")
    return summary


def _table(export: Export) -> rows.Table:
    return rows.parse_table(export_file.read_lines(export, export_file.TABLE))


def _originals(export: Export) -> set[str]:
    """Return the names of the files in the folder of originals."""
    return {name for name in export.names if name.lower().startswith(_ORIGINALS)}


class Import:
    """One import. The constructor scans the archive."""

    def __init__(
        self,
        export: Export,
        summary: table.Summary,
        archive: Archive,
        options: Options,
        store: RecordStore,
        report: Report,
        progress: Progress,
    ) -> None:
        self._export = export
        self._summary = summary
        self._archive = archive
        self._options = options
        self._store = store
        self._report = report
        self._progress = progress
        self._day = export.day
        self._inventory = archive.scan()
        self._captions = self._read_captions()
        self._names = export_file.Names(export.names)
        # Files without another place in the archive; files of activities are removed while reading.
        self._rest = set(export.names)
        self._nameless = _originals(export)
        self._without_file = 0

    def run(self) -> None:
        """Save the items that the archive lacks. Raise AccountMismatch, DiskError."""
        self._check_owner(may_mark=True)
        saved_count, works = 0, self._works()
        with ThreadPoolExecutor(_THREADS) as pool:
            while batch := list(islice(works, _BATCH)):
                self._save_batch(batch, pool)
                saved_count += len(batch)
                if len(batch) == _BATCH:
                    _log.info("%s so far", count_of(saved_count, "activity", "activities"))
        with self._archive.saving_many():
            for name in sorted(self._rest):
                self._save_as_it_is(name)
        for path, problem in self._archive.problems(self._inventory):
            error = f"cannot be used ({problem}): move it away, or repair it"
            self._fail(str(path), error, layout.activity_of(path))
        self._report_unmatched()

    def dry_run(self, out: Callable[[str], None]) -> None:
        """Print the items that `run` would save, one activity per line. Raise AccountMismatch."""
        self._check_owner(may_mark=False)
        for work in self._works():
            day = work.record.get("start_date", "")[:10]
            out(f"{day} {_title(work.entry)}: {', '.join(work.items)}".lstrip())
            self._report.saved.update(work.items)
        for name in sorted(self._rest):
            if self._free_path(name) is not None:
                out(name)
                self._report.saved[FILE] += 1
        self._report_unmatched()

    def _read_captions(self) -> dict[str, str]:
        if _CAPTIONS not in self._export.names:
            return {}
        try:
            return rows.parse_pairs(export_file.read_lines(self._export, _CAPTIONS))
        except errors.ItemError as error:
            self._report.fail("captions of photos", error)
            return {}

    def _check_owner(self, *, may_mark: bool) -> None:
        """Raise AccountMismatch unless export and archive belong to one athlete.

        If the athlete of one of them is unknown, they must have an activity in common.
        """
        athlete, owner = self._read_athlete(), self._archive.marker.athlete_id
        if athlete is not None and owner is not None:
            if athlete != owner:
                raise errors.AccountMismatch(
                    f"{self._archive.root} is the archive of athlete {owner}, but the export "
                    f"belongs to athlete {athlete}: choose another output_dir for it"
                )
            return
        stored = self._inventory.activities.keys()
        if (stored or owner is not None) and not stored & self._summary.ids:
            raise errors.AccountMismatch(
                f"{self._archive.root} and the export have no activity in common, and may belong "
                "to different athletes: choose another output_dir"
            )
        # An unmarked archive with activities is checked and marked by the next backup run.
        if may_mark and not stored and athlete is not None:
            self._archive.save_marker(replace(self._archive.marker, athlete_id=athlete))

    def _read_athlete(self) -> int | None:
        """Return the athlete's id, the first cell of the profile."""
        if _PROFILE not in self._export.names:
            return None
        try:
            profile = rows.parse_table(export_file.read_lines(self._export, _PROFILE))
            row = next(profile.rows, None)
        except errors.ItemError as error:
            self._report.fail("profile", error)
            return None
        return table.id_of(row) if row is not None else None

    def _works(self) -> Iterator[Work]:
        """Yield the activities with missing items, in the table's order; at most `limit`."""
        left = self._options.limit
        summary = self._summary
        seen: set[int] = set()
        for row in _table(self._export).rows:
            self._progress.done()
            entry = table.parse_entry(summary.columns, row, is_day_first=summary.is_day_first)
            if entry is None or not row.is_whole:
                self._fail_row(row, entry)
            if entry is None or entry.id in seen:
                continue
            seen.add(entry.id)
            self._nameless.difference_update(self._names.find(entry.file))
            self._report.listed += 1
            work = self._work(entry)
            # Activities beyond the limit are checked, too: their files do not belong to the rest.
            if work is not None and work.items and left != 0:
                left = None if left is None else left - 1
                yield work

    def _fail_row(self, row: rows.Row, entry: Entry | None) -> None:
        line = f"{export_file.TABLE}, line {row.line}"
        if entry is None:
            start = printable(", ".join(row.cells[:3]))
            self._fail(line, f"the row was skipped, since its id is unreadable ({start}). {_AGAIN}")
            return
        cells, columns = len(row.cells), len(self._summary.columns.titles)
        why = f"the row has {count_of(cells, 'cell')} instead of {columns}; most were skipped"
        self._fail(f"{line}, activity {_title(entry)}", f"{why}. {_AGAIN}", entry.id)

    def _work(self, entry: Entry) -> Work | None:
        """Return the items that an activity lacks; None if its metadata cannot be saved."""
        stored = self._inventory.activities.get(entry.id)
        has_record = stored is not None and stored.resource_state is not None
        lacks_original = (stored is None or stored.lacks_original) and self._has_original(entry)
        start = entry.start
        if start is None and not has_record and self._original_file(entry):
            start = self._find_start(self._original_file(entry))
        if stored is not None:
            stem = stored.stem
        elif start is not None:
            stem = layout.activity_stem(start, entry.id)
        else:
            why = "skipped, since neither its date nor an original has a readable start time"
            self._fail(f"activity {_title(entry)}", why, entry.id)
            return None
        self._rest.discard(self._original_file(entry))
        photos = self._lacking_photos(entry)
        if stored is not None and stored.problem:
            return None
        metadata = stored.metadata if stored is not None else None
        return Work(
            entry,
            stem,
            metadata or layout.metadata_path(stem),
            {**entry.record, "start_date": utc_timestamp(start)} if start else entry.record,
            start,
            lacks_original,
            not (stored is not None and has_record and merge.BULK_EXPORT in stored.own),
            metadata is not None,
            photos,
        )

    def _has_original(self, entry: Entry) -> bool:
        """Return whether the export has the original. Report if it should, but does not."""
        self._without_file += not entry.file
        if entry.file == table.MISSING_FILE:
            self._fail(
                f"activity {_title(entry)}", f"the export has {table.MISSING_FILE} for it {_ELSE}"
            )
        elif entry.file and not self._original_file(entry):
            self._fail(f"activity {_title(entry)}", self._lacks(entry.file))
        return bool(self._original_file(entry))

    def _original_file(self, entry: Entry) -> str:
        """Return the name of the original in the export; empty if it has none."""
        file = self._file(entry.file)
        return file if file.lower().startswith(_ORIGINALS) else ""

    def _file(self, name: str) -> str:
        """Return the name in the export of a file in the table; empty if there is none."""
        found = self._names.find(name)
        return found[0] if len(found) == 1 else ""

    def _lacks(self, name: str) -> str:
        if name == table.MISSING_FILE:
            return f"the export has {name} for one of its photos {_ELSE}"
        similar = [printable(one) for one in self._names.find(name)]
        if len(similar) > 1:
            return f"the export lacks {name}, but has several similar files: {first_of(similar)}"
        return f"the export lacks {printable(name)} {_ELSE}"

    def _lacking_photos(self, entry: Entry) -> tuple[str, ...]:
        """Return the files of an activity's photos that the archive lacks."""
        lacking = []
        keys = set()
        for name in entry.media:
            photo_id = table.media_id(name)
            key = (layout.photo_key(entry.id, photo_id), _is_video(name))
            if name != table.MISSING_FILE:
                if key in keys or not has_photo_id({"unique_id": photo_id}):
                    continue  # without a path of its own, the file counts as one of the rest
                keys.add(key)
                self._rest.discard(self._file(name))
                if not self._is_wanted(name) or self._has_photo(entry.id, name):
                    continue
            if self._file(name):
                lacking.append(name)
            else:
                self._fail(f"activity {_title(entry)}", self._lacks(name))
        return tuple(lacking)

    def _is_wanted(self, name: str) -> bool:
        return self._options.photos and (self._options.videos or not _is_video(name))

    def _has_photo(self, activity_id: int, name: str) -> bool:
        """Return whether the archive has a picture, or a video and not only its poster."""
        stored = self._inventory.photos.get(layout.photo_key(activity_id, table.media_id(name)))
        if stored is None:
            return False
        # Metadata with a problem cannot be replaced, so that the photo could not be noted in it.
        return stored.problem is not None or bool(
            stored.videos if _is_video(name) else stored.files
        )

    def _find_start(self, name: str) -> datetime | None:
        suffix = layout.sent_suffix(_unpacked_name(name))
        try:
            return start_time.find_start(self._original(name), suffix)
        except errors.ItemError:
            return None  # reported when the original is saved

    def _original(self, name: str) -> Iterator[bytes]:
        """Yield an original as it was uploaded: the export compresses most of them."""
        chunks = self._export.read_chunks(name)
        first = next(chunks, b"")
        whole = chain([first], chunks)
        is_packed = name.lower().endswith(".gz") and first.startswith(checks.GZIP_MAGIC)
        yield from export_file.unpacked(whole, name) if is_packed else whole

    def _save_batch(self, batch: list[Work], pool: ThreadPoolExecutor) -> None:
        """Save files, and their metadata after they have been flushed to disk."""
        with self._archive.saving_many():
            results = list(pool.map(self._save_files, batch))
        with self._archive.saving_many():
            list(pool.map(self._try_records, results))
        for work, original, photos in results:
            subject = f"activity {_title(work.entry)}"
            self._report.saved.update([METADATA] * work.lacks_metadata)
            self._count(subject, ORIGINAL, original)
            for name, photo in photos.items():
                self._count(subject, _item_of(name), photo)

    def _count(self, subject: str, item: str, result: SavedFile | errors.ItemError | None) -> None:
        if isinstance(result, errors.ItemError):
            self._report.fail(f"{subject}, {item}", result)
        elif result is not None:
            self._report.saved[item] += 1
            self._report.saved_bytes += result.size
            if result.suspicion:
                _log.warning("%s: the %s is suspicious: %s", subject, item, result.suspicion)

    def _save_files(self, work: Work) -> Result:
        """Save an activity's files, concurrently with others. Raise DiskError."""
        original = None
        if work.lacks_original:
            chunks = self._original(self._original_file(work.entry))
            original = self._save_file(work.stem, work.entry.file, chunks, work.start)
        photos = {
            name: self._save_file(
                self._photo_stem(work.entry.id, name),
                name,
                self._export.read_chunks(self._file(name)),
                work.start,
            )
            for name in work.photos
        }
        return Result(work, original, photos)

    def _save_file(
        self, stem: PurePosixPath, name: str, chunks: Iterator[bytes], start: datetime | None
    ) -> SavedFile | errors.ItemError:
        """Save an original or a photo; a damaged one goes to `damaged/`. Raise DiskError."""
        sent = layout.sent_suffix(_unpacked_name(name))
        try:
            with self._archive.partial_file(stem) as partial_file:
                partial_file.write(chunks)
                damage = self._archive.damage(partial_file, sent)
                if damage is not None:
                    place = self._archive.save_damaged(partial_file, stem, sent)
                    raise errors.ItemError(
                        f"{name} is damaged in the export ({damage}) and was stored as {place} "
                        + _ELSE
                    )
                suspicion = self._archive.find_wrong_suffix(partial_file, sent)
                path = self._archive.prepare_file(partial_file, stem, sent)
                self._archive.place_file(partial_file, path, start)
                self._archive.add_checksum(path, partial_file.sha256)
                return SavedFile(path.name, partial_file.size, partial_file.sha256, suspicion)
        except errors.ItemError as error:
            return error

    def _photo_stem(self, activity_id: int, name: str) -> PurePosixPath:
        photo_id = table.media_id(name)
        stored = self._inventory.photos.get(layout.photo_key(activity_id, photo_id))
        return stored.stem if stored else layout.photo_stem(activity_id, photo_id)

    def _try_records(self, result: Result) -> None:
        """Save metadata, and report errors of single items. Raise DiskError."""
        try:
            self._save_records(result)
        except errors.ItemError as error:
            self._report.fail(f"activity {_title(result.work.entry)}, {METADATA}", error)

    def _save_records(self, result: Result) -> None:
        """Save the metadata of an activity and its photos, concurrently with others.

        Raise DiskError, ItemError.
        """
        work, now = result.work, self._store.now()
        for name, photo in result.photos.items():
            if isinstance(photo, SavedFile):
                self._save_photo_record(work.entry.id, name, photo)
        export_data = {"export": self._day, "columns": work.entry.columns}
        stored = self._archive.read_record(work.metadata) if work.has_metadata else None
        record = merge.imported_record(work.record, export_data, stored, now)
        if isinstance(result.original, SavedFile):
            original = result.original
            record[OWN_KEY] = merge.with_original(
                record[OWN_KEY], work.entry.file, original.suspicion, original.name, now
            )
        self._save_record(work.metadata, stored, record)

    def _save_photo_record(self, activity_id: int, name: str, photo: SavedFile) -> None:
        path = layout.metadata_path(self._photo_stem(activity_id, name))
        now = self._store.now()
        export_data = {"export": self._day, "name": name, "sha256": photo.sha256}
        record: Record = {
            "unique_id": table.media_id(name),
            "activity_id": activity_id,
            "caption": self._captions.get(name, ""),
        }
        stored = self._archive.read_record(path)
        record = merge.imported_record(record, export_data, stored, now)
        with_file = merge.with_video if _is_video(name) else merge.with_picture
        record[OWN_KEY] = with_file(record[OWN_KEY], photo.suspicion, photo.name, now)
        self._save_record(path, stored, record)

    def _save_record(self, path: PurePosixPath, stored: Record | None, record: Record) -> None:
        if stored is None:
            # An unreadable file may be at the path; the time is for its copy in the history.
            self._archive.save_record(path, record, history=self._store.now())
        else:
            self._store.save(path, record)

    def _save_as_it_is(self, name: str) -> None:
        try:
            path = self._free_path(name)
            if path is None:
                return
            with self._archive.partial_file(path) as partial_file:
                partial_file.write(self._export.read_chunks(name))
                self._archive.save_named(partial_file, path)
        except errors.ItemError as error:
            self._report.fail(name, error)
        else:
            self._report.saved[FILE] += 1
            self._report.saved_bytes += partial_file.size

    def _free_path(self, name: str) -> PurePosixPath | None:
        """Return the path for a file that is not stored yet, or None if it is.

        Another file of the same day and name is not replaced: the path gets another number.
        """
        content = hashlib.sha256()
        for chunk in self._export.read_chunks(name):
            content.update(chunk)
        for number in count(1):
            day = self._day if number == 1 else f"{self._day}.{number}"
            path = layout.export_path(day, export_file.storable(name))
            if self._is_blocked(path):
                continue
            stored = self._archive.sha256(path)
            if stored is None:
                return path
            if stored == content.hexdigest():
                return None
        raise AssertionError

    def _is_blocked(self, path: PurePosixPath) -> bool:
        """Return whether `path` is a folder, or one of its folders is a file."""
        target = self._archive.root / path
        return target.is_dir() or any(
            (self._archive.root / folder).is_file() for folder in path.parents
        )

    def _report_unmatched(self) -> None:
        if self._without_file:
            activities = count_of(self._without_file, "activity", "activities")
            _log.info("%s without a file in the export, probably entered manually", activities)
        nameless = sorted(self._nameless)
        self._report.nameless_files = len(nameless)
        if nameless:
            names = first_of(map(printable, nameless))
            why = (
                f"no readable row of {export_file.TABLE} names {names}; stored with the other files"
            )
            self._fail(f"{count_of(len(nameless), 'file')} of unknown activities", why)

    def _fail(self, subject: str, why: str, activity_id: int | None = None) -> None:
        self._report.fail(subject, errors.ItemError(why), activity_id)


def _is_video(name: str) -> bool:
    return layout.sent_suffix(name) in layout.VIDEO_SUFFIXES


def _item_of(name: str) -> str:
    return VIDEO if _is_video(name) else PHOTO


def _unpacked_name(name: str) -> str:
    return name[:-3] if name.lower().endswith(".gz") else name


def _title(entry: Entry) -> str:
    return f"{entry.id} {printable(entry.name)}".strip()
