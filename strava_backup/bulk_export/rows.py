"""Pure: parse the lines of the export's CSV files into rows, whatever their columns.

Descriptions contain line breaks, and quotes that are not always escaped correctly. A malformed row
does not affect its neighbours.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

# Strava separates cells by commas; spreadsheet programs use the separator of the locale.
_SEPARATORS = ",;\t"
# A row of activities begins with an id, which spreadsheet programs may have reformatted.
_ROW_START = re.compile(
    r"[\s'\"=]{0,9}[0-9]{1,20}(?:[.,][0-9]{1,20})?(?:[Ee]\+?[0-9]{1,3})?[\s\"]{0,9}([,;\t])"
)
# A line that declares the separator for Excel.
_SEPARATOR_LINE = re.compile(r"\"?sep=[,;\t]\"?\s*$", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|[\r\n]")
# Limit on the lines of a description that begin like a row.
_MOST_STARTS = 50


class Row(NamedTuple):
    """The cells of a row, and the number of its first line, counted from 1. If not `is_whole`, it
    has too few or too many cells, so that only the first ones are in the right columns.
    """

    cells: list[str]
    is_whole: bool = True
    line: int = 0


class Table(NamedTuple):
    """A header, the rows after it, and the character between cells."""

    header: list[str]
    rows: Iterator[Row]
    separator: str


def parse_table(lines: Iterable[str]) -> Table:
    """Return the table in these lines, which include their line ends; the header of blank lines is
    empty.

    Every line that is not blank belongs to one of the rows.
    """
    numbered = _Lines(lines)
    numbered.skip_blank(_SEPARATORS)
    first = numbered.read()
    if _SEPARATOR_LINE.match(first):
        first = numbered.read()
    separator = _separator_of(first)
    header = _loose(first, separator)
    return Table(header, _rows(numbered, len(header), separator), separator)


def parse_pairs(lines: Iterable[str]) -> dict[str, str]:
    """Return the first two cells of each row that has at least two."""
    lines = iter(lines)
    first = next(lines, "")
    reader = csv.reader(chain([first], lines), delimiter=_separator_of(first))
    pairs: dict[str, str] = {}
    while True:
        try:
            pairs.update((row[0], row[1]) for row in reader if len(row) > 1)
        except csv.Error:
            continue  # the cell exceeds the size limit of the csv module
        return pairs


class _Lines:
    """Lines with lookahead."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._waiting: deque[str] = deque()
        self.number = 1

    def ahead(self) -> Iterator[str]:
        """Yield the remaining lines without consuming them."""
        yield from self._waiting
        for line in self._lines:
            self._waiting.append(line)
            yield line

    def read(self) -> str:
        """Consume and return the next line; an empty text if there is none."""
        line = next(self.ahead(), "")
        if line:
            self._waiting.popleft()
            self.number += 1
        return line

    def skip_blank(self, separators: str) -> None:
        """Skip the next lines as long as they are empty except for separators."""
        while (line := next(self.ahead(), "")) and not line.strip(f'{separators}" \t\r\n'):
            self.read()


def _separator_of(header: str) -> str:
    """Return the character that splits the header into most cells."""
    return max(_SEPARATORS, key=lambda separator: len(_loose(header, separator)))


def _rows(lines: _Lines, width: int, separator: str) -> Iterator[Row]:
    while True:
        lines.skip_blank(separator)
        if not next(lines.ahead(), ""):
            return
        number = lines.number
        for escape in (None, "\\"):
            cells, used = _read_row(lines, separator, escape)
            if len(cells) == width:
                for _ in range(used):
                    lines.read()
                yield Row(cells, line=number)
                break
        else:
            cells = _loose(_read_block(lines, separator), separator)
            yield Row(cells, len(cells) == width, number)


def _read_row(lines: _Lines, separator: str, escape: str | None) -> tuple[list[str], int]:
    """Return the cells of the next row and the number of its lines; no cells for malformed quotes.

    Quotes in cells are doubled, or escaped by a backslash if `escape` is one.
    """
    used = 0

    def candidates() -> Iterator[str]:
        nonlocal used
        starts = 0
        is_row = True
        for line in lines.ahead():
            is_start = _is_start(line, separator)
            is_row = is_start if used == 0 else is_row
            # Count every line if the first has no id, so that a text that is no table ends soon.
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


def _read_block(lines: _Lines, separator: str) -> str:
    """Consume and return the next line and all following ones that do not begin like a row."""
    block = [lines.read()]
    while (line := next(lines.ahead(), "")) and not _is_start(line, separator):
        block.append(lines.read())
    return "".join(block)


def _is_start(line: str, separator: str) -> bool:
    start = _ROW_START.match(line)
    return start is not None and start[1] == separator


def _loose(text: str, separator: str) -> list[str]:
    """Return the cells of the text as one row with lenient quotes; empty if that fails, too."""
    try:
        line = " ".join(_LINE_END.split(text.rstrip("\r\n")))
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []
