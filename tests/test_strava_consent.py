from __future__ import annotations

import contextlib
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.demo.wire import Response, json_response
from strava_backup.strava import consent, transport
from tests.first_backups import copied_account
from tests.strava_wire import Wire

BACK = "http://127.0.0.1:4711/authorized"
WHOLE = f"{BACK}?state=s&code=c&scope=read,read_all,activity:read_all,profile:read_all"
TOKEN = "POST /oauth/token"
PIECES = [
    *("http://", "[", "]", "?", "state=s", "&", "code=", "code=c", "error=", "scope=", "%", "%2"),
    *(";", "#", "\0", "\u2100", "é", "state=s&error=", "state=s&scope=activity:read", "@", ":x"),
]


def test_the_address_requests_all_scopes_even_after_an_earlier_consent():
    query = parse_qs(urlsplit(consent.consent_address("12", BACK, "a state")).query)
    assert query == {
        "client_id": ["12"],
        "redirect_uri": [BACK],
        "response_type": ["code"],
        "approval_prompt": ["force"],
        "scope": ["read,read_all,profile:read_all,activity:read_all"],
        "state": ["a state"],
    }


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        (WHOLE, True),
        ("/authorized?state=s&code=c", True),
        (f"  {BACK}?error=access_denied\n", True),
        (BACK, False),
        (f"{BACK}?code=", False),
        ("", False),
        ("http://[?code=1", False),
        ("https://[", False),
        ("//[", False),
        ("http://\u2100?code=1", False),
        ("?code", False),
        ("?" + "a=b&" * 10_000, False),
        ("?" + "a=b&" * 10_000 + "code=c", True),
        ("?code=%ff%00", True),
        ("\0", False),
        ("code", False),
    ],
)
def test_an_address_with_a_code_or_an_error_is_an_answer(address, is_one):
    assert consent.is_answer(address) is is_one


@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_no_address_does_more_than_bring_no_consent(address):
    assert isinstance(consent.is_answer(address), bool)
    with contextlib.suppress(errors.NotAuthorized):
        assert isinstance(consent.parse_answer(address, "s"), consent.Consent)


def test_an_answer_belongs_to_the_question_of_its_state():
    assert consent.is_answer(WHOLE, "s")
    assert not consent.is_answer(WHOLE, "t")
    assert not consent.is_answer(f"{BACK}?code=c", "s")


@pytest.mark.parametrize(
    ("scope", "missing"),
    [
        ("&scope=read,read_all,activity:read_all,profile:read_all", []),
        ("&scope=read%2Cactivity:read_all", ["read_all", "profile:read_all"]),
        ("&scope=activity:read,profile:read_all", ["read", "read_all", "activity:read_all"]),
        ("", []),
    ],
)
def test_an_answer_shows_the_missing_scopes(scope, missing):
    given = consent.parse_answer(f"{BACK}?state=s&code=c{scope}", "s")
    assert given.code == "c"
    assert given.missing == missing
    assert "code" not in repr(given)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("state=t&code=c", "wrong state"),
        ("code=c", "wrong state"),
        ("error=access_denied", "wrong state"),
        ("state=s", "wrong state"),
        ("state=s&code=", "wrong state"),
        ("state=s&error=access_denied", "permission was denied"),
        ("state=s&code=c&scope=read,profile:read_all", "no scope for activities"),
    ],
)
def test_an_answer_that_brings_nothing_says_why(query, message):
    with pytest.raises(errors.NotAuthorized, match=message):
        consent.parse_answer(f"{BACK}?{query}", "s")


@pytest.fixture
def wire(clock):
    return Wire(copied_account(None, clock))


def fetch(wire, code):
    app = wire.account.client_id, wire.account.client_secret
    return consent.fetch_authorization(transport.Session(adapter=wire), *app, code)


def test_a_code_is_traded_for_a_token_and_the_athletes_name(wire):
    granted = fetch(wire, wire.account.consent(["read"]))
    account = wire.account
    assert granted == (account.refresh_token, account.athlete_id, "Ada Example")
    assert account.refresh_token not in repr(granted)


@pytest.mark.parametrize(
    ("athlete", "expected"),
    [
        (None, (None, "")),
        ({}, (None, "")),
        ({"id": "x", "firstname": 1}, (None, "")),
        ({"id": 7, "lastname": "Lovelace"}, (7, "Lovelace")),
    ],
)
def test_the_athlete_in_the_answer_is_optional(wire, athlete, expected):
    wire.instead[TOKEN] = json_response({"refresh_token": "t", "athlete": athlete})
    assert fetch(wire, "c") == ("t", *expected)


@pytest.mark.parametrize(
    "body",
    [
        *([], {}, None, {"refresh_token": None}, {"access_token": "a"}),
        *(
            {"refresh_token": token}
            for token in (1, True, "", "é", "a\rb", "a\njwt_command = x", " a", "<a>", "a" * 9000)
        ),
    ],
)
def test_an_answer_without_a_token_is_no_token(wire, body):
    wire.instead[TOKEN] = json_response(body)
    with pytest.raises(errors.TryLater, match="sends no token"):
        fetch(wire, "c")


@pytest.mark.parametrize("body", [b"1" * 5000, b"[" * 100_000, b"\xff\xfe\xfd", b"<html>", b""])
@pytest.mark.parametrize(("status", "kind"), [(200, errors.TryLater), (400, errors.AppRefused)])
def test_an_answer_that_no_parser_takes_is_no_token(wire, body, status, kind):
    wire.instead[TOKEN] = Response(status, (), body)
    with pytest.raises(kind):
        fetch(wire, "c")


INACTIVE = {"resource": "Application", "field": "Status", "code": "Inactive"}


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (
            {"message": "Limit of connected athletes exceeded"},
            errors.TooManyAthletes,
            "limit of connected athletes",
        ),
        ({"message": "Forbidden", "errors": [INACTIVE]}, errors.ApiInactive, "is inactive"),
        ({"message": "Forbidden", "errors": INACTIVE}, errors.ApiInactive, "is inactive"),
        ({"message": "Forbidden"}, errors.AppRefused, "client secret"),
        ({"message": 7, "errors": [{"code": 7}]}, errors.AppRefused, "client secret"),
    ],
)
def test_each_fault_of_the_application_has_its_own_message(wire, body, kind, words):
    wire.instead[TOKEN] = json_response(body, 403)
    with pytest.raises(kind, match=words) as caught:
        fetch(wire, "c")
    assert caught.value.exit_code == 4
    assert "https://www.strava.com/settings/api" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"errors": [{"resource": "AuthorizationCode", "field": "code"}]}, errors.NotAuthorized),
        ({"errors": [{"resource": "RequestToken", "field": "code"}]}, errors.NotAuthorized),
        ({"errors": [{"resource": "Application", "field": "client_id"}]}, errors.AppRefused),
        ({"errors": "Bad Request"}, errors.AppRefused),
        ({"errors": [1]}, errors.AppRefused),
        ([], errors.AppRefused),
    ],
)
def test_a_refusal_distinguishes_the_code_from_the_application(wire, body, kind):
    wire.instead[TOKEN] = json_response(body, 400)
    with pytest.raises(kind):
        fetch(wire, "c")
