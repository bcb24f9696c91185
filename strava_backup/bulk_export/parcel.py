"""The export as it came, ZIP or unpacked folder, read in one and the same way.

Writes nothing, and unpacks nothing under a name of the parcel's own choice.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
import threading
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol, TypeVar

from strava_backup import errors

TABLE = "activities.csv"

# Texts shrink to a tenth, some to a thirtieth. The inside of bombs shrinks to a thousandth.
_MOST_GROWTH = 200
_HARMLESS = 100_000_000
_CHUNK = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")
# What a damaged ZIP raises besides OSError, and one whose files are encrypted.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)

T = TypeVar("T")


class Part(NamedTuple):
    """A file of the parcel: its size in bytes, and when it was written, in local time."""

    size: int
    written: tuple[int, ...]


class Parcel(Protocol):
    """An export: its files by their names there, which have slashes."""

    parts: dict[str, Part]

    def read_chunks(self, name: str) -> Iterator[bytes]:
        """The content of a part. Raises ItemError, for a wrong checksum behind the last chunk."""


@contextmanager
def opened(path: Path) -> Iterator[Parcel]:
    """The export at `path`. Raises ConfigError if it is none, or none to be trusted."""
    with ExitStack() as stack:
        try:
            parcel = _open(path, stack)
        except OSError as error:
            raise errors.ConfigError(f"cannot read {path}: {error.strerror or error}") from error
        yield parcel


def exported_on(parcel: Parcel) -> str:
    """The day on which the export was made, as 2026-11-22: that of its table of activities."""
    year, month, day = parcel.parts[TABLE].written[:3]
    return f"{year:04}-{month:02}-{day:02}"


def read_lines(parcel: Parcel, name: str) -> Iterator[str]:
    """The lines of a text, with their ends. Raises ItemError."""
    rest = ""
    for text in codecs.iterdecode(parcel.read_chunks(name), "utf-8-sig", "replace"):
        *lines, rest = (rest + text).splitlines(keepends=True) or [""]
        yield from lines
    if rest:
        yield rest


def unpacked(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """What is inside a gzip file, which may have several parts, and zeros behind them.

    Raises ItemError, also for what grows beyond all measure.
    """
    packed = size = 0
    inflater = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        packed += len(chunk)
        while chunk := chunk.lstrip(b"\0") if inflater.eof else chunk:
            if inflater.eof:
                inflater = zlib.decompressobj(wbits=31)
            try:
                data = inflater.decompress(chunk, _CHUNK)
            except zlib.error as error:
                raise errors.ItemError(f"{name} is damaged in the export: {error}") from error
            size += len(data)
            if size > max(_HARMLESS, _MOST_GROWTH * packed):
                raise errors.ItemError(
                    f"{name} grows to more than {_MOST_GROWTH} times its size, as no original does"
                )
            yield data
            chunk = inflater.unused_data or inflater.unconsumed_tail
    if not inflater.eof:
        raise errors.ItemError(f"{name} is damaged in the export: it is cut short")


def _open(path: Path, stack: ExitStack) -> Parcel:
    if path.is_dir():
        return _Folder(path)
    try:
        file = stack.enter_context(zipfile.ZipFile(path))
    except _DAMAGE as error:
        raise errors.ConfigError(
            f"{path} is no ZIP, or not all of one ({error}): --import takes the ZIP that Strava "
            "sends, or the folder that it was unpacked into"
        ) from error
    return _Zip(path, file)


class _Zip:
    """A ZIP that is still packed."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self._file = file
        # Of opening and closing parts at the same time its documentation says nothing.
        self._lock = threading.Lock()
        infos = [info for info in file.infolist() if not info.is_dir()]
        for info in infos:
            # Unix keeps the kind of a file in the upper half.
            kind = stat.S_IFMT(info.external_attr >> 16)
            _check(path, info.orig_filename, is_plain=kind in (0, stat.S_IFREG))
        if sum(info.file_size for info in infos) > max(
            _HARMLESS, _MOST_GROWTH * path.stat().st_size
        ):
            raise errors.ConfigError(
                f"{path} would grow to more than {_MOST_GROWTH} times its size. {_NO_EXPORT}"
            )
        self._infos = _named(path, {info.filename: info for info in infos})
        self.parts = {
            name: Part(info.file_size, info.date_time) for name, info in self._infos.items()
        }

    def read_chunks(self, name: str) -> Iterator[bytes]:
        """The content of a part. Raises ItemError, for a wrong checksum behind the last chunk."""
        try:
            with self._lock:
                file = self._file.open(self._infos[name])
            try:
                while chunk := file.read(_CHUNK):
                    yield chunk
            finally:
                with self._lock:
                    file.close()
        except (OSError, *_DAMAGE) as error:
            raise errors.ItemError(f"{name} is damaged in the export: {error}") from error


class _Folder:
    """A ZIP that somebody has unpacked."""

    def __init__(self, path: Path) -> None:
        files = {}
        for folder, folders, names in os.walk(path, onerror=_raise):
            for name in (*folders, *names):
                file = Path(folder, name)
                mode = file.lstat().st_mode
                relative = file.relative_to(path).as_posix()
                _check(path, relative, is_plain=stat.S_ISREG(mode) or stat.S_ISDIR(mode))
                if stat.S_ISREG(mode):
                    files[relative] = file
        self._files = _named(path, files)
        self.parts = {name: _part_of(file) for name, file in self._files.items()}

    def read_chunks(self, name: str) -> Iterator[bytes]:
        """The content of a part. Raises ItemError."""
        try:
            with open(self._files[name], "rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise errors.ItemError(f"cannot read {name}: {error.strerror or error}") from error


def _part_of(file: Path) -> Part:
    status = file.stat()
    return Part(status.st_size, tuple(time.localtime(status.st_mtime)[:6]))


_NO_EXPORT = "That is no export of Strava's, and nothing was taken from it"


def _check(path: Path, name: str, *, is_plain: bool) -> None:
    """Raises ConfigError for what no export of Strava's holds: such a ZIP is after something."""
    if (
        ".." in re.split(r"[/\\]", name)
        or name.startswith(("/", "\\"))
        or _DRIVE.match(name)
        or "\0" in name
    ):
        raise errors.ConfigError(f"{path} holds {name!r}, a path out of it. {_NO_EXPORT}")
    if not is_plain:
        raise errors.ConfigError(f"{path} holds {name!r}, a link or the like. {_NO_EXPORT}")


def _named(path: Path, files: dict[str, T]) -> dict[str, T]:
    """The files by their names within the export, which may lie in one folder of its own.

    Not the hidden ones, which systems leave in folders and ZIPs. Raises ConfigError.
    """
    tables = [name for name in files if PurePosixPath(name).name == TABLE and name.count("/") < 2]
    table = min(tables, key=lambda name: name.count("/"), default=None)
    if table is None:
        raise errors.ConfigError(
            f"{path} holds no {TABLE}: --import takes the ZIP that Strava sends, or the folder "
            "that it was unpacked into"
        )
    top = table.removesuffix(TABLE)
    return {
        name.removeprefix(top): file
        for name, file in files.items()
        if name.startswith(top) and not _is_hidden(name)
    }


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _raise(error: OSError) -> None:
    raise error
