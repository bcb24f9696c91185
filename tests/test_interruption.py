"""Signals to the real command at any time: it ends soon, with one line and an intact archive."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from strava_backup import errors, verify
from strava_backup.demo.account import Account
from strava_backup.demo.limits import RateLimits
from strava_backup.demo.serve import identify
from strava_backup.demo.wire import Request
from tests.conftest import Command
from tests.expected import assert_complete
from tests.faults import Fault
from tests.strava_proxy import Hold

MakeCommand = Callable[..., Command]

STAYS = "what was saved stays, the next run goes on from here"


@dataclass
class HoldLater(Hold):
    """Stops the answers of several kinds, after a given number of answers of each kind."""

    passing: dict[str, int] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def names(self, account: Account, request: Request) -> bool:
        kind, _ = identify(account, request)
        if kind not in self.passing:
            return False
        with self.lock:
            self.seen[kind] += 1
            return self.seen[kind] > self.passing[kind]

    @property
    def holds_all(self) -> bool:
        return all(self.seen[kind] > passing for kind, passing in self.passing.items())


def wait_until(is_so: Callable[[], object], process: Any) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def interrupt(command: Command, process: Any, number: signal.Signals = signal.SIGINT) -> str:
    """Interrupt a quiet run, assert that it ends within two seconds, and return its message."""
    started = time.monotonic()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert time.monotonic() - started < 2
    assert process.returncode == errors.INTERRUPTED, stderr
    assert not [path for path in command.files() if path.endswith(".part")]
    line, *more = stderr.splitlines()
    assert more == []
    assert line.startswith("strava-backup: error: interrupted")
    assert line.endswith(f"; {STAYS}")
    assert stdout == ""
    return str(line)


def assert_whole_and_complete_it(command: Command) -> None:
    lines: list[str] = []
    if any(command.files()):
        assert verify.verify(command.root, lines.append) == errors.OK, lines
    if command.proxy.hold:
        command.proxy.hold.release.set()
    command.proxy.hold = None
    command.account.faults.clear()
    command.account.limits = RateLimits(1000, 10_000)
    result = command.run()
    assert result.returncode == errors.OK, result.stderr
    assert_complete(command.account, command.files())


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.thorough)],
)
def test_with_requests_to_all_hosts_in_flight_it_ends_at_once_and_reports_saved_items(
    make_command: MakeCommand, number: signal.Signals
) -> None:
    command = make_command(Account.of(20))
    passing = {"original": 3, "detail": 6, "photo": 0}
    hold = command.proxy.hold = HoldLater("several", after_bytes=700, passing=passing)
    process = command.start("--quiet")
    wait_until(lambda: hold.holds_all, process)

    line = interrupt(command, process, number)

    assert ": interrupted: saved 3 originals, " in line
    assert re.search(r", \d+ metadata records", line)
    assert_whole_and_complete_it(command)


@pytest.mark.parametrize(
    ("kind", "after_bytes"),
    [
        pytest.param("token", 0, marks=pytest.mark.thorough),
        pytest.param("me", 0, marks=pytest.mark.thorough),
        pytest.param("athlete", 10, marks=pytest.mark.thorough),
        ("list", 10),
        pytest.param("detail", 0, marks=pytest.mark.thorough),
        pytest.param("original", 0, marks=pytest.mark.thorough),
        ("original", 1500),
        pytest.param("photos", 5, marks=pytest.mark.thorough),
        ("photo", 1000),
        pytest.param("gear", 10, marks=pytest.mark.thorough),
        pytest.param("bike", 10, marks=pytest.mark.thorough),
    ],
)
def test_it_ends_within_two_seconds_while_it_waits_for_any_answer(
    make_command: MakeCommand, kind: str, after_bytes: int
) -> None:
    command = make_command(Account.of(8))
    # A rotated token that gets lost in an aborted answer cannot be recovered by a program.
    command.account.rotates_refresh_token = False
    hold = command.proxy.hold = Hold(kind, after_bytes=after_bytes)
    process = command.start("--quiet")
    wait_until(hold.reached.is_set, process)

    interrupt(command, process)

    assert_whole_and_complete_it(command)


def waiting_for_the_next_quarter(account: Account) -> Callable[[], bool]:
    account.limits = RateLimits(6, 10_000)
    return lambda: sum(one.path.startswith("/api/") for one in account.requests) >= 6


def waiting_as_the_website_asks(account: Account) -> Callable[[], bool]:
    account.faults.append(Fault("original", "429", retry_after=600))
    return lambda: any(one.status == 429 for one in account.requests)


def waiting_to_sign_in(account: Account) -> Callable[[], bool]:
    account.faults.append(Fault("me", "429", retry_after=600))
    return lambda: any(one.status == 429 for one in account.requests)


def pausing_between_two_tries(account: Account) -> Callable[[], bool]:
    account.faults.append(Fault("detail", "503"))
    account.faults.append(Fault("original", "503"))
    account.faults.append(Fault("photo", "dropped"))
    return lambda: any(one.status == 503 for one in account.requests)


@pytest.mark.parametrize(
    "prepare",
    [
        waiting_for_the_next_quarter,
        waiting_as_the_website_asks,
        waiting_to_sign_in,
        pausing_between_two_tries,
    ],
)
def test_an_interrupt_ends_a_pause(
    make_command: MakeCommand, prepare: Callable[[Account], Callable[[], bool]]
) -> None:
    command = make_command(Account.of(8))
    is_so = prepare(command.account)
    process = command.start("--quiet")
    wait_until(is_so, process)
    time.sleep(0.2)

    interrupt(command, process)

    assert_whole_and_complete_it(command)


def test_an_interrupted_dry_run_has_changed_nothing(make_command: MakeCommand) -> None:
    command = make_command(Account.of(3))
    hold = command.proxy.hold = Hold("list", 2, after_bytes=0)
    process = command.start("--dry-run")
    wait_until(hold.reached.is_set, process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == errors.INTERRUPTED, stderr
    assert stderr == "strava-backup: error: interrupted; nothing was changed\n"
    assert not command.root.exists()
