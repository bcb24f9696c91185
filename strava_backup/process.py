"""The process itself: its standard descriptors, and the signals that end it.

Imports as little as possible, since all of it has to be in place before anything else is loaded.
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


def hold_descriptors() -> None:
    """Open the null device for each standard descriptor that is closed.

    The next file to be opened would get its number otherwise, and whatever is printed by a library
    or a child process would go into that file.
    """
    for descriptor in _STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            # The system gives the lowest number that is free.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def end_at_once() -> None:
    """Let an interrupt end the process from now on, while there is nothing that it could spoil.

    An exception would not do: raised in the middle of an import it may be wrapped or swallowed.
    """
    _handle(_end)


def raise_interrupts() -> None:
    """Let an interrupt raise KeyboardInterrupt from now on, so that the work ends in order."""
    _handle(_raise)
    sys.unraisablehook = _raise_again


def ignore_interrupts() -> None:
    """Ignore interrupts from now on: the process is about to end anyway."""
    _handle(signal.SIG_IGN)


def was_interrupted() -> bool:
    """Returns whether KeyboardInterrupt was raised, whatever became of it.

    Python wraps it in a RuntimeError where it is raised in a `__set_name__`
    (https://github.com/python/cpython/issues/77757).
    """
    return bool(_received)


def _handle(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    for number in _SIGNALS:
        # Left as it is where the parent process had it ignored, as nohup has SIGHUP.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    try:
        # Not by sys.stderr, which the interrupted code may be writing to.
        os.write(2, b"strava-backup: error: interrupted; nothing was changed\n")
    finally:
        os._exit(errors.INTERRUPTED)


def _raise(number: int, frame: FrameType | None) -> None:
    _received.append(signal.Signals(number))
    raise KeyboardInterrupt


def _raise_again(unraisable: sys.UnraisableHookArgs) -> None:
    """An interrupt that came within a finalizer was swallowed there: it comes once more."""
    if _received and isinstance(unraisable.exc_value, KeyboardInterrupt):
        _thread.start_new_thread(_interrupt_later, (_received[-1],))
    else:
        sys.__unraisablehook__(unraisable)


def _interrupt_later(number: signal.Signals) -> None:
    # By then the finalizer is over, which would swallow this one too.
    time.sleep(_LENGTH_OF_A_FINALIZER)
    _thread.interrupt_main(number)
