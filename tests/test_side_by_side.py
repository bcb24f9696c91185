"""Concurrent hosts in complete runs: requests in flight, and hosts that do not wait."""

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

from strava_backup.config.loader import Secret, User
from strava_backup.demo.account import ACCESS_TOKEN_LIFETIME
from strava_backup.demo.adapter import DemoAdapter
from strava_backup.demo.limits import RateLimits
from tests.conftest import DAY, Rig
from tests.expected import assert_complete, expected_originals, stored_originals
from tests.faults import Fault

QUARTER = 15 * 60


@pytest.fixture
def gauge(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The highest number of concurrent requests by host; each request is slowed down."""
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
    rig = make_rig(20)
    assert rig.run().exit_code == 0
    assert gauge["website"] == 1
    assert 1 < gauge["API"] <= 4
    assert 1 < gauge["photos"] <= 4
    assert_complete(rig.account, rig.files())


def test_requests_of_the_website_never_start_closer_than_the_delay(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(12)
    rig.config = replace(rig.config, delay=100)
    starts: list[float] = []
    send = DemoAdapter.send

    def timed(self: DemoAdapter, request: requests.PreparedRequest, **options: Any) -> Any:
        if "www.strava.com/activities" in str(request.url):
            starts.append(rig.clock.now)
        return send(self, request, **options)

    monkeypatch.setattr(DemoAdapter, "send", timed)
    assert rig.run().exit_code == 0
    assert len(starts) > 8
    pauses = [after - before for before, after in pairwise(starts)]
    # The time that a request really takes is part of its pause.
    assert min(pauses) > 80


def test_a_slow_disk_does_not_delay_the_website(
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


def test_with_limits_a_large_account_is_saved_over_days_and_no_request_is_refused(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(100)
    rig.account.limits = RateLimits(15, 75)
    codes = []
    while not codes or codes[-1]:
        report = rig.run()
        codes.append(report.exit_code)
        assert 429 not in {request.status for request in rig.account.requests}
        assert stored_originals(rig.files()) == expected_originals(rig.account)
        if report.exit_code:
            assert report.left["detail"]
            assert "midnight UTC" in str(report.fatal)
        rig.clock.now += DAY
    assert codes == [5, 0]
    assert max(rig.clock.slept) <= QUARTER + 5
    assert_complete(rig.account, rig.files())


class Trigger:
    """Runs a callback at the n-th request whose URL contains a given part."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._lock = threading.Lock()
        self._monkeypatch = monkeypatch

    def at(self, number: int, part: str, callback: Callable[[], None]) -> None:
        send, seen = DemoAdapter.send, [0]

        def sending(adapter: DemoAdapter, request: requests.PreparedRequest, **options: Any) -> Any:
            with self._lock:
                if part in str(request.url):
                    seen[0] += 1
                    if seen[0] == number:
                        callback()
            return send(adapter, request, **options)

        self._monkeypatch.setattr(DemoAdapter, "send", sending)


@pytest.fixture
def trigger(monkeypatch: pytest.MonkeyPatch) -> Trigger:
    return Trigger(monkeypatch)


DETAIL, ORIGINAL, PHOTO = "/api/v3/activities/", "/export_original", "cloudfront.net"


@pytest.mark.parametrize(
    ("part", "fault", "code", "others"),
    [
        (DETAIL, Fault("detail", "403"), 4, {"original"}),
        (DETAIL, Fault("detail", "429"), 5, {"original"}),
        pytest.param(
            *(DETAIL, Fault("detail", "500"), 5, {"original"}), marks=pytest.mark.thorough
        ),
        pytest.param(
            *(DETAIL, Fault("detail", "dropped"), 5, {"original"}), marks=pytest.mark.thorough
        ),
        (ORIGINAL, Fault("original", "redirect-login"), 4, {"detail", "photo"}),
        (ORIGINAL, Fault("original", "429", retry_after=3600), 5, {"detail", "photo"}),
        pytest.param(
            *(ORIGINAL, Fault("original", "503"), 5, {"detail", "photo"}),
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            *(ORIGINAL, Fault("original", "dropped"), 5, {"detail", "photo"}),
            marks=pytest.mark.thorough,
        ),
        (PHOTO, Fault("photo", "500"), 5, {"detail", "original"}),
        pytest.param(
            *(PHOTO, Fault("photo", "dropped"), 5, {"detail", "original"}),
            marks=pytest.mark.thorough,
        ),
    ],
    ids=lambda value: f"{value.kind}-{value.what}" if isinstance(value, Fault) else None,
)
def test_a_host_that_fails_permanently_during_a_run_delays_no_other(
    make_rig: Callable[..., Rig],
    trigger: Trigger,
    part: str,
    fault: Fault,
    code: int,
    others: set[str],
) -> None:
    rig = make_rig(32)
    everything = make_rig(32, "undisturbed", shares_first_run=True).run().saved
    # Of six requests, at most four are in flight, so that at least one was answered before.
    trigger.at(6, part, lambda: rig.account.faults.append(fault))
    report = rig.run()
    assert report.exit_code == code
    assert {item: report.saved[item] for item in others} == {
        item: everything[item] for item in others
    }
    assert 0 < report.saved[fault.kind] < everything[fault.kind]
    assert report.left[fault.kind] > 0
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_a_web_session_that_ends_during_a_run_does_not_affect_the_api(
    make_rig: Callable[..., Rig], trigger: Trigger
) -> None:
    rig = make_rig(25)
    trigger.at(10, ORIGINAL, rig.account.end_sessions)
    report = rig.run()
    assert report.exit_code == 4
    assert report.saved["detail"] == 25
    assert 0 < report.saved["original"] < 20
    jwt = Secret(rig.account.issue_jwt(), read_only=True)
    rig.config = replace(rig.config, user=User(jwt=jwt))
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_an_access_token_that_ends_in_the_middle_is_renewed_once(
    make_rig: Callable[..., Rig], trigger: Trigger
) -> None:
    rig = make_rig(20)

    def six_hours_later() -> None:
        rig.clock.now += ACCESS_TOKEN_LIFETIME

    trigger.at(10, DETAIL, six_hours_later)
    assert rig.run().exit_code == 0
    assert rig.asked.count("token") == 2
    assert_complete(rig.account, rig.files())


def test_the_first_original_is_fetched_right_after_the_first_page_of_the_websites_list(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(25)
    rig.config = replace(rig.config, api=None)
    assert rig.run().exit_code == 0
    asked = [kind for kind in rig.asked if kind in ("web-list", "original")]
    assert asked[:2] == ["web-list", "original"]
    assert stored_originals(rig.files()) == expected_originals(rig.account)
