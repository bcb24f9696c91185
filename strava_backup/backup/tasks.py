"""Tasks, and the hosts in whose queues they wait. Independent of Strava and of the disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Protocol, TypeVar

from strava_backup import errors

# Three items in a row rarely fail for separate reasons; more likely the host is down.
FAILURES_THAT_CLOSE_A_HOST = 3
_IN_FLIGHT = 4
# Answers of a host in flight or queued for a writer: limited, or a slow disk would fill the memory.
_UNSAVED = 12

T = TypeVar("T")


class HostClosed(Exception):
    """The host of a request is closed; the report contains the reason."""


class FetchAgain(Exception):
    """A fetched file is suspicious, and has to be compared with a second copy."""

    def __init__(self, sha256: str) -> None:
        super().__init__()
        self.sha256 = sha256


class Result(NamedTuple):
    """The log text of a saved item, and the tasks that result from it.

    `refusal` is the error if the answer lacks a part of the item.
    """

    text: str = ""
    follow_ups: tuple[Task, ...] = ()
    refusal: errors.ItemError | None = None


class Task(NamedTuple):
    """One item: `fetch` uses only the network, `save` checks the answer and writes it.

    An answer with a `close` method is closed even if it is not saved. A task without a host has
    nothing to fetch. Refusals of the item are recorded in `metadata`, by `note_refusal` if it is
    set. `first_sha256` is the checksum of an earlier, suspicious copy of the same file. `start` is
    that of the activity, if it is known.
    """

    item: str
    title: str
    host: Host | None
    metadata: PurePosixPath
    save: Callable[[Task, Any], Result]
    fetch: Callable[[], Any] = lambda: None
    activity_id: int | None = None
    note_refusal: Callable[..., dict[str, Any]] | None = None
    first_sha256: str = ""
    start: datetime | None = None


@dataclass
class Job:
    """The tasks of one activity or gear, and the results so far."""

    title: str
    place: tuple[int, int]
    tasks_left: int = 0
    texts: dict[tuple[int, ...], str] = field(default_factory=dict)

    @property
    def results(self) -> list[str]:
        """The results in the order of the tasks, each followed by those of its follow-ups."""
        return [text for _, text in sorted(self.texts.items())]


class Entry(NamedTuple):
    """A task of a job, and its place in the order of all tasks; its follow-ups come next."""

    place: tuple[int, ...]
    task: Task
    job: Job


class Save(NamedTuple):
    """A fetched answer in the queue of the writers, in the order of the tasks."""

    place: tuple[int, ...]
    entry: Entry
    conclude: Callable[[], Result]
    answer: Any


class Outcomes(Protocol):
    """Reports how each task ended. Called from many threads."""

    def saved(self, entry: Entry, result: Result) -> str:
        """Accept a saved item, and return the text for its job."""

    def failed(self, entry: Entry, error: errors.ItemError) -> str:
        """Report a failed item, and return the text for its job."""

    def skipped(self, entry: Entry) -> None:
        """Count an item that was not requested because its host is closed."""

    def bug(self, entry: Entry, error: Exception) -> None:
        """Report an unexpected exception while an item was handled."""

    def closed(self, error: errors.Error) -> None:
        """Report the error that closed a host."""


class Call(NamedTuple):
    """A request of the main thread, which waits for its answer."""

    fetch: Callable[[], Any]
    answer: Future[Any]


class Host:
    """A host, its queue, and its state. `on_close` ends the waits of its requests.

    Calls of the main thread alternate with tasks, so that neither has to wait until the other
    queue is empty.
    """

    def __init__(
        self, name: str, threads: int = 1, on_close: Callable[[], None] = lambda: None
    ) -> None:
        self.name = name
        self.threads = threads
        self.is_closed = False
        self.is_on_hold = False
        self.unsaved = threading.Semaphore(_UNSAVED)
        self._on_close = on_close
        self._changed = threading.Condition()
        self._entries: list[Entry] = []
        self._calls: deque[Call] = deque()
        self._is_task_next = False
        self._is_ended = False
        self._failures_in_a_row = 0

    @property
    def is_ready(self) -> bool:
        """Whether a call need not wait for tasks that are about to be queued."""
        return bool(self._entries) or self.is_on_hold or self.is_closed

    def hold(self) -> None:
        """Start no task until `release`."""
        self.is_on_hold = True

    def release(self) -> None:
        """Start the queued tasks."""
        with self._changed:
            self.is_on_hold = False
            self._changed.notify_all()

    def add(self, request: Entry | Call) -> None:
        """Queue a request."""
        with self._changed:
            if isinstance(request, Call):
                self._calls.append(request)
            else:
                heappush(self._entries, request)
            self._changed.notify()

    def next(self) -> Entry | Call | None:
        """Wait for the next request and return it; None after `end`."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_ended or self._calls or self._may_start_task())
            if self._is_ended:
                return None
            if self._calls and not (self._is_task_next and self._may_start_task()):
                self._is_task_next = True
                return self._calls.popleft()
            self._is_task_next = False
            return heappop(self._entries)

    def succeeded(self) -> None:
        """Reset the count of failures in a row."""
        self._failures_in_a_row = 0

    def failed(self, error: errors.ItemError) -> bool:
        """Count a failure; True if there are too many in a row."""
        with self._changed:
            is_of_host = error.closes_host_when_repeated
            self._failures_in_a_row = self._failures_in_a_row + 1 if is_of_host else 0
            return self._failures_in_a_row >= FAILURES_THAT_CLOSE_A_HOST

    def close(self) -> bool:
        """Make no more requests; False if the host was closed already."""
        with self._changed:
            if self.is_closed:
                return False
            self.is_closed = True
            self._changed.notify_all()
        self._on_close()
        return True

    def end(self) -> None:
        """End the threads of the host."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()
        for _ in range(self.threads):
            self.unsaved.release()

    def _may_start_task(self) -> bool:
        return bool(self._entries) and (self.is_closed or not self.is_on_hold)


class Hosts:
    """The hosts of one run; `source` serves lists and metadata, and may be the website.

    `stop_waiting` ends all waits for the rate limits of the source.
    """

    def __init__(self, source_name: str, stop_waiting: Callable[[], None] = lambda: None) -> None:
        self.website = Host("website")
        self.photo_hosts = Host("photo hosts", _IN_FLIGHT)
        is_website = source_name == "website"
        self.source = self.website if is_website else Host("API", _IN_FLIGHT, stop_waiting)


class Ask(Protocol):
    """Returns a host's answer; None if the host is closed or the request failed."""

    def __call__(self, host: Host, name: str, fetch: Callable[[], T]) -> T | None: ...
