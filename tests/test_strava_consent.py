from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from strava_backup import errors
from strava_backup.demo.account import Account
from strava_backup.demo.wire import json_response
from strava_backup.strava import consent, transport
from tests.strava_wire import Wire

BACK = "http://127.0.0.1:4711/authorized"
WHOLE = f"{BACK}?state=s&code=c&scope=read,activity:read_all,profile:read_all"
TOKEN = "POST /oauth/token"


def test_the_address_asks_for_all_scopes_even_of_who_has_consented_before():
    query = parse_qs(urlsplit(consent.consent_address("12", BACK, "a state")).query)
    assert query == {
        "client_id": ["12"],
        "redirect_uri": [BACK],
        "response_type": ["code"],
        "approval_prompt": ["force"],
        "scope": ["read,profile:read_all,activity:read_all"],
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
        ("code", False),
    ],
)
def test_an_address_with_a_code_or_an_error_is_an_answer(address, is_one):
    assert consent.is_answer(address) is is_one


@pytest.mark.parametrize(
    ("scope", "missing"),
    [
        ("&scope=read,activity:read_all,profile:read_all", []),
        ("&scope=read%2Cactivity:read_all", ["profile:read_all"]),
        ("&scope=activity:read,profile:read_all", ["read", "activity:read_all"]),
        ("", []),
    ],
)
def test_an_answer_tells_which_scopes_are_missing(scope, missing):
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
        ("state=s&error=access_denied", "permission was denied"),
        ("state=s&code=c&scope=read,profile:read_all", "no scope for activities"),
    ],
)
def test_an_answer_that_brings_nothing_says_why(query, message):
    with pytest.raises(errors.NotAuthorized, match=message):
        consent.parse_answer(f"{BACK}?{query}", "s")


@pytest.fixture
def wire(clock):
    return Wire(Account.sample(clock))


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
def test_nothing_depends_on_what_is_told_of_the_athlete(wire, athlete, expected):
    wire.instead[TOKEN] = json_response({"refresh_token": "t", "athlete": athlete})
    assert fetch(wire, "c") == ("t", *expected)


@pytest.mark.parametrize("body", [[], {}, None, {"refresh_token": 1}, {"refresh_token": "é"}])
def test_an_answer_without_a_token_is_no_token(wire, body):
    wire.instead[TOKEN] = json_response(body)
    with pytest.raises(errors.TryLater, match="gives no token"):
        fetch(wire, "c")


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
def test_a_refusal_tells_the_code_from_the_application(wire, body, kind):
    wire.instead[TOKEN] = json_response(body, 400)
    with pytest.raises(kind):
        fetch(wire, "c")
