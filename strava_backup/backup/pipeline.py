"""Runs tasks: each is fetched in a thread of its host and saved by a writer thread.

The next request therefore never waits for the disk, and a paused host never delays another host.
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
from typing import Any, TypeVar

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
    Save,
    Task,
)
from strava_backup.strava.background import LET_INTERRUPTS_THROUGH, result_of

# Writers spend most of their time in fsync, which the kernel can do for several files at once.
_WRITERS = 8
# Seconds in which the threads of an interrupted run may remove their partial files.
_GRACE_PERIOD = 0.5

T = TypeVar("T")


class Pipeline:
    """Context manager for the threads of one run, which end when it exits.

    `finished` is called with each job whose tasks are all done, never concurrently. If an exception
    leaves the `with` block, `break_off` aborts the requests in flight.
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
        self._saves: PriorityQueue[Save | tuple[tuple[int, ...]]] = PriorityQueue()
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
        # A thread that still waits for an answer is a daemon, and saves nothing after this.
        end = time.monotonic() + _GRACE_PERIOD
        for thread in [*self._writers, *(one for some in self._hosts.values() for one in some)]:
            thread.join(max(0.0, end - time.monotonic()))
        self._close_unsaved()

    def add(self, title: str, tasks: Iterable[Task], *, first: bool = False) -> None:
        """Queue a job; with `first`, before all others. Raises the error that ended the run."""
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
        """Return the answer to a request of the main thread, made in a thread of the host.

        Raises ItemError, and HostClosed if the host is closed. Tasks that result from an earlier
        answer are queued first, so that the host can alternate between calls and tasks.
        """
        self._wait_while(lambda: self._listed_left > 0 and not host.is_ready)
        with self._changed:
            self._start_threads(host)
        call = Call(fetch, Future())
        host.add(call)
        answer: T = result_of(call.answer)
        return answer

    def wait_for_listed(self) -> None:
        """Wait until all listed records are saved. Raises the error that ended the run."""
        self._wait_while(lambda: self._listed_left > 0)

    def wait(self) -> None:
        """Wait until all jobs are done. Raises the error that ended the run."""
        self._wait_while(lambda: self._jobs_left > 0)

    def close(self, host: Host, error: errors.Error) -> None:
        """Make no more requests to a host; the run ends with the error's exit code."""
        # Requests that an interrupt aborted are no evidence against the host.
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
        # Threads of several hosts may come here first.
        with self._changed:
            if not self._writers:
                self._writers = [self._start(self._write_loop, "writer") for _ in range(_WRITERS)]
        self._saves.put(Save(entry.place, entry, conclude, answer))

    def _start_threads(self, host: Host) -> None:
        if host not in self._hosts:
            fetch = partial(self._fetch_loop, host)
            self._hosts[host] = [self._start(fetch, host.name) for _ in range(host.threads)]

    def _start(self, run: Callable[[], None], name: str) -> threading.Thread:
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    def _fetch_loop(self, host: Host) -> None:
        """Fetch requests until the host ends. Tasks use the network only here."""
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
        """Return the function that concludes a task in a writer, and the fetched answer.

        Closes the host if the answer requires it.
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
        """Save answers until the run ends. Tasks use the disk only here."""
        while isinstance(save := self._saves.get(), Save):
            entry, conclude, answer = save.entry, save.conclude, save.answer
            del save  # or it keeps the answer in memory until the next one arrives
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
        # Requests that an interrupt aborted are no evidence against the items.
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
        """Queue the follow-ups of a task, and finish the job after its last task."""
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
                if isinstance(save, Save):
                    _close(save.answer)

    def _wait_while(self, is_pending: Callable[[], bool]) -> None:
        with self._changed:
            while is_pending() and self._error is None:
                self._changed.wait(LET_INTERRUPTS_THROUGH)
            self._raise_error()

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
