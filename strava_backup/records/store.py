"""Read, change and save single metadata records. Thread-safe, with one lock per record."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from strava_backup.archive.directory import Archive
from strava_backup.items import OWN_KEY
from strava_backup.records import merge
from strava_backup.strava.records import Record


class RecordStore:
    """The metadata records of one archive. `clock` returns seconds since the epoch."""

    def __init__(self, archive: Archive, clock: Callable[[], float]) -> None:
        self.archive = archive
        self._clock = clock
        self._locks: dict[PurePosixPath, threading.RLock] = {}

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def editing(self, path: PurePosixPath) -> AbstractContextManager[object]:
        """Return the lock of the record at `path`, to be acquired from reading to saving it."""
        return self._locks.setdefault(path, threading.RLock())

    def read(self, path: PurePosixPath) -> Record | None:
        """Return the record at `path`, or None if there is none. Raise ItemError."""
        return self.archive.read_record(path)

    def save(
        self,
        path: PurePosixPath,
        record: Record,
        history_fields: Callable[[Record], Any] = merge.activity_history_fields,
        *,
        keep_history: bool = True,
    ) -> bool:
        """Save a record if it has changed, and return whether it has. Raise DiskError, ItemError.

        The previous record is copied to `history/` if one of its `history_fields` changed.
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
        """Save a record like `save`. The caller has read `old` and still has the lock."""
        if merge.is_same(old, record):
            return False
        # An unreadable file goes to `history/` as well: its content may still be recoverable.
        is_copied = old is None or (
            keep_history and merge.needs_history(old, record, history_fields)
        )
        self.archive.save_record(path, record, history=self.now() if is_copied else None)
        return True

    def note(self, path: PurePosixPath, change: Callable[[Record], Record]) -> Record:
        """Save our key in the record at `path` after `change`, and return its new value."""
        with self.editing(path):
            old = self.read(path)
            own = change((old or {}).get(OWN_KEY, {}))
            self.replace(path, old, {**(old or {}), OWN_KEY: own})
            return own
