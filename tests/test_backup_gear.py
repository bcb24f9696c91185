"""Runs with bikes and shoes: the archive that they leave, and the requests that they make."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from strava_backup.demo.gear import Bike, Component
from tests.conftest import DAY, Rig
from tests.expected import (
    assert_complete,
    expected_gear_metadata,
    expected_originals,
    stored_metadata,
    stored_originals,
)
from tests.faults import Fault

BIKE = "b9000001"  # has four components
BARE = "b9000002"  # has none
RETIRED = "b8000003"
SHOES = "g9000001"
RETIRED_SHOES = "g3000003"
BIKES = [RETIRED, BIKE, BARE]


@pytest.fixture
def rig(rig: Rig) -> Rig:
    """The sample account without photos and without activities that have no gear."""
    for one in rig.account.activities:
        one.photos.clear()
        if one.detail["gear_id"] is None:
            rig.account.remove(one.id)
    return rig


def asked_for(rig: Rig, kind: str) -> list[Any]:
    """Return the ids of the gear (`gear`) or pages (`bike`) that the last run requested."""
    return sorted(request.id or "" for request in rig.account.requests if request.kind == kind)


def record(rig: Rig, gear_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rig.files()[f"gear/{gear_id}.meta.json"])
    return found


def history(rig: Rig) -> list[str]:
    return [path for path in rig.files() if path.startswith("history/")]


def assert_components_of(rig: Rig, bike_id: str) -> None:
    """Assert that the stored components are those of the account."""
    bike = rig.account.gear[bike_id]
    assert isinstance(bike, Bike)
    found = record(rig, bike_id)["components"]
    assert [(one["type"], one["brand"], one["model"]) for one in found] == [
        (one.type, one.brand, one.model) for one in bike.components
    ]
    for one, part in zip(found, bike.components, strict=True):
        assert one["distance_m"] == pytest.approx(part.distance, abs=51)


# First run


def test_all_gear_and_the_components_of_bikes_are_saved(rig: Rig) -> None:
    report = rig.run()
    assert report.exit_code == 0
    assert stored_metadata(rig.files(), "gear") == expected_gear_metadata(rig.account)
    for bike_id in BIKES:
        assert_components_of(rig, bike_id)
    assert "components" not in record(rig, SHOES)
    assert (report.saved["gear"], report.saved["components"]) == (6, 3)
    assert history(rig) == []


def test_gear_that_is_no_longer_listed_is_found_in_activities(rig: Rig) -> None:
    rig.run()
    assert record(rig, RETIRED)["retired"] is True
    assert record(rig, RETIRED_SHOES)["retired"] is True


def test_components_are_kept_in_the_words_of_the_page(rig: Rig) -> None:
    rig.account.language = "de"
    rig.run()
    chain, cassette, *_ = record(rig, BIKE)["components"]
    assert chain == {
        "type": "Chain",
        "brand": "Shimano",
        "model": "CN-HG601",
        "added": "3. Mai 2025",
        "removed": "",
        "distance": "1.234,5 km",
        "distance_m": 1_234_500.0,
    }
    assert cassette["added"] == "Seit Beginn"


def test_metadata_says_where_gear_is_from_and_what_kind_of_frame_it_is(rig: Rig) -> None:
    rig.run()
    assert record(rig, BIKE)["strava_backup"] == {
        "source": "api",
        "fetched_at": "2026-11-22T10:00:00Z",
        "listed": {"api": rig.account.gear[BIKE].summary("km")},
        "components_at": "2026-11-22T10:00:00Z",
        "frame_type": "road bike",
    }
    assert "frame_type" not in record(rig, SHOES)["strava_backup"]


@pytest.mark.parametrize(
    "frame_type", [None, 99, "3", *(pytest.param(x, marks=pytest.mark.thorough) for x in ([3], {}))]
)
def test_a_frame_of_an_unknown_kind_is_no_failure(rig: Rig, frame_type: Any) -> None:
    strange = {**rig.account.gear[BIKE].detail("km"), "frame_type": frame_type}
    rig.account.faults.append(
        Fault("gear", "other-body", id=BIKE, body=json.dumps(strange).encode())
    )
    assert rig.run().exit_code == 0
    assert record(rig, BIKE)["frame_type"] == frame_type
    assert "frame_type" not in record(rig, BIKE)["strava_backup"]


# Later runs


def test_a_second_run_fetches_no_gear_and_no_page(rig: Rig) -> None:
    rig.run()
    before = rig.files()
    rig.clock.now += DAY
    assert rig.run().exit_code == 0
    assert not {"gear", "bike"} & set(rig.asked)
    after = rig.files()
    assert {**before, ".strava-backup.json": b""} == {**after, ".strava-backup.json": b""}


def test_a_ride_fetches_that_bike_and_its_page_only_and_makes_no_history(rig: Rig) -> None:
    rig.run()
    rig.account.ride(BIKE, 52_300)
    assert rig.run().exit_code == 0
    assert (asked_for(rig, "gear"), asked_for(rig, "bike")) == ([BIKE], [BIKE])
    assert record(rig, BIKE)["distance"] == 14_070_712
    assert record(rig, BIKE)["components"][0]["distance"] == "1,286.8 km"
    assert_components_of(rig, BIKE)
    assert history(rig) == []
    rig.run()
    assert not {"gear", "bike"} & set(rig.asked)


def test_a_walk_fetches_those_shoes_only(rig: Rig) -> None:
    rig.run()
    rig.account.ride(SHOES, 5_000)
    assert rig.run().exit_code == 0
    assert (asked_for(rig, "gear"), asked_for(rig, "bike")) == ([SHOES], [])
    assert record(rig, SHOES)["distance"] == 457_834
    assert history(rig) == []


def test_new_gear_is_all_that_a_later_run_fetches(rig: Rig) -> None:
    rig.run()
    rig.account.gear["b9000004"] = Bike("b9000004", "New", components=[Component(1, "Chain")])
    assert rig.run().exit_code == 0
    assert (asked_for(rig, "gear"), asked_for(rig, "bike")) == (["b9000004"], ["b9000004"])
    assert_components_of(rig, "b9000004")


def test_a_bike_that_retires_is_fetched_once_more(rig: Rig) -> None:
    rig.run()
    before = rig.files()[f"gear/{BARE}.meta.json"]
    rig.account.gear[BARE].retired = True
    rig.clock.now += DAY
    assert rig.run().exit_code == 0
    assert (asked_for(rig, "gear"), asked_for(rig, "bike")) == ([BARE], [BARE])
    assert record(rig, BARE)["retired"] is True
    name = f"history/gear/{BARE}.meta.json.2026-11-23T10-00-00Z.json"
    assert history(rig) == [name]
    assert rig.files()[name] == before
    rig.run()
    assert not {"gear", "bike"} & set(rig.asked)


def test_a_bike_that_is_no_longer_retired_is_fetched_again(rig: Rig) -> None:
    rig.run()
    rig.account.gear[RETIRED].retired = False
    rig.run()
    assert asked_for(rig, "gear") == [RETIRED]
    assert record(rig, RETIRED)["retired"] is False
    rig.run()
    assert "gear" not in rig.asked


def test_gear_that_strava_no_longer_lists_stays(rig: Rig) -> None:
    rig.run()
    before = rig.files()[f"gear/{SHOES}.meta.json"]
    del rig.account.gear[SHOES]
    for one in rig.account.activities:
        if one.detail["gear_id"] == SHOES:
            rig.account.edit(one.id, gear_id=None)
    assert rig.run().exit_code == 0
    assert rig.files()[f"gear/{SHOES}.meta.json"] == before


@pytest.mark.parametrize("name", ["name", "nickname", "primary"])
def test_an_edit_of_gear_keeps_the_old_metadata_once(rig: Rig, name: str) -> None:
    rig.run()
    setattr(rig.account.gear[BIKE], name, "Rocinante" if name != "primary" else False)
    rig.run()
    assert asked_for(rig, "gear") == [BIKE]
    assert len(history(rig)) == 1
    assert_components_of(rig, BIKE)


def test_a_new_component_keeps_the_old_metadata_once(rig: Rig) -> None:
    rig.run()
    before = rig.files()[f"gear/{BIKE}.meta.json"]
    bike = rig.account.gear[BIKE]
    assert isinstance(bike, Bike)
    bike.components[0].removed = date(2026, 11, 22)
    bike.components.append(Component(7009, "Chain", added=date(2026, 11, 22)))
    rig.account.ride(BIKE, 1_000)
    rig.run()
    assert_components_of(rig, BIKE)
    (path,) = history(rig)
    kept = json.loads(rig.files()[path])
    assert kept["components"] == json.loads(before)["components"]


def test_full_fetches_all_gear_and_all_pages(rig: Rig) -> None:
    rig.run()
    before = {path: data for path, data in rig.files().items() if path.startswith("gear/")}
    assert rig.run(full=True).exit_code == 0
    assert asked_for(rig, "gear") == sorted(rig.account.gear)
    assert asked_for(rig, "bike") == BIKES
    after = rig.files()
    assert before == {path: data for path, data in after.items() if path.startswith("gear/")}


def test_without_gear_none_is_fetched_and_a_later_run_saves_it(rig: Rig) -> None:
    assert rig.run(gear=False).exit_code == 0
    assert not {"gear", "bike"} & set(rig.asked)
    assert not [path for path in rig.files() if path.startswith("gear/")]
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_a_dry_run_prints_missing_gear_and_fetches_none(rig: Rig) -> None:
    rig.run()
    rig.account.ride(BIKE, 1_000)
    rig.account.gear["b9000004"] = Bike("b9000004", "New\x1b[31m")
    before = rig.files()
    rig.run(dry_run=True)
    assert rig.printed == [
        "gear b9000001 Rosinante: metadata, components",
        "gear b9000004 New?[31m: metadata, components",
    ]
    assert not {"gear", "bike"} & set(rig.asked)
    assert rig.files() == before


# Missing permissions


def test_without_the_permission_gear_is_skipped_with_a_warning(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.account.scopes = {"read", "activity:read_all"}
    report = rig.run()
    assert report.exit_code == 0
    assert not {"gear", "bike"} & set(rig.asked)
    assert not [path for path in rig.files() if path.startswith("gear/")]
    warnings = [one.getMessage() for one in caplog.records if "profile:read_all" in one.message]
    assert len(warnings) == 1
    assert "--no-gear silences this" in warnings[0]
    assert stored_originals(rig.files()) == expected_originals(rig.account)

    caplog.clear()
    rig.run(gear=False)
    assert "profile:read_all" not in caplog.text


def test_stored_gear_stays_if_the_permission_is_lost(rig: Rig) -> None:
    rig.run()
    before = {path: data for path, data in rig.files().items() if path.startswith("gear/")}
    rig.account.scopes = {"read", "activity:read_all"}
    assert rig.run().exit_code == 0
    after = rig.files()
    assert before == {path: data for path, data in after.items() if path.startswith("gear/")}


def test_without_a_user_section_no_bike_page_is_requested(rig: Rig) -> None:
    user = rig.config.user
    rig.config = replace(rig.config, user=None)
    assert rig.run().exit_code == 0
    assert "bike" not in rig.asked
    assert stored_metadata(rig.files(), "gear") == expected_gear_metadata(rig.account)
    assert "components" not in record(rig, BIKE)
    rig.run()
    assert not {"gear", "bike"} & set(rig.asked)

    # With one, only the pages are missing.
    rig.config = replace(rig.config, user=user)
    assert rig.run().exit_code == 0
    assert (asked_for(rig, "gear"), asked_for(rig, "bike")) == ([], BIKES)
    assert_components_of(rig, BIKE)
    assert history(rig) == []


def test_components_stay_if_the_user_section_is_removed(rig: Rig) -> None:
    rig.run()
    before = record(rig, BIKE)["components"]
    user = rig.config.user
    rig.config = replace(rig.config, user=None)
    rig.account.ride(BIKE, 5_000)
    assert rig.run().exit_code == 0
    assert record(rig, BIKE)["distance"] == 14_023_412
    assert record(rig, BIKE)["components"] == before
    rig.config = replace(rig.config, user=user)
    rig.run()
    assert asked_for(rig, "bike") == [BIKE]
    assert_components_of(rig, BIKE)


# Failures


@pytest.mark.parametrize(
    "what",
    [
        *("404", "500", "empty", "dropped"),
        *(pytest.param(what, marks=pytest.mark.thorough) for what in ("html", "truncated")),
    ],
)
@pytest.mark.every(2)
def test_failed_gear_is_reported_and_everything_else_is_saved(rig: Rig, what: str) -> None:
    rig.account.faults.append(Fault("gear", what, id=BIKE))
    report = rig.run()
    assert report.exit_code == 3
    (failure,) = report.failures
    assert failure.what == f"gear {BIKE} Rosinante, metadata"
    # No page is fetched without its bike.
    assert asked_for(rig, "bike") == [RETIRED, BARE]
    stored = expected_gear_metadata(rig.account)
    del stored[f"gear/{BIKE}.meta.json"]
    found = stored_metadata(rig.files(), "gear")
    found.pop(f"gear/{BIKE}.meta.json", None)
    assert found == stored

    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert (asked_for(rig, "gear"), asked_for(rig, "bike")) == ([BIKE], [BIKE])
    assert_complete(rig.account, rig.files())
    assert_components_of(rig, BIKE)


def test_gear_that_is_not_found_is_unavailable_after_three_days(rig: Rig) -> None:
    lost = next(one for one in rig.account.activities if one.detail["gear_id"] == RETIRED)
    del rig.account.gear[RETIRED]
    codes = []
    for _ in range(4):
        report = rig.run()
        codes.append((report.exit_code, len(report.failures), len(report.not_available)))
        rig.clock.now += DAY
    assert codes == [(3, 1, 0), (3, 1, 0), (0, 0, 1), (0, 0, 0)]
    assert "gear" not in rig.asked
    assert RETIRED not in asked_for(rig, "bike")
    rig.run(full=True)
    assert RETIRED in asked_for(rig, "gear")
    assert lost.detail["gear_id"] == RETIRED


LAYOUTS = [
    pytest.param(b"<!DOCTYPE html><html><body><h1>My Gear</h1></body></html>", id="no table"),
    pytest.param(b"<table><thead></thead><tbody></tbody></table>", id="an empty table"),
    pytest.param(
        b"<table><thead></thead><tbody><tr><td>Chain</td><td>KMC</td></tr></tbody></table>",
        id="two columns",
    ),
    pytest.param(b"<![<", id="no HTML"),
]


@pytest.mark.parametrize("body", LAYOUTS)
@pytest.mark.every(2)
def test_a_changed_layout_keeps_the_record_of_the_api_and_is_retried(rig: Rig, body: bytes) -> None:
    rig.account.faults.append(Fault("bike", "other-body", body=body))
    for _ in range(4):
        report = rig.run()
        assert report.exit_code == 3
        failures = sorted(report.failures, key=lambda failure: failure.place)
        assert [failure.what for failure in failures] == [
            "gear b8000003, components",
            "gear b9000001 Rosinante, components",
            "gear b9000002 Café & Bike <3, components",
        ]
        assert asked_for(rig, "bike") == BIKES
        rig.clock.now += DAY
    assert "gear" not in rig.asked
    assert stored_metadata(rig.files(), "gear") == expected_gear_metadata(rig.account)
    assert "components" not in record(rig, BIKE)

    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert (asked_for(rig, "gear"), asked_for(rig, "bike")) == ([], BIKES)
    assert_components_of(rig, BIKE)
    assert history(rig) == []


@pytest.mark.parametrize("body", LAYOUTS)
def test_a_layout_that_changes_later_loses_no_components(rig: Rig, body: bytes) -> None:
    rig.run()
    before = record(rig, BIKE)["components"]
    rig.account.faults.append(Fault("bike", "other-body", id=BIKE, body=body))
    rig.account.ride(BIKE, 5_000)
    assert rig.run().exit_code == 3
    assert record(rig, BIKE)["distance"] == 14_023_412
    assert record(rig, BIKE)["components"] == before
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert (asked_for(rig, "gear"), asked_for(rig, "bike")) == ([], [BIKE])
    assert_components_of(rig, BIKE)
    assert history(rig) == []


@pytest.mark.parametrize(
    "what",
    [
        *("404", "500", "html", "dropped"),
        *(pytest.param(what, marks=pytest.mark.thorough) for what in ("403", "empty")),
    ],
)
@pytest.mark.every(2)
def test_the_next_run_requests_only_the_failed_page(rig: Rig, what: str) -> None:
    rig.account.faults.append(Fault("bike", what, id=BIKE))
    report = rig.run()
    assert report.exit_code == 3
    assert [failure.what for failure in report.failures] == ["gear b9000001 Rosinante, components"]
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert (asked_for(rig, "gear"), asked_for(rig, "bike")) == ([], [BIKE])
    assert_components_of(rig, BIKE)
    assert "refused" not in record(rig, BIKE)["strava_backup"]


def test_a_refused_page_is_unavailable_after_three_days(rig: Rig) -> None:
    rig.account.faults.append(Fault("bike", "404", id=BIKE))
    codes = []
    for _ in range(4):
        codes.append(rig.run().exit_code)
        rig.clock.now += DAY
    assert codes == [3, 3, 0, 0]
    assert "bike" not in rig.asked
    # A new distance fetches the bike, and not its page.
    rig.account.ride(BIKE, 5_000)
    assert rig.run().exit_code == 0
    assert (asked_for(rig, "gear"), asked_for(rig, "bike")) == ([BIKE], [])
    rig.account.faults.clear()
    rig.run(full=True)
    assert_components_of(rig, BIKE)


def test_a_web_session_that_ends_before_the_pages_does_not_affect_gear(rig: Rig) -> None:
    rig.account.faults.append(Fault("bike", "redirect-login"))
    report = rig.run()
    assert report.exit_code == 4
    assert Counter(rig.asked)["bike"] == 1
    assert report.left["components"] == 3
    assert stored_metadata(rig.files(), "gear") == expected_gear_metadata(rig.account)
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert (asked_for(rig, "gear"), asked_for(rig, "bike")) == ([], BIKES)


@pytest.mark.parametrize(
    "gear_id",
    [
        *("../b1", "9000001", 7),
        *(pytest.param(gear_id, marks=pytest.mark.thorough) for gear_id in ("none", "b1/../..")),
    ],
)
def test_an_invalid_gear_id_in_an_activity_is_never_requested(rig: Rig, gear_id: Any) -> None:
    one = rig.account.activities[0]
    records = [each.summary() for each in rig.account.activities]
    records[0] = {**records[0], "gear_id": gear_id}
    rig.account.faults.append(Fault("list", "other-body", id=1, body=json.dumps(records).encode()))
    assert rig.run().exit_code == 0
    assert asked_for(rig, "gear") == sorted(rig.account.gear)
    assert one.id in {request.id for request in rig.account.requests if request.kind == "detail"}


def test_an_account_with_much_gear_in_miles_is_saved_completely(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(3)
    rig.account.units = "mi"
    for number in range(40):
        rig.account.gear[f"b{number + 1}"] = Bike(f"b{number + 1}", f"Bike {number}")
    del rig.account.gear[RETIRED], rig.account.gear[RETIRED_SHOES]
    for one in rig.account.activities:
        rig.account.edit(one.id, gear_id="b1")
    assert rig.run().exit_code == 0
    assert stored_metadata(rig.files(), "gear") == expected_gear_metadata(rig.account)
    assert record(rig, BIKE)["components"][0]["distance"] == "767.1 mi"
