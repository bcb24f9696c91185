"""Cells of imported tables are given back if their column is certain."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import pytest

from strava_backup.bulk_export import imported_cells
from strava_backup.bulk_export.activity_rows import COLUMNS
from strava_backup.bulk_export.columns import HEADER
from strava_backup.bulk_export.rows import Row, Table
from strava_backup.bulk_export.table import find_columns, parse_entry
from strava_backup.demo.account import Account
from tests import account_export

ACCOUNT = Account.sample()


def cells_of(header: Sequence[str], cells: dict[str, str], separator: str = ",") -> dict[Any, str]:
    table = Table(list(header), iter(()), separator)
    return imported_cells.cells_of(imported_cells.headers_of([table]), cells)


def imported(language: str, width: int) -> tuple[list[str], dict[str, str]]:
    """The header of a table, and the cells of its first row by their titles."""
    text = account_export.table(ACCOUNT, language, width).decode()
    header, row, *_ = csv.reader(io.StringIO(text, newline=""))
    entry = parse_entry(find_columns(header), Row(row))
    assert entry is not None
    return header, entry.columns


def test_all_cells_of_the_header_of_2026_have_their_columns_without_a_table() -> None:
    _, cells = imported("en", 103)
    found = imported_cells.cells_of(imported_cells.headers_of([]), cells)
    assert found.keys() == set(COLUMNS)
    assert found[True, "Calories"] == "612.0"


@pytest.mark.parametrize("width", [72, 80, 84, 94])
def test_english_titles_name_their_columns_in_tables_of_all_years(width: int) -> None:
    header, cells = imported("en", width)
    found = cells_of(header, cells)
    assert found[True, "Max Heart Rate"] == "174.0"
    assert found[True, "Distance"] == "20000.0"
    assert found[True, "Calories"] == "612.0"
    assert found[False, "Distance"] == "20.00"


@pytest.mark.parametrize(("width", "last"), [(94, "Commute"), (103, "Total Reps")])
def test_in_other_languages_positions_between_certain_columns_count(width: int, last: str) -> None:
    header, cells = imported("de", width)
    found = cells_of(header, cells)
    assert found[True, "Calories"] == "612.0"
    second = [title for is_second, title in found if is_second]
    assert second[-1] == last if last == "Commute" else last in second
    assert ("Gear" in second) is (width == 103)
    # Rounded values are in the athlete's language.
    assert (False, "Distance") not in found
    assert found[False, "Activity Type"] == "Radfahrt"


@pytest.mark.parametrize("width", [72, 84])
def test_older_tables_in_other_languages_have_no_certain_columns(width: int) -> None:
    header, cells = imported("nl", width)
    assert cells_of(header, cells) == {}


def test_the_gear_of_the_short_form_is_given_back() -> None:
    header, cells = imported("en", 10)
    cells["gear"] = "1x1x8"
    found = cells_of(header, cells)
    assert found == {(False, "Activity Gear"): "1x1x8"}


def test_cells_of_a_row_with_another_number_of_cells_are_not_used() -> None:
    header, cells = imported("en", 103)
    del cells["Total Reps"]
    assert cells_of(header, cells) == {}


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        # 20000.0 without its point, while the seconds keep theirs
        ({"Distance (2)": "200000"}, {"Distance"}),
        ({"Elapsed Time (2)": "36950"}, {"Distance", "Calories", "Gear"}),
        ({"Elapsed Time (2)": ""}, {"Distance", "Calories", "Gear"}),
        ({}, set()),
    ],
)
def test_numbers_that_a_spreadsheet_may_have_changed_are_not_used(
    changes: dict[str, str], lost: set[str]
) -> None:
    header, cells = imported("en", 103)
    found = cells_of(header, {**cells, "Activity Gear": "2024", **changes}, ";")
    assert found[False, "Activity Gear"] == "2024"
    kept = {title for is_second, title in found if is_second}
    assert {"Distance", "Calories", "Gear"} - kept == lost


def test_of_two_tables_with_the_same_titles_the_changed_one_counts() -> None:
    header, cells = imported("en", 103)
    tables = [Table(header, iter(()), separator) for separator in (";", ",")]
    for some in (tables, tables[::-1]):
        headers = imported_cells.headers_of(some)
        found = imported_cells.cells_of(headers, {**cells, "Distance (2)": "200000"})
        assert (True, "Distance") not in found


@pytest.mark.parametrize(
    ("failed", "title"),
    [
        ("translation missing: en-US.lib.export.horton_values.start_time", "Start Time"),
        ("translation missing: en-GB.lib.export.horton_values.avg_flow", "Average Flow"),
        ('<span title="translation missing: x">Total Grit</span>', "Total Grit"),
        ('<span title="translation missing: x">Avg Elapsed Speed</span>', "Average Elapsed Speed"),
    ],
)
def test_titles_without_a_translation_name_their_columns(failed: str, title: str) -> None:
    header = [failed if one == title else one for one in HEADER]
    _, cells = imported("en", 103)
    del cells[title]
    assert cells_of(header, {**cells, failed: "7.5"})[True, title] == "7.5"


@pytest.mark.parametrize("header", [[], [""], ["Activity ID"], list(HEADER[:20]), ["x"] * 200])
def test_any_header_is_accepted(header: list[str]) -> None:
    assert cells_of(header, {"x": "y"}) == {}
