from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import decide
from strava_backup.archive.directory import Held
from strava_backup.decide import DETAIL, GPX, ORIGINAL, Wanted
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
    assert decide.missing_items(activity(), 2, (".fit",), record["strava_backup"], ALL) == (DETAIL,)


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
        missing = decide.missing_items(activity(**change), 3, (), ours, wanted)
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
    missing = decide.missing_items(parse_activity(record), 3, (), kept["strava_backup"], ALL)
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
            3, (), {"original": {"absent": "redirect"}}, ALL, (), id="no original on the website"
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
    assert decide.missing_items(activity(), state, suffixes, ours, wanted) == missing


@given(
    st.sampled_from([None, 2, 3]),
    st.lists(st.sampled_from([".fit", ".json", ".gpx", ".dat"]), unique=True).map(tuple),
    st.sampled_from([{}, GIVEN_UP, REFUSED_TWICE, {"original": {"absent": "x", "no_gpx": "y"}}]),
    st.builds(Wanted, st.booleans(), st.booleans()),
)
def test_full_asks_for_more_and_never_for_a_held_original(state, suffixes, ours, wanted):
    some = decide.missing_items(activity(), state, suffixes, ours, wanted)
    full = decide.missing_items(activity(), state, suffixes, ours, wanted._replace(full=True))
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
    decide.is_same(kept, kept)
    assert json.dumps(kept) == before
