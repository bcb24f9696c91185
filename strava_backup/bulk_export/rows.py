"""Pure: the lines of one of the export's CSV files -> rows. Knows no columns.

Descriptions bring line breaks into rows, and quotes that are not always escaped by the rules. A row
that no sense can be made of costs itself, and none of its neighbours.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

# Strava separates cells by commas. Spreadsheet programs save with what their country uses.
_SEPARATORS = ",;\t"
# How a row of activities begins: with its id, whatever a spreadsheet program made of that.
_ROW_START = re.compile(
    r"[\s'\"=]{0,9}[0-9]{1,20}(?:[.,][0-9]{1,20})?(?:[Ee]\+?[0-9]{1,3})?[\s\"]{0,9}([,;\t])"
)
# A line with which Excel is told what separates cells.
_SEPARATOR_LINE = re.compile(r"\"?sep=[,;\t]\"?\s*$", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|[\r\n]")
# So many lines of a description may begin like that.
_MOST_STARTS = 50


class Row(NamedTuple):
    """The cells of a row, and the number of its first line, counted from 1. One that is not `whole`
    has too few or too many cells, so that only the first ones are where they should be.
    """

    cells: list[str]
    is_whole: bool = True
    line: int = 0


class Table(NamedTuple):
    """A header, the rows behind it, and the character between cells."""

    header: list[str]
    rows: Iterator[Row]
    separator: str


def parse_table(lines: Iterable[str]) -> Table:
    """The table in these lines, which have their ends; without header if they are all blank.

    Every line that is not blank is in one of the rows.
    """
    numbered = _Lines(lines)
    numbered.drop_blank(_SEPARATORS)
    first = numbered.take()
    if _SEPARATOR_LINE.match(first):
        first = numbered.take()
    separator = _separator_of(first)
    header = _loose(first, separator)
    return Table(header, _rows(numbered, len(header), separator), separator)


def parse_pairs(lines: Iterable[str]) -> dict[str, str]:
    """The first two cells of every row that has two."""
    lines = iter(lines)
    first = next(lines, "")
    reader = csv.reader(chain([first], lines), delimiter=_separator_of(first))
    pairs: dict[str, str] = {}
    while True:
        try:
            pairs.update((row[0], row[1]) for row in reader if len(row) > 1)
        except csv.Error:
            continue  # a cell beyond all measure
        return pairs


class _Lines:
    """Lines that can be looked at before they are taken."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._waiting: deque[str] = deque()
        self.number = 1

    def ahead(self) -> Iterator[str]:
        """The lines that are left; they stay."""
        yield from self._waiting
        for line in self._lines:
            self._waiting.append(line)
            yield line

    def take(self) -> str:
        """The next line; empty if there is none."""
        line = next(self.ahead(), "")
        if line:
            self._waiting.popleft()
            self.number += 1
        return line

    def drop_blank(self, separators: str) -> None:
        """Drop the next lines as long as there is nothing in them but separators."""
        while (line := next(self.ahead(), "")) and not line.strip(f'{separators}" \t\r\n'):
            self.take()


def _separator_of(header: str) -> str:
    """The character that parts the header into most cells."""
    return max(_SEPARATORS, key=lambda separator: len(_loose(header, separator)))


def _rows(lines: _Lines, width: int, separator: str) -> Iterator[Row]:
    while True:
        lines.drop_blank(separator)
        if not next(lines.ahead(), ""):
            return
        number = lines.number
        for escape in (None, "\\"):
            cells, used = _read_row(lines, separator, escape)
            if len(cells) == width:
                for _ in range(used):
                    lines.take()
                yield Row(cells, line=number)
                break
        else:
            cells = _loose(_take_block(lines, separator), separator)
            yield Row(cells, len(cells) == width, number)


def _read_row(lines: _Lines, separator: str, escape: str | None) -> tuple[list[str], int]:
    """The cells of the next row and the number of its lines; no cells if the quotes make no sense.

    Quotes in cells are doubled, or else behind a backslash.
    """
    used = 0

    def candidates() -> Iterator[str]:
        nonlocal used
        starts = 0
        is_row = True
        for line in lines.ahead():
            is_start = _is_start(line, separator)
            is_row = is_start if used == 0 else is_row
            # Every line counts where no id is in front: a text that is no table is done with soon.
            starts += is_start or not is_row
            if starts > _MOST_STARTS:
                return
            used += 1
            yield line

    try:
        reader = csv.reader(candidates(), strict=True, delimiter=separator, escapechar=escape)
        return next(reader, []), used
    except csv.Error:
        return [], used


def _take_block(lines: _Lines, separator: str) -> str:
    """The next line, and all behind it up to one that begins as a row does."""
    block = [lines.take()]
    while (line := next(lines.ahead(), "")) and not _is_start(line, separator):
        block.append(lines.take())
    return "".join(block)


def _is_start(line: str, separator: str) -> bool:
    start = _ROW_START.match(line)
    return start is not None and start[1] == separator


def _loose(text: str, separator: str) -> list[str]:
    """The text as one row, whatever its quotes; empty where even that fails."""
    try:
        line = " ".join(_LINE_END.split(text.rstrip("\r\n")))
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []
