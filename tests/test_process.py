"""Closed descriptors, and signals at unexpected moments."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strava_backup import errors

ROOT = Path(__file__).parent.parent
INTERRUPTED = "strava-backup: error: interrupted; nothing was changed\n"
MODULE = [sys.executable, "-m", "strava_backup"]
BRIEF = ["--demo", "--limit", "1"]
# The moments, from its start to its end, at which a process is interrupted.
STEPS = 20 if "THOROUGH" in os.environ else 2
# The script that pip generates for the entry point.
SCRIPT = [
    *(sys.executable, "-c"),
    "import re, sys; from strava_backup.__main__ import main; sys.exit(main())",
]


def environment(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


def run_python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def is_of_pythons_start(stderr: str) -> bool:
    """Return whether an interrupt came while Python started, before it ran code of ours."""
    return "KeyboardInterrupt" in stderr and f'File "{ROOT}/strava_backup/' not in stderr


@pytest.mark.parametrize(
    ("command", "number"),
    [
        pytest.param(MODULE, signal.SIGINT, id="module ^C"),
        pytest.param(MODULE, signal.SIGTERM, id="module SIGTERM", marks=pytest.mark.thorough),
        pytest.param(MODULE, signal.SIGHUP, id="module SIGHUP", marks=pytest.mark.thorough),
        pytest.param(SCRIPT, signal.SIGINT, id="script ^C", marks=pytest.mark.thorough),
    ],
)
def test_an_interrupt_ends_quietly_whenever_it_comes(
    tmp_path: Path, command: list[str], number: signal.Signals
) -> None:
    started = time.monotonic()
    subprocess.run([*command, *BRIEF], cwd=tmp_path, env=environment(tmp_path), check=True)
    duration = max(0.4, time.monotonic() - started)
    ends = []
    for step in range(STEPS):
        process = subprocess.Popen(
            [*command, *BRIEF],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(step * duration / STEPS)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        ends.append((process.returncode, stderr))
    for code, stderr in ends:
        if (code == -number and stderr == "") or is_of_pythons_start(stderr):
            continue
        assert code in (errors.OK, errors.INTERRUPTED), stderr
        assert "Traceback" not in stderr
        assert "Exception ignored" not in stderr
        if code == errors.INTERRUPTED:
            [line] = [line for line in stderr.splitlines() if line.startswith("strava-backup: ")]
            assert line.startswith("strava-backup: error: interrupted")
    assert errors.INTERRUPTED in [code for code, _ in ends]


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGHUP,
        pytest.param(signal.SIGINT, marks=pytest.mark.thorough),
        pytest.param(signal.SIGTERM, marks=pytest.mark.thorough),
    ],
)
def test_a_signal_that_the_parent_had_ignored_stays_ignored(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [*MODULE, *BRIEF, "--quiet"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
    )
    while process.poll() is None:
        process.send_signal(number)
        time.sleep(0.02)
    assert (process.returncode, process.communicate()[1]) == (0, "")


@pytest.mark.parametrize(
    "interrupted",
    [
        # Python wraps exceptions from here in a RuntimeError.
        "class Name:\n"
        "    def __set_name__(self, owner, name): signal.raise_signal(signal.SIGTERM)\n"
        "def back_up(*arguments):\n"
        "    class Owner: name = Name()\n",
        # Python swallows exceptions from here.
        "class Object:\n"
        "    def __del__(self): signal.raise_signal(signal.SIGTERM)\n"
        "def back_up(*arguments):\n"
        "    Object()\n"
        "    time.sleep(30)\n",
        "def back_up(*arguments):\n"
        "    try: signal.raise_signal(signal.SIGTERM)\n"
        "    except BaseException: raise ValueError('broken by it')\n",
    ],
    ids=["__set_name__", "__del__", "converted"],
)
@pytest.mark.thorough
def test_an_interrupt_is_one_whatever_became_of_it(tmp_path: Path, interrupted: str) -> None:
    result = run_python(
        "import signal, sys, time\n"
        "from strava_backup import __main__\nfrom strava_backup.backup import run\n"
        f"{interrupted}"
        "run.back_up = back_up\n"
        "sys.argv[1:] = ['--demo']\n"
        "raise SystemExit(__main__.main())\n",
        tmp_path,
    )
    assert (result.returncode, result.stderr) == (errors.INTERRUPTED, INTERRUPTED)


def test_closed_descriptors_are_taken_before_any_file_is_opened(tmp_path: Path) -> None:
    result = subprocess.run(
        ["sh", "-c", f"{sys.executable} -c '{CLOSED}' 0<&- >&- 2>&-; cat result"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.fullmatch(r"3 /dev/null /dev/null /dev/null", result.stdout)


CLOSED = """
import os, subprocess
from strava_backup import process
process.open_missing_descriptors()
file = open("result", "wb")
os.write(2, b"stray")
links = [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]
subprocess.run(["sh", "-c", "echo stray; echo stray >&2"], check=True)
file.write(" ".join([str(file.fileno()), *links]).encode())
"""
