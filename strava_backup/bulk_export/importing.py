"""Takes Strava's bulk export into the archive: what is missing there, and nothing else.

Makes no requests. Originals and photos are checked like downloads; damaged ones go to `damaged/`,
so that a run with Strava fetches them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from itertools import chain, count, islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from strava_backup import errors
from strava_backup.archive import checks, layout
from strava_backup.archive.directory import Archive
from strava_backup.archive.metadata import OWN_KEY
from strava_backup.bulk_export import export_file, rows, start_time, table
from strava_backup.bulk_export.export_file import Export
from strava_backup.bulk_export.table import Entry
from strava_backup.records import merge
from strava_backup.records.store import RecordStore
from strava_backup.report import Report, count_of, first_of, printable
from strava_backup.strava.records import Record, has_photo_id
from strava_backup.timestamps import utc_timestamp

_log = logging.getLogger(__name__)

# The items of an activity, as they are counted in the report.
ORIGINAL = "original"
METADATA = "metadata"
PHOTO = "photo"
FILE = "file"

_PROFILE = "profile.csv"
_CAPTIONS = "media.csv"
# Disks write several files in hardly more time than one.
_THREADS = 4
# So many activities are made to last together.
_BATCH = 300
_ORIGINALS = "activities/"
_AGAIN = "Import the export as Strava sent it, or fetch it from there again"
# What may be done about a file that the export lacks.
_ELSE = "(a run without --import may fetch it from Strava)"


class Options(NamedTuple):
    """What the command line asks of an import."""

    limit: int | None = None
    photos: bool = True
    dry_run: bool = False


class Work(NamedTuple):
    """What an activity of the export has that the archive lacks; `photos` are names of files.

    `metadata` is where its metadata goes.
    """

    entry: Entry
    stem: PurePosixPath
    metadata: PurePosixPath
    record: Record
    lacks_original: bool
    lacks_metadata: bool
    photos: tuple[str, ...]

    @property
    def items(self) -> list[str]:
        """The items that are missing."""
        items = [ORIGINAL] * self.lacks_original + [METADATA] * self.lacks_metadata
        return items + [PHOTO] * len(self.photos)


class SavedFile(NamedTuple):
    """A file as it was stored under a name."""

    name: str
    size: int
    sha256: str
    suspicion: str | None


class Outcome(NamedTuple):
    """What came of an activity's files: how they were stored, or why they were not."""

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
) -> None:
    """Import what is at `path` into the archive at `root`.

    What happened, errors that end it included, is in the report.
    """
    archive = Archive(root)
    report.archive = str(root)
    report.dry_run = options.dry_run
    report.is_import = True
    try:
        with export_file.opened(path) as export:
            survey = _read_survey(export)
            if not options.dry_run:
                archive.prepare(with_parents=with_parents)
            is_locked = archive.has_lock() or not options.dry_run
            with archive.locked() if is_locked else nullcontext():
                archive.read_marker()
                store = RecordStore(archive, clock)
                importer = Import(export, survey, archive, options, store, report)
                if options.dry_run:
                    importer.dry_run(out)
                else:
                    importer.run()
                report.is_finished = True
    except errors.Error as error:
        report.fatal.append(error)


def _read_survey(export: Export) -> table.Survey:
    """Facts about the table. Raises ConfigError if it hides activities, or may do so."""
    try:
        survey = table.survey(_table(export))
    except errors.ItemError as error:
        raise errors.ConfigError(f"{error}. {_AGAIN}") from error
    problem, originals = survey.problem, len(_originals(export))
    if not problem and not survey.row_count and originals:
        problem = f"has no row, but {_ORIGINALS} holds {count_of(originals, 'file')}"
    if problem:
        raise errors.ConfigError(f"{export_file.TABLE} {problem}. {_AGAIN}")
    return survey


def _table(export: Export) -> rows.Table:
    return rows.parse_table(export_file.read_lines(export, export_file.TABLE))


def _originals(export: Export) -> set[str]:
    """The names of files that should belong to activities."""
    return {name for name in export.names if name.lower().startswith(_ORIGINALS)}


class Import:
    """One import. The constructor reads the archive."""

    def __init__(
        self,
        export: Export,
        survey: table.Survey,
        archive: Archive,
        options: Options,
        store: RecordStore,
        report: Report,
    ) -> None:
        self._export = export
        self._survey = survey
        self._archive = archive
        self._options = options
        self._store = store
        self._report = report
        self._day = export.day
        self._inventory = archive.scan()
        self._captions = self._read_captions()
        self._names = export_file.Names(export.names)
        # The names of files that have no other place in the archive, as far as is known.
        self._rest = set(export.names)
        self._nameless = _originals(export)
        self._without_file = 0

    def run(self) -> None:
        """Save what the archive lacks. Raises AccountMismatch and DiskError."""
        self._check_owner(may_mark=True)
        done, works = 0, self._works()
        with ThreadPoolExecutor(_THREADS) as pool:
            while batch := list(islice(works, _BATCH)):
                self._save_batch(batch, pool)
                done += len(batch)
                if len(batch) == _BATCH:
                    _log.info("%s so far", count_of(done, "activity", "activities"))
        with self._archive.saving_many():
            for name in sorted(self._rest):
                self._save_as_it_is(name)
        for path, problem in self._archive.problems(self._inventory):
            error = f"cannot be used ({problem}): move it away, or mend it"
            self._fail(str(path), error, layout.activity_of(path))
        self._report_unmatched()

    def dry_run(self, out: Callable[[str], None]) -> None:
        """Tell what `run` would save, a line an activity."""
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
        """Raises AccountMismatch unless export and archive belong to one athlete.

        Where one of the two does not tell, it has to be an activity of both that does.
        """
        athlete, owner = self._read_athlete(), self._archive.marker.athlete_id
        if athlete is not None and owner is not None:
            if athlete != owner:
                raise errors.AccountMismatch(
                    f"{self._archive.root} is the archive of athlete {owner}, but the export is "
                    f"that of athlete {athlete}: choose another output_dir for that one"
                )
            return
        stored = self._inventory.activities.keys()
        if (stored or owner is not None) and not stored & self._survey.ids:
            raise errors.AccountMismatch(
                f"{self._archive.root} and the export have no activity in common, and nothing else "
                "tells that they belong to one athlete: choose another output_dir"
            )
        # An older archive is checked, and then marked, by the first run that asks Strava.
        if may_mark and not stored and athlete is not None:
            self._archive.save_marker(replace(self._archive.marker, athlete_id=athlete))

    def _read_athlete(self) -> int | None:
        """The athlete's id, with which the profile begins."""
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
        """What there is to do, in the table's order; at most `limit` activities."""
        left = self._options.limit
        survey = self._survey
        seen: set[int] = set()
        for row in _table(self._export).rows:
            entry = table.parse_entry(survey.columns, row, is_day_first=survey.is_day_first)
            if entry is None or not row.is_whole:
                self._fail_row(row, entry)
            if entry is None or entry.id in seen:
                continue
            seen.add(entry.id)
            self._nameless.difference_update(self._names.find(entry.file))
            self._report.listed += 1
            work = self._work(entry)
            # What the limit leaves out is looked at all the same: its files are not the rest.
            if work is not None and work.items and left != 0:
                left = None if left is None else left - 1
                yield work

    def _fail_row(self, row: rows.Row, entry: Entry | None) -> None:
        where = f"{export_file.TABLE}, line {row.line}"
        if entry is None:
            start = printable(", ".join(row.cells[:3]))
            self._fail(where, f"it has no id that can be read ({start}) and was left out. {_AGAIN}")
            return
        cells, columns = len(row.cells), len(self._survey.columns.titles)
        why = f"it has {count_of(cells, 'cell')} in place of {columns}, so that most were left out"
        self._fail(f"{where}, activity {_title(entry)}", f"{why}. {_AGAIN}", entry.id)

    def _work(self, entry: Entry) -> Work | None:
        """What an activity of the export lacks; None where it has no place in the archive."""
        stored = self._inventory.activities.get(entry.id)
        is_told = stored is not None and stored.resource_state is not None
        lacks_original = (stored is None or stored.lacks_original) and self._has_original(entry)
        start = entry.start
        if start is None and not is_told and self._original_file(entry):
            start = self._find_start(self._original_file(entry))
        if stored is not None:
            stem = stored.stem
        elif start is not None:
            stem = layout.activity_stem(start, entry.id)
        else:
            why = "its date cannot be read, and no original tells its start: it was left out"
            self._fail(f"activity {_title(entry)}", why, entry.id)
            return None
        self._rest.discard(self._original_file(entry))
        photos = self._lacking_photos(entry)
        if stored is not None and stored.problem:
            return None
        return Work(
            entry,
            stem,
            (stored and stored.metadata) or layout.metadata_path(stem),
            {**entry.record, "start_date": utc_timestamp(start)} if start else entry.record,
            lacks_original,
            not (stored is not None and is_told and merge.BULK_EXPORT in stored.own),
            photos,
        )

    def _has_original(self, entry: Entry) -> bool:
        """Whether the export has the original; says so where it should and does not."""
        self._without_file += not entry.file
        if entry.file == table.LOST:
            self._fail(f"activity {_title(entry)}", f"the export has {table.LOST} for it {_ELSE}")
        elif entry.file and not self._original_file(entry):
            self._fail(f"activity {_title(entry)}", self._lacks(entry.file))
        return bool(self._original_file(entry))

    def _original_file(self, entry: Entry) -> str:
        """The name under which the export has the original; empty if it has none."""
        file = self._file(entry.file)
        return file if file.lower().startswith(_ORIGINALS) else ""

    def _file(self, name: str) -> str:
        """The name under which the export has a file of the table; empty if it has none."""
        found = self._names.find(name)
        return found[0] if len(found) == 1 else ""

    def _lacks(self, name: str) -> str:
        if name == table.LOST:
            return f"the export has {name} for one of its photos {_ELSE}"
        similar = [printable(one) for one in self._names.find(name)]
        if len(similar) > 1:
            return f"the export lacks {name}, but has more than one like it: {first_of(similar)}"
        return f"the export lacks {printable(name)} {_ELSE}"

    def _lacking_photos(self, entry: Entry) -> tuple[str, ...]:
        """The files of an activity's photos that the archive lacks."""
        lacking = []
        places = set()
        for name in entry.media:
            photo_id = table.media_id(name)
            place = (layout.photo_key(entry.id, photo_id), _is_video(name))
            if name != table.LOST:
                if place in places or not has_photo_id({"unique_id": photo_id}):
                    continue  # it has no place of its own, and counts as one of the rest
                places.add(place)
                self._rest.discard(self._file(name))
                if not self._options.photos or self._has_photo(entry.id, name):
                    continue
            if self._file(name):
                lacking.append(name)
            else:
                self._fail(f"activity {_title(entry)}", self._lacks(name))
        return tuple(lacking)

    def _has_photo(self, activity_id: int, name: str) -> bool:
        """Whether the archive has a picture; or, of a video, the video and not only its poster."""
        stored = self._inventory.photos.get(layout.photo_key(activity_id, table.media_id(name)))
        if stored is None:
            return False
        # Nothing can be noted in metadata that is in no state to be replaced.
        return stored.problem is not None or bool(
            stored.videos if _is_video(name) else stored.files
        )

    def _find_start(self, name: str) -> datetime | None:
        suffix = layout.sent_suffix(_unpacked_name(name))
        try:
            return start_time.find_start(self._original(name), suffix)
        except errors.ItemError:
            return None  # told when it is saved

    def _original(self, name: str) -> Iterator[bytes]:
        """An original as it was uploaded: the export packs most of them."""
        chunks = self._export.read_chunks(name)
        first = next(chunks, b"")
        whole = chain([first], chunks)
        is_packed = name.lower().endswith(".gz") and first.startswith(checks.GZIP_MAGIC)
        yield from export_file.unpacked(whole, name) if is_packed else whole

    def _save_batch(self, batch: list[Work], pool: ThreadPoolExecutor) -> None:
        """Save files, and metadata once they are there to stay."""
        with self._archive.saving_many():
            outcomes = list(pool.map(self._save_files, batch))
        with self._archive.saving_many():
            list(pool.map(self._try_records, outcomes))
        for work, original, photos in outcomes:
            what = f"activity {_title(work.entry)}"
            self._report.saved.update([METADATA] * work.lacks_metadata)
            self._count(what, ORIGINAL, original)
            for photo in photos.values():
                self._count(what, PHOTO, photo)

    def _count(self, what: str, item: str, result: SavedFile | errors.ItemError | None) -> None:
        if isinstance(result, errors.ItemError):
            self._report.fail(f"{what}, {item}", result)
        elif result is not None:
            self._report.saved[item] += 1
            self._report.saved_bytes += result.size
            if result.suspicion:
                _log.warning("%s: the %s is odd: %s", what, item, result.suspicion)

    def _save_files(self, work: Work) -> Outcome:
        """Save an activity's files; works beside others of its kind. Raises DiskError."""
        file = work.entry.file
        original = (
            self._save_file(work.stem, file, self._original(self._original_file(work.entry)))
            if work.lacks_original
            else None
        )
        photos = {
            name: self._save_file(
                self._photo_stem(work.entry.id, name),
                name,
                self._export.read_chunks(self._file(name)),
            )
            for name in work.photos
        }
        return Outcome(work, original, photos)

    def _save_file(
        self, stem: PurePosixPath, name: str, chunks: Iterator[bytes]
    ) -> SavedFile | errors.ItemError:
        """Save an original or a photo; a damaged one goes to `damaged/`. Raises DiskError."""
        sent = layout.sent_suffix(_unpacked_name(name))
        try:
            with self._archive.partial_file(stem) as partial_file:
                partial_file.write(chunks)
                damage = self._archive.damage(partial_file, sent)
                if damage is not None:
                    where = self._archive.save_damaged(partial_file, stem, sent)
                    raise errors.ItemError(
                        f"{name} is damaged in the export ({damage}) and was stored as {where} "
                        + _ELSE
                    )
                suspicion = self._archive.find_wrong_suffix(partial_file, sent)
                path = self._archive.prepare_file(partial_file, stem, sent)
                self._archive.place_file(partial_file, path)
                self._archive.add_checksum(path, partial_file.sha256)
                return SavedFile(path.name, partial_file.size, partial_file.sha256, suspicion)
        except errors.ItemError as error:
            return error

    def _photo_stem(self, activity_id: int, name: str) -> PurePosixPath:
        photo_id = table.media_id(name)
        stored = self._inventory.photos.get(layout.photo_key(activity_id, photo_id))
        return stored.stem if stored else layout.photo_stem(activity_id, photo_id)

    def _try_records(self, outcome: Outcome) -> None:
        """Save metadata; one that cannot be saved is counted. Raises DiskError."""
        try:
            self._save_records(outcome)
        except errors.ItemError as error:
            self._report.fail(f"activity {_title(outcome.work.entry)}, {METADATA}", error)

    def _save_records(self, outcome: Outcome) -> None:
        """Save the metadata of an activity and its photos; works beside others of its kind.

        Raises DiskError.
        """
        work, now = outcome.work, self._store.now()
        for name, photo in outcome.photos.items():
            if isinstance(photo, SavedFile):
                self._save_photo_record(work.entry.id, name, photo)
        told = {"export": self._day, "columns": work.entry.columns}
        kept = self._archive.read_record(work.metadata)
        record = merge.imported_record(work.record, told, kept, now)
        if isinstance(outcome.original, SavedFile):
            stored = outcome.original
            record[OWN_KEY] = merge.with_original(
                record[OWN_KEY], work.entry.file, stored.suspicion, stored.name, now
            )
        self._save_record(work.metadata, kept, record)

    def _save_photo_record(self, activity_id: int, name: str, photo: SavedFile) -> None:
        path = layout.metadata_path(self._photo_stem(activity_id, name))
        now = self._store.now()
        told = {"export": self._day, "name": name, "sha256": photo.sha256}
        record: Record = {
            "unique_id": table.media_id(name),
            "activity_id": activity_id,
            "caption": self._captions.get(name, ""),
        }
        kept = self._archive.read_record(path)
        record = merge.imported_record(record, told, kept, now)
        if not _is_video(name):
            record[OWN_KEY] = merge.with_picture(record[OWN_KEY], photo.suspicion, photo.name, now)
        self._save_record(path, kept, record)

    def _save_record(self, path: PurePosixPath, kept: Record | None, record: Record) -> None:
        if kept is None:
            # The moment is for what cannot be read: there may be something of that kind.
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
        """Where a file goes that is not held yet; beside another one of its day and name."""
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
        """Whether a folder is where a file is to go, or a file where one of its folders is."""
        target = self._archive.root / path
        return target.is_dir() or any(
            (self._archive.root / folder).is_file() for folder in path.parents
        )

    def _report_unmatched(self) -> None:
        if self._without_file:
            activities = count_of(self._without_file, "activity", "activities")
            _log.info("%s without a file in the export, as if typed in by hand", activities)
        nameless = sorted(self._nameless)
        self._report.nameless_files = len(nameless)
        if nameless:
            names = first_of(map(printable, nameless))
            why = (
                f"no row of {export_file.TABLE} that can be read names {names}: kept as other files"
            )
            self._fail(f"{count_of(len(nameless), 'file')} of unknown activities", why)

    def _fail(self, what: str, why: str, activity_id: int | None = None) -> None:
        self._report.fail(what, errors.ItemError(why), activity_id)


def _is_video(name: str) -> bool:
    return layout.sent_suffix(name) in layout.VIDEO_SUFFIXES


def _unpacked_name(name: str) -> str:
    return name[:-3] if name.lower().endswith(".gz") else name


def _title(entry: Entry) -> str:
    return f"{entry.id} {printable(entry.name)}".strip()
