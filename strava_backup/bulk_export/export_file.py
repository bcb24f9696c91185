"""Read an export file, a ZIP or an unpacked folder, through one interface.

Writes nothing to disk, so that no file is unpacked under a name from the export.
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
from pathlib import Path
from typing import Protocol, TypeVar

from strava_backup import errors

TABLE = "activities.csv"

# Texts are compressed to a tenth, some to a thirtieth, but ZIP bombs to a thousandth.
_MOST_GROWTH = 200
_HARMLESS = 100_000_000
_CHUNK = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")
_VOLUME = re.compile(r"\.z[0-9]{2}|\.zip\.[0-9]{3}", re.IGNORECASE)
# Names of hidden files and of files in hidden folders, unlike `./activities.csv`.
_HIDDEN = re.compile(r"(?:^|/)(?:\.[^/]|__MACOSX)")
_ENCRYPTED = 1
# File systems allow names of 255 bytes; partial files have longer names.
_LONGEST_PART, _LONGEST_PATH = 200, 1000
# The exceptions of zipfile, besides OSError, for a damaged or encrypted ZIP.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)

T = TypeVar("T")


class Files(Protocol):
    """Files that are read by their names."""

    def read_chunks(self, name: str) -> Iterator[bytes]:
        """Yield the content. Raise ItemError, for a wrong checksum after the last chunk."""


class Export(Files, Protocol):
    """An export: the names of its files, with slashes, and the day of its table of activities in
    local time, for example 2026-11-22.
    """

    names: Collection[str]
    day: str


@contextmanager
def opened(path: Path) -> Iterator[Export]:
    """Yield the export at `path`. Raise ConfigError if it is not one, or not a safe one."""
    with ExitStack() as stack:
        try:
            export = _open(path, stack)
        except OSError as error:
            raise errors.ConfigError(f"cannot read {path}: {error.strerror or error}") from error
        yield export


class Names:
    """The names of the files in an export, which unpacking or copying may have changed."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def find(self, name: str) -> list[str]:
        """Return the file of that name, else those that differ only in `.gz`, case or slashes."""
        return [name] if name in self._names else self._similar.get(_folded(name), [])

    @functools.cached_property
    def _similar(self) -> dict[str, list[str]]:
        similar: dict[str, list[str]] = {}
        for name in self._names:
            similar.setdefault(_folded(name), []).append(name)
        return similar


def storable(name: str) -> str:
    """Return the name without the first bytes if it is too long for a file system."""
    path = "/".join(_last_bytes(part, _LONGEST_PART) for part in name.split("/"))
    return _last_bytes(path, _LONGEST_PATH)


def read_lines(export: Files, name: str) -> Iterator[str]:
    """Yield the lines of a text, including their ends. Raise ItemError, also if it is not Unicode.

    An incomplete character at the end of a truncated text is skipped.
    """
    chunks = export.read_chunks(name)
    first = next(chunks, b"")
    decoder = codecs.getincrementaldecoder(_encoding(first))()
    rest = ""
    try:
        for chunk in chain([first], chunks):
            text = rest + decoder.decode(chunk)
            # Unlike splitlines(), this splits only at line ends of CSV: names may contain U+2028.
            *lines, rest = io.StringIO(text, newline="").readlines() or [""]
            yield from lines
    except UnicodeDecodeError as error:
        # Nearly every sequence of bytes is valid in other encodings, so that a guess would yield
        # wrong names for many locales.
        raise errors.ItemError(
            f"{name} is not in UTF-8; another program has probably saved it"
        ) from error
    if rest:
        yield rest


def _encoding(head: bytes) -> str:
    """Return the encoding of a text from its head: UTF-8, or UTF-16 of spreadsheet programs."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # One of the two bytes of commas and digits is zero in UTF-16; UTF-8 has hardly any zeros.
    zeros_of_be, zeros_of_le = head[::2].count(0), head[1::2].count(0)
    if zeros_of_be + zeros_of_le > len(head) // 32:
        return "utf-16-be" if zeros_of_be > zeros_of_le else "utf-16-le"
    return "utf-8-sig"


def unpacked(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield the content of a gzip file, which may have several members and zeros after them.

    Raise ItemError, also if the content is implausibly large.
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
                    f"{name} expands to more than {_MOST_GROWTH} times its size, unlike originals"
                )
            yield data
            chunk = inflater.unused_data or inflater.unconsumed_tail
    if not inflater.eof:
        raise errors.ItemError(f"{name} is damaged in the export: it is truncated")


def _open(path: Path, stack: ExitStack) -> Export:
    if path.is_dir():
        return _Folder(path)
    if _VOLUME.search(path.name) or list(path.parent.glob(f"{glob.escape(path.stem)}.z01")):
        raise errors.ConfigError(
            f"{path} is one part of a split ZIP: unpack all parts together, and import the folder "
            "with their files"
        )
    try:
        file = stack.enter_context(zipfile.ZipFile(path))
    except _DAMAGE as error:
        raise errors.ConfigError(
            f"{path} is not a complete ZIP ({error}): --import accepts the ZIP from Strava, or the "
            "folder with its unpacked files. Download the export again if this is its ZIP"
        ) from error
    return _Zip(path, file)


class _Zip:
    """An export in its ZIP."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self._file = file
        # The documentation of zipfile does not promise that open() and close() are thread-safe.
        self._lock = threading.Lock()
        infos = [info for info in file.infolist() if not info.filename.endswith(("/", "\\"))]
        for info in infos:
            # The upper 16 bits are the file mode on Unix.
            kind = stat.S_IFMT(info.external_attr >> 16)
            _check(path, info.orig_filename, is_plain=kind in (0, stat.S_IFREG))
            _check_readable(path, info)
        if sum(info.file_size for info in infos) > max(
            _HARMLESS, _MOST_GROWTH * path.stat().st_size
        ):
            raise errors.ConfigError(
                f"{path} would expand to more than {_MOST_GROWTH} times its size. {_NO_EXPORT}"
            )
        self._infos = _named(path, {info.filename: info for info in infos})
        self.names: Collection[str] = self._infos.keys()
        date_time = self._infos[TABLE].date_time
        self.day = _day(*date_time[:3])
        # An export may have 100,000 files: this saves a fifth of the memory for their list.
        file.filelist.clear()
        file.NameToInfo.clear()
        for info in infos:
            info.date_time = date_time

    def read_chunks(self, name: str) -> Iterator[bytes]:
        """Yield the content. Raise ItemError, for a wrong checksum after the last chunk."""
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
    """An export that has been unpacked into a folder."""

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
        """Yield the content of a file. Raise ItemError."""
        try:
            with open(self._path / self._files[name], "rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise errors.ItemError(f"cannot read {name}: {error.strerror or error}") from error


def _day(year: int, month: int, day: int) -> str:
    return f"{year:04}-{month:02}-{day:02}"


def _check_readable(path: Path, info: zipfile.ZipInfo) -> None:
    """Raise ConfigError for a file that is encrypted or compressed by a rare method, unlike
    Strava's.
    """
    if info.flag_bits & _ENCRYPTED:
        reason = "is encrypted"
    elif info.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
        zipfile.ZIP_BZIP2,
        zipfile.ZIP_LZMA,
    ):
        reason = f"is compressed by an unsupported method ({info.compress_type})"
    else:
        return
    raise errors.ConfigError(
        f"{info.filename} in {path} {reason}: unpack it with the program that packed it, and "
        "import the folder"
    )


_NO_EXPORT = "This is not an export from Strava, and nothing was imported"


def _check(path: Path, name: str, *, is_plain: bool) -> None:
    """Raise ConfigError for a path or kind of file that only a malicious export contains."""
    if (
        ".." in re.split(r"[/\\]", name)
        or name.startswith(("/", "\\"))
        or _DRIVE.match(name)
        or "\0" in name
    ):
        raise errors.ConfigError(f"{path} contains {name!r}, a path outside of it. {_NO_EXPORT}")
    if not is_plain:
        raise errors.ConfigError(
            f"{path} contains {name!r}, which is not a regular file. {_NO_EXPORT}"
        )


def _named(path: Path, files: dict[str, T]) -> dict[str, T]:
    """Return the files by their names within the export, which may be in a subfolder.

    Hidden files, which operating systems add to folders and ZIPs, are skipped. Raise ConfigError.
    """
    files = _slashed(files)
    tables = [
        name for name in files if name.rpartition("/")[2] == TABLE and not _HIDDEN.search(name)
    ]
    table = min(tables, key=lambda name: name.count("/"), default="//")
    if table.count("/") > 1:
        raise errors.ConfigError(
            f"{path} contains no {TABLE}: --import accepts the ZIP from Strava, or the folder with "
            "its unpacked files"
        )
    if len(tables) > 1:
        raise errors.ConfigError(
            f"{path} contains more than one export: {', '.join(sorted(tables))}. Import one after "
            "the other, each from a folder or ZIP of its own"
        )
    top = table.removesuffix(TABLE)
    return {
        name.removeprefix(top): file
        for name, file in files.items()
        if name.startswith(top) and not _HIDDEN.search(name)
    }


def _slashed(files: dict[str, T]) -> dict[str, T]:
    """Return the files with slashes in their names, unless another file has that name.

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


def _raise(error: OSError) -> None:
    raise error
