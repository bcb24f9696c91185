from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from strava_backup.strava.background import call_in_background, result_of


def test_a_background_call_runs_concurrently():
    own, its = threading.Event(), threading.Event()

    def call():
        its.set()
        assert own.wait(10)
        return "done"

    future = call_in_background(call)
    assert its.wait(10)
    assert not future.done()
    own.set()
    assert result_of(future) == "done"
    assert result_of(future) == "done"


@pytest.mark.parametrize("error", [ValueError("wrong"), TimeoutError("its own"), SystemExit(2)])
def test_an_exception_of_the_call_is_raised_with_its_result(error):
    def call():
        raise error

    future = call_in_background(call)
    with pytest.raises(type(error)) as raised:
        result_of(future)
    assert raised.value is error


def test_a_program_that_ends_does_not_wait_for_it():
    code = (
        "from strava_backup.strava.background import call_in_background; import time; "
        "call_in_background(lambda: time.sleep(60))"
    )
    started = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert time.monotonic() - started < 30
