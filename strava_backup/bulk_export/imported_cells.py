"""Pure: cells of an imported export, by the columns of an English export of 2026. Does no I/O.

Metadata keeps the cells by their titles, in the athlete's language and without their order. The
header of the imported table has the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from strava_backup.bulk_export import table
from strava_backup.bulk_export.activity_rows import COLUMNS, Column
from strava_backup.bulk_export.columns import FIRST_BLOCK, HEADER, SECOND_BLOCK

_WIDTH, _FIRST_WIDTH = len(HEADER), len(FIRST_BLOCK)
# Texts of the athlete, which are the same in all languages. The type is in the athlete's language,
# and used only if it is not known in English.
_SAME_IN_ALL_LANGUAGES = ("Activity Type", "Activity Private Note", "Activity Gear")
_KNOWN = frozenset(COLUMNS)
# The titles of 2018 and 2019 whose values no field of a record has.
_SHORT_FORM = {"gear": (False, "Activity Gear"), "relative_effort": (False, "Relative Effort")}

# The titles of an imported table, and the column of each title that has one.
Headers = Mapping[frozenset[str], Mapping[str, Column]]


def headers_of(headers: Iterable[Sequence[str]]) -> Headers:
    """Return the columns of imported tables with these headers, and of those of 2026."""
    return {
        frozenset(titles): columns
        for header in (HEADER, *headers)
        for titles, columns in [_columns_of(header)]
    }


def cells_of(headers: Headers, cells: Mapping[str, str]) -> dict[Column, str]:
    """Return the cells of a row by their columns.

    Empty if no table has all these titles, so that their columns are not certain.
    """
    columns = headers.get(frozenset(cells), {})
    return {columns[title]: cell for title, cell in cells.items() if title in columns}


def _columns_of(header: Sequence[str]) -> tuple[tuple[str, ...], dict[str, Column]]:
    """Return the unique titles of a table, and the columns that are certain.

    Titles of an English table name their columns. In other languages only positions do.
    """
    found = table.find_columns(header)
    if found.raw is None:
        return found.titles, {title: _SHORT_FORM[title] for title in header if title in _SHORT_FORM}
    is_english = header[0] == HEADER[0]
    columns = (
        (title, _by_title(plain, index, found) if is_english else _by_position(index, found))
        for index, (title, plain) in enumerate(zip(found.titles, header, strict=True))
    )
    return found.titles, {title: column for title, column in columns if column is not None}


def _by_title(title: str, index: int, found: table.Columns) -> Column | None:
    column = (found.raw is not None and index >= found.raw, title.strip())
    return column if column in _KNOWN else None


def _by_position(index: int, found: table.Columns) -> Column | None:
    """Return the column at an index of a table in another language, if it is certain.

    The elapsed times and distances of both blocks are in the same positions in all tables. If the
    commutes are as well, so are the columns between them; all columns are if the table is as wide
    as those of 2026.
    """
    if found.raw != _FIRST_WIDTH:
        return None
    if index < _FIRST_WIDTH:
        title = FIRST_BLOCK[index]
        return (False, title) if title in _SAME_IN_ALL_LANGUAGES else None
    certain = SECOND_BLOCK.index("Commute") + 1 if len(found.commutes) > 1 else 0
    if certain and len(found.titles) == _WIDTH:
        certain = len(SECOND_BLOCK)
    offset = index - _FIRST_WIDTH
    return (True, SECOND_BLOCK[offset]) if offset < certain else None
