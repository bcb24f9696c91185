"""Pure: rows of `activities.csv`, in the form of an English export of 2026. Does no I/O.

Unknown values are empty. The first block of columns is rounded, with distances in kilometres; the
second block has seconds, metres and metres per second.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from strava_backup.bulk_export import table
from strava_backup.bulk_export.columns import FIRST_BLOCK, HEADER, MEDIA, SECOND_BLOCK, sport_name
from strava_backup.strava.records import Record

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_REPLACEMENT = "\ufffd"
# The csv module of Python 3.11 does not quote a carriage return.
_TO_QUOTE = re.compile('[,"\r\n]')

# A column: whether it is in the second block, and its title there.
Column = tuple[bool, str]
COLUMNS: tuple[Column, ...] = (
    *((False, title) for title in FIRST_BLOCK),
    *((True, title) for title in SECOND_BLOCK),
    (True, MEDIA),
)

# The API's fields for columns of numbers (https://developers.strava.com/docs/reference/).
_FIRST_NUMBERS = {"Max Heart Rate": "max_heartrate", "Relative Effort": "suffer_score"}
_SECOND_NUMBERS = {
    "Elapsed Time": "elapsed_time",
    "Moving Time": "moving_time",
    "Distance": "distance",
    "Max Speed": "max_speed",
    "Average Speed": "average_speed",
    "Elevation Gain": "total_elevation_gain",
    "Elevation Low": "elev_low",
    "Elevation High": "elev_high",
    "Average Cadence": "average_cadence",
    "Max Heart Rate": "max_heartrate",
    "Average Heart Rate": "average_heartrate",
    "Max Watts": "max_watts",
    "Average Watts": "average_watts",
    "Calories": "calories",
    "Average Temperature": "average_temp",
    "Relative Effort": "suffer_score",
    "Perceived Exertion": "perceived_exertion",
    "Weighted Average Power": "weighted_average_watts",
}
# Yes and no are 1.0 and 0.0 there.
_SECOND_FLAGS = {
    "Prefer Perceived Exertion": "prefer_perceived_exertion",
    "Commute": "commute",
    "Flagged": "flagged",
}
# The columns from which an import reads a field, in the form that is exported.
_READ: Mapping[str, tuple[Column, ...]] = {
    "sport_type": ((False, "Activity Type"),),
    "elapsed_time": ((False, "Elapsed Time"), (True, "Elapsed Time")),
    "moving_time": ((True, "Moving Time"),),
    "distance": ((False, "Distance"), (True, "Distance")),
    "total_elevation_gain": ((True, "Elevation Gain"),),
    "elev_low": ((True, "Elevation Low"),),
    "elev_high": ((True, "Elevation High"),),
    "commute": ((False, "Commute"), (True, "Commute")),
}
_FORM = table.find_columns(HEADER)


class Exported(NamedTuple):
    """An activity in an export: its record, and the values that its record does not have.

    `file` and `media` are the names of its files in the export, `imported` the cells of its row in
    an imported export.
    """

    id: int
    record: Record
    start: datetime | None
    gear: str = ""
    file: str = ""
    media: Sequence[str] = ()
    imported: Mapping[Column, str] = {}


def row(activity: Exported) -> list[str]:
    """Return the cells of an activity's row, in the order of COLUMNS.

    A value of the record has precedence over the imported cell, which is older. Equal ones stay as
    they were imported: Strava rounds and omits values in ways of its own.
    """
    known = _known_cells(activity)
    cells = {**activity.imported, **known, **_equal_cells(activity, known)}
    return [cells.get(column, "") for column in COLUMNS]


def to_csv(rows: Iterable[Iterable[str]]) -> bytes:
    """Return rows as CSV in UTF-8, with quotes if necessary.

    Characters that a CSV file cannot have, NUL and halves of surrogate pairs, are replaced.
    """
    return "".join(f"{','.join(map(_quoted, row))}\n" for row in rows).encode()


def export_date(moment: datetime) -> str:
    """Return a moment in UTC in the English form, like `May 29, 2022, 3:53:35 PM`."""
    utc = moment.astimezone(UTC)
    month, half = _MONTHS[utc.month - 1], "PM" if utc.hour >= 12 else "AM"
    clock = f"{(utc.hour - 1) % 12 + 1}:{utc.minute:02}:{utc.second:02}"
    return f"{month} {utc.day}, {utc.year}, {clock} {half}"


def find_start(record: Record) -> datetime | None:
    """Return an activity's start; None if it is unknown.

    Metadata of version 0.4, without `resource_state`, has wrong dates.
    """
    text = record.get("start_date")
    if not isinstance(text, str) or record.get("resource_state") is None:
        return None
    try:
        start = datetime.fromisoformat(text)
        return start.astimezone(UTC) if start.tzinfo else None
    except (ValueError, OverflowError):
        return None


def text_of(value: Any) -> str:
    """Return a value of a record if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def _known_cells(activity: Exported) -> dict[Column, str]:
    """Return the cells of the columns that are known, empty ones included."""
    record = activity.record
    first = {
        **_numbers(record, _FIRST_NUMBERS),
        **_texts(record),
        **_display(record),
        "Activity ID": str(activity.id),
        "Filename": activity.file,
    }
    second = {
        **_numbers(record, _SECOND_NUMBERS),
        **_flags(record),
        **_gear_id(record),
        MEDIA: "|".join(activity.media),
    }
    if activity.start is not None:
        first["Activity Date"] = export_date(activity.start)
    if activity.gear or "gear_id" in record:
        first["Activity Gear"] = activity.gear
    if "upload_id" in record:
        second["From Upload"] = "0.0" if record["upload_id"] is None else "1.0"
    return {
        **{(False, title): cell for title, cell in first.items()},
        **{(True, title): cell for title, cell in second.items()},
    }


def _equal_cells(activity: Exported, known: Mapping[Column, str]) -> dict[Column, str]:
    """Return the imported cells from which an import reads the values of the record."""
    imported = activity.imported
    if not imported:
        return {}
    cells = {**known, **imported}
    read = table.parse_values(_FORM, [cells.get(column, "") for column in COLUMNS])
    record = {**activity.record, "sport_type": _sport(activity.record)}
    equal = (name for name in _READ if name in read and read[name] == record.get(name))
    return {
        column: imported[column] for name in equal for column in _READ[name] if column in imported
    }


def _texts(record: Record) -> dict[str, str]:
    cells = {
        "Activity Name": "name",
        "Activity Description": "description",
        "Activity Private Note": "private_note",
    }
    return {title: text_of(record[name]) for title, name in cells.items() if name in record}


def _display(record: Record) -> dict[str, str]:
    """Return the cells of the first block that Strava rounds or puts into words."""
    cells = {}
    sport = _sport(record)
    if sport:
        cells["Activity Type"] = sport_name(sport)
    if "elapsed_time" in record:
        cells["Elapsed Time"] = _rounded(record["elapsed_time"])
    if "distance" in record:
        metres = _number(record["distance"])
        cells["Distance"] = "" if metres is None else f"{metres / 1000:.2f}"
    if "commute" in record:
        cells["Commute"] = _flag(record["commute"])
    return cells


def _sport(record: Record) -> str:
    """Return the sport; websites and old metadata have only one of the two fields."""
    return text_of(record.get("sport_type")) or text_of(record.get("type"))


def _gear_id(record: Record) -> dict[str, str]:
    """Return the cells with the id of the bike or the shoes, like `8939761.0`."""
    if "gear_id" not in record:
        return {}
    kind, number = text_of(record["gear_id"])[:1], text_of(record["gear_id"])[1:]
    cell = f"{number}.0" if number.isascii() and number.isdecimal() else ""
    return {"Bike": cell if kind == "b" else "", "Gear": cell if kind == "g" else ""}


def _numbers(record: Record, fields: Mapping[str, str]) -> dict[str, str]:
    return {title: _float(record[name]) for title, name in fields.items() if name in record}


def _flags(record: Record) -> dict[str, str]:
    cells = {True: "1.0", False: "0.0"}
    known = {title: record[name] for title, name in _SECOND_FLAGS.items() if name in record}
    return {
        title: cells[value] if isinstance(value, bool) else "" for title, value in known.items()
    }


def _float(value: Any) -> str:
    """Return a number with a decimal point and without an exponent; empty if it is none."""
    number = _number(value)
    if number is None:
        return ""
    text = repr(number)
    return f"{Decimal(text):f}" if "e" in text else text


def _rounded(value: Any) -> str:
    number = _number(value)
    return "" if number is None else str(round(number))


def _number(value: Any) -> float | None:
    """Return a finite number; None for another value. True is an int in Python, but no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _flag(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else ""


def _quoted(cell: str) -> str:
    text = _storable(cell)
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if _TO_QUOTE.search(text) else text


def _storable(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return (
        text.replace("\0", _REPLACEMENT)
        .encode("utf-16", "surrogatepass")
        .decode("utf-16", "replace")
    )
