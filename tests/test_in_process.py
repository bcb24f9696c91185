"""A run in process leaves nothing behind in the process of the tests."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from strava_backup.backup import run
from tests import in_process


@pytest.fixture(autouse=True)
def without_frozen_objects() -> None:
    """Runs of other tests may have frozen objects, and a restored process has none."""
    gc.unfreeze()


def state() -> list[object]:
    return [
        *(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)),
        *(sys.stdin, sys.stdout, sys.stderr, sys.unraisablehook),
        *(logging.root.handlers[:], logging.root.level, logging.getLogger("strava_backup").level),
        *(gc.get_threshold(), gc.get_freeze_count(), dict(os.environ), Path.cwd()),
    ]


@pytest.mark.parametrize("arguments", [["--demo"], ["--check"], ["--nonsense"]])
def test_a_run_restores_what_it_changes(tmp_path: Path, arguments: list[str]) -> None:
    before = state()
    in_process.run(arguments, {"HOME": str(tmp_path)}, tmp_path)
    assert state() == before


def test_a_signal_ends_a_run_and_not_the_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "back_up", lambda *_: signal.raise_signal(signal.SIGTERM))
    before = state()
    result = in_process.run(["--demo"], {"HOME": str(tmp_path)}, tmp_path)
    assert (result.returncode, result.stderr[:34]) == (130, "strava-backup: error: interrupted;")
    assert state() == before
    monkeypatch.undo()
    assert in_process.run(["--verify"], {"HOME": str(tmp_path)}, tmp_path).returncode == 2


def test_a_run_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "LONGEST_RUN", 0.1)
    monkeypatch.setattr(run, "back_up", lambda *_: time.sleep(60))
    with pytest.raises(in_process.TookTooLong):
        in_process.run(["--demo"], {"HOME": str(tmp_path)}, tmp_path)
