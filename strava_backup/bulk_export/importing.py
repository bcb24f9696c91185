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

from strava_backup import errors, merge
from strava_backup.archive import checks, layout
from strava_backup.archive.directory import Archive
from strava_backup.archive.metadata import OURS
from strava_backup.bulk_export import dates, parcel, rows, start_time, table
from strava_backup.bulk_export.parcel import Parcel
from strava_backup.bulk_export.table import Entry
from strava_backup.keeper import Keeper
from strava_backup.report import Report, count_of, printable
from strava_backup.strava.records import Record, has_photo_id

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


class Stored(NamedTuple):
    """A file as it was stored under a name."""

    name: str
    size: int
    sha256: str
    odd: str | None


class Outcome(NamedTuple):
    """What came of an activity's files: how they were stored, or why they were not."""

    work: Work
    original: Stored | errors.ItemError | None
    photos: dict[str, Stored | errors.ItemError]


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
        with parcel.opened(path) as export:
            if not options.dry_run:
                archive.prepare(with_parents=with_parents)
            is_locked = archive.has_lock() or not options.dry_run
            with archive.locked() if is_locked else nullcontext():
                archive.read_marker()
                importer = Import(export, archive, options, Keeper(archive, report, clock))
                if options.dry_run:
                    importer.dry_run(out)
                else:
                    importer.run()
                report.is_finished = True
    except errors.Error as error:
        report.fatal.append(error)


class Import:
    """One import. The constructor reads the archive, and the table once."""

    def __init__(self, export: Parcel, archive: Archive, options: Options, keeper: Keeper) -> None:
        self._export = export
        self._archive = archive
        self._options = options
        self._keeper = keeper
        self._report = keeper.report
        self._day = parcel.exported_on(export)
        self._inventory = archive.scan()
        self._captions = self._read_captions()
        self._ids, self._is_day_first = self._survey()
        # The names of files that stand for themselves in the archive, and of all else the rest.
        self._claimed: set[str] = set()
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
            for name in self._rest():
                self._save_as_it_is(name)
        for path, problem in self._archive.problems(self._inventory):
            error = f"cannot be used ({problem}): move it away, or mend it"
            self._fail(str(path), error, layout.activity_of(path))
        self._tell_of_those_without_file()

    def dry_run(self, out: Callable[[str], None]) -> None:
        """Tell what `run` would save, a line an activity."""
        self._check_owner(may_mark=False)
        for work in self._works():
            day = work.record.get("start_date", "")[:10]
            out(f"{day} {_title(work.entry)}: {', '.join(work.items)}".lstrip())
            self._report.saved.update(work.items)
        for name in self._rest():
            if self._free_path(name) is not None:
                out(name)
                self._report.saved[FILE] += 1
        self._tell_of_those_without_file()

    def _survey(self) -> tuple[set[int], bool | None]:
        """The ids of the table, and whether its dates have the day ahead of the month."""
        ids, texts = set(), []
        try:
            for row in self._table()[1]:
                ids |= {int(row.cells[0])} if table.has_id(row) else set()
                texts.append(table.date_of(row))
        except errors.ItemError as error:
            raise errors.ConfigError(f"{error}. Fetch the export from Strava again") from error
        return ids, dates.find_day_first(texts)

    def _table(self) -> tuple[list[str], Iterator[rows.Row]]:
        return rows.parse_table(parcel.read_lines(self._export, parcel.TABLE))

    def _read_captions(self) -> dict[str, str]:
        if _CAPTIONS not in self._export.parts:
            return {}
        try:
            return rows.parse_pairs(parcel.read_lines(self._export, _CAPTIONS))
        except errors.ItemError as error:
            self._keeper.fail("captions of photos", error)
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
        held = self._inventory.activities.keys()
        if (held or owner is not None) and not held & self._ids:
            raise errors.AccountMismatch(
                f"{self._archive.root} and the export have no activity in common, and nothing else "
                "tells that they belong to one athlete: choose another output_dir"
            )
        # An older archive is checked, and then marked, by the first run that asks Strava.
        if may_mark and not held and athlete is not None:
            self._archive.save_marker(replace(self._archive.marker, athlete_id=athlete))

    def _read_athlete(self) -> int | None:
        """The athlete's id, with which the profile begins."""
        if _PROFILE not in self._export.parts:
            return None
        try:
            _, profile = rows.parse_table(parcel.read_lines(self._export, _PROFILE))
            row = next(profile, None)
        except errors.ItemError as error:
            self._keeper.fail("profile", error)
            return None
        return int(row.cells[0]) if row is not None and table.has_id(row) else None

    def _works(self) -> Iterator[Work]:
        """What there is to do, in the table's order; at most `limit` activities."""
        left = self._options.limit
        header, table_rows = self._table()
        seen: set[int] = set()
        for row in table_rows:
            entry = table.parse_entry(header, row, is_day_first=self._is_day_first)
            if entry is None:
                self._fail(parcel.TABLE, "a row cannot be read and was left out")
                continue
            if entry.id in seen:
                continue
            seen.add(entry.id)
            self._report.listed += 1
            work = self._work(entry)
            # What the limit leaves out is looked at all the same: its files are not the rest.
            if work is not None and work.items and left != 0:
                left = None if left is None else left - 1
                yield work

    def _work(self, entry: Entry) -> Work | None:
        """What an activity of the export lacks; None where it has no place in the archive."""
        held = self._inventory.activities.get(entry.id)
        is_told = held is not None and held.resource_state is not None
        lacks_original = (held is None or held.lacks_original) and self._has_original(entry)
        start = entry.start
        if start is None and not is_told and entry.file in self._export.parts:
            start = self._find_start(entry.file)
        if held is not None:
            stem = held.stem
        elif start is not None:
            stem = layout.activity_stem(start, entry.id)
        else:
            why = "its date cannot be read, and no original tells its start: it was left out"
            self._fail(f"activity {_title(entry)}", why, entry.id)
            return None
        self._claimed.add(entry.file)
        photos = self._lacking_photos(entry)
        if held is not None and held.problem:
            return None
        return Work(
            entry,
            stem,
            (held and held.metadata) or layout.metadata_path(stem),
            {**entry.record, "start_date": table.iso(start)} if start else entry.record,
            lacks_original,
            not (held is not None and is_told and merge.BULK_EXPORT in held.ours),
            photos,
        )

    def _has_original(self, entry: Entry) -> bool:
        """Whether the export has the original; says so where it should and does not."""
        self._without_file += not entry.file
        if entry.file == table.LOST:
            self._fail(f"activity {_title(entry)}", f"the export has {table.LOST} for it {_ELSE}")
        elif entry.file and entry.file not in self._export.parts:
            self._fail(f"activity {_title(entry)}", f"the export lacks {entry.file} {_ELSE}")
        return entry.file in self._export.parts

    def _lacking_photos(self, entry: Entry) -> tuple[str, ...]:
        """The files of an activity's photos that the archive lacks."""
        lacking = []
        keys = set()
        for name in entry.media:
            photo_id = table.media_id(name)
            key = layout.photo_key(entry.id, photo_id)
            if key in keys or not has_photo_id({"unique_id": photo_id}):
                continue  # it has no place of its own, and counts as one of the rest
            keys.add(key)
            held = self._inventory.photos.get(key)
            self._claimed.add(name)
            if not self._options.photos or (held is not None and (held.files or held.problem)):
                continue
            if name in self._export.parts:
                lacking.append(name)
            else:
                self._fail(f"activity {_title(entry)}", f"the export lacks {name} {_ELSE}")
        return tuple(lacking)

    def _find_start(self, name: str) -> datetime | None:
        suffix = layout.sent_suffix(name.removesuffix(".gz"))
        try:
            return start_time.find_start(self._original(name), suffix)
        except errors.ItemError:
            return None  # told when it is saved

    def _original(self, name: str) -> Iterator[bytes]:
        """An original as it was uploaded: the export packs most of them."""
        chunks = self._export.read_chunks(name)
        first = next(chunks, b"")
        whole = chain([first], chunks)
        is_packed = name.endswith(".gz") and first.startswith(checks.GZIP_MAGIC)
        yield from parcel.unpacked(whole, name) if is_packed else whole

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

    def _count(self, what: str, item: str, result: Stored | errors.ItemError | None) -> None:
        if isinstance(result, errors.ItemError):
            self._keeper.fail(f"{what}, {item}", result)
        elif result is not None:
            self._report.saved[item] += 1
            self._report.saved_bytes += result.size
            if result.odd:
                _log.warning("%s: the %s is odd: %s", what, item, result.odd)

    def _save_files(self, work: Work) -> Outcome:
        """Save an activity's files; works beside others of its kind. Raises DiskError."""
        file = work.entry.file
        original = (
            self._save_file(work.stem, file, self._original(file)) if work.lacks_original else None
        )
        photos = {
            name: self._save_file(
                self._photo_stem(work.entry.id, name), name, self._export.read_chunks(name)
            )
            for name in work.photos
        }
        return Outcome(work, original, photos)

    def _save_file(
        self, stem: PurePosixPath, name: str, chunks: Iterator[bytes]
    ) -> Stored | errors.ItemError:
        """Save an original or a photo; a damaged one goes to `damaged/`. Raises DiskError."""
        sent = layout.sent_suffix(name.removesuffix(".gz"))
        try:
            with self._archive.draft(stem) as draft:
                draft.write(chunks)
                damage = self._archive.damage(draft, sent)
                if damage is not None:
                    where = self._archive.save_damaged(draft, stem, sent)
                    raise errors.ItemError(
                        f"{name} is damaged in the export ({damage}) and was stored as {where} "
                        + _ELSE
                    )
                odd = self._archive.misnomer(draft, sent)
                path = self._archive.save_file(draft, stem, sent, nullcontext)
                return Stored(path.name, draft.size, draft.sha256, odd)
        except errors.ItemError as error:
            return error

    def _photo_stem(self, activity_id: int, name: str) -> PurePosixPath:
        photo_id = table.media_id(name)
        held = self._inventory.photos.get(layout.photo_key(activity_id, photo_id))
        return held.stem if held else layout.photo_stem(activity_id, photo_id)

    def _try_records(self, outcome: Outcome) -> None:
        """Save metadata; one that cannot be saved is counted. Raises DiskError."""
        try:
            self._save_records(outcome)
        except errors.ItemError as error:
            self._keeper.fail(f"activity {_title(outcome.work.entry)}, {METADATA}", error)

    def _save_records(self, outcome: Outcome) -> None:
        """Save the metadata of an activity and its photos; works beside others of its kind.

        Raises DiskError.
        """
        work, now = outcome.work, self._keeper.now()
        for name, photo in outcome.photos.items():
            if isinstance(photo, Stored):
                self._save_photo_record(work.entry.id, name, photo)
        told = {"export": self._day, "columns": work.entry.columns}
        kept = self._archive.read_record(work.metadata)
        record = merge.imported_record(work.record, told, kept, now)
        if isinstance(outcome.original, Stored):
            stored = outcome.original
            record[OURS] = merge.with_original(
                record[OURS], work.entry.file, stored.odd, stored.name, now
            )
        self._save_record(work.metadata, kept, record)

    def _save_photo_record(self, activity_id: int, name: str, photo: Stored) -> None:
        path = layout.metadata_path(self._photo_stem(activity_id, name))
        now = self._keeper.now()
        told = {"export": self._day, "name": name, "sha256": photo.sha256}
        record: Record = {
            "unique_id": table.media_id(name),
            "activity_id": activity_id,
            "caption": self._captions.get(name, ""),
        }
        kept = self._archive.read_record(path)
        record = merge.imported_record(record, told, kept, now)
        record[OURS] = merge.with_picture(record[OURS], photo.odd, photo.name, now)
        self._save_record(path, kept, record)

    def _save_record(self, path: PurePosixPath, kept: Record | None, record: Record) -> None:
        if kept is None:
            # The moment is for what cannot be read: there may be something of that kind.
            self._archive.save_record(path, record, history=self._keeper.now())
        else:
            self._keeper.save_record(path, record)

    def _rest(self) -> list[str]:
        """The names of files that have no other place in the archive."""
        return sorted(self._export.parts.keys() - self._claimed)

    def _save_as_it_is(self, name: str) -> None:
        try:
            path = self._free_path(name)
            if path is None:
                return
            with self._archive.draft(path) as draft:
                draft.write(self._export.read_chunks(name))
                self._archive.save_named(draft, path)
        except errors.ItemError as error:
            self._keeper.fail(name, error)
        else:
            self._report.saved[FILE] += 1
            self._report.saved_bytes += draft.size

    def _free_path(self, name: str) -> PurePosixPath | None:
        """Where a file goes that is not held yet; beside another one of its day and name."""
        content = hashlib.sha256()
        for chunk in self._export.read_chunks(name):
            content.update(chunk)
        for number in count(1):
            day = self._day if number == 1 else f"{self._day}.{number}"
            path = layout.export_path(day, name)
            held = self._archive.sha256(path)
            if held is None:
                return path
            if held == content.hexdigest():
                return None
        raise AssertionError

    def _tell_of_those_without_file(self) -> None:
        if self._without_file:
            activities = count_of(self._without_file, "activity", "activities")
            _log.info("%s without a file in the export, as if typed in by hand", activities)

    def _fail(self, what: str, why: str, activity_id: int | None = None) -> None:
        self._keeper.fail(what, errors.ItemError(why), activity_id)


def _title(entry: Entry) -> str:
    return f"{entry.id} {printable(entry.name)}".strip()
