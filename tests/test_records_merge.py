"""The merge of new records of a source into stored ones."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from strava_backup.items import COMPONENTS, DETAIL, ORIGINAL, OWN_KEY, PHOTO_LIST, VIDEO
from strava_backup.records import merge, plan
from strava_backup.records.plan import Wanted
from strava_backup.strava.records import parse_activity
from tests.made_up_records import (
    ALL,
    AT,
    BIKE,
    NOW,
    PICTURE_REFUSED,
    REFUSED_TWICE,
    SHOE,
    STAMP,
    SUMMARY,
    TODAY,
    activity,
    held_gear,
    refused,
    stored,
)


def kept_after_listing(record=None, kept=None, source="api", now=NOW):
    return merge.listed_record(parse_activity(record or SUMMARY), kept, source, now)


CHAIN = {"type": "Chain", "added": "May 3, 2025", "distance": "1.0 km", "distance_m": 1000.0}


KEPT_BIKE = {
    **BIKE,
    "resource_state": 3,
    "retired": False,
    "converted_distance": 5.0,
    "components": [CHAIN],
}


def test_what_was_listed_before_is_no_change():
    assert not plan.is_changed(activity(), stored(kept_after_listing()), "api")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Evening Run"},
        {"description": "wet"},
        {"sport_type": "TrailRun"},
        {"gear_id": "g1"},
        {"start_date": "2026-05-06T07:08:10Z"},
        {"start_date_local": "2026-05-06T09:08:09Z"},
        {"distance": 5000.5},
        {"moving_time": 1},
        {"elapsed_time": 1},
        {"total_elevation_gain": 1.0},
        {"commute": True},
        {"trainer": True},
        {"private": True},
        {"visibility": "only_me"},
        {"total_photo_count": 1},
    ],
)
def test_a_difference_that_its_athlete_made_is_a_change_and_acts_once(change):
    kept = kept_after_listing()
    assert plan.is_changed(activity(**change), stored(kept), "api")
    kept = kept_after_listing({**SUMMARY, **change}, kept)
    assert not plan.is_changed(activity(**change), stored(kept), "api")


@pytest.mark.parametrize(
    "change", [{"kudos_count": 4}, {"pr_count": 1}, {"achievement_count": 2}, {"upload_id": 8}]
)
def test_kudos_ranks_and_counters_are_no_change(change):
    assert not plan.is_changed(activity(**change), stored(kept_after_listing()), "api")


def test_a_field_that_is_gone_is_a_change():
    kept = kept_after_listing({**SUMMARY, "description": "wet"})
    assert plan.is_changed(activity(), stored(kept), "api")


def test_a_listing_is_compared_with_the_last_one_of_the_same_source():
    rounded = {**SUMMARY, "distance": 5000.0}
    kept = kept_after_listing(kept=kept_after_listing(rounded, source="website"))
    assert not plan.is_changed(activity(), stored(kept), "api")
    assert not plan.is_changed(activity(distance=5000.0), stored(kept), "website")
    assert plan.is_changed(activity(), stored(kept), "website")


def test_a_listing_is_never_compared_with_a_detail():
    kept = kept_after_listing()
    detail = {**SUMMARY, "resource_state": 3, "distance": 5000.0, "description": "wet"}
    kept = merge.fetched_record(detail, kept["strava_backup"], "api", NOW)
    assert not plan.is_changed(activity(), stored(kept), "api")


def test_metadata_of_version_0_4_counts_as_not_held():
    old = {"id": 5, "name": "Morning Run"}
    assert plan.is_changed(activity(), stored(old), "api")
    kept = kept_after_listing(kept={**old, "start_date": "2026-07-06T05:08:09Z", "odd": 1})
    assert "odd" not in kept
    assert not plan.is_changed(activity(), stored(kept), "api")


@pytest.mark.parametrize("state", [2, 3])
def test_an_activity_that_is_there_again_loses_its_mark_and_nothing_else(state):
    kept = {**kept_after_listing(), "resource_state": state, "calories": 300}
    gone = {**kept, OWN_KEY: merge.with_gone(kept[OWN_KEY], NOW)}
    assert gone[OWN_KEY]["gone_since"] == STAMP
    assert plan.is_changed(activity(), stored(gone), "api")
    assert kept_after_listing(kept=gone, now=NOW + timedelta(days=9)) == kept
    assert not merge.needs_history(kept, gone, merge.activity_history_fields)


def test_an_activity_that_is_there_again_and_was_edited_is_changed_as_ever():
    kept = {**kept_after_listing(), "resource_state": 3}
    gone = {**kept, OWN_KEY: merge.with_gone(kept[OWN_KEY], NOW)}
    edited = {**SUMMARY, "name": "Evening Run"}
    assert kept_after_listing(edited, gone) == kept_after_listing(edited, kept)


def test_an_activity_that_another_source_has_again_loses_its_mark():
    kept = kept_after_listing()
    gone = {**kept, OWN_KEY: merge.with_gone(kept[OWN_KEY], NOW)}
    assert "gone_since" not in kept_after_listing(kept=gone, source="website")[OWN_KEY]


def test_a_first_listing_keeps_strava_s_own_object_and_one_key_of_ours():
    record = kept_after_listing()
    own = record.pop("strava_backup")
    assert record == SUMMARY
    assert own == {
        "source": "api",
        "fetched_at": STAMP,
        "listed": {
            "api": {
                "name": "Morning Run",
                "start_date": "2026-05-06T07:08:09Z",
                "distance": 5000.4,
            }
        },
    }


def test_a_changed_summary_loses_nothing_that_only_the_detail_knew():
    detail = {**SUMMARY, "resource_state": 3, "calories": 300, "name": "Morning Run"}
    kept = merge.fetched_record(detail, kept_after_listing()["strava_backup"], "api", NOW)
    record = kept_after_listing({**SUMMARY, "name": "Evening Run"}, kept)
    assert record["calories"] == 300
    assert record["name"] == "Evening Run"
    assert record["resource_state"] == 2
    own = record["strava_backup"]
    assert plan.missing_items(activity(), 2, (".fit",), own, ALL, TODAY) == (DETAIL,)


def test_a_listing_keeps_what_our_key_says_of_the_original():
    own = {"original": {"name": "a.fit", "saved_at": STAMP}, "refused": {DETAIL: {"why": "403"}}}
    record = kept_after_listing(kept={**SUMMARY, "strava_backup": own})
    assert record["strava_backup"]["original"] == own["original"]
    assert record["strava_backup"]["refused"] == own["refused"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"manual": True, "upload_id": None}, "manual activity"),
        ({"upload_id": None}, "not made from an upload"),
    ],
)
def test_an_activity_without_an_upload_has_no_original_for_good(change, why):
    record = kept_after_listing({**SUMMARY, **change})
    own = record["strava_backup"]
    assert own["original"] == {"absent": why, "since": STAMP}
    again = kept_after_listing({**SUMMARY, **change}, record, now=NOW + timedelta(days=1))
    assert again["strava_backup"]["original"] == {"absent": why, "since": STAMP}
    for wanted in (ALL, Wanted(full=True)):
        missing = plan.missing_items(activity(**change), 3, (), own, wanted, TODAY)
        assert ORIGINAL not in missing


def test_an_original_that_is_held_is_not_called_absent():
    original = {"name": "a.fit", "saved_at": STAMP}
    kept = {**SUMMARY, "strava_backup": {"original": original}}
    record = kept_after_listing({**SUMMARY, "upload_id": None}, kept)
    assert record["strava_backup"]["original"] == original


def test_a_record_that_tells_nothing_of_an_upload_may_have_an_original():
    record = {name: value for name, value in SUMMARY.items() if name != "upload_id"}
    kept = kept_after_listing(record)
    assert "original" not in kept["strava_backup"]
    missing = plan.missing_items(parse_activity(record), 3, (), kept["strava_backup"], ALL, TODAY)
    assert missing == (ORIGINAL,)


def test_a_detail_replaces_the_record_and_keeps_our_key():
    own = {"source": "website", "fetched_at": "long ago", "listed": {"api": {"name": "x"}}}
    detail = {"id": 5, "resource_state": 3, "calories": 300}
    assert merge.fetched_record(detail, own, "api", NOW) == {
        **detail,
        "strava_backup": {"source": "api", "fetched_at": STAMP, "listed": {"api": {"name": "x"}}},
    }


@pytest.mark.parametrize(
    ("old", "new", "needed"),
    [
        pytest.param(None, SUMMARY, False, id="nothing was there"),
        pytest.param(SUMMARY, SUMMARY, False, id="the same"),
        pytest.param(SUMMARY, {**SUMMARY, "name": "x"}, True, id="a change"),
        pytest.param(
            {**SUMMARY, "strava_backup": {"source": "api"}},
            {**SUMMARY, "strava_backup": {"source": "website"}},
            False,
            id="our key alone",
        ),
        pytest.param(SUMMARY, {**SUMMARY, "resource_state": 3}, False, id="detail after summary"),
        pytest.param(
            {**SUMMARY, "resource_state": 3},
            {**SUMMARY, "resource_state": 3, "name": "x"},
            True,
            id="detail after detail",
        ),
        pytest.param(
            {**SUMMARY, "resource_state": 3},
            {**SUMMARY, "name": "x"},
            True,
            id="changed summary after detail",
        ),
        pytest.param({"id": 5, "name": "Morning Run"}, SUMMARY, True, id="metadata of version 0.4"),
    ],
)
def test_what_is_kept_in_history(old, new, needed):
    assert merge.needs_history(old, new) is needed


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (None, SUMMARY, False),
        (SUMMARY, dict(reversed(SUMMARY.items())), True),
        (SUMMARY, {**SUMMARY, "kudos_count": 4}, False),
        (SUMMARY, {**SUMMARY, "strava_backup": {"source": "api"}}, False),
        (
            {**SUMMARY, "strava_backup": {"source": "api", "fetched_at": "2026"}},
            {**SUMMARY, "strava_backup": {"source": "api", "fetched_at": "2027"}},
            True,
        ),
    ],
)
def test_nothing_is_written_where_only_the_moment_of_fetching_differs(old, new, same):
    assert merge.is_same(old, new) is same


def test_a_saved_original_is_noted_and_ends_its_refusal():
    own = {"source": "api", "original": {"absent": "redirect", "since": "2026"}, **REFUSED_TWICE}
    assert merge.with_original(own, "Run.fit", None, "5.fit", NOW) == {
        "source": "api",
        "original": {"name": "Run.fit", "file": "5.fit", "saved_at": STAMP},
    }


def test_an_odd_original_says_what_is_odd():
    own = merge.with_original({}, "Run.fit", "the FIT checksum differs", "5.fit", NOW)
    assert own["original"]["odd"] == "the FIT checksum differs"


def test_a_gpx_that_strava_does_not_make_is_noted_beside_the_original():
    original = {"name": "Run.json", "saved_at": STAMP}
    own = merge.without_gpx({"original": original}, "no track", NOW)
    days = [TODAY.isoformat()]
    assert own == {"original": {**original, "no_gpx": "no track", "no_gpx_on": days}}
    assert not plan.lacks_gpx((".json",), own, ALL, TODAY)


def test_the_refusals_of_two_items_do_not_mix():
    own = merge.with_refusal(refused((1, "404"), (2, "404"), (3, "404")), DETAIL, "403", NOW)
    assert plan.is_unavailable(own, ORIGINAL, ALL, TODAY)
    assert not plan.is_unavailable(own, DETAIL, ALL, TODAY)
    rest = merge.without_refusal(own, ORIGINAL)
    assert rest["refused"] == {DETAIL: {"why": "403", "on": ["2026-11-22"]}}
    assert merge.without_refusal(rest, DETAIL) == {"source": "api"}


def test_a_redirect_in_place_of_an_original_is_noted_with_its_days():
    own = merge.without_original({"source": "website", **REFUSED_TWICE}, "redirect", NOW)
    first = {"absent": "redirect", "since": STAMP, "on": ["2026-11-22"]}
    assert own == {"source": "website", "original": first}
    again = merge.without_original(own, "redirect", NOW + timedelta(1))
    assert again["original"] == {**first, "on": ["2026-11-22", "2026-11-23"]}


def test_no_decision_changes_what_it_was_given():
    own = {"original": {"absent": "x"}, "listed": {"api": {}}, **REFUSED_TWICE}
    kept = {**SUMMARY, "strava_backup": own}
    before = json.dumps(kept)
    merge.listed_record(activity(name="x"), kept, "api", NOW)
    merge.fetched_record(SUMMARY, own, "api", NOW)
    merge.with_original(own, "Run.fit", None, "5.fit", NOW)
    merge.without_gpx(own, "no track", NOW)
    merge.with_refusal(own, ORIGINAL, "404", NOW)
    merge.without_refusal(own, ORIGINAL)
    merge.with_photo_list(own, 1)
    merge.with_picture(own, "odd", "5_a.jpg", NOW)
    merge.with_gear_summary(own, None, "api")
    merge.with_components(own, NOW)
    merge.is_same(kept, kept)
    assert json.dumps(kept) == before


def test_a_photo_list_that_came_is_noted_with_its_count_and_ends_its_refusal():
    own = merge.with_refusal({"source": "api"}, PHOTO_LIST, "404", NOW)
    assert merge.with_photo_list(own, 3) == {"source": "api", "photos": {"count": 3}}


def test_a_saved_picture_is_noted_and_ends_its_refusal():
    own = {"source": "api", **PICTURE_REFUSED}
    picture = {"saved_at": STAMP, "file": "5_a.jpg"}
    assert merge.with_picture(own, None, "5_a.jpg", NOW) == {"source": "api", "picture": picture}
    suspicion = merge.with_picture(own, "no end", "5_a.jpg", NOW)
    assert suspicion["picture"] == {**picture, "odd": "no end"}


def test_a_saved_video_is_noted_beside_its_picture_and_ends_its_refusal():
    own = merge.with_refusal({"picture": {"file": "5_a.jpg"}}, VIDEO, "404", NOW)
    video = {"saved_at": STAMP, "file": "5_a.ts"}
    expected = {"picture": {"file": "5_a.jpg"}, "video": video}
    assert merge.with_video(own, None, "5_a.ts", NOW) == expected
    assert merge.with_video(own, "no end", "5_a.ts", NOW)["video"] == {**video, "odd": "no end"}


def test_fetched_gear_is_missing_no_longer():
    for summary in (BIKE, None):
        own = merge.with_gear_summary({"listed": {"api": {"id": "old"}}, **AT}, summary, "api")
        missing = plan.missing_gear_items("b1", summary, held_gear(own), "api", ALL, TODAY)
        assert missing == (COMPONENTS,)
        own = merge.with_components(own, NOW)
        assert plan.missing_gear_items("b1", summary, held_gear(own), "api", ALL, TODAY) == ()


def test_a_gear_summary_of_one_source_leaves_that_of_another():
    own = {"source": "api", "listed": {"website": SHOE, "api": BIKE}}
    assert merge.with_gear_summary(own, None, "api") == {
        "source": "api",
        "listed": {"website": SHOE},
    }
    assert merge.with_gear_summary({}, BIKE, "api") == {"listed": {"api": BIKE}}


def test_components_that_came_are_noted():
    assert merge.with_components({"source": "api"}, NOW) == {"source": "api", **AT}


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({"distance": 6000, "converted_distance": 6.0}, False),
        ({"components": [{**CHAIN, "distance": "2.0 km", "distance_m": 2000.0}]}, False),
        ({"components": [{**CHAIN, "distance": "2.0 km"}]}, False),
        ({"strava_backup": {"source": "api"}}, False),
        ({"name": "Rocinante"}, True),
        ({"retired": True}, True),
        ({"components": [{**CHAIN, "removed": "Nov 1, 2026"}]}, True),
        ({"components": [CHAIN, {**CHAIN, "type": "Saddle"}]}, True),
        ({"components": []}, True),
    ],
)
def test_distances_of_gear_and_of_its_parts_make_no_history(change, needed):
    new = {**KEPT_BIKE, **change}
    assert merge.needs_history(KEPT_BIKE, new, merge.gear_history_fields) is needed


@pytest.mark.parametrize("components", [None, [], ["Chain", None, 7], {}])
def test_gear_of_any_form_has_history_fields(components):
    assert merge.gear_history_fields({"id": "b1", "components": components})["components"] == []
    assert merge.gear_history_fields({"id": "b1"}) == {"id": "b1", "components": []}


LAP = {"id": 3, "distance": 1000.0}
EFFORTS = [
    {"id": number, "name": "Climb", "pr_rank": 1, "achievements": [{"rank": 1}]}
    for number in (1, 2)
]


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({"kudos_count": 4}, False),
        ({"comment_count": 1, "athlete_count": 9, "has_kudoed": True}, False),
        ({"gear": {"id": "b1", "distance": 7000}}, False),
        ({"segment_efforts": [*EFFORTS, {"pr_rank": 1}], "best_efforts": []}, False),
        ({"similar_activities": {"effort_count": 8}}, False),
        ({"strava_backup": {"photos": {"count": 1}}}, False),
        ({"gear_id": "b2"}, True),
        ({"description": "wet"}, True),
        ({"total_photo_count": 1}, True),
        # additions are no loss
        ({"something_new": 1}, False),
        # a poorer answer
        ({"laps": [LAP]}, True),
        ({"laps": []}, True),
        ({"laps": None}, True),
        ({"segment_efforts": []}, True),
        ({"segment_efforts": EFFORTS[:1]}, True),
        ({"segment_efforts": [{"id": 1}, {"id": 2}]}, True),
        ({"segment_efforts": {}}, True),
        ({"similar_activities": {}}, True),
        ({"similar_activities": None}, True),
        # ranks, which an effort loses if another athlete is faster
        (
            {"segment_efforts": [{**one, "achievements": [], "pr_rank": None} for one in EFFORTS]},
            False,
        ),
    ],
)
def test_what_others_and_other_rides_change_makes_no_history(change, needed):
    old = {
        **SUMMARY,
        "resource_state": 3,
        "gear_id": "b1",
        "gear": {"id": "b1", "distance": 6000},
        "description": "dry",
        "total_photo_count": 0,
        "laps": [LAP, LAP],
        "segment_efforts": EFFORTS,
        "similar_activities": {"effort_count": 7},
    }
    assert merge.needs_history(old, {**old, **change}, merge.activity_history_fields) is needed


def test_an_essence_leaves_its_record_as_it_is():
    before = json.dumps([SUMMARY, KEPT_BIKE])
    merge.activity_history_fields(SUMMARY)
    merge.gear_history_fields(KEPT_BIKE)
    assert json.dumps([SUMMARY, KEPT_BIKE]) == before


def test_a_key_that_vanished_makes_history():
    old = {**SUMMARY, "resource_state": 3, "segment_efforts": EFFORTS}
    new = {name: value for name, value in old.items() if name != "segment_efforts"}
    assert merge.needs_history(old, new, merge.activity_history_fields)
    assert not merge.needs_history(
        {**old, "segment_efforts": None}, new, merge.activity_history_fields
    )


IMPORTED = {"id": 5, "name": "Morning Run", "start_date": "2026-05-06T07:08:09Z"}
EXPORT_DATA = {"export": "2026-11-20", "columns": {"Activity ID": "5"}}


def test_an_imported_record_counts_as_a_summary():
    assert merge.imported_record(IMPORTED, EXPORT_DATA, None, NOW) == {
        **IMPORTED,
        "resource_state": 2,
        "strava_backup": {"source": "bulk export", "fetched_at": STAMP, "bulk_export": EXPORT_DATA},
    }


@pytest.mark.parametrize("source", ["api", "website"])
def test_an_import_changes_nothing_that_a_source_told(source):
    kept = kept_after_listing(source=source)
    new = merge.imported_record({**IMPORTED, "name": "Old name"}, EXPORT_DATA, kept, NOW)
    assert new["strava_backup"].pop("bulk_export") == EXPORT_DATA
    assert new == kept


def test_what_an_earlier_export_told_stays():
    kept = merge.imported_record(IMPORTED, EXPORT_DATA, None, NOW)
    assert merge.imported_record(IMPORTED, {"export": "2027-01-01"}, kept, NOW) == kept


def test_metadata_of_version_0_4_is_replaced_and_kept_in_history():
    old = {"id": 5, "start_date": "2026-07-06T05:08:09Z"}
    new = merge.imported_record(IMPORTED, EXPORT_DATA, old, NOW)
    assert new["start_date"] == IMPORTED["start_date"]
    assert merge.needs_history(old, new, merge.activity_history_fields)


@pytest.mark.parametrize("source", ["api", "website"])
def test_a_source_fills_an_imported_record_up(source):
    kept = merge.imported_record({**IMPORTED, "elev_low": 3.0}, EXPORT_DATA, None, NOW)
    assert plan.is_changed(activity(), stored(kept), source)
    new = kept_after_listing(kept=kept, source=source)
    assert new["strava_backup"]["source"] == source
    assert new["strava_backup"]["bulk_export"] == EXPORT_DATA
    assert (new["kudos_count"], new["elev_low"], new["resource_state"]) == (3, 3.0, 2)
    assert not merge.needs_history(kept, new, merge.activity_history_fields)


def test_a_picture_that_is_held_as_another_photos_is_noted():
    own = merge.with_same_picture(PICTURE_REFUSED, "6d1e", NOW)
    assert own == {"picture": {"saved_at": STAMP, "same_as": "6d1e"}}


FORM = {"private_note": "Knee", "perceived_exertion": 7.0}


def with_note(source):
    record = {**SUMMARY, OWN_KEY: {"website": {"id": 7}}} if source == "website" else SUMMARY
    before = kept_after_listing(record, source=source)
    return {**before, OWN_KEY: merge.with_private_note(before[OWN_KEY], FORM, NOW)}


@pytest.mark.parametrize("source", ["api", "website"])
def test_a_changed_activity_keeps_its_note_and_is_asked_for_it_again(source):
    before = with_note(source)
    assert "private_note_at" in before[OWN_KEY]
    website = {OWN_KEY: {"website": {"id": 7, "name": "x"}}} if source == "website" else {}
    after = kept_after_listing({**SUMMARY, "name": "x", **website}, before, source)
    assert "private_note_at" not in after[OWN_KEY]
    assert after[OWN_KEY]["website"] == {**website.get(OWN_KEY, {}).get("website", {}), **FORM}


def test_the_first_listing_of_another_source_is_no_reason_to_ask_for_a_note_again():
    record = {**SUMMARY, OWN_KEY: {"website": {"id": 7}}}
    after = kept_after_listing(record, with_note("api"), "website")
    assert "private_note_at" in after[OWN_KEY]
    assert after[OWN_KEY]["website"] == {"id": 7, **FORM}
