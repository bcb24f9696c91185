"""Reads and writes the config file: changes values, keeps the rest, atomically. Knows no keys."""

from __future__ import annotations

import codecs
import configparser
import errno
import io
import os
import re
import stat
from bisect import bisect_left
from collections.abc import Callable, Mapping
from pathlib import Path

from strava_backup.archive.atomic import PartialFile, save_bytes

_LARGEST = 1 << 17
# Bytes reserved for a new value.
_FREE_BYTES = 1 << 14
_BOM = "\ufeff"
_KEY = re.compile(r"(\s*[^=:]*?)\s*([=:])")
_ASIDE = (
    "# strava-backup could not write these values into {}.\n"
    "# Copy them to where they belong, then delete this file.\n"
)


def read(path: Path) -> str:
    """Return the text of a config or of a secret's file, byte order mark included.

    Raises OSError, and ValueError if it is not UTF-8.
    """
    if stat.S_ISFIFO(path.stat().st_mode):
        # Opening a pipe waits for a writer.
        raise OSError(errno.EINVAL, "is a pipe, not a file", str(path))
    with open(path, "rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return decode(data)


def decode(data: bytes) -> str:
    """Decode UTF-8. Raises ValueError, which does not quote the data."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("not UTF-8 but UTF-16: save it as UTF-8")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None


def parse(text: str) -> configparser.RawConfigParser:
    """Parse a config into sections. Raises configparser.Error."""
    parser = configparser.RawConfigParser(default_section="")
    parser.read_string(text.removeprefix(_BOM).replace("\r\n", "\n").replace("\r", "\n"))
    return parser


def with_values(path: Path, section: str, values: Mapping[str, str]) -> bytes:
    """Return the config's text with these values of a section changed, and nothing else.

    Raises OSError, configparser.Error, and ValueError if the result would be read differently.
    """
    data = _changed(read(path), section, values).encode()
    if len(data) > _LARGEST:
        raise ValueError("it would be too large to be read")
    return data


def save(path: Path, data: bytes) -> None:
    """Save a file; only the owner can read a new one and its new folder.

    Raises OSError.
    """
    if path.exists():
        replace(path, data)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    save_bytes(Path(os.path.realpath(path)), data, 0o600)


def aside_path(path: Path) -> Path:
    """Return the path of the file next to a config for values that the config cannot store."""
    real = Path(os.path.realpath(path))
    return real.with_name(f"{real.name}.new")


def save_aside(path: Path, section: str, values: Mapping[str, str]) -> Path:
    """Save values in the file `NAME.new` next to a config and return its path. Raises OSError.

    Other values that the file already has stay.
    """
    aside = aside_path(path)
    try:
        before = aside.read_bytes()
    except FileNotFoundError:
        before = _ASIDE.format(path.name).encode()
    try:
        data = _changed(decode(before), section, values).encode()
    except (ValueError, configparser.Error):
        lines = [f"[{section}]", *(f"{name} = {value}" for name, value in values.items())]
        data = before + "\n".join(["", *lines, ""]).encode()
    save_bytes(aside, data, 0o600)
    return aside


def check_savable(path: Path) -> None:
    """Raise OSError if `save` or `replace` would fail, disk space included; may make the folder."""
    real = Path(os.path.realpath(path))
    size = 0
    if path.exists():
        with open(real, "r+b") as file:
            size = os.fstat(file.fileno()).st_size
    else:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Write and remove a partial file, since a disk may promise space that it does not have.
    with PartialFile(real.parent, real.name, 0o600) as partial_file:
        partial_file.write([bytes(size + _FREE_BYTES)])
        partial_file.finish()


def access_of_others(path: Path, *, is_secret: bool) -> str:
    """Return the access that other users have and must not have: read (if secret), change.

    Empty without any, and always on Windows, which has other permissions.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    if os.name != "posix":
        return ""
    can_read = is_secret and mode & (stat.S_IRGRP | stat.S_IROTH)
    can_change = mode & (stat.S_IWGRP | stat.S_IWOTH)
    return " and ".join(["read"] * bool(can_read) + ["change"] * bool(can_change))


def replace(path: Path, data: bytes) -> None:
    """Save new content of a file; a link, the mode and the owner stay.

    Writes atomically if the folder and the disk's free space allow it, else in place, since an
    unsaved token would be lost. Raises OSError; the file is then as it was.
    """
    real = Path(os.path.realpath(path))
    try:
        _replace_atomically(real, data)
    except OSError:
        # A full disk, a folder without permission, or a single file mounted into a container.
        _write_in_place(real, data)


def _replace_atomically(path: Path, data: bytes) -> None:
    before = path.stat()
    with PartialFile(path.parent, path.name, 0o600) as partial_file:
        partial_file.write([data])
        os.chmod(partial_file.path, stat.S_IMODE(before.st_mode))
        if hasattr(os, "chown") and os.geteuid() == 0:
            os.chown(partial_file.path, before.st_uid, before.st_gid)
        partial_file.save_as(path)


def _write_in_place(path: Path, data: bytes) -> None:
    """Overwrite a file so that it always contains the whole old text or the whole new one.

    The space is allocated first, as line ends, and the rest of a longer old text becomes line ends
    before it is truncated: a program killed in between leaves blank lines. One call overwrites the
    text, so that a power cut endangers its changed sectors only.
    """
    with open(path, "r+b", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            file.seek(size)
            _write_all(file, b"\n" * (len(data) - size))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise
        file.seek(0)
        _write_all(file, data.ljust(size, b"\n"))
        os.fsync(file.fileno())
        file.truncate(len(data))
        os.fsync(file.fileno())


def _write_all(file: io.FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]


def _changed(text: str, section: str, values: Mapping[str, str]) -> str:
    expected = _content(text)
    expected.setdefault(section, {}).update(values)
    lines = list(io.StringIO(text, newline=""))
    for key, value in values.items():
        if parse("".join(lines)).has_option(section, key):
            _change(lines, section, key, value)
        else:
            _add(lines, section, key, value)
    changed = "".join(lines)
    if _in_order(_content(changed)) != _in_order(expected):
        raise ValueError("its form does not let a single value be changed")
    return changed


def _content(text: str) -> dict[str, dict[str, str]]:
    parser = parse(text)
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _in_order(content: dict[str, dict[str, str]]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(section, list(values.items())) for section, values in content.items()]


def _change(lines: list[str], section: str, key: str, value: str) -> None:
    """Change a value, which may continue in the lines below its key; comments there stay."""
    place = _place(lines, section, key)
    first, *rest = lines[place]
    match = _KEY.match(first)
    assert match is not None
    changed = f"{match[1]} {match[2]} {value}{_line_end(first)}"
    lines[place] = [changed, *(one for one in rest if one.lstrip().startswith(("#", ";")))]


def _add(lines: list[str], section: str, key: str, value: str) -> None:
    """Add a key at the end of its section, and the section at the end of the file."""
    end = (_line_end(lines[0]) if lines else "") or "\n"
    if lines and not _line_end(lines[-1]):
        lines[-1] += end
    parser = parse("".join(lines))
    if not parser.has_section(section):
        lines += [*([end] if lines else []), f"[{section}]{end}"]
        at, indented = len(lines), ""
    elif options := parser.options(section):
        # Before the empty lines that separate it from the next section.
        last = _place(lines, section, options[-1])
        at, indented = last.stop, lines[last.start]
    else:
        at = _lines_until(lines, lambda parser: parser.has_section(section))
        # A section header that is indented further than the key above it belongs to its value.
        indented = next((one for one in lines[at:] if one.lstrip().startswith("[")), "")
    indentation = indented[: len(indented) - len(indented.lstrip())]
    lines.insert(at, f"{indentation}{key} = {value}{end}")


def _place(lines: list[str], section: str, key: str) -> slice:
    """Return the lines of a key and its value."""
    value = parse("".join(lines)).get(section, key)
    return slice(
        _lines_until(lines, lambda parser: parser.has_option(section, key)) - 1,
        _lines_until(lines, lambda parser: parser.get(section, key, fallback=None) == value),
    )


def _lines_until(
    lines: list[str], is_reached: Callable[[configparser.RawConfigParser], bool]
) -> int:
    """Return the smallest number of lines that, once parsed, satisfy `is_reached`.

    Calls the parser itself, since no other code finds keys, comments and folds in the same places.
    """
    counts = range(len(lines) + 1)
    return bisect_left(counts, True, key=lambda count: is_reached(parse("".join(lines[:count]))))


def _line_end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
