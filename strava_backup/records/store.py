"""Loads, changes and saves one metadata record at a time. For many threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from strava_backup.archive.directory import Archive
from strava_backup.archive.metadata import OWN_KEY
from strava_backup.records import merge
from strava_backup.strava.records import Record


class RecordStore:
    """The metadata records of one archive; `clock` gives seconds since the epoch."""

    def __init__(self, archive: Archive, clock: Callable[[], float]) -> None:
        self.archive = archive
        self._clock = clock
        self._locks: dict[PurePosixPath, threading.RLock] = {}

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def editing(self, path: PurePosixPath) -> AbstractContextManager[object]:
        """Keep other threads from the record at `path` between reading and saving it."""
        return self._locks.setdefault(path, threading.RLock())

    def read(self, path: PurePosixPath) -> Record | None:
        """Return the record at `path`, None if there is none. Raises ItemError."""
        return self.archive.read_record(path)

    def save(
        self,
        path: PurePosixPath,
        record: Record,
        history_fields: Callable[[Record], Any] = merge.activity_history_fields,
        *,
        keep_history: bool = True,
    ) -> bool:
        """Save a record; False if it says nothing new. Raises DiskError, ItemError.

        The record before is copied to `history/` if one of its `history_fields` changed.
        """
        with self.editing(path):
            old = self.read(path)
            return self.replace(path, old, record, history_fields, keep_history=keep_history)

    def replace(
        self,
        path: PurePosixPath,
        old: Record | None,
        record: Record,
        history_fields: Callable[[Record], Any] = merge.activity_history_fields,
        *,
        keep_history: bool = True,
    ) -> bool:
        """Save a record in place of `old`, which was read while `editing`. As `save`."""
        if merge.is_same(old, record):
            return False
        # A file that cannot be read is kept as well: somebody may still be able to use it.
        is_kept = old is None or (keep_history and merge.needs_history(old, record, history_fields))
        self.archive.save_record(path, record, history=self.now() if is_kept else None)
        return True

    def note(self, path: PurePosixPath, change: Callable[[Record], Record]) -> Record:
        """Change our key in the record at `path`, and return its new value."""
        with self.editing(path):
            old = self.read(path)
            own = change((old or {}).get(OWN_KEY, {}))
            self.replace(path, old, {**(old or {}), OWN_KEY: own})
            return own
