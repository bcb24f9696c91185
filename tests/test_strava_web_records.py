from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.strava import records
from strava_backup.strava.web_records import activity_record, gear_record, photo_record

# A model recorded from the website (https://github.com/aaime921/aaime921-monorepo, 2026-10-10).
CAPTURE = json.loads(
    """{"activity_type_display_name":"Ride",
 "activity_url":"https://www.strava.com/activities/20518699682",
 "athlete_gear_id":null,"bike_id":null,"commute":false,"description":"…","display_type":"Ride",
 "distance":"29.04","distance_raw":29045.6,"elapsed_time":"1:00:00","elapsed_time_raw":3600,
 "elevation_gain":"0","elevation_gain_raw":0,"elevation_unit":"m","embeddable":true,"flagged":false,
 "has_latlng":false,"hide_heartrate":false,"hide_power":false,"id":20518699682,
 "id_str":"20518699682",
 "is_changing_type":false,"long_unit":"kilometers","moving_time":"1:00:00","moving_time_raw":3600,
 "name":"…","private":false,"selected_tag_type":null,"short_unit":"km","sport_type":"Ride",
 "start_date":"Fri, 10/9/2026","start_date_local_raw":1791571069,"start_day":"Fri",
 "start_time":"2026-10-09T17:37:49+0000","static_map":null,"suffer_score":null,
 "tags":{"0":false,"10":false,"11":false,"15":false,"4":false,"5":false,"6":true,"7":false,
         "8":false,"9":false},
 "trainer":true,"twitter_msg":"…","visibility":"everyone"}"""
)
PHOTO = {
    "photo_id": "7A5E0C2B-1111-4222-8333-444455556666",
    "id": 3_000_000_001,
    "media_type": 1,
    "activity_id": 20518699682,
    "activity_name_escaped": "Tom &amp; Jerry&#39;s &lt;ride&gt;",
    "caption_escaped": "&quot;Hi&quot; &amp;amp; bye 🚲",
    "large": "https://dgtzuqphqg23d.cloudfront.net/token-1536x2048.jpg",
    "video": None,
    "duration": None,
    "lat": None,
    "lng": None,
    "owner_id": 17,
    "dimensions": {
        "large": {"width": 1536, "height": 2048},
        "thumbnail": {"width": 96, "height": 128},
    },
}
# It would stop int() with an error.
LONG_NUMBER = "1" * 5000

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["&#x110000;", "&#0;", "\ud800", f"&#{LONG_NUMBER};", 2**70, 10**25]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def damaged(record):
    """Return a strategy for the record with some values replaced by any JSON, and some omitted."""
    values = {name: JSON | st.just(record[name]) for name in record}
    return st.fixed_dictionaries({}, optional=values)


# Activities


def test_a_model_as_captured_gets_the_names_of_the_api():
    assert activity_record(CAPTURE) == {
        "id": 20518699682,
        "name": "…",
        "description": "…",
        "sport_type": "Ride",
        "distance": 29045.6,
        "moving_time": 3600,
        "elapsed_time": 3600,
        "total_elevation_gain": 0,
        "visibility": "everyone",
        "private": False,
        "commute": False,
        "trainer": True,
        "flagged": False,
        "start_date": "2026-10-09T17:37:49Z",
        "start_date_local": "2026-10-09T18:37:49Z",
        "utc_offset": 3600.0,
        "gear_id": None,
        "resource_state": 2,
        "strava_backup": {"website": CAPTURE},
    }


def test_a_model_as_captured_is_an_activity():
    activity = records.parse_activity(activity_record(CAPTURE))
    assert activity.id == 20518699682
    assert activity.start == datetime(2026, 10, 9, 17, 37, 49, tzinfo=UTC)
    assert records.reason_for_no_original(activity.record) is None


def test_the_websites_own_record_stays_whole_and_untouched():
    before = json.dumps(CAPTURE)
    model = CAPTURE | {"never_seen": [1, {"a": None}]}
    assert activity_record(model)["strava_backup"]["website"] == model
    assert json.dumps(CAPTURE) == before


@pytest.mark.parametrize("name", ["type", "upload_id", "manual", "timezone", "total_photo_count"])
def test_missing_values_of_the_website_stay_missing(name):
    assert name not in activity_record(CAPTURE)


def test_a_field_that_the_website_leaves_out_is_left_out():
    model = {name: CAPTURE[name] for name in CAPTURE if name not in ("description", "trainer")}
    assert activity_record(model).keys() == activity_record(CAPTURE).keys() - {
        "description",
        "trainer",
    }


def test_names_are_unchanged():
    texts = {"name": "A &amp; B\n<i>", "description": None}
    assert activity_record(CAPTURE | texts)["name"] == "A &amp; B\n<i>"
    assert activity_record(CAPTURE | texts)["description"] is None


def at(start, local):
    """Return the times of a model: start in UTC, and the local time as an epoch."""
    wall = datetime.fromisoformat(local).replace(tzinfo=UTC)
    return {"start_time": start, "start_date_local_raw": int(wall.timestamp())}


@pytest.mark.parametrize(
    ("start", "local", "offset"),
    [
        ("2026-05-06T07:08:09+0000", "2026-05-06T07:08:09", 0),
        ("2026-05-06T07:08:09+0000", "2026-05-06T09:08:09", 7200),
        ("2026-05-06T02:08:09+0000", "2026-05-05T19:08:09", -25200),
        ("2026-05-06T07:08:09+0000", "2026-05-06T12:38:09", 19800),
        ("2026-05-06T07:08:09+0000", "2026-05-06T12:53:09", 20700),
        ("2026-05-06T07:08:09+0000", "2026-05-06T03:38:09", -12600),
        ("2026-05-06T07:08:09+0000", "2026-05-06T19:53:09", 45900),
        ("2026-12-31T20:00:00+0000", "2027-01-01T10:00:00", 50400),
        ("1969-12-31T23:59:59+0000", "1969-12-31T12:59:59", -39600),
    ],
)
def test_the_local_time_gives_the_offset(start, local, offset):
    record = activity_record(CAPTURE | at(start, local))
    assert record["start_date"] == start.replace("+0000", "Z")
    assert record["start_date_local"] == f"{local}Z"
    assert record["utc_offset"] == offset


# At 01:00 UTC the clocks in Berlin go back from 03:00 to 02:00: 02:30 occurs twice.
@pytest.mark.parametrize(("hour", "offset"), [("00", 7200), ("01", 3600)])
def test_the_repeated_hour_is_distinguished_by_its_offset(hour, offset):
    start = f"2026-10-25T{hour}:30:00+0000"
    record = activity_record(CAPTURE | at(start, "2026-10-25T02:30:00"))
    assert record["start_date_local"] == "2026-10-25T02:30:00Z"
    assert record["utc_offset"] == offset


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"])
@pytest.mark.parametrize("start", ["2026-03-29T01:00:00+00:00", "2026-11-01T04:31:00+00:00"])
def test_the_offset_is_that_of_the_zone_on_that_day(zone, start):
    local = datetime.fromisoformat(start).astimezone(ZoneInfo(zone))
    wall = local.replace(tzinfo=None).isoformat()
    record = activity_record(CAPTURE | at(start.replace("+00:00", "+0000"), wall))
    assert timedelta(seconds=record["utc_offset"]) == local.utcoffset()
    assert record["start_date_local"] == f"{wall}Z"


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)).map(
        lambda one: one.replace(microsecond=0)
    ),
    st.integers(-48, 56),
)
def test_any_offset_of_quarter_hours_comes_out_again(start, quarters):
    local = start.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=15 * quarters)))
    wall = local.replace(tzinfo=None).isoformat()
    record = activity_record(CAPTURE | at(f"{start.isoformat()}+0000", wall))
    assert record["start_date"] == f"{start.isoformat()}Z"
    assert record["start_date_local"] == f"{wall}Z"
    assert record["utc_offset"] == 900 * quarters


def test_a_start_in_another_zone_is_converted_to_utc():
    record = activity_record(CAPTURE | {"start_time": "2026-10-09T19:37:49+0200"})
    assert record["start_date"] == "2026-10-09T17:37:49Z"


@pytest.mark.parametrize(
    "start", [None, "", "Fri, 10/9/2026", 1791571069, [], "0001-01-01T00:00:00+0500"]
)
def test_without_a_readable_start_there_are_no_times(start):
    record = activity_record(CAPTURE | {"start_time": start})
    assert not {"start_date", "start_date_local", "utc_offset"} & record.keys()


@pytest.mark.parametrize(
    "local", [None, "", "1791571069", {}, True, float("nan"), float("inf"), 10**17, -(10**17)]
)
def test_without_a_readable_wall_clock_there_is_only_the_start(local):
    record = activity_record(CAPTURE | {"start_date_local_raw": local})
    assert record["start_date"] == "2026-10-09T17:37:49Z"
    assert not {"start_date_local", "utc_offset"} & record.keys()


@pytest.mark.parametrize(
    ("bike", "other", "gear_id"),
    [
        (None, None, None),
        (9000001, None, "b9000001"),
        (None, 9000002, "g9000002"),
        (9000001, 9000002, "b9000001"),
        (True, None, None),
        (False, 9000002, "g9000002"),
        (0, -1, None),
        (1.5, "7", None),
        ([], {}, None),
    ],
)
def test_gear_gets_the_prefix_of_its_kind(bike, other, gear_id):
    record = activity_record(CAPTURE | {"bike_id": bike, "athlete_gear_id": other})
    assert record["gear_id"] == gear_id
    assert gear_id is None or records.is_gear_id(gear_id)


# Photos


def test_a_photo_gets_the_names_of_the_api():
    assert photo_record(PHOTO) == {
        "unique_id": "7A5E0C2B-1111-4222-8333-444455556666",
        "athlete_id": 17,
        "activity_id": 20518699682,
        "activity_name": "Tom & Jerry's <ride>",
        "caption": '"Hi" &amp; bye 🚲',
        "type": 1,
        "urls": {"2048": PHOTO["large"]},
        "sizes": {"2048": [1536, 2048]},
        "resource_state": 2,
        "strava_backup": {"website": PHOTO},
    }


def test_a_photo_is_one_with_an_address():
    photo = records.parse_photo(20518699682, photo_record(PHOTO))
    assert (photo.id, photo.url) == (PHOTO["photo_id"], PHOTO["large"])


def test_a_caption_that_is_not_there_stays_so():
    assert photo_record(PHOTO | {"caption_escaped": None})["caption"] is None


def test_a_character_that_cannot_be_read_stays_as_it_came():
    caption = f"&#{LONG_NUMBER};"
    assert photo_record(PHOTO | {"caption_escaped": caption})["caption"] == caption


def test_a_video_has_its_playlist_its_length_and_its_poster():
    video = {"media_type": 2, "video": "https://example.org/hls/token.m3u8", "duration": 12.5}
    record = photo_record(PHOTO | video)
    assert record["type"] == 2
    assert (record["video_url"], record["duration"]) == (video["video"], 12.5)
    assert record["urls"] == {"2048": PHOTO["large"]}


@pytest.mark.parametrize(
    ("lat", "lng", "place"),
    [(52.5, 13.4, [52.5, 13.4]), (0, 0, [0, 0]), (None, 13.4, None), (52.5, None, None)],
)
def test_a_place_needs_both_coordinates(lat, lng, place):
    assert photo_record(PHOTO | {"lat": lat, "lng": lng}).get("location") == place


@pytest.mark.parametrize(
    "dimensions",
    [
        None,
        [],
        {},
        {"large": None},
        {"large": {}},
        {"large": {"width": "1536", "height": None}},
        {"large": {"width": True, "height": False}},
        {"large": {"width": -1536, "height": -2048}},
    ],
)
def test_without_dimensions_the_picture_still_has_its_address(dimensions):
    record = photo_record(PHOTO | {"dimensions": dimensions})
    assert record["sizes"] == {"0": [0, 0]}
    assert records.parse_photo(7, record).url == PHOTO["large"]


@pytest.mark.parametrize("large", [None, "", 7, []])
def test_a_photo_without_address_is_named_as_that(large):
    photo = records.parse_photo(7, photo_record(PHOTO | {"large": large}))
    assert (photo.url, photo.why_not) == (None, "no address")


def test_an_instagram_photo_has_the_number_that_it_has():
    record = photo_record(PHOTO | {"photo_id": None, "large": None})
    assert (record["unique_id"], record["id"]) == (None, PHOTO["id"])
    assert records.parse_photo(7, record).id == str(PHOTO["id"])


def test_a_native_photo_is_known_by_its_unique_id_alone():
    assert "id" not in photo_record(PHOTO)


@pytest.mark.parametrize("activity_id", [[7], {"id": 7}])
def test_an_invalid_activity_id_names_no_activity(activity_id):
    assert photo_record(PHOTO | {"activity_id": activity_id})["activity_id"] is None


# Gear

BIKE = {
    "id": 9000001,
    "display_name": "Old Faithful",
    "name": "Brand Model",
    "default": True,
    "total_distance": "14,018.4",
    "active": True,
    "brand_name": "Brand",
    "model_name": "Model",
    "description": "",
    "frame_type": 3,
    "weight": 8.5,
    "notification_distance": 700,
}


def test_gear_gets_the_names_of_the_api():
    assert gear_record(BIKE, "b") == {
        "id": "b9000001",
        "name": "Old Faithful",
        "primary": True,
        "brand_name": "Brand",
        "model_name": "Model",
        "description": "",
        "frame_type": 3,
        "weight": 8.5,
        "retired": False,
        "resource_state": 2,
        "strava_backup": {"website": BIKE},
    }


def test_a_distance_with_an_unknown_unit_is_not_converted():
    assert not {"distance", "total_distance"} & gear_record(BIKE, "b").keys()


@pytest.mark.parametrize(("active", "retired"), [(True, False), (False, True)])
def test_inactive_gear_is_retired(active, retired):
    assert gear_record(BIKE | {"active": active}, "g")["retired"] is retired


@pytest.mark.parametrize("active", [None, 0, "false"])
def test_gear_without_an_active_flag_is_not_called_retired(active):
    assert "retired" not in gear_record(BIKE | {"active": active}, "g")


@pytest.mark.parametrize("number", [None, 0, -1, True, "9000001", 1.0, [], {}])
def test_gear_without_a_sound_number_is_none(number):
    assert gear_record(BIKE | {"id": number}, "b") is None


# Any input


@given(JSON | damaged(CAPTURE))
def test_any_json_makes_an_activity_record_that_can_be_saved(model):
    record = activity_record(model)
    json.dumps(record)
    if isinstance(model, dict):
        assert record["strava_backup"]["website"] is model
        assert record["gear_id"] is None or isinstance(record["gear_id"], str)
    else:
        assert record is model


@given(JSON | damaged(PHOTO))
def test_any_json_makes_a_photo_record_that_can_be_saved(item):
    record = photo_record(item)
    json.dumps(record)
    if not isinstance(item, dict):
        assert record is item
        return
    assert record["strava_backup"]["website"] is item
    known = records.Checkpoint(frozenset(), frozenset(), 0, False, False, datetime.now(UTC))
    assert not known.has_photo(record)


@given(JSON | damaged(BIKE), st.sampled_from(["b", "g"]))
def test_any_json_makes_a_gear_record_that_can_be_saved_or_none(item, prefix):
    record = gear_record(item, prefix)
    json.dumps(record)
    assert record is None or record["id"].startswith(prefix)
