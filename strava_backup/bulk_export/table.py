"""Pure: parse the rows of the export's `activities.csv` into activities. Does no I/O.

Headers are in the athlete's language, and Strava adds and removes columns. Columns are therefore
found by the positions of titles that occur twice; ambiguous ones are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from strava_backup.bulk_export import dates
from strava_backup.bulk_export.columns import sport_type
from strava_backup.bulk_export.rows import Row, Table
from strava_backup.strava.records import SUMMARY_STATE, Record
from strava_backup.timestamps import utc_timestamp

# Strava writes this instead of the name of a file that it cannot find
# (https://github.com/timelinize/timelinize/issues/137).
MISSING_FILE = "#error#"

# All variants since 2018 begin with id, date, name, type, description, seconds, distance.
_ID, _DATE, _NAME, _TYPE, _DESCRIPTION, SECONDS, _DISTANCE = range(7)
# The long form has a second block of columns, with unrounded numbers, from the elapsed time on.
_FILE, _METRES, _COMMUTE = -3, 2, 35
_RAW_NUMBERS = {
    "elapsed_time": 0,
    "moving_time": 1,
    "distance": _METRES,
    "total_elevation_gain": 5,
    "elev_low": 7,
    "elev_high": 8,
}
# One or two columns and the file follow the commute of the first block.
_FIRST_COMMUTES = (_FILE - 2, _FILE - 3)
_ENGLISH_COMMUTE = "Commute"
# The form of 2018 and 2019 has no second block; distances are in metres, the file name is last.
_SHORT_WIDTHS = (10, 11)
# Less than any speed in metres per second, more than any in kilometres or miles per second.
_SLOWEST = 0.1

_ID_SHAPE = re.compile(r"'?([0-9]{1,20})(?:[.,]0{1,9})?")
_FILE_SHAPE = re.compile(r"activities[/\\][^/\\\s]+")
_MEDIA_SHAPE = re.compile(r"media[/\\][^/\\]+")
_NUMBER_SHAPE = re.compile(r"-?[0-9]{1,15}(?:[.,][0-9]{1,30})?")
_SECONDS_SHAPE = re.compile(r"([0-9]{1,12})(?:[.,]0{1,9})?")
_TAG = re.compile(r"<[^<>]*>")
_COMMUTES = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


K = TypeVar("K")


class Columns(NamedTuple):
    """The indexes of a table's columns; None if a column is missing or ambiguous.

    `titles` are unique. `raw` is the first column of the second block. `commutes` are the columns
    of commutes, the preferred one first. `is_resaved` is set if another program saved the table,
    and may have changed numbers.
    """

    titles: tuple[str, ...]
    raw: int | None = None
    file: int | None = None
    commutes: tuple[int, ...] = ()
    is_short: bool = False
    is_resaved: bool = False


class Summary(NamedTuple):
    """Facts about a whole table. `problem` is the reason if it has no usable activity."""

    columns: Columns
    ids: set[int]
    is_day_first: bool | None
    row_count: int
    problem: str | None


class Entry(NamedTuple):
    """One activity of the export. `file` is the name of its original there, empty if it has none.
    `start` is None if the date is ambiguous.
    """

    id: int
    name: str
    start: datetime | None
    file: str
    media: tuple[str, ...]
    record: Record
    columns: dict[str, str]


def summarize(found: Table) -> Summary:
    """Return facts about a whole table, and consume its rows."""
    columns = find_columns(found.header, is_resaved=is_resaved(found.separator))
    ids: set[int] = set()
    row_count = 0
    short_form = _ShortForm(columns)

    def dates_of_rows() -> Iterator[str]:
        nonlocal row_count
        for row in found.rows:
            row_count += 1
            activity_id = id_of(row)
            if activity_id is not None:
                ids.add(activity_id)
            short_form.check(row)
            yield _cell(row.cells, _DATE)

    is_day_first = dates.find_day_first(dates_of_rows())
    if short_form.is_certain():
        columns = columns._replace(is_short=True, file=len(columns.titles) - 1)
    problem = _problem(found.header, row_count, len(ids))
    return Summary(columns, ids, is_day_first, row_count, problem)


def is_resaved(separator: str) -> bool:
    """Return whether another program saved the table with this character between its cells."""
    return separator != ","


def find_columns(header: Sequence[str], *, is_resaved: bool = False) -> Columns:
    """Return the columns of a table with that header.

    In every long table of any language and year, the titles of elapsed time and distance occur
    again in exactly one position with one column between them.
    """
    titles = [without_tags(title) for title in header]
    columns = Columns(_unique(header), is_resaved=is_resaved)
    raws = [
        index
        for index in range(_DISTANCE + 1, len(titles) - _METRES)
        if _returns(titles, SECONDS, index) and _returns(titles, _DISTANCE, index + _METRES)
    ]
    if len(raws) != 1:
        return columns
    (raw,) = raws
    return columns._replace(raw=raw, file=raw + _FILE, commutes=_find_commutes(titles, raw))


def parse_entry(columns: Columns, row: Row, *, is_day_first: bool | None = None) -> Entry | None:
    """Return the activity of a row; None if it has no id.

    `is_day_first` is the order of the table's numeric dates, if known.
    """
    activity_id = id_of(row)
    if activity_id is None:
        return None
    cells = _complete_cells(row)
    start = dates.parse_date(_cell(cells, _DATE), is_day_first=is_day_first)
    record: Record = {
        "id": activity_id,
        "name": _cell(cells, _NAME),
        "resource_state": SUMMARY_STATE,
        **_known(
            start_date=utc_timestamp(start) if start else None,
            sport_type=sport_type(_cell(cells, _TYPE)),
        ),
    }
    if row.is_whole:
        record |= _known(description=_cell(cells, _DESCRIPTION) or None)
        record |= _numbers(columns, cells)
    return Entry(
        activity_id,
        _cell(cells, _NAME),
        start,
        _file(columns, row),
        _media(cells),
        record,
        _by_title(columns.titles, row.cells),
    )


def parse_values(columns: Columns, cells: Sequence[str]) -> Record:
    """Return the sport and the numbers of a whole row, in seconds and metres."""
    return _known(sport_type=sport_type(_cell(cells, _TYPE))) | _numbers(columns, cells)


def id_of(row: Row) -> int | None:
    """Return the id at the beginning of a row; None if it is missing or may be truncated."""
    found = _ID_SHAPE.fullmatch(_cell(_complete_cells(row), _ID).strip())
    return (int(found[1]) or None) if found else None


def media_id(name: str) -> str:
    """Return the id of the photo in a file like `media/6D1E-DE55.jpg`: its name without suffix."""
    return re.split(r"[/\\]", name)[-1].partition(".")[0]


def unchanged(numbers: Mapping[K, str], raw_seconds: str, seconds: str) -> dict[K, str]:
    """Return the numbers of a row that no spreadsheet program has changed.

    If a point separates thousands in its locale, it turns 3322.949 into 3322949, but does not
    change 1428.0: if the seconds still have a fraction, unchanged numbers have one, too.
    """
    elapsed = _parse_seconds(seconds)
    if elapsed is None or _number(raw_seconds) != elapsed:
        return {}
    if raw_seconds.isdecimal():
        return dict(numbers)
    return {name: cell for name, cell in numbers.items() if not cell.isdecimal()}


def without_tags(title: str) -> str:
    """Return a title without the HTML around it, which Strava adds if it lacks the translation."""
    return _TAG.sub("", title).strip()


class _ShortForm:
    """Checks whether a table is in the short form. Ten columns may also be the remainder of an
    edited long form, with other units and without files.
    """

    def __init__(self, columns: Columns) -> None:
        self._is_possible = columns.raw is None and len(columns.titles) in _SHORT_WIDTHS
        self._has_distance = self._slow = 0

    def check(self, row: Row) -> None:
        if not self._is_possible or not row.is_whole:
            return
        self._is_possible = row.cells[-1] in ("", MISSING_FILE) or _is_file(row.cells[-1])
        seconds, metres = _seconds(row.cells), _number(row.cells[_DISTANCE])
        if seconds and metres:
            self._has_distance += 1
            self._slow += metres < _SLOWEST * seconds

    def is_certain(self) -> bool:
        return self._is_possible and self._slow * 10 <= self._has_distance


def _problem(header: Sequence[str], row_count: int, id_count: int) -> str | None:
    if not header:
        return "is empty"
    if id_of(Row(list(header))) is not None:
        return "has no header in its first line"
    is_page = header[0].lower().startswith(("<!", "<html"))
    if not row_count and (is_page or len(header) < min(_SHORT_WIDTHS)):
        return "is no table of activities"
    if row_count and not id_count:
        return "has no row that begins with the id of an activity"
    return None


def _complete_cells(row: Row) -> list[str]:
    """Return the complete cells: the last one of a row may be truncated."""
    return row.cells if row.is_whole else row.cells[:-1]


def _cell(cells: Sequence[str], index: int) -> str:
    return cells[index] if index < len(cells) else ""


def _returns(titles: Sequence[str], first: int, again: int) -> bool:
    """Return whether two columns have the same title; pandas adds `.1` to the second one."""
    title, other = titles[first], _cell(titles, again)
    return bool(title) and other in (title, f"{title}.1")


def _unique(header: Sequence[str]) -> tuple[str, ...]:
    """Return unique titles: the second `Distance` becomes `Distance (2)`."""
    titles: dict[str, None] = {}
    for title in header:
        name, number = title, 1
        while name in titles:
            number += 1
            name = f"{title} ({number})"
        titles[name] = None
    return tuple(titles)


def _by_title(titles: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Return all cells, unchanged, by their titles."""
    if len(cells) > len(titles):
        titles = _unique([*titles, *[""] * (len(cells) - len(titles))])
    return dict(zip(titles, cells, strict=False))


def _is_file(cell: str) -> bool:
    return cell == MISSING_FILE or _FILE_SHAPE.fullmatch(cell) is not None


def _file(columns: Columns, row: Row) -> str:
    """Return the file name, found by its column, or by its form if the column is unknown."""
    if columns.file is not None and row.is_whole:
        return row.cells[columns.file].strip()
    found = [cell for cell in _complete_cells(row) if _is_file(cell)]
    return found[0] if len(found) == 1 else ""


def _media(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the names of photos and videos, from the last column that has some.

    Bars separate the names, and some are empty.
    """
    for cell in reversed(cells[_DISTANCE + 1 :]):
        if "media" not in cell:
            continue  # splitting some ninety cells per row takes longer than all other steps
        names = [name for one in re.split("[|,]", cell) if (name := one.strip())]
        files = [name for name in names if _MEDIA_SHAPE.fullmatch(name)]
        if files and all(name in (*files, MISSING_FILE) for name in names):
            return tuple(dict.fromkeys(names))
    return ()


def _numbers(columns: Columns, cells: Sequence[str]) -> Record:
    """Return numbers in seconds and metres.

    The first block of the long form is not used, except for the elapsed time: its numbers are
    rounded, in the athlete's language and units.
    """
    seconds = _seconds(cells)
    if columns.is_short:
        commute = [_COMMUTES[cell] for cell in cells[_DISTANCE:] if cell in ("true", "false")]
        return _known(
            elapsed_time=seconds,
            distance=_number(cells[_DISTANCE]),
            commute=commute[0] if len(commute) == 1 else None,
        )
    if columns.raw is None:
        return {}
    raw = {name: _cell(cells, columns.raw + at) for name, at in _RAW_NUMBERS.items()}
    if columns.is_resaved:
        raw = unchanged(raw, raw["elapsed_time"], _cell(cells, SECONDS))
    numbers = _known(**{name: _number(cell) for name, cell in raw.items()})
    for name in ("elapsed_time", "moving_time"):
        if name in numbers:
            numbers[name] = round(numbers[name])
    return _known(elapsed_time=seconds) | numbers | _known(commute=_commute(columns, cells))


def _find_commutes(titles: Sequence[str], raw: int) -> tuple[int, ...]:
    """Return the columns of commutes: both, or the first one of an English table without another.

    Before the file name, another column is where the commute is in other years.
    """
    firsts = [raw + back for back in _FIRST_COMMUTES]
    both = [(raw + _COMMUTE, one) for one in firsts if _returns(titles, one, raw + _COMMUTE)]
    alone = [(one,) for one in firsts if titles[one] == _ENGLISH_COMMUTE]
    return next(iter([*both, *alone]), ())


def _commute(columns: Columns, cells: Sequence[str]) -> bool | None:
    known = (cells[column] for column in columns.commutes if cells[column])
    return _COMMUTES.get(next(known, "").lower())


def _known(**fields: object) -> Record:
    return {name: value for name, value in fields.items() if value is not None}


def _seconds(cells: Sequence[str]) -> int | None:
    """Return the elapsed time of the first block."""
    return _parse_seconds(_cell(cells, SECONDS))


def _parse_seconds(text: str) -> int | None:
    found = _SECONDS_SHAPE.fullmatch(text.strip())
    return int(found[1]) if found else None


def _number(text: str) -> float | None:
    """Return a number without thousands separators, with either decimal separator."""
    text = text.strip()
    return float(text.replace(",", ".")) if _NUMBER_SHAPE.fullmatch(text) else None
