"""Calls beside the work that goes on. Knows nothing of what is called."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

# Seconds: without an end to the waiting, Windows would not let ^C through; nor does a system that
# hands the signal to another thread than the main one.
LET_INTERRUPTS_THROUGH = 0.2

T = TypeVar("T")


def beside(call: Callable[[], T]) -> Future[T]:
    """Call it in a thread of its own, which an interrupted run leaves behind.

    An executor of the standard library would have the interrupt wait for the call.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def outcome(future: Future[T]) -> T:
    """Wait for what was called; returns what it returns, and raises what it raises."""
    while not future.done():
        wait([future], LET_INTERRUPTS_THROUGH)
    return future.result()
