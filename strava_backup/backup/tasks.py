"""Tasks, and the hosts in whose queues they wait. Knows neither Strava nor disks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Protocol, TypeVar

from strava_backup import errors

# Three items in a row seldom fail through their own fault; a host in trouble fails them all.
FAILURES_THAT_CLOSE_A_HOST = 3
_IN_FLIGHT = 4
# Answers of a host that are in flight or wait for a writer: a slow disk must not fill the memory.
_UNSAVED = 12

T = TypeVar("T")


class HostClosed(Exception):
    """The host of a request is closed; the report has the reason."""


class FetchAgain(Exception):
    """A fetched file looks suspicious, and has to be compared with a second copy."""

    def __init__(self, sha256: str) -> None:
        super().__init__()
        self.sha256 = sha256


class Result(NamedTuple):
    """A saved item in words, and the tasks that follow from it.

    `lack` says why an answer that came is not all of the item.
    """

    text: str = ""
    follow_ups: tuple[Task, ...] = ()
    lack: errors.ItemError | None = None


class Task(NamedTuple):
    """One item: `fetch` uses only the network, `save` checks its answer and writes.

    An answer that has a `close` method is closed if it is not saved. Without a host there is
    nothing to fetch. Refusals of the item are noted in `metadata`, by `note_refusal` if it has a
    form of its own. `first_sha256` is that of an earlier, suspicious copy of the same file.
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


@dataclass
class Job:
    """The tasks of one activity or gear, and the results that have come so far."""

    title: str
    place: tuple[int, int]
    tasks_left: int = 0
    texts: dict[tuple[int, ...], str] = field(default_factory=dict)

    @property
    def results(self) -> list[str]:
        """The results in the order of the tasks, each followed by those of its follow-ups."""
        return [text for _, text in sorted(self.texts.items())]


class Entry(NamedTuple):
    """A task of a job, and its place in the order of all tasks: follow-ups come right behind it."""

    place: tuple[int, ...]
    task: Task
    job: Job


class Outcomes(Protocol):
    """Decides what the end of a task means, and reports it. Called from many threads."""

    def saved(self, entry: Entry, result: Result) -> str:
        """An item was saved; returns the text for its job."""

    def failed(self, entry: Entry, error: errors.ItemError) -> str:
        """An item failed; returns the text for its job."""

    def skipped(self, entry: Entry) -> None:
        """An item was not asked for, since its host is closed."""

    def bug(self, entry: Entry, error: Exception) -> None:
        """Handling an item raised something unexpected."""

    def closed(self, error: errors.Error) -> None:
        """A host was closed by this error."""


class Call(NamedTuple):
    """A request of the main thread, which waits for the answer."""

    fetch: Callable[[], Any]
    answer: Future[Any]


class Host:
    """A host, its queue, and whether it may still be asked. `on_close` ends waits of its requests.

    Requests of the main thread and tasks take turns, so that neither waits for the end of the
    other.
    """

    def __init__(
        self, name: str, threads: int = 1, on_close: Callable[[], None] = lambda: None
    ) -> None:
        self.name = name
        self.threads = threads
        self.is_closed = False
        self.is_held = False
        self.unsaved = threading.Semaphore(_UNSAVED)
        self._on_close = on_close
        self._changed = threading.Condition()
        self._entries: list[Entry] = []
        self._calls: deque[Call] = deque()
        self._is_tasks_turn = False
        self._is_ended = False
        self._failures_in_a_row = 0

    @property
    def has_tasks(self) -> bool:
        """Whether tasks are waiting."""
        return bool(self._entries)

    def hold(self) -> None:
        """Begin no task until `release`."""
        self.is_held = True

    def release(self) -> None:
        """Begin with the tasks."""
        with self._changed:
            self.is_held = False
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
        """Wait for the next request; None after `end`."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_ended or self._calls or self._may_begin())
            if self._is_ended:
                return None
            if self._calls and not (self._is_tasks_turn and self._may_begin()):
                self._is_tasks_turn = True
                return self._calls.popleft()
            self._is_tasks_turn = False
            return heappop(self._entries)

    def succeeded(self) -> None:
        """An answer came."""
        self._failures_in_a_row = 0

    def failed(self, error: errors.ItemError) -> bool:
        """A request failed; True if that was one too many in a row."""
        with self._changed:
            is_hosts = error.closes_host_when_repeated
            self._failures_in_a_row = self._failures_in_a_row + 1 if is_hosts else 0
            return self._failures_in_a_row >= FAILURES_THAT_CLOSE_A_HOST

    def close(self) -> bool:
        """Ask nothing more; False if the host was closed already."""
        with self._changed:
            if self.is_closed:
                return False
            self.is_closed = True
            self._changed.notify_all()
        self._on_close()
        return True

    def end(self) -> None:
        """Let the threads end."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()
        for _ in range(self.threads):
            self.unsaved.release()

    def _may_begin(self) -> bool:
        return bool(self._entries) and (self.is_closed or not self.is_held)


class Hosts:
    """The hosts of one run; `source` is that of lists and metadata, and may be the website.

    `stop_waiting` ends all waits for the source's limits.
    """

    def __init__(self, source_name: str, stop_waiting: Callable[[], None] = lambda: None) -> None:
        self.website = Host("website")
        self.photo_hosts = Host("photo hosts", _IN_FLIGHT)
        is_website = source_name == "website"
        self.source = self.website if is_website else Host("API", _IN_FLIGHT, stop_waiting)


class Ask(Protocol):
    """Makes a request of the main thread; None if the host is closed or the request failed."""

    def __call__(self, host: Host, what: str, fetch: Callable[[], T]) -> T | None: ...
