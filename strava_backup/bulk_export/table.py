"""Pure: a row of the export's `activities.csv` -> what it tells of an activity.

Headers are in the athlete's language, and columns have come and gone, so that columns are told by
where they stand and by the shape of what is in them; where both leave a doubt, nothing is told.
Does no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import NamedTuple

from strava_backup.bulk_export import dates
from strava_backup.bulk_export.rows import Row
from strava_backup.strava.records import SUMMARY_STATE, Record

# What Strava puts in place of a file name that it fails to find
# (https://github.com/timelinize/timelinize/issues/137).
LOST = "#error#"

# In every variant from 2018 on: id, date, name, type, description, seconds, distance.
_ID, _DATE, _NAME, _TYPE, _DESCRIPTION, _SECONDS, _DISTANCE = range(7)
# The long form, of 87 columns and more, with numbers as they are from `_RAW_SECONDS` on.
_FILE = 12
_RAW_SECONDS, _RAW_MOVING, _RAW_DISTANCE = 15, 16, 17
_RAW_MAX_SPEED, _RAW_SPEED, _RAW_GAIN, _RAW_LOW, _RAW_HIGH = 18, 19, 20, 22, 23
# The short form of 2018 has metres, and its file name last.
_SHORT_WIDTH = 10

_ID_SHAPE = re.compile(r"[0-9]{1,20}")
_FILE_SHAPE = re.compile(r"activities/\d+\.(?:fit|tcx|gpx|json)(?:\.gz)?")
_MEDIA_SHAPE = re.compile(r"media/[\w.-]+")
_NUMBER_SHAPE = re.compile(r"-?\d+(?:[.,]\d+)?")
# Metres in the units of the rounded distance: kilometres, miles; pools have metres and yards.
_UNITS = (1000.0, 1609.344, 1.0, 0.9144)

# https://developers.strava.com/docs/reference/#api-models-SportType
_SPORT_TYPES = (
    "AlpineSki BackcountrySki Badminton Canoeing Crossfit EBikeRide Elliptical EMountainBikeRide "
    "Golf GravelRide Handcycle HighIntensityIntervalTraining Hike IceSkate InlineSkate Kayaking "
    "Kitesurf MountainBikeRide NordicSki Pickleball Pilates Racquetball Ride RockClimbing "
    "RollerSki Rowing Run Sail Skateboard Snowboard Snowshoe Soccer Squash StairStepper "
    "StandUpPaddling Surfing Swim TableTennis Tennis TrailRun Velomobile VirtualRide VirtualRow "
    "VirtualRun Walk WeightTraining Wheelchair Windsurf Workout Yoga"
)


class Entry(NamedTuple):
    """One activity of the export. `file` is the name of its original there; empty where there is
    none. `start` is None where the date cannot be read for sure.
    """

    id: int
    name: str
    start: datetime | None
    file: str
    media: tuple[str, ...]
    record: Record
    columns: dict[str, str]


def parse_entry(
    header: Sequence[str], row: Row, *, is_day_first: bool | None = None
) -> Entry | None:
    """What a row tells; None where it has no id.

    `is_day_first` tells how the table's dates of numbers are to be read, if that is known.
    """
    cells = row.cells
    if not has_id(row):
        return None
    start = dates.parse_date(_cell(cells, _DATE), is_day_first=is_day_first)
    return Entry(
        int(cells[_ID]),
        _cell(cells, _NAME),
        start,
        _file(cells),
        _media(cells),
        _record(cells, start, row.is_whole),
        _columns(header, cells),
    )


def has_id(row: Row) -> bool:
    """Whether a row begins with an id."""
    return _ID_SHAPE.fullmatch(_cell(row.cells, _ID)) is not None and int(row.cells[_ID]) > 0


def date_of(row: Row) -> str:
    """The cell with a row's date."""
    return _cell(row.cells, _DATE)


def media_id(name: str) -> str:
    """The id of the photo in a file such as `media/6D1E-DE55.jpg`: its name without suffix."""
    return PurePosixPath(name).name.partition(".")[0]


def _cell(cells: Sequence[str], index: int) -> str:
    return cells[index] if index < len(cells) else ""


def _file(cells: Sequence[str]) -> str:
    """The file name, by its place, or by its shape where something else is in that place."""
    cell = _cell(cells, _SHORT_WIDTH - 1 if len(cells) == _SHORT_WIDTH else _FILE)
    if cell == LOST or _FILE_SHAPE.fullmatch(cell):
        return cell
    found = [one for one in cells if one == LOST or _FILE_SHAPE.fullmatch(one)]
    return found[0] if len(found) == 1 else cell if cell.startswith("activities/") else ""


def _media(cells: Sequence[str]) -> tuple[str, ...]:
    """The names of photos, which are in the last column where there is one for them."""
    for cell in reversed(cells):
        names = [name.strip() for name in re.split("[|,]", cell)]
        if all(map(_MEDIA_SHAPE.fullmatch, names)):
            return tuple(dict.fromkeys(names))
    return ()


def _columns(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Every cell as it came by its header; the second `Distance` is `Distance (2)`."""
    columns: dict[str, str] = {}
    for index, cell in enumerate(cells):
        title = _cell(header, index)
        name, number = title, 1
        while name in columns:
            number += 1
            name = f"{title} ({number})"
        columns[name] = cell
    return columns


def _record(cells: Sequence[str], start: datetime | None, is_whole: bool) -> Record:
    """The activity in the API's field names, as far as that is sure."""
    record: Record = {
        "id": int(cells[_ID]),
        "name": _cell(cells, _NAME),
        "resource_state": SUMMARY_STATE,
    }
    if start is not None:
        record["start_date"] = iso(start)
    if _cell(cells, _TYPE) in _SPORT_TYPES.split():
        record["sport_type"] = cells[_TYPE]
    if not is_whole:
        return record
    if cells[_DESCRIPTION]:
        record["description"] = cells[_DESCRIPTION]
    return record | (_short_numbers(cells) if len(cells) == _SHORT_WIDTH else _long_numbers(cells))


def iso(moment: datetime) -> str:
    """A moment in UTC as the API words it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _short_numbers(cells: Sequence[str]) -> Record:
    seconds, metres = _number(cells[_SECONDS]), _number(cells[_DISTANCE])
    return _known(elapsed_time=_whole(seconds), distance=metres)


def _long_numbers(cells: Sequence[str]) -> Record:
    """Numbers of the second block: seconds and metres, which the first one has in the athlete's
    language and units, rounded. Where the two do not agree, columns have moved.
    """
    numbers = [_number(_cell(cells, index)) for index in range(_RAW_HIGH + 1)]
    seconds, moving, metres = numbers[_RAW_SECONDS : _RAW_DISTANCE + 1]
    if seconds is None or re.sub(r"\D", "", cells[_SECONDS]) != f"{seconds:.0f}":
        return {}
    record = _known(elapsed_time=_whole(seconds))
    if metres is None or not _agree(_cell(cells, _DISTANCE), metres):
        return record
    record["distance"] = metres
    if moving is None or not 0 <= moving <= seconds:
        return record
    record |= _known(moving_time=_whole(moving))
    top, speed, gain = numbers[_RAW_MAX_SPEED], numbers[_RAW_SPEED], numbers[_RAW_GAIN]
    low, high = numbers[_RAW_LOW], numbers[_RAW_HIGH]
    # Speed says that the columns behind the distance are where they should be.
    if speed is None or not moving or abs(speed - metres / moving) > 0.1 * speed:
        return record
    if (top is not None and top < speed) or (gain is not None and gain < 0):
        return record
    record |= _known(total_elevation_gain=gain)
    if low is not None and high is not None and low <= high:
        record |= _known(elev_low=low, elev_high=high)
    return record


def _known(**fields: float | None) -> Record:
    return {name: value for name, value in fields.items() if value is not None}


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def _number(text: str) -> float | None:
    """A number without thousands, whatever its decimal point."""
    return float(text.replace(",", ".")) if _NUMBER_SHAPE.fullmatch(text) else None


def _agree(rounded: str, metres: float) -> bool:
    """Whether the metres, in some unit, are the rounded distance in the athlete's language."""
    *whole, decimals = re.split(r"[.,]", re.sub(r"[^\d.,]", "", rounded))
    readings = {"".join([*whole, decimals]), f"{''.join(whole)}.{decimals}"}
    values = [float(reading) for reading in readings if re.search(r"\d", reading)]
    step = 10 ** -len(decimals) if whole else 1.0
    return any(
        abs(value * unit - metres) <= 1.01 * unit * step for value in values for unit in _UNITS
    )
