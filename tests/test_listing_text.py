"""Rows as an aligned table, as tab-separated fields, and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.listing import Row
from strava_backup.listing_text import clipped, display_width, json_line, tabbed_line, table
from tests.test_characters import ANY_TEXT

FILES = ("activities/2026/2026-05-06T07-08-09Z_5.fit",)
RUN = Row(
    5,
    "2026-05-06T07:08:09Z",
    "2026-05-06T09:08:09",
    "Run",
    5000.4,
    1501,
    1600,
    "Morning Run",
    FILES,
    2,
    "activities/2026/2026-05-06T07-08-09Z_5.meta.json",
)


def test_a_table_is_aligned_and_has_no_column_that_is_empty() -> None:
    ride = RUN._replace(id=16_600_000_000, sport_type="Ride", distance=120_000, photos=1)
    assert table([RUN, ride._replace(moving_time=36_061, name="All day")], 100) == [
        "2026-05-06 09:08            5  Run     5.0 km   0:25:01  Morning Run  fit, 2 photos",
        "2026-05-06 09:08  16600000000  Ride  120.0 km  10:01:01  All day      fit, 1 photo",
    ]


def test_of_an_activity_about_which_nothing_is_known_the_table_has_the_id() -> None:
    assert table([Row(5)], 80) == ["5"]
    assert table([], 80) == []


@pytest.mark.parametrize(
    ("start", "shown"),
    [
        ("2026-05-06T07:08:09Z", "2026-05-06 07:08Z  5"),
        ("2026-05-06", "2026-05-06  5"),
    ],
)
def test_a_start_in_utc_is_marked(start: str, shown: str) -> None:
    assert table([Row(5, start)], 80) == [shown]


def test_a_missing_item_is_named_and_a_refused_one_marked() -> None:
    row = RUN._replace(files=(), missing=("original", "photo"), refused={"original": "404"})
    assert table([row], 200)[0].endswith("  2 photos  original refused, photo")
    assert tabbed_line(row).endswith("\t\t2\toriginal refused, photo")


@pytest.mark.parametrize("width", [60, 80, 81, 100])
@pytest.mark.parametrize("name", ["long " * 60, "長い道" * 60, "Zu\u0308rich " * 60])
def test_a_title_is_cut_so_that_the_line_fits_the_terminal(name: str, width: int) -> None:
    row = RUN._replace(name=name)
    [line] = table([row], width)
    shortest = display_width(table([RUN._replace(name="x" * 12)], 1)[0])
    assert width - 1 <= display_width(line) <= width or display_width(line) == shortest
    assert "…" in line


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("Run", 3), ("長い", 4), ("Zu\u0308rich", 6), ("ﾊﾝｶｸ", 4), ("🚴", 2), ("\uff37", 2)],
)
def test_wide_characters_take_two_columns_and_combining_ones_none(text: str, width: int) -> None:
    assert display_width(text) == width


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("Morning", 7, "Morning"),
        ("Morning", 6, "Morni…"),
        ("長い道", 6, "長い道"),
        ("長い道", 5, "長い…"),
        ("長い道", 4, "長…"),
        ("Zu\u0308rich", 3, "Zu\u0308…"),
    ],
)
def test_a_text_is_cut_between_whole_characters(text: str, width: int, cut: str) -> None:
    assert clipped(text, width) == cut


@given(ANY_TEXT, st.integers(1, 30))
def test_a_cut_text_is_never_too_wide(text: str, width: int) -> None:
    assert display_width(clipped(text, width)) <= width


def test_tabbed_fields_have_full_precision_in_metres_and_seconds() -> None:
    assert tabbed_line(RUN) == "2026-05-06T09:08:09\t5\tRun\t5000.4\t1501\tMorning Run\tfit\t2\t"
    assert tabbed_line(Row(5)) == "\t5\t\t\t\t\t\t0\t"


def test_a_missing_moving_time_is_replaced_by_the_elapsed_time() -> None:
    row = RUN._replace(moving_time=None)
    assert tabbed_line(row).split("\t")[4] == "1600"
    assert "  0:26:40  " in table([row], 80)[0]


@given(ANY_TEXT, ANY_TEXT)
def test_no_text_adds_a_field_or_a_line(name: str, sport_type: str) -> None:
    row = RUN._replace(name=name, sport_type=sport_type)
    assert tabbed_line(row).count("\t") == 8
    for line in (tabbed_line(row), json_line(row), *table([row], 80)):
        assert len(line.splitlines()) == 1


def test_json_has_all_keys_and_null_for_unknown_values() -> None:
    known: dict[str, Any] = {
        "id": 5,
        "start": "2026-05-06T07:08:09Z",
        "start_local": "2026-05-06T09:08:09",
        "sport_type": "Run",
        "distance": 5000.4,
        "moving_time": 1501,
        "elapsed_time": 1600,
        "name": "Morning Run",
        "files": ["activities/2026/2026-05-06T07-08-09Z_5.fit"],
        "photos": 2,
        "metadata": "activities/2026/2026-05-06T07-08-09Z_5.meta.json",
        "missing": [],
        "refused": {},
        "gone_since": None,
    }
    assert json.loads(json_line(RUN)) == known
    unknown = json.loads(json_line(Row(5)))
    assert unknown == {
        **dict.fromkeys(known),
        "id": 5,
        "name": "",
        "files": [],
        "photos": 0,
        "missing": [],
        "refused": {},
    }


@given(ANY_TEXT)
def test_json_is_ascii_and_keeps_every_title(name: str) -> None:
    line = json_line(RUN._replace(name=name))
    assert line.isascii()
    # Halves that make a whole character by their order are one in JSON.
    whole = name.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert json.loads(line)["name"] == whole
