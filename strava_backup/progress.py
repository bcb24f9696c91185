"""The progress of a run, as the modules that do the work report it. Shows nothing by itself."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType


class Progress:
    """Ignores all progress; `progress_bar.Bar` shows it."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the display."""

    def phase(self, name: str) -> None:
        """Show the name of the present phase."""

    def expect(self, jobs: int) -> None:
        """Set the number of activities, gear items or files to work on."""

    def done(self, jobs: int = 1) -> None:
        """Count more of them as done."""

    def waits(self, reason: str) -> None:
        """Show the reason of a pause instead of the phase; an empty one ends it."""

    def above(self, print_line: Callable[[str], None]) -> Callable[[str], None]:
        """Return a function that prints a line without damage to the display."""
        return print_line
