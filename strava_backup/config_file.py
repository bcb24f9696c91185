"""The config file itself: values changed, the rest as it was, atomically. Knows no keys."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from strava_backup.archive.atomic import Draft, save_bytes


def with_values(path: Path, section: str, values: Mapping[str, str]) -> bytes:
    """The config's text with these values of a section changed, everything else as it stands."""
    from configupdater import ConfigUpdater

    text = path.read_bytes().decode()
    start = "\ufeff" if text.startswith("\ufeff") else ""
    line_end = "\r\n" if "\r\n" in text else "\n"
    updater = ConfigUpdater()
    updater.read_string(text.removeprefix(start).replace("\r\n", "\n"))
    if not updater.has_section(section):
        updater.add_section(section)
    for name, value in values.items():
        options = list(updater[section].iter_options())
        if name in updater[section] or not options:
            updater[section][name] = value
        else:
            # Before the empty lines that part it from the next section.
            options[-1].add_after.option(name, value)
    return (start + str(updater).replace("\n", line_end)).encode()


def save(path: Path, data: bytes) -> None:
    """Write a file that may not be there yet: it and its folder are then for its owner only.

    Raises OSError.
    """
    if path.exists():
        replace(path, data)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    save_bytes(Path(os.path.realpath(path)), data, 0o600)


def check_savable(path: Path) -> None:
    """Make sure that `save` will work; may make the folder. Raises OSError."""
    if path.exists():
        check_replaceable(path)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    real = Path(os.path.realpath(path))
    with Draft(real.parent, real.name, 0o600):
        pass


def is_open_to_others(path: Path) -> bool:
    """Whether other users may read the file; never on Windows."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return os.name == "posix" and bool(mode & (stat.S_IRGRP | stat.S_IROTH))


def check_replaceable(path: Path) -> None:
    """Make sure that `replace` will work. Raises OSError."""
    real = Path(os.path.realpath(path))
    with open(real, "r+b"), Draft(real.parent, real.name, 0o600):
        pass


def replace(path: Path, data: bytes) -> None:
    """Write a file anew, atomically; a link stays a link, and mode and owner stay."""
    real = Path(os.path.realpath(path))
    before = real.stat()
    with Draft(real.parent, real.name, 0o600) as draft:
        draft.write([data])
        os.chmod(draft.path, stat.S_IMODE(before.st_mode))
        if hasattr(os, "chown") and os.geteuid() == 0:
            os.chown(draft.path, before.st_uid, before.st_gid)
        try:
            draft.save_as(real)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # A file mounted by itself into a container cannot be renamed over; a new token that
            # is written in place is safer there than one that is lost.
            with open(real, "r+b") as file:
                file.write(data)
                file.truncate()
                os.fsync(file.fileno())
