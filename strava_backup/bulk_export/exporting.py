"""Exports the archive in the form of Strava's bulk export, for other programs.

Reads the archive only, and makes no requests. `docs/format.md` describes the exported files.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from strava_backup import errors
from strava_backup.archive import checks, layout
from strava_backup.archive.directory import Archive, Inventory, Stored
from strava_backup.bulk_export import activity_rows, export_file, imported_cells, start_time
from strava_backup.bulk_export.columns import HEADER
from strava_backup.bulk_export.imported_files import ImportedFiles
from strava_backup.bulk_export.places import Folder, Place, new_zip
from strava_backup.items import FILE, METADATA, ORIGINAL, OWN_KEY, PHOTO, VIDEO
from strava_backup.report import Report, count_of, first_of, printable
from strava_backup.strava.records import Record

_log = logging.getLogger(__name__)

# While one thread compresses an original, the others read metadata.
_THREADS = 4
# Activities per batch, which limits the results in memory.
_BATCH = 300
_SAFE_ROUTE = re.compile(r"routes/[^/\\\0.][^/\\\0]*")
_BIKE_HEADER = ("Bike Name", "Bike Brand", "Bike Model", "Bike Default Sport Types")
_SHOE_HEADER = ("Shoe Name", "Shoe Brand", "Shoe Model", "Shoe Default Sport Types")
_COMPONENT_HEADER = ("Bike Name", "Component Type", "Component Brand", "Component Model")
_MEDIA_HEADER = ("Media Filename", "Media Caption")
_ROUTE_HEADER = ("Route Name", "Route Filename")
_PROFILE_HEADER = ("Athlete ID", "Email Address", "First Name")


class Options(NamedTuple):
    """The options of the command line for an export.

    Only activities that start on `since` or later are exported. Without `packs`, FIT and TCX files
    are not gzipped.
    """

    since: date | None = None
    packs: bool = True
    photos: bool = True
    videos: bool = True


class _Media(NamedTuple):
    """The file of a photo or a video, its name in the export, and the metadata with its caption.

    `item` is PHOTO or VIDEO.
    """

    item: str
    name: str
    source: PurePosixPath
    metadata: PurePosixPath | None


class _Result(NamedTuple):
    """The row of an activity, and the captions of its photos by their names in the export."""

    row: list[str]
    captions: list[tuple[str, str]]


def export_folder(root: Path, path: Path, options: Options, report: Report) -> None:
    """Export the archive at `root` into the folder at `path`.

    The folder is created if it is missing. Raise ConfigError, AnotherRun, DiskError.
    """
    archive = Archive(root)
    _check(archive, path)
    report.archive, report.is_export = str(path), True
    with archive.locked(is_reader=True, creates=False):
        archive.read_marker()
        place = Folder(path)
        place.prepare(archive.marker.athlete_id)
        _Exporter(archive, place, options, report).run()
        left = place.finish()
    report.is_finished = True
    if left:
        files = count_of(len(left), "file")
        text = "%s in %s are of an earlier export and not part of this one: %s"
        _log.warning(text, files, path, first_of(map(printable, left)))
    if place.has_links:
        text = "%s has hard links to files of the archive: copy those that you want to change"
        _log.info(text, path)


def export_zip(root: Path, path: Path, options: Options, report: Report, moment: float) -> None:
    """Export the archive at `root` as a ZIP at `path`, with `moment` as the time of its files.

    A ZIP of an earlier export is replaced. Raise ConfigError, AnotherRun, DiskError.
    """
    archive = Archive(root)
    _check(archive, path)
    report.is_export = True
    with archive.locked(is_reader=True, creates=False):
        archive.read_marker()
        with new_zip(path, moment) as place:
            _Exporter(archive, place, options, report).run()
    # Before, nothing was saved that an interrupted run could report.
    report.archive, report.is_finished = str(path), True


def _check(archive: Archive, path: Path) -> None:
    """Raise ConfigError without an archive, or if the export would be inside it."""
    archive.check_exists()
    root, place = (Path(os.path.realpath(one)) for one in (archive.root, path))
    if root in (place, *place.parents):
        raise errors.ConfigError(f"{path} is inside the archive: choose a place outside")


class _Exporter:
    """One export. The constructor scans the archive."""

    def __init__(self, archive: Archive, place: Place, options: Options, report: Report) -> None:
        self._archive = archive
        self._place = place
        self._options = options
        self._report = report
        self._inventory = archive.scan()
        self._imported = ImportedFiles(archive.root)
        self._headers = imported_cells.headers_of(self._imported.read_tables())
        self._gear = self._read_gear()
        self._media = _media_files(self._inventory, options)
        self._outdated: set[str] = set()

    def run(self) -> None:
        """Add all files. The table is the last one, so that no interrupted export has it."""
        results = list(self._export_activities())
        if not self._report.listed:
            _log.info("%s", self._why_empty())
        if self._outdated:
            activities = count_of(len(self._outdated), "activity", "activities")
            text = "the metadata of %s is of version 0.4, with wrong dates: the originals' are used"
            _log.warning(text, activities)
        self._add_gear()
        self._add_routes()
        self._add_profile()
        captions = (caption for result in results for caption in result.captions)
        self._add_table("media.csv", _MEDIA_HEADER, captions)
        self._add_table(export_file.TABLE, HEADER, (result.row for result in results))

    def _why_empty(self) -> str:
        """Return why the export has no activities."""
        if not self._inventory.activities:
            return f"the archive in {self._archive.root} is empty: it has no activities"
        if self._options.since is not None:
            return f"no activity starts on {self._options.since} or later"
        return "no activity could be exported"

    def _export_activities(self) -> Iterator[_Result]:
        """Yield the activities, oldest first."""
        stored = iter(sorted(self._inventory.activities.items(), key=lambda one: one[1].stem.name))
        done = 0
        with ThreadPoolExecutor(_THREADS) as pool:
            while batch := list(islice(stored, _BATCH)):
                yield from filter(None, pool.map(self._export_activity, batch))
                done += len(batch)
                if len(batch) == _BATCH:
                    _log.info("%s so far", count_of(done, "activity", "activities"))

    def _export_activity(self, item: tuple[int, Stored]) -> _Result | None:
        """Add the files of an activity, concurrently with others; None if it is too old.

        Raise DiskError.
        """
        activity_id, stored = item
        record = self._read(f"activity {activity_id}, {METADATA}", stored.metadata)
        title = f"activity {_title(activity_id, record)}"
        original = _original(stored)
        start = self._find_start(title, record, original)
        if self._is_too_old(record, start):
            return None
        self._report.count_activity()
        media = self._add_media(activity_id, title)
        exported = activity_rows.Exported(
            activity_id,
            record,
            start,
            self._gear_name(record),
            self._add_original(activity_id, title, original),
            [one.name for one in media],
            self._imported_cells(record),
        )
        return _Result(activity_rows.row(exported), list(self._captions(title, media)))

    def _find_start(
        self, title: str, record: Record, original: PurePosixPath | None
    ) -> datetime | None:
        """Return an activity's start, from its metadata or its original; None, after a report."""
        start = activity_rows.find_start(record)
        if start is not None:
            return start
        if "start_date" in record and record.get("resource_state") is None:
            self._outdated.add(title)
        start = self._start_of(original)
        if start is None:
            why = errors.ItemError("its start is unknown, and its date is empty in the export")
            self._report.fail(title, why)
        return start

    def _add_media(self, activity_id: int, title: str) -> list[_Media]:
        """Add photos and videos, and return those that are in the export."""
        return [
            one
            for one in self._media.get(activity_id, ())
            if self._add(title, one.item, one.name, self._archive.root / one.source)
        ]

    def _read(self, subject: str, path: PurePosixPath | None) -> Record:
        """Return metadata; an empty record, after a report, if it is missing or unreadable."""
        try:
            record = None if path is None else self._archive.read_record(path)
        except errors.ItemError as error:
            self._report.fail(subject, error)
            return {}
        if record is None:
            self._report.fail(subject, errors.ItemError("it is missing or unreadable"))
        return record or {}

    def _is_too_old(self, record: Record, start: datetime | None) -> bool:
        """Return whether an activity starts before the requested date, in its own time zone."""
        if self._options.since is None or start is None:
            return False
        day = activity_rows.text_of(record.get("start_date_local"))[:10] or start.date().isoformat()
        return day < self._options.since.isoformat()

    def _start_of(self, original: PurePosixPath | None) -> datetime | None:
        """Return the start that an original notes; None if it has none that can be read."""
        if original is None:
            return None
        path, suffix = self._archive.root / original, self._suffix_of(original)
        chunks: Iterable[bytes] = self._imported.read_chunks(str(path))
        if suffix.endswith(".gz"):
            chunks = export_file.unpacked(chunks, str(path))
        try:
            return start_time.find_start(chunks, suffix.removesuffix(".gz"))
        except errors.ItemError:
            return None  # reported when the original is added

    def _add_original(self, activity_id: int, title: str, original: PurePosixPath | None) -> str:
        """Add an original, and return its name in the export; empty if there is none."""
        if original is None:
            return ""
        suffix = self._suffix_of(original)
        # Strava's exports gzip FIT and TCX files, but not the GPX of recordings.
        packs = self._options.packs and not suffix.endswith((".gz", ".gpx"))
        name = f"activities/{activity_id}{suffix}{'.gz' * packs}"
        is_added = self._add(title, ORIGINAL, name, self._archive.root / original, packs=packs)
        return name if is_added else ""

    def _suffix_of(self, original: PurePosixPath) -> str:
        """Return the suffix of an original; version 0.4 named some only `.gz`."""
        suffix = layout.suffix_of(original.name).lower()
        if suffix != ".gz":
            return suffix
        try:
            return checks.proper_suffix(self._archive.root / original, suffix)
        except OSError:
            return suffix  # reported when the file is added

    def _add(
        self, subject: str, item: str, name: str, source: Path, *, packs: bool = False
    ) -> bool:
        """Add a file, and return whether it is in the export. Raise DiskError."""
        try:
            if self._place.add(name, source, packs=packs):
                self._report.count(item, _size(source))
        except errors.ItemError as error:
            self._report.fail(f"{subject}, {item}", error)
            return False
        return True

    def _captions(self, title: str, media: Iterable[_Media]) -> Iterator[tuple[str, str]]:
        for one in media:
            record = self._read(f"{title}, {METADATA} of {one.name}", one.metadata)
            yield one.name, activity_rows.text_of(record.get("caption"))

    def _gear_name(self, record: Record) -> str:
        gear_id, gear = record.get("gear_id"), record.get("gear")
        stored = self._gear.get(gear_id, {}) if isinstance(gear_id, str) else {}
        sent = gear if isinstance(gear, dict) else {}
        return activity_rows.text_of(stored.get("name")) or activity_rows.text_of(sent.get("name"))

    def _imported_cells(self, record: Record) -> dict[activity_rows.Column, str]:
        columns = record.get(OWN_KEY, {}).get("bulk_export", {}).get("columns", {})
        return imported_cells.cells_of(self._headers, columns)

    def _read_gear(self) -> dict[str, Record]:
        gear = {}
        for gear_id, stored in sorted(self._inventory.gear.items()):
            gear[gear_id] = self._read(f"gear {gear_id}, {METADATA}", stored.metadata)
        return gear

    def _add_gear(self) -> None:
        bikes = [record for gear_id, record in self._gear.items() if gear_id.startswith("b")]
        shoes = [record for gear_id, record in self._gear.items() if gear_id.startswith("g")]
        self._add_gear_table("bikes.csv", _BIKE_HEADER, map(_gear_row, bikes))
        self._add_gear_table("shoes.csv", _SHOE_HEADER, map(_gear_row, shoes))
        components = (row for bike in bikes for row in _component_rows(bike))
        self._add_gear_table("components.csv", _COMPONENT_HEADER, components)

    def _add_gear_table(
        self, name: str, header: Sequence[str], rows: Iterable[Sequence[str]]
    ) -> None:
        """Add a table of the archive's gear, else the one that the last import brought."""
        rows = list(rows)
        imported = self._imported.find(name)
        if rows or imported is None:
            self._add_table(name, header, rows)
        else:
            self._add(name, FILE, name, imported)

    def _add_routes(self) -> None:
        """Add the archive's routes, and those of imported exports."""
        names = {f"routes/{path.name}": path for path in self._routes()}
        rows = [
            (self._route_name(path), name)
            for name, path in names.items()
            if self._add(name, FILE, name, self._archive.root / path)
        ]
        with self._report.guarding("routes of the imported export"):
            rows += self._add_imported_routes(names)
        self._add_table("routes.csv", _ROUTE_HEADER, rows)

    def _routes(self) -> list[PurePosixPath]:
        paths = sorted(self._archive.paths(layout.ROUTES))
        names = ((path, layout.parse_name(path)) for path in paths)
        return [path for path, name in names if name is not None and layout.is_route_file(name)]

    def _route_name(self, path: PurePosixPath) -> str:
        record = self._read(f"{path}, {METADATA}", path.with_suffix(layout.META_SUFFIX))
        return activity_rows.text_of(record.get("name"))

    def _add_imported_routes(self, names: Iterable[str]) -> list[tuple[str, str]]:
        rows, seen = [], set(names)
        for row in self._imported.read_rows("routes.csv"):
            title, name = (*row, "", "")[:2]
            source = self._imported.find(name) if _SAFE_ROUTE.fullmatch(name) else None
            if source is None or name in seen:
                continue
            seen.add(name)
            if self._add(name, FILE, name, source):
                rows.append((title, name))
        return rows

    def _add_profile(self) -> None:
        athlete_id = self._archive.marker.athlete_id
        rows = [] if athlete_id is None else [(str(athlete_id), "", "")]
        self._add_table("profile.csv", _PROFILE_HEADER, rows)

    def _add_table(self, name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        content = activity_rows.to_csv([header, *rows])
        if self._place.add_text(name, content):
            self._report.count(FILE, len(content))


def _original(stored: Stored) -> PurePosixPath | None:
    """Return the file of an activity that other programs read; None if there is none.

    Strava's GPX stands for a JSON original, as in Strava's own exports.
    """
    by_suffix = {layout.suffix_of(path.name).lower(): path for path in stored.files}
    if any(suffix.startswith(".json") for suffix in by_suffix):
        gpx = by_suffix.get(".gpx") or by_suffix.get(".gpx.gz")
        if gpx is not None:
            return gpx
    noted = stored.own.get("original", {}).get("file")
    named = [path for path in stored.files if path.name == noted]
    return next(iter(named or stored.files), None)


def _media_files(inventory: Inventory, options: Options) -> dict[int, list[_Media]]:
    """Return the files of photos and videos by activity, with unique names in the export.

    An import takes the id of a photo from its name.
    """
    media: dict[int, list[_Media]] = {}
    names: set[str] = set()
    for (activity_id, _), stored in sorted(inventory.photos.items()):
        videos = stored.videos if options.videos else ()
        for path in (*stored.files, *videos) if options.photos else ():
            _, _, own_name = path.name.partition("_")
            name = own_name if own_name.lower() not in names else path.name
            names.add(name.lower())
            item = VIDEO if path in videos else PHOTO
            one = _Media(item, f"media/{name}", path, stored.metadata)
            media.setdefault(activity_id, []).append(one)
    return media


def _gear_row(record: Record) -> tuple[str, ...]:
    names = ("name", "brand_name", "model_name")
    return (*(activity_rows.text_of(record.get(name)) for name in names), "")


def _component_rows(bike: Record) -> Iterator[tuple[str, ...]]:
    components = bike.get("components")
    for one in components if isinstance(components, list) else ():
        if isinstance(one, dict):
            values = (activity_rows.text_of(one.get(name)) for name in ("type", "brand", "model"))
            yield (activity_rows.text_of(bike.get("name")), *values)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # removed since it was read


def _title(activity_id: int, record: Record) -> str:
    return f"{activity_id} {printable(activity_rows.text_of(record.get('name')))}".strip()
