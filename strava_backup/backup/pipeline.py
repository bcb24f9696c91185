"""The ways to Strava, which work side by side. Knows neither Strava's forms nor the archive's.

A task belongs to one lane, whose threads fetch it as soon as it has its turn; tasks that belong
together form a job, of which one line tells when all of it is done.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, NamedTuple

from strava_backup import errors
from strava_backup.report import Report
from strava_backup.strava.background import LET_INTERRUPTS_THROUGH

# A fault of the items themselves seldom hits three in a row; a fault of the way there does.
_FAILURES_THAT_END_A_LANE = 3
_IN_FLIGHT = 4
# Beside the requests in flight, so many threads of a lane may save what came before.
_SAVERS = 6
# Seconds that an interrupted run gives its threads to clean up.
_PATIENCE = 0.5

_here = threading.local()


class Done(NamedTuple):
    """A fetched item in words, and the tasks that it calls for.

    `lack` says why an answer that came is not all of the item.
    """

    text: str = ""
    leads_to: tuple[Task, ...] = ()
    lack: errors.ItemError | None = None


# Our key in an item's metadata, and what it becomes by a refusal for this reason on this day.
NoteRefusal = Callable[[dict[str, Any], str, datetime], dict[str, Any]]


class Task(NamedTuple):
    """One item to fetch: what it is, its way, and the metadata in which its refusals are noted.

    `note_refusal` is for items whose refusals are noted in a form of their own.
    """

    item: str
    what: str
    lane: Lane
    metadata: PurePosixPath
    fetch: Callable[[], Done]
    activity_id: int | None = None
    note_refusal: NoteRefusal | None = None


@dataclass
class Job:
    """What has to be fetched of one activity or gear, and what came of it."""

    title: str
    place: tuple[int, int]
    left: int = 0
    texts: dict[tuple[int, ...], str] = field(default_factory=dict)

    @property
    def came(self) -> list[str]:
        """What came, in the order of the tasks, each followed by what it led to."""
        return [text for _, text in sorted(self.texts.items())]


class Step(NamedTuple):
    """A task of a job, and its place among all: what it leads to stands right behind it."""

    place: tuple[int, ...]
    task: Task
    job: Job


class Lane:
    """One way to Strava. A fatal error, or three items in a row that cannot be reached, end it.

    `width` is how many tasks may have their turn, that is a request in flight, at once. Safe to
    use from many threads. `on_end` is called when the lane ends, to end waits that go on elsewhere.
    """

    def __init__(
        self,
        name: str,
        report: Report,
        width: int = 1,
        savers: int = 0,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.width = width
        self.savers = savers
        self.is_over = False
        self.is_abandoned = False
        self._report = report
        self._on_end = on_end
        self._failures_in_a_row = 0
        self._lock = threading.RLock()
        # Two, so that one thread wakes up for one thing: all of them would keep the next request
        # waiting.
        self._step_comes = threading.Condition(self._lock)
        self._turn_comes = threading.Condition(self._lock)
        self._steps: list[Step] = []
        self._is_held = False
        self._is_closed = False
        self._in_flight = 0
        self._waiting_in_tasks = 0

    def succeeded(self) -> None:
        """An item came."""
        with self._lock:
            self._failures_in_a_row = 0

    def failed(self, error: errors.ItemError) -> bool:
        """An item did not come; False where that is no news, since the lane has ended meanwhile."""
        with self._lock:
            if not error.ends_lane_when_repeated:
                self._failures_in_a_row = 0
                return True
            if self.is_over:
                return False
            self._failures_in_a_row += 1
            if self._failures_in_a_row == _FAILURES_THAT_END_A_LANE:
                self._end(
                    errors.TryLater(
                        f"{self._failures_in_a_row} requests in a row to the {self.name} failed, "
                        "so no more are made: try again later"
                    )
                )
            return True

    def end(self, error: errors.Error) -> None:
        """Send nothing more this way; the run ends with the error's exit code."""
        with self._lock:
            self._end(error)

    def hold(self) -> None:
        """Begin no task until `release`."""
        with self._lock:
            self._is_held = True

    def release(self) -> None:
        """Begin with the tasks."""
        with self._lock:
            self._is_held = False
            self._step_comes.notify_all()

    def add(self, step: Step) -> None:
        """Queue a step at its place."""
        with self._lock:
            heappush(self._steps, step)
            self._step_comes.notify()

    def close(self, *, abandon: bool = False) -> None:
        """Let the threads end; with `abandon` also those that are at a task."""
        with self._lock:
            self._is_closed = True
            self.is_abandoned = abandon
            self._step_comes.notify_all()
            self._turn_comes.notify_all()

    def wait_for_step(self) -> Step | None:
        """The next step, when it has its turn; None where none will come."""
        with self._lock:
            self._step_comes.wait_for(lambda: self._is_closed or self._may_begin())
            if self._is_closed:
                return None
            self._in_flight += 1
            return heappop(self._steps)

    def wait_for_turn(self) -> None:
        """Wait until one more request may be in flight. Raises TryLater where none may any more.

        Comes before the tasks that wait: what was begun is finished first, and many of them would
        keep it waiting for long.
        """
        with self._lock:
            self._waiting_in_tasks += 1
            try:
                self._turn_comes.wait_for(
                    lambda: self._is_closed or self.is_over or self._has_room()
                )
            finally:
                self._waiting_in_tasks -= 1
                # Who was woken for room meanwhile left it alone, and nobody would wake him again.
                self._step_comes.notify_all()
            if self._is_closed or self.is_over:
                raise errors.TryLater(f"no more requests are made to the {self.name}")
            self._in_flight += 1

    def end_turn(self) -> None:
        """The request is over."""
        with self._lock:
            self._in_flight -= 1
            self._step_comes.notify()
            self._turn_comes.notify()

    def _may_begin(self) -> bool:
        is_free = self._has_room() and not self._waiting_in_tasks
        return bool(self._steps) and not self._is_held and is_free

    def _has_room(self) -> bool:
        return self._in_flight < self.width

    def _end(self, error: errors.Error) -> None:
        # What was in flight beside tells the same once more; what is broken off tells nothing.
        if not (self.is_over or self.is_abandoned):
            self.is_over = True
            self._report.fatal.append(error)
            self._turn_comes.notify_all()
            self._on_end()


def step_aside() -> None:
    """Give this thread's turn away: its request was answered, and the rest of its task needs none.

    The answer counts now: what is saved later must not hide that requests made meanwhile failed.
    """
    count_answer()
    _end_turn()


def count_answer() -> None:
    """Count the request of this thread's turn as answered, unless it stepped aside and so did."""
    lane: Lane | None = getattr(_here, "lane", None)
    if lane is not None:
        lane.succeeded()


def _end_turn() -> None:
    lane: Lane | None = getattr(_here, "lane", None)
    if lane is not None:
        _here.lane = None
        lane.end_turn()


def place() -> tuple[int, ...]:
    """Where the task of this thread stands among all tasks; before them, if there is none."""
    found: tuple[int, ...] = getattr(_here, "place", ())
    return found


@contextmanager
def standing(there: tuple[int, ...]) -> Iterator[None]:
    """Do something in the place of a task that is over."""
    before, _here.place = place(), there
    try:
        yield
    finally:
        _here.place = before


@contextmanager
def another_turn(lane: Lane) -> Iterator[None]:
    """Make a request in the task's own turn, or after `step_aside` in one more.

    Raises TryLater if the lane has ended.
    """
    if getattr(_here, "lane", None) is lane:
        yield
        return
    lane.wait_for_turn()
    try:
        yield
        lane.succeeded()
    finally:
        lane.end_turn()


class Lanes:
    """The ways of one run; `source` is that of lists and metadata, and may be the website.

    `disk` leads nowhere: what was listed is saved there, so that the list need not wait for it.
    `stop_waiting` ends all waits for the source's limits.
    """

    def __init__(
        self, report: Report, source_name: str, stop_waiting: Callable[[], None] = lambda: None
    ) -> None:
        self.disk = Lane("disk", report, _IN_FLIGHT)
        self.website = Lane("website", report, savers=_SAVERS)
        self.photo_hosts = Lane("photo hosts", report, _IN_FLIGHT, _SAVERS)
        is_website = source_name == "website"
        api = Lane("API", report, _IN_FLIGHT, _SAVERS, stop_waiting)
        self.source = self.website if is_website else api


class Crew:
    """The threads that work off jobs, each lane at its own speed. Leaving it ends them.

    `attempt` fetches a task, in the thread; `tell` is called with a job when it is done, one at a
    time. When an exception leaves the `with`, running requests are broken off by `break_off`.
    """

    def __init__(
        self,
        attempt: Callable[[Task], Done],
        tell: Callable[[Job], None],
        break_off: Callable[[], None],
    ) -> None:
        self._attempt = attempt
        self._tell = tell
        self._break_off = break_off
        self._changed = threading.Condition()
        self.jobs = 0
        self._jobs_left = 0
        self._is_left = False
        self._error: BaseException | None = None
        self._threads: dict[Lane, list[threading.Thread]] = {}

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            # A task that is just done must not set another lane to work.
            self._is_left = True
        for lane in self._threads:
            lane.close(abandon=kind is not None)
        if kind is not None:
            self._break_off()
        # Who waits for an answer, or for a limit, is left behind: the run is over without him.
        end = time.monotonic() + _PATIENCE
        for thread in [one for threads in self._threads.values() for one in threads]:
            thread.join(max(0.0, end - time.monotonic()))

    def add(self, title: str, tasks: Iterable[Task], *, first: bool = False) -> None:
        """Hand in a job, if need be as one that comes before the others.

        Raises what went wrong beyond one item meanwhile.
        """
        self.jobs += 1
        job = Job(title, (0 if first else 1, self.jobs))
        steps = [Step((*job.place, place), task, job) for place, task in enumerate(tasks)]
        if not steps:
            return
        with self._changed:
            self._raise_error()
            job.left = len(steps)
            self._jobs_left += 1
            self._queue(steps)

    def wait(self) -> None:
        """Return when all jobs are done. Raises what went wrong beyond one item."""
        with self._changed:
            while self._jobs_left and self._error is None:
                self._changed.wait(LET_INTERRUPTS_THROUGH)
            self._raise_error()

    def _queue(self, steps: list[Step]) -> None:
        if self._is_left:
            return
        for step in steps:
            lane = step.task.lane
            if lane not in self._threads:
                self._threads[lane] = [self._start(lane) for _ in range(lane.width + lane.savers)]
            lane.add(step)

    def _start(self, lane: Lane) -> threading.Thread:
        thread = threading.Thread(target=self._work, args=(lane,), name=lane.name, daemon=True)
        thread.start()
        return thread

    def _work(self, lane: Lane) -> None:
        while (step := lane.wait_for_step()) is not None:
            _here.lane = lane
            _here.place = step.place
            try:
                self._finish(step, self._attempt(step.task))
            except BaseException as error:
                with self._changed:
                    self._error = self._error or error
                    self._changed.notify_all()
            finally:
                _end_turn()

    def _finish(self, step: Step, done: Done) -> None:
        led_to = [
            Step((*step.place, place), task, step.job) for place, task in enumerate(done.leads_to)
        ]
        with self._changed:
            step.job.left += len(led_to) - 1
            if done.text:
                step.job.texts[step.place] = done.text
            self._queue(led_to)
            if step.job.left == 0:
                self._jobs_left -= 1
                self._tell(step.job)
                self._changed.notify_all()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
