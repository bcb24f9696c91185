"""Shows the progress of a run on a terminal. The only module that uses tqdm.

A run without a bar does not import it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from tqdm import tqdm

from strava_backup.progress import Progress

_PHASE = "{desc} [{elapsed}]"
_PHASE_WITH_COUNT = "{desc}: {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"
_USUAL_WIDTH = 80
# A terminal shows ^C at the cursor, behind the text. On the next line it could not be erased.
_ROOM_FOR_INTERRUPT = 3


class Bar(Progress):
    """One line on standard error within a `with` block; all other output appears above it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._phase = "Starting"

    def __enter__(self) -> Bar:
        # By default tqdm starts a thread, and has a lock for several processes.
        tqdm.monitor_interval = 0
        tqdm.set_lock(self._lock)
        self._line = _Line(
            total=0,
            desc=self._phase,
            bar_format=_PHASE,
            dynamic_ncols=True,
            leave=False,
            miniters=0,
        )
        self._handlers = logging.root.handlers[:]
        logging.root.handlers[:] = [_HandlerAbove(self, one) for one in self._handlers]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        logging.root.handlers[:] = self._handlers
        with self._lock:
            self._line.wipe()
            self._line.close()

    def phase(self, name: str) -> None:
        self._phase = name
        self.waits("")

    def expect(self, jobs: int) -> None:
        with self._lock:
            self._line.total = jobs
            self._line.bar_format = _PHASE_WITH_COUNT if jobs else _PHASE
            self._line.update(0)

    def done(self, jobs: int = 1) -> None:
        with self._lock:
            self._line.update(jobs)

    def waits(self, reason: str) -> None:
        with self._lock:
            self._line.set_description_str(reason or self._phase)

    def above(self, print_line: Callable[[str], None]) -> Callable[[str], None]:
        def print_above(line: str) -> None:
            with self.wiped():
                print_line(line)

        return print_above

    @contextmanager
    def wiped(self) -> Iterator[None]:
        """Wipe the line, and show it again after the block, unless that raises an exception."""
        with self._lock:
            self._line.wipe()
            yield
            self._line.refresh()


class _Line(tqdm):  # type: ignore[misc]  # tqdm has no types
    """A line of text that is never longer than the terminal is wide."""

    def __str__(self) -> str:
        text: str = super().__str__()
        return text[: max(0, self._width - _ROOM_FOR_INTERRUPT)]

    def wipe(self) -> None:
        """Erase the line, together with a ^C behind it, and put the cursor at its beginning.

        Without escape sequences, which not every terminal has.
        """
        if not self.disable:
            self.fp.write(f"\r{' ' * (self._width - 1)}\r")
            self.fp.flush()

    @property
    def _width(self) -> int:
        return self.ncols or _USUAL_WIDTH


class _HandlerAbove(logging.Handler):
    """Passes log messages to another handler while the line is wiped."""

    def __init__(self, bar: Bar, handler: Any) -> None:
        super().__init__()
        self._bar = bar
        self._handler = handler

    def emit(self, record: logging.LogRecord) -> None:
        with self._bar.wiped():
            self._handler.handle(record)
