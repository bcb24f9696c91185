from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import decide, errors
from strava_backup.archive.directory import Held
from strava_backup.decide import COMPONENTS, DETAIL, GEAR, GPX, ORIGINAL, PHOTO, PHOTO_LIST, Wanted
from strava_backup.strava.records import parse_activity

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
STAMP = "2026-11-22T10:00:00Z"
TODAY = NOW.date()
SUMMARY = {
    "id": 5,
    "resource_state": 2,
    "name": "Morning Run",
    "start_date": "2026-05-06T07:08:09Z",
    "distance": 5000.4,
    "upload_id": 7,
    "manual": False,
    "kudos_count": 3,
}
ALL = Wanted()


def activity(**changes):
    return parse_activity({**SUMMARY, **changes})


def kept_after_listing(record=None, kept=None, source="api", now=NOW):
    return decide.listed_record(parse_activity(record or SUMMARY), kept, source, now)


def held(record):
    return Held(
        PurePosixPath("activities/2026/2026-05-06T07-08-09Z_5"),
        resource_state=record.get("resource_state"),
        ours=record.get("strava_backup", {}),
    )


# Does the listing tell something new?


def test_an_activity_that_is_not_held_is_new():
    assert decide.is_changed(activity(), None, "api")


def test_what_was_listed_before_is_no_change():
    assert not decide.is_changed(activity(), held(kept_after_listing()), "api")


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
    assert decide.is_changed(activity(**change), held(kept), "api")
    kept = kept_after_listing({**SUMMARY, **change}, kept)
    assert not decide.is_changed(activity(**change), held(kept), "api")


@pytest.mark.parametrize(
    "change", [{"kudos_count": 4}, {"pr_count": 1}, {"achievement_count": 2}, {"upload_id": 8}]
)
def test_kudos_ranks_and_counters_are_no_change(change):
    assert not decide.is_changed(activity(**change), held(kept_after_listing()), "api")


def test_a_field_that_is_gone_is_a_change():
    kept = kept_after_listing({**SUMMARY, "description": "wet"})
    assert decide.is_changed(activity(), held(kept), "api")


def test_a_listing_is_compared_with_the_last_one_of_the_same_source():
    rounded = {**SUMMARY, "distance": 5000.0}
    kept = kept_after_listing(kept=kept_after_listing(rounded, source="website"))
    assert not decide.is_changed(activity(), held(kept), "api")
    assert not decide.is_changed(activity(distance=5000.0), held(kept), "website")
    assert decide.is_changed(activity(), held(kept), "website")


def test_a_listing_is_never_compared_with_a_detail():
    kept = kept_after_listing()
    detail = {**SUMMARY, "resource_state": 3, "distance": 5000.0, "description": "wet"}
    kept = decide.fetched_record(detail, kept["strava_backup"], "api", NOW)
    assert not decide.is_changed(activity(), held(kept), "api")


def test_metadata_of_version_0_4_counts_as_not_held():
    old = {"id": 5, "name": "Morning Run"}
    assert decide.is_changed(activity(), held(old), "api")
    kept = kept_after_listing(kept={**old, "start_date": "2026-07-06T05:08:09Z", "odd": 1})
    assert "odd" not in kept
    assert not decide.is_changed(activity(), held(kept), "api")


# What the kept record becomes


def test_a_first_listing_keeps_strava_s_own_object_and_one_key_of_ours():
    record = kept_after_listing()
    ours = record.pop("strava_backup")
    assert record == SUMMARY
    assert ours == {
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
    kept = decide.fetched_record(detail, kept_after_listing()["strava_backup"], "api", NOW)
    record = kept_after_listing({**SUMMARY, "name": "Evening Run"}, kept)
    assert record["calories"] == 300
    assert record["name"] == "Evening Run"
    assert record["resource_state"] == 2
    ours = record["strava_backup"]
    assert decide.missing_items(activity(), 2, (".fit",), ours, ALL, TODAY) == (DETAIL,)


def test_a_listing_keeps_what_our_key_says_of_the_original():
    ours = {"original": {"name": "a.fit", "saved_at": STAMP}, "refused": {DETAIL: {"why": "403"}}}
    record = kept_after_listing(kept={**SUMMARY, "strava_backup": ours})
    assert record["strava_backup"]["original"] == ours["original"]
    assert record["strava_backup"]["refused"] == ours["refused"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"manual": True, "upload_id": None}, "manual activity"),
        ({"upload_id": None}, "not made from an upload"),
    ],
)
def test_an_activity_without_an_upload_has_no_original_for_good(change, why):
    record = kept_after_listing({**SUMMARY, **change})
    ours = record["strava_backup"]
    assert ours["original"] == {"absent": why, "since": STAMP}
    again = kept_after_listing({**SUMMARY, **change}, record, now=NOW + timedelta(days=1))
    assert again["strava_backup"]["original"] == {"absent": why, "since": STAMP}
    for wanted in (ALL, Wanted(full=True)):
        missing = decide.missing_items(activity(**change), 3, (), ours, wanted, TODAY)
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
    missing = decide.missing_items(parse_activity(record), 3, (), kept["strava_backup"], ALL, TODAY)
    assert missing == (ORIGINAL,)


def test_a_detail_replaces_the_record_and_keeps_our_key():
    ours = {"source": "website", "fetched_at": "long ago", "listed": {"api": {"name": "x"}}}
    detail = {"id": 5, "resource_state": 3, "calories": 300}
    assert decide.fetched_record(detail, ours, "api", NOW) == {
        **detail,
        "strava_backup": {"source": "api", "fetched_at": STAMP, "listed": {"api": {"name": "x"}}},
    }


# What is missing

GIVEN_UP = {"refused": {ORIGINAL: {"why": "404", "on": ["2026-11-01", "2026-11-02", "2026-11-05"]}}}
REFUSED_TWICE = {"refused": {ORIGINAL: {"why": "404", "on": ["2026-11-01", "2026-11-02"]}}}


@pytest.mark.parametrize(
    ("state", "suffixes", "ours", "wanted", "missing"),
    [
        pytest.param(2, (), {}, ALL, (ORIGINAL, DETAIL), id="everything of a new one"),
        pytest.param(3, (".fit",), {}, ALL, (), id="nothing of a whole one"),
        pytest.param(None, (".fit",), {}, ALL, (DETAIL,), id="detail of an adopted one"),
        pytest.param(3, (".gz",), {}, ALL, (), id="an old name for an original will do"),
        pytest.param(3, (".json",), {}, ALL, (GPX,), id="GPX beside JSON"),
        pytest.param(3, (".json.gz",), {}, ALL, (GPX,), id="GPX beside gzipped JSON"),
        pytest.param(3, (".gpx", ".json"), {}, ALL, (), id="GPX is there"),
        pytest.param(3, (".gpx.gz", ".json"), {}, ALL, (), id="gzipped GPX is there"),
        pytest.param(3, (".gpx",), {}, ALL, (), id="GPX counts as original"),
        pytest.param(
            3, (".json",), {"original": {"no_gpx": "no track"}}, ALL, (), id="no GPX to be had"
        ),
        pytest.param(
            3,
            (".json",),
            {"original": {"no_gpx": "no track"}},
            Wanted(full=True),
            (GPX, DETAIL),
            id="no GPX, asked again with full",
        ),
        pytest.param(
            3, (), {"original": {"absent": "not told"}}, ALL, (), id="no original on the website"
        ),
        pytest.param(
            3,
            (),
            {"original": {"absent": "redirect"}},
            Wanted(full=True),
            (ORIGINAL, DETAIL),
            id="no original, asked again with full",
        ),
        pytest.param(3, (), REFUSED_TWICE, ALL, (ORIGINAL,), id="refused on two days"),
        pytest.param(3, (), GIVEN_UP, ALL, (), id="refused on three days"),
        pytest.param(2, (), GIVEN_UP, ALL, (DETAIL,), id="one refused, the other not"),
        pytest.param(
            3, (), GIVEN_UP, Wanted(full=True), (ORIGINAL, DETAIL), id="given up, asked with full"
        ),
        pytest.param(
            3,
            (".fit",),
            {},
            Wanted(full=True),
            (DETAIL,),
            id="never a held original, even with full",
        ),
        pytest.param(2, (), {}, Wanted(originals=False), (DETAIL,), id="no originals asked for"),
        pytest.param(
            3, (".json",), {}, Wanted(originals=False), (), id="nor the GPX that stands for one"
        ),
        pytest.param(2, (), {}, Wanted(details=False), (ORIGINAL,), id="no metadata asked for"),
        pytest.param(2, (".fit",), {}, Wanted(details=False, full=True), (), id="nor with full"),
        pytest.param(2, (), {}, Wanted(originals=False, details=False), (), id="nothing asked for"),
    ],
)
def test_what_is_missing_of_an_activity(state, suffixes, ours, wanted, missing):
    assert decide.missing_items(activity(), state, suffixes, ours, wanted, TODAY) == missing


@given(
    st.sampled_from([None, 2, 3]),
    st.lists(st.sampled_from([".fit", ".json", ".gpx", ".dat"]), unique=True).map(tuple),
    st.sampled_from([{}, GIVEN_UP, REFUSED_TWICE, {"original": {"absent": "x", "no_gpx": "y"}}]),
    st.builds(Wanted, st.booleans(), st.booleans()),
)
def test_full_asks_for_more_and_never_for_a_held_original(state, suffixes, ours, wanted):
    held = (activity(), state, suffixes, ours)
    some = decide.missing_items(*held, wanted, TODAY)
    full = decide.missing_items(*held, wanted._replace(full=True), TODAY)
    assert set(some) <= set(full)
    assert not (suffixes and ORIGINAL in full)


# Does the old file go to history, and need the new one be written?


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
    assert decide.needs_history(old, new) is needed


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
    assert decide.is_same(old, new) is same


# Our key


def test_a_saved_original_is_noted_and_ends_its_refusal():
    ours = {"source": "api", "original": {"absent": "redirect", "since": "2026"}, **REFUSED_TWICE}
    assert decide.with_original(ours, "Run.fit", None, NOW) == {
        "source": "api",
        "original": {"name": "Run.fit", "saved_at": STAMP},
    }


def test_an_odd_original_says_what_is_odd():
    ours = decide.with_original({}, "Run.fit", "the FIT checksum differs", NOW)
    assert ours["original"]["odd"] == "the FIT checksum differs"


def test_a_gpx_that_strava_does_not_make_is_noted_beside_the_original():
    original = {"name": "Run.json", "saved_at": STAMP}
    ours = decide.without_gpx({"original": original}, "no track")
    assert ours == {"original": {**original, "no_gpx": "no track"}}
    assert not decide.lacks_gpx((".json",), ours, ALL)


def refused(*answers):
    """Our key after these answers, each a day of November 2026 and a reason."""
    ours = {"source": "api"}
    for day, why in answers:
        ours = decide.with_refusal(ours, ORIGINAL, why, date(2026, 11, day))
    return ours


@pytest.mark.parametrize(
    ("answers", "given_up"),
    [
        ([], False),
        ([(1, "404")], False),
        ([(1, "404"), (2, "404")], False),
        ([(1, "404"), (2, "404"), (3, "404")], True),
        ([(1, "404"), (9, "404"), (30, "404")], True),
        ([(1, "404"), (1, "404"), (1, "404")], False),
        ([(1, "404"), (2, "404"), (3, "403")], False),
        ([(1, "404"), (2, "403"), (3, "404"), (4, "404")], False),
    ],
)
def test_the_same_answer_on_three_days_is_the_last_word(answers, given_up):
    assert decide.is_given_up(refused(*answers), ORIGINAL) is given_up


def test_a_refusal_is_noted_with_its_reason_and_days():
    assert refused((2, "404"), (1, "404"), (2, "404")) == {
        "source": "api",
        "refused": {ORIGINAL: {"why": "404", "on": ["2026-11-01", "2026-11-02"]}},
    }


def test_the_refusals_of_two_items_do_not_mix():
    ours = decide.with_refusal(refused((1, "404"), (2, "404"), (3, "404")), DETAIL, "403", TODAY)
    assert decide.is_given_up(ours, ORIGINAL)
    assert not decide.is_given_up(ours, DETAIL)
    rest = decide.without_refusal(ours, ORIGINAL)
    assert rest["refused"] == {DETAIL: {"why": "403", "on": ["2026-11-22"]}}
    assert decide.without_refusal(rest, DETAIL) == {"source": "api"}


def test_no_decision_changes_what_it_was_given():
    ours = {"original": {"absent": "x"}, "listed": {"api": {}}, **REFUSED_TWICE}
    kept = {**SUMMARY, "strava_backup": ours}
    before = json.dumps(kept)
    decide.listed_record(activity(name="x"), kept, "api", NOW)
    decide.fetched_record(SUMMARY, ours, "api", NOW)
    decide.with_original(ours, "Run.fit", None, NOW)
    decide.without_gpx(ours, "no track")
    decide.with_refusal(ours, ORIGINAL, "404", TODAY)
    decide.without_refusal(ours, ORIGINAL)
    decide.with_photo_list(ours, 1)
    decide.with_picture(ours, "odd", NOW)
    decide.with_gear_summary(ours, None, "api")
    decide.with_components(ours, NOW)
    decide.is_same(kept, kept)
    assert json.dumps(kept) == before


# Photos


@pytest.mark.parametrize(
    ("count", "ours", "wanted", "missing"),
    [
        pytest.param(2, {}, ALL, True, id="photos never listed"),
        pytest.param(2, {"photos": {"count": 2}}, ALL, False, id="as many as before"),
        pytest.param(3, {"photos": {"count": 2}}, ALL, True, id="one more"),
        pytest.param(1, {"photos": {"count": 2}}, ALL, True, id="one less"),
        pytest.param(0, {"photos": {"count": 2}}, ALL, True, id="none any more"),
        pytest.param(0, {"photos": {"count": 0}}, ALL, False, id="none for some time"),
        pytest.param(0, {}, ALL, False, id="never any"),
        pytest.param(None, {}, ALL, False, id="not told"),
        pytest.param("2", {}, ALL, False, id="told in another way"),
        pytest.param(2, {"photos": {"count": 2}}, Wanted(full=True), True, id="full"),
        pytest.param(0, {}, Wanted(full=True), False, id="full, but none"),
        pytest.param(2, {}, Wanted(photos=False), False, id="no photos asked for"),
        pytest.param(2, {}, Wanted(photos=False, full=True), False, id="nor with full"),
        pytest.param(
            2,
            {"refused": {PHOTO_LIST: {"why": "404", "on": ["1", "2", "3"]}}},
            ALL,
            False,
            id="refused on three days",
        ),
    ],
)
def test_a_photo_list_is_missing_where_its_count_differs(count, ours, wanted, missing):
    one = activity(total_photo_count=count)
    assert (PHOTO_LIST in decide.missing_items(one, 3, (".fit",), ours, wanted, TODAY)) is missing


def test_photos_come_before_the_detail_and_after_the_original():
    missing = decide.missing_items(activity(total_photo_count=1), 2, (), {}, ALL, TODAY)
    assert missing == (ORIGINAL, PHOTO_LIST, DETAIL)


PICTURE_GIVEN_UP = {"refused": {PHOTO: {"why": "404", "on": ["1", "2", "3"]}}}
PICTURE_REFUSED = {"refused": {PHOTO: {"why": "404", "on": ["1", "2"]}}}


@pytest.mark.parametrize(
    ("files", "ours", "full", "lacks"),
    [
        ((), {}, False, True),
        ((), PICTURE_REFUSED, False, True),
        ((), PICTURE_GIVEN_UP, False, False),
        ((), PICTURE_GIVEN_UP, True, True),
        (("7_a.jpg",), {}, False, False),
        (("7_a.jpg",), {}, True, False),
        (("7_a.jpg",), PICTURE_GIVEN_UP, True, False),
    ],
)
def test_a_picture_is_missing_until_it_is_held_or_given_up(files, ours, full, lacks):
    paths = tuple(PurePosixPath("photos", name) for name in files)
    photo = Held(PurePosixPath("photos/7_a"), paths, PurePosixPath("photos/7_a.meta.json"), 2, ours)
    assert decide.lacks_picture(photo, Wanted(full=full)) is lacks


def test_a_photo_list_that_came_is_noted_with_its_count_and_ends_its_refusal():
    ours = decide.with_refusal({"source": "api"}, PHOTO_LIST, "404", TODAY)
    assert decide.with_photo_list(ours, 3) == {"source": "api", "photos": {"count": 3}}


def test_a_saved_picture_is_noted_and_ends_its_refusal():
    ours = {"source": "api", **PICTURE_REFUSED}
    picture = {"saved_at": STAMP}
    assert decide.with_picture(ours, None, NOW) == {"source": "api", "picture": picture}
    assert decide.with_picture(ours, "no end", NOW)["picture"] == {**picture, "odd": "no end"}


# Gear

BIKE = {"id": "b1", "resource_state": 2, "name": "Rosinante", "distance": 5000}
SHOE = {"id": "g1", "resource_state": 2, "name": "Ghost", "distance": 5000}
AT = {"components_at": STAMP}


def held_gear(ours, state=3):
    return Held(PurePosixPath("gear/x"), (), PurePosixPath("gear/x.meta.json"), state, ours)


def listed(summary, **more):
    return {"listed": {"api": summary} if summary else {}, **more}


@pytest.mark.parametrize(
    ("summary", "held", "wanted", "missing"),
    [
        pytest.param(BIKE, None, ALL, (GEAR,), id="a new bike"),
        pytest.param(SHOE, None, ALL, (GEAR,), id="new shoes"),
        pytest.param(BIKE, held_gear(listed(BIKE, **AT)), ALL, (), id="a bike as before"),
        pytest.param(SHOE, held_gear(listed(SHOE)), ALL, (), id="shoes as before"),
        pytest.param(
            BIKE, held_gear(listed(BIKE)), ALL, (COMPONENTS,), id="a bike without its page"
        ),
        pytest.param(
            BIKE,
            held_gear(listed(BIKE)),
            Wanted(originals=False),
            (),
            id="a bike whose page nobody can ask for",
        ),
        pytest.param(
            {**BIKE, "distance": 5001}, held_gear(listed(BIKE, **AT)), ALL, (GEAR,), id="ridden"
        ),
        pytest.param(
            {**BIKE, "nickname": "x"}, held_gear(listed(BIKE, **AT)), ALL, (GEAR,), id="renamed"
        ),
        pytest.param(None, held_gear(listed(BIKE, **AT)), ALL, (GEAR,), id="retired of late"),
        pytest.param(None, held_gear(listed(None, **AT)), ALL, (), id="retired long ago"),
        pytest.param(
            BIKE, held_gear(listed(None, **AT)), ALL, (GEAR,), id="taken up again after it retired"
        ),
        pytest.param(None, None, ALL, (GEAR,), id="retired, and not held"),
        pytest.param(BIKE, held_gear({}, state=None), ALL, (GEAR,), id="held of version 0.4"),
        pytest.param(
            BIKE, held_gear({"listed": {"website": BIKE}, **AT}), ALL, (GEAR,), id="other source"
        ),
        pytest.param(
            BIKE, held_gear(listed(BIKE, **AT)), Wanted(full=True), (GEAR,), id="a bike, full"
        ),
        pytest.param(
            BIKE,
            held_gear({"refused": {GEAR: {"why": "404", "on": ["1", "2", "3"]}}}, state=None),
            ALL,
            (),
            id="refused on three days",
        ),
        pytest.param(
            BIKE,
            held_gear({"refused": {GEAR: {"why": "404", "on": ["1", "2", "3"]}}}, state=None),
            Wanted(full=True),
            (GEAR,),
            id="refused on three days, full",
        ),
        pytest.param(
            BIKE,
            held_gear(listed(BIKE, refused={COMPONENTS: {"why": "404", "on": ["1", "2", "3"]}})),
            ALL,
            (),
            id="a page refused on three days",
        ),
    ],
)
def test_what_is_missing_of_gear(summary, held, wanted, missing):
    gear_id = (summary or BIKE)["id"]
    assert decide.missing_gear_items(gear_id, summary, held, "api", wanted) == missing


def test_fetched_gear_is_missing_no_longer():
    for summary in (BIKE, None):
        ours = decide.with_gear_summary({"listed": {"api": {"id": "old"}}, **AT}, summary, "api")
        missing = decide.missing_gear_items("b1", summary, held_gear(ours), "api", ALL)
        assert missing == (COMPONENTS,)
        ours = decide.with_components(ours, NOW)
        assert decide.missing_gear_items("b1", summary, held_gear(ours), "api", ALL) == ()


def test_a_gear_summary_of_one_source_leaves_that_of_another():
    ours = {"source": "api", "listed": {"website": SHOE, "api": BIKE}}
    assert decide.with_gear_summary(ours, None, "api") == {
        "source": "api",
        "listed": {"website": SHOE},
    }
    assert decide.with_gear_summary({}, BIKE, "api") == {"listed": {"api": BIKE}}


def test_components_that_came_are_noted():
    assert decide.with_components({"source": "api"}, NOW) == {"source": "api", **AT}


CHAIN = {"type": "Chain", "added": "May 3, 2025", "distance": "1.0 km", "distance_m": 1000.0}
KEPT_BIKE = {
    **BIKE,
    "resource_state": 3,
    "retired": False,
    "converted_distance": 5.0,
    "components": [CHAIN],
}


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
    assert decide.needs_history(KEPT_BIKE, new, decide.gear_essence) is needed


@pytest.mark.parametrize("components", [None, [], ["Chain", None, 7], {}])
def test_gear_of_any_form_has_an_essence(components):
    assert decide.gear_essence({"id": "b1", "components": components})["components"] == []
    assert decide.gear_essence({"id": "b1"}) == {"id": "b1", "components": []}


def test_a_record_that_is_only_completed_makes_no_history():
    assert not decide.needs_history(BIKE, {**BIKE, "components": [CHAIN]}, decide.nothing)


# What of an activity is worth a history


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({"kudos_count": 4}, False),
        ({"comment_count": 1, "athlete_count": 9, "has_kudoed": True}, False),
        ({"gear": {"id": "b1", "distance": 7000}}, False),
        ({"segment_efforts": [{"pr_rank": 1}], "best_efforts": []}, False),
        ({"similar_activities": {"effort_count": 8}}, False),
        ({"strava_backup": {"photos": {"count": 1}}}, False),
        ({"gear_id": "b2"}, True),
        ({"description": "wet"}, True),
        ({"total_photo_count": 1}, True),
        # what is only added is lost from nothing
        ({"something_new": 1}, False),
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
    }
    assert decide.needs_history(old, {**old, **change}, decide.activity_essence) is needed


def test_an_essence_leaves_its_record_as_it_is():
    before = json.dumps([SUMMARY, KEPT_BIKE])
    decide.activity_essence(SUMMARY)
    decide.gear_essence(KEPT_BIKE)
    assert json.dumps([SUMMARY, KEPT_BIKE]) == before


# Which errors may be Strava's last word


@pytest.mark.parametrize(
    ("item", "error", "reason"),
    [
        (ORIGINAL, errors.Refused("x", "404"), "404"),
        (DETAIL, errors.Blocked("x", "403"), "403"),
        (GEAR, errors.Refused("x", "404"), "404"),
        (ORIGINAL, errors.Unreachable("x", why="500"), None),
        (ORIGINAL, errors.CutShort("x", why="cut short"), None),
        (ORIGINAL, errors.ItemError("x", why="empty"), None),
        (COMPONENTS, errors.PageChanged("x"), None),
        (PHOTO_LIST, errors.Unreachable("x", why="500"), None),
        (PHOTO, errors.Refused("x", "404"), "404"),
        (PHOTO, errors.Unreachable("x", why="500"), "500"),
        (PHOTO, errors.CutShort("x", why="cut short"), "cut short"),
        (PHOTO, errors.ItemError("x", why="empty"), "empty"),
        (PHOTO, errors.PageInstead("x", why="a web page"), "a web page"),
        # the way there, not the host's answer
        (PHOTO, errors.Unreachable("x"), None),
    ],
)
def test_a_passing_fault_is_the_last_word_on_pictures_only(item, error, reason):
    assert decide.lasting_reason(item, error) == reason
