from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.demo.account import Account
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


@pytest.mark.parametrize("activity_id", [None, 0, -1, True, False, "7", 7.0, [7], {}])
def test_a_record_without_sound_id_is_no_activity(activity_id):
    with pytest.raises(errors.ItemError, match="no activity id"):
        records.parse_activity({"id": activity_id, "start_date": START})


@pytest.mark.parametrize("record", [None, [], "id", 7, {}])
def test_what_is_no_record_has_no_id(record):
    assert records.record_id(record) is None


# The last two leave the years that Python knows on their way to UTC.
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
    with pytest.raises(errors.ItemError, match="activity 7: Strava's list gives no readable start"):
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
    assert activity.id == record["id"] > 0
    assert activity.start.tzinfo is UTC


@given(
    st.integers(min_value=1),
    st.datetimes(timezones=st.timezones() | st.just(UTC)).map(datetime.isoformat),
)
def test_any_moment_can_be_a_start(activity_id, start):
    try:
        activity = records.parse_activity({"id": activity_id, "start_date": start})
    except errors.ItemError:
        # Midnight of the first year, east of Greenwich, is no date in UTC.
        assert start[:4] in ("0001", "9999")
        return
    assert activity.start == datetime.fromisoformat(start)


@pytest.mark.parametrize(("name", "told"), [("Ride", "Ride"), (None, ""), (7, "7"), ("", "")])
def test_a_name_is_always_text(name, told):
    record = {"id": 7, "start_date": START, "name": name}
    assert records.parse_activity(record).name == told


def test_what_changes_every_day_is_not_compared():
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


def test_the_sample_account_is_told_right():
    for one in Account.sample().activities:
        reason = records.reason_for_no_original(one.summary())
        assert (reason is None) == (one.original is not None)
