"""The columns and the names of sports in an English export of 2026."""

from __future__ import annotations

import pytest

from strava_backup.bulk_export import columns
from strava_backup.bulk_export.columns import sport_name, sport_type


def test_the_header_of_2026_has_103_columns_and_no_title_twice_in_a_block() -> None:
    assert len(columns.HEADER) == 103
    assert columns.HEADER[-1] == "Media"
    for block in (columns.FIRST_BLOCK, columns.SECOND_BLOCK):
        assert len(set(block)) == len(block)


@pytest.mark.parametrize(
    ("sport", "name"),
    [
        ("Ride", "Ride"),
        ("VirtualRide", "Virtual Ride"),
        ("EBikeRide", "E-Bike Ride"),
        ("EMountainBikeRide", "E-Mountain Bike Ride"),
        ("Soccer", "Football (Soccer)"),
        ("Canoeing", "Canoe"),
        ("HighIntensityIntervalTraining", "HIIT"),
        ("PhysicalTherapy", "Physical Therapy"),
        ("StandUpPaddling", "Stand Up Paddling"),
    ],
)
def test_sports_have_the_names_of_strava(sport: str, name: str) -> None:
    assert sport_name(sport) == name
    assert sport_type(name) == sport


def test_every_sport_is_recognized_by_its_own_name_and_by_that_of_the_api() -> None:
    sports = set(columns._SPORT_TYPES.split())
    assert {sport_type(sport_name(sport)) for sport in sports} == sports
    assert {sport_type(sport.upper()) for sport in sports} == sports


def test_an_unknown_sport_keeps_its_words() -> None:
    assert sport_name("PogoStickJump2") == "Pogo Stick Jump2"
    assert sport_type("Pogo Stick Jump2") is None
