"""Writes the files of an export into a folder or a ZIP, atomically. Independent of their content.

In a folder, files that stay unchanged are hard links to those of the archive, if the file system
has hard links.
"""

from __future__ import annotations

import json
import os
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from strava_backup import errors
from strava_backup.archive.atomic import PartialFile, exists, sync_folder
from strava_backup.archive.directory import DiskError
from strava_backup.archive.regular import follow_link

MARKER = ".strava-backup-export.json"
FOLDERS = ("activities", "media", "routes")
# The comment of a ZIP, which shows that a later export may replace it.
_COMMENT = b"made by strava-backup --zip"
_ELSEWHERE = "choose another place for the export"
_CHUNK = 1 << 16
# The level of gzip and of zlib by default.
_LEVEL = 6
_COMPRESSED = (".gz", ".jpg", ".png", ".webp", ".heic", ".gif", ".mp4", ".mov", ".ts")


class Place(Protocol):
    """A place for the files of an export."""

    def add(self, name: str, source: Path, *, packs: bool = False) -> bool:
        """Add a file, gzipped if `packs`; return whether it is new there.

        Raise ItemError if it cannot be read, DiskError.
        """

    def add_text(self, name: str, content: bytes) -> bool:
        """Add a small file with that content; return whether it is new. Raise DiskError."""


class Folder:
    """An export in a folder. The constructor does no I/O."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: set[str] = set()
        # Whether any file is a hard link to one of the archive.
        self.has_links = False

    def prepare(self, athlete_id: int | None) -> None:
        """Create the folder. Raise ConfigError if it has other files, DiskError.

        Only an empty folder or an export of the same athlete is used.
        """
        with _disk_errors(self._path):
            if not exists(self._path.parent):
                raise errors.ConfigError(_without_parent(self._path))
            self._check_content(athlete_id)
            self._path.mkdir(exist_ok=True)
            marker = {"format": 1, "athlete_id": athlete_id}
            content = json.dumps(marker).encode() + b"\n"
            _save(self._path / MARKER, lambda: iter([content]))
            for name in FOLDERS:
                (self._path / name).mkdir(exist_ok=True)

    def add(self, name: str, source: Path, *, packs: bool = False) -> bool:
        """Add a file, gzipped if `packs`; return whether it is new or changed there.

        Raise ItemError if it cannot be read, DiskError.
        """
        target = self._path / name
        self._written.add(name)
        with _disk_errors(target):
            if not packs and _is_same_file(source, target):
                self.has_links = True
                return False
            if not packs and self._link(source, target):
                return True
            return _save(target, lambda: _chunks(source, packs=packs))

    def add_text(self, name: str, content: bytes) -> bool:
        """Add a small file with that content, and return whether it is new. Raise DiskError."""
        self._written.add(name)
        with _disk_errors(self._path / name):
            return _save(self._path / name, lambda: iter([content]))

    def finish(self) -> list[str]:
        """Commit the files to the disk. Return the names of those that earlier exports left.

        Raise DiskError.
        """
        with _disk_errors(self._path):
            for folder in (self._path, *(self._path / name for name in FOLDERS)):
                sync_folder(folder)
            return sorted(set(self._names()) - self._written)

    def _check_content(self, athlete_id: int | None) -> None:
        if not exists(self._path):
            return
        if not self._path.is_dir():
            raise errors.ConfigError(f"{self._path} is not a folder: {_ELSEWHERE}")
        if not os.listdir(self._path):
            return
        marker = _read_marker(self._path / MARKER)
        if marker is None:
            raise errors.ConfigError(
                f"{self._path} is neither empty nor an export of this program: {_ELSEWHERE}"
            )
        owner = marker.get("athlete_id")
        if None not in (owner, athlete_id) and owner != athlete_id:
            raise errors.ConfigError(
                f"{self._path} is the export of athlete {owner}, but the archive belongs to "
                f"athlete {athlete_id}: {_ELSEWHERE}"
            )

    def _names(self) -> Iterator[str]:
        for path, _, names in os.walk(self._path):
            for name in names:
                if not name.startswith("."):
                    yield Path(path, name).relative_to(self._path).as_posix()

    def _link(self, source: Path, target: Path) -> bool:
        """Make a hard link if the name is free. Return whether it was made; if not, a copy will."""
        with suppress(OSError):
            # link() does not follow a symbolic link on Linux: an original may be one.
            os.link(os.path.realpath(source), target)
            self.has_links = True
            return True
        return False


class Zip:
    """An export in a ZIP that is open for writing; files are added one after the other."""

    def __init__(self, file: zipfile.ZipFile, moment: float) -> None:
        self._file = file
        self._time = time.localtime(moment)[:6]
        self._lock = threading.Lock()

    def add(self, name: str, source: Path, *, packs: bool = False) -> bool:
        """Add a file, gzipped if `packs`. Raise ItemError if it cannot be opened, DiskError."""
        chunks = _chunks(source, packs=packs)
        first = next(chunks, b"")
        with self._lock, _disk_errors(Path(self._file.filename or "")):
            try:
                with self._file.open(self._info(name, source.stat().st_size), "w") as file:
                    file.write(first)
                    for chunk in chunks:
                        file.write(chunk)
            except errors.ItemError as error:
                # A part of it is in the ZIP already, which must not be saved.
                raise DiskError(str(error)) from error
        return True

    def add_text(self, name: str, content: bytes) -> bool:
        """Add a small file with that content. Raise DiskError."""
        with self._lock, _disk_errors(Path(self._file.filename or "")):
            self._file.writestr(self._info(name, len(content)), content)
        return True

    def _info(self, name: str, size: int) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, self._time)
        is_packed = name.endswith(_COMPRESSED)
        info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        # Files of more than 2 GiB need another form of header.
        info.file_size = size
        return info


@contextmanager
def new_zip(path: Path, moment: float) -> Iterator[Zip]:
    """Yield a ZIP, which is saved as `path` at the end, unless an exception is raised.

    `moment` is the time of its files. Raise ConfigError if another file is at the path, DiskError.
    """
    with _disk_errors(path):
        if not exists(path.parent):
            raise errors.ConfigError(_without_parent(path))
        if os.path.lexists(path) and not _is_own_zip(path):
            raise errors.ConfigError(
                f"{path} exists and is not an export of this program: {_ELSEWHERE}"
            )
        with PartialFile(path.parent, path.name) as partial_file:
            with zipfile.ZipFile(partial_file.path, "w") as file:
                file.comment = _COMMENT
                yield Zip(file, moment)
            partial_file.save_as(path)


def _without_parent(path: Path) -> str:
    return (
        f"cannot create {path}: {path.parent} does not exist. Mount the disk, or create the folder"
    )


def _is_own_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as file:
            return file.comment == _COMMENT
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return False


def _read_marker(path: Path) -> dict[str, object] | None:
    try:
        marker = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return marker if isinstance(marker, dict) else None


def _is_same_file(source: Path, target: Path) -> bool:
    try:
        return os.path.samefile(source, target)
    except OSError:
        return False


def _save(target: Path, chunks: Callable[[], Iterator[bytes]]) -> bool:
    """Save the chunks as `target`, unless it has that content; return whether it was saved."""
    if _has_content(target, chunks()):
        return False
    with PartialFile(target.parent, target.name) as partial_file:
        partial_file.write(chunks())
        partial_file.save_as(target, syncs_folder=False)
    return True


def _has_content(target: Path, chunks: Iterator[bytes]) -> bool:
    try:
        with open(target, "rb") as file:
            return all(file.read(len(chunk)) == chunk for chunk in chunks) and not file.read(1)
    except FileNotFoundError:
        return False


def _chunks(source: Path, *, packs: bool) -> Iterator[bytes]:
    """Yield the content of a file, gzipped if `packs`. Raise ItemError.

    Equal contents give equal bytes: the gzip has neither name nor time.
    """
    read = _read(source)
    if not packs:
        yield from read
        return
    deflater = zlib.compressobj(_LEVEL, wbits=31)
    for chunk in read:
        if packed := deflater.compress(chunk):
            yield packed
    yield deflater.flush()


def _read(source: Path) -> Iterator[bytes]:
    try:
        with open(source, "rb", opener=follow_link) as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        why = error.strerror or error
        raise errors.ItemError(f"{source} cannot be read ({why})") from error


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(f"cannot write {path}: {error.strerror or error}") from error
