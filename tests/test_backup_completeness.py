"""A listing shows which activities are complete, incomplete or deleted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.archive.directory import Inventory, Stored
from strava_backup.backup.completeness import CompletenessCheck
from strava_backup.items import COMPONENTS, ORIGINAL, PHOTO
from strava_backup.report import Completeness
from strava_backup.strava.records import ListingResult
from tests.made_up_records import ALL, TODAY

WHOLE = ListingResult(is_whole=True, surplus=None)
GONE = {"gone_since": "2026-11-22T10:00:00Z"}
IDS = st.sets(st.integers(1, 30))


def not_available(item):
    return {"refused": {item: {"why": "404", "on": ["2026-11-19", "2026-11-20", "2026-11-21"]}}}


def one(own=None, *files):
    return Stored("x", files, None, 3, own or {})


def completeness(stored=(), listed=(), known=None, photos=None, gear=None):
    """Return a check after these ids were listed; an id may be any other value as well."""
    stored = stored if isinstance(stored, dict) else {activity_id: one() for activity_id in stored}
    known = frozenset(stored if known is None else known)
    found = CompletenessCheck(Inventory(stored, photos or {}, gear or {}), known)
    for activity_id in listed:
        found.add({"id": activity_id})
    return found


@pytest.mark.parametrize(
    ("stored", "listed", "listing_result", "unlisted"),
    [
        pytest.param([1, 2, 3], [1, 2, 3], WHOLE, set(), id="all there"),
        pytest.param([1, 2, 3], [1, 4], WHOLE, {2, 3}, id="two not there"),
        pytest.param([1, 2], [], WHOLE, {1, 2}, id="nothing there"),
        pytest.param({1: one(GONE), 2: one()}, [3], WHOLE, {2}, id="one is marked as deleted"),
        pytest.param([1, 2], [1], None, None, id="a request failed"),
        pytest.param([1, 2], [1], ListingResult(False, 0), None, id="list ended early"),
        pytest.param([1, 2], [1], ListingResult(False, None), None, id="list changed meanwhile"),
        pytest.param([1, 2], [1, None], WHOLE, None, id="one without id"),
        pytest.param([1, 2], [1, "2"], WHOLE, None, id="one with an invalid id"),
    ],
)
def test_only_a_complete_listing_shows_activities_that_are_no_longer_listed(
    stored, listed, listing_result, unlisted
):
    assert completeness(stored, listed).unlisted(listing_result) == unlisted


@pytest.mark.parametrize(
    ("listed", "surplus", "hidden"),
    [([1, 2, 3], 0, 0), ([1, 2, 3], 2, 2), ([1, 2], -1, 0), ([1, 2], 0, 1), ([1], None, None)],
)
def test_activities_that_the_website_counts_but_does_not_list_are_hidden(listed, surplus, hidden):
    assert completeness([1, 2, 3], listed).count_hidden(ListingResult(True, surplus)) == hidden


@given(IDS, IDS, st.integers(0, 5))
def test_hidden_activities_are_the_difference_of_total_and_list(stored, listed, extra):
    total = len(listed) + extra
    surplus = total - len(stored | listed)
    assert completeness(stored, listed).count_hidden(ListingResult(True, surplus)) == extra


@pytest.mark.parametrize(
    ("stored", "listed", "listing_result", "missing", "expected"),
    [
        pytest.param([1, 2], [1, 2], WHOLE, {2}, Completeness(2, (2,)), id="one is incomplete"),
        pytest.param(
            [1, 2, 3], [1], WHOLE, {3}, Completeness(1), id="deleted ones are not counted"
        ),
        pytest.param([], [1, None], WHOLE, {1}, Completeness(2, (1,), nameless=1), id="without id"),
        pytest.param(
            [1, 2, 3],
            [3],
            ListingResult(False, 0),
            {2, None},
            Completeness(3, (2,)),
            id="ended early",
        ),
        pytest.param(
            [1, 2, 3], [3], ListingResult(False, 2), (), Completeness(3), id="more in the total"
        ),
        pytest.param(
            [1, 2, 3], [3], ListingResult(False, -1), (), Completeness(2), id="fewer in the total"
        ),
        pytest.param(
            [1, 2], [2], None, {1, 2}, Completeness(1, (2,), is_whole=False), id="a request failed"
        ),
        pytest.param(
            [1, 2],
            [2],
            ListingResult(False, None),
            (),
            Completeness(1, is_whole=False),
            id="list changed",
        ),
    ],
)
def test_the_archive_is_compared_with_strava(stored, listed, listing_result, missing, expected):
    assert (
        completeness(stored, listed).completeness(listing_result, missing, (), ALL, TODAY)
        == expected
    )


def test_an_invalid_record_is_missing():
    found = completeness([], [1, 2])
    found.add_invalid({"id": 2})
    found.add_invalid({"id": None})
    assert found.completeness(WHOLE, (), (), ALL, TODAY) == Completeness(2, (2,))


def test_unavailable_items_count_while_their_activity_is_on_strava():
    found = completeness(
        {1: one(not_available(ORIGINAL)), 2: one({**not_available(ORIGINAL), **GONE})},
        [1],
        photos={(1, "a"): one(not_available(PHOTO)), (2, "b"): one(not_available(PHOTO))},
        gear={"b1": one(not_available(COMPONENTS))},
    )
    asked = {ORIGINAL, PHOTO, COMPONENTS}
    assert found.completeness(WHOLE, (), asked, ALL, TODAY) == Completeness(1, not_available=3)
    assert found.completeness(WHOLE, (), {ORIGINAL}, ALL, TODAY) == Completeness(1, not_available=1)


@given(
    IDS,
    IDS,
    IDS,
    st.sampled_from([None, WHOLE, ListingResult(False, 0), ListingResult(False, None)]),
)
def test_no_more_activities_are_missing_than_there_are(stored, listed, missing, listing_result):
    found = completeness(stored, listed).completeness(listing_result, missing, (), ALL, TODAY)
    assert len(found.missing) <= found.on_strava
    assert set(found.missing) <= missing
