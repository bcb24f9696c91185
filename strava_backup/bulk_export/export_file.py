"""The export as it came, ZIP or unpacked folder, read in one and the same way.

Writes nothing, and unpacks nothing under a name of the parcel's own choice.
"""

from __future__ import annotations

import codecs
import functools
import glob
import io
import os
import re
import stat
import threading
import time
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar

from strava_backup import errors

TABLE = "activities.csv"

# Texts shrink to a tenth, some to a thirtieth. The inside of bombs shrinks to a thousandth.
_MOST_GROWTH = 200
_HARMLESS = 100_000_000
_CHUNK = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")
_PIECE = re.compile(r"\.z[0-9]{2}|\.zip\.[0-9]{3}", re.IGNORECASE)
_ENCRYPTED = 1
# File systems take 255 bytes; a file that is being written has a longer name.
_LONGEST_PART, _LONGEST_PATH = 200, 1000
# What a damaged ZIP raises besides OSError, and one whose files are encrypted.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)

T = TypeVar("T")


class Export(Protocol):
    """An export: the names of its files there, which have slashes, and the day on which it was
    made, as 2026-11-22: that of its table of activities, in local time.
    """

    names: Collection[str]
    day: str

    def read_chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file. Raises ItemError, for a wrong checksum behind the last chunk."""


@contextmanager
def opened(path: Path) -> Iterator[Export]:
    """The export at `path`. Raises ConfigError if it is none, or none to be trusted."""
    with ExitStack() as stack:
        try:
            export = _open(path, stack)
        except OSError as error:
            raise errors.ConfigError(f"cannot read {path}: {error.strerror or error}") from error
        yield export


class Names:
    """The names of the files in an export, which somebody may have unpacked or copied since."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def find(self, name: str) -> list[str]:
        """The file of that name; else those that differ in `.gz`, case and slashes only."""
        return [name] if name in self._names else self._similar.get(_folded(name), [])

    @functools.cached_property
    def _similar(self) -> dict[str, list[str]]:
        similar: dict[str, list[str]] = {}
        for name in self._names:
            similar.setdefault(_folded(name), []).append(name)
        return similar


def storable(name: str) -> str:
    """The name with what is too long for a file system cut off in front."""
    path = "/".join(_last_bytes(part, _LONGEST_PART) for part in name.split("/"))
    return _last_bytes(path, _LONGEST_PATH)


def read_lines(export: Export, name: str) -> Iterator[str]:
    """The lines of a text, with their ends. Raises ItemError, also if it is not in Unicode.

    The first half of a character at the end of a text that was cut off is left out.
    """
    chunks = export.read_chunks(name)
    first = next(chunks, b"")
    decoder = codecs.getincrementaldecoder(_encoding(first))()
    rest = ""
    try:
        for chunk in chain([first], chunks):
            text = rest + decoder.decode(chunk)
            # Unlike splitlines(), this splits only where CSV does: names may hold U+2028.
            *lines, rest = io.StringIO(text, newline="").readlines() or [""]
            yield from lines
    except UnicodeDecodeError as error:
        # Other encodings fit nearly every sequence of bytes: with one of them names would be
        # read, but in half of the countries as other names than they are.
        raise errors.ItemError(
            f"{name} is not in UTF-8, so that another program has probably saved it"
        ) from error
    if rest:
        yield rest


def _encoding(head: bytes) -> str:
    """The encoding of a text that begins so: UTF-8, or UTF-16 as spreadsheet programs save it."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Commas and digits have a zero in one of their two bytes, and UTF-8 has hardly any.
    zeros_of_be, zeros_of_le = head[::2].count(0), head[1::2].count(0)
    if zeros_of_be + zeros_of_le > len(head) // 32:
        return "utf-16-be" if zeros_of_be > zeros_of_le else "utf-16-le"
    return "utf-8-sig"


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


def _open(path: Path, stack: ExitStack) -> Export:
    if path.is_dir():
        return _Folder(path)
    if _PIECE.search(path.name) or list(path.parent.glob(f"{glob.escape(path.stem)}.z01")):
        raise errors.ConfigError(
            f"{path} is one piece of a split ZIP: unpack all pieces together, and import the "
            "folder with what was in them"
        )
    try:
        file = stack.enter_context(zipfile.ZipFile(path))
    except _DAMAGE as error:
        raise errors.ConfigError(
            f"{path} is no ZIP, or not all of one ({error}): --import takes the ZIP that Strava "
            "sends, or the folder that it was unpacked into. Fetch the export again if this is its "
            "ZIP"
        ) from error
    return _Zip(path, file)


class _Zip:
    """A ZIP that is still packed."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self._file = file
        # Of opening and closing parts at the same time its documentation says nothing.
        self._lock = threading.Lock()
        infos = [info for info in file.infolist() if not info.filename.endswith(("/", "\\"))]
        for info in infos:
            # Unix keeps the kind of a file in the upper half.
            kind = stat.S_IFMT(info.external_attr >> 16)
            _check(path, info.orig_filename, is_plain=kind in (0, stat.S_IFREG))
            _check_readable(path, info)
        if sum(info.file_size for info in infos) > max(
            _HARMLESS, _MOST_GROWTH * path.stat().st_size
        ):
            raise errors.ConfigError(
                f"{path} would grow to more than {_MOST_GROWTH} times its size. {_NO_EXPORT}"
            )
        self._infos = _named(path, {info.filename: info for info in infos})
        self.names: Collection[str] = self._infos.keys()
        date_time = self._infos[TABLE].date_time
        self.day = _day(*date_time[:3])
        # An export may have 100,000 files: this saves a fifth of the memory for their directory.
        file.filelist.clear()
        file.NameToInfo.clear()
        for info in infos:
            info.date_time = date_time

    def read_chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file. Raises ItemError, for a wrong checksum behind the last chunk."""
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
        # Strings, since a Path takes several times as much memory.
        files: dict[str, str] = {}
        for folder, folders, names in os.walk(path, onerror=_raise):
            for name in (*folders, *names):
                file = Path(folder, name)
                mode = file.lstat().st_mode
                relative = file.relative_to(path).as_posix()
                _check(path, relative, is_plain=stat.S_ISREG(mode) or stat.S_ISDIR(mode))
                if stat.S_ISREG(mode):
                    files[relative] = relative
        self._path = path
        self._files = _named(path, files)
        self.names: Collection[str] = self._files.keys()
        written = (path / self._files[TABLE]).stat().st_mtime
        self.day = _day(*time.localtime(written)[:3])

    def read_chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file. Raises ItemError."""
        try:
            with open(self._path / self._files[name], "rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise errors.ItemError(f"cannot read {name}: {error.strerror or error}") from error


def _day(year: int, month: int, day: int) -> str:
    return f"{year:04}-{month:02}-{day:02}"


def _check_readable(path: Path, info: zipfile.ZipInfo) -> None:
    """Raises ConfigError for what Strava's ZIPs are never: encrypted, or packed in a rare way."""
    if info.flag_bits & _ENCRYPTED:
        why = "is encrypted"
    elif info.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
        zipfile.ZIP_BZIP2,
        zipfile.ZIP_LZMA,
    ):
        why = f"is packed by a method that this program does not know ({info.compress_type})"
    else:
        return
    raise errors.ConfigError(
        f"{info.filename} in {path} {why}: unpack it with the program that packed it, and import "
        "the folder"
    )


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
    files = _slashed(files)
    tables = [name for name in files if PurePosixPath(name).name == TABLE and not _is_hidden(name)]
    table = min(tables, key=lambda name: name.count("/"), default="//")
    if table.count("/") > 1:
        raise errors.ConfigError(
            f"{path} holds no {TABLE}: --import takes the ZIP that Strava sends, or the folder "
            "that it was unpacked into"
        )
    if len(tables) > 1:
        raise errors.ConfigError(
            f"{path} holds more than one export: {', '.join(sorted(tables))}. Import one after "
            "the other, each from a folder or ZIP of its own"
        )
    top = table.removesuffix(TABLE)
    return {
        name.removeprefix(top): file
        for name, file in files.items()
        if name.startswith(top) and not _is_hidden(name)
    }


def _slashed(files: dict[str, T]) -> dict[str, T]:
    """The files with slashes in their names, unless those are another file's.

    Some programs pack and unpack with backslashes.
    """
    slashed: dict[str, T] = {}
    for name, file in files.items():
        other = name.replace("\\", "/")
        slashed[name if other in slashed or other in files else other] = file
    return slashed


def _folded(name: str) -> str:
    return name.replace("\\", "/").casefold().removesuffix(".gz")


def _last_bytes(text: str, count: int) -> str:
    return text.encode(errors="replace")[-count:].decode(errors="ignore")


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _raise(error: OSError) -> None:
    raise error
