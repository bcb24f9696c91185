"""Pure: the lines of one of the export's CSV files -> rows. Knows no columns.

Descriptions bring line breaks into rows, and quotes that are not always escaped by the rules. A row
that no sense can be made of costs itself, and none of its neighbours.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

# How a row of activities begins: with its id.
_ROW_START = re.compile(r'"?[0-9]{1,20}"?,')
# So many lines of a description may begin like that.
_MOST_BLOCKS = 50


class Row(NamedTuple):
    """The cells of a row. One that is not `whole` has too few or too many of them, so that only the
    first ones are where they should be.
    """

    cells: list[str]
    is_whole: bool = True


def parse_table(lines: Iterable[str]) -> tuple[list[str], Iterator[Row]]:
    """The header, and the rows behind it, each of which begins with an id.

    The lines have their ends; the header is empty where there are no lines.
    """
    blocks = _blocks(lines)
    header = _loose(next(blocks, "").partition("\n")[0])
    return header, _rows(blocks, len(header))


def parse_pairs(lines: Iterable[str]) -> dict[str, str]:
    """The first two cells of every row that has two."""
    reader = csv.reader(lines)
    pairs: dict[str, str] = {}
    while True:
        try:
            pairs.update((row[0], row[1]) for row in reader if len(row) > 1)
        except csv.Error:
            continue  # a cell beyond all measure
        return pairs


def _blocks(lines: Iterable[str]) -> Iterator[str]:
    """The lines, joined so that each block but the first begins as a row does."""
    block: list[str] = []
    for line in lines:
        if block and _ROW_START.match(line):
            yield "".join(block)
            block = []
        block.append(line)
    if block:
        yield "".join(block)


def _rows(blocks: Iterator[str], width: int) -> Iterator[Row]:
    waiting: list[str] = []
    while waiting or (waiting := list(islice(blocks, 1))):
        row, used = _first_row(waiting, blocks, width)
        yield row
        del waiting[:used]


def _first_row(waiting: list[str], blocks: Iterator[str], width: int) -> tuple[Row, int]:
    """The row that begins with the first block, and of how many blocks it is.

    Quotes are doubled, or else behind a backslash. `waiting` grows by the blocks looked at.
    """
    for escape in (None, "\\"):
        used = 0

        def taken() -> Iterator[str]:
            nonlocal used
            while used < _MOST_BLOCKS:
                if used == len(waiting):
                    waiting.extend(islice(blocks, 1))
                if used == len(waiting):
                    return
                used += 1
                yield waiting[used - 1]

        try:
            cells = next(csv.reader(taken(), strict=True, escapechar=escape), [])
        except csv.Error:
            continue
        if len(cells) == width:
            return Row(cells), used
    cells = _loose(waiting[0])
    return Row(cells, len(cells) == width), 1


def _loose(text: str) -> list[str]:
    """The text as one row, whatever its quotes; empty where even that fails."""
    try:
        return next(csv.reader([" ".join(text.splitlines())]), [])
    except csv.Error:
        return []
