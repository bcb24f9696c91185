"""Rows of an exported table have the form of Strava's, and unknown values are empty."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.bulk_export import activity_rows, rows, table
from strava_backup.bulk_export.activity_rows import COLUMNS, Column, Exported, row
from strava_backup.bulk_export.columns import HEADER
from strava_backup.demo.account import Account

START = datetime(2022, 5, 29, 15, 53, 35, tzinfo=UTC)
SUMMER_TIME = timezone(timedelta(hours=2))
DETAIL = Account.sample().activities[0].detail


def cells(record: dict[str, Any], **values: Any) -> dict[Column, str]:
    """The cells of a row that are not empty."""
    given_values = {"start": None, **values}
    found = row(Exported(7, record, **given_values))
    assert len(found) == len(HEADER)
    return {column: cell for column, cell in zip(COLUMNS, found, strict=True) if cell}


def test_a_row_has_the_values_of_both_blocks_in_their_units() -> None:
    found = cells(DETAIL, start=START, gear="Rosinante", file="activities/7.fit.gz")
    assert found[False, "Activity ID"] == "7"
    assert found[False, "Activity Date"] == "May 29, 2022, 3:53:35 PM"
    assert found[False, "Activity Name"] == DETAIL["name"]
    assert found[False, "Activity Description"] == DETAIL["description"]
    assert (found[False, "Elapsed Time"], found[True, "Elapsed Time"]) == ("3695", "3695.0")
    assert (found[False, "Distance"], found[True, "Distance"]) == ("20.00", "20000.0")
    assert (found[False, "Commute"], found[True, "Commute"]) == ("false", "0.0")
    assert (found[False, "Activity Gear"], found[True, "Bike"]) == ("Rosinante", "9000001.0")
    assert found[False, "Filename"] == "activities/7.fit.gz"
    assert found[True, "From Upload"] == "1.0"
    assert found[True, "Elevation Gain"] == "222.2"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 0, 0, 1, tzinfo=UTC), "Jan 2, 2026, 12:00:01 AM"),
        (datetime(2026, 12, 31, 12, 5, 0, tzinfo=UTC), "Dec 31, 2026, 12:05:00 PM"),
        (datetime(2026, 6, 1, 1, 0, tzinfo=SUMMER_TIME), "May 31, 2026, 11:00:00 PM"),
    ],
)
def test_dates_are_in_utc_and_in_english(moment: datetime, text: str) -> None:
    assert activity_rows.export_date(moment) == text


def test_an_unknown_value_is_empty() -> None:
    assert cells({}) == {(False, "Activity ID"): "7"}


@pytest.mark.parametrize("name", ["distance", "elapsed_time", "max_watts", "suffer_score"])
@pytest.mark.parametrize(
    "value", [None, "many", [], {}, float("nan"), float("inf"), 10**400, True, "\ud83d"]
)
def test_a_number_of_a_wrong_type_is_empty(name: str, value: Any) -> None:
    assert cells({name: value}) == cells({})


@pytest.mark.parametrize("name", ["name", "description", "gear_id", "sport_type", "commute"])
@pytest.mark.parametrize("value", [None, 7, [], {}, float("nan")])
def test_a_text_of_a_wrong_type_is_empty(name: str, value: Any) -> None:
    assert cells({name: value}) == cells({})


def test_numbers_have_no_exponent() -> None:
    assert cells({"distance": 1e-5})[True, "Distance"] == "0.00001"
    assert cells({"distance": 3322.949951171875})[True, "Distance"] == "3322.949951171875"


@pytest.mark.parametrize(
    ("record", "start"),
    [
        ({"start_date": "2022-05-29T15:53:35Z", "resource_state": 2}, START),
        ({"start_date": "2022-05-29T17:53:35+02:00", "resource_state": 3}, START),
        ({"start_date": "2022-05-29T15:53:35", "resource_state": 2}, None),
        ({"start_date": "0001-01-01T00:00:00+14:00", "resource_state": 2}, None),
        ({"start_date": "soon", "resource_state": 2}, None),
        ({"start_date": 7, "resource_state": 2}, None),
        ({"resource_state": 2}, None),
        # version 0.4 wrote the month in place of the minute
        ({"start_date": "2022-05-29T15:05:35Z"}, None),
    ],
)
def test_the_start_is_that_of_the_record_if_it_is_reliable(
    record: dict[str, Any], start: datetime | None
) -> None:
    assert activity_rows.find_start(record) == start


def test_an_imported_cell_is_given_back_if_the_record_has_no_value() -> None:
    column, other = (True, "Max Grade"), (True, "Distance")
    found = cells({"distance": 5.0}, imported={column: "7.5", other: "4.0"})
    assert (found[column], found[other]) == ("7.5", "5.0")


def both(title: str) -> tuple[Column, Column]:
    return (False, title), (True, title)


@pytest.mark.parametrize(
    ("record", "title", "imported"),
    [
        ({"distance": 4048.2}, "Distance", ("4.04", "4048.2")),
        ({"distance": 0.0}, "Distance", ("0", "0.0")),
        ({"distance": 5700.0}, "Distance", ("5.70", "5700.00")),
        ({"commute": False}, "Commute", ("false", "")),
        ({"commute": True}, "Commute", ("", "1.0")),
        ({"elapsed_time": 2000}, "Elapsed Time", ("2000", "")),
    ],
)
def test_imported_cells_that_are_equal_to_the_record_stay_as_they_came(
    record: dict[str, Any], title: str, imported: tuple[str, str]
) -> None:
    found = cells(record, imported=dict(zip(both(title), imported, strict=True)))
    assert tuple(found.get(column, "") for column in both(title)) == imported


@pytest.mark.parametrize(
    ("record", "title", "imported", "expected"),
    [
        ({"distance": 4058.2}, "Distance", ("4.04", "4048.2"), ("4.06", "4058.2")),
        ({"distance": 4048.2}, "Distance", ("4.04", ""), ("4.05", "4048.2")),
        ({"distance": None}, "Distance", ("4.04", "4048.2"), ("", "")),
        ({"distance": None}, "Distance", ("4.04", "x"), ("", "")),
        ({"commute": True}, "Commute", ("false", ""), ("true", "1.0")),
        ({"elapsed_time": 2000}, "Elapsed Time", ("2001", ""), ("2000", "2000.0")),
    ],
)
def test_imported_cells_that_differ_from_the_record_are_replaced(
    record: dict[str, Any], title: str, imported: tuple[str, str], expected: tuple[str, str]
) -> None:
    found = cells(record, imported=dict(zip(both(title), imported, strict=True)))
    assert tuple(found.get(column, "") for column in both(title)) == expected


def test_the_name_of_a_sport_stays_as_it_came_unless_the_sport_changed() -> None:
    column = (False, "Activity Type")
    assert cells({"sport_type": "EBikeRide"}, imported={column: "ebikeride"})[column] == "ebikeride"
    assert cells({"type": "Run"}, imported={column: "run"})[column] == "run"
    assert cells({"sport_type": "Run"}, imported={column: "Ride"})[column] == "Run"
    # Neither name is known, so that they may be different sports.
    assert cells({"sport_type": "Padel2"}, imported={column: "Padel3"})[column] == "Padel2"


def test_a_value_that_strava_removed_does_not_come_back_from_an_old_import() -> None:
    column = (False, "Activity Description")
    assert column not in cells({"description": None}, imported={column: "old"})


def test_files_are_those_of_this_export() -> None:
    imported = {(False, "Filename"): "activities/9.fit", (True, "Media"): "media/x.jpg"}
    assert cells({}, imported=imported).keys() == {(False, "Activity ID")}
    media = cells({}, media=["media/a.jpg", "media/b.mp4"])[True, "Media"]
    assert media == "media/a.jpg|media/b.mp4"


TEXTS = st.text(st.characters(codec=None, exclude_categories=[]), max_size=20) | st.sampled_from(
    ['"', 'a "b", c', "one\ntwo\r\n12345,three", "a\0b", "\ud83d", "a\\", '\\"', "=1+1", "🥶"]
)


@given(TEXTS, TEXTS)
def test_any_texts_make_a_table_that_the_import_reads_back(name: str, description: str) -> None:
    record = {"name": name, "description": description}
    content = activity_rows.to_csv(
        [HEADER, row(Exported(7, record, START)), row(Exported(8, {}, START))]
    )
    lines = io.StringIO(content.decode(), newline="").readlines()
    found = rows.parse_table(lines)
    columns = table.find_columns(found.header)
    first, second = (table.parse_entry(columns, one) for one in found.rows)
    assert first is not None
    assert second is not None
    assert (first.id, second.id, first.start) == (7, 8, START)
    assert first.name == stored(name)
    assert first.record.get("description", "") == stored(description)


def stored(text: str) -> str:
    """The text without the characters that a CSV file cannot have."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\ufffd")


def test_halves_of_surrogate_pairs_and_nul_are_replaced() -> None:
    content = activity_rows.to_csv([["a\0b", "\ud83dx"]])
    assert next(csv.reader([content.decode()])) == ["a\ufffdb", "\ufffdx"]
