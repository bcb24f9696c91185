"""The missing items, and the times to try them again."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.archive.directory import Inventory, Stored
from strava_backup.items import (
    COMMENTS,
    COMPONENTS,
    DETAIL,
    GEAR,
    GPX,
    ORIGINAL,
    PHOTO,
    PHOTO_LIST,
    PRIVATE_NOTE,
    ROUTE,
    VIDEO,
)
from strava_backup.records import plan
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
    TODAY,
    activity,
    held_gear,
    listed,
    refused,
)

NOT_AVAILABLE = {
    "refused": {ORIGINAL: {"why": "404", "on": ["2026-11-01", "2026-11-02", "2026-11-05"]}}
}


NO_GPX = {"original": {"no_gpx": "no track", "no_gpx_on": ["2026-11-01"]}}
THREE_DAYS = ["2026-11-19", "2026-11-20", "2026-11-21"]
PICTURE_NOT_AVAILABLE = {"refused": {PHOTO: {"why": "404", "on": THREE_DAYS}}}
VIDEO_URL = {"video_url": "https://d1.cloudfront.net/a.m3u8"}
VIDEO_NOT_AVAILABLE = {"refused": {VIDEO: {"why": "404", "on": THREE_DAYS}}}


def test_an_activity_that_is_not_stored_is_new():
    assert plan.is_changed(activity(), None, "api")


@pytest.mark.parametrize(
    ("state", "suffixes", "own", "wanted", "missing"),
    [
        pytest.param(2, (), {}, ALL, (ORIGINAL, DETAIL), id="everything of a new one"),
        pytest.param(3, (".fit",), {}, ALL, (), id="nothing of a whole one"),
        pytest.param(None, (".fit",), {}, ALL, (DETAIL,), id="detail of an adopted one"),
        pytest.param(3, (".gz",), {}, ALL, (), id="an old name for an original will do"),
        pytest.param(3, (".json",), {}, ALL, (GPX,), id="GPX of JSON"),
        pytest.param(3, (".json.gz",), {}, ALL, (GPX,), id="GPX of gzipped JSON"),
        pytest.param(3, (".gpx", ".json"), {}, ALL, (), id="GPX is there"),
        pytest.param(3, (".gpx.gz", ".json"), {}, ALL, (), id="gzipped GPX is there"),
        pytest.param(3, (".gpx",), {}, ALL, (), id="GPX counts as original"),
        pytest.param(3, (".json",), NO_GPX, ALL, (), id="no GPX available"),
        pytest.param(
            3,
            (".json",),
            NO_GPX,
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
        pytest.param(3, (), NOT_AVAILABLE, ALL, (), id="refused on three days"),
        pytest.param(2, (), NOT_AVAILABLE, ALL, (DETAIL,), id="one refused, the other not"),
        pytest.param(
            3,
            (),
            NOT_AVAILABLE,
            Wanted(full=True),
            (ORIGINAL, DETAIL),
            id="not available, asked with full",
        ),
        pytest.param(
            3,
            (".fit",),
            {},
            Wanted(full=True),
            (DETAIL,),
            id="never a stored original, even with full",
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
def test_what_is_missing_of_an_activity(state, suffixes, own, wanted, missing):
    assert plan.missing_items(activity(), state, suffixes, own, wanted, TODAY) == missing


@given(
    st.sampled_from([None, 2, 3]),
    st.lists(st.sampled_from([".fit", ".json", ".gpx", ".dat"]), unique=True).map(tuple),
    st.sampled_from(
        [{}, NOT_AVAILABLE, REFUSED_TWICE, {"original": {"absent": "x", "no_gpx": "y"}}]
    ),
    st.builds(Wanted, st.booleans(), st.booleans()),
)
def test_full_asks_for_more_and_never_for_a_stored_original(state, suffixes, own, wanted):
    stored = (activity(), state, suffixes, own)
    some = plan.missing_items(*stored, wanted, TODAY)
    full = plan.missing_items(*stored, wanted._replace(full=True), TODAY)
    assert set(some) <= set(full)
    assert not (suffixes and ORIGINAL in full)


@pytest.mark.parametrize(
    ("answers", "not_available"),
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
def test_the_same_answer_on_three_days_means_not_available(answers, not_available):
    day = NOW.date().replace(day=30)
    assert plan.is_unavailable(refused(*answers), ORIGINAL, ALL, day) is not_available


@pytest.mark.parametrize(
    ("later_refusals", "wait"),
    [([], 30), ([40], 90), ([40, 140], 180), ([40, 140, 400], 180), ([40, 140, 400, 600], 180)],
)
def test_what_is_not_available_is_tried_again_after_30_90_and_then_every_180_days(
    later_refusals, wait
):
    first = date(2026, 1, 3)
    later = [(first + timedelta(days)).isoformat() for days in later_refusals]
    own = {
        "refused": {PHOTO: {"why": "404", "on": ["2026-01-01", "2026-01-02", "2026-01-03", *later]}}
    }
    last = date.fromisoformat(own["refused"][PHOTO]["on"][-1])
    assert plan.is_unavailable(own, PHOTO, ALL, last)
    assert plan.is_unavailable(own, PHOTO, ALL, last + timedelta(wait - 1))
    assert not plan.is_unavailable(own, PHOTO, ALL, last + timedelta(wait))


def of_website():
    """An activity whose listing does not show whether it has an original."""
    record = activity().record
    return parse_activity({name: record[name] for name in record if name != "upload_id"})


@pytest.mark.parametrize(("days", "waits"), [(1, 1), (2, 30), (3, 90), (4, 180), (5, 180)])
def test_a_redirect_is_confirmed_on_the_next_day_and_then_tried_again_from_time_to_time(
    days, waits
):
    on = [(date(2026, 1, 1) + timedelta(day)).isoformat() for day in range(days)]
    own = {"original": {"absent": "redirect to the activity", "on": on}}
    last = date.fromisoformat(on[-1])
    for passed in range(waits + 1):
        day = last + timedelta(passed)
        missing = plan.missing_items(of_website(), 3, (), own, ALL, day)
        assert missing == (() if passed < waits else (ORIGINAL,))


@pytest.mark.parametrize("on", [[], ["x"], ["2026-01-01", "2026-01-02", "2199-01-01"]])
def test_days_of_a_wrong_clock_do_not_keep_an_item_from_being_tried(on):
    own = {"original": {"absent": "redirect to the activity", "on": on}}
    assert plan.missing_items(of_website(), 3, (), own, ALL, TODAY) == (ORIGINAL,)


def test_refusals_do_not_count_while_nothing_of_the_kind_is_stored():
    wanted = Wanted(unproven=frozenset({ORIGINAL, PHOTO}))
    assert not plan.is_unavailable(NOT_AVAILABLE, ORIGINAL, wanted, TODAY)
    assert not plan.is_unavailable(PICTURE_NOT_AVAILABLE, PHOTO, wanted, TODAY)
    of_instagram = {"refused": {PHOTO: {"why": "from Instagram", "on": THREE_DAYS}}}
    assert plan.is_unavailable(of_instagram, PHOTO, wanted, TODAY)


@pytest.mark.parametrize(
    ("inventory", "proven"),
    [
        (Inventory({}, {}, {}), set()),
        (Inventory({7: Stored("7", ("7.fit",))}, {}, {}), {ORIGINAL}),
        (Inventory({7: Stored("7", resource_state=3)}, {}, {}), {DETAIL}),
        (Inventory({7: Stored("7", resource_state=2)}, {}, {}), set()),
        (
            Inventory({7: Stored("7", own={"photos": {"count": 2}})}, {}, {}),
            {PHOTO_LIST},
        ),
        (
            Inventory({}, {(7, "a"): Stored("a", ("a.jpg",))}, {}),
            {PHOTO},
        ),
        (
            Inventory({7: Stored("7", own={"private_note_at": "then"})}, {}, {}),
            {PRIVATE_NOTE},
        ),
        (
            Inventory({7: Stored("7", comments_text="c")}, {}, {}),
            {COMMENTS},
        ),
        (
            Inventory({}, {}, {"b1": Stored("b1", resource_state=2, own={**AT})}),
            {GEAR, COMPONENTS},
        ),
        (
            Inventory({}, {}, {}, {"3": Stored("3", ("3.gpx",))}),
            {ROUTE},
        ),
    ],
)
def test_a_kind_is_proven_by_what_is_stored(inventory, proven):
    unproven = plan.unproven_items(inventory)
    kinds = {*EVERY_ITEM - {GPX, VIDEO}, PRIVATE_NOTE, COMMENTS}
    assert unproven == kinds - proven


def test_a_refusal_is_noted_with_its_reason_and_days():
    assert refused((2, "404"), (1, "404"), (2, "404")) == {
        "source": "api",
        "refused": {ORIGINAL: {"why": "404", "on": ["2026-11-01", "2026-11-02"]}},
    }


@pytest.mark.parametrize(
    ("count", "own", "wanted", "missing"),
    [
        pytest.param(2, {}, ALL, True, id="photos never listed"),
        pytest.param(2, {"photos": {"count": 2}}, ALL, False, id="as many as before"),
        pytest.param(3, {"photos": {"count": 2}}, ALL, True, id="one more"),
        pytest.param(1, {"photos": {"count": 2}}, ALL, True, id="one less"),
        pytest.param(0, {"photos": {"count": 2}}, ALL, True, id="none any more"),
        pytest.param(0, {"photos": {"count": 0}}, ALL, False, id="none for some time"),
        pytest.param(0, {}, ALL, False, id="never any"),
        pytest.param(None, {}, ALL, False, id="unknown"),
        pytest.param("2", {}, ALL, False, id="in another form"),
        pytest.param(2, {"photos": {"count": 2}}, Wanted(full=True), True, id="full"),
        pytest.param(0, {}, Wanted(full=True), False, id="full, but none"),
        pytest.param(2, {}, Wanted(photos=False), False, id="no photos asked for"),
        pytest.param(2, {}, Wanted(photos=False, full=True), False, id="nor with full"),
        pytest.param(
            2,
            {"photos": {"count": 2}, "refused": {PHOTO_LIST: {"why": "404", "on": THREE_DAYS}}},
            ALL,
            False,
            id="refused on three days",
        ),
        pytest.param(
            3,
            {"photos": {"count": 2}, "refused": {PHOTO_LIST: {"why": "404", "on": THREE_DAYS}}},
            ALL,
            True,
            id="refused on three days for another count",
        ),
        pytest.param(
            2,
            {"photos": {"count": 2}, "refused": {PHOTO_LIST: {"why": "x", "on": THREE_DAYS[:2]}}},
            ALL,
            True,
            id="refused on two days",
        ),
    ],
)
def test_a_photo_list_is_missing_where_its_count_differs(count, own, wanted, missing):
    one = activity(total_photo_count=count)
    assert (PHOTO_LIST in plan.missing_items(one, 3, (".fit",), own, wanted, TODAY)) is missing


def test_photos_come_before_the_detail_and_after_the_original():
    missing = plan.missing_items(activity(total_photo_count=1), 2, (), {}, ALL, TODAY)
    assert missing == (ORIGINAL, PHOTO_LIST, DETAIL)


@pytest.mark.parametrize(
    ("files", "own", "full", "lacks"),
    [
        ((), {}, False, True),
        ((), PICTURE_REFUSED, False, True),
        ((), PICTURE_NOT_AVAILABLE, False, False),
        ((), PICTURE_NOT_AVAILABLE, True, True),
        (("7_a.jpg",), {}, False, False),
        (("7_a.jpg",), {}, True, False),
        (("7_a.jpg",), PICTURE_NOT_AVAILABLE, True, False),
    ],
)
def test_a_picture_is_missing_until_it_is_stored_or_not_available(files, own, full, lacks):
    paths = tuple(f"photos/{name}" for name in files)
    photo = Stored("photos/7_a", paths, "photos/7_a.meta.json", 2, own)
    assert plan.lacks_picture(photo, Wanted(full=full), TODAY) is lacks


@pytest.mark.parametrize(
    ("photo", "wanted", "lacks"),
    [
        ({}, ALL, False),
        ({"fields": VIDEO_URL}, ALL, True),
        ({"fields": VIDEO_URL, "file_texts": ("7_a.jpg",)}, ALL, True),
        ({"fields": VIDEO_URL, "video_texts": ("7_a.ts",)}, ALL, False),
        ({"fields": VIDEO_URL, "video_texts": ("7_a.mp4",)}, Wanted(full=True), False),
        ({"fields": VIDEO_URL}, Wanted(videos=False), False),
        ({"fields": VIDEO_URL}, Wanted(photos=False), False),
        ({"fields": VIDEO_URL, "own": PICTURE_NOT_AVAILABLE}, ALL, True),
        ({"fields": VIDEO_URL, "own": VIDEO_NOT_AVAILABLE}, ALL, False),
        ({"fields": VIDEO_URL, "own": VIDEO_NOT_AVAILABLE}, Wanted(full=True), True),
        # a video whose record had no address
        ({"own": {"refused": {VIDEO: {"why": "no address", "on": ["2026-11-21"]}}}}, ALL, True),
    ],
)
def test_a_video_is_missing_until_it_is_stored_or_not_available(photo, wanted, lacks):
    stored = Stored("photos/7_a", **photo)
    assert plan.lacks_video(stored, wanted, TODAY) is lacks
    if not lacks:
        assert plan.lacks_video(stored, wanted, TODAY, is_listed=True) is (photo == {})


def test_pictures_are_the_evidence_for_videos():
    assert plan.evidence_kind(VIDEO) == PHOTO


@pytest.mark.parametrize(
    ("summary", "stored", "wanted", "missing"),
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
            BIKE, held_gear(listed(None, **AT)), ALL, (GEAR,), id="in use again after it retired"
        ),
        pytest.param(None, None, ALL, (GEAR,), id="retired, and not stored"),
        pytest.param(BIKE, held_gear({}, state=None), ALL, (GEAR,), id="stored by version 0.4"),
        pytest.param(
            BIKE, held_gear({"listed": {"website": BIKE}, **AT}), ALL, (GEAR,), id="other source"
        ),
        pytest.param(
            BIKE, held_gear(listed(BIKE, **AT)), Wanted(full=True), (GEAR,), id="a bike, full"
        ),
        pytest.param(
            BIKE,
            held_gear({"refused": {GEAR: {"why": "404", "on": THREE_DAYS}}}, state=None),
            ALL,
            (),
            id="refused on three days",
        ),
        pytest.param(
            BIKE,
            held_gear({"refused": {GEAR: {"why": "404", "on": THREE_DAYS}}}, state=None),
            Wanted(full=True),
            (GEAR,),
            id="refused on three days, full",
        ),
        pytest.param(
            BIKE,
            held_gear(listed(BIKE, refused={COMPONENTS: {"why": "404", "on": THREE_DAYS}})),
            ALL,
            (),
            id="a page refused on three days",
        ),
    ],
)
def test_what_is_missing_of_gear(summary, stored, wanted, missing):
    gear_id = (summary or BIKE)["id"]
    assert plan.missing_gear_items(gear_id, summary, stored, "api", wanted, TODAY) == missing


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
        (VIDEO, errors.Refused("x", "404"), "404"),
        (VIDEO, errors.ItemError("x", why="encrypted"), "encrypted"),
        (VIDEO, errors.ItemError("x"), None),
        (VIDEO, errors.Unreachable("x", why="500"), None),
        (VIDEO, errors.CutShort("x", why="cut short"), None),
    ],
)
def test_a_passing_fault_is_noted_for_pictures_only(item, error, reason):
    assert plan.lasting_reason(item, error) == reason


@pytest.mark.parametrize(
    ("stored", "believed"),
    [(1, 3), (3, 3), (60, 3), (79, 3), (80, 4), (100, 5), (399, 19), (400, 20), (10_000, 20)],
)
def test_a_plausible_number_is_deleted_at_once(stored, believed):
    assert not plan.are_too_many(believed, stored)
    assert plan.are_too_many(believed + 1, stored)


@pytest.mark.parametrize(
    ("last", "due"),
    [
        (None, True),
        ("2026-11-22T09:00:00Z", False),
        ("2026-10-23T10:00:00Z", False),
        ("2026-10-23T09:59:59Z", True),
        ("yesterday", True),
        ("2026-11-22T09:00:00", True),
        (7, True),
    ],
)
def test_a_look_at_all_of_a_list_is_due_after_thirty_days(last, due):
    assert plan.is_due(last, NOW) == due


REFUSED_THRICE = {"why": "404", "on": THREE_DAYS}
EVERY_ITEM = {ORIGINAL, GPX, DETAIL, PHOTO, VIDEO, PHOTO_LIST, GEAR, COMPONENTS, ROUTE}


@pytest.mark.parametrize(
    ("files", "refused", "asked", "count"),
    [
        ((), {}, EVERY_ITEM, 0),
        ((), {ORIGINAL: REFUSED_THRICE, DETAIL: REFUSED_THRICE}, EVERY_ITEM, 2),
        ((), {ORIGINAL: REFUSED_THRICE, DETAIL: REFUSED_THRICE}, {DETAIL}, 1),
        ((), {ORIGINAL: {"why": "404", "on": ["1", "2"]}}, EVERY_ITEM, 0),
        (("a.fit",), {ORIGINAL: REFUSED_THRICE}, EVERY_ITEM, 0),
        (("a.json",), {GPX: REFUSED_THRICE}, EVERY_ITEM, 1),
        (("a.jpg",), {PHOTO: REFUSED_THRICE}, EVERY_ITEM, 0),
        (("a.jpg",), {VIDEO: REFUSED_THRICE}, EVERY_ITEM, 1),
    ],
)
def test_items_not_available_are_counted_unless_they_are_stored(files, refused, asked, count):
    stored = Stored("a", files, own={"refused": refused})
    assert plan.count_unavailable(stored, asked, ALL, TODAY) == count


@pytest.mark.parametrize(
    ("wanted", "has_details", "not_asked"),
    [
        (ALL, True, set()),
        (ALL, False, {DETAIL, PHOTO_LIST, GEAR}),
        (Wanted(originals=False), True, {ORIGINAL, GPX, COMPONENTS}),
        (Wanted(photos=False), True, {PHOTO, PHOTO_LIST, VIDEO}),
        (Wanted(videos=False), True, {VIDEO}),
        (Wanted(details=False, gear=False), True, {DETAIL, GEAR, COMPONENTS}),
    ],
)
def test_options_narrow_what_is_asked_for(wanted, has_details, not_asked):
    assert plan.asked_items(wanted, has_details=has_details) == EVERY_ITEM - not_asked


COUNTS = {"comment_count": 2, "kudos_count": 3}
NO_COUNTS = {"comment_count": 0, "kudos_count": 0}
COMMENTS_NOT_AVAILABLE = {"refused": {COMMENTS: {"why": "404", "on": THREE_DAYS}}}


@pytest.mark.parametrize(
    ("counts", "stored", "own", "options", "lacks"),
    [
        (COUNTS, None, {}, {}, True),
        (COUNTS, {"strava_backup": COUNTS}, {}, {}, False),
        (COUNTS, {"strava_backup": COUNTS}, {}, {"full": True}, True),
        (COUNTS, {"strava_backup": NO_COUNTS}, {}, {}, True),
        (NO_COUNTS, {"strava_backup": COUNTS}, {}, {}, True),
        (COUNTS, {}, {}, {}, True),
        (NO_COUNTS, {}, {}, {}, True),
        (NO_COUNTS, None, {}, {}, False),
        (NO_COUNTS, None, {}, {"full": True}, False),
        (COUNTS, None, {}, {"comments": False}, False),
        (COUNTS, None, COMMENTS_NOT_AVAILABLE, {}, False),
        (COUNTS, None, COMMENTS_NOT_AVAILABLE, {"full": True}, True),
    ],
)
def test_comments_are_fetched_if_a_count_changed(counts, stored, own, options, lacks):
    wanted = Wanted(**{"comments": True, **options})
    assert plan.lacks_comments(counts, stored, own, wanted, TODAY) is lacks


@pytest.mark.parametrize("count", [None, True, -1, 1.5, "2", [], 10**30])
def test_a_count_of_a_wrong_type_counts_as_none(count):
    assert plan.listed_counts({"comment_count": count, "kudos_count": 3}) == {
        "comment_count": 0,
        "kudos_count": 3,
    }


@pytest.mark.parametrize(
    ("own", "options", "is_missing"),
    [
        ({}, {}, True),
        ({"private_note_at": "2026-11-22T10:00:00Z"}, {}, False),
        ({"private_note_at": "2026-11-22T10:00:00Z"}, {"full": True}, True),
        ({}, {"private_notes": False}, False),
        ({"refused": {PRIVATE_NOTE: {"why": "404", "on": THREE_DAYS}}}, {}, False),
    ],
)
def test_a_private_note_is_fetched_once(own, options, is_missing):
    wanted = Wanted(**{"private_notes": True, **options})
    missing = plan.missing_items(activity(), 3, (".fit",), own, wanted, TODAY)
    assert (PRIVATE_NOTE in missing) is is_missing
