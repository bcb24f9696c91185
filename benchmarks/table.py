"""Figures of several rounds, as rows of a plain table. Measures nothing."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """A measured quantity with one figure per round; a row without figures is a heading.

    `aim` is the desired ratio.
    """

    title: str
    unit: str = ""
    figures: Sequence[float] = ()
    aim: str = ""


def ratio(title: str, upper: Iterable[float], lower: Iterable[float], aim: str = "") -> Row:
    """Return a row of ratios within each round, since a busy machine slows down both alike."""
    return Row(title, "ratio", [one / other for one, other in zip(upper, lower, strict=True)], aim)


def lines(rows: Iterable[Row]) -> list[str]:
    """Return the lines of the table."""
    head = f"{'':54}{'unit':>9}{'min':>10}{'median':>10}{'max':>10}  aim"
    return [head, *(_line(row) for row in rows)]


def _line(row: Row) -> str:
    if not row.figures:
        return f"\n{row.title}"
    three = (min(row.figures), statistics.median(row.figures), max(row.figures))
    figures = "".join(f"{_figure(one):>10}" for one in three)
    return f"  {row.title:52}{row.unit:>9}{figures}  {row.aim}".rstrip()


def _figure(value: float) -> str:
    if value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.3f}"
