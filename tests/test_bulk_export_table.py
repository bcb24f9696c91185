"""Rows of the export's table of activities are parsed; ambiguous cells are skipped."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.bulk_export.columns import FIRST_BLOCK, SECOND_BLOCK
from strava_backup.bulk_export.rows import Row, parse_table
from strava_backup.bulk_export.table import (
    MISSING_FILE,
    Columns,
    Entry,
    Summary,
    find_columns,
    id_of,
    media_id,
    parse_entry,
    summarize,
)
from strava_backup.demo.account import Account
from tests import account_export

ACCOUNT = Account.sample()
HEADER = parse_table(io.StringIO(account_export.table(ACCOUNT).decode(), newline="")).header
NO_ANCHOR = [f"column {index}" for index in range(94)]
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
SPEEDS = {18: "4.5", 19: "2.355"}
ELEVATION = {20: "31.5", 22: "-2.0", 23: "17.4"}


def entry(
    cells: dict[int, str],
    header: Sequence[str] = HEADER,
    *,
    is_resaved: bool = False,
    **changes: Any,
) -> Entry:
    row = ["" for _ in header]
    for index, cell in cells.items():
        row[index] = cell
    found = parse_entry(find_columns(header, is_resaved=is_resaved), Row(row, **changes))
    assert found is not None
    return found


def summarized(text: str) -> tuple[Summary, list[Entry]]:
    found = summarize(parse_table(io.StringIO(text, newline="")))
    rows = parse_table(io.StringIO(text, newline="")).rows
    entries = [parse_entry(found.columns, row, is_day_first=found.is_day_first) for row in rows]
    return found, [one for one in entries if one is not None]


def entries(text: bytes) -> list[Entry]:
    return summarized(text.decode("utf-8-sig"))[1]


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
        "commute": False,
    }
    assert found.columns["Distance"] == "3.32"
    assert found.columns["Distance (2)"] == "3322.949951171875"
    assert len(found.columns) == 94


@pytest.mark.parametrize("speeds", [SPEEDS, {18: "4.5", 19: ""}, {}])
def test_elevation_is_in_columns_of_its_own(speeds: dict[int, str]) -> None:
    record = entry({**REAL, **speeds, **ELEVATION}).record
    assert record["total_elevation_gain"] == 31.5
    assert (record["elev_low"], record["elev_high"]) == (-2.0, 17.4)


@pytest.mark.parametrize(
    ("changes", "skipped"),
    [
        ({5: "", 15: ""}, {"elapsed_time"}),
        ({5: "23:48", 15: "NaN"}, {"elapsed_time"}),
        ({5: "1.428", 15: ""}, {"elapsed_time"}),
        ({17: ""}, {"distance"}),
        ({17: "NaN"}, {"distance"}),
        ({17: "3,322.95"}, {"distance"}),
        ({17: "9" * 400}, {"distance"}),
        ({5: "9" * 400, 15: "9" * 400}, {"elapsed_time"}),
        ({16: ""}, {"moving_time"}),
        ({20: ""}, {"total_elevation_gain"}),
        ({22: ""}, {"elev_low"}),
        ({9: "falsch"}, {"commute"}),
        ({3: "Lauf"}, {"sport_type"}),
        ({1: "05/06/2022, 3:53:35 PM"}, {"start_date"}),
        ({1: "toukokuu"}, {"start_date"}),
    ],
)
def test_ambiguous_cells_are_skipped(changes: dict[int, str], skipped: set[str]) -> None:
    whole = entry({**REAL, **ELEVATION}).record
    assert whole.keys() - entry({**REAL, **ELEVATION, **changes}).record.keys() == skipped


def test_where_the_raw_elapsed_time_is_blank_the_first_one_is_the_same() -> None:
    record = entry({**REAL, 15: ""}).record
    assert record == entry(REAL).record


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("false", "1.0", True),
        ("false", "0.0", False),
        ("true", "", True),
        ("", "true", True),
        ("ano", "1.0", True),
        ("ano", "", None),
        ("", "", None),
        ("true", "2.0", None),
    ],
)
def test_the_second_column_of_commutes_counts(
    first: str, second: str, expected: bool | None
) -> None:
    assert entry({**REAL, 9: first, 50: second}).record.get("commute") is expected


@pytest.mark.parametrize(
    ("first", "rest", "expected"),
    [
        (FIRST_BLOCK, SECOND_BLOCK[:3], True),
        ([title for title in FIRST_BLOCK if "Note" not in title], SECOND_BLOCK[:3], True),
        # Other columns are where the second commutes are in whole tables.
        (FIRST_BLOCK, [*SECOND_BLOCK[:35], *SECOND_BLOCK[36:]], True),
        (["Viaje" if one == "Commute" else one for one in FIRST_BLOCK], SECOND_BLOCK[:3], None),
    ],
)
def test_a_single_column_of_commutes_counts_in_english(
    first: Sequence[str], rest: Sequence[str], expected: bool | None
) -> None:
    header = [*first, *rest]
    cells = ["true" if title in ("Commute", "Viaje") else "0.0" for title in header]
    found = parse_entry(find_columns(header), Row(["7", *cells[1:]]))
    assert found is not None
    assert found.record.get("commute") is expected


@pytest.mark.parametrize("language", account_export.LANGUAGES)
@pytest.mark.parametrize("columns", [*account_export.WIDTHS[2:], 104])
def test_every_language_and_year_tells_the_same(language: str, columns: int) -> None:
    found = entries(account_export.table(ACCOUNT, language, columns))
    assert len(found) == len(ACCOUNT.activities)
    for one, activity in zip(found, ACCOUNT.activities, strict=True):
        detail = activity.detail
        assert one.id == activity.id
        assert one.file == account_export.original_name(activity)
        assert len(one.columns) == columns
        fields = {name: value for name, value in one.record.items() if name != "resource_state"}
        assert fields == {name: detail[name] for name in fields}
        assert {
            "id",
            "name",
            "start_date",
            "elapsed_time",
            "distance",
            "moving_time",
            "total_elevation_gain",
            "commute",
        } <= set(fields)


@pytest.mark.parametrize("columns", [10, 11])
def test_the_short_form_tells_as_much_as_it_has(columns: int) -> None:
    found = entries(account_export.table(ACCOUNT, columns=columns))
    for one, activity in zip(found, ACCOUNT.activities, strict=True):
        assert one.file == account_export.original_name(activity)
        for name in ("name", "start_date", "elapsed_time", "distance", "commute"):
            assert one.record[name] == activity.detail[name]
        assert one.columns["id"] == str(activity.id)
        assert not one.media


@pytest.mark.parametrize("columns", range(2, 14))
def test_a_long_table_without_its_second_block_has_no_distance(columns: int) -> None:
    text = io.StringIO(account_export.table(ACCOUNT).decode(), newline="")
    header, rows, _ = parse_table(text)
    cut = [
        ",".join(f'"{cell}"' for cell in row[:columns])
        for row in [header, *(one.cells for one in rows)]
    ]
    found = entries("\n".join(cut).encode())
    assert [one.id for one in found] == [one.id for one in ACCOUNT.activities]
    assert all("distance" not in one.record for one in found)
    assert all("start_date" in one.record for one in found)


@pytest.mark.parametrize(
    ("header", "raw", "file"),
    [
        ([*"0123456", "7", "8", "9", "f", "11", "12", "5", "m", "6"], 13, 10),
        ([*"0123456", "7", "8", "9", "f", "11", "12", "5.1", "m", "6.1"], 13, 10),
        ([*"01234", "<b>5</b>", "6", "7", "8", "9", "f", "11", "12", "5", "m", "6"], 13, 10),
        ([*"0123456", "f", "8", "9", "5", "m", "6", "5", "m", "6"], None, None),
        ([*"0123456", "f", "8", "9", "5", "m", "7", "5", "6"], None, None),
        ([*"0123456", "5", "6"], None, None),
        ([*"01234", "", "", *[""] * 9], None, None),
        ([*"0123456"], None, None),
        ([], None, None),
    ],
)
def test_the_second_block_is_where_two_titles_return(
    header: list[str], raw: int | None, file: int | None
) -> None:
    columns = find_columns(header)
    assert (columns.raw, columns.file) == (raw, file)


def test_without_the_second_block_numbers_are_left_out_and_the_file_has_its_shape() -> None:
    found = entry(REAL, NO_ANCHOR)
    assert found.record.keys() == {"id", "name", "resource_state", "start_date", "sport_type"}
    assert found.file == REAL[12]


def test_what_titles_are_is_of_no_account() -> None:
    spans = [f'<span class="translation_missing" title="{one}">{one}</span>' for one in HEADER]
    found = entry({**REAL, **ELEVATION}, spans)
    assert found.record == entry({**REAL, **ELEVATION}).record
    assert found.columns[spans[6]] == "3.32"


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        (HEADER, {12: "activities/1.gpx"}, "activities/1.gpx"),
        (HEADER, {12: "activities/1.bin.gz"}, "activities/1.bin.gz"),
        (HEADER, {12: ""}, ""),
        (HEADER, {12: "", 4: "activities/2.fit"}, ""),
        (HEADER, {12: MISSING_FILE}, MISSING_FILE),
        (HEADER, {12: "what"}, "what"),
        (NO_ANCHOR, {12: "3.2", 14: "activities/1.tcx.gz"}, "activities/1.tcx.gz"),
        (NO_ANCHOR, {12: "3.2", 14: "activities/1.bin.gz"}, "activities/1.bin.gz"),
        (NO_ANCHOR, {12: "3.2", 14: MISSING_FILE}, MISSING_FILE),
        (NO_ANCHOR, {12: "3.2", 13: "activities/1.fit", 14: "activities/2.fit"}, ""),
        (NO_ANCHOR, {12: "../../etc/passwd"}, ""),
        (NO_ANCHOR, {4: "activities/of a lifetime"}, ""),
    ],
)
def test_the_file_is_found_by_place_or_else_by_shape(
    header: list[str], cells: dict[int, str], expected: str
) -> None:
    assert entry({0: "5", **cells}, header).file == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("media/A-1.jpg|media/b_2.mp4", ("media/A-1.jpg", "media/b_2.mp4")),
        ("||media/A.jpg|media/B.mp4", ("media/A.jpg", "media/B.mp4")),
        ("| media/A.jpg ||media/B.jpg |", ("media/A.jpg", "media/B.jpg")),
        ("media/a.jpg, media/b.jpg", ("media/a.jpg", "media/b.jpg")),
        ("media/a.jpg|media/a.jpg", ("media/a.jpg",)),
        ("media/a+b é.jpg|media/c.jpg", ("media/a+b é.jpg", "media/c.jpg")),
        ("media/a.jpg|#error#", ("media/a.jpg", MISSING_FILE)),
        ("media/../x.jpg", ()),
        ("||", ()),
        (MISSING_FILE, ()),
        ("", ()),
    ],
)
def test_photos_are_in_the_last_column_that_has_some(cell: str, expected: tuple[str, ...]) -> None:
    assert entry({0: "5", 93: cell}).media == expected
    assert entry({0: "5", 60: cell}).media == expected


def test_no_name_or_description_is_a_photo() -> None:
    assert entry({0: "5", 2: "media/a.jpg", 4: "media/a.jpg"}).media == ()


def test_a_photo_has_its_name_as_id() -> None:
    assert media_id("media/6D1E-DE55.jpg") == "6D1E-DE55"
    assert media_id("media\\6D1E-DE55.jpg") == "6D1E-DE55"


@pytest.mark.parametrize(
    ("display", "expected"),
    [
        ("Virtual Ride", "VirtualRide"),
        ("Weight Training", "WeightTraining"),
        ("E-Bike Ride", "EBikeRide"),
        ("E-Mountain Bike Ride", "EMountainBikeRide"),
        ("Alpine Ski", "AlpineSki"),
        ("Stand Up Paddling", "StandUpPaddling"),
        ("stand-up paddling", "StandUpPaddling"),
        ("Canoe", "Canoeing"),
        ("HIIT", "HighIntensityIntervalTraining"),
        ("Rock Climb", "RockClimbing"),
        ("Football (Soccer)", "Soccer"),
        ("Stair-Stepper", "StairStepper"),
        ("Physical Therapy", "PhysicalTherapy"),
        *((name, name) for name in ("Basketball", "Cricket", "Dance", "Padel", "Volleyball")),
        ("EBikeRide", "EBikeRide"),
        ("Carrera", None),
        ("Course à pied", None),
        ("", None),
    ],
)
def test_english_names_of_sports_become_those_of_the_api(
    display: str, expected: str | None
) -> None:
    assert entry({0: "5", 3: display}).record.get("sport_type") == expected


def test_of_columns_with_one_name_none_is_lost() -> None:
    columns = find_columns(["id", "x", "x", "x (2)", "x"])
    found = parse_entry(columns, Row(["5", "a", "b", "c", "d"]))
    assert found is not None
    assert found.columns == {"id": "5", "x": "a", "x (2)": "b", "x (2) (2)": "c", "x (3)": "d"}
    found = parse_entry(columns, Row(["5", *"abcdef"], is_whole=False))
    assert found is not None
    assert list(found.columns.values()) == ["5", *"abcdef"]


def test_a_malformed_row_has_its_first_cells_and_recognizable_ones() -> None:
    row = Row([REAL.get(index, "") for index in range(30)], is_whole=False)
    found = parse_entry(find_columns(HEADER), row)
    assert found is not None
    assert found.record.keys() == {"id", "name", "resource_state", "start_date", "sport_type"}
    assert found.file == REAL[12]


@pytest.mark.parametrize(
    ("cells", "fields"),
    [
        (["180"], None),
        (["18000000001", "May 29, 2022, 3:53:35"], {"id", "name", "resource_state"}),
        (
            ["18000000001", "May 29, 2022, 3:53:35 PM", "Lunch Ru"],
            {"id", "name", "resource_state", "start_date"},
        ),
    ],
)
def test_a_cell_that_may_be_truncated_is_skipped(cells: list[str], fields: set[str] | None) -> None:
    found = parse_entry(find_columns(HEADER), Row(cells, is_whole=False))
    assert (set(found.record) if found else None) == fields
    assert found is None or found.name == ""


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("18000000001", 18000000001),
        ("18000000001.0", 18000000001),
        ("18000000001,0", 18000000001),
        ("18000000001.00", 18000000001),
        (" 18000000001\u00a0", 18000000001),
        ("'18000000001", 18000000001),
        ("1.8E+10", None),
        ("1,8E+10", None),
        ("18000000001.5", None),
        ("18.000.000.001", None),
        ("0", None),
        ("0.0", None),
        ("x1", None),
        ("-5", None),
        ("1" * 21, None),
        ("١٨", None),
        ("", None),
    ],
)
def test_an_id_is_read_if_all_its_digits_are_there(cell: str, expected: int | None) -> None:
    row = Row([cell, "May 29, 2022, 3:53:35 PM"])
    assert id_of(row) == expected
    found = parse_entry(Columns(("id", "date")), row)
    assert (found.id if found else None) == expected


def test_a_row_without_cells_tells_nothing() -> None:
    assert parse_entry(find_columns(HEADER), Row([])) is None


@pytest.mark.parametrize(
    ("changes", "skipped"),
    [
        ({}, set()),
        ({17: "3322,949951"}, set()),
        ({5: "1428", 15: "1428", 16: "1411", 17: "3323"}, set()),
        # German Excel, which reads points as thousands separators if three digits follow.
        ({17: "3322949951171875"}, {"distance"}),
        ({17: "3,32295E+15"}, {"distance"}),
        ({15: "14280"}, {"moving_time", "distance"}),
        ({5: "00:23:48"}, {"elapsed_time", "moving_time", "distance"}),
    ],
)
def test_numbers_that_a_spreadsheet_may_have_changed_are_skipped(
    changes: dict[int, str], skipped: set[str]
) -> None:
    whole = entry(REAL).record
    record = entry({**REAL, **changes}, is_resaved=True).record
    assert whole.keys() - record.keys() == skipped
    for name in record.keys() - {"distance"}:
        assert record[name] == whole[name]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("<!DOCTYPE html>\n<html>\n<p>a, b</p>\n", "no row that begins with the id"),
        ("<!DOCTYPE html>" + "a,b" * 20, "no table of activities"),
        ("Activity ID,Activity Da", "no table of activities"),
        ("PK\x03\x04,,\n", "no table of activities"),
        ("id,date\n1.8E+10,x\n2E9,y\n", "no row that begins with the id"),
        ("5,May 29,x\n6,May 30,y\n", "no header"),
        ("id,date\n5,x\n", None),
        (",".join(HEADER), None),
    ],
)
def test_a_table_without_activities_is_distinguished_from_an_unreadable_one(
    text: str, problem: str | None
) -> None:
    found, _ = summarized(text)
    assert (found.problem is None) is (problem is None)
    assert (problem or "") in (found.problem or "")


def test_a_summary_has_the_ids_and_the_order_of_dates() -> None:
    found, entries = summarized(
        'id,date\n5.0,"05/06/2022, 1:02:03"\n6,"13/06/2022, 1:02:03"\nx,y\n'
    )
    assert (found.ids, found.is_day_first, found.row_count) == ({5, 6}, True, 3)
    assert [one.record["start_date"][:10] for one in entries] == ["2022-06-05", "2022-06-13"]


@given(st.text(st.sampled_from("0123456789.,;\t\"'\n\rEa<>/|\u2028 "), max_size=200))
def test_no_table_makes_it_fail_or_lose_a_line(text: str) -> None:
    found, _ = summarized(f"id;date,x\n{text}")
    lines = [line for line in io.StringIO(text, newline="") if line.strip(" ,;\t\"'\r\n\u2028")]
    assert bool(lines) <= bool(found.row_count)
