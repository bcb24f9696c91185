from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.demo.account import Account
from strava_backup.demo.photos import PLACEHOLDER
from strava_backup.strava import records

START = "2026-05-06T07:08:09Z"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_every_record_of_a_sample_account_is_an_activity():
    for one in Account.sample().activities:
        activity = records.parse_activity(one.summary())
        assert activity.id == one.id
        assert activity.start.timestamp() == one.started
        assert activity.name == one.detail["name"]
        assert activity.record == one.summary()


@pytest.mark.parametrize(
    "start",
    [START, "2026-05-06T07:08:09+00:00", "2026-05-06T09:08:09+02:00", "2026-05-06T07:08:09"],
)
def test_a_start_is_utc_however_it_is_written(start):
    activity = records.parse_activity({"id": 7, "start_date": start})
    assert activity.start == datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert activity.start.tzinfo is UTC


@pytest.mark.parametrize("activity_id", [None, 0, -1, True, False, "7", 7.0, [7], {}, 2**63])
def test_a_record_without_sound_id_is_no_activity(activity_id):
    with pytest.raises(errors.ItemError, match="no activity id"):
        records.parse_activity({"id": activity_id, "start_date": START})


@pytest.mark.parametrize("record", [None, [], "id", 7, {}])
def test_other_values_than_records_have_no_id(record):
    assert records.record_id(record) is None


# The last two are outside Python's years once converted to UTC.
@pytest.mark.parametrize(
    "start",
    [
        None,
        "",
        "yesterday",
        1_700_000_000,
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_an_unreadable_start_names_the_activity(start):
    with pytest.raises(errors.ItemError, match="activity 7: Strava's list has no valid start"):
        records.parse_activity({"id": 7, "start_date": start})


def test_a_missing_start_names_the_activity():
    with pytest.raises(errors.ItemError, match="activity 7:"):
        records.parse_activity({"id": 7})


@given(JSON | st.fixed_dictionaries({"id": st.integers(), "start_date": JSON | st.datetimes()}))
def test_any_record_is_an_activity_or_an_item_error(record):
    try:
        activity = records.parse_activity(record)
    except errors.ItemError:
        return
    assert 0 < activity.id == record["id"] < 2**63
    assert activity.start.tzinfo is UTC


@given(
    st.integers(1, 2**63 - 1),
    st.datetimes(timezones=st.timezones() | st.just(UTC)).map(datetime.isoformat),
)
def test_any_moment_can_be_a_start(activity_id, start):
    try:
        activity = records.parse_activity({"id": activity_id, "start_date": start})
    except errors.ItemError:
        # Midnight of year 1, east of Greenwich, has no date in UTC.
        assert start[:4] in ("0001", "9999")
        return
    assert activity.start == datetime.fromisoformat(start)


@pytest.mark.parametrize(("name", "text"), [("Ride", "Ride"), (None, ""), (7, "7"), ("", "")])
def test_a_name_is_always_text(name, text):
    record = {"id": 7, "start_date": START, "name": name}
    assert records.parse_activity(record).name == text


def test_fields_that_change_every_day_are_not_compared():
    fields = {"name": "Ride", "gear_id": None, "distance": 1.5, "total_photo_count": 2}
    counters = {"kudos_count": 3, "comment_count": 1, "pr_count": 0, "athlete_count": 2, "id": 7}
    assert records.compared_fields(fields | counters) == fields


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"manual": True, "upload_id": None}, "manual activity"),
        ({"manual": True}, "manual activity"),
        ({"manual": False, "upload_id": None}, "not made from an upload"),
        ({"upload_id": None}, "not made from an upload"),
        ({"manual": False, "upload_id": 1}, None),
        ({"manual": False}, None),
        ({"manual": None}, None),
        ({}, None),
    ],
)
def test_only_a_clear_word_means_that_there_is_no_original(record, reason):
    assert records.reason_for_no_original(record) == reason


def test_the_sample_account_has_the_right_reasons():
    for one in Account.sample().activities:
        reason = records.reason_for_no_original(one.summary())
        assert (reason is None) == (one.original is not None)


# Photos

ADDRESS = "https://dgtzuqphqg23d.cloudfront.net/a-1536x2048.jpg"


def photo(**fields):
    return records.parse_photo(7, {"unique_id": "6D1E-DE55", **fields})


def test_every_photo_of_a_sample_account_has_its_id_and_its_largest_picture():
    for one in Account.sample().activities:
        for shown, record in zip(one.photos, one.photo_records(5000), strict=True):
            parsed = records.parse_photo(one.id, record)
            assert parsed == (one.id, shown.unique_id, shown.address(), "", record)


def test_placeholders_of_photos_have_no_picture():
    account = Account.sample(problems=True)
    (placeholder,) = account.activity(14_000_000_008).photo_records(5000)
    parsed = records.parse_photo(14_000_000_008, placeholder)
    assert (parsed.url, parsed.why_not) == (None, "placeholder")
    assert parsed.id == placeholder["unique_id"]
    (instagram,) = account.activity(1_000_002).photo_records(5000)
    parsed = records.parse_photo(1_000_002, instagram)
    assert (parsed.url, parsed.why_not) == (None, "from Instagram")
    assert parsed.id == str(instagram["id"])


@pytest.mark.parametrize(
    ("urls", "url"),
    [
        ({"5000": ADDRESS}, ADDRESS),
        ({"0": ADDRESS}, ADDRESS),
        ({"100": "https://a", "600": ADDRESS}, ADDRESS),
        # numbers, not texts
        ({"1000": ADDRESS, "600": "https://a"}, ADDRESS),
        ({"large": "https://a", "100": ADDRESS}, ADDRESS),
        ({"600": None, "100": ADDRESS}, ADDRESS),
        ({"600": "", "100": ADDRESS}, ADDRESS),
        ({"large": ADDRESS}, None),
        ({"600": 7}, None),
        ({"-1": ADDRESS}, None),
        ({}, None),
        (None, None),
        ([ADDRESS], None),
        (ADDRESS, None),
    ],
)
def test_of_all_addresses_the_largest_counts(urls, url):
    parsed = photo(urls=urls)
    assert parsed.url == url
    assert parsed.why_not == ("" if url else "no address")


@pytest.mark.parametrize(
    "url",
    [
        PLACEHOLDER,
        "https://d3nn82uaxijpm6.cloudfront.net/a.jpg",
        "https://example.cloudfront.net/placeholder-photo@2x.png",
    ],
)
def test_a_placeholder_is_no_picture(url):
    assert photo(urls={"5000": url})[2:4] == (None, "placeholder")


@pytest.mark.parametrize(
    ("ids", "photo_id"),
    [
        ({"unique_id": "6D1E-DE55", "id": 7, "uid": "x"}, "6D1E-DE55"),
        ({"unique_id": None, "id": 19219017, "uid": "x"}, "19219017"),
        ({"unique_id": "", "id": None, "uid": "19_7"}, "19_7"),
        ({"id": "x" * 64}, "x" * 64),
    ],
)
def test_a_photo_is_known_by_the_first_id_that_it_has(ids, photo_id):
    assert records.parse_photo(7, ids).id == photo_id


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"unique_id": None},
        {"unique_id": "../../etc/passwd"},
        {"unique_id": "a.b"},
        {"unique_id": "a/b"},
        {"unique_id": "a\n"},
        {"unique_id": "\u00e9"},
        {"unique_id": "x" * 65},
        {"unique_id": ["a"]},
        {"id": 0},
        {"id": 7.5},
        None,
        "photo",
        [],
    ],
)
def test_an_entry_without_sound_id_is_no_photo(record):
    with pytest.raises(errors.ItemError, match="no photo id") as caught:
        records.parse_photo(7, record)
    assert type(caught.value) is errors.ItemError


@given(
    JSON
    | st.fixed_dictionaries(
        {"unique_id": JSON | st.just("6D1E")},
        optional={"urls": JSON | st.dictionaries(st.from_regex(r"-?[0-9]{1,5}"), JSON)},
    )
)
def test_any_entry_is_a_photo_or_an_item_error(record):
    try:
        parsed = records.parse_photo(7, record)
    except errors.ItemError:
        return
    assert parsed.record is record
    assert (parsed.url is None) == bool(parsed.why_not)
    assert parsed.url is None or isinstance(parsed.url, str)


# Gear


def test_gear_is_found_by_its_id():
    account = Account.sample()
    gear = [one.summary("km") for one in account.gear.values()]
    athlete = {"id": 7, "bikes": gear[:3], "shoes": gear[3:]}
    assert records.gear_of_athlete(athlete) == {one["id"]: one for one in gear}


@pytest.mark.parametrize(
    ("athlete", "gear"),
    [
        ({"id": 7}, None),
        ({"bikes": [], "shoes": []}, {}),
        ({"bikes": None, "shoes": None}, {}),
        ({"bikes": [{"id": "b1"}]}, {"b1": {"id": "b1"}}),
        ({"shoes": [{"id": "g1"}]}, {"g1": {"id": "g1"}}),
        ({"bikes": [None, "b1", {}, {"id": None}, {"id": 1}, {"id": "../b1"}], "shoes": []}, {}),
        ({"bikes": {"id": "b1"}, "shoes": 7}, {}),
    ],
)
def test_only_an_athlete_without_both_lists_hides_the_gear(athlete, gear):
    assert records.gear_of_athlete(athlete) == gear


@given(st.dictionaries(st.sampled_from(["bikes", "shoes", "id"]), JSON))
def test_any_athlete_has_gear_or_hides_it(athlete):
    gear = records.gear_of_athlete(athlete)
    assert (gear is None) == (not {"bikes", "shoes"} & athlete.keys())
    assert all(records.is_gear_id(gear_id) for gear_id in gear or ())


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("b9000001", True),
        ("g1", True),
        ("g" + "1" * 20, True),
        ("", False),
        ("b", False),
        ("9000001", False),
        ("b1/../../x", False),
        ("b1\n", False),
        ("b\u0661", False),
        ("B1", False),
        ("none", False),
        (None, False),
        (7, False),
        (["b1"], False),
    ],
)
def test_a_gear_id_is_a_letter_and_a_number(value, is_one):
    assert records.is_gear_id(value) is is_one


def test_all_gear_of_a_sample_account_has_ids():
    account = Account.sample()
    used = {one.detail["gear_id"] for one in account.activities} - {None}
    assert all(records.is_gear_id(gear_id) for gear_id in {*used, *account.gear})
