"""The lanes of whole runs: what is in flight at once, what waits for what, and who does not."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import requests

from strava_backup.archive.directory import DiskError
from strava_backup.backup.pipeline import Crew, Done, Lanes, Task, another_turn, step_aside
from strava_backup.config.loader import Secret, User
from strava_backup.demo.account import ACCESS_TOKEN_LIFETIME
from strava_backup.demo.adapter import DemoAdapter
from strava_backup.demo.faults import Fault
from strava_backup.demo.limits import RateLimits
from strava_backup.errors import ItemError, LimitReached, SessionOver, Unreachable
from strava_backup.report import Report
from tests import truth
from tests.conftest import DAY, Rig

QUARTER = 15 * 60


@pytest.fixture
def gauge(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The most requests that were in flight at once, by place; each takes a little while."""
    lock, now, most = threading.Lock(), Counter[str](), Counter[str]()
    send = DemoAdapter.send

    def measured(self: DemoAdapter, request: requests.PreparedRequest, **options: Any) -> Any:
        url = str(request.url)
        is_api = "/api/" in url or "/oauth/" in url
        place = "API" if is_api else "website" if "www.strava.com" in url else "photos"
        with lock:
            now[place] += 1
            most[place] = max(most[place], now[place])
        try:
            time.sleep(0.01)
            return send(self, request, **options)
        finally:
            with lock:
                now[place] -= 1

    monkeypatch.setattr(DemoAdapter, "send", measured)
    return most


def test_one_request_is_in_flight_on_the_website_and_four_elsewhere(
    make_rig: Callable[..., Rig], gauge: Counter[str]
) -> None:
    rig = make_rig(40)
    assert rig.run().exit_code == 0
    assert gauge["website"] == 1
    assert 1 < gauge["API"] <= 4
    assert 1 < gauge["photos"] <= 4
    truth.assert_complete(rig.account, rig.files())


def test_requests_of_the_website_never_start_closer_than_the_delay(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(12)
    rig.config = replace(rig.config, delay=0.03)
    monkeypatch.setattr(rig.clock, "sleep", time.sleep)
    starts: list[float] = []
    send = DemoAdapter.send

    def timed(self: DemoAdapter, request: requests.PreparedRequest, **options: Any) -> Any:
        if "www.strava.com/activities" in str(request.url):
            starts.append(time.monotonic())
        return send(self, request, **options)

    monkeypatch.setattr(DemoAdapter, "send", timed)
    assert rig.run().exit_code == 0
    assert len(starts) > 8
    pauses = [after - before for before, after in pairwise(starts)]
    # the start is taken a moment after the pace was kept
    assert min(pauses) > 0.025


def test_a_slow_disk_does_not_hold_up_the_website(
    make_rig: Callable[..., Rig], gauge: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(20)
    saving, most = Counter[str](), Counter[str]()

    def slow(descriptor: int) -> None:
        saving["now"] += 1
        most["at once"] = max(most["at once"], saving["now"])
        time.sleep(0.02)
        saving["now"] -= 1

    monkeypatch.setattr(os, "fsync", slow)
    assert rig.run(details=False, photos=False, gear=False).exit_code == 0
    assert most["at once"] > 1
    assert gauge["website"] == 1


def test_limits_let_a_large_account_come_over_days_and_no_request_is_refused(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(300)
    rig.account.limits = RateLimits(30, 200)
    codes = []
    while not codes or codes[-1]:
        report = rig.run()
        codes.append(report.exit_code)
        assert 429 not in {request.status for request in rig.account.requests}
        assert truth.originals(rig.files()) == truth.expected_originals(rig.account)
        if report.exit_code:
            assert report.left["detail"]
            assert "midnight UTC" in str(report.fatal)
        rig.clock.now += DAY
    assert codes == [5, 0]
    assert max(rig.clock.slept) <= QUARTER + 5
    truth.assert_complete(rig.account, rig.files())


class Ordeal:
    """Lets something happen to the account at the n-th request whose path has a certain part."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._lock = threading.Lock()
        self._monkeypatch = monkeypatch

    def at(self, number: int, part: str, happens: Callable[[], None]) -> None:
        send, seen = DemoAdapter.send, [0]

        def sending(adapter: DemoAdapter, request: requests.PreparedRequest, **options: Any) -> Any:
            with self._lock:
                if part in str(request.url):
                    seen[0] += 1
                    if seen[0] == number:
                        happens()
            return send(adapter, request, **options)

        self._monkeypatch.setattr(DemoAdapter, "send", sending)


@pytest.fixture
def ordeal(monkeypatch: pytest.MonkeyPatch) -> Ordeal:
    return Ordeal(monkeypatch)


DETAIL, ORIGINAL, PHOTO = "/api/v3/activities/", "/export_original", "cloudfront.net"


@pytest.mark.parametrize(
    ("part", "fault", "code", "others"),
    [
        (DETAIL, Fault("detail", "403"), 4, {"original"}),
        (DETAIL, Fault("detail", "429"), 5, {"original"}),
        (DETAIL, Fault("detail", "500"), 5, {"original"}),
        (DETAIL, Fault("detail", "dropped"), 5, {"original"}),
        (ORIGINAL, Fault("original", "redirect-login"), 4, {"detail", "photo"}),
        (ORIGINAL, Fault("original", "429", retry_after=3600), 5, {"detail", "photo"}),
        (ORIGINAL, Fault("original", "503"), 5, {"detail", "photo"}),
        (ORIGINAL, Fault("original", "dropped"), 5, {"detail", "photo"}),
        (PHOTO, Fault("photo", "500"), 5, {"detail", "original"}),
        (PHOTO, Fault("photo", "dropped"), 5, {"detail", "original"}),
    ],
    ids=lambda value: f"{value.kind}-{value.what}" if isinstance(value, Fault) else None,
)
def test_a_lane_that_fails_for_good_in_the_middle_holds_up_no_other(
    make_rig: Callable[..., Rig],
    ordeal: Ordeal,
    part: str,
    fault: Fault,
    code: int,
    others: set[str],
) -> None:
    rig = make_rig(40)
    everything = make_rig(40, "undisturbed").run().saved
    ordeal.at(4, part, lambda: rig.account.faults.append(fault))
    report = rig.run()
    assert report.exit_code == code
    assert {item: report.saved[item] for item in others} == {
        item: everything[item] for item in others
    }
    assert 0 < report.saved[fault.kind] < everything[fault.kind]
    assert report.left[fault.kind] > 0
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    truth.assert_complete(rig.account, rig.files())


def test_a_web_session_that_ends_in_the_middle_leaves_the_api_its_part(
    make_rig: Callable[..., Rig], ordeal: Ordeal
) -> None:
    rig = make_rig(40)
    ordeal.at(10, ORIGINAL, rig.account.end_sessions)
    report = rig.run()
    assert report.exit_code == 4
    assert report.saved["detail"] == 40
    assert 0 < report.saved["original"] < 20
    jwt = Secret(rig.account.issue_jwt(), read_only=True)
    rig.config = replace(rig.config, user=User(jwt=jwt))
    assert rig.run().exit_code == 0
    truth.assert_complete(rig.account, rig.files())


def test_an_access_token_that_ends_in_the_middle_is_renewed_once(
    make_rig: Callable[..., Rig], ordeal: Ordeal
) -> None:
    rig = make_rig(40)

    def six_hours_later() -> None:
        rig.clock.now += ACCESS_TOKEN_LIFETIME

    ordeal.at(10, DETAIL, six_hours_later)
    assert rig.run().exit_code == 0
    assert rig.asked.count("token") == 2
    truth.assert_complete(rig.account, rig.files())


def test_more_than_500_missing_originals_are_better_had_from_the_bulk_export(
    make_rig: Callable[..., Rig], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", logger="strava_backup")
    monkeypatch.setattr("strava_backup.backup.engine._MANY_ORIGINALS", 5)
    make_rig(20).run()
    (line,) = [message for message in caplog.messages if "bulk export" in message]
    assert line.startswith("18 originals ")


# The crew


class Told:
    """A crew, what its jobs brought, and tasks for it."""

    def __init__(self) -> None:
        self.report = Report()
        self.lanes = Lanes(self.report, "api")
        self.jobs: list[tuple[str, list[str]]] = []
        self.broken_off = threading.Event()

    def crew(self) -> Crew:
        return Crew(
            lambda task: task.fetch(),
            lambda job: self.jobs.append((job.title, job.came)),
            self.broken_off.set,
        )

    def task(self, fetch: Callable[[], Done], lane: Any = None) -> Task:
        return Task("original", "it", lane or self.lanes.website, None, fetch)  # type: ignore[arg-type]


@pytest.fixture
def told() -> Told:
    return Told()


def test_what_a_task_leads_to_goes_its_own_lane_and_is_told_in_order(told: Told) -> None:
    threads = []

    def picture() -> Done:
        threads.append(threading.current_thread().name)
        return Done("picture")

    tasks = (told.task(picture, told.lanes.photo_hosts),)
    listed = told.task(lambda: Done("list", tasks), told.lanes.source)
    with told.crew() as crew:
        crew.add("a job", [listed, told.task(lambda: Done("original"))])
        crew.wait()
    assert told.jobs == [("a job", ["list", "picture", "original"])]
    assert threads == ["photo hosts"]


def test_a_lane_that_waits_holds_up_no_other(told: Told) -> None:
    done = threading.Event()

    def wait() -> Done:
        assert done.wait(10)
        return Done("late")

    def go_on() -> Done:
        done.set()
        return Done("early")

    with told.crew() as crew:
        crew.add("slow", [told.task(wait, told.lanes.source) for _ in range(4)])
        crew.add("fast", [told.task(go_on)])
        crew.wait()
    assert [title for title, _ in told.jobs] == ["fast", "slow"]


def test_a_held_lane_begins_when_it_is_released(told: Told) -> None:
    told.lanes.source.hold()
    with told.crew() as crew:
        crew.add("held", [told.task(lambda: Done("b"), told.lanes.source)])
        crew.add("free", [told.task(lambda: Done("a"))])
        while not told.jobs:
            time.sleep(0.001)
        told.lanes.source.release()
        crew.wait()
    assert [title for title, _ in told.jobs] == ["free", "held"]


def test_who_steps_aside_lets_the_next_one_go_and_gets_another_turn(told: Told) -> None:
    second = threading.Event()

    def first_task() -> Done:
        step_aside()
        assert second.wait(10)
        with another_turn(told.lanes.website):
            return Done("first")

    def second_task() -> Done:
        second.set()
        return Done("second")

    with told.crew() as crew:
        crew.add("both", [told.task(first_task), told.task(second_task)])
        crew.wait()
    assert told.jobs == [("both", ["first", "second"])]


def test_an_answer_that_is_saved_late_does_not_hide_that_later_requests_failed(told: Told) -> None:
    lane = told.lanes.website
    failed = threading.Event()

    def answered() -> Done:
        step_aside()
        assert failed.wait(10)
        return Done("saved")

    def unreachable() -> Done:
        lane.failed(Unreachable("no answer"))
        if len(told.jobs) == 0 and lane.is_over:
            failed.set()
        return Done()

    def attempt(task: Task) -> Done:
        done = task.fetch()
        if task.item == "answered":
            step_aside()
        return done

    with Crew(attempt, lambda job: None, told.broken_off.set) as crew:
        crew.add("answered", [told.task(answered)._replace(item="answered")])
        crew.add("not", [told.task(unreachable) for _ in range(3)])
        crew.wait()
    assert lane.is_over


def test_there_is_no_other_turn_on_a_lane_that_has_ended(told: Told) -> None:
    told.lanes.website.end(SessionOver("over"))
    with pytest.raises(Exception, match="no more requests"), another_turn(told.lanes.website):
        raise AssertionError("asked")


def test_a_lane_ends_once_whatever_is_still_in_flight(told: Told) -> None:
    lane = told.lanes.source
    for _ in range(4):
        lane.end(LimitReached("the day's limit"))
    assert len(told.report.fatal) == 1
    assert lane.failed(ItemError("odd"))


def test_what_is_wrong_with_the_disk_ends_the_run_and_what_is_on_its_way(told: Told) -> None:
    def full() -> Done:
        raise DiskError("disk full")

    def stalled() -> Done:
        assert told.broken_off.wait(10)
        return Done("never told")

    def run() -> None:
        with told.crew() as crew:
            crew.add("stalled", [told.task(stalled, told.lanes.source)])
            crew.add("full", [told.task(full)])
            crew.wait()

    with pytest.raises(DiskError):
        run()
    assert told.broken_off.is_set()
    assert told.lanes.website.is_abandoned


def test_a_crew_that_is_left_sets_no_lane_to_work_any_more(told: Told) -> None:
    started, website = threading.Event(), threading.Event()

    def listed() -> Done:
        started.set()
        assert told.broken_off.wait(10)
        return Done("late", (told.task(lambda: Done(str(website.set()))),))

    def run() -> None:
        with told.crew() as crew:
            crew.add("a job", [told.task(listed, told.lanes.disk)])
            assert started.wait(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert not website.wait(0.1)
    assert told.report == Report()


def test_an_interrupted_crew_is_gone_within_two_seconds(told: Told) -> None:
    release = threading.Event()
    started = time.monotonic()

    def run() -> None:
        with told.crew() as crew:
            crew.add("for ever", [told.task(lambda: Done(str(release.wait(30))))])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert time.monotonic() - started < 2
    release.set()
