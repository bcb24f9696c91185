from __future__ import annotations

from datetime import date

import pytest
from bs4 import BeautifulSoup
from stravalib import strava_model
from stravalib.model import DetailedActivity

from strava_backup.demo.account import Account
from strava_backup.demo.bike_page import LANGUAGES, bike_body
from strava_backup.demo.gear import Bike, Component, Shoe

RIDE = 16_600_000_000
BIKE = "b9000001"


@pytest.fixture
def account():
    return Account.sample()


def table(bike, language="en", units="km"):
    """Return the components' headers and rows, from the first table with a head."""
    page = BeautifulSoup(bike_body(bike, language, units), "html.parser")
    found = next(one for one in page.find_all("table") if one.find("thead"))
    heads = [cell.text for cell in found.find_all("th")]
    rows = found.find("tbody").find_all("tr")
    return heads, [[cell.text for cell in row.find_all("td")] for row in rows]


def details(bike, language="en", units="km"):
    page = BeautifulSoup(bike_body(bike, language, units), "html.parser")
    rows = page.find("div", class_="gear-details").find("table").find_all("tr")
    return dict([cell.text for cell in row.find_all("td")] for row in rows)


def test_the_sample_has_bikes_and_shoes_and_of_each_a_retired_one(account):
    found = {(type(gear), gear.retired) for gear in account.gear.values()}
    assert found == {(Bike, False), (Bike, True), (Shoe, False), (Shoe, True)}
    used = {one.detail["gear_id"] for one in account.activities} - {None}
    assert used < account.gear.keys()
    assert {account.gear[one].retired for one in used if one.startswith("b")} == {True, False}
    assert {account.gear[one].retired for one in used if one.startswith("g")} == {True, False}


def test_an_account_of_many_has_gear_on_all_that_is_not_manual():
    for activity in Account.of(40).activities:
        assert (activity.detail["gear_id"] is None) == activity.detail["manual"]


@pytest.mark.parametrize("build", [Account.sample, lambda **more: Account.of(40, **more)])
def test_an_account_can_be_without_gear(build):
    account = build(gear=False)
    assert account.gear == {}
    assert {one.detail["gear_id"] for one in account.activities} == {None}
    assert not any("gear" in one.detail for one in account.activities)


def test_the_objects_are_those_of_strava(account):
    bike, shoe = account.gear[BIKE], account.gear["g3000003"]
    assert bike.summary("km") == {
        "id": "b9000001",
        "primary": True,
        "name": "Rosinante",
        "nickname": "Rosinante",
        "resource_state": 2,
        "retired": False,
        "distance": 14_018_412,
        "converted_distance": 14_018.4,
    }
    more = {"resource_state", "brand_name", "model_name", "description", "frame_type", "weight"}
    assert bike.detail("km").keys() == bike.summary("km").keys() | more
    assert shoe.detail("mi") == {
        "id": "g3000003",
        "primary": False,
        "name": "Adidas Supernova ST",
        "nickname": "",
        "resource_state": 3,
        "retired": True,
        "distance": 966_309,
        "converted_distance": 600.4,
        "brand_name": "Adidas",
        "model_name": "Supernova ST",
        "description": "Left one has a hole.",
        "notification_distance": 0,
    }


def test_stravalib_accepts_all_gear(account):
    for gear in account.gear.values():
        parsed = strava_model.DetailedGear.model_validate(gear.detail("km"))
        assert (parsed.id, parsed.brand_name) == (gear.id, gear.brand)
        assert strava_model.SummaryGear.model_validate(gear.summary("km")).name == gear.name
    parsed = DetailedActivity.model_validate(account.activity(RIDE).detail)
    assert parsed.gear.id == BIKE


def test_a_detail_has_the_gear_and_a_summary_only_its_id(account):
    activity = account.activity(RIDE)
    assert activity.detail["gear"] == account.gear[BIKE].summary("km")
    assert activity.summary()["gear_id"] == BIKE
    assert "gear" not in activity.summary()


def test_a_detail_follows_its_gear(account):
    account.edit(RIDE, gear_id="g9000001")
    assert account.activity(RIDE).detail["gear"]["name"] == "Brooks Ghost 16"
    account.gear["g9000001"].retired = True
    assert account.activity(RIDE).detail["gear"]["retired"] is True
    account.edit(RIDE, gear_id=None)
    assert "gear" not in account.activity(RIDE).detail
    account.edit(RIDE, gear_id="b1")
    assert "gear" not in account.activity(RIDE).detail


def test_a_ride_counts_for_the_bike_and_its_present_components(account):
    bike = account.gear[BIKE]
    before = [part.distance for part in bike.components]
    account.ride(BIKE, 5_000)
    assert bike.distance == 14_023_412
    assert account.activity(RIDE).detail["gear"]["distance"] == 14_023_412
    worn = [part.distance - old for part, old in zip(bike.components, before, strict=True)]
    assert worn == [5_000 if part.removed is None else 0 for part in bike.components]


def test_the_page_lists_components_in_english(account):
    heads, rows = table(account.gear[BIKE])
    assert heads == ["Type", "Brand", "Model", "Added", "Removed", "Distance", "Actions"]
    assert rows == [
        ["Chain", "Shimano", "CN-HG601", "May 3, 2025", "", "1,234.5 km", "Delete"],
        ["Cassette", "Shimano", "CS-R7000", "Since beginning", "", "14,018.4 km", "Delete"],
        ["Chain", "KMC", "X11 <EL>", "Aug 21, 2023", "May 3, 2025", "9,731.0 km", "Delete"],
        ["Saddle", "", "", "Oct 25, 2026", "", "88.0 km", "Delete"],
    ]


def test_the_link_of_a_row_contains_the_component(account):
    page = BeautifulSoup(bike_body(account.gear[BIKE], "en", "km"), "html.parser")
    links = [link["href"] for link in page.find_all("a")]
    assert links == [f"/bikes/9000001/components/{number}" for number in (7001, 7002, 7003, 7004)]


def test_the_page_speaks_german_and_french(account):
    heads, rows = table(account.gear[BIKE], "de")
    assert heads[:2] == ["Art", "Marke"]
    assert rows[0][3:] == ["3. Mai 2025", "", "1.234,5 km", "Löschen"]
    assert rows[1][3:6] == ["Seit Beginn", "", "14.018,4 km"]
    heads, rows = table(account.gear[BIKE], "fr")
    assert heads[2] == "Modèle"
    assert rows[0][3:] == ["3 mai 2025", "", "1\u202f234,5\u00a0km", "Supprimer"]
    assert rows[1][3:6] == ["Depuis le début", "", "14\u202f018,4\u00a0km"]


def test_distances_and_weights_can_be_in_other_units(account):
    assert table(account.gear[BIKE], units="mi")[1][1][5] == "8,710.6 mi"
    assert details(account.gear[BIKE], units="mi")["Weight:"] == "18.5 lbs"
    assert details(account.gear[BIKE])["Weight:"] == "8.4 kg"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_all_its_words(language):
    words = LANGUAGES[language]
    assert len(words.columns) == 7
    assert len(set(words.months)) == 12
    bike = Bike("b1", "B", components=[Component(n, "X", added=date(2026, n, 1)) for n in (1, 12)])
    assert len({row[3] for row in table(bike, language)[1]}) == 2


def test_a_bike_without_components_has_one_row_of_one_cell(account):
    assert table(account.gear["b9000002"])[1] == [["No active components"]]
    assert table(account.gear["b9000002"], "de")[1] == [["Keine aktiven Komponenten"]]
