from __future__ import annotations

import pytest
from hypothesis import given

from strava_backup.strava import routes
from tests.made_up_json import JSON_VALUES

ID = "3100000000000000001"


@pytest.mark.parametrize(
    ("record", "route_id"),
    [
        ({"id": int(ID), "id_str": ID}, ID),
        # A program that parsed the number as a double has lost its last digits.
        ({"id": 3.1e18, "id_str": ID}, ID),
        ({"id": 3_100_000_000_000_000_256, "id_str": ID}, ID),
        ({"id": int(ID)}, ID),
        ({"id": ID}, ID),
        ({"id": 7, "id_str": ""}, "7"),
        ({"id": 3.1e18}, None),
        ({"id": True}, None),
        ({"id": -7}, None),
        ({"id": 0}, None),
        ({"id": 10**20}, None),
        ({"id": "../../7"}, None),
        ({"id": "7\n"}, None),
        ({"id": "\N{ARABIC-INDIC DIGIT SEVEN}"}, None),
        ({"id_str": ["7"], "id": 7}, None),
        ({}, None),
        ("7", None),
        (None, None),
    ],
)
def test_an_id_is_the_text_or_a_whole_number(record, route_id):
    assert routes.parse_route_id(record) == route_id
    route = routes.parse_route(record)
    assert (route and route.id) == route_id


@given(JSON_VALUES)
def test_any_json_is_a_route_or_none(value):
    route_id = routes.parse_route_id(value)
    assert route_id is None or route_id.isdecimal()
    deduplicator = routes.RouteDeduplicator()
    deduplicator.of([value])
    assert deduplicator.count == (route_id is not None)


def test_a_route_of_an_earlier_page_is_dropped_and_one_without_an_id_is_not():
    deduplicator = routes.RouteDeduplicator()
    assert deduplicator.of([{"id": 1}, {"id": 2}, {"id": "1"}]) == [{"id": 1}, {"id": 2}]
    assert deduplicator.of([{"id": 2}, {}, {}]) == [{}, {}]


@pytest.mark.parametrize(
    ("before", "listed", "is_other"),
    [
        ({"distance": 1.0}, {"distance": 1.5}, True),
        ({"updated_at": "1"}, {"updated_at": "2"}, True),
        ({"name": "a"}, {"name": "b"}, True),
        ({"starred": True}, {"starred": False}, False),
        ({"private": True, "distance": 1}, {"private": False, "distance": 1.0}, False),
    ],
)
def test_a_track_may_have_changed_if_the_length_the_name_or_a_time_did(before, listed, is_other):
    assert routes.has_other_track(before, listed) == is_other


def test_a_missing_name_is_empty():
    route = routes.parse_route({"id": 7, "name": None})
    assert route is not None
    assert route.name == ""


def test_estimates_and_the_addresses_of_maps_are_not_compared():
    record = {"name": "a", "estimated_moving_time": 7, "map_urls": {}, "private": True}
    assert routes.compared_fields(record) == {"name": "a", "private": True}
