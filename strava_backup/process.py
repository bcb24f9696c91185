"""The process: its standard descriptors, and the signals that end it.

Imports as little as possible, since it must run before other modules are imported.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from strava_backup import errors

# Windows has no SIGHUP.
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
_STANDARD_DESCRIPTORS = range(3)
_LENGTH_OF_A_FINALIZER = 0.05  # seconds

_received: list[signal.Signals] = []


def open_missing_descriptors() -> None:
    """Open the null device for each standard descriptor that is closed.

    Otherwise the next opened file would get its number, and the output of a library or a child
    process would go into that file.
    """
    for descriptor in _STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            # The system uses the lowest free number.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def end_at_once() -> None:
    """Let an interrupt end the process at once from now on, before there is any work to lose.

    Not by an exception, since an import may wrap or swallow it.
    """
    _handle(_end)


def raise_interrupts() -> None:
    """Let an interrupt raise KeyboardInterrupt from now on, so that the work is cleaned up."""
    _handle(_raise)
    sys.unraisablehook = _raise_again


def ignore_interrupts() -> None:
    """Ignore interrupts from now on, since the process is about to end."""
    _handle(signal.SIG_IGN)


def was_interrupted() -> bool:
    """Return whether KeyboardInterrupt was raised, even if it was wrapped or swallowed.

    Python wraps it in a RuntimeError if it is raised in a `__set_name__`
    (https://github.com/python/cpython/issues/77757).
    """
    return bool(_received)


def _handle(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    for number in _SIGNALS:
        # Stays ignored if the parent process ignored it, as nohup ignores SIGHUP.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    try:
        # Not sys.stderr, since the interrupted code may be writing to it.
        os.write(2, b"strava-backup: error: interrupted; nothing was changed\n")
    finally:
        os._exit(errors.INTERRUPTED)


def _raise(number: int, frame: FrameType | None) -> None:
    _received.append(signal.Signals(number))
    raise KeyboardInterrupt


def _raise_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Repeat an interrupt that a finalizer swallowed."""
    if _received and isinstance(unraisable.exc_value, KeyboardInterrupt):
        _thread.start_new_thread(_interrupt_later, (_received[-1],))
    else:
        sys.__unraisablehook__(unraisable)


def _interrupt_later(number: signal.Signals) -> None:
    # Wait for the end of the finalizer, which would swallow this one too.
    time.sleep(_LENGTH_OF_A_FINALIZER)
    _thread.interrupt_main(number)
