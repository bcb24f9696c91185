from __future__ import annotations

import base64
import json
import logging
import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.demo.account import JWT_LIFETIME
from strava_backup.demo.wire import Response, html, redirect
from strava_backup.strava import transport
from strava_backup.strava.session import (
    Credentials,
    Jwt,
    WebSession,
    is_half_over,
    parse_jwt,
    time_left,
)
from tests.conftest import DAY
from tests.faults import Fault
from tests.first_backups import copied_account
from tests.strava_wire import RIDE, Store, Wire, asked, cookies, error_text, is_pause

SITE = "https://www.strava.com"
EXPORT = f"/activities/{RIDE}/export_original"
ANONYMOUS = "_strava4_session=anonymous; domain=.strava.com; path=/; secure; HttpOnly"


class Rig:
    """An account and web sessions connected to it."""

    def __init__(self, account, clock):
        self.account = account
        self.clock = clock
        self.wire = Wire(account)
        self.stored = Store()

    def web(self, **credentials):
        http = transport.Session(adapter=self.wire, sleep=self.clock.sleep)
        return WebSession(
            http,
            Credentials(**credentials),
            store=self.stored,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def web_with_password(self, **changes):
        given = {"email": self.account.email, "password": self.account.password}
        return self.web(**(given | changes))

    def sent(self, index=-1):
        """Return the cookies of a request."""
        return cookies(self.account.requests[index].headers)

    def expired_jwt(self):
        return self.account.issue_jwt(expires_in=-1)


@pytest.fixture
def rig(clock):
    return Rig(copied_account(None, clock), clock)


def with_cookie(response, cookie):
    return response.with_headers(("Set-Cookie", cookie))


# JWTs


def encoded(payload):
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return "eyJ0." + base64.urlsafe_b64encode(content).rstrip(b"=").decode() + ".c2ln"


def test_a_jwt_contains_athlete_and_times(rig):
    token = rig.account.issue_jwt(expires_in=3600)
    now = rig.clock.now
    assert parse_jwt(token) == (token, rig.account.athlete_id, now + 3600, now)


@pytest.mark.parametrize("iat", [None, True, "1", -1, 10, float("nan"), [1], {}])
def test_an_impossible_time_of_issue_is_ignored(iat):
    assert parse_jwt(encoded({"sub": 7, "exp": 9, "iat": iat})).issued_at is None


@pytest.mark.parametrize(
    ("issued", "left", "is_over"),
    [
        (None, 15, False),
        (None, 14.9, True),
        (0, 15, False),
        (0, 14.9, True),
        (20, 5, False),
        (20, 4.9, True),
        (30, 0, True),
        (0, -1, True),
    ],
)
def test_half_of_a_life_is_measured_by_the_times_of_the_jwt(issued, left, is_over):
    jwt = Jwt("", 7, 30 * DAY, issued if issued is None else issued * DAY)
    assert is_half_over(jwt, (30 - left) * DAY) is is_over


@given(
    st.integers(1, 10**12),
    st.booleans(),
    st.integers(0, 10**11),
    st.text(max_size=40),
)
def test_a_jwt_of_any_length_is_read_and_its_sub_may_be_text(athlete_id, as_text, end, filler):
    sub = str(athlete_id) if as_text else athlete_id
    token = encoded({"iss": filler, "sub": sub, "exp": end})
    assert parse_jwt(token) == Jwt(token, athlete_id, end)


@pytest.mark.parametrize("filler", ["", "x", "xx", "xxx"])
def test_padding_is_made_up_for_at_every_length(filler):
    token = encoded({"sub": 7, "exp": 9, "x": filler})
    assert parse_jwt(token).athlete_id == 7


def test_the_url_alphabet_is_understood():
    token = encoded({"sub": 7, "exp": 9, "x": "???>>>~~~"}).replace("+", "-")
    assert {"-", "_"} & set(token.split(".")[1])
    assert parse_jwt(token).athlete_id == 7


@pytest.mark.parametrize(
    "token",
    [
        "",
        "eyJ0",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        encoded({"sub": 7}),
        encoded({"exp": 7}),
        encoded({"sub": None, "exp": 7}),
        encoded({"sub": "ada", "exp": 7}),
        encoded({"sub": 7, "exp": "soon"}),
        encoded({"sub": 7, "exp": 10**400}),
        encoded([7, 9]),
        encoded(7),
        encoded(b'{"sub": Infinity, "exp": 7}'),
        *(
            encoded({"sub": sub, "exp": 9})
            for sub in (
                True,
                7.0,
                0,
                -7,
                2**63,
                "0",
                "-7",
                "7.0",
                " 7",
                "\u0667",
                "7" * 5000,
                [7],
                "",
            )
        ),
        *(
            encoded({"sub": 7, "exp": end})
            for end in (True, -1, "9", 10**11 + 1, 1e12, float("nan"), [9], {}, None)
        ),
        encoded(b'{"sub": %b, "exp": 7}' % (b"7" * 5000)),
        encoded(b'{"sub": 7, "exp": %b}' % (b"7" * 5000)),
        encoded(b"\xff\xfe"),
        encoded(b"[" * 100_000),
        encoded({"sub": 7, "exp": 9}) + "\n",
        encoded({"sub": 7, "exp": 9}) + "; Path=/",
        "strava_remember_token=" + encoded({"sub": 7, "exp": 9}),
    ],
)
def test_other_texts_than_a_jwt_are_garbled(token):
    with pytest.raises(errors.GarbledJwt, match="was it copied whole"):
        parse_jwt(token)


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["eyJ", ".", "=", "-", "_", "MQ", "bnVsbA", "e30", "Ñ", " "])).map(
        "".join
    )
    | st.binary(max_size=60).map(encoded)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
        lambda inner: st.dictionaries(st.sampled_from(["sub", "exp"]), inner),
    ).map(encoded)
)
def test_any_text_is_a_jwt_or_garbled(token):
    try:
        jwt = parse_jwt(token)
    except errors.GarbledJwt:
        return
    assert 0 < jwt.athlete_id < 2**63
    assert math.isfinite(jwt.expires_at)
    assert datetime.fromtimestamp(jwt.expires_at, UTC)
    assert time_left(jwt.expires_at)


@pytest.mark.parametrize("end", [b"Infinity", b"1e999", b"-Infinity", b"NaN"])
def test_a_jwt_that_never_ends_is_garbled(end):
    with pytest.raises(errors.GarbledJwt):
        parse_jwt(encoded(b'{"sub": 7, "exp": %b}' % end))


def test_a_garbled_jwt_is_not_repeated_by_its_error():
    token = encoded(b'{"sub": 7, "email": "ada@example.org"')
    with pytest.raises(errors.GarbledJwt) as caught:
        parse_jwt(token)
    assert token.split(".")[1] not in error_text(caught.value)
    assert caught.value.__cause__ is None


# Signing in


def test_the_constructor_asks_for_nothing(rig):
    rig.web(jwt=rig.account.issue_jwt())
    rig.web_with_password()
    assert rig.account.requests == []


@pytest.mark.parametrize("sub_as_string", [False, True])
def test_a_jwt_alone_signs_in_with_one_request(rig, sub_as_string):
    token = rig.account.issue_jwt(sub_as_string=sub_as_string)
    assert rig.web(jwt=token).sign_in() == rig.account.athlete_id
    assert asked(rig.account) == ["me"]
    assert rig.sent() == {
        "strava_remember_id": str(rig.account.athlete_id),
        "strava_remember_token": token,
    }
    assert rig.stored == []


def test_with_a_jwt_no_stored_session_is_sent(rig):
    web = rig.web(
        jwt=rig.account.issue_jwt(), session="stale", email=rig.account.email, password="x"
    )
    web.sign_in()
    assert asked(rig.account) == ["me"]
    assert "_strava4_session" not in rig.sent()


def test_the_session_that_a_jwt_brings_is_used_but_not_stored(rig):
    web = rig.web(jwt=rig.account.issue_jwt())
    web.sign_in()
    web.get("/dashboard")
    web.keep_renewed()
    assert rig.account.knows_session(rig.sent())
    assert rig.stored == []


def test_a_session_alone_signs_in(rig):
    session = rig.account.issue_session()
    assert rig.web(session=session).sign_in() == rig.account.athlete_id
    assert asked(rig.account) == ["me"]
    assert rig.sent() == {"_strava4_session": session}
    assert rig.stored == []


def test_an_expired_jwt_gives_way_to_the_session(rig):
    session = rig.account.issue_session()
    web = rig.web(jwt=rig.expired_jwt(), session=session, email=rig.account.email, password="x")
    assert web.sign_in() == rig.account.athlete_id
    assert asked(rig.account) == ["me"]
    assert rig.sent() == {"_strava4_session": session}


def test_an_expired_jwt_without_session_gives_way_to_the_password(rig):
    web = rig.web_with_password(jwt=rig.expired_jwt())
    assert web.sign_in() == rig.account.athlete_id
    assert asked(rig.account) == ["about", "login", "me"]


def test_an_expired_jwt_alone_is_reported_without_a_request(rig):
    with pytest.raises(errors.SessionOver, match="jwt has expired: sign in to"):
        rig.web(jwt=rig.expired_jwt()).sign_in()
    assert rig.account.requests == []


def test_a_jwt_counts_as_expired_from_its_very_second(rig):
    web = rig.web(jwt=rig.account.issue_jwt(expires_in=60))
    rig.clock.now += 60
    with pytest.raises(errors.SessionOver, match="expired"):
        web.sign_in()


def test_a_garbled_jwt_is_reported_even_with_a_valid_session(rig):
    web = rig.web(jwt="garbled", session=rig.account.issue_session())
    with pytest.raises(errors.GarbledJwt):
        web.sign_in()
    assert rig.account.requests == []


@pytest.mark.parametrize("days", [401, 36_500, 900_000])
def test_a_jwt_that_lasts_longer_than_any_is_garbled(rig, days):
    token = rig.account.issue_jwt(expires_in=days * DAY)
    with pytest.raises(errors.GarbledJwt, match="ends in more than a year") as caught:
        rig.web(jwt=token, session=rig.account.issue_session()).sign_in()
    assert token not in error_text(caught.value)
    assert rig.account.requests == []


def test_a_jwt_of_400_days_is_a_good_one(rig):
    web = rig.web(jwt=rig.account.issue_jwt(expires_in=400 * DAY))
    assert web.sign_in() == rig.account.athlete_id


@pytest.mark.parametrize("name", ["jwt", "session"])
def test_an_ended_session_is_tried_once_and_reported(rig, name):
    credential = getattr(rig.account, f"issue_{name}")()
    rig.account.end_sessions()
    web = rig.web_with_password(**{name: credential})
    with pytest.raises(errors.SessionOver, match="private browser window"):
        web.sign_in()
    assert asked(rig.account) == ["me"]
    assert rig.stored == []


def test_a_jwt_of_one_athlete_never_signs_in_another(rig):
    rig.wire.instead["GET /me"] = redirect(f"{SITE}/athletes/7")
    with pytest.raises(errors.AccountMismatch, match=f"athlete {rig.account.athlete_id}.* 7"):
        rig.web(jwt=rig.account.issue_jwt()).sign_in()
    assert rig.stored == []


def test_missing_credentials_are_reported_without_a_request(rig):
    # for example in a dry run, which may not log in
    with pytest.raises(errors.LoginPaused):
        rig.web(email=rig.account.email).sign_in()
    assert rig.account.requests == []


# E-mail and password


def test_the_right_password_signs_in_and_its_jwt_is_stored(rig):
    assert rig.web_with_password().sign_in() == rig.account.athlete_id
    assert asked(rig.account) == ["about", "login", "me"]
    ((name, token),) = rig.stored
    assert name == "jwt"
    assert parse_jwt(token).expires_at == rig.clock.now + JWT_LIFETIME


def test_the_form_is_filled_in_as_a_browser_does(rig):
    rig.web_with_password().sign_in()
    form = dict(parse_qsl(rig.wire.bodies[1]))
    assert len(form.pop("authenticity_token")) > 20
    assert form == {
        "email": rig.account.email,
        "password": rig.account.password,
        "remember_me": "on",
    }


def test_a_log_in_that_answers_in_json_signs_in(rig):
    answer = Response(200, (("Content-Type", "application/json"),), b'{"success": true}')
    cookie = f"_strava4_session={rig.account.issue_session()}; domain=.strava.com; path=/; secure"
    rig.wire.instead["POST /session"] = with_cookie(answer, cookie)
    rig.account.login_mode = "captcha"
    assert rig.web_with_password().sign_in() == rig.account.athlete_id


def refusal(rig, **changes):
    with pytest.raises(errors.LoginRefused) as caught:
        rig.web_with_password(**changes).sign_in()
    assert type(caught.value) is errors.LoginRefused
    assert asked(rig.account).count("login") == 1
    assert rig.stored == []
    for secret in ("password", changes.get("password", rig.account.password), rig.account.email):
        assert secret == "password" or secret not in error_text(caught.value)
    assert "private browser window" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("wrong", ["email", "password"])
def test_a_wrong_password_is_tried_once_and_reported(rig, wrong):
    assert "e-mail or password is wrong" in refusal(rig, **{wrong: "qwertz@example.org"})
    assert asked(rig.account) == ["about", "login", "login-page"]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("captcha", "captcha"),
        ("waf", "captcha"),
        ("code", "code sent by e-mail"),
        ("limited", "pause"),
    ],
)
def test_each_refusal_of_a_log_in_has_its_own_message_and_is_tried_once(rig, mode, words):
    rig.account.login_mode = mode
    assert words in refusal(rig)
    assert asked(rig.account) == ["about", "login"]


def test_a_refusal_without_a_reason_is_reported(rig):
    rig.wire.instead["POST /session"] = html("<h1>The change you wanted was rejected.</h1>", 422)
    assert "without saying why" in refusal(rig)


def test_a_log_in_that_leads_on_but_does_not_sign_in_is_refused(rig):
    # Otherwise it would not be recorded, and every run would try again.
    rig.account.login_mode = "code"
    rig.wire.instead["POST /session"] = redirect(f"{SITE}/verify")
    assert "without saying why" in refusal(rig)
    assert asked(rig.account) == ["about", "login", "me"]


@pytest.mark.parametrize("what", ["500", "dropped", "429", "403"])
def test_a_refusal_is_recorded_even_if_its_reason_cannot_be_read(rig, what):
    rig.account.faults.append(Fault("login-page", what))
    refusal(rig, password="wrong")


def test_a_refusal_stays_one_when_the_login_page_leads_elsewhere(rig):
    rig.account.faults.append(Fault("login-page", "redirect-dashboard"))
    refusal(rig, password="wrong")


@pytest.mark.parametrize("what", ["500", "503", "dropped", "silent", "lost"])
def test_a_log_in_that_does_not_go_through_is_no_refusal_and_not_repeated(rig, what):
    rig.account.faults.append(Fault("login", what))
    with pytest.raises(errors.Unreachable) as caught:
        rig.web_with_password().sign_in()
    assert asked(rig.account) == ["about", "login"]
    assert rig.account.password not in error_text(caught.value)


def test_without_the_forms_token_no_password_is_sent(rig):
    rig.wire.instead["GET /about"] = html("<h1>403 Forbidden</h1>", 403)
    with pytest.raises(errors.LoginRefused, match="captcha"):
        rig.web_with_password().sign_in()
    assert asked(rig.account) == ["about"]


def test_a_form_that_redirects_elsewhere_is_not_a_log_in(rig):
    rig.wire.instead["GET /about"] = redirect(f"{SITE}/welcome")
    with pytest.raises(errors.LoginRefused):
        rig.web_with_password().sign_in()
    assert asked(rig.account) == ["about"]


@pytest.mark.parametrize("hours", [0, 1, 23.9])
def test_after_a_refusal_no_log_in_is_tried_for_a_day(rig, hours):
    with pytest.raises(errors.LoginPaused, match="less than a day ago"):
        rig.web_with_password().sign_in(rig.clock.now - hours * 3600)
    assert rig.account.requests == []


# A refusal in the future was recorded with a wrong clock.
@pytest.mark.parametrize("passed", [DAY, 3 * DAY, -60.0])
def test_a_day_after_a_refusal_a_log_in_is_tried_again(rig, passed):
    assert rig.web_with_password().sign_in(rig.clock.now - passed) == rig.account.athlete_id


@pytest.mark.parametrize("name", ["jwt", "session"])
def test_a_refused_log_in_does_not_keep_other_credentials_from_use(rig, name):
    web = rig.web_with_password(**{name: getattr(rig.account, f"issue_{name}")()})
    assert web.sign_in(rig.clock.now) == rig.account.athlete_id


# The athlete of /me


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (html("<h1>403</h1>", 403), errors.TryLater),
        (html("<div id='challenge'></div>"), errors.TryLater),
        (html("", 202), errors.TryLater),
        (Response(401), errors.SessionOver),
        (redirect(f"{SITE}/login"), errors.SessionOver),
        (redirect("/de/login"), errors.SessionOver),
        (redirect(f"{SITE}/onboarding"), errors.PageChanged),
        (redirect("https://example.org/athletes/7"), errors.PageChanged),
        (html("<h1>404</h1>", 404), errors.PageChanged),
        (html("<h1>429</h1>", 429), errors.LimitReached),
        (html("<h1>500</h1>", 500), errors.Unreachable),
        (html("<h1>503</h1>", 503), errors.Unreachable),
    ],
)
def test_every_answer_in_place_of_the_athlete_has_its_error(rig, answer, error):
    # Cookies of answers without a log-in belong to no account.
    rig.wire.instead["GET /me"] = with_cookie(answer, ANONYMOUS)
    session = rig.account.issue_session()
    with pytest.raises(error) as caught:
        rig.web(session=session).sign_in()
    assert type(caught.value) is error
    assert rig.stored == []
    assert session not in error_text(caught.value)
    assert len(rig.account.requests) == (3 if answer.status >= 500 else 1)


@pytest.mark.parametrize(
    ("what", "words"), [("dropped", "no connection"), ("silent", "no answer in time")]
)
def test_no_answer_in_place_of_the_athlete_is_unreachable(rig, what, words):
    rig.account.faults.append(Fault("me", what))
    with pytest.raises(errors.Unreachable, match=words):
        rig.web(jwt=rig.account.issue_jwt()).sign_in()
    assert asked(rig.account) == ["me"] * 3
    assert is_pause(rig.clock.slept)


def test_redirects_are_not_followed(rig):
    web = rig.web(jwt=rig.account.issue_jwt())
    assert web.get("/me").status_code == 302
    assert asked(rig.account) == ["me"]


def test_requests_have_names_and_timeouts_and_no_login_a_repeated_one(rig):
    rig.web_with_password().sign_in()
    assert {one.headers["user-agent"] for one in rig.account.requests} == {transport.USER_AGENT}
    assert rig.wire.timeouts == [transport.TIMEOUT] * 3


@pytest.mark.parametrize("address", ["http://www.strava.com/about", "https://example.org/"])
def test_cookies_go_to_strava_alone_and_never_in_the_clear(rig, address):
    http = transport.Session(adapter=rig.wire, sleep=rig.clock.sleep)
    http.mount("http://", rig.wire)
    for name in ("jwt", "session"):
        credentials = Credentials(**{name: getattr(rig.account, f"issue_{name}")()})
        WebSession(http, credentials, store=rig.stored, clock=rig.clock).sign_in()
    with suppress(errors.Unreachable):
        http.get(address)
    assert rig.account.requests[-1].host in address
    assert rig.sent() == {}


# Renewed cookies


def test_a_renewed_jwt_is_stored_once_and_used_from_then_on(rig):
    rig.account.renews_jwt_within = DAY
    web = rig.web(jwt=rig.account.issue_jwt(expires_in=3600))
    web.sign_in()
    ((name, token),) = rig.stored
    assert name == "jwt"
    assert parse_jwt(token).expires_at == rig.clock.now + JWT_LIFETIME
    for _ in range(3):
        web.get("/dashboard")
        web.keep_renewed()
    assert rig.sent()["strava_remember_token"] == token
    assert rig.account.requests[-1].headers["cookie"].count("strava_remember_token") == 1
    assert len(rig.stored) == 1


def lasting(token):
    return f"strava_remember_token={token}; domain=.strava.com; path=/; max-age=99999; secure"


BAD_COOKIES = {
    "earlier": lambda account: account.issue_jwt(expires_in=60),
    "garbled": lambda account: "deleted",
    "of another athlete": lambda account: account.issue_jwt(sub=4711),
    "of a hundred years": lambda account: account.issue_jwt(expires_in=36_500 * DAY),
    "of 401 days": lambda account: account.issue_jwt(expires_in=401 * DAY),
    "expired": lambda account: account.issue_jwt(expires_in=-60),
    "just expired": lambda account: account.issue_jwt(expires_in=0),
    "too long": lambda account: encoded(
        {"sub": account.athlete_id, "exp": int(account.clock()) + 9999, "x": "y" * 9000}
    ),
}


@pytest.mark.parametrize(
    ("cookie", "credential"),
    [
        (cookie, credential)
        for cookie in BAD_COOKIES
        for credential in ("jwt", "session", "password")
        # Without a JWT, no other is later.
        if (cookie, credential) != ("earlier", "session")
    ],
)
def test_a_jwt_that_is_no_renewal_replaces_nothing(rig, cookie, credential):
    credentials = {
        "jwt": lambda: {"jwt": rig.account.issue_jwt(expires_in=3600)},
        "session": lambda: {"session": rig.account.issue_session()},
        "password": lambda: {"email": rig.account.email, "password": rig.account.password},
    }[credential]()
    web = rig.web(**credentials)
    web.sign_in()
    jwt, stored = web.jwt, list(rig.stored)
    token = BAD_COOKIES[cookie](rig.account)
    rig.wire.instead["GET /dashboard"] = with_cookie(html(""), lasting(token))
    web.get("/dashboard")
    web.keep_renewed()
    assert web.jwt == jwt
    assert rig.stored == stored


@pytest.mark.parametrize("session", ["a\tb", "é", "<a>", "a" * 9000])
def test_a_session_that_could_not_be_read_back_replaces_nothing(rig, session):
    web = rig.web(session=rig.account.issue_session())
    web.sign_in()
    rig.wire.instead["GET /dashboard"] = with_cookie(
        html(""), f"_strava4_session={session}; domain=.strava.com; path=/; secure"
    )
    web.get("/dashboard")
    web.keep_renewed()
    assert rig.stored == []


@pytest.mark.parametrize("cookie", ["earlier", "garbled", "deleted", "same"])
def test_a_cookie_that_is_no_renewal_is_not_stored(rig, cookie):
    token = rig.account.issue_jwt(expires_in=3600)
    set_cookie = {
        "earlier": lasting(rig.account.issue_jwt(expires_in=60)),
        "garbled": lasting("deleted"),
        "deleted": "strava_remember_token=; domain=.strava.com; path=/; max-age=0",
        "same": lasting(token),
    }[cookie]
    rig.wire.instead["GET /me"] = with_cookie(
        redirect(f"{SITE}/athletes/{rig.account.athlete_id}"), set_cookie
    )
    rig.web(jwt=token).sign_in()
    assert rig.stored == []


@pytest.mark.parametrize("domain", ["; domain=.strava.com", ""])
def test_a_renewed_session_is_stored_once(rig, domain):
    fresh = rig.account.issue_session()
    rig.wire.instead["GET /me"] = with_cookie(
        redirect(f"{SITE}/athletes/{rig.account.athlete_id}"),
        f"_strava4_session={fresh}{domain}; path=/; secure; HttpOnly",
    )
    web = rig.web(session=rig.account.issue_session())
    web.sign_in()
    for _ in range(3):
        web.get("/dashboard")
        web.keep_renewed()
    assert rig.stored == [("session", fresh)]


def test_a_session_that_is_kept_late_does_not_replace_a_newer_one(rig):
    sessions = [rig.account.issue_session() for _ in range(3)]
    web = rig.web(session=sessions[0])
    web.sign_in()
    answers = []
    for session in sessions[1:]:
        rig.wire.instead["GET /dashboard"] = with_cookie(
            html(""), f"_strava4_session={session}; domain=.strava.com; path=/; secure"
        )
        web.get("/dashboard")
        answers.append(web.renewed())
    web.keep(answers[1])
    web.keep(answers[0])
    assert rig.stored == [("session", sessions[2])]


@pytest.mark.parametrize("domain", ["; domain=.strava.com", ""])
def test_an_emptied_session_is_not_stored(rig, domain):
    rig.wire.instead["GET /me"] = with_cookie(
        redirect(f"{SITE}/athletes/{rig.account.athlete_id}"), f"_strava4_session={domain}; path=/"
    )
    rig.web(session=rig.account.issue_session()).sign_in()
    assert rig.stored == []


def test_every_renewal_of_a_session_is_stored(rig):
    web = rig.web(session=rig.account.issue_session())
    fresh = [rig.account.issue_session() for _ in range(3)]
    for session in fresh:
        rig.wire.instead["GET /dashboard"] = with_cookie(
            html(""), f"_strava4_session={session}; domain=.strava.com; path=/; secure"
        )
        if not rig.stored:
            web.sign_in()
        web.get("/dashboard")
        web.keep_renewed()
    assert rig.stored == [("session", session) for session in fresh]


# Pauses requested by the website


def limited(retry_after):
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    return html("<h1>429</h1>", 429, headers)


def in_seconds(clock, seconds):
    moment = datetime.fromtimestamp(clock.now, UTC) + timedelta(seconds=seconds)
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize("seconds", [0, 30, 900])
def test_a_pause_of_up_to_a_quarter_of_an_hour_is_kept(rig, seconds):
    rig.account.faults.append(Fault("me", "429", times=1, retry_after=seconds))
    assert rig.web(jwt=rig.account.issue_jwt()).sign_in() == rig.account.athlete_id
    assert asked(rig.account) == ["me"] * 2
    assert rig.clock.slept == [seconds]


def test_a_pause_can_be_a_date(rig, clock):
    rig.wire.instead["GET /dashboard"] = limited(in_seconds(clock, 60))
    with pytest.raises(errors.LimitReached):
        rig.web(jwt=rig.account.issue_jwt()).get("/dashboard")
    assert asked(rig.account) == ["dashboard"] * 2
    assert clock.slept == [60]


@pytest.mark.parametrize("seconds", [901, 86400, None, "soon", "date"])
def test_a_long_pause_or_none_ends_it_at_once(rig, clock, seconds):
    value = in_seconds(clock, 901) if seconds == "date" else seconds and str(seconds)
    rig.wire.instead["GET /dashboard"] = limited(value)
    with pytest.raises(errors.LimitReached):
        rig.web(jwt=rig.account.issue_jwt()).get("/dashboard")
    assert asked(rig.account) == ["dashboard"]
    assert clock.slept == []


def test_a_pause_is_kept_once_and_no_more(rig):
    web = rig.web(jwt=rig.account.issue_jwt())
    rig.account.faults.append(Fault("dashboard", "429", times=1, retry_after=5))
    web.get("/dashboard")
    rig.account.faults.append(Fault("dashboard", "429", times=1, retry_after=5))
    with pytest.raises(errors.LimitReached):
        web.get("/dashboard")
    assert rig.clock.slept == [5]


# Secrets


def test_no_repr_contains_a_secret(rig):
    jwt = rig.account.issue_jwt()
    credentials = Credentials(jwt, "s3ss10n", rig.account.email, rig.account.password)
    web = rig.web(**credentials._asdict())
    web.sign_in()
    texts = [f"{thing!r} {thing}" for thing in (credentials, parse_jwt(jwt), web)]
    for secret in credentials:
        assert not any(secret in text for text in texts)
    assert str(rig.account.athlete_id) in repr(parse_jwt(jwt))


def test_no_secret_is_logged(rig, caplog):
    caplog.set_level(logging.DEBUG)
    rig.account.renews_jwt_within = DAY
    rig.web(jwt=rig.account.issue_jwt(expires_in=3600)).sign_in()
    rig.web_with_password().sign_in()
    sent = [value for one in rig.account.requests for value in cookies(one.headers).values()]
    secrets = {rig.account.password, *sent, *(value for _, value in rig.stored)}
    assert len(secrets) > 4
    assert not any(secret in caplog.text for secret in secrets)


# The lists of the website's own scripts

LIST = "/athlete/training_activities?page=1"


def signed_in(rig, name="jwt"):
    """Return a session after a successful /me, with that request removed from the log."""
    web = rig.web(**{name: getattr(rig.account, f"issue_{name}")()})
    web.sign_in()
    rig.account.requests.clear()
    return web


def json_answer(value):
    return Response(200, (("Content-Type", "application/json"),), json.dumps(value).encode())


@pytest.mark.parametrize("name", ["jwt", "session"])
def test_a_script_asks_with_its_header_and_gets_json(rig, name):
    assert signed_in(rig, name).get_json(LIST)["total"] == len(rig.account.activities)
    (request,) = rig.account.requests
    assert request.headers["x-requested-with"] == "XMLHttpRequest"
    assert request.headers["accept"] == "application/json"


def test_a_stale_session_with_a_jwt_is_renewed_by_the_dashboard(rig):
    rig.account.remember_needs_dashboard = True
    web = signed_in(rig)
    assert web.get_json(LIST)["page"] == 1
    assert asked(rig.account) == ["web-list", "dashboard", "web-list"]
    assert "_strava4_session" in rig.sent(0)
    assert rig.sent(1).keys() == {"strava_remember_id", "strava_remember_token"}
    assert rig.sent(2)["_strava4_session"] not in ("", rig.sent(0)["_strava4_session"])
    web.get_json(LIST)
    assert asked(rig.account)[3:] == ["web-list"]


def test_an_ended_session_of_a_jwt_is_reported_after_one_repetition(rig):
    web = signed_in(rig)
    rig.account.end_sessions()
    with pytest.raises(errors.SessionOver, match="private browser window"):
        web.get_json(LIST)
    assert asked(rig.account) == ["web-list", "dashboard", "web-list"]
    assert rig.stored == []


def test_a_401_that_comes_again_is_the_end(rig):
    web = signed_in(rig)
    rig.account.faults.append(Fault("web-list", "401"))
    with pytest.raises(errors.SessionOver):
        web.get_json(LIST)
    assert asked(rig.account) == ["web-list", "dashboard", "web-list"]


def test_a_session_credential_is_all_there_is_and_not_dropped(rig):
    web = signed_in(rig, "session")
    rig.account.faults.append(Fault("web-list", "401", times=1))
    assert web.get_json(LIST)["page"] == 1
    assert asked(rig.account) == ["web-list", "dashboard", "web-list"]
    (session,) = {rig.sent(index)["_strava4_session"] for index in range(3)}
    assert rig.account.knows_session({"_strava4_session": session})
    assert rig.stored == []


def test_an_ended_session_credential_is_reported_and_nothing_is_stored(rig):
    web = signed_in(rig, "session")
    rig.account.end_sessions()
    with pytest.raises(errors.SessionOver):
        web.get_json(LIST)
    assert asked(rig.account) == ["web-list", "dashboard", "web-list"]
    assert rig.stored == []


def test_a_session_from_a_password_is_renewed_from_the_jwt_it_brought(rig):
    rig.account.remember_needs_dashboard = True
    web = rig.web_with_password()
    web.sign_in()
    rig.account.faults.append(Fault("web-list", "401", times=1))
    assert web.get_json(LIST)["page"] == 1
    assert "_strava4_session" not in rig.sent(-2)


@pytest.mark.parametrize("target", ["/login", f"{SITE}/login", "/de/login", f"{SITE}/session/new"])
def test_a_script_that_is_sent_to_the_log_in_has_no_session(rig, target):
    web = signed_in(rig)
    rig.wire.instead[f"GET {LIST}"] = with_cookie(redirect(target), ANONYMOUS)
    with pytest.raises(errors.SessionOver):
        web.get_json(LIST)
    assert asked(rig.account) == ["web-list"]
    assert rig.stored == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (html("<h1>403</h1>", 403), errors.Blocked),
        (html("<h1>Something went wrong</h1>"), errors.PageInstead),
        (html("", 202), errors.PageInstead),
        (html("<h1>404</h1>", 404), errors.PageInstead),
        (redirect(f"{SITE}/dashboard"), errors.PageInstead),
        (Response(200), errors.PageInstead),
        (Response(200, (), b'{"models": ['), errors.PageInstead),
        (Response(200, (), b"\xff\xfe\xfd"), errors.PageInstead),
        (Response(200, (), b"[" * 200_000), errors.PageInstead),
        (Response(200, (), b"1" * 5000), errors.PageInstead),
        (html("<h1>429</h1>", 429), errors.LimitReached),
        (html("<h1>500</h1>", 500), errors.Unreachable),
    ],
)
def test_every_answer_in_place_of_json_has_its_error(rig, answer, error):
    # Cookies of such answers belong to no account.
    web = signed_in(rig, "session")
    rig.wire.instead[f"GET {LIST}"] = with_cookie(answer, ANONYMOUS)
    with pytest.raises(error) as caught:
        web.get_json(LIST)
    assert type(caught.value) is error
    assert rig.stored == []
    assert set(asked(rig.account)) == {"web-list"}


@pytest.mark.parametrize("value", [None, 0, [], {}, "text", {"a": [1.5, None]}])
def test_json_of_any_form_is_handed_over(rig, value):
    web = signed_in(rig)
    rig.wire.instead[f"GET {LIST}"] = json_answer(value)
    assert web.get_json(LIST) == value


def test_a_fault_of_the_dashboard_keeps_its_error(rig):
    web = signed_in(rig)
    rig.account.faults += [Fault("web-list", "401"), Fault("dashboard", "500")]
    with pytest.raises(errors.Unreachable):
        web.get_json(LIST)


def test_a_jwt_renewed_for_a_script_is_stored(rig):
    web = rig.web(jwt=rig.account.issue_jwt(expires_in=3600))
    web.sign_in()
    assert rig.stored == []
    rig.account.renews_jwt_within = DAY
    web.get_json(LIST)
    ((name, token),) = rig.stored
    assert name == "jwt"
    assert parse_jwt(token).expires_at == rig.clock.now + JWT_LIFETIME
    web.get_json(LIST)
    assert len(rig.stored) == 1


def test_a_session_renewed_for_a_script_is_stored(rig):
    web = signed_in(rig, "session")
    fresh = rig.account.issue_session()
    rig.wire.instead[f"GET {LIST}"] = with_cookie(
        json_answer({}), f"_strava4_session={fresh}; domain=.strava.com; path=/; secure"
    )
    web.get_json(LIST)
    assert rig.stored == [("session", fresh)]
