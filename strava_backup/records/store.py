"""Saves records and files, and counts what failed. For many threads at once.

Knows no kind of item; what an item is and how it is asked for is for the tasks to know.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.archive.atomic import HEAD_SIZE
from strava_backup.archive.directory import Archive, DiskError
from strava_backup.archive.metadata import OWN_KEY
from strava_backup.backup.pipeline import (
    Lane,
    Task,
    another_turn,
    place,
    step_aside,
)
from strava_backup.records import merge
from strava_backup.report import (
    Failure,
    Report,
    format_size,
    printable,
)
from strava_backup.strava.records import Record

_log = logging.getLogger(__name__)

_BUG = "this is a bug in strava-backup, please report it (--debug shows where)"
_TRIES_OF_A_BODY = 3
# Of 16 kB at most: a body of fewer is written when the next request is on its way.
_CHUNKS_IN_MEMORY = 8
# Seconds that it takes to send a request.
_START_OF_THE_NEXT = 0.003


class Answer(Protocol):
    """A file on its way: the name that Strava gives it, and its body."""

    @property
    def sent_name(self) -> str: ...

    @property
    def chunks(self) -> Iterator[bytes]: ...


Download = Callable[[], AbstractContextManager[Answer]]


class Note(Protocol):
    """What our key becomes by a saved file: by the name that Strava sent, what is odd, and the
    name under which it is stored."""

    def __call__(self, own: Record, sent_name: str, suspicion: str | None, file: str) -> Record: ...


class Saved(NamedTuple):
    """A file that was fetched and saved; with `same`, one whose bytes are held already."""

    suffix: str
    size: int
    suspicion: str | None
    same: str | None = None

    def __str__(self) -> str:
        return f"{self.suffix} {format_size(self.size)}"


class Keeper:
    """The hands of one run: archive and report."""

    def __init__(self, archive: Archive, report: Report, clock: Callable[[], float]) -> None:
        self.archive = archive
        self.report = report
        self.failed_ids: set[int] = set()
        self._clock = clock
        self._counting = threading.Lock()
        self._places: dict[int, list[tuple[int, ...]]] = {}
        self._editing: dict[PurePosixPath, threading.RLock] = {}

    def now(self) -> datetime:
        """The moment, in UTC."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def editing(self, path: PurePosixPath) -> AbstractContextManager[object]:
        """Keep other threads from the metadata at `path` between reading and saving it.

        Lets the thread's lane go on meanwhile.
        """
        step_aside()
        return self._editing.setdefault(path, threading.RLock())

    def count(self, item: str, size: int = 0) -> None:
        """Count an item that was saved."""
        with self._counting:
            self.report.saved[item] += 1
            self.report.saved_bytes += size

    def count_listed(self) -> None:
        """Count metadata that was saved as it was listed."""
        with self._counting:
            self.report.listed_saved += 1

    def save_record(
        self,
        path: PurePosixPath,
        record: Record,
        history_fields: Callable[[Record], Any] = merge.activity_history_fields,
    ) -> bool:
        """Save metadata; False where it says nothing new. Raises DiskError.

        What was there goes to `history/` if its essence differs.
        """
        with self.editing(path):
            old = self.archive.read_record(path)
            if merge.is_same(old, record):
                return False
            # What cannot be read is kept as well: somebody may still make something of it.
            is_kept = old is None or merge.needs_history(old, record, history_fields)
            history = self.now() if is_kept else None
            self.archive.save_record(path, record, history=history)
            return True

    def note(self, path: PurePosixPath, change: Callable[[Record], Record]) -> Record:
        """Change our key in the metadata at `path`, and return its new value."""
        with self.editing(path):
            record = self.archive.read_record(path) or {}
            own = change(record.get(OWN_KEY, {}))
            self.save_record(path, {**record, OWN_KEY: own})
            return own

    def save_file(
        self,
        task: Task,
        stem: PurePosixPath,
        download: Download,
        note: Note,
        only: str = "",
        stored: Mapping[str, str] = MappingProxyType({}),
    ) -> Saved:
        """Fetch a file, note it in the task's metadata and save it; one whose body breaks off is
        fetched again.

        With `only`, a suffix, a file of another kind is not taken. `held` has names of files by
        their SHA-256 which are not saved another time. Raises DiskError, ItemError, and what the
        download raises.
        """
        saved = _patiently(partial(self._save_once, task, stem, download, note, only, stored))
        if saved.same is not None:
            return saved
        self.count(task.item, saved.size)
        if saved.suspicion:
            _log.warning("%s: the %s is odd: %s", task.what, task.item, saved.suspicion)
        return saved

    def fail(self, what: str, error: errors.ItemError, activity_id: int | None = None) -> None:
        """Count an item's error, and say it."""
        failure = _failure(what, error)
        self._insert(self.report.failures, failure)
        if activity_id is not None:
            self.failed_ids.add(activity_id)
        _log.warning("%s: %s", failure.what, failure.why)

    def give_up(self, what: str, error: errors.ItemError) -> None:
        """Count an item that is not available."""
        self._insert(self.report.given_up, _failure(what, error))

    def _insert(self, failures: list[Failure], failure: Failure) -> None:
        """In the order of the tasks, whichever thread is first."""
        with self._counting:
            places = self._places.setdefault(id(failures), [])
            at = bisect(places, place())
            places.insert(at, place())
            failures.insert(at, failure)

    def report_bug(self, what: str, error: Exception, activity_id: int | None = None) -> None:
        """Count an item of which something unexpected was raised, and log it as a bug.

        Without --debug only the kind of error is logged: its text may quote anything.
        """
        name = type(error).__name__
        self.report.has_bug = True
        self.fail(what, errors.ItemError(f"{name}: {_BUG}"), activity_id)
        _log.debug("%s", what, exc_info=error)

    @contextmanager
    def guarding(self, what: str, activity_id: int | None = None) -> Iterator[None]:
        """Count what goes wrong with one item in here, so that the others are worked on."""
        try:
            yield
        except errors.ItemError as error:
            self.fail(what, error, activity_id)
        except errors.Error:
            raise
        except Exception as error:
            self.report_bug(what, error, activity_id)

    def _save_once(
        self,
        task: Task,
        stem: PurePosixPath,
        download: Download,
        note: Note,
        only: str,
        stored: Mapping[str, str],
    ) -> Saved:
        lane = task.lane
        with ExitStack() as partial_files:
            with another_turn(lane), download() as answer:
                start = list(islice(answer.chunks, _CHUNKS_IN_MEMORY))
                is_large = len(start) == _CHUNKS_IN_MEMORY
                head = b"".join(chunk[:HEAD_SIZE] for chunk in start)
                body = chain(start, answer.chunks)
                del start  # or it stays in memory as long as the body comes
                if is_large:
                    partial_file = partial_files.enter_context(
                        self.archive.partial_file(stem, body)
                    )
                    head = partial_file.head
                self.archive.refuse_page(head)
            # Disk and checks take their time, in which the next request may be on its way. It gets
            # a start: what computes here would hold it up.
            step_aside()
            time.sleep(_START_OF_THE_NEXT)
            if not is_large:
                partial_file = partial_files.enter_context(self.archive.partial_file(stem, body))
            same = stored.get(partial_file.sha256)
            if same is not None:
                return Saved("", partial_file.size, None, same)
            sent = layout.sent_suffix(answer.sent_name)
            suspicion = self.archive.find_suspicion(partial_file, sent)
            if suspicion is not None:
                _compare(lane, download, partial_file.sha256)
            change = partial(note, sent_name=answer.sent_name, suspicion=suspicion)

            def noted(file: str) -> AbstractContextManager[None]:
                return self._noted(task.metadata, partial(change, file=file))

            path = self.archive.save_file(partial_file, stem, sent, noted, only)
            return Saved(path.name.removeprefix(stem.name), partial_file.size, suspicion)

    @contextmanager
    def _noted(self, path: PurePosixPath, change: Callable[[Record], Record]) -> Iterator[None]:
        """Note a file that gets its name in here; the note is taken back if it does not.

        Not the other way round: a run that dies in between would leave a file of which nobody knows
        that Strava holds it so odd. A note of a file that is not there has it fetched.
        """
        with self.editing(path):
            record = self.archive.read_record(path)
            self.note(path, change)
            try:
                yield
            except BaseException:
                # On a disk that is full or gone that may fail, too.
                with suppress(DiskError, errors.ItemError):
                    self.note(path, lambda _: (record or {}).get(OWN_KEY, {}))
                raise


def _patiently(save: Callable[[], Saved]) -> Saved:
    for _ in range(_TRIES_OF_A_BODY - 1):
        with suppress(errors.CutShort):
            return save()
    return save()


def _failure(what: str, error: errors.ItemError) -> Failure:
    return Failure(what, printable(str(error), limit=300))


def _compare(lane: Lane, download: Download, sha256: str) -> None:
    """Fetch an odd file a second time: if it comes the same, that is what Strava holds."""
    again = hashlib.sha256()
    with another_turn(lane), download() as answer:
        for chunk in answer.chunks:
            again.update(chunk)
    if again.hexdigest() != sha256:
        raise errors.ItemError("it came broken, and differently each of two times")
