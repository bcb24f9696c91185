"""Runs the command in the process of the tests, which takes a fraction of the time of a new one.

`signal`, `logging`, `gc` and the standard streams are as before after each run.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import Any, NoReturn, TextIO
from unittest import mock

from strava_backup import cli, process
from strava_backup.backup import run as backup
from strava_backup.strava import transport

LONGEST_RUN = 120
LONGEST_PAUSE = 0.02
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Streams = Mapping[str, TextIO | None]


class TookTooLong(BaseException):
    """Not an Exception, which the command would report as a bug of its own."""


def run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    text_in: str = "",
    streams: Streams = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    """Run the command with exactly this environment, and return its result.

    `streams` replaces standard streams by name ("stdout"), whose text the result then lacks; None
    is a stream that was closed when Python started.
    """
    with TemporaryFile("w+", encoding="utf-8") as standard_input, ExitStack() as stack:
        enter = stack.enter_context
        standard_input.write(text_in)
        standard_input.seek(0)
        # The command sets how its streams handle errors, which StringIO cannot do.
        out, err = (TextIOWrapper(BytesIO(), encoding="utf-8") for _ in range(2))
        ours = {"stdin": standard_input, "stdout": out, "stderr": err, **streams}
        enter(_current_folder(folder))
        enter(mock.patch.dict(os.environ, environment, clear=True))
        enter(mock.patch.multiple(sys, **ours))
        enter(_short_pauses())
        enter(process_as_before())
        enter(_limited())
        code = _exit_code(list(arguments))
    return subprocess.CompletedProcess(list(arguments), code, _text(out), _text(err))


def _exit_code(arguments: list[str]) -> int:
    try:
        return cli.main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


def _text(stream: TextIOWrapper) -> str:
    stream.flush()
    buffer: Any = stream.buffer
    return buffer.getvalue().decode()


@contextmanager
def _current_folder(folder: Path) -> Iterator[None]:
    # By its descriptor, since the current folder may have no path any more.
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


@contextmanager
def _short_pauses() -> Iterator[None]:
    """Sleep briefly between two tries, whose real pauses the tests of the transport check."""

    def sleep(seconds: float) -> None:
        time.sleep(min(seconds, LONGEST_PAUSE))

    make = backup.Environment.__new__
    defaults = tuple(sleep if one is time.sleep else one for one in make.__defaults__ or ())
    assert sleep in defaults
    with (
        mock.patch.object(make, "__defaults__", defaults),
        mock.patch.dict(transport.Session.__init__.__kwdefaults__, sleep=sleep),
    ):
        yield


@contextmanager
def process_as_before() -> Iterator[None]:
    """Restore everything that a run changes in its process, except streams and environment."""
    root, own = logging.root, logging.getLogger("strava_backup")
    handlers, levels = root.handlers[:], (root.level, own.level)
    threshold, hook = gc.get_threshold(), sys.unraisablehook
    signals = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in signals.items():
            signal.signal(number, handler)
        process._received.clear()
        sys.unraisablehook = hook
        gc.set_threshold(*threshold)
        gc.unfreeze()
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        own.setLevel(levels[1])


@contextmanager
def _limited() -> Iterator[None]:
    """Raise TookTooLong if a run does not end."""

    def give_up(*arguments: object) -> NoReturn:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_RUN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
