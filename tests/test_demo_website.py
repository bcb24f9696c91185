from __future__ import annotations

import re

import pytest

from strava_backup.demo.account import Account
from strava_backup.demo.serve import serve
from strava_backup.demo.wire import Request
from tests.faults import Fault

HOST = "www.strava.com"
LOGIN = "https://www.strava.com/login"


@pytest.fixture
def account():
    return Account.sample()


def ask(account, path, cookies=None, method="GET", **form):
    words = {} if cookies is None else {"cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())}
    return serve(account, Request(method, HOST, path, headers=words, form=form))


def signed_in(account, path):
    return ask(account, path, {"_strava4_session": account.issue_session()})


def pair(account, token=None):
    return {
        "strava_remember_id": str(account.athlete_id),
        "strava_remember_token": token or account.issue_jwt(),
    }


def cookies_set(response):
    values = [value for name, value in response.headers if name == "Set-Cookie"]
    return dict(value.partition(";")[0].split("=", 1) for value in values)


def csrf_token(response):
    return re.search(r'name="csrf-token" content="([^"]+)"', response.body.decode())[1]


def log_in(account, **changes):
    """Log in like a browser: load the form's page, then post the form."""
    page = ask(account, "/about")
    form = {"email": account.email, "password": account.password, "remember_me": "on"} | changes
    form = {"authenticity_token": csrf_token(page)} | form
    return ask(account, "/session", cookies_set(page), "POST", **form), cookies_set(page)


PRIVATE_PAGES = [
    "/me",
    "/dashboard",
    "/activities/16600000000",
    "/activities/16600000000/export_original",
    "/activities/16600000000/export_gpx",
    "/activities/1/export_original",
    "/activities/16600000000/edit",
    "/bikes/9000001",
    "/bikes/1",
]


@pytest.mark.parametrize("path", PRIVATE_PAGES)
@pytest.mark.parametrize("cookies", [None, {}, {"_strava4_session": "stale"}])
def test_whoever_is_not_signed_in_is_sent_to_the_login_page(account, path, cookies):
    response = ask(account, path, cookies)
    assert (response.status, response.header("Location")) == (302, LOGIN)
    assert not cookies_set(response)


def test_me_leads_to_the_athletes_page(account):
    response = signed_in(account, "/me")
    assert response.status == 302
    assert response.header("Location") == f"https://www.strava.com/athletes/{account.athlete_id}"
    assert signed_in(account, f"/athletes/{account.athlete_id}").status == 200


def test_the_pair_signs_in_and_brings_a_fresh_session(account):
    response = ask(account, "/dashboard", pair(account))
    fresh = cookies_set(response)
    assert response.status == 200
    assert b"class='logged-in'" in response.body
    assert fresh.keys() == {"_strava4_session"}
    again = ask(account, "/dashboard", fresh)
    assert (again.status, cookies_set(again)) == (200, {})


def test_the_session_cookie_has_stravas_attributes(account):
    header = ask(account, "/me", pair(account)).header("Set-Cookie")
    assert header.split("; ")[1:] == ["domain=.strava.com", "path=/", "secure", "HttpOnly"]
    assert re.match(r"_strava4_session=[a-z2-7]{32};", header)


def test_the_token_needs_the_id(account):
    cookies = pair(account)
    del cookies["strava_remember_id"]
    assert ask(account, "/me", cookies).header("Location") == LOGIN


def test_a_stale_session_does_not_spoil_the_pair_for_pages(account):
    response = ask(account, "/dashboard", pair(account) | {"_strava4_session": "stale"})
    assert response.status == 200
    assert "_strava4_session" in cookies_set(response)


def test_a_jwt_that_ends_soon_is_renewed(account):
    account.renews_jwt_within = 86400
    old = account.issue_jwt(expires_in=3600)
    fresh = cookies_set(ask(account, "/me", pair(account, old)))
    assert fresh.keys() == {"_strava4_session", "strava_remember_token"}
    assert ask(account, "/me", pair(account, fresh["strava_remember_token"])).status == 302


def test_ended_sessions_lead_to_the_login_page(account):
    cookies = pair(account) | {"_strava4_session": account.issue_session()}
    account.end_sessions()
    assert ask(account, "/me", cookies).header("Location") == LOGIN


def test_every_original_comes_byte_for_byte_as_an_attachment(account):
    for activity in (one for one in account.activities if one.original is not None):
        response = signed_in(account, f"/activities/{activity.id}/export_original")
        assert (response.status, response.body) == (200, activity.original)
        assert response.header("Content-Disposition").startswith('attachment; filename="')
        assert response.framing == "length"


def test_an_original_has_its_name_twice_in_ascii_and_in_utf8(account):
    response = signed_in(account, "/activities/16600000000/export_original")
    assert response.header("Content-Disposition") == (
        'attachment; filename="Through_the_Hollental______.fit"; '
        "filename*=UTF-8''Through_the_H%C3%B6llental______.fit"
    )
    assert response.header("Content-Type") == "application/octet-stream"


def test_no_header_can_hold_a_line_break(account):
    for activity in account.activities:
        response = signed_in(account, f"/activities/{activity.id}/export_original")
        assert all(value.isascii() and value.isprintable() for _, value in response.headers)


def test_a_json_original_says_so(account):
    response = signed_in(account, "/activities/1000001/export_original")
    assert response.header("Content-Type") == "application/json"
    assert 'filename="My_first_phone.json"' in response.header("Content-Disposition")


def test_lengths_can_be_left_unannounced_and_a_gpx_never_has_one(account):
    assert signed_in(account, "/activities/1000001/export_gpx").framing == "chunked"
    account.announce_lengths = False
    assert signed_in(account, "/activities/1000001/export_original").framing == "chunked"


def test_the_export_of_a_manual_activity_leads_to_its_page(account):
    response = signed_in(account, "/activities/13000000001/export_original")
    assert response.status == 302
    assert response.header("Location") == "https://www.strava.com/activities/13000000001"
    page = signed_in(account, "/activities/13000000001")
    assert page.status == 200
    assert b"export_original" not in page.body


def test_the_edit_page_has_the_note_and_a_deleted_activity_leads_elsewhere(account):
    secret = signed_in(account, "/activities/15000000005/edit").body.decode()
    assert "id='activity_private_note'>\n47.93 &lt; lat &amp; lon" in secret
    assert signed_in(account, "/activities/1/edit").header("Location").endswith("/athlete/training")


def test_a_gpx_that_cannot_be_made_leads_to_the_dashboard(account):
    response = signed_in(account, "/activities/1000002/export_gpx")
    assert response.header("Location") == "https://www.strava.com/dashboard"


@pytest.mark.parametrize("page", ["", "/export_original", "/export_gpx"])
def test_an_unknown_activity_is_a_404_page(account, page):
    response = signed_in(account, f"/activities/1{page}")
    assert response.status == 404
    assert response.header("Content-Type").startswith("text/html")
    assert not account.unknown_requests


def test_an_unknown_path_is_a_404_page_and_recorded(account):
    assert signed_in(account, "/settings/profile").status == 404
    assert [request.path for request in account.unknown_requests] == ["/settings/profile"]


def test_an_unknown_host_gives_no_answer_and_is_recorded(account):
    assert serve(account, Request("GET", "example.org", "/")).drop
    assert [request.host for request in account.unknown_requests] == ["example.org"]


def test_the_right_password_brings_three_good_cookies(account):
    response, _ = log_in(account)
    assert (response.status, response.header("Location")) == (
        302,
        "https://www.strava.com/dashboard",
    )
    cookies = cookies_set(response)
    assert cookies.keys() == {"_strava4_session", "strava_remember_id", "strava_remember_token"}
    assert ask(account, "/me", {"_strava4_session": cookies.pop("_strava4_session")}).status == 302
    assert ask(account, "/dashboard", cookies).status == 200


@pytest.mark.parametrize("wrong", ["email", "password"])
def test_a_wrong_password_leads_to_the_login_page_which_shows_it_once(account, wrong):
    response, cookies = log_in(account, **{wrong: "wrong"})
    assert (response.status, response.header("Location")) == (302, LOGIN)
    assert not cookies_set(response)
    assert b"username or password did not match" in ask(account, "/login", cookies).body
    assert b"did not match" not in ask(account, "/login", cookies).body


def test_a_log_in_without_the_pages_token_is_refused(account):
    assert log_in(account, authenticity_token="wrong")[0].status == 422
    page = ask(account, "/login")
    form = {"email": account.email, "password": account.password}
    token = csrf_token(page)
    other_session = ask(account, "/session", {}, "POST", authenticity_token=token, **form)
    assert other_session.status == 422


@pytest.mark.parametrize(
    ("mode", "status", "mark"),
    [
        ("captcha", 200, b"grecaptcha.enterprise"),
        ("code", 200, b"6-digit code"),
        ("waf", 403, b"Forbidden"),
        ("limited", 429, b"Too Many"),
    ],
)
def test_even_the_right_password_is_refused_in_other_modes(account, mode, status, mark):
    account.login_mode = mode
    response, _ = log_in(account)
    assert response.status == status
    assert mark in response.body
    assert not cookies_set(response)


def test_a_firewall_blocks_the_login_page_but_not_the_about_page(account):
    account.login_mode = "waf"
    assert ask(account, "/login").status == 403
    assert ask(account, "/about").status == 200


def test_the_login_page_sends_those_signed_in_to_the_dashboard(account):
    assert signed_in(account, "/login").header("Location").endswith("/dashboard")


def test_the_log_contains_the_kinds(account):
    log_in(account)
    for path in ("/me", "/dashboard", "/login", "/activities/7/export_original"):
        ask(account, path)
    assert [(request.kind, request.id) for request in account.requests] == [
        ("about", None),
        ("login", None),
        ("me", None),
        ("dashboard", None),
        ("login-page", None),
        ("original", 7),
    ]


EXPORT = "/activities/16600000000/export_original"


def spoilt(account, what, **more):
    account.faults.append(Fault("original", what, id=16_600_000_000, **more))
    return signed_in(account, EXPORT)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_status_fault_replaces_the_original(account, status):
    response = spoilt(account, str(status), times=1)
    assert response.status == status
    assert signed_in(account, EXPORT).status == 200


def test_a_429_fault_can_say_when_to_come_back(account):
    assert spoilt(account, "429", retry_after=30).header("Retry-After") == "30"


def test_an_html_fault_is_a_page_and_no_attachment(account):
    response = spoilt(account, "html")
    assert response.status == 200
    assert response.header("Content-Type").startswith("text/html")
    assert response.header("Content-Disposition") is None


@pytest.mark.parametrize(
    ("what", "path"),
    [
        ("redirect-login", "/login"),
        ("redirect-activity", "/activities/16600000000"),
        ("redirect-dashboard", "/dashboard"),
    ],
)
def test_a_redirect_fault_leads_elsewhere(account, what, path):
    response = spoilt(account, what)
    assert response.header("Location") == f"https://www.strava.com{path}"


def test_faults_that_spoil_keep_the_true_headers(account):
    whole = signed_in(account, EXPORT)
    half = len(whole.body) // 2
    assert spoilt(account, "empty", times=1) == whole._replace(body=b"")
    assert spoilt(account, "truncated", times=1) == whole._replace(cut=half)
    assert spoilt(account, "stalled", times=1) == whole._replace(cut=half, stall=True)
    assert spoilt(account, "other-body", times=1, body=b"x") == whole._replace(body=b"x")
    unframed = spoilt(account, "truncated-unframed", times=1)
    assert unframed == whole._replace(body=whole.body[:half], framing="close")


def test_a_fault_of_one_activity_leaves_the_others_alone(account):
    spoilt(account, "500")
    assert signed_in(account, "/activities/1000001/export_original").status == 200


def test_a_bike_has_a_page_also_when_it_is_retired(account):
    for number, name in ((9000001, "Rosinante"), (8000003, "Old Steel")):
        response = signed_in(account, f"/bikes/{number}")
        assert response.status == 200
        assert f"<h1>{name}</h1>" in response.body.decode()
        assert b"<div class='gear-details'>" in response.body
    assert [(request.kind, request.id) for request in account.requests] == [
        ("bike", "b9000001"),
        ("bike", "b8000003"),
    ]


def test_the_page_of_a_bike_is_in_the_athletes_language_and_units(account):
    account.language, account.units = "fr", "mi"
    page = signed_in(account, "/bikes/9000001").body.decode()
    assert "lang='fr'" in page
    assert "8\u202f710,6\u00a0mi" in page


def test_no_name_on_the_page_of_a_bike_can_break_it(account):
    page = signed_in(account, "/bikes/9000002").body.decode()
    assert "<h1>Café &amp; Bike &lt;3</h1>" in page


@pytest.mark.parametrize("number", [1, 9000003])
def test_a_bike_that_is_not_there_is_a_404_page(account, number):
    assert signed_in(account, f"/bikes/{number}").status == 404
    assert not account.unknown_requests


def test_shoes_have_no_page_among_the_bikes(account):
    account.gear["b5"] = account.gear["g9000001"]
    assert signed_in(account, "/bikes/5").status == 404


def test_a_fault_can_give_the_page_of_one_bike_another_layout(account):
    account.faults.append(Fault("bike", "other-body", id="b9000001", body=b"<p>All new!</p>"))
    assert signed_in(account, "/bikes/9000001").body == b"<p>All new!</p>"
    assert b"gear-details" in signed_in(account, "/bikes/9000002").body
