from __future__ import annotations

import os
import threading

import pytest
import requests

from strava_backup.demo.account import Account
from strava_backup.demo.adapter import DemoAdapter
from tests.faults import Fault

SITE = "https://www.strava.com"
EXPORT = f"{SITE}/activities/16600000000/export_original"


@pytest.fixture
def account():
    return Account.sample()


@pytest.fixture
def session(account):
    """Return a requests session that is signed in to the website."""
    with requests.Session() as session:
        session.mount("https://", DemoAdapter(account))
        session.cookies.set("strava_remember_id", str(account.athlete_id), domain=".strava.com")
        session.cookies.set("strava_remember_token", account.issue_jwt(), domain=".strava.com")
        yield session


def bearer(account):
    return {"Authorization": f"Bearer {account.issue_access_token()}"}


def test_cookies_of_an_answer_land_in_the_jar_and_are_sent_again(account, session):
    session.get(f"{SITE}/me", allow_redirects=False)
    assert session.cookies["_strava4_session"]
    del session.cookies["strava_remember_token"]
    assert session.get(f"{SITE}/dashboard", allow_redirects=False).status_code == 200


def test_all_three_cookies_of_a_log_in_land_in_the_jar(account):
    with requests.Session() as session:
        session.mount("https://", DemoAdapter(account))
        token = session.get(f"{SITE}/about").text.split('csrf-token" content="')[1].split('"')[0]
        form = {"email": account.email, "password": account.password, "authenticity_token": token}
        answer = session.post(f"{SITE}/session", data=form)
        assert answer.url == f"{SITE}/dashboard"
        assert {"strava_remember_id", "strava_remember_token"} <= set(session.cookies.keys())


def test_redirects_are_followed_when_wanted(session):
    answer = session.get(f"{SITE}/me")
    assert answer.url.endswith("/athletes/26462176")
    assert [step.status_code for step in answer.history] == [302]


def test_a_query_reaches_the_account(account, session):
    params = {"page": 2, "per_page": 5}
    answer = session.get(
        f"{SITE}/api/v3/athlete/activities", params=params, headers=bearer(account)
    )
    assert [one["id"] for one in answer.json()] == [one.id for one in account.activities[5:10]]
    assert account.requests[-1].query == {"page": "2", "per_page": "5"}
    assert account.requests[-1].headers["user-agent"].startswith("python-requests")


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_can_be_streamed(account, session, announced):
    account.announce_lengths = announced
    answer = session.get(EXPORT, stream=True)
    pieces = list(answer.iter_content(1000))
    assert len(pieces) > 10
    assert b"".join(pieces) == account.activity(16_600_000_000).original
    assert ("Content-Length" in answer.headers) == announced


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("truncated", requests.exceptions.ChunkedEncodingError),
        ("stalled", requests.exceptions.ConnectionError),
    ],
)
def test_a_broken_body_raises_the_error_of_the_wire(account, session, announced, what, error):
    account.announce_lengths = announced
    account.faults.append(Fault("original", what))
    answer = session.get(EXPORT, stream=True)
    read: list[bytes] = []
    with pytest.raises(error):
        read.extend(answer.iter_content(1000))
    assert read
    assert account.activity(16_600_000_000).original.startswith(b"".join(read))


def test_half_a_body_without_length_appears_complete(account, session):
    account.faults.append(Fault("original", "truncated-unframed"))
    answer = session.get(EXPORT)
    assert len(answer.content) == len(account.activity(16_600_000_000).original) // 2
    assert "Content-Length" not in answer.headers


def test_no_answer_is_a_connection_error_and_silence_a_timeout(account, session):
    account.faults.append(Fault("original", "dropped", times=1))
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get(EXPORT)
    account.faults.append(Fault("original", "silent", times=1))
    with pytest.raises(requests.exceptions.ReadTimeout):
        session.get(EXPORT)
    assert session.get(EXPORT).ok


def test_an_unknown_host_is_a_connection_error(account, session):
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get("https://example.org/")
    assert account.unknown_requests


def test_stravalib_refreshes_lists_and_reads(account, monkeypatch):
    monkeypatch.setitem(os.environ, "SILENCE_TOKEN_WARNINGS", "true")
    from stravalib import Client

    session = requests.Session()
    session.mount("https://", DemoAdapter(account))
    client = Client(requests_session=session, rate_limit_requests=False)
    tokens = client.refresh_access_token(
        int(account.client_id), account.client_secret, account.refresh_token
    )
    assert tokens["refresh_token"] == account.refresh_token
    assert client.get_athlete().id == account.athlete_id
    listed = [activity.id for activity in client.get_activities()]
    assert listed == [activity.id for activity in account.activities]
    assert client.get_activity(listed[0]).description.startswith("First frost.")
    assert not account.unknown_requests


def test_stravalib_names_an_inactive_app(account, monkeypatch):
    monkeypatch.setitem(os.environ, "SILENCE_TOKEN_WARNINGS", "true")
    from stravalib import Client, exc

    account.app_inactive = True
    session = requests.Session()
    session.mount("https://", DemoAdapter(account))
    client = Client(account.issue_access_token(), False, requests_session=session)
    with pytest.raises(exc.ApplicationInactive):
        client.get_athlete()


def test_many_threads_can_ask_at_once(account):
    headers, adapter = bearer(account), DemoAdapter(account)

    def ask() -> None:
        with requests.Session() as session:
            session.mount("https://", adapter)
            for _ in range(25):
                assert session.get(f"{SITE}/api/v3/athlete", headers=headers).ok

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert account.limits.usage(account.clock())[1] == len(account.requests) == 200
