"""Shows the progress of a run. Only `Bar` writes to the terminal.

Imports tqdm only to show a bar, since a run without one need not load it.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tqdm import tqdm


class Progress:
    """Ignores all progress; the base of `Bar`."""

    def expect(self, jobs: int) -> None:
        """Set the number of activities and gear items to work on."""

    def done(self) -> None:
        """Count one more as done."""

    def waits(self, reason: str) -> None:
        """Show the reason of a pause; an empty one ends it."""


class Bar(Progress):
    """A bar on standard error within a `with` block; log lines appear above it."""

    _bar: tqdm[Any]
    _redirection: AbstractContextManager[None]

    def __enter__(self) -> Bar:
        from tqdm import tqdm
        from tqdm.contrib.logging import logging_redirect_tqdm

        self._bar = tqdm(total=0, unit="", leave=False, delay=0.5, dynamic_ncols=True)
        self._redirection = logging_redirect_tqdm()
        self._redirection.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._redirection.__exit__(kind, value, traceback)
        self._bar.close()

    def expect(self, jobs: int) -> None:
        self._bar.total = jobs
        self._bar.refresh()

    def done(self) -> None:
        self._bar.update()

    def waits(self, reason: str) -> None:
        self._bar.set_postfix_str(reason)
