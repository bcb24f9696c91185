"""Tasks are fetched in threads of their hosts, and saved by writers."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import PurePosixPath

import pytest

from strava_backup import errors
from strava_backup.archive.directory import DiskError
from strava_backup.backup.pipeline import _WRITERS, Pipeline
from strava_backup.backup.tasks import FetchAgain, HostClosed, Hosts, Result, Task

META = PurePosixPath("activities/2026/7.meta.json")
UNREACHABLE = errors.Unreachable("no answer")


class Outcomes:
    """Records the outcomes of tasks with their items."""

    def __init__(self):
        self.outcomes = []
        self.errors = []

    def saved(self, entry, result):
        self.outcomes.append(("saved", entry.task.item))
        return result.text

    def failed(self, entry, error):
        self.outcomes.append(("failed", entry.task.item))
        return ""

    def skipped(self, entry):
        self.outcomes.append(("skipped", entry.task.item))

    def bug(self, entry, error):
        self.outcomes.append(("bug", entry.task.item))

    def closed(self, error):
        self.errors.append(error)


class Rig:
    def __init__(self):
        self.outcomes = Outcomes()
        self.hosts = Hosts("api")
        self.jobs = []
        self.broken_off = threading.Event()

    def pipeline(self):
        return Pipeline(
            self.outcomes,
            lambda job: self.jobs.append((job.title, job.results)),
            self.broken_off.set,
        )

    def task(self, item, fetch=lambda: None, save=None, host=None):
        save = save or (lambda task, answer: Result(item))
        return Task(item, item, host or self.hosts.website, META, save, fetch)

    def failing(self, item, error, host=None):
        def fetch():
            raise error

        return self.task(item, fetch, host=host)

    def listed(self, item, *follow_ups):
        """Return a task with nothing to fetch."""
        save = lambda task, answer: Result(item, follow_ups)  # noqa: E731
        return Task(item, item, None, META, save)

    def work_off(self, *tasks):
        with self.pipeline() as pipeline:
            pipeline.add("a job", tasks)
            pipeline.wait()


@pytest.fixture
def rig():
    return Rig()


def test_each_task_is_fetched_in_a_thread_of_its_host_and_saved_by_a_writer(rig):
    threads = []

    def fetch():
        threads.append(threading.current_thread().name)
        return b"answer"

    def save(task, answer):
        threads.append(threading.current_thread().name)
        return Result(answer.decode())

    rig.work_off(rig.task("photo", fetch, save, rig.hosts.photo_hosts))
    assert threads == ["photo hosts", "writer"]
    assert rig.jobs == [("a job", ["answer"])]


def test_hosts_whose_first_answers_come_at_once_share_the_writers(rig):
    hosts = [rig.hosts.website, *[rig.hosts.source] * 4, *[rig.hosts.photo_hosts] * 4]
    at_once = threading.Barrier(len(hosts))
    writers = []

    def save(task, answer):
        writers.extend(one for one in threading.enumerate() if one.name == "writer")
        return Result()

    rig.work_off(*[rig.task("a", at_once.wait, save, host) for host in hosts])
    assert len(set(writers)) == _WRITERS
    assert not any(one.is_alive() for one in writers)


def test_results_are_in_the_order_of_the_tasks_and_their_follow_ups(rig):
    def task(item, *follow_ups):
        return rig.task(item, save=lambda task, answer: Result(item, follow_ups))

    rig.work_off(rig.listed("list", task("a", task("a1"))), task("b"), task(""), task("c"))
    assert rig.jobs == [("a job", ["list", "a", "a1", "b", "c"])]


def test_the_next_request_does_not_wait_for_the_writer(rig):
    second_came = threading.Event()

    def slow(task, answer):
        assert second_came.wait(10)
        return Result("slow")

    rig.work_off(rig.task("a", save=slow), rig.task("b", second_came.set))
    assert rig.jobs == [("a job", ["slow", "b"])]


def test_a_slow_writer_limits_the_answers_in_memory(rig):
    fetched = []
    may_save = threading.Event()

    def save(task, answer):
        assert may_save.wait(10)
        return Result()

    with rig.pipeline() as pipeline:
        pipeline.add("a job", [rig.task("a", lambda: fetched.append(1), save) for _ in range(99)])
        time.sleep(0.1)
        in_memory = len(fetched)
        may_save.set()
        pipeline.wait()
    assert in_memory < 20
    assert len(fetched) == 99


def test_a_waiting_host_delays_no_other(rig):
    def wait():
        while not rig.jobs:
            time.sleep(0.001)

    with rig.pipeline() as pipeline:
        pipeline.add("slow", [rig.task("a", wait, host=rig.hosts.source) for _ in range(4)])
        pipeline.add("fast", [rig.task("b")])
        pipeline.wait()
    assert [title for title, _ in rig.jobs] == ["fast", "slow"]


def test_a_follow_up_comes_before_tasks_that_are_queued_already(rig):
    order, is_queued = [], threading.Event()

    def fetch(item):
        assert item != "second" or is_queued.wait(10)
        order.append(item)

    def task(item, *follow_ups):
        save = lambda task, answer: Result(item, follow_ups)  # noqa: E731
        return rig.task(item, partial(fetch, item), save)

    # The follow-ups are queued in their order, each for its host.
    signal = rig.task("signal", is_queued.set, host=rig.hosts.photo_hosts)
    rig.hosts.website.hold()
    with rig.pipeline() as pipeline:
        pipeline.add("a job", [task("first", task("follow-up"), signal), task("second")])
        pipeline.add("the next job", [task("third")])
        rig.hosts.website.release()
        pipeline.wait()
    # The second request does not wait until the first answer is saved.
    assert order in (
        ["first", "second", "follow-up", "third"],
        ["first", "follow-up", "second", "third"],
    )


def test_a_host_on_hold_begins_when_it_is_released(rig):
    rig.hosts.source.hold()
    with rig.pipeline() as pipeline:
        pipeline.add("on hold", [rig.task("b", host=rig.hosts.source)])
        pipeline.add("free", [rig.task("a")])
        while not rig.jobs:
            time.sleep(0.001)
        rig.hosts.source.release()
        pipeline.wait()
    assert [title for title, _ in rig.jobs] == ["free", "on hold"]


@pytest.mark.parametrize(
    ("errors_in_a_row", "is_closed"),
    [
        ([UNREACHABLE] * 2, False),
        ([UNREACHABLE] * 3, True),
        ([UNREACHABLE, errors.Blocked("403", "403"), errors.PageInstead("a page")], True),
        ([UNREACHABLE, UNREACHABLE, None, UNREACHABLE], False),
        ([UNREACHABLE, UNREACHABLE, None, *[UNREACHABLE] * 3], True),
        ([errors.Refused("404", "404")] * 9, False),
        ([errors.ItemError("broken")] * 9, False),
        ([errors.PageChanged("changed")] * 9, False),
        ([UNREACHABLE, UNREACHABLE, errors.Refused("404", "404"), UNREACHABLE], False),
    ],
)
def test_three_items_in_a_row_that_the_host_may_have_failed_close_it(
    rig, errors_in_a_row, is_closed
):
    tasks = [
        rig.task("original") if error is None else rig.failing("original", error)
        for error in errors_in_a_row
    ]
    rig.work_off(*tasks, rig.task("gpx"), rig.task("detail", host=rig.hosts.source))
    assert rig.hosts.website.is_closed is is_closed
    assert [type(error) for error in rig.outcomes.errors] == [errors.TryLater] * is_closed
    assert ("skipped" if is_closed else "saved", "gpx") in rig.outcomes.outcomes
    assert ("saved", "detail") in rig.outcomes.outcomes
    assert all(
        str(one).startswith("3 requests in a row to the website") for one in rig.outcomes.errors
    )


@pytest.mark.parametrize("error", [errors.SessionOver("over"), errors.LimitReached("429")])
def test_a_fatal_error_closes_its_host_and_the_others_go_on(rig, error):
    rig.work_off(
        rig.failing("original", error),
        rig.task("gpx"),
        rig.task("detail", host=rig.hosts.source),
    )
    assert sorted(rig.outcomes.outcomes) == [
        ("saved", "detail"),
        ("skipped", "gpx"),
        ("skipped", "original"),
    ]
    assert rig.outcomes.errors == [error]


def test_a_host_is_closed_once_whatever_is_in_flight(rig):
    closed = []
    rig.hosts = Hosts("api", lambda: closed.append("waits"))
    error = errors.LimitReached("the day's limit")
    rig.work_off(*[rig.failing("detail", error, rig.hosts.source) for _ in range(8)])
    assert rig.outcomes.errors == [error]
    assert closed == ["waits"]
    assert rig.outcomes.outcomes == [("skipped", "detail")] * 8


def test_an_answer_that_is_saved_late_does_not_hide_that_later_requests_failed(rig):
    def late(task, answer):
        while not rig.hosts.website.is_closed:
            time.sleep(0.001)
        return Result("late")

    rig.work_off(
        rig.task("original", save=late), *[rig.failing("gpx", UNREACHABLE) for _ in range(3)]
    )
    assert rig.jobs == [("a job", ["late"])]


def test_a_suspicious_file_is_fetched_again_with_the_checksum_of_the_first_copy(rig):
    seen = []

    def save(task, answer):
        seen.append(task.first_sha256)
        if not task.first_sha256:
            raise FetchAgain("abc")
        return Result("saved")

    rig.work_off(rig.task("original", save=save))
    assert seen == ["", "abc"]
    assert rig.jobs == [("a job", ["saved"])]
    assert rig.outcomes.outcomes == [("saved", "original")]


def test_an_item_error_of_a_writer_is_the_items_failure(rig):
    def save(task, answer):
        raise errors.ItemError("broken")

    rig.work_off(rig.task("original", save=save), rig.task("gpx"))
    assert sorted(rig.outcomes.outcomes) == [("failed", "original"), ("saved", "gpx")]


@pytest.mark.parametrize("bug", [KeyError("a"), OSError("b"), RecursionError("c")])
def test_a_bug_is_the_items_failure_whether_it_fetches_or_saves(rig, bug):
    def save(task, answer):
        raise bug

    rig.work_off(rig.failing("original", bug), rig.task("gpx", save=save), rig.task("detail"))
    assert sorted(rig.outcomes.outcomes) == [
        ("bug", "gpx"),
        ("bug", "original"),
        ("saved", "detail"),
    ]


class Answer:
    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


@pytest.mark.parametrize("error", [None, errors.ItemError("broken"), KeyError("bug")])
def test_an_answer_is_closed_however_its_task_ends(rig, error):
    answer = Answer()

    def save(task, answer):
        assert answer.closed == 0
        if error:
            raise error
        return Result()

    rig.work_off(rig.task("original", lambda: answer, save))
    assert answer.closed == 1


def test_a_request_of_the_main_thread_runs_in_a_thread_of_its_host(rig):
    with rig.pipeline() as pipeline:
        name = pipeline.call(rig.hosts.website, lambda: threading.current_thread().name)
    assert name == "website"


def test_calls_of_the_main_thread_alternate_with_tasks(rig):
    order = []

    def original(page):
        time.sleep(0.05)
        order.append(f"original {page}")

    with rig.pipeline() as pipeline:
        for page in range(3):
            pipeline.call(rig.hosts.website, lambda page=page: order.append(f"page {page}"))
            originals = [rig.task("original", lambda page=page: original(page)) for _ in range(4)]
            pipeline.add("a job", [rig.listed("listing", *originals)])
        pipeline.wait()
    assert order[:6] == ["page 0", "original 0", "page 1", "original 0", "page 2", "original 0"]
    assert len(order) == 15


def test_waiting_for_listed_records_waits_for_their_saves_only(rig):
    release = threading.Event()
    saved = []

    def save(task, answer):
        time.sleep(0.01)
        saved.append(task.item)
        return Result("", (rig.task("original", release.wait),))

    with rig.pipeline() as pipeline:
        pipeline.add("one", [rig.listed("listing")._replace(save=save)])
        pipeline.wait_for_listed()
        assert saved == ["listing"]
        assert rig.jobs == []
        release.set()
        pipeline.wait()


def test_an_item_error_reaches_the_caller_and_leaves_the_host_open(rig):
    def fetch():
        raise errors.ItemError("broken")

    with rig.pipeline() as pipeline:
        with pytest.raises(errors.ItemError, match="broken"):
            pipeline.call(rig.hosts.website, fetch)
        assert pipeline.call(rig.hosts.website, lambda: 1) == 1


def test_a_fatal_error_of_a_call_closes_the_host_and_no_call_is_made_any_more(rig):
    error = errors.SessionOver("over")

    def fetch():
        raise error

    with rig.pipeline() as pipeline:
        for request in (fetch, lambda: 1):
            with pytest.raises(HostClosed):
                pipeline.call(rig.hosts.website, request)
    assert rig.outcomes.errors == [error]


def test_a_failure_of_the_disk_ends_the_run_and_the_requests_in_flight(rig):
    def full(task, answer):
        raise DiskError("disk full")

    def stalled():
        assert rig.broken_off.wait(10)
        raise errors.CutShort("interrupted")

    def run():
        with rig.pipeline() as pipeline:
            pipeline.add("stalled", [rig.task("detail", stalled, host=rig.hosts.source)])
            pipeline.add("full", [rig.task("original", save=full)])
            pipeline.wait()

    with pytest.raises(DiskError):
        run()
    assert rig.broken_off.is_set()
    assert rig.outcomes.outcomes == []
    assert rig.outcomes.errors == []


def test_an_interrupted_pipeline_starts_no_task_and_closes_its_answers(rig):
    started, answer = threading.Event(), Answer()

    def fetch():
        started.set()
        assert rig.broken_off.wait(10)
        return answer

    def run():
        with rig.pipeline() as pipeline:
            pipeline.add("a job", [rig.task("original", fetch), rig.task("gpx")])
            assert started.wait(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert answer.closed == 1
    assert rig.outcomes.outcomes == []


def test_an_interrupted_pipeline_ends_within_two_seconds(rig):
    release = threading.Event()
    started = time.monotonic()

    def run():
        with rig.pipeline() as pipeline:
            pipeline.add("for ever", [rig.task("original", lambda: release.wait(30))])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert time.monotonic() - started < 2
    release.set()
