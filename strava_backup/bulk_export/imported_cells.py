"""Pure: cells of an imported export, by the columns of an English export of 2026. Does no I/O.

Metadata keeps the cells by their titles, in the athlete's language and without their order. The
header of the imported table has the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from strava_backup.bulk_export import table
from strava_backup.bulk_export.activity_rows import COLUMNS, Column
from strava_backup.bulk_export.columns import FIRST_BLOCK, HEADER, SECOND_BLOCK
from strava_backup.bulk_export.rows import Table

_WIDTH, _FIRST_WIDTH = len(HEADER), len(FIRST_BLOCK)
# Texts of the athlete, which are the same in all languages. The type is in the athlete's language,
# and used only if it is not known in English.
_SAME_IN_ALL_LANGUAGES = ("Activity Type", "Activity Private Note", "Activity Gear")
_TEXTS = frozenset((False, title) for title in _SAME_IN_ALL_LANGUAGES)
_KNOWN = frozenset(COLUMNS)
_UNTRANSLATED = "translation missing:"
# The titles of 2018 and 2019 whose values no field of a record has.
_SHORT_FORM = {"gear": (False, "Activity Gear"), "relative_effort": (False, "Relative Effort")}


class Header(NamedTuple):
    """The columns of a table by its titles; those that are not certain are missing.

    If another program saved the table, `seconds` is the title of the first elapsed time.
    """

    columns: Mapping[str, Column]
    seconds: str = ""


# The headers of tables by all their titles.
Headers = Mapping[frozenset[str], Header]


def headers_of(tables: Iterable[Table]) -> Headers:
    """Return the headers of imported tables, and that of 2026. Consumes no rows.

    Of two tables with the same titles, the one that another program saved counts.
    """
    headers = [_header_of(HEADER, ","), *(_header_of(one.header, one.separator) for one in tables)]
    return dict(sorted(headers, key=lambda one: bool(one[1].seconds)))


def cells_of(headers: Headers, cells: Mapping[str, str]) -> dict[Column, str]:
    """Return the cells of a row by their columns, without numbers that may have been changed.

    Empty if no table has all these titles, so that their columns are not certain.
    """
    columns, seconds = headers.get(frozenset(cells), Header({}))
    found = {columns[title]: cell for title, cell in cells.items() if title in columns}
    return _unchanged(found, cells[seconds]) if seconds else found


def _unchanged(cells: dict[Column, str], seconds: str) -> dict[Column, str]:
    texts = {column: cell for column, cell in cells.items() if column in _TEXTS}
    return table.unchanged(cells, cells.get((True, "Elapsed Time"), ""), seconds) | texts


def _header_of(header: Sequence[str], separator: str) -> tuple[frozenset[str], Header]:
    titles, columns = _columns_of(header)
    is_resaved = table.is_resaved(separator) and len(titles) > table.SECONDS
    return frozenset(titles), Header(columns, titles[table.SECONDS] if is_resaved else "")


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
    column = (found.raw is not None and index >= found.raw, _translated(title))
    return column if column in _KNOWN else None


def _translated(title: str) -> str:
    """Return the title of 2026 for one that Strava failed to translate in 2020 to 2022."""
    title = table.without_tags(title)
    if title.startswith(_UNTRANSLATED):
        title = title.rpartition(".")[2].replace("_", " ").title()
    return title.replace("Avg ", "Average ")


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
