from __future__ import annotations

import logging
import re
import shlex
import subprocess
import sys

import pytest

from strava_backup.progress import Bar, Progress
from tests.expected import assert_complete
from tests.terminal import terminal


@pytest.fixture
def handler(monkeypatch):
    handler = logging.StreamHandler(sys.stderr)
    monkeypatch.setattr(logging.root, "handlers", [handler])
    return handler


def test_nothing_is_shown_unless_it_is_a_bar(capfd):
    progress = Progress()
    progress.expect(3)
    progress.done()
    progress.waits("API until 10:15 UTC")
    assert capfd.readouterr() == ("", "")


def test_a_bar_tells_how_many_are_done_and_what_waits_until_when(capfd, monkeypatch, handler):
    monkeypatch.setenv("TQDM_MININTERVAL", "0")
    with Bar() as bar:
        bar._bar.delay = 0
        bar.expect(3)
        bar.done()
        bar.waits("API waits until 10:15:05 UTC")
    error = capfd.readouterr().err
    assert "1/3" in error
    assert "API waits until 10:15:05 UTC" in error


def test_a_log_line_does_not_tear_the_bar(capfd, handler):
    with Bar() as bar:
        bar._bar.delay = 0
        bar.expect(3)
        logging.root.error("a line")
    assert handler in logging.root.handlers
    assert "a line\n" in capfd.readouterr().err.replace("\r", "\n")


def test_tqdm_is_not_imported_where_no_bar_is_shown():
    code = "import sys, strava_backup.backup.run; sys.exit('tqdm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_person_sees_how_far_a_run_is_and_then_what_came_of_it(command):
    command.proxy.latency = 0.05
    with terminal(command.arguments(), command.environment(), command.folder) as opened:
        assert opened.wait() == 0, opened.shown
    shown = [line.strip() for line in re.split(r"[\r\n]", opened.shown)]
    steps = [int(step) for line in shown for step in re.findall(r"(\d+)/\d+ \[", line)]
    assert len(steps) > 2
    assert steps == sorted(steps)
    # Wiped out at the end: the last lines are those that stay.
    assert "/" not in shown[-3]
    count = len(command.account.activities)
    assert shown[-2].startswith(f"{count} on Strava: {count} complete here; saved")


def test_quiet_shows_a_person_no_bar(command):
    command.proxy.latency = 0.05
    arguments = command.arguments("--quiet", "--limit", "3")
    with terminal(arguments, command.environment(), command.folder) as opened:
        assert opened.wait() == 0
    assert opened.shown == ""


@pytest.mark.parametrize(("action", "code"), [("''", 0), ("-", 130)], ids=["ignored", "default"])
def test_a_terminal_that_is_closed_ends_a_run_unless_hangups_are_ignored(command, action, code):
    command.proxy.latency = 0.1
    script = f"trap {action} HUP; exec {shlex.join(command.arguments())}"
    with terminal(["sh", "-c", script], command.environment(), command.folder) as opened:
        opened.wait_for("1/")
        assert opened.hang_up() == code
    if code == 0:
        assert_complete(command.account, command.files())
