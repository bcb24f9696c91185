from __future__ import annotations

import json

import pytest

from strava_backup.demo.account import Account
from strava_backup.demo.limits import RateLimits
from strava_backup.demo.photos import photo_of
from strava_backup.demo.serve import serve
from strava_backup.demo.wire import Request
from tests.faults import Fault

NOW = 1_795_300_000.0
RATE_HEADERS = {
    "X-Ratelimit-Limit",
    "X-Ratelimit-Usage",
    "X-Readratelimit-Limit",
    "X-Readratelimit-Usage",
}


@pytest.fixture
def account():
    return Account.of(45, clock=lambda: NOW)


def get(account, path, token=None, host="www.strava.com", **query):
    """Return status and JSON of an API call, with a valid access token by default."""
    response = ask(account, path, token, host, **query)
    return response.status, json.loads(response.body)


def ask(account, path, token=None, host="www.strava.com", **query):
    token = account.issue_access_token() if token is None else token
    prefix = "/api/v3" if host == "www.strava.com" else ""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    words = {name: str(value) for name, value in query.items()}
    return serve(account, Request("GET", host, prefix + path, words, headers))


def refresh(account, **changes):
    form = {
        "grant_type": "refresh_token",
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "refresh_token": account.refresh_token,
    } | changes
    response = serve(account, Request("POST", "www.strava.com", "/oauth/token", form=form))
    return response.status, json.loads(response.body)


def error(body):
    assert body.keys() == {"message", "errors"}
    return body["message"], *body["errors"][0].values()


def rate_headers(response):
    return {name: value for name, value in response.headers if name in RATE_HEADERS}


def test_a_refresh_answers_like_strava():
    account = Account.of(1, clock=lambda: NOW)
    status, body = refresh(account)
    assert status == 200
    assert body == {
        "token_type": "Bearer",
        "access_token": body["access_token"],
        "expires_at": NOW + 21600,
        "expires_in": 21600,
        "refresh_token": account.refresh_token,
    }
    assert get(account, "/athlete", body["access_token"])[0] == 200


@pytest.mark.parametrize(
    ("wrong", "status", "expected"),
    [
        ("client_id", 400, ("Bad Request", "Application", "client_id", "invalid")),
        ("client_secret", 401, ("Authorization Error", "Application", "", "invalid")),
        ("refresh_token", 400, ("Bad Request", "RefreshToken", "refresh_token", "invalid")),
        ("grant_type", 400, ("Bad Request", "Application", "grant_type", "invalid")),
    ],
)
def test_a_refused_refresh_names_the_wrong_value(account, wrong, status, expected):
    assert (
        refresh(account, **{wrong: "wrong"})[0],
        error(refresh(account, **{wrong: "x"})[1]),
    ) == (
        status,
        expected,
    )


def test_the_token_endpoint_also_lives_below_the_api(account):
    request = Request("POST", "www.strava.com", "/api/v3/oauth/token")
    assert serve(account, request).status == 400
    assert account.requests[-1].kind == "token"


def test_the_athlete_is_whole_only_with_the_profile_scope(account):
    _, whole = get(account, "/athlete")
    assert (whole["resource_state"], len(whole["bikes"]), len(whole["shoes"])) == (3, 2, 2)
    account.scopes = {"read", "activity:read_all"}
    _, part = get(account, "/athlete")
    assert part["resource_state"] == 2
    assert not {"bikes", "shoes", "clubs", "ftp"} & part.keys()
    assert part["id"] == account.athlete_id


def test_the_list_has_thirty_a_page_newest_first_and_ends_with_an_empty_page(account):
    pages = [get(account, "/athlete/activities", page=page)[1] for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [30, 15, 0]
    listed = [activity["id"] for page in pages for activity in page]
    assert listed == [activity.id for activity in account.activities]


def test_a_page_holds_at_most_two_hundred():
    account = Account.of(205)
    assert len(get(account, "/athlete/activities", per_page=500)[1]) == 200
    assert len(get(account, "/athlete/activities", per_page=200, page=2)[1]) == 5


def test_before_and_after_bound_the_start_time(account):
    third = account.activities[2]
    edge = int(third.started)
    newer = get(account, "/athlete/activities", after=edge)[1]
    older = get(account, "/athlete/activities", before=edge, per_page=200)[1]
    assert [one["id"] for one in newer] == [one.id for one in account.activities[1::-1]]
    assert [one["id"] for one in older] == [one.id for one in account.activities[3:]]
    both = get(account, "/athlete/activities", after=edge, before=int(NOW))[1]
    assert both == newer[::-1]


def test_after_in_the_future_is_refused(account):
    status, body = get(account, "/athlete/activities", after=int(NOW) * 1000)
    assert (status, error(body)[2:]) == (400, ("after", "future"))


def test_a_detail_is_the_whole_object(account):
    activity = account.activities[0]
    status, body = get(account, f"/activities/{activity.id}", include_all_efforts="False")
    assert (status, body) == (200, activity.detail)


def test_an_activity_that_is_not_there_is_not_found(account):
    status, body = get(account, "/activities/1")
    assert (status, error(body)) == (404, ("Resource Not Found", "Activity", "", "not found"))
    assert not account.unknown_requests


def test_the_new_host_has_no_prefix(account):
    activity = account.activities[0]
    assert get(account, f"/activities/{activity.id}", host="api-v3.strava.com")[0] == 200
    assert get(account, "/api/v3/athlete", host="api-v3.strava.com")[0] == 404


def test_without_an_activity_scope_nothing_is_read(account):
    account.scopes = {"read", "profile:read_all"}
    for path in ("/athlete/activities", f"/activities/{account.activities[0].id}"):
        status, body = get(account, path)
        assert status == 401
        assert error(body)[1:] == ("AccessToken", "activity:read_permission", "missing")


def test_the_narrow_activity_scope_hides_private_activities(account):
    hidden = {activity.id for activity in account.activities if activity.only_me}
    account.scopes = {"read", "activity:read"}
    listed = {one["id"] for one in get(account, "/athlete/activities", per_page=200)[1]}
    assert hidden
    assert listed == {activity.id for activity in account.activities} - hidden
    assert get(account, f"/activities/{hidden.pop()}")[0] == 404


def test_a_missing_and_a_wrong_access_token_have_different_errors(account):
    missing, wrong = get(account, "/athlete", token=""), get(account, "/athlete", token="x")
    assert (missing[0], error(missing[1])[1:]) == (401, ("Application", "", "invalid"))
    assert (wrong[0], error(wrong[1])[1:]) == (401, ("Athlete", "access_token", "invalid"))


def test_an_inactive_app_is_forbidden_everything_but_the_refresh(account):
    account.app_inactive = True
    status, body = get(account, "/athlete")
    assert (status, error(body)) == (403, ("Forbidden", "Application", "Status", "Inactive"))
    assert refresh(account)[0] == 200


def test_every_answer_reports_the_limits_and_their_usage(account):
    account.limits = RateLimits(short=100, daily=1000)
    ask(account, "/athlete")
    assert rate_headers(ask(account, "/activities/1")) == {
        "X-Ratelimit-Limit": "200,2000",
        "X-Ratelimit-Usage": "2,2",
        "X-Readratelimit-Limit": "100,1000",
        "X-Readratelimit-Usage": "2,2",
    }


def test_a_401_and_an_unknown_path_report_no_limits_and_count_to_none(account):
    assert not rate_headers(ask(account, "/athlete", token="x"))
    assert not rate_headers(ask(account, "/nothing"))
    account.scopes = set()
    assert not rate_headers(ask(account, "/athlete/activities"))
    assert account.limits.usage(NOW)[0] == 1


def test_beyond_the_limit_the_answer_is_429_with_headers():
    account = Account.of(1, clock=lambda: NOW, limits=RateLimits(short=1))
    assert get(account, "/athlete")[0] == 200
    response = ask(account, "/athlete")
    assert response.status == 429
    assert rate_headers(response)["X-Readratelimit-Usage"] == "2,2"
    assert json.loads(response.body) == {
        "message": "Rate Limit Exceeded",
        "errors": [{"resource": "Application", "field": "read rate limit", "code": "exceeded"}],
    }


def test_an_unknown_path_is_answered_and_recorded(account):
    status, body = get(account, "/athlete/zones")
    assert (status, error(body)) == (404, ("Record Not Found", "resource", "path", "invalid"))
    assert [request.path for request in account.unknown_requests] == ["/api/v3/athlete/zones"]


def test_the_log_contains_kind_item_and_status(account):
    ask(account, "/athlete/activities", page=2)
    ask(account, "/activities/5")
    ask(account, "/athlete", token="x")
    log = [(request.kind, request.id, request.status) for request in account.requests]
    assert log == [("list", 2, 200), ("detail", 5, 404), ("athlete", None, 401)]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_status_fault_answers_json_and_keeps_the_limits_headers(account, status):
    account.faults.append(Fault("detail", str(status), times=1, retry_after=7))
    activity_id = account.activities[0].id
    response = ask(account, f"/activities/{activity_id}")
    assert response.status == status
    assert json.loads(response.body)["message"]
    assert response.header("retry-after") == "7"
    assert bool(rate_headers(response)) == (status != 401)
    assert ask(account, f"/activities/{activity_id}").status == 200


def test_a_fault_of_one_page_leaves_the_other_pages_alone(account):
    account.faults.append(Fault("list", "500", id=2))
    assert [ask(account, "/athlete/activities", page=page).status for page in (1, 2)] == [200, 500]


def test_a_refresh_that_failed_has_rotated_nothing_but_a_lost_one_has(account):
    before = account.refresh_token
    account.faults.append(Fault("token", "503", times=1))
    assert refresh(account)[0] == 503
    assert account.refresh_token == before
    account.faults.append(Fault("token", "lost", times=1))
    form = {
        "grant_type": "refresh_token",
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "refresh_token": before,
    }
    assert serve(account, Request("POST", "www.strava.com", "/oauth/token", form=form)).drop
    assert account.refresh_token != before


def test_the_athletes_lists_have_only_the_gear_that_is_not_retired(account):
    _, athlete = get(account, "/athlete")
    listed = [*athlete["bikes"], *athlete["shoes"]]
    in_use = [gear for gear in account.gear.values() if not gear.retired]
    assert listed == [gear.summary("km") for gear in in_use]
    assert len(in_use) == len(account.gear) - 2
    account.units = "mi"
    _, athlete = get(account, "/athlete")
    assert athlete["measurement_preference"] == "feet"
    assert athlete["bikes"][0]["converted_distance"] == 8710.6
    bare = Account.of(1, gear=False)
    assert get(bare, "/athlete")[1]["bikes"] == get(bare, "/athlete")[1]["shoes"] == []


def test_all_gear_has_a_detail_even_if_retired(account):
    for gear in account.gear.values():
        assert get(account, f"/gear/{gear.id}") == (200, gear.detail("km"))


@pytest.mark.parametrize("gear_id", ["b1", "g1", "1", "x"])
def test_gear_that_is_not_there_is_not_found(account, gear_id):
    status, body = get(account, f"/gear/{gear_id}")
    assert (status, error(body)) == (404, ("Resource Not Found", "Gear", "", "not found"))
    assert not account.unknown_requests


def test_a_fault_can_name_one_piece_of_gear(account):
    account.faults.append(Fault("gear", "500", id="b9000001"))
    statuses = [ask(account, f"/gear/{gear_id}").status for gear_id in ("b9000001", "g9000001")]
    assert statuses == [500, 200]
    assert [(one.kind, one.id) for one in account.requests] == [
        ("gear", "b9000001"),
        ("gear", "g9000001"),
    ]


def test_the_photos_of_an_activity_are_listed_in_the_size_asked_for():
    account = Account.sample()
    activity = account.activity(16_600_000_000)
    path = f"/activities/{activity.id}/photos"
    status, photos = get(account, path, size=5000, photo_sources="true")
    assert (status, photos) == (200, activity.photo_records(5000))
    assert [photo["default_photo"] for photo in photos] == [True, False, False]
    assert list(get(account, path)[1][0]["urls"]) == ["0"]
    assert (account.requests[-1].kind, account.requests[-1].id) == ("photos", activity.id)
    assert get(account, path, size="large")[0] == 400


def test_photos_come_in_pages_of_thirty_and_end_with_an_empty_one():
    account = Account.of(1)
    activity = account.activities[0]
    activity.photos += [photo_of(activity.detail, number) for number in range(35)]
    path = f"/activities/{activity.id}/photos"
    pages = [get(account, path, size=5000, page=page)[1] for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [30, 5, 0]
    assert pages[0] + pages[1] == activity.photo_records(5000)
    assert len(get(account, path, page=2, per_page=20)[1]) == 15
    assert [photo["default_photo"] for page in pages for photo in page].count(True) == 1


def test_an_activity_without_photos_has_an_empty_list(account):
    assert get(account, f"/activities/{account.activities[0].id}/photos") == (200, [])


def test_photos_are_hidden_as_their_activity_is():
    account = Account.sample()
    hidden, shown = "/activities/15000000005/photos", "/activities/16600000000/photos"
    assert [get(account, path)[0] for path in (hidden, shown)] == [200, 200]
    account.scopes = {"read", "activity:read"}
    assert [get(account, path)[0] for path in (hidden, shown)] == [404, 200]
    account.scopes = {"read"}
    assert error(get(account, shown)[1])[2] == "activity:read_permission"
    account.scopes = {"activity:read_all"}
    assert get(account, "/activities/1/photos")[0] == 404


def exchange(account, code, /, **changes):
    form = {
        "grant_type": "authorization_code",
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "code": code,
    } | changes
    response = serve(account, Request("POST", "www.strava.com", "/oauth/token", form=form))
    return response.status, json.loads(response.body)


def test_a_code_brings_tokens_and_the_athlete(account):
    old = account.refresh_token
    status, body = exchange(account, account.consent(["read", "activity:read_all"]))
    assert status == 200
    assert body["athlete"]["id"] == account.athlete_id
    assert body["refresh_token"] == account.refresh_token != old
    status, athlete = get(account, "/athlete", body["access_token"])
    assert status == 200
    assert "bikes" not in athlete


def test_a_code_is_good_once(account):
    code = account.consent(["read"])
    assert exchange(account, code)[0] == 200
    status, body = exchange(account, code)
    assert status == 400
    assert error(body) == ("Bad Request", "AuthorizationCode", "code", "invalid")


@pytest.mark.parametrize(
    ("wrong", "status"), [("client_id", 400), ("client_secret", 401), ("code", 400)]
)
def test_a_wrong_exchange_brings_nothing_and_leaves_the_code_as_it_is(account, wrong, status):
    code = account.consent(["read"])
    assert exchange(account, code, **{wrong: "7"})[0] == status
    assert exchange(account, code)[0] == 200


def test_comments_have_cursors_and_ignore_page_numbers(account):
    account.edit(16_600_000_000, comment_count=35)
    path = "/activities/16600000000/comments"
    first = get(account, path)[1]
    assert len(first) == 30
    rest = get(account, path, after_cursor=first[-1]["cursor"])[1]
    assert len({one["id"] for one in [*first, *rest]}) == 35
    assert get(account, path, after_cursor=rest[-1]["cursor"])[1] == []
    assert get(account, path, page=2, per_page=10)[1] == first
    assert len(get(account, path, page_size=500)[1]) == 35
    assert get(account, path, after_cursor="other")[0] == 400


def test_kudos_have_pages_and_names_only(account):
    account.edit(16_600_000_000, kudos_count=35)
    pages = [get(account, "/activities/16600000000/kudos", page=page)[1] for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [30, 5, 0]
    assert set(pages[0][0]) == {"resource_state", "firstname", "lastname"}


@pytest.mark.parametrize("kind", ["comments", "kudos"])
def test_comments_need_the_scope_of_their_activity(account, kind):
    assert get(account, f"/activities/1/{kind}")[0] == 404
    assert get(account, f"/activities/16600000000/{kind}")[0] == 200
    account.scopes = {"read"}
    assert get(account, f"/activities/16600000000/{kind}")[0] == 401
