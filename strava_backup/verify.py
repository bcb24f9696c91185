"""Checks the archive for damage, offline, and moves damaged files aside. Deletes nothing.

Needs neither config nor network, so that it works as long as the files exist.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.archive.checksums import Manifest
from strava_backup.archive.directory import Archive
from strava_backup.archive.metadata import (
    NOTES,
    Record,
    is_stored,
    lacks_original,
    noted_as,
    promised_files,
)
from strava_backup.items import OWN_KEY
from strava_backup.progress import Progress
from strava_backup.report import count_of, printable

_log = logging.getLogger(__name__)

_LONGEST_LINE = 10_000

_SILENT = Progress()


def verify(
    root: Path,
    out: Callable[[str], None],
    *,
    repairs: bool = False,
    quiet: bool = False,
    progress: Progress = _SILENT,
) -> int:
    """Print a line for each finding, and a summary; return the exit code. Log damage as an error.

    Raises ConfigError without an archive, AnotherRun, DiskError. With `repairs`, damaged
    files go to `damaged/`, so that the next run fetches them again.
    """
    archive = Archive(root)
    archive.check_exists()
    # A check writes nothing, not even a lock file; but if there is one, a run may be active.
    with archive.locked(is_reader=not repairs, creates=repairs):
        archive.read_marker()
        check = _Check(archive, repairs, progress)
        for finding in check.findings():
            if finding.is_damage or not quiet:
                out(str(finding))
        if check.has_damage or not quiet:
            out(check.summary())
    if check.has_damage:
        _log.error("%s in %s", check.damage(), root)
    return errors.DAMAGED if check.has_damage else errors.OK


class Finding(NamedTuple):
    """One finding: damage, or a notice."""

    path: PurePosixPath
    text: str
    is_damage: bool

    def __str__(self) -> str:
        kind = "damaged" if self.is_damage else "notice"
        return printable(f"{kind}: {self.path}: {self.text}", _LONGEST_LINE)


class _Metadata(NamedTuple):
    """The parts of the metadata of an activity, a photo, gear or a route that the checks need."""

    path: PurePosixPath
    is_deleted: bool
    # Our key's notes about files and their names.
    own: Record


class _Check:
    """One check of an archive. The constructor does no I/O."""

    def __init__(self, archive: Archive, repairs: bool, progress: Progress) -> None:
        self._damaged = 0
        self._missing = 0
        self._archive = archive
        self._progress = progress
        self._repairs = repairs
        self._manifest = Manifest({})
        self._files: dict[PurePosixPath, layout.Key] = {}
        self._metadata: dict[layout.Key, _Metadata] = {}
        self._unreadable: dict[PurePosixPath, tuple[layout.Key, str]] = {}
        self._denied: set[PurePosixPath] = set()
        self._to_remove: set[str] = set()
        self._records = 0
        self._notices = 0
        self._without_checksum = 0
        self._moved = 0

    def findings(self) -> Iterator[Finding]:
        """Yield findings during the check. Raises DiskError."""
        self._progress.phase("Reading the metadata")
        yield from self._check_top_level()
        yield from self._scan()
        for path, (key, problem) in self._unreadable.items():
            kind = "metadata" if _is_metadata(path) else "comments"
            yield self._damage(path, key, f"unreadable {kind}{problem}")
        listed = {
            path for path in map(PurePosixPath, self._manifest.digests) if self._is_file(path)
        }
        paths = sorted(listed | self._files.keys())
        self._progress.phase("Checking files")
        self._progress.expect(len(paths))
        for path in paths:
            yield from self._check_file(path)
            self._progress.done()
        yield from self._compare(listed)
        if self._to_remove:
            self._archive.remove_checksums(self._to_remove)

    @property
    def has_damage(self) -> bool:
        """Return whether any file is damaged, or missing although it has a checksum."""
        return bool(self._damaged or self._missing)

    def damage(self) -> str:
        """Return the counts of damaged and of missing files."""
        counts = ((self._damaged, "damaged"), (self._missing, "missing"))
        return ", ".join(f"{number:,} {state}" for number, state in counts if number) or "no damage"

    def summary(self) -> str:
        """Return the counts of the findings, and the next steps, in one line."""
        text = f"checked {count_of(len(self._files), 'file')}"
        text += f" and {count_of(self._records, 'metadata file')}: {self.damage()}"
        text += f", {count_of(self._notices, 'notice')}" if self._notices else ""
        if self._without_checksum:
            text += f"; {self._without_checksum:,} without a checksum, the next run adds it"
        if self._moved:
            text += f"; {self._moved:,} moved to damaged/"
        elif self._damaged and not self._repairs:
            text += "; --repair moves damaged files to damaged/"
        if self._missing or self._moved:
            text += "; the next run fetches missing files that Strava still has"
        return text

    def _check_top_level(self) -> Iterator[Finding]:
        """Read the manifest; report if it or the marker is not a regular file."""
        try:
            self._manifest = self._archive.read_checksums()
        except errors.ItemError as error:
            yield self._damage(PurePosixPath(layout.CHECKSUMS), None, str(error), repairs=False)
        for path, problem in self._archive.problems():
            yield self._damage(path, None, problem, repairs=False)

    def _scan(self) -> Iterator[Finding]:
        """Collect all files, and read all metadata."""
        for path in self._archive.leftovers():
            yield self._notice(path, "left over by an aborted run, the next run removes it")
        for section in layout.SECTIONS:
            others = list(self._archive.obstacles(section))
            names = {path: layout.parse_name(path) for path in self._archive.paths(section)}
            names |= {path: layout.parse_name(path) for path, _ in others}
            for path, name in names.items():
                if name is not None and layout.has_record_suffix(name):
                    self._read_metadata(path, name.key)
            for path, name in names.items():
                if name is not None and self._is_file(path):
                    self._files[path] = name.key
            for path, name in names.items():
                is_own = path in self._files or (name and layout.has_record_suffix(name))
                if not is_own and not path.name.startswith("."):
                    yield self._notice(path, "not checked: it has no name that this program gives")
        unknown = self._manifest.unknown
        if unknown:
            text = f"{count_of(unknown, 'line')} that cannot be parsed"
            yield self._notice(PurePosixPath(layout.CHECKSUMS), text)

    def _is_file(self, path: PurePosixPath) -> bool:
        """Return whether a path is that of an original or a picture; a manifest may list others."""
        # On Windows a backslash separates folders.
        name = layout.parse_name(path) if "\\" not in str(path) else None
        if name is None or layout.has_record_suffix(name):
            return False
        metadata = self._metadata.get(name.key)
        return is_stored(name, metadata.own if metadata else {})

    def _read_metadata(self, path: PurePosixPath, key: layout.Key) -> None:
        """Read metadata, or the comments of an activity, which have nothing else to check."""
        record = self._read_record(path, key)
        if record is None or not _is_metadata(path):
            return
        own = record.get(OWN_KEY, {})
        noted = {name: own[name] for name in (*NOTES, "bulk_export") if name in own}
        noted.get("bulk_export", {}).pop("columns", None)
        self._metadata[key] = _Metadata(path, "gone_since" in own, noted)

    def _read_record(self, path: PurePosixPath, key: layout.Key) -> Record | None:
        """Return the record in a file; None if it is unreadable."""
        self._records += 1
        try:
            record = self._archive.read_record(path)
        except errors.ItemError as error:
            self._unreadable[path] = (key, f": {error}")
            if isinstance(error.__cause__, PermissionError):
                self._denied.add(path)
            return None
        if record is None:
            self._unreadable[path] = (key, "")
        return record

    def _check_file(self, path: PurePosixPath) -> Iterator[Finding]:
        """Check an original or a picture by its checksum, else by the rules of its kind."""
        if str(path) in self._to_remove:
            return
        digests = self._manifest.digests.get(str(path), ())
        key = self._files.get(path)
        metadata = self._metadata.get(key) if key is not None else None
        own = metadata.own if metadata is not None else {}
        file_check = self._archive.check_stored(path, digests, own)
        if file_check is not None and file_check.is_denied:
            self._denied.add(path)
        if file_check is None and key is None:
            self._missing += 1
            yield self._finding(path, None, f"missing, but listed in {layout.CHECKSUMS}")
        elif file_check is None:
            yield self._damage(path, key, "a broken link")
        elif file_check.digest in digests:
            if len(digests) > 1:
                text = f"{layout.CHECKSUMS} lists another checksum, too: the next run repairs that"
                yield self._notice(path, text)
        elif file_check.digest == "":
            yield self._damage(path, key, file_check.damage or "unreadable")
        elif digests:
            why = file_check.damage or "the new content is whole by the rules of its kind"
            yield self._damage(path, key, f"differs from its checksum ({why})")
        elif file_check.damage is not None:
            yield self._damage(path, key, f"{file_check.damage} (it has no checksum yet)")
        else:
            self._without_checksum += 1

    def _compare(self, listed: set[PurePosixPath]) -> Iterator[Finding]:
        """Yield notices of files without metadata, and of metadata without a file or checksum."""
        unreadable = {key for path, (key, _) in self._unreadable.items() if _is_metadata(path)}
        with_metadata = self._metadata.keys() | unreadable
        for path, key in self._files.items():
            if key not in with_metadata:
                yield self._notice(path, "has no metadata")
        names = map(layout.parse_name, listed | self._files.keys())
        found = {(name.key, noted_as(name)) for name in names if name is not None}
        for key, metadata in self._metadata.items():
            if {(key, note) for note in promised_files(metadata.own)} - found:
                is_deleted = self._is_deleted(key)
                rest = "Strava no longer has it" if is_deleted else "the next run fetches it"
                yield self._notice(metadata.path, f"its file is missing; {rest}")

    def _notice(self, path: PurePosixPath, text: str) -> Finding:
        self._notices += 1
        return Finding(path, text, is_damage=False)

    def _damage(
        self, path: PurePosixPath, key: layout.Key | None, text: str, *, repairs: bool = True
    ) -> Finding:
        """Count damage, and return it as `_finding` does."""
        self._damaged += 1
        return self._finding(path, key, text, repairs=repairs)

    def _finding(
        self, path: PurePosixPath, key: layout.Key | None, text: str, *, repairs: bool = True
    ) -> Finding:
        """Return damage as a finding, and repair it on request; no `key` if the file is missing."""
        if repairs and self._repairs:
            text = f"{text}; {self._repair(path, key)}"
        return Finding(path, text, is_damage=True)

    def _repair(self, path: PurePosixPath, key: layout.Key | None) -> str:
        """Move a damaged file aside; return a message about it. Raises DiskError."""
        if key is None and self._archive.is_cut_off(path):
            return f"left in {layout.CHECKSUMS}, since its folder is a broken link"
        if path in self._denied:
            return "not moved, since it may be whole: make it readable"
        if key is not None and self._is_deleted(key):
            what = "route" if isinstance(key, str) else "activity"
            return f"not moved, since Strava no longer has the {what}"
        if path in self._unreadable and isinstance(key, tuple):
            self._forget_photo_list(key[0])
        self._note_name(path)
        # The GPX would count as the original, so that the JSON would not be fetched again.
        gpx_moves = [f"{self._set_aside(gpx)} as well" for gpx in self._converted_gpx(path)]
        # The manifest comes last: without its line a damaged file may count as whole.
        self._to_remove.add(str(path))
        return "; ".join(
            [
                f"removed from {layout.CHECKSUMS}" if key is None else self._set_aside(path),
                *gpx_moves,
            ]
        )

    def _note_name(self, path: PurePosixPath) -> None:
        """Note a file's name in metadata of earlier versions, so that no other file counts as it
        until it is fetched again."""
        name = layout.parse_name(path)
        metadata = self._metadata.get(name.key) if name is not None else None
        if name is None or metadata is None or isinstance(name.key, str):
            return
        if layout.has_record_suffix(name):
            return
        item = noted_as(name)
        note = metadata.own.get(item, {})
        is_conversion = name.suffix == ".gpx" and (
            lacks_original([name.suffix], metadata.own) or self._has_json(name.key)
        )
        record = self._archive.read_record(metadata.path)
        if record and "file" not in note and not is_conversion:
            own = {**record.get(OWN_KEY, {}), item: {**note, "file": path.name}}
            self._save(metadata.path, {**record, OWN_KEY: own})

    def _has_json(self, key: layout.Key) -> bool:
        suffixes = (path.name.partition(".")[2] for path, one in self._files.items() if one == key)
        return any(suffix.startswith("json") for suffix in suffixes)

    def _set_aside(self, path: PurePosixPath) -> str:
        moved = self._archive.set_aside(path)
        self._to_remove.add(str(path))
        self._moved += 1
        return f"moved to {moved}"

    def _converted_gpx(self, path: PurePosixPath) -> list[PurePosixPath]:
        """Return the stored GPX conversions of a JSON original."""
        name = layout.parse_name(path)
        if name is None or name.suffix.removesuffix(".gz") != ".json":
            return []
        stored = (one for one, key in self._files.items() if key == name.key)
        return [
            one
            for one in stored
            if one.name.removesuffix(".gz").endswith(".gpx") and str(one) not in self._to_remove
        ]

    def _is_deleted(self, key: layout.Key) -> bool:
        keys = (key, key[0]) if isinstance(key, tuple) else (key,)
        return any(one in self._metadata and self._metadata[one].is_deleted for one in keys)

    def _forget_photo_list(self, activity_id: int) -> None:
        """Let the next run list an activity's photos, since it does not know of the missing one."""
        self._archive.save_marker(replace(self._archive.marker, last_photo_walk=None))
        metadata = self._metadata.get(activity_id)
        record = metadata and self._archive.read_record(metadata.path)
        if metadata is not None and record:
            own = {
                name: value for name, value in record.get(OWN_KEY, {}).items() if name != "photos"
            }
            self._save(metadata.path, {**record, OWN_KEY: own})

    def _save(self, path: PurePosixPath, record: Record) -> None:
        # A folder may have the name of the partial file; the rest of the repair continues.
        with suppress(errors.ItemError):
            self._archive.save_record(path, record, history=None)


def _is_metadata(path: PurePosixPath) -> bool:
    return path.name.endswith(layout.META_SUFFIX)
