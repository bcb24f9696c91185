from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.demo.account import Account
from strava_backup.demo.photos import photo_of
from strava_backup.demo.saved_routes import sample_routes
from strava_backup.demo.wire import Response, json_response
from strava_backup.strava import records, transport, web_source
from strava_backup.strava.records import Checkpoint, ListingResult, record_id
from strava_backup.strava.session import Credentials, WebSession
from strava_backup.strava.web_source import WebSource
from strava_backup.strava.website import Website
from tests.conftest import Clock
from tests.faults import Fault
from tests.first_backups import copied_account
from tests.made_up_json import JSON_VALUES
from tests.strava_wire import Store, Wire, asked, is_pause
from tests.wrong_answers import WRONG_ANSWERS

ALWAYS_SEEN = timedelta(days=30)
DEEP = b"[" * 200_000


class Rig:
    """An account with an activity per day, and a source connected to it."""

    def __init__(self, clock, count):
        self.clock = clock
        self.account = copied_account(count, clock)
        self.wire = Wire(self.account)
        http = transport.Session(adapter=self.wire, sleep=clock.sleep)
        web = WebSession(
            http,
            Credentials(jwt=self.account.issue_jwt()),
            store=Store(),
            clock=clock,
            sleep=clock.sleep,
        )
        web.sign_in()
        self.account.requests.clear()
        self.source = WebSource(web, self.account.athlete_id)

    @property
    def ids(self):
        return [one.id for one in self.account.activities]

    def known(self, activity_ids=(), photos=(), surplus=0, whole=False, whole_photos=False):
        now = datetime.fromtimestamp(self.clock.now, UTC)
        return Checkpoint(
            frozenset(activity_ids), frozenset(photos), surplus, whole, whole_photos, now
        )

    def listed(self, known=None):
        """The ids that the source lists."""
        return [
            record_id(one)
            for one in chain.from_iterable(self.source.fetch_activities(known or self.known()))
        ]

    def photo_ids(self, known=None):
        return [
            one["unique_id"]
            for one in chain.from_iterable(self.source.fetch_new_photos(known or self.known()))
        ]

    def photo_keys(self):
        return {
            (activity.id, photo.unique_id.lower().replace("-", ""))
            for activity in self.account.activities
            for photo in activity.photos
        }

    def pages(self, kind="web-list"):
        return [one.id for one in self.account.requests if one.kind == kind]

    def fault(self, kind, what, item=None, **more):
        self.account.faults.append(Fault(kind, what, id=item, **more))

    def answer(self, kind, value, item=None, **more):
        """Answer these requests with this JSON."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.fault(kind, "other-body", item, body=body, **more)

    def models(self, page):
        """The models that the website has on a page."""
        records = list(chain.from_iterable(self.source.fetch_activities(self.known(surplus=None))))
        self.account.requests.clear()
        models = [one["strava_backup"]["website"] for one in records]
        return models[20 * (page - 1) : 20 * page]

    def tell_total(self, total, pages):
        """Change the total of the list on these pages."""
        models = [self.models(page) for page in range(1, pages + 1)]
        for page, listed in enumerate(models, 1):
            self.answer("web-list", {"models": listed, "total": total}, page)

    def items(self):
        """The photos as the website lists them."""
        records = list(
            chain.from_iterable(self.source.fetch_new_photos(self.known(whole_photos=True)))
        )
        self.account.requests.clear()
        return [one["strava_backup"]["website"] for one in records]


@pytest.fixture
def make_rig(clock):
    return lambda count=60: Rig(clock, count)


@pytest.fixture
def rig(make_rig):
    return make_rig()


def test_the_constructor_asks_for_nothing(rig):
    assert rig.account.requests == []
    assert rig.source.listing_result is None


# Activities


@pytest.mark.parametrize(
    ("count", "pages"), [(0, 1), (1, 1), (19, 1), (20, 1), (21, 2), (40, 2), (41, 3), (60, 3)]
)
def test_the_list_is_fetched_page_by_page_up_to_the_total(make_rig, count, pages):
    rig = make_rig(count)
    assert rig.listed() == rig.ids
    assert rig.pages() == list(range(1, pages + 1))
    assert rig.source.listing_result == ListingResult(is_whole=True, surplus=0)


def test_the_list_is_asked_for_as_the_website_does(rig):
    rig.listed()
    request = rig.account.requests[0]
    assert request.query == {
        "keywords": "",
        "new_activity_only": "false",
        "page": "1",
        "per_page": "20",
    }
    assert request.headers["x-requested-with"] == "XMLHttpRequest"


@pytest.mark.parametrize("extra", [1, 5])
def test_with_a_total_too_high_the_listing_continues_to_an_empty_page(rig, extra):
    rig.account.web_total_extra = extra
    assert rig.listed() == rig.ids
    assert rig.pages() == [1, 2, 3, 4]
    assert rig.source.listing_result == ListingResult(is_whole=True, surplus=extra)


def test_hidden_activities_that_are_not_stored_are_a_surplus(rig):
    rig.account.hidden_from_web = {rig.ids[3], rig.ids[30]}
    assert len(rig.listed()) == 58
    assert rig.source.listing_result == ListingResult(is_whole=True, surplus=2)


def test_stored_activities_deleted_on_strava_are_a_negative_surplus(rig):
    assert rig.listed(rig.known({*rig.ids, 7}, surplus=0)) == rig.ids
    assert rig.source.listing_result == ListingResult(is_whole=True, surplus=-1)


@pytest.mark.parametrize("surplus", [0, 2, -1])
def test_the_listing_ends_early_if_the_counts_add_up(make_rig, surplus):
    rig = make_rig(200)
    known = set(rig.ids) | ({7} if surplus == -1 else set())
    rig.account.web_total_extra = max(surplus, 0)
    listed = rig.listed(rig.known(known, surplus=surplus))
    assert listed == rig.ids[:40]
    assert rig.pages() == [1, 2]
    assert rig.source.listing_result == ListingResult(is_whole=False, surplus=surplus)


@pytest.mark.parametrize("surplus", [None, 1, -1])
def test_the_listing_does_not_end_early_if_the_counts_do_not_add_up(make_rig, surplus):
    rig = make_rig(200)
    assert rig.listed(rig.known(rig.ids, surplus=surplus)) == rig.ids
    assert rig.source.listing_result == ListingResult(is_whole=True, surplus=0)


def test_the_listing_goes_as_far_as_the_unknown_activity(make_rig):
    rig = make_rig(200)
    rig.listed(rig.known(set(rig.ids) - {rig.ids[0], rig.ids[75]}))
    assert rig.pages() == [1, 2, 3, 4]
    assert rig.source.listing_result == ListingResult(is_whole=False, surplus=0)


def test_a_full_listing_goes_to_the_end(make_rig):
    rig = make_rig(200)
    assert rig.listed(rig.known(rig.ids, whole=True)) == rig.ids
    assert rig.source.listing_result == ListingResult(is_whole=True, surplus=0)


@pytest.mark.parametrize("days", [0, 10, 40, 80])
def test_the_last_thirty_days_are_always_seen(make_rig, days):
    rig = make_rig(200)
    rig.clock.now += (days - 40) * 24 * 3600
    listed = rig.listed(rig.known(rig.ids))
    oldest = datetime.fromtimestamp(rig.clock.now, UTC) - ALWAYS_SEEN
    fresh = [one.id for one in rig.account.activities if one.started > oldest.timestamp()]
    assert listed[: len(fresh)] == fresh
    assert len(listed) <= len(fresh) + 20


def test_an_activity_of_thirty_days_ago_is_not_yet_older(make_rig):
    rig = make_rig(200)
    start = datetime.fromtimestamp(rig.account.activities[19].started, UTC)
    rig.clock.now = (start + ALWAYS_SEEN).timestamp()
    rig.listed(rig.known(rig.ids))
    assert rig.pages() == [1, 2]
    rig.account.requests.clear()
    rig.clock.now += 1
    rig.listed(rig.known(rig.ids))
    assert rig.pages() == [1]


@pytest.mark.parametrize("total", [None, "60", 60.0, True, [60], {"value": 60}])
def test_a_total_that_is_no_number_leads_to_the_end_of_the_list(rig, total):
    rig.tell_total(total, pages=4)
    assert rig.listed(rig.known(rig.ids)) == rig.ids
    assert rig.pages() == [1, 2, 3, 4]
    assert rig.source.listing_result == ListingResult(is_whole=True, surplus=None)


def test_a_list_without_total_is_fetched_to_its_end(make_rig):
    rig = make_rig(20)
    rig.answer("web-list", {"models": rig.models(1)}, 1)
    rig.answer("web-list", {"models": []}, 2)
    assert rig.listed(rig.known(rig.ids)) == rig.ids
    assert rig.pages() == [1, 2]
    assert rig.source.listing_result == ListingResult(is_whole=True, surplus=None)


@pytest.mark.parametrize("total", [0, 3, -1])
def test_a_total_too_low_does_not_end_the_listing(rig, total):
    rig.tell_total(total, pages=4)
    assert rig.listed() == rig.ids
    assert rig.source.listing_result.is_whole


@pytest.mark.parametrize("kind", ["up", "down"])
def test_a_walk_under_which_the_total_moved_is_not_taken_for_whole(rig, kind):
    listing = chain.from_iterable(rig.source.fetch_activities(rig.known()))
    ids = [record_id(next(listing)) for _ in range(20)]
    if kind == "up":
        rig.account.web_total_extra = 1
    else:
        rig.account.remove(rig.ids[-1])
    ids += map(record_id, listing)
    assert ids == rig.ids
    assert rig.source.listing_result == ListingResult(is_whole=False, surplus=None)


def test_no_id_comes_twice_when_the_pages_shift(rig):
    listing = chain.from_iterable(rig.source.fetch_activities(rig.known()))
    ids = [record_id(next(listing)) for _ in range(20)]
    newest = Account.of(61).activities[0]
    newest.detail |= {"id": 7, "start_date": "2026-11-22T09:00:00Z"}
    rig.account.add(newest)
    ids += map(record_id, listing)
    assert ids == rig.ids[1:]
    assert rig.source.listing_result.surplus is None


def test_no_id_comes_twice_when_one_page_has_it_twice(make_rig):
    rig = make_rig(10)
    models = rig.models(1)
    rig.answer("web-list", {"models": [*models, *models], "total": 10}, 1)
    assert rig.listed() == rig.ids


def test_during_a_listing_there_is_no_result(rig):
    for _ in range(2):
        listing = chain.from_iterable(rig.source.fetch_activities(rig.known()))
        next(listing)
        assert rig.source.listing_result is None
        list(listing)
        assert rig.source.listing_result is not None


@pytest.mark.parametrize("strange", [None, 5, "x", [], {}, {"id": "7"}, {"id": None}, [[]]])
def test_strange_models_are_passed_on_and_do_not_end_the_listing(make_rig, strange):
    rig = make_rig(25)
    rig.answer("web-list", {"models": [strange, *rig.models(1)], "total": 26}, 1)
    rig.account.web_total_extra = 1
    listed = rig.listed()
    assert listed == [None, *rig.ids]
    assert rig.source.listing_result == ListingResult(is_whole=True, surplus=1)


@pytest.mark.parametrize("with_strange", [False, True])
def test_a_list_that_repeats_a_page_is_reported(rig, with_strange):
    models = [*rig.models(1), *([{"name": "no id"}] if with_strange else [])]
    rig.answer("web-list", {"models": models, "total": 60})
    with pytest.raises(errors.TryLater, match="repeats itself at page 4"):
        rig.listed()
    assert rig.source.listing_result is None


TROUBLE = [
    ("401", errors.SessionOver),
    ("redirect-login", errors.SessionOver),
    ("403", errors.TryLater),
    ("404", errors.TryLater),
    ("429", errors.LimitReached),
    ("500", errors.TryLater),
    ("503", errors.TryLater),
    ("html", errors.TryLater),
    ("empty", errors.TryLater),
    ("truncated", errors.TryLater),
    ("truncated-unframed", errors.TryLater),
    ("dropped", errors.TryLater),
    ("silent", errors.TryLater),
    ("redirect-dashboard", errors.TryLater),
]


@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize(("what", "error"), TROUBLE)
def test_a_fault_of_a_page_never_ends_the_list_quietly(rig, what, error, page):
    rig.fault("web-list", what, page)
    ids = []
    with pytest.raises(error) as caught:
        ids.extend(map(record_id, chain.from_iterable(rig.source.fetch_activities(rig.known()))))
    assert type(caught.value) is error
    assert ids == rig.ids[: 20 * (page - 1)]
    assert rig.source.listing_result is None


@pytest.mark.parametrize(
    ("what", "tries"), [("500", 3), ("dropped", 3), ("429", 1), ("403", 1), ("html", 1), ("401", 2)]
)
def test_only_temporary_faults_are_tried_again(rig, what, tries):
    rig.fault("web-list", what, 1)
    with pytest.raises(errors.Error):
        rig.listed()
    assert rig.pages() == [1] * tries
    assert is_pause(rig.clock.slept) == (tries == 3)


def test_trouble_that_passes_leaves_the_list_whole(rig):
    rig.fault("web-list", "500", 2, times=2)
    rig.fault("web-list", "401", 3, times=1)
    assert rig.listed() == rig.ids
    assert rig.source.listing_result == ListingResult(is_whole=True, surplus=0)


def test_a_page_that_broke_off_is_named(rig):
    rig.fault("web-list", "500", 2)
    with pytest.raises(errors.TryLater, match="at page 2"):
        rig.listed()


OTHER_SHAPES = [
    None, [], {}, 5, "x", True, b"NaN", {"total": 60}, {"models": None}, {"models": {}},
    {"models": "x"}, b"{", b"\xff\xfe", DEEP,
]  # fmt: skip


@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize("shape", OTHER_SHAPES, ids=lambda one: repr(one)[:20])
def test_a_list_of_another_form_never_ends_quietly(rig, shape, page):
    rig.answer("web-list", shape, page)
    with pytest.raises(errors.TryLater):
        rig.listed()
    assert rig.source.listing_result is None


def test_an_error_clears_the_previous_result(rig):
    rig.listed()
    rig.fault("web-list", "html", 2)
    with pytest.raises(errors.TryLater):
        rig.listed()
    assert rig.source.listing_result is None


# Photos


def test_all_photos_are_listed_newest_first(make_rig):
    rig = make_rig(200)
    photos = list(chain.from_iterable(rig.source.fetch_new_photos(rig.known())))
    ids = {(one["activity_id"], one["unique_id"]) for one in photos}
    assert ids == {
        (activity.id, photo.unique_id)
        for activity in rig.account.activities
        for photo in activity.photos
    }
    assert len(photos) == 60
    assert len(rig.pages("web-photos")) == 3
    dates = [one["strava_backup"]["website"]["activity"]["start_date"] for one in photos]
    assert dates == sorted(dates, reverse=True)
    assert rig.account.requests[0].headers["x-requested-with"] == "XMLHttpRequest"


def test_the_cursor_is_sent_as_the_website_gave_it(make_rig):
    rig = make_rig(200)
    rig.answer(
        "web-photos", {"items": rig.items()[:20], "next_cursor": "+5,+5", "has_more": True}, ""
    )
    rig.answer("web-photos", {"items": [], "has_more": False}, "+5,+5")
    assert len(rig.photo_ids()) == 20
    assert rig.pages("web-photos") == ["", "+5,+5"]


@pytest.mark.parametrize("whole", [False, True])
def test_a_page_of_known_ones_only_ends_the_list_unless_all_is_wanted(make_rig, whole):
    rig = make_rig(200)
    photos = rig.photo_ids(rig.known(photos=rig.photo_keys(), whole_photos=whole))
    assert len(photos) == (60 if whole else 20)


def test_a_page_with_a_new_one_does_not_end_the_list(make_rig):
    rig = make_rig(200)
    activity = rig.account.activities[0]
    keys = rig.photo_keys()
    activity.photos.append(photo_of(activity.detail, 9, "png"))
    assert len(rig.photo_ids(rig.known(photos=keys))) == 40


def test_an_account_without_photos_has_none(make_rig):
    assert make_rig(0).photo_ids() == []


@pytest.mark.parametrize("cursor", [None, "", 0, "1" * 1001])
def test_more_photos_without_a_usable_cursor_are_an_error(make_rig, cursor):
    rig = make_rig(200)
    items = rig.items()[:20]
    rig.answer("web-photos", {"items": items, "next_cursor": cursor, "has_more": True})
    with pytest.raises(errors.PageChanged, match="from page 1,"):
        rig.photo_ids(rig.known(whole_photos=True))


def test_an_empty_page_ends_the_list_although_there_is_said_to_be_more(rig):
    rig.answer("web-photos", {"items": [], "next_cursor": "5,5", "has_more": True})
    assert rig.photo_ids(rig.known(whole_photos=True)) == []
    assert rig.pages("web-photos") == [""]


def test_no_more_ends_the_list_although_there_is_a_cursor(make_rig):
    rig = make_rig(200)
    rig.answer("web-photos", {"items": rig.items()[:5], "next_cursor": "5,5", "has_more": False})
    assert len(rig.photo_ids()) == 5


def test_repeated_cursors_are_an_error(make_rig):
    rig = make_rig(200)
    items = rig.items()
    for page, (cursor, after) in enumerate([("", "1,1"), ("1,1", "2,2"), ("2,2", "1,1")]):
        value = {"items": items[page : page + 2], "next_cursor": after, "has_more": True}
        rig.answer("web-photos", value, cursor)
    with pytest.raises(errors.PageChanged, match="from page 3,"):
        rig.photo_ids(rig.known(whole_photos=True))
    assert rig.pages("web-photos") == ["", "1,1", "2,2"]


def made(wire, what, make):
    """Answer each request for a list with a value made from its number."""
    numbers = iter(range(10**9))

    def answer(path):
        return json_response(make(next(numbers))) if what in path else None

    wire.make = answer


@pytest.mark.parametrize("items", [[{"photo_id": "a"}], [None, {}, {"photo_id": []}]])
def test_new_cursors_without_new_photos_are_an_error(make_rig, items):
    rig = make_rig(0)
    made(
        rig.wire,
        "/photos",
        lambda number: {"items": items, "next_cursor": str(number + 1), "has_more": True},
    )
    with pytest.raises(errors.PageChanged, match="from page"):
        list(rig.source.fetch_new_photos(rig.known(whole_photos=True)))
    assert len(rig.pages("web-photos")) <= 2


def test_an_endless_photo_list_is_an_error(make_rig, monkeypatch):
    monkeypatch.setattr(web_source, "_MOST_PHOTO_PAGES", 50)
    rig = make_rig(0)

    def page(number):
        item = {"photo_id": str(number)}
        return {"items": [item], "next_cursor": str(number + 1), "has_more": True}

    made(rig.wire, "/photos", page)
    with pytest.raises(errors.PageChanged, match="does not end: 50 pages"):
        rig.photo_ids(rig.known(whole_photos=True))


@pytest.mark.parametrize(("total", "pages"), [(61, 9), (None, 51), ("growing", 51)])
def test_an_endless_activity_list_is_an_error(make_rig, monkeypatch, total, pages):
    monkeypatch.setattr(records, "_MOST_ACTIVITIES", 1000)
    rig = make_rig(0)

    def page(number):
        models = [{"id": 1 + 20 * number + one} for one in range(20)]
        return {"models": models, "total": 20 * number + 500 if total == "growing" else total}

    made(rig.wire, "/training_activities", page)
    with pytest.raises(errors.TryLater, match=rf"does not end: .* up to page {pages}"):
        rig.listed()
    assert len(rig.pages()) == pages


@pytest.mark.parametrize("strange", [None, 5, "x", [], {}, {"activity_id": []}, {"photo_id": []}])
def test_strange_items_are_passed_on_as_unknown(make_rig, strange):
    rig = make_rig(200)
    items = [strange, *rig.items()[:19]]
    rig.answer("web-photos", {"items": items, "next_cursor": "0,0", "has_more": True}, "")
    pages = rig.source.fetch_new_photos(rig.known(photos=rig.photo_keys()))
    assert len(list(chain.from_iterable(pages))) == 20
    assert rig.pages("web-photos") == ["", "0,0"]


PHOTO_TROUBLE = [
    ("401", errors.SessionOver),
    ("redirect-login", errors.SessionOver),
    ("403", errors.Blocked),
    ("429", errors.LimitReached),
    ("500", errors.Unreachable),
    ("dropped", errors.Unreachable),
    ("html", errors.PageInstead),
    ("empty", errors.PageInstead),
    ("404", errors.PageInstead),
]


@pytest.mark.parametrize("page", [0, 1])
@pytest.mark.parametrize(("what", "error"), PHOTO_TROUBLE)
@pytest.mark.every(3)
def test_a_fault_of_the_photos_never_ends_their_list_quietly(make_rig, what, error, page):
    rig = make_rig(200)
    rig.photo_ids()
    rig.fault("web-photos", what, rig.pages("web-photos")[page])
    with pytest.raises(error) as caught:
        rig.photo_ids()
    assert type(caught.value) is error


@pytest.mark.parametrize("shape", [None, [], {}, 5, {"items": None}, {"items": {}}])
def test_photos_of_another_form_are_a_changed_page(rig, shape):
    rig.answer("web-photos", shape)
    with pytest.raises(errors.PageChanged, match="photos"):
        rig.photo_ids()


# Gear


def test_bikes_and_shoes_are_listed_with_their_prefix_and_kept(rig):
    summaries = rig.source.fetch_gear_summaries()
    assert summaries.keys() == rig.account.gear.keys()
    assert rig.pages("web-gear") == ["bikes", "shoes"]
    for gear_id, summary in summaries.items():
        record = rig.source.fetch_gear(gear_id)
        assert record["id"] == gear_id
        assert record["strava_backup"]["website"] == summary
        assert record["retired"] is not summary["active"]
    assert len(rig.account.requests) == 2


def test_a_ride_changes_the_summary_of_that_bike_only(rig):
    before = rig.source.fetch_gear_summaries()
    rig.account.ride("b9000001", 5_000.0)
    after = rig.source.fetch_gear_summaries()
    assert [one for one in before if before[one] != after[one]] == ["b9000001"]


def test_gear_without_a_sound_id_is_left_out(rig):
    rig.answer("web-gear", [None, 5, [], {}, {"id": True}, {"id": "7"}, {"id": 7}], "bikes")
    rig.answer("web-gear", [], "shoes")
    assert rig.source.fetch_gear_summaries() == {"b7": {"id": 7}}


@pytest.mark.parametrize("kind", ["bikes", "shoes"])
@pytest.mark.parametrize(("what", "error"), PHOTO_TROUBLE)
def test_a_fault_of_the_gear_is_reported(rig, what, error, kind):
    rig.fault("web-gear", what, kind)
    with pytest.raises(error) as caught:
        rig.source.fetch_gear_summaries()
    assert type(caught.value) is error


@pytest.mark.parametrize("kind", ["bikes", "shoes"])
@pytest.mark.parametrize("shape", [None, {}, 5, {"bikes": []}])
def test_gear_of_another_form_is_a_changed_page(rig, shape, kind):
    rig.answer("web-gear", shape, kind)
    with pytest.raises(errors.PageChanged, match=kind):
        rig.source.fetch_gear_summaries()


# Any JSON that a server can send


FIELDS = st.sampled_from(
    ["items", "has_more", "next_cursor", "models", "total", "id", "photo_id", "activity_id"]
)
LIST_LIKE = JSON_VALUES | st.dictionaries(
    FIELDS, JSON_VALUES | st.lists(st.dictionaries(FIELDS, JSON_VALUES, max_size=3), max_size=3)
)


@given(LIST_LIKE)
def test_any_json_from_the_website_is_records_or_one_of_our_errors(value):
    rig = Rig(Clock(), 0)
    rig.wire.make = lambda path: json_response(value)
    known = rig.known(photos=[(1, "a")], whole_photos=True)
    for fetch in (
        lambda: list(chain.from_iterable(rig.source.fetch_activities(known))),
        lambda: list(chain.from_iterable(rig.source.fetch_new_photos(known))),
        lambda: list(chain.from_iterable(rig.source.fetch_new_photos(rig.known()))),
        rig.source.fetch_gear_summaries,
    ):
        with suppress(errors.Error):
            fetch()


@pytest.mark.parametrize("answer", WRONG_ANSWERS)
def test_a_wrong_answer_of_the_website_is_one_of_our_errors(rig, answer):
    rig.wire.make = lambda path: Response(0, raw=WRONG_ANSWERS[answer])
    site = Website(rig.source._web)
    for fetch in (
        rig.listed,
        rig.photo_ids,
        rig.source.fetch_gear_summaries,
        lambda: site.fetch_components("b1")(),
        rig.source._web.fetch_athlete_id,
        lambda: site.download_original(1).__enter__(),
    ):
        with suppress(errors.Error):
            assert fetch() is None


def test_our_own_key_in_answers_of_the_website_is_removed(rig):
    forged = {"id": 5, "photo_id": "a", "strava_backup": {"refused": {}}}
    rig.answer("web-list", {"models": [forged], "total": 1}, 1)
    rig.answer("web-photos", {"items": [forged]})
    rig.answer("web-gear", [forged])
    assert rig.listed() == [5]
    found = [
        *chain.from_iterable(rig.source.fetch_activities(rig.known())),
        *chain.from_iterable(rig.source.fetch_new_photos(rig.known())),
        *map(rig.source.fetch_gear, rig.source.fetch_gear_summaries()),
    ]
    assert len(found) == 4
    for record in found:
        assert record["strava_backup"] == {"website": {"id": 5, "photo_id": "a"}}


# Routes


def test_routes_have_the_names_of_the_api_and_ids_as_text(rig):
    rig.account.routes = {one.id: one for one in sample_routes()}
    [page] = rig.source.fetch_routes()
    assert [one["id_str"] for one in page] == [str(one.id) for one in rig.account.newest_routes]
    route, sent = page[0], rig.account.newest_routes[0]
    assert (route["id"], route["name"], route["distance"]) == (sent.id, sent.name, sent.distance)
    assert route["strava_backup"] == {"website": sent.node(rig.account.athlete_id)}
    assert asked(rig.account) == ["csrf-token", "web-routes"]


def test_the_request_for_routes_names_all_of_them(rig):
    list(rig.source.fetch_routes())
    assert json.loads(rig.wire.bodies[-1]) == {
        "pageSize": 200,
        "after": "0",
        "searchArgs": {
            "query": "",
            "onlyStarred": False,
            "createdBy": "Any",
            "elevGainMin": None,
            "elevGainMax": None,
            "distanceMin": None,
            "distanceMax": None,
        },
        "resolutions": [],
    }


def test_a_session_that_scripts_cannot_use_is_renewed_before_routes_are_listed(rig):
    rig.account.routes = {one.id: one for one in sample_routes()}
    rig.account.remember_needs_dashboard = True
    assert len(next(rig.source.fetch_routes())) == 4


@pytest.mark.parametrize("status", ["401", "403"])
def test_a_refusal_of_the_list_of_routes_is_an_item_unless_the_session_is_over(rig, status):
    rig.fault("web-routes", status)
    with pytest.raises(errors.SessionOver if status == "401" else errors.Blocked):
        list(rig.source.fetch_routes())
    rig.account.end_sessions()
    with pytest.raises(errors.SessionOver):
        list(rig.source.fetch_routes())


@pytest.mark.parametrize(
    ("what", "error"), [("429", errors.LimitReached), ("500", errors.Unreachable)]
)
def test_faults_of_the_token_are_those_of_other_requests(rig, what, error):
    rig.fault("csrf-token", what)
    with pytest.raises(error):
        list(rig.source.fetch_routes())


@given(value=JSON_VALUES)
def test_any_answer_to_the_list_of_routes_is_records_or_one_of_our_errors(value):
    rig = Rig(Clock(), 1)
    rig.answer("web-routes", {"me": {"searchRoutes": value}})
    with suppress(errors.ItemError):
        list(rig.source.fetch_routes())
