from __future__ import annotations

import logging
import os
import re

import pytest

from strava_backup import streams
from strava_backup.progress_bar import Bar
from tests.expected import assert_complete
from tests.screen import screen_lines
from tests.terminal import terminal_of_command


@pytest.fixture
def handler(monkeypatch):
    handler = logging.lastResort  # writes to the present sys.stderr
    monkeypatch.setattr(logging.root, "handlers", [handler])
    return handler


@pytest.fixture
def shown(capfd):
    """Return the lines on the screen now."""
    output = ""

    def lines():
        nonlocal output
        output += capfd.readouterr().err
        return screen_lines(output)

    return lines


def test_the_screen_overwrites_after_a_return_and_breaks_long_lines():
    assert screen_lines("12345\rab\n\n") == ["ab345"]
    assert screen_lines("12345\r     \rc", columns=5) == ["c"]
    assert screen_lines("12345^C\r  \rc", columns=5) == ["12345", "c"]


def test_the_phase_is_shown_at_once_and_the_count_as_soon_as_there_is_one(shown, handler):
    with Bar() as bar:
        assert shown() == ["Starting [00:00]"]
        bar.phase("Reading the list: 240 activities")
        assert shown() == ["Reading the list: 240 activities [00:00]"]
        bar.expect(3)
        bar.done()
        bar.phase("Fetching")
        (line,) = shown()
        assert line.startswith("Fetching: 1/3 [00:00<")
    assert shown() == []


def test_a_wait_is_shown_instead_of_the_phase_until_it_ends(shown, handler):
    with Bar() as bar:
        bar.phase("Fetching")
        bar.waits("API waits until 10:15:05 UTC")
        assert shown() == ["API waits until 10:15:05 UTC [00:00]"]
        bar.waits("")
        assert shown() == ["Fetching [00:00]"]


def test_other_lines_appear_above_the_bar_which_is_shown_again(shown, handler):
    with Bar() as bar:
        bar.phase("Fetching")
        logging.root.error("a log message")
        bar.above(streams.show)("a printed line\n")
        assert shown() == ["a log message", "a printed line", "Fetching [00:00]"]
    logging.root.error("after it")
    assert handler in logging.root.handlers
    assert shown() == ["a log message", "a printed line", "after it"]


def test_an_interrupt_key_behind_the_bar_is_wiped_with_it(shown, handler):
    with Bar() as bar:
        bar.phase("Fetching" * 20)
        os.write(2, b"^C")
    logging.root.error("interrupted")
    assert shown() == ["interrupted"]


def test_a_line_that_cannot_be_printed_leaves_no_bar_behind(shown, handler):
    def fail(line):
        raise OSError(line)

    with Bar() as bar:
        with pytest.raises(OSError, match="gone"):
            bar.above(fail)("gone")
        assert shown() == []


# Code that runs before the demo account is backed up in the current folder.
WITHOUT_NEWS = """
from strava_backup import cli
for options in (["--quiet"], ["--dry-run"], ["--verify"]):
    assert cli.main(["--demo", *options]) == 0
"""
WITH_A_FAILURE = """
from strava_backup.demo.account import Account
from tests.faults import Fault
account = Account.sample()
photo = next(one.photos[0].unique_id for one in account.activities if one.photos)
account.faults.append(Fault("photo", "404", id=photo))
Account.sample = lambda: account
"""
WITH_A_FULL_DISK = """
import errno, os
count = 0
def fsync(descriptor):
    global count
    count += 1
    if count > 40:
        raise OSError(errno.ENOSPC, "No space left on device")
os.fsync = fsync
"""
SLOWLY = """
import time
from strava_backup.demo.adapter import DemoAdapter
send = DemoAdapter.send
def send_later(*arguments, **options):
    time.sleep(0.1)
    return send(*arguments, **options)
DemoAdapter.send = send_later
"""


@pytest.fixture
def demo(tmp_path):
    """Return the terminal in which the demo account is backed up."""

    def run(before):
        return terminal_of_command(["--demo"], {"HOME": str(tmp_path)}, tmp_path, before)

    return run


@pytest.mark.parametrize(
    ("before", "code", "last"),
    [
        (WITHOUT_NEWS, 0, r"28 on Strava: 28 complete here; nothing new"),
        (WITH_A_FAILURE, 3, r"strava-backup: error:   activity .*, photo: .* answers 404"),
        (WITH_A_FULL_DISK, 1, r"strava-backup: error: cannot write .*: No space left on device"),
    ],
    ids=["without news", "with a failure", "with a full disk"],
)
def test_the_last_line_on_the_screen_is_whole_and_alone(demo, before, code, last):
    with demo(before) as opened:
        assert opened.wait() == code, opened.shown
    assert "Reading the list: 28 activities [00:0" in opened.shown
    assert ("Checking files" in opened.shown) == (before == WITHOUT_NEWS)
    lines = screen_lines(opened.shown)
    assert not [line for line in lines if "[00:0" in line]
    assert re.fullmatch(last, last_message(lines))


def test_an_interrupt_leaves_one_whole_line(demo):
    with demo(SLOWLY) as opened:
        opened.wait_for("Reading the list")
        opened.wait_for("1/")
        opened.type("\x03")
        assert opened.wait() == 130, opened.shown
    lines = screen_lines(opened.shown)
    # The terminal itself shows ^C, which may be in the moment before a message is printed.
    others = [line.removeprefix("^C") for line in lines if not line.startswith("strava-backup")]
    assert not [line for line in others if "[00:0" in line or "^C" in line]
    assert last_message(lines).startswith("strava-backup: error: interrupted")
    assert last_message(lines).endswith("the next run goes on from here")


def last_message(lines):
    """Return the last message, which may take several lines of the screen."""
    first = len(lines) - 1
    while first > 0 and len(lines[first - 1]) >= 79:
        first -= 1
    return "".join(line.ljust(80) for line in lines[first:-1]) + lines[-1]


def test_quiet_shows_a_person_no_bar(command):
    command.proxy.latency = 0.05
    arguments = command.arguments("--quiet", "--limit", "3")[3:]
    with terminal_of_command(arguments, command.environment(), command.folder) as opened:
        assert opened.wait() == 0
    assert opened.shown == ""


@pytest.mark.parametrize(
    ("action", "code"), [("SIG_IGN", 0), ("SIG_DFL", 130)], ids=["ignored", "default"]
)
def test_a_terminal_that_is_closed_ends_a_run_unless_hangups_are_ignored(command, action, code):
    command.proxy.latency = 0.1
    before = f"import signal; signal.signal(signal.SIGHUP, signal.{action})"
    arguments = command.arguments()[3:]
    started = terminal_of_command(arguments, command.environment(), command.folder, before)
    with started as opened:
        opened.wait_for("1/")
        assert opened.hang_up() == code
    if code == 0:
        assert_complete(command.account, command.files())
