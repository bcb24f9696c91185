"""What a row of the export's table of activities tells, and what it leaves in doubt."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from strava_backup.bulk_export.rows import Row, parse_table
from strava_backup.bulk_export.table import LOST, Entry, media_id, parse_entry
from strava_backup.demo import bulk_export
from strava_backup.demo.account import Account

ACCOUNT = Account.sample()
HEADER = [f"column {index}" for index in range(94)]
# https://github.com/martin-ueding/geo-activity-playground, testdata
REAL = {
    0: "12070555079",
    1: "May 29, 2022, 3:53:35 PM",
    2: "Laufen Landal Park",
    3: "Run",
    5: "1428",
    6: "3.32",
    9: "false",
    12: "activities/12866632127.fit.gz",
    15: "1428.0",
    16: "1411.0",
    17: "3322.949951171875",
}
SPEEDS = {18: "4.5", 19: "2.355", 20: "31.5", 21: "30.0", 22: "-2.0", 23: "17.4"}


def entry(cells: dict[int, str], **changes: Any) -> Entry:
    row = ["" for _ in HEADER]
    for index, cell in cells.items():
        row[index] = cell
    found = parse_entry(HEADER, Row(row, **changes))
    assert found is not None
    return found


def entries(text: bytes) -> list[Entry]:
    header, rows = parse_table(io.StringIO(text.decode("utf-8-sig"), newline=""))
    found = [parse_entry(header, row) for row in rows]
    return [one for one in found if one is not None]


def test_a_row_as_strava_wrote_it() -> None:
    found = entry(REAL)
    assert found.id == 12070555079
    assert found.file == "activities/12866632127.fit.gz"
    assert found.start == datetime(2022, 5, 29, 15, 53, 35, tzinfo=UTC)
    assert found.record == {
        "id": 12070555079,
        "name": "Laufen Landal Park",
        "resource_state": 2,
        "start_date": "2022-05-29T15:53:35Z",
        "sport_type": "Run",
        "elapsed_time": 1428,
        "moving_time": 1411,
        "distance": 3322.949951171875,
    }
    assert found.columns["column 6"] == "3.32"
    assert len(found.columns) == 94


def test_elevation_is_told_where_the_speeds_are_right() -> None:
    record = entry({**REAL, **SPEEDS}).record
    assert record["total_elevation_gain"] == 31.5
    assert (record["elev_low"], record["elev_high"]) == (-2.0, 17.4)


@pytest.mark.parametrize(
    ("changes", "untold"),
    [
        ({15: ""}, {"elapsed_time", "moving_time", "distance"}),
        ({15: "1500.0"}, {"elapsed_time", "moving_time", "distance"}),
        ({15: "1411.0", 16: "1428.0"}, {"elapsed_time", "moving_time", "distance"}),
        ({17: "9999.0"}, {"moving_time", "distance"}),
        ({17: ""}, {"moving_time", "distance"}),
        ({17: "NaN"}, {"moving_time", "distance"}),
        ({6: ""}, {"moving_time", "distance"}),
        ({16: "2000.0"}, {"moving_time"}),
        ({19: "9.9"}, {"total_elevation_gain"}),
        ({18: "1.0"}, {"total_elevation_gain"}),
        ({20: "-3.0"}, {"total_elevation_gain"}),
        ({22: "99.0"}, {"elev_low", "elev_high"}),
        ({3: "Lauf"}, {"sport_type"}),
        ({3: "Virtual Run"}, {"sport_type"}),
        ({1: "05/06/2022, 3:53:35 PM"}, {"start_date"}),
        ({1: "toukokuu"}, {"start_date"}),
    ],
)
def test_what_is_in_doubt_is_not_told(changes: dict[int, str], untold: set[str]) -> None:
    whole = entry({**REAL, **SPEEDS}).record
    assert untold <= whole.keys()
    assert not untold & entry({**REAL, **SPEEDS, **changes}).record.keys()


@pytest.mark.parametrize(
    ("rounded", "metres"),
    [
        ("3,32", "3322.95"),
        ("1.234,56", "1234560.0"),
        ("1,234.56", "1234560.0"),
        ("2.06", "3322.95"),
        ("1,500", "1500.0"),
        ("1500", "1500.0"),
        ("1640", "1500.0"),
        ("0.00", "0.0"),
        ("0", "0.0"),
    ],
)
def test_kilometres_miles_metres_and_yards_agree_with_metres(rounded: str, metres: str) -> None:
    record = entry({**REAL, 6: rounded, 17: metres, 16: "1.0"}).record
    assert record["distance"] == float(metres)


def test_seconds_with_thousands_agree() -> None:
    assert entry({**REAL, 5: "1.428"}).record["elapsed_time"] == 1428


@pytest.mark.parametrize("language", bulk_export.LANGUAGES)
@pytest.mark.parametrize("columns", [87, 94, 104])
def test_every_language_and_year_tells_the_same(language: str, columns: int) -> None:
    found = entries(bulk_export.table(ACCOUNT, language, columns))
    assert len(found) == len(ACCOUNT.activities)
    for one, activity in zip(found, ACCOUNT.activities, strict=True):
        detail = activity.detail
        assert one.id == activity.id
        assert one.file == bulk_export.original_name(activity)
        assert len(one.columns) == columns
        told = {name: value for name, value in one.record.items() if name != "resource_state"}
        assert told == {name: detail[name] for name in told}
        assert {"id", "name", "start_date", "elapsed_time", "distance", "moving_time"} <= set(told)


def test_the_short_form_tells_as_much_as_it_has() -> None:
    for one, activity in zip(
        entries(bulk_export.table(ACCOUNT, columns=10)), ACCOUNT.activities, strict=True
    ):
        assert one.file == bulk_export.original_name(activity)
        for name in ("name", "start_date", "elapsed_time", "distance"):
            assert one.record[name] == activity.detail[name]
        assert one.columns["id"] == str(activity.id)
        assert not one.media


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({12: "activities/1.gpx"}, "activities/1.gpx"),
        ({12: ""}, ""),
        ({12: LOST}, LOST),
        ({12: "activities/1.pwx"}, "activities/1.pwx"),
        ({12: "3.2", 14: "activities/1.tcx.gz"}, "activities/1.tcx.gz"),
        ({12: "3.2", 14: LOST}, LOST),
        ({12: "3.2", 13: "activities/1.fit", 14: "activities/2.fit"}, ""),
        ({12: "../../etc/passwd"}, ""),
    ],
)
def test_the_file_is_found_by_place_and_by_shape(cells: dict[int, str], expected: str) -> None:
    assert entry({0: "5", **cells}).file == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("media/A-1.jpg|media/b_2.mp4", ("media/A-1.jpg", "media/b_2.mp4")),
        ("media/a.jpg, media/b.jpg", ("media/a.jpg", "media/b.jpg")),
        ("media/a.jpg|media/a.jpg", ("media/a.jpg",)),
        ("media/../x.jpg", ()),
        ("", ()),
    ],
)
def test_photos_are_in_the_last_column_that_has_some(cell: str, expected: tuple[str, ...]) -> None:
    assert entry({0: "5", 93: cell}).media == expected
    assert entry({0: "5", 60: cell}).media == expected


def test_a_photo_has_its_name_as_id() -> None:
    assert media_id("media/6D1E-DE55.jpg") == "6D1E-DE55"


def test_of_columns_with_one_name_none_is_lost() -> None:
    row = Row(["5", "a", "b", "c", "d"])
    found = parse_entry(["id", "x", "x", "x (2)", "x"], row)
    assert found is not None
    assert found.columns == {"id": "5", "x": "a", "x (2)": "b", "x (2) (2)": "c", "x (3)": "d"}


def test_of_a_broken_row_only_the_beginning_and_what_has_a_shape_is_told() -> None:
    found = parse_entry(HEADER, Row([REAL.get(index, "") for index in range(30)], is_whole=False))
    assert found is not None
    assert found.record.keys() == {"id", "name", "resource_state", "start_date", "sport_type"}
    assert found.file == REAL[12]


@pytest.mark.parametrize("cells", [[], [""], ["0"], ["x1"], ["-5"], ["1" * 21]])
def test_a_row_without_an_id_tells_nothing(cells: list[str]) -> None:
    assert parse_entry(HEADER, Row(cells)) is None
