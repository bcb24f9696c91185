"""Opens a copy of an SQLite database that another program uses."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from strava_backup import errors
from strava_backup.archive.regular import NotAFile, follow_link

# Cookie stores of ten thousand cookies have a few megabytes.
_LARGEST_STORE = 1 << 29
_LONGEST_ROW = 1 << 20


@contextlib.contextmanager
def opened_copy(store: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a copy of the database. Raises ConfigError, also if a query fails.

    A copy, since browsers lock the original. The write-ahead log and the journal are copied with
    it (https://www.sqlite.org/tempfiles.html), for changes that are not yet in the store.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="strava-backup-") as folder:
            copy = os.path.join(folder, "copy")
            _copy(str(store), copy)
            for suffix in ("-wal", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    _copy(f"{store}{suffix}", copy + suffix)
            with contextlib.closing(sqlite3.connect(copy)) as database:
                database.text_factory = _decoded
                database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_ROW)
                yield database
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        # The module sqlite3 expects UTF-8 of messages, which quote names from a damaged database.
        reason = "damaged" if isinstance(error, UnicodeDecodeError) else error
        raise errors.ConfigError(f"cannot read the cookies in {store}: {reason}") from error


def _copy(path: str, copy: str) -> None:
    try:
        with open(path, "rb", opener=follow_link) as source, open(copy, "xb") as target:
            size = os.fstat(source.fileno()).st_size
            if size > _LARGEST_STORE:
                raise NotAFile(0, f"too large ({size} bytes)", path)
            shutil.copyfileobj(source, target)
    except ValueError as error:
        # An invalid path, for example one with a null character.
        raise OSError(str(error)) from error


def _decoded(text: bytes) -> str:
    # One garbled cookie must not hide the others.
    return text.decode("utf-8", "replace")
