"""Calls in the background. Knows nothing about the functions called."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

# Seconds: a wait without a timeout keeps ^C from the main thread on Windows, and on systems that
# deliver the signal to another thread.
LET_INTERRUPTS_THROUGH = 0.2

T = TypeVar("T")


def call_in_background(call: Callable[[], T]) -> Future[T]:
    """Call a function in a thread of its own, which an interrupted run leaves behind.

    The executors of the standard library join their threads at exit, so that an interrupt would
    have to wait for the call.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def result_of(future: Future[T]) -> T:
    """Wait for a background call; return its result, or raise its exception."""
    while not future.done():
        wait([future], LET_INTERRUPTS_THROUGH)
    return future.result()
