"""Processes of the command that need not start Python: copies of one that has imported everything.

They have their own signals, exit codes and descriptors. The tests of starting and exiting Python
use new processes.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from io import BufferedReader, BufferedWriter, FileIO, TextIOWrapper
from multiprocessing import reduction
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from strava_backup import __main__, cli  # noqa: F401
from strava_backup.backup import run  # noqa: F401
from strava_backup.setup import authorize, check, login  # noqa: F401

_CONTEXT = multiprocessing.get_context("forkserver")
# The server imports this module, and what a run imports later, and the copies have them.
_CONTEXT.set_forkserver_preload([__name__, "stravalib"])


class _Descriptor:
    """A descriptor that the copy receives."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _detached, (reduction.DupFd(self._number),)


def _detached(duplicate: Any) -> int:
    number: int = duplicate.detach()
    return number


class Forked:
    """A running command, with the methods of `subprocess.Popen` that tests use."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        terminal: int | None = None,
        before: str = "",
    ) -> None:
        """Start the command at a terminal, else without input and with files for its output.

        `before` is code that the process runs first.
        """
        self._outputs = [TemporaryFile() for _ in range(2)]  # noqa: SIM115  # read by communicate
        with open(os.devnull) as null:
            numbers = [null.fileno(), *(file.fileno() for file in self._outputs)]
            if terminal is not None:
                numbers = [terminal] * 3
            self._process = _CONTEXT.Process(
                target=_run,
                args=(
                    *(list(arguments), dict(environment), str(folder)),
                    *(list(map(_Descriptor, numbers)), terminal is not None, before),
                ),
                daemon=True,
            )
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("strava-backup", timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end, and return standard output and standard error."""
        self.wait(timeout)
        return self._text(0), self._text(1)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _text(self, number: int) -> str:
        file = self._outputs[number]
        file.seek(0)
        return file.read().decode()


def _run(
    arguments: list[str],
    environment: Mapping[str, str],
    folder: str,
    descriptors: list[int],
    is_at_terminal: bool,
    before: str,
) -> None:
    """Run the command in a copy, as Python would after its start."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    if is_at_terminal:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    os.fsync = lambda descriptor: None
    sys.stdin, sys.stdout, sys.stderr = map(_standard_stream, range(3))
    sys.argv = ["strava-backup", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    exec(before, {})
    raise SystemExit(__main__.main())


def _standard_stream(number: int) -> TextIOWrapper:
    raw = FileIO(number, "w" if number else "r", closefd=False)
    buffer: Any = BufferedWriter(raw) if number else BufferedReader(raw)
    return TextIOWrapper(buffer, encoding="utf-8")
