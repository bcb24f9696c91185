"""Works off tasks: each is fetched in a thread of its host and saved by a writer.

So the next request never waits for the disk, and a host that has to pause never delays another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, PriorityQueue
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from strava_backup import errors
from strava_backup.backup.tasks import (
    FAILURES_THAT_CLOSE_A_HOST,
    Call,
    Entry,
    FetchAgain,
    Host,
    HostClosed,
    Job,
    Outcomes,
    Result,
    Task,
)
from strava_backup.strava.background import LET_INTERRUPTS_THROUGH, result_of

# Writers spend most of their time in fsync, which several files can share.
_WRITERS = 16
# Seconds that an interrupted run gives its threads to remove partial files.
_PATIENCE = 0.5

T = TypeVar("T")


class _Save(NamedTuple):
    """A fetched answer on its way to a writer, in the order of the tasks."""

    place: tuple[int, ...]
    entry: Entry
    conclude: Callable[[], Result]
    answer: Any


class Pipeline:
    """The threads of one run. Leaving it ends them.

    `finished` is called with a job when all its tasks are done, one at a time. If an exception
    leaves the `with`, requests in flight are broken off by `break_off`.
    """

    def __init__(
        self,
        outcomes: Outcomes,
        finished: Callable[[Job], None],
        break_off: Callable[[], None],
    ) -> None:
        self.jobs = 0
        self._outcomes = outcomes
        self._finished = finished
        self._break_off = break_off
        self._changed = threading.Condition()
        self._jobs_left = 0
        self._listed_left = 0
        self._is_ended = False
        self._error: BaseException | None = None
        self._saves: PriorityQueue[_Save | tuple[tuple[int, ...]]] = PriorityQueue()
        self._hosts: dict[Host, list[threading.Thread]] = {}
        self._writers: list[threading.Thread] = []

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._is_ended = True
        for host in self._hosts:
            host.end()
        if kind is not None:
            self._break_off()
        for _ in self._writers:
            self._saves.put(((),))
        # A thread that waits for an answer is left behind: it is a daemon, and saves nothing more.
        end = time.monotonic() + _PATIENCE
        for thread in [*self._writers, *(one for some in self._hosts.values() for one in some)]:
            thread.join(max(0.0, end - time.monotonic()))
        self._close_unsaved()

    def add(self, title: str, tasks: Iterable[Task], *, first: bool = False) -> None:
        """Queue a job, with `first` before the others. Raises what broke off the run meanwhile."""
        self.jobs += 1
        job = Job(title, (0 if first else 1, self.jobs))
        entries = [Entry((*job.place, place), task, job) for place, task in enumerate(tasks)]
        if not entries:
            return
        with self._changed:
            self._raise_error()
            job.tasks_left = len(entries)
            self._jobs_left += 1
            self._queue(entries)

    def call(self, host: Host, fetch: Callable[[], T]) -> T:
        """Return the answer to a request of the main thread, which runs in a thread of the host.

        Raises ItemError, and HostClosed if an answer is never to come. The tasks that an earlier
        answer has led to are queued before, so that they get their turn.
        """
        with self._changed:
            while self._listed_left and not (host.is_held or host.is_closed or host.has_tasks):
                self._changed.wait(LET_INTERRUPTS_THROUGH)
                self._raise_error()
        call = Call(fetch, Future())
        self._start_threads(host)
        host.add(call)
        answer: T = result_of(call.answer)
        return answer

    def wait(self) -> None:
        """Return when all jobs are done. Raises what broke off the run."""
        with self._changed:
            while self._jobs_left and self._error is None:
                self._changed.wait(LET_INTERRUPTS_THROUGH)
            self._raise_error()

    def close(self, host: Host, error: errors.Error) -> None:
        """Ask a host nothing more; the run ends with the error's exit code."""
        # An interrupt makes requests fail, which says nothing about the host.
        if not self._is_ended and host.close():
            self._outcomes.closed(error)

    def _queue(self, entries: list[Entry]) -> None:
        if self._is_ended:
            return
        for entry in entries:
            host = entry.task.host
            if host is None:
                self._listed_left += 1
                self._put(entry, partial(self._save, entry, None), None)
            else:
                self._start_threads(host)
                host.add(entry)

    def _put(self, entry: Entry, conclude: Callable[[], Result], answer: Any) -> None:
        if not self._writers:
            self._writers = [self._start(self._write_loop, "writer") for _ in range(_WRITERS)]
        self._saves.put(_Save(entry.place, entry, conclude, answer))

    def _start_threads(self, host: Host) -> None:
        if host not in self._hosts:
            fetch = partial(self._fetch_loop, host)
            self._hosts[host] = [self._start(fetch, host.name) for _ in range(host.threads)]

    def _start(self, run: Callable[[], None], name: str) -> threading.Thread:
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    def _fetch_loop(self, host: Host) -> None:
        """The only code that uses the network while a run is under way."""
        while (request := host.next()) is not None:
            if isinstance(request, Call):
                self._answer(host, request)
                continue
            host.unsaved.acquire()
            conclude, answer = self._fetched(host, request)
            self._put(request, conclude, answer)

    def _answer(self, host: Host, call: Call) -> None:
        try:
            if host.is_closed:
                raise HostClosed
            call.answer.set_result(call.fetch())
        except (errors.HumanNeeded, errors.TryLater) as error:
            self.close(host, error)
            call.answer.set_exception(HostClosed())
        except BaseException as error:
            call.answer.set_exception(error)

    def _fetched(self, host: Host, entry: Entry) -> tuple[Callable[[], Result], Any]:
        """Fetch a task, and decide what the answer means for its host.

        Returns the function that concludes the task in a writer, and the answer.
        """
        if host.is_closed:
            return partial(self._skip, entry), None
        try:
            answer = entry.task.fetch()
        except errors.ItemError as error:
            if host.is_closed and error.closes_host_when_repeated:
                return partial(self._skip, entry), None
            if host.failed(error):
                self.close(host, _unreachable(host))
            return partial(self._fail, entry, error), None
        except (errors.HumanNeeded, errors.TryLater) as error:
            self.close(host, error)
            return partial(self._skip, entry), None
        except Exception as error:
            return partial(_raise, error), None
        host.succeeded()
        return partial(self._save, entry, answer), answer

    def _write_loop(self) -> None:
        """The only code that uses the disk while a run is under way."""
        while isinstance(save := self._saves.get(), _Save):
            entry, conclude, answer = save.entry, save.conclude, save.answer
            del save  # or the answer stays in memory until the next one comes
            try:
                self._finish(entry, self._conclude(entry, conclude))
            except BaseException as error:
                with self._changed:
                    self._error = self._error or error
                    self._changed.notify_all()
            finally:
                _close(answer)
                del conclude, answer
                if entry.task.host is not None:
                    entry.task.host.unsaved.release()

    def _conclude(self, entry: Entry, conclude: Callable[[], Result]) -> Result:
        # An interrupt makes requests fail, which says nothing about the items.
        if self._is_ended:
            return Result()
        try:
            return conclude()
        except FetchAgain as again:
            return Result(follow_ups=(entry.task._replace(first_sha256=again.sha256),))
        except errors.ItemError as error:
            return self._fail(entry, error)
        except errors.Error:
            raise
        except Exception as error:
            self._outcomes.bug(entry, error)
            return Result()

    def _save(self, entry: Entry, answer: Any) -> Result:
        result = entry.task.save(entry.task, answer)
        return result._replace(text=self._outcomes.saved(entry, result))

    def _fail(self, entry: Entry, error: errors.ItemError) -> Result:
        return Result(self._outcomes.failed(entry, error))

    def _skip(self, entry: Entry) -> Result:
        self._outcomes.skipped(entry)
        return Result()

    def _finish(self, entry: Entry, result: Result) -> None:
        """Queue the follow-ups of a task, and finish the job with its last one."""
        job = entry.job
        follow_ups = [
            Entry((*entry.place, place), task, job) for place, task in enumerate(result.follow_ups)
        ]
        with self._changed:
            job.tasks_left += len(follow_ups) - 1
            if entry.task.host is None:
                self._listed_left -= 1
            if result.text:
                job.texts[entry.place] = result.text
            self._queue(follow_ups)
            if job.tasks_left == 0:
                self._jobs_left -= 1
                self._finished(job)
            self._changed.notify_all()

    def _close_unsaved(self) -> None:
        with suppress(Empty):
            while True:
                save = self._saves.get_nowait()
                if isinstance(save, _Save):
                    _close(save.answer)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error


def _unreachable(host: Host) -> errors.TryLater:
    return errors.TryLater(
        f"{FAILURES_THAT_CLOSE_A_HOST} requests in a row to the {host.name} failed, "
        "so no more are made: try again later"
    )


def _close(answer: Any) -> None:
    if hasattr(answer, "close"):
        answer.close()


def _raise(error: Exception) -> Result:
    raise error
