"""The made-up consent page, on which the athlete grants an app its scopes."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from strava_backup.demo.account import Account
from strava_backup.demo.serve import serve
from strava_backup.demo.wire import Request, Response

APP = "http://127.0.0.1:4711/app"


@pytest.fixture
def account() -> Account:
    return Account.of(1)


def query(account: Account, **changes: str) -> dict[str, str]:
    return {
        "client_id": account.client_id,
        "redirect_uri": APP,
        "response_type": "code",
        "scope": "read,profile:read_all,activity:read_all",
        "state": "a state",
    } | changes


def visit(account: Account, asked: dict[str, str], session: str | None = None) -> Response:
    cookie = f"_strava4_session={session or account.issue_session()}"
    request = Request("GET", "www.strava.com", "/oauth/authorize", asked, {"cookie": cookie})
    return serve(account, request)


def accept(account: Account, untick: str = "") -> dict[str, list[str]]:
    """Load the page and send its form; return the query of the redirect to the app."""
    session = account.issue_session()
    page = visit(account, query(account), session).body.decode()
    action = urlsplit(unescape(re.findall("action='([^']+)'", page)[0]))
    token = re.findall("value='([^']+)'", page)[0]
    ticked = set(re.findall("name='([^']+)' checked", page)) - {untick}
    answer = serve(
        account,
        Request(
            "POST",
            "www.strava.com",
            action.path,
            {name: values[0] for name, values in parse_qs(action.query).items()},
            {"cookie": f"_strava4_session={session}"},
            {"authenticity_token": token, **dict.fromkeys(ticked, "on")},
        ),
    )
    address = answer.header("Location") or ""
    assert address.startswith(f"{APP}?")
    return parse_qs(urlsplit(address).query)


def test_a_visitor_who_is_not_signed_in_is_redirected_to_the_log_in(account: Account) -> None:
    answer = serve(account, Request("GET", "www.strava.com", "/oauth/authorize", query(account)))
    assert answer.header("Location") == "https://www.strava.com/login"


def test_consent_leads_back_with_a_code_the_scopes_and_the_state(account: Account) -> None:
    answer = accept(account)
    assert answer["state"] == ["a state"]
    assert answer["scope"] == ["read,profile:read_all,activity:read_all"]
    tokens = account.exchange(account.client_id, account.client_secret, answer["code"][0])
    assert tokens.refresh_token == account.refresh_token


def test_a_scope_may_be_refused(account: Account) -> None:
    answer = accept(account, untick="activity:read_all")
    assert answer["scope"] == ["read,profile:read_all"]
    account.exchange(account.client_id, account.client_secret, answer["code"][0])
    assert not account.reads_activities


def test_all_may_be_refused(account: Account) -> None:
    page = visit(account, query(account)).body.decode()
    link = unescape(re.findall("href='([^']+)'>Cancel", page)[0])
    assert link == f"{APP}?{urlencode({'state': 'a state', 'error': 'access_denied'})}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "1"},
        {"redirect_uri": "http://elsewhere.example"},
        {"redirect_uri": "https://127.0.0.1"},
        {"response_type": "token"},
        {"scope": ""},
    ],
)
def test_a_wrong_query_shows_no_page(account: Account, wrong: dict[str, str]) -> None:
    assert visit(account, query(account, **wrong)).status == 400


def test_consent_without_the_pages_token_is_refused(account: Account) -> None:
    cookie = f"_strava4_session={account.issue_session()}"
    forged = Request(
        "POST", "www.strava.com", "/oauth/accept", query(account), {"cookie": cookie}, {"read": ""}
    )
    assert serve(account, forged).status == 422
