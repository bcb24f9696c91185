"""How far a run is, for somebody who watches. Decides nothing, and is silent unless it is a Bar.

tqdm is imported where a bar is shown, and nowhere else.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tqdm import tqdm


class Progress:
    """Shows nothing."""

    def expect(self, jobs: int) -> None:
        """So many activities and gear are to be worked on."""

    def done(self) -> None:
        """One more of them is done."""

    def waits(self, what: str) -> None:
        """Something waits for something; nothing does where it is empty."""


class Bar(Progress):
    """A bar on standard error while in the `with`, above which log lines go."""

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

    def waits(self, what: str) -> None:
        self._bar.set_postfix_str(what)
