"""The config file itself: one value changed, the rest as it was, atomically. Knows no keys."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from strava_backup.archive.atomic import Draft


def with_value(path: Path, section: str, name: str, value: str) -> bytes:
    """The config's text with one value changed, everything else as it stands."""
    from configupdater import ConfigUpdater

    text = path.read_bytes().decode()
    start = "\ufeff" if text.startswith("\ufeff") else ""
    line_end = "\r\n" if "\r\n" in text else "\n"
    updater = ConfigUpdater()
    updater.read_string(text.removeprefix(start).replace("\r\n", "\n"))
    if not updater.has_section(section):
        updater.add_section(section)
    updater[section][name] = value
    return (start + str(updater).replace("\n", line_end)).encode()


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
