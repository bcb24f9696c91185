from __future__ import annotations

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.demo.account import Account
from strava_backup.demo.comments import comment_records, kudos_records
from strava_backup.demo.errors import api_error
from strava_backup.demo.limits import RateLimits
from strava_backup.demo.photos import photo_of
from strava_backup.demo.wire import Response, html, json_response
from strava_backup.strava import api, records, transport
from strava_backup.strava.records import Checkpoint, parse_activity
from tests.conftest import NOW, Clock
from tests.faults import Fault
from tests.first_backups import copied_account
from tests.made_up_json import JSON_VALUES
from tests.strava_wire import RIDE, Store, Wire, asked, error_text, is_pause
from tests.wrong_answers import WRONG_ANSWERS

BASE = "https://www.strava.com/api/v3"
HOUR = 60 * 60.0
KNOWN = Checkpoint(
    activity_ids=frozenset(),
    photos=frozenset(),
    surplus=None,
    wants_full_listing=False,
    wants_full_photo_listing=False,
    now=NOW,
)
DETAIL = f"GET /api/v3/activities/{RIDE}"


def list_page(number):
    return f"GET /api/v3/athlete/activities?page={number}&per_page=200"


class Rig:
    """An account and an API source connected to it."""

    def __init__(self, account: Account, clock: Clock, **app: str) -> None:
        self.account = account
        self.clock = clock
        self.wire = Wire(account)
        self.stored = Store()
        given = {
            "client_id": account.client_id,
            "client_secret": account.client_secret,
            "refresh_token": account.refresh_token,
            "base_url": BASE,
        }
        self.app = api.App(**(given | app))
        self.http = transport.Session(adapter=self.wire, sleep=clock.sleep)
        self.source = self.source_with(self.stored)

    def source_with(self, store):
        return api.ApiSource(self.http, self.app, store=store, clock=self.clock)

    @property
    def pages(self):
        return [request.id for request in self.account.requests if request.kind == "list"]

    def listed(self):
        return [record["id"] for record in chain.from_iterable(self.source.fetch_activities(KNOWN))]

    def listed_until_it_broke(self):
        listed = []
        try:
            for record in chain.from_iterable(self.source.fetch_activities(KNOWN)):
                listed.append(record["id"])
        except errors.Error as error:
            return listed, error
        raise AssertionError("the list ended as if it were whole")

    def secrets(self):
        tokens = [value for _, value in self.stored]
        sent = [request.headers.get("authorization", "") for request in self.account.requests]
        return {
            self.app.client_secret,
            self.app.refresh_token,
            *tokens,
            *(header.removeprefix("Bearer ") for header in sent if header),
        }


@pytest.fixture(autouse=True)
def as_the_command_does(monkeypatch):
    """Set the variable that `cli` sets, so that stravalib prints no advice on its environment."""
    monkeypatch.setenv("SILENCE_TOKEN_WARNINGS", "1")


@pytest.fixture
def rig(clock):
    return Rig(copied_account(None, clock), clock)


@pytest.fixture
def make_rig(clock):
    def make(count, **app):
        return Rig(copied_account(count, clock), clock, **app)

    return make


def ids(account):
    return [activity.id for activity in account.activities]


# Signing in


def test_the_constructor_asks_for_nothing(rig):
    assert rig.account.requests == []


def test_signing_in_returns_the_athlete_and_fetches_the_first_page_of_the_list(rig):
    assert rig.source.sign_in() == rig.account.athlete_id
    assert asked(rig.account) == ["token", "athlete", "list"]
    assert rig.listed() == ids(rig.account)
    assert rig.pages == [1, 2]


def test_a_rotated_refresh_token_is_stored_before_the_next_request(rig):
    seen = []

    def store(name, value):
        seen.append((name, value, asked(rig.account)))

    rig.source_with(store).sign_in()
    assert seen == [("refresh_token", rig.account.refresh_token, ["token"])]
    assert rig.account.refresh_token != rig.app.refresh_token


def test_no_request_follows_if_the_new_token_cannot_be_stored(rig):
    def store(name, value):
        raise errors.ConfigError("the disk is full")

    with pytest.raises(errors.ConfigError):
        rig.source_with(store).sign_in()
    assert asked(rig.account) == ["token"]


def test_a_refresh_token_that_stays_is_not_stored_again(rig):
    rig.account.rotates_refresh_token = False
    rig.source.sign_in()
    assert rig.stored == []


def test_one_access_token_serves_a_whole_run(rig):
    rig.source.sign_in()
    assert rig.listed() == ids(rig.account)
    for activity_id in ids(rig.account):
        rig.source.fetch_activity(activity_id)
    assert asked(rig.account).count("token") == 1


@pytest.mark.parametrize(
    ("passed", "kinds"),
    [
        (5.9 * HOUR, ["detail"]),
        (5.95 * HOUR, ["token", "detail"]),
        (6.5 * HOUR, ["token", "detail"]),
    ],
)
def test_a_token_that_ends_in_the_middle_is_renewed_a_little_before(rig, passed, kinds):
    rig.source.sign_in()
    rig.account.requests.clear()
    rig.clock.now += passed
    assert rig.source.fetch_activity(RIDE)["id"] == RIDE
    assert asked(rig.account) == kinds


def test_every_rotated_token_is_stored_and_used_for_the_next(rig):
    for _ in range(3):
        rig.source.sign_in()
        rig.clock.now += 7 * HOUR
    assert len(set(rig.stored)) == len(rig.stored) == 3
    assert rig.stored[-1] == ("refresh_token", rig.account.refresh_token)


def test_a_refused_access_token_is_renewed_once(rig):
    rig.source.sign_in()
    rig.account.end_access_tokens()
    rig.account.requests.clear()
    assert rig.source.fetch_activity(RIDE)["id"] == RIDE
    assert asked(rig.account) == ["detail", "token", "detail"]


def test_a_single_401_does_no_harm(rig):
    rig.account.faults.append(Fault("detail", "401", times=1))
    assert rig.source.fetch_activity(RIDE)["id"] == RIDE


def test_an_access_token_refused_twice_needs_a_human(rig):
    rig.account.faults.append(Fault("detail", "401"))
    with pytest.raises(errors.AccessTokenRefused):
        rig.source.fetch_activity(RIDE)
    assert asked(rig.account) == ["token", "detail", "token", "detail"]


def test_stravalib_renews_no_token_behind_our_back(clock, monkeypatch):
    # stravalib reads the real time, by which all tokens of that year have expired.
    clock.now = 1_600_000_000.0
    rig = Rig(Account.sample(clock), clock)
    monkeypatch.setenv("STRAVA_CLIENT_ID", rig.app.client_id)
    monkeypatch.setenv("STRAVA_CLIENT_SECRET", rig.app.client_secret)
    rig.source.sign_in()
    rig.source.fetch_activity(RIDE)
    assert asked(rig.account) == ["token", "athlete", "list", "detail"]


@pytest.mark.parametrize(
    ("app", "error"),
    [
        ({"refresh_token": "dead"}, errors.RefreshTokenDead),
        ({"client_id": "1"}, errors.AppRefused),
        ({"client_secret": "wrong"}, errors.AppRefused),
    ],
)
def test_each_fault_of_the_app_has_its_own_error(clock, app, error):
    rig = Rig(Account.sample(clock), clock, **app)
    with pytest.raises(error) as caught:
        rig.source.sign_in()
    assert type(caught.value) is error
    assert asked(rig.account) == ["token"]
    assert rig.stored == []


def test_an_app_with_too_many_athletes_is_reported_when_a_token_is_renewed(rig):
    body = {"message": "Limit of connected athletes exceeded"}
    rig.wire.instead["POST /oauth/token"] = json_response(body, 403)
    with pytest.raises(errors.TooManyAthletes):
        rig.source.sign_in()


def test_an_app_revoked_during_a_run_is_reported(rig):
    rig.source.sign_in()
    rig.account.revoke()
    with pytest.raises(errors.RefreshTokenDead, match="run strava-backup --authorize"):
        rig.source.fetch_activity(RIDE)


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("500", errors.Unreachable),
        ("503", errors.Unreachable),
        ("dropped", errors.Unreachable),
        ("silent", errors.Unreachable),
        ("lost", errors.Unreachable),
        ("429", errors.LimitReached),
        ("html", errors.PageInstead),
    ],
)
def test_a_token_is_requested_once_after_any_fault(rig, what, error):
    rig.account.faults.append(Fault("token", what))
    with pytest.raises(error):
        rig.source.sign_in()
    assert asked(rig.account) == ["token"]
    assert rig.stored == []


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"access_token": "a"},
        {"access_token": "a", "refresh_token": None, "expires_at": 2_000_000_000},
        {"access_token": "a", "refresh_token": "", "expires_at": 2_000_000_000},
        {"access_token": "a", "refresh_token": "r", "expires_at": None},
        {"access_token": "a", "refresh_token": "r", "expires_at": "soon"},
        {"access_token": "", "refresh_token": "r", "expires_at": 2_000_000_000},
        {"access_token": 7, "refresh_token": "r", "expires_at": 2_000_000_000},
        {"refresh_token": "r", "expires_at": 2_000_000_000},
        {"access_token": "a", "expires_at": 2_000_000_000},
        *(
            {"access_token": "a", "refresh_token": "r", "expires_at": end}
            for end in (True, -1, 0, 2e9, 10**400, 10**11, [], {})
        ),
    ],
)
def test_a_token_answer_of_unknown_form_stores_nothing(rig, answer):
    rig.wire.instead["POST /oauth/token"] = json_response(answer)
    with pytest.raises(errors.PageInstead):
        rig.source.sign_in()
    assert rig.stored == []


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
@pytest.mark.parametrize(
    "token", ["s3c\r", "s3c\njwt_command = x", "s3c\0", " s3c", "s3c ", "é", "<s3c>", "s3c" * 3000]
)
def test_a_token_that_could_not_be_read_back_ends_it_and_stores_nothing(rig, name, token):
    answer = {"access_token": "a", "refresh_token": "r", "expires_at": 2_000_000_000}
    rig.wire.instead["POST /oauth/token"] = json_response({**answer, name: token})
    with pytest.raises(errors.TryLater, match="not one line of plain text") as caught:
        rig.source.sign_in()
    assert token not in str(caught.value)
    assert rig.stored == []
    assert asked(rig.account) == ["token"]


@pytest.mark.parametrize("athlete", [[], {}, {"id": None}, {"id": "7"}])
def test_an_athlete_without_id_is_no_athlete(rig, athlete):
    rig.wire.instead["GET /api/v3/athlete"] = json_response(athlete)
    with pytest.raises(errors.TryLater, match="which athlete"):
        rig.source.sign_in()


# The list


@pytest.mark.parametrize(
    ("count", "pages"), [(0, [1]), (1, [1, 2]), (200, [1, 2]), (450, [1, 2, 3, 4])]
)
@pytest.mark.every(2)
def test_pages_are_asked_for_until_one_is_empty(make_rig, count, pages):
    rig = make_rig(count)
    assert rig.listed() == ids(rig.account)
    assert rig.pages == pages
    lists = [request for request in rig.account.requests if request.kind == "list"]
    assert {request.query["per_page"] for request in lists} == {"200"}


@pytest.mark.parametrize("short", [1, 2])
def test_a_short_page_is_not_treated_as_the_last(make_rig, short):
    rig = make_rig(450)
    page = [one.summary() for one in rig.account.activities[200 * (short - 1) :]][:7]
    rig.wire.instead[list_page(short)] = json_response(page)
    assert len(rig.listed()) == 450 - 200 + 7
    assert rig.pages == [1, 2, 3, 4]


@pytest.mark.parametrize("count", [450, 200])
def test_an_upload_during_the_listing_gives_no_record_twice(make_rig, count):
    rig = make_rig(count)
    before = ids(rig.account)
    records = chain.from_iterable(rig.source.fetch_activities(KNOWN))
    listed = [next(records)["id"] for _ in range(150)]
    newest = rig.account.activities[0]
    upload = Account.sample(rig.clock).activities[0]
    upload.detail |= {"id": newest.id + 1, "start_date": "2026-11-20T10:00:00Z"}
    rig.account.add(upload)
    listed += [record["id"] for record in records]
    assert listed == before
    assert rig.pages == list(range(1, rig.pages[-1] + 1))


@pytest.mark.parametrize(
    ("stored", "count", "pages"),
    [
        (0, 650, 5),
        (650, 650, 5),
        *(pytest.param(650, one, 5, marks=pytest.mark.thorough) for one in (660, 700, 601)),
        (1000, 650, 5),
    ],
)
def test_pages_that_must_be_there_are_asked_for_two_at_a_time(make_rig, stored, count, pages):
    rig = make_rig(count)
    in_flight, most = [], []
    send = rig.wire.send

    def measured(request, **kwargs):
        if "athlete/activities" in request.url:
            in_flight.append(request)
            most.append(len(in_flight))
        time.sleep(0.05)
        try:
            return send(request, **kwargs)
        finally:
            if request in in_flight:
                in_flight.remove(request)

    rig.wire.send = measured
    known = KNOWN._replace(activity_ids=frozenset(range(stored)))
    listed = [record["id"] for record in chain.from_iterable(rig.source.fetch_activities(known))]
    assert listed == ids(rig.account)
    assert sorted(rig.pages) == list(range(1, pages + 1))
    assert max(most) == (2 if stored else 1)


def test_pages_of_known_records_do_not_end_the_list(make_rig):
    rig = make_rig(650)
    known = json_response([one.summary() for one in rig.account.activities[:1]])
    rig.wire.instead |= {list_page(2): known, list_page(4): known}
    assert len(rig.listed()) == 650 - 200 - 50
    assert rig.pages == [1, 2, 3, 4, 5]


def test_a_server_that_ignores_the_page_number_ends_in_an_error(make_rig):
    rig = make_rig(450)
    first = json_response([one.summary() for one in rig.account.activities[:200]])
    rig.wire.instead |= {list_page(number): first for number in range(1, 50)}
    listed, error = rig.listed_until_it_broke()
    assert type(error) is errors.TryLater
    assert "repeats itself" in str(error)
    assert listed == ids(rig.account)[:200]
    assert len(rig.pages) <= 5


def test_records_without_id_are_passed_on_and_stop_nothing(make_rig):
    rig = make_rig(450)
    expected = ids(rig.account)
    for index in (7, 8, 210):
        rig.account.activities[index].summary_changes["id"] = None
        expected[index] = None
    assert rig.listed() == expected


def test_records_come_as_they_are(rig):
    summaries = [one.summary() for one in rig.account.activities]
    assert list(chain.from_iterable(rig.source.fetch_activities(KNOWN))) == summaries


@pytest.mark.parametrize("page", [1, 3])
@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("500", errors.TryLater),
        ("dropped", errors.TryLater),
        ("silent", errors.TryLater),
        ("html", errors.TryLater),
        ("404", errors.TryLater),
        ("429", errors.LimitReached),
        ("403", errors.ApiInactive),
        ("401", errors.AccessTokenRefused),
    ],
)
@pytest.mark.every(5)
def test_a_listing_that_breaks_off_says_so(make_rig, what, error, page):
    rig = make_rig(450)
    rig.account.faults.append(Fault("list", what, id=page))
    listed, raised = rig.listed_until_it_broke()
    assert type(raised) is error
    assert listed == ids(rig.account)[: 200 * (page - 1)]


def test_a_broken_listing_names_its_page(make_rig):
    rig = make_rig(450)
    rig.account.faults.append(Fault("list", "500", id=2))
    with pytest.raises(errors.TryLater, match="page 2: Strava's API answers 500"):
        rig.listed()


@pytest.mark.parametrize("page", [{"id": 7}, "[]", 7, True])
def test_a_page_that_is_no_list_is_not_the_end(rig, page):
    rig.wire.instead[list_page(1)] = json_response(page)
    with pytest.raises(errors.TryLater, match="no list"):
        rig.listed()


@pytest.mark.parametrize("page", [{}, "", 0, False, None])
def test_a_page_that_is_empty_but_no_list_is_not_the_end(rig, page):
    rig.wire.instead[list_page(1)] = json_response(page)
    with pytest.raises(errors.TryLater, match="no list"):
        rig.listed()


def test_a_missing_scope_is_named(rig):
    rig.account.scopes = {"read", "profile:read_all"}
    with pytest.raises(errors.ScopeMissing, match="activity:read_all"):
        rig.source.sign_in()
    assert asked(rig.account) == ["token", "athlete", "list"]


# One activity


def test_a_detail_comes_as_it_is(rig):
    for activity in rig.account.activities:
        assert rig.source.fetch_activity(activity.id) == activity.detail


@pytest.mark.parametrize("record", [{"id": RIDE + 1}, {}, [], None, "page", {"id": str(RIDE)}])
def test_another_record_than_the_requested_one_is_refused(rig, record):
    rig.wire.instead[DETAIL] = json_response(record)
    with pytest.raises(errors.ItemError):
        rig.source.fetch_activity(RIDE)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (api_error(401, "Authorization Error", "Athlete", "access_token", "invalid"),
         errors.AccessTokenRefused),
        (api_error(401, "Authorization Error", "Application", "", "invalid"),
         errors.AccessTokenRefused),
        (Response(401), errors.AccessTokenRefused),
        (api_error(401, "Authorization Error", "AccessToken", "activity:read_permission",
                   "missing"), errors.ScopeMissing),
        (api_error(403, "Forbidden", "Application", "Status", "Inactive"), errors.ApiInactive),
        (api_error(403, "Forbidden", "Activity", "", "forbidden"), errors.Blocked),
        (html("<h1>403 Forbidden</h1>", 403), errors.Blocked),
        (api_error(404, "Resource Not Found", "Activity", "", "not found"), errors.Refused),
        (api_error(404, "Record Not Found", "resource", "path", "invalid"), errors.Refused),
        (Response(404), errors.Refused),
        (api_error(400, "Bad Request", "Application", "after", "future"), errors.ItemError),
        (api_error(429, "Rate Limit Exceeded", "Application", "read rate limit", "exceeded"),
         errors.LimitReached),
        # recorded in 2018 (dblock/strava-ruby-client, activity_with_ratelimit_exceeded)
        (json_response({"message": "…", "errors": "Rate Limit Exceeded"}, 429),
         errors.LimitReached),
        (json_response({"errors": {"resource": "Application", "field": "Status",
                                   "code": "Inactive"}}, 403), errors.ApiInactive),
        (json_response({"errors": {"field": "activity:read_permission"}}, 401),
         errors.ScopeMissing),
        (json_response({"errors": 5}, 401), errors.AccessTokenRefused),
        (json_response({"message": "Internal Server Error"}, 500), errors.Unreachable),
        (html("<h1>502</h1>", 502), errors.Unreachable),
        (html("<h1>Sorry</h1>"), errors.PageInstead),
        (Response(200), errors.PageInstead),
        (json_response({"message": "unexpected"}), errors.ItemError),
    ],
)  # fmt: skip
def test_every_error_of_the_api_has_its_class_and_no_secret(rig, answer, error):
    rig.wire.instead[DETAIL] = answer
    with pytest.raises(error) as caught:
        rig.source.fetch_activity(RIDE)
    assert type(caught.value) is error
    for secret in rig.secrets():
        assert secret not in error_text(caught.value)


# Photos and gear


def listed(account, activity_id=RIDE, **changes):
    """Return an activity of the list."""
    return parse_activity({**account.activity(activity_id).summary(), **changes})


def add_photos(account, count):
    """Add that many photos to an activity, and return their records."""
    activity = account.activity(RIDE)
    activity.photos[:] = [photo_of(activity.detail, number) for number in range(1, count + 1)]
    account.edit(RIDE)
    return account.activity(RIDE).photo_records(5000)


def photo_pages(rig):
    photos = [request for request in rig.account.requests if request.kind == "photos"]
    return [int(request.query["page"]) for request in photos]


def photo_page(number):
    query = f"size=5000&photo_sources=true&page={number}&per_page=200"
    return f"GET /api/v3/activities/{RIDE}/photos?{query}"


def test_every_photo_list_comes_as_it_is_and_in_one_request(rig):
    for activity in rig.account.activities:
        if activity.photos:
            rig.account.requests.clear()
            entries = rig.source.fetch_photos(parse_activity(activity.summary()))
            assert entries == activity.photo_records(5000)
            assert asked(rig.account)[-1:] == ["photos"]
            assert len(photo_pages(rig)) == 1


def test_the_largest_pictures_are_asked_for_and_those_of_every_source(rig):
    rig.source.fetch_photos(listed(rig.account))
    assert rig.account.requests[-1].query == {
        "size": "5000",
        "photo_sources": "true",
        "page": "1",
        "per_page": "200",
    }


@pytest.mark.parametrize(
    ("count", "pages"), [(0, [1]), (1, [1]), (200, [1]), (201, [1, 2]), (450, [1, 2, 3])]
)
def test_photos_are_asked_for_until_their_count_is_reached(rig, count, pages):
    records = add_photos(rig.account, count)
    assert rig.source.fetch_photos(listed(rig.account)) == records
    assert photo_pages(rig) == pages


def test_a_server_that_gives_fewer_a_page_is_asked_on(rig):
    records = add_photos(rig.account, 65)
    for number, part in enumerate((records[:30], records[30:60], records[60:]), 1):
        rig.wire.instead[photo_page(number)] = json_response(part)
    assert rig.source.fetch_photos(listed(rig.account)) == records
    assert photo_pages(rig) == [1, 2, 3]


def test_a_server_that_ignores_the_page_is_not_asked_a_hundred_times(rig):
    records = add_photos(rig.account, 30)
    rig.wire.instead |= {photo_page(number): json_response(records) for number in range(1, 200)}
    assert rig.source.fetch_photos(listed(rig.account, total_photo_count=31)) == records
    assert photo_pages(rig) == [1, 2]


def test_an_endless_photo_list_is_an_error(rig):
    rig.wire.instead |= {
        photo_page(page): json_response([{"unique_id": f"{page}-{one}"} for one in range(10)])
        for page in range(1, 200)
    }
    with pytest.raises(errors.PageChanged, match="does not end: 1,000 up to page 100"):
        rig.source.fetch_photos(listed(rig.account, total_photo_count=10**9))


@pytest.mark.parametrize("count", ["1", [1], {}, True, -1, 1.5, 10**50, None])
def test_an_invalid_photo_count_is_ignored(rig, count):
    records = add_photos(rig.account, 12)
    assert rig.source.fetch_photos(listed(rig.account, total_photo_count=count)) == records


def test_an_endless_activity_list_is_an_error(rig, monkeypatch):
    monkeypatch.setattr(records, "_MOST_ACTIVITIES", 2000)
    numbers = iter(range(1, 10**9))

    def answer(path):
        if "/athlete/activities" not in path:
            return None
        return json_response([{"id": next(numbers)} for _ in range(200)])

    rig.wire.make = answer
    rig.source.sign_in()
    with pytest.raises(errors.TryLater, match=r"does not end: .* up to page 11"):
        for _ in chain.from_iterable(rig.source.fetch_activities(KNOWN)):
            pass


@pytest.mark.parametrize("count", [None, 0, 99])
def test_a_count_that_is_wrong_loses_no_photo(rig, count):
    records = add_photos(rig.account, 12)
    assert rig.source.fetch_photos(listed(rig.account, total_photo_count=count)) == records
    assert len(photo_pages(rig)) <= 2


def test_entries_of_any_form_are_passed_on(rig):
    entries = [None, 7, "photo", [], {}, {"unique_id": None}]
    rig.wire.instead[photo_page(1)] = json_response(entries)
    assert rig.source.fetch_photos(listed(rig.account)) == entries


@pytest.mark.parametrize("answer", [{}, {"photos": []}, None, "photos", 7])
def test_an_answer_other_than_a_photo_list_fails_that_item(rig, answer):
    rig.wire.instead[photo_page(1)] = json_response(answer)
    with pytest.raises(errors.ItemError, match="no photo list") as caught:
        rig.source.fetch_photos(listed(rig.account))
    assert type(caught.value) is errors.ItemError


def test_a_broken_photo_list_is_never_treated_as_complete(rig):
    add_photos(rig.account, 250)
    rig.wire.instead[photo_page(2)] = html("<h1>502</h1>", 502)
    with pytest.raises(errors.Unreachable):
        rig.source.fetch_photos(listed(rig.account))


def test_all_gear_comes_as_it_is(rig):
    for gear_id, gear in rig.account.gear.items():
        assert rig.source.fetch_gear(gear_id) == gear.detail("km")
    assert asked(rig.account).count("gear") == len(rig.account.gear)


@pytest.mark.parametrize(
    "record", [{"id": "b9000002"}, {"id": 9000001}, {}, [], None, "b9000001", ["b9000001"]]
)
def test_other_gear_than_the_requested_one_is_refused(rig, record):
    rig.wire.instead["GET /api/v3/gear/b9000001"] = json_response(record)
    with pytest.raises(errors.ItemError, match="not this gear") as caught:
        rig.source.fetch_gear("b9000001")
    assert type(caught.value) is errors.ItemError


def test_unknown_gear_is_refused(rig):
    with pytest.raises(errors.Refused) as caught:
        rig.source.fetch_gear("b7")
    assert caught.value.why == "404"


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("404", errors.Refused),
        ("403", errors.ApiInactive),
        ("401", errors.AccessTokenRefused),
        ("429", errors.LimitReached),
        ("500", errors.Unreachable),
        ("dropped", errors.Unreachable),
        ("truncated", errors.Unreachable),
        ("html", errors.PageInstead),
        ("empty", errors.PageInstead),
    ],
)
@pytest.mark.parametrize("kind", ["photos", "gear"])
def test_photos_and_gear_have_the_errors_of_a_detail(rig, kind, what, error):
    rig.account.faults.append(Fault(kind, what))
    fetch = {
        "photos": lambda: rig.source.fetch_photos(listed(rig.account)),
        "gear": lambda: rig.source.fetch_gear("b9000001"),
    }
    with pytest.raises(errors.Error) as caught:
        fetch[kind]()
    assert type(caught.value) is error


def test_the_athletes_own_gear_is_known_once_signed_in(rig):
    rig.source.sign_in()
    rig.account.requests.clear()
    gear = [one.summary("km") for one in rig.account.gear.values() if not one.retired]
    assert rig.source.fetch_gear_summaries() == {one["id"]: one for one in gear}
    assert asked(rig.account) == []


def test_without_the_permission_the_gear_is_not_known(rig):
    rig.account.scopes = {"read", "activity:read_all"}
    rig.source.sign_in()
    assert rig.source.fetch_gear_summaries() is None


@pytest.mark.parametrize(("answer", "why"), [(Response(404), "404"), (html("", 403), "403")])
def test_a_refusal_can_be_kept_in_a_word(rig, answer, why):
    rig.wire.instead[DETAIL] = answer
    with pytest.raises(errors.Refused) as caught:
        rig.source.fetch_activity(RIDE)
    assert caught.value.why == why


def test_an_unknown_activity_is_refused(rig):
    with pytest.raises(errors.Refused):
        rig.source.fetch_activity(7)


@pytest.mark.parametrize("what", ["500", "503", "dropped", "silent"])
def test_a_permanent_fault_is_tried_three_times(rig, what):
    rig.source.sign_in()
    rig.account.requests.clear()
    rig.account.faults.append(Fault("detail", what))
    with pytest.raises(errors.Unreachable):
        rig.source.fetch_activity(RIDE)
    assert asked(rig.account) == ["detail"] * 3
    assert is_pause(rig.clock.slept)


def test_a_fault_that_passes_is_not_noticed(rig):
    rig.account.faults.append(Fault("detail", "503", times=2))
    assert rig.source.fetch_activity(RIDE)["id"] == RIDE


def test_a_limit_for_15_minutes_is_waited_out_and_never_run_against(rig):
    rig.account.limits = RateLimits(short=3, daily=1000)
    for _ in range(7):
        rig.source.fetch_activity(RIDE)
    assert rig.clock.slept == [905.0, 900.0]
    assert {request.status for request in rig.account.requests} == {200}


def test_a_limit_for_the_day_ends_it_and_is_never_run_against(rig):
    rig.account.limits = RateLimits(short=100, daily=3)
    for _ in range(3):
        rig.source.fetch_activity(RIDE)
    with pytest.raises(errors.LimitReached, match="midnight UTC"):
        rig.source.fetch_activity(RIDE)
    assert rig.clock.slept == []
    assert asked(rig.account) == ["token"] + ["detail"] * 3


def test_an_unexpected_refusal_is_waited_for_once(rig):
    rig.source.sign_in()
    rig.account.faults.append(Fault("detail", "429", times=1))
    assert rig.source.fetch_activity(RIDE)["id"] == RIDE
    assert len(rig.clock.slept) == 1
    rig.account.faults.append(Fault("detail", "429"))
    rig.account.requests.clear()
    for _ in range(2):
        with pytest.raises(errors.LimitReached):
            rig.source.fetch_activity(RIDE)
    assert len(rig.clock.slept) == 1
    assert asked(rig.account) == ["detail"]


@pytest.mark.parametrize("what", ["403", "break off"])
def test_giving_up_the_api_ends_all_waiting_for_its_limit(rig, what):
    """In real time: this sleep is one that really waits."""
    asleep, over, answer = threading.Event(), threading.Event(), threading.Event()
    in_flight = threading.Event()

    class SlowGear(Wire):
        def send(self, request, **kwargs):
            if "/gear/" in request.path_url:
                in_flight.set()
                answer.wait(5)
            return super().send(request, **kwargs)

    rig.http.mount("https://", SlowGear(rig.account))
    rig.http.sleep = lambda seconds: (asleep.set(), over.wait(60))
    rig.source = rig.source_with(rig.stored)
    rig.account.limits = RateLimits(short=3, daily=1000)
    rig.account.faults.append(Fault("gear", "403"))
    rig.source.sign_in()
    with ThreadPoolExecutor(5) as threads:
        given_up = threads.submit(rig.source.fetch_gear, "b9000002")
        assert in_flight.wait(5)
        waiting = [threads.submit(rig.source.fetch_activity, RIDE) for _ in range(4)]
        assert asleep.wait(5)
        if what == "break off":
            rig.http.break_off()
        else:
            answer.set()
        for one in waiting:
            assert type(one.exception(timeout=5)) is errors.LimitReached
        answer.set()
        assert isinstance(given_up.exception(timeout=5), errors.ApiInactive | errors.CutShort)
        over.set()


@pytest.mark.parametrize("limit", ["0,1000", "0,0", "100,0"])
def test_a_limit_of_0_ends_it_at_once(rig, limit):
    limits = (("X-ReadRateLimit-Limit", limit), ("X-ReadRateLimit-Usage", "1,1"))
    rig.wire.instead[DETAIL] = json_response({"id": RIDE}, headers=limits)
    rig.source.fetch_activity(RIDE)
    with pytest.raises(errors.LimitReached, match="0"):
        rig.source.fetch_activity(RIDE)
    assert rig.clock.slept == []


def test_waits_for_a_limit_that_stays_reached_end(rig):
    limits = (("X-ReadRateLimit-Limit", "100,1000"), ("X-ReadRateLimit-Usage", "5000,1"))
    rig.wire.instead[DETAIL] = json_response({"id": RIDE}, headers=limits)
    for _ in range(4):
        rig.source.fetch_activity(RIDE)
    with pytest.raises(errors.LimitReached, match="still reached"):
        rig.source.fetch_activity(RIDE)
    assert len(rig.clock.slept) == 3


@pytest.mark.parametrize("value", ["9" * 5000, "-5", "1e5", "\u0665", ""])
@pytest.mark.parametrize("name", ["X-ReadRateLimit-Limit", "X-RateLimit-Usage"])
def test_limits_in_no_known_form_are_none(rig, name, value):
    limits = (("X-RateLimit-Limit", "9,9"), ("X-ReadRateLimit-Usage", "9,9"), (name, f"{value},9"))
    raw = "".join(f"{name}: {value}\r\n" for name, value in limits)
    rig.wire.instead[DETAIL] = Response(
        0, raw=f'HTTP/1.1 200 OK\r\n{raw}\r\n{{"id": {RIDE}}}'.encode()
    )
    assert rig.source.fetch_activity(RIDE)["id"] == RIDE


def test_a_refusal_at_sign_in_is_not_waited_out(rig):
    rig.account.faults.append(Fault("athlete", "429"))
    with pytest.raises(errors.LimitReached):
        rig.source.sign_in()
    assert rig.clock.slept == []


@pytest.mark.parametrize("told_by", ["the clock", "the API"])
def test_one_of_four_threads_renews_an_expired_token(rig, told_by):
    rig.source.sign_in()
    rig.account.requests.clear()
    if told_by == "the clock":
        rig.clock.now += 7 * HOUR
    else:
        rig.account._access_tokens.clear()
    with ThreadPoolExecutor(4) as pool:
        records = list(pool.map(rig.source.fetch_activity, [RIDE] * 8))
    assert {record["id"] for record in records} == {RIDE}
    assert asked(rig.account).count("token") == 1


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "errors", "resource", "field", "code"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from([200, 400, 401, 403, 404, 422, 429, 500]), BODIES, st.booleans())
def test_any_error_body_ends_in_one_of_our_errors(status, body, while_renewing):
    clock = Clock()
    rig = Rig(Account.of(1, clock), clock)
    path = "POST /oauth/token" if while_renewing else DETAIL
    rig.wire.instead[path] = Response(status, (), json.dumps(body).encode())
    with pytest.raises(errors.Error):
        rig.source.fetch_activity(RIDE)


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"id": 1%b}' % (b"0" * 5000)])
def test_json_that_no_parser_takes_ends_in_one_of_our_errors(rig, body, status):
    rig.wire.instead[DETAIL] = Response(status, (), body)
    with pytest.raises(errors.Error):
        rig.source.fetch_activity(RIDE)


# Pace and secrets


def test_the_api_can_move_while_tokens_stay_where_they_are(make_rig):
    rig = make_rig(3, base_url="https://api-v3.strava.com")
    assert rig.source.sign_in() == rig.account.athlete_id
    assert rig.listed() == ids(rig.account)
    hosts = [(request.kind, request.host) for request in rig.account.requests]
    assert hosts[0] == ("token", "www.strava.com")
    assert {host for _, host in hosts[1:]} == {"api-v3.strava.com"}
    assert rig.account.unknown_requests == []


def test_no_request_goes_without_timeout_or_name(rig):
    rig.source.sign_in()
    rig.listed()
    rig.source.fetch_activity(RIDE)
    assert rig.wire.timeouts == [transport.TIMEOUT] * len(rig.account.requests)
    agents = {request.headers["user-agent"] for request in rig.account.requests}
    assert agents == {transport.USER_AGENT}


def test_secrets_are_in_no_address_and_in_no_log(rig, caplog):
    caplog.set_level(logging.DEBUG)
    rig.source.sign_in()
    rig.listed()
    secrets = rig.secrets()
    assert len(secrets) == 4
    addresses = [f"{request.path} {request.query}" for request in rig.account.requests]
    for secret in secrets:
        assert secret not in "".join(addresses)
        assert secret not in caplog.text


def test_the_access_token_is_sent_in_the_header_to_the_api_alone(rig):
    rig.source.sign_in()
    rig.clock.now += 7 * HOUR
    rig.source.fetch_activity(RIDE)
    sent = {request.kind: "authorization" in request.headers for request in rig.account.requests}
    assert sent == {"token": False, "athlete": True, "list": True, "detail": True}


def test_no_repr_contains_a_secret(rig):
    rig.source.sign_in()
    for text in (repr(rig.app), str(rig.app), f"{rig.app}", repr(rig.source)):
        assert not any(secret in text for secret in rig.secrets())
    assert rig.app.client_id in repr(rig.app)


# Any JSON that a server can send


SHAPES = st.sampled_from(["id", "resource_state", "bikes", "shoes", "name", "start_date"])
RECORD_LIKE = JSON_VALUES | st.dictionaries(
    SHAPES, JSON_VALUES | st.sampled_from([RIDE, str(RIDE), float(RIDE), True, 10**99, "b1"])
)


@given(RECORD_LIKE | st.lists(RECORD_LIKE, max_size=3), st.sampled_from([200, 201, 206, 418]))
def test_any_json_from_the_api_is_a_record_or_one_of_our_errors(value, status):
    account, clock = Account.sample(Clock()), Clock()
    rig = Rig(account, clock)
    rig.wire.make = lambda path: json_response(value, status) if "/oauth/" not in path else None
    for fetch in (
        rig.source.sign_in,
        lambda: list(chain.from_iterable(rig.source.fetch_activities(KNOWN))),
        lambda: rig.source.fetch_activity(RIDE),
        lambda: rig.source.fetch_photos(parse_activity(account.activity(RIDE).summary())),
        lambda: rig.source.fetch_gear("b1"),
    ):
        with suppress(errors.Error):
            fetch()


@given(RECORD_LIKE)
def test_any_json_for_tokens_is_one_of_our_errors_or_tokens(value):
    rig = Rig(Account.sample(Clock()), Clock())
    rig.wire.make = lambda path: json_response(value) if "/oauth/" in path else None
    with suppress(errors.Error):
        rig.source.sign_in()


@pytest.mark.parametrize("answer", WRONG_ANSWERS)
def test_a_wrong_answer_of_the_api_is_one_of_our_errors(rig, answer):
    rig.source.sign_in()
    rig.wire.make = lambda path: Response(0, raw=WRONG_ANSWERS[answer])
    for fetch in (
        lambda: list(chain.from_iterable(rig.source.fetch_activities(KNOWN))),
        lambda: rig.source.fetch_activity(RIDE),
        lambda: rig.source.fetch_gear("b1"),
    ):
        with pytest.raises(errors.Error):
            list(fetch())
    rig.source = rig.source_with(rig.stored)
    with pytest.raises(errors.Error):
        rig.source.sign_in()


def test_our_own_key_in_answers_of_the_api_is_removed(rig):
    forged = {"id": RIDE, "name": "x", "strava_backup": {"original": {"file": "x"}}}
    rig.wire.instead[DETAIL] = json_response(forged)
    rig.wire.instead[photo_page(1)] = json_response([forged])
    rig.wire.instead["GET /api/v3/gear/b1"] = json_response({**forged, "id": "b1"})
    rig.wire.instead[list_page(1)] = json_response([forged])
    rig.wire.instead[list_page(2)] = json_response([])
    rig.source.sign_in()
    found = [
        rig.source.fetch_activity(RIDE),
        *rig.source.fetch_photos(listed(rig.account)),
        rig.source.fetch_gear("b1"),
        *chain.from_iterable(rig.source.fetch_activities(KNOWN)),
    ]
    assert len(found) == 4
    assert not any("strava_backup" in record for record in found)


# Comments and kudos


def comments_of(rig, count):
    rig.account.edit(RIDE, comment_count=count)
    return comment_records(rig.account.activity(RIDE))


def kudos_of(rig, count):
    rig.account.edit(RIDE, kudos_count=count)
    return kudos_records(rig.account.activity(RIDE))


@pytest.mark.parametrize(
    ("count", "cursors"),
    [
        (1, [None]),
        (200, [None]),
        (401, [None, f"{RIDE * 1000 + 199}%20", f"{RIDE * 1000 + 399}%20"]),
    ],
)
def test_comments_are_requested_with_cursors_until_their_count_is_reached(rig, count, cursors):
    records = comments_of(rig, count)
    assert rig.source.fetch_comments(RIDE, count) == records
    queries = [one.query for one in rig.account.requests if one.kind == "comments"]
    assert [query.get("after_cursor") for query in queries] == cursors
    assert {query["page_size"] for query in queries} == {"200"}
    assert not {"page", "per_page"} & queries[0].keys()


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (200, 1), (401, 3)])
def test_kudos_are_requested_until_their_count_is_reached(rig, count, pages):
    records = kudos_of(rig, count)
    assert rig.source.fetch_kudos(RIDE, count) == records
    assert asked(rig.account).count("kudos") == pages


@pytest.mark.parametrize("kind", ["comments", "kudos"])
def test_hidden_entries_that_are_counted_end_a_list(rig, kind):
    fetch = {"comments": rig.source.fetch_comments, "kudos": rig.source.fetch_kudos}[kind]
    records = {"comments": comments_of, "kudos": kudos_of}[kind](rig, 30)
    assert fetch(RIDE, 31) == records
    assert asked(rig.account).count(kind) == 2


@pytest.mark.parametrize("kind", ["comments", "kudos"])
def test_a_server_that_repeats_a_page_of_comments_or_kudos_ends_the_list(rig, kind):
    page = [{"id": number, "cursor": "c", "firstname": "Ada"} for number in range(1, 31)]
    rig.wire.make = lambda path: json_response(page) if kind in path else None
    fetch = {"comments": rig.source.fetch_comments, "kudos": rig.source.fetch_kudos}[kind]
    assert fetch(RIDE, 90) == page
    assert asked(rig.account).count(kind) == 2


@pytest.mark.parametrize("cursor", [None, "", 7, [], "x" * 2000])
def test_a_list_of_comments_that_does_not_lead_on_is_not_treated_as_complete(rig, cursor):
    page = [{"id": number, "cursor": cursor} for number in range(1, 31)]
    rig.wire.make = lambda path: json_response(page) if "comments" in path else None
    with pytest.raises(errors.PageChanged, match="does not lead on"):
        rig.source.fetch_comments(RIDE, 31)
    assert rig.source.fetch_comments(RIDE, 30) == page


@pytest.mark.parametrize("kind", ["comments", "kudos"])
def test_an_endless_list_of_comments_or_kudos_is_an_error(rig, monkeypatch, kind):
    monkeypatch.setattr(api, "_MOST_LIST_PAGES", 5)
    numbers = iter(range(1, 10**9))

    def answer(path):
        return json_response([{"id": next(numbers), "cursor": "c"} for _ in range(10)])

    rig.wire.make = lambda path: answer(path) if kind in path else None
    fetch = {"comments": rig.source.fetch_comments, "kudos": rig.source.fetch_kudos}[kind]
    with pytest.raises(errors.PageChanged, match="does not end: 50"):
        fetch(RIDE, 10**18)


def test_entries_of_any_form_are_comments(rig):
    entries = [None, 7, "comment", [], {}, {"id": "x"}]
    rig.wire.make = lambda path: json_response(entries) if "comments" in path else None
    assert rig.source.fetch_comments(RIDE, 9) == entries


@pytest.mark.parametrize("answer", [{}, None, "comments", 7])
def test_an_answer_other_than_a_list_of_comments_or_kudos_fails_that_item(rig, answer):
    rig.wire.make = lambda path: json_response(answer) if "/activities/" in path else None
    for fetch in (rig.source.fetch_comments, rig.source.fetch_kudos):
        with pytest.raises(errors.ItemError, match="no list of") as caught:
            fetch(RIDE, 3)
        assert type(caught.value) is errors.ItemError


# Routes

OWN_ROUTE = 3_100_000_000_000_000_001


def read(rig, route_id=OWN_ROUTE):
    with rig.source.download_route(str(route_id)) as download:
        return download.sent_name, b"".join(download.chunks)


def test_a_route_is_downloaded_with_the_token_and_uncompressed(rig):
    rig.source.sign_in()
    assert read(rig) == (f"{OWN_ROUTE}.gpx", rig.account.routes[OWN_ROUTE].gpx)
    request = rig.account.requests[-1]
    assert request.headers["authorization"].startswith("Bearer ")
    assert request.headers["accept-encoding"] == "identity"


def test_an_expired_token_is_renewed_for_a_route(rig):
    rig.source.sign_in()
    rig.account.end_access_tokens()
    assert read(rig)[1] == rig.account.routes[OWN_ROUTE].gpx


def test_the_download_of_a_route_counts_for_the_limits(rig):
    rig.source.sign_in()
    rig.account.faults.append(Fault("route", "429", times=1))
    assert read(rig)[1] == rig.account.routes[OWN_ROUTE].gpx
    assert len(rig.clock.slept) == 1


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("404", errors.Refused),
        ("403", errors.ApiInactive),
        ("401", errors.AccessTokenRefused),
        ("429", errors.LimitReached),
        ("503", errors.Unreachable),
        ("truncated", errors.CutShort),
        ("redirect-login", errors.ItemError),
    ],
)
def test_faults_of_a_route_are_those_of_other_requests(rig, what, error):
    rig.source.sign_in()
    rig.account.faults.append(Fault("route", what))
    with pytest.raises(error):
        read(rig)


def test_a_private_route_is_refused_without_the_scope(rig):
    rig.source.sign_in()
    rig.account.scopes.remove("read_all")
    with pytest.raises(errors.Blocked):
        read(rig, 3_100_000_000_000_000_003)


def test_routes_are_requested_until_a_page_is_short_or_has_nothing_new(rig):
    rig.source.sign_in()
    full = json_response([{"id": number} for number in range(1, 201)])
    rig.wire.make = lambda path: full if "/routes?" in path else None
    assert [len(page) for page in rig.source.fetch_routes()] == [200]
    assert asked(rig.account).count("routes") == 2
    rig.wire.make = lambda path: None
    assert [len(page) for page in rig.source.fetch_routes()] == [3]
    assert asked(rig.account).count("routes") == 3


def test_an_endless_list_of_routes_is_an_error(rig, monkeypatch):
    monkeypatch.setattr(api, "_MOST_ROUTE_PAGES", 5)
    rig.source.sign_in()
    numbers = iter(range(1, 10**9))
    rig.wire.make = lambda path: (
        json_response([{"id": next(numbers)} for _ in range(10)]) if "/routes?" in path else None
    )
    with pytest.raises(errors.PageChanged, match="does not end: 50"):
        list(rig.source.fetch_routes())


def test_a_list_of_routes_without_the_scope_is_not_permitted(rig):
    rig.source.sign_in()
    rig.account.scopes = {"activity:read_all"}
    with pytest.raises(errors.NotPermitted, match="read_all"):
        list(rig.source.fetch_routes())


@pytest.mark.parametrize("answer", [{}, None, "routes", 7])
def test_an_answer_other_than_a_list_of_routes_is_an_item_error(rig, answer):
    rig.source.sign_in()
    rig.wire.make = lambda path: json_response(answer) if "/routes?" in path else None
    with pytest.raises(errors.ItemError, match="no list of routes"):
        list(rig.source.fetch_routes())
