from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
import requests

from strava_backup.demo.account import Account
from tests.faults import Fault
from tests.strava_proxy import Hold, StravaProxy

SITE = "https://www.strava.com"
NEWEST = 16_600_000_000
EXPORT = f"{SITE}/activities/{NEWEST}/export_original"


@pytest.fixture
def account():
    return Account.sample()


@pytest.fixture
def proxy(account):
    with StravaProxy(account) as proxy:
        yield proxy
    assert proxy.errors == []


@pytest.fixture
def session(account, proxy):
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"https": proxy.url}
        session.verify = proxy.ca_file
        session.headers["Authorization"] = f"Bearer {account.issue_access_token()}"
        session.cookies.set("_strava4_session", account.issue_session(), domain=".strava.com")
        yield session


def test_the_list_comes_through_on_one_connection(account, session):
    for page in (1, 2, 3):
        answer = session.get(f"{SITE}/api/v3/athlete/activities?page={page}&per_page=10", timeout=5)
        wanted = account.activities[10 * (page - 1) : 10 * page]
        assert [one["id"] for one in answer.json()] == [one.id for one in wanted]
    assert answer.headers["x-readratelimit-usage"] == "3,3"


def test_the_websites_list_comes_through_for_scripts_only(account, session):
    del session.headers["Authorization"]
    url = f"{SITE}/athlete/training_activities?page=2"
    assert session.get(url, timeout=5).headers["Content-Type"].startswith("text/html")
    session.headers["X-Requested-With"] = "XMLHttpRequest"
    models = session.get(url, timeout=5).json()["models"]
    assert [one["id"] for one in models] == [one.id for one in account.activities[20:]]
    session.cookies.clear()
    assert session.get(url, timeout=5).status_code == 401


def test_other_hosts_have_certificates_of_their_own(account, session):
    answer = session.get("https://api-v3.strava.com/athlete", timeout=5)
    assert answer.json()["id"] == account.athlete_id


def test_a_photo_comes_byte_for_byte_and_a_session_with_cookies_leaks_only_its_token(
    account, session
):
    photo = account.activity(NEWEST).photos[0]
    answer = session.get(photo.address(), timeout=5)
    assert answer.content == photo.content
    assert answer.headers["Content-Length"] == str(len(photo.content))
    # the cookies belong to .strava.com, the token is sent with every request
    assert ["cookie" in leak.headers for leak in account.leaks] == [False]
    del session.headers["Authorization"]
    session.get(photo.address(), timeout=5)
    assert len(account.leaks) == 1


def test_a_photo_can_be_delayed_by_its_id(account, proxy, session):
    first, second, *_ = account.activity(NEWEST).photos
    proxy.hold = Hold("photo", second.unique_id, after_bytes=10)
    assert session.get(first.address(), timeout=5).content == first.content
    threading.Timer(0.05, proxy.hold.release.set).start()
    assert session.get(second.address(), timeout=5).content == second.content
    assert proxy.hold.reached.is_set()


def test_a_form_is_understood(account, session):
    form = {
        "grant_type": "refresh_token",
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "refresh_token": account.refresh_token,
    }
    account.end_access_tokens()
    answer = session.post(f"{SITE}/oauth/token", data=form, timeout=5)
    assert answer.json()["refresh_token"] == account.refresh_token


@pytest.mark.parametrize("announced", [True, False])
def test_an_original_comes_byte_for_byte(account, session, announced):
    account.announce_lengths = announced
    answer = session.get(EXPORT, timeout=5)
    assert answer.content == account.activity(NEWEST).original
    assert ("Content-Length" in answer.headers) == announced
    assert ("Transfer-Encoding" in answer.headers) != announced
    assert session.get(f"{SITE}/me", timeout=5).ok


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_cut_short_breaks_the_connection(account, session, announced):
    account.announce_lengths = announced
    account.faults.append(Fault("original", "truncated", times=1))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        session.get(EXPORT, timeout=5)
    assert session.get(EXPORT, timeout=5).ok


def test_half_a_body_without_length_appears_complete(account, session):
    account.faults.append(Fault("original", "truncated-unframed"))
    assert len(session.get(EXPORT, timeout=5).content) == 60075 // 2


def test_a_stalled_body_times_out(account, session):
    account.faults.append(Fault("original", "stalled"))
    answer = session.get(EXPORT, timeout=0.2, stream=True)
    with pytest.raises(requests.exceptions.ConnectionError, match="timed out"):
        _ = answer.content


def test_silence_times_out_and_a_dropped_connection_does_not_answer(account, session):
    account.faults.append(Fault("original", "silent", times=1))
    with pytest.raises(requests.exceptions.ReadTimeout):
        session.get(EXPORT, timeout=0.2)
    account.faults.append(Fault("original", "dropped", times=1))
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get(EXPORT, timeout=5)


def test_closing_the_proxy_ends_a_silence(account):
    account.faults.append(Fault("about", "silent"))
    started = time.monotonic()
    with StravaProxy(account) as proxy:
        settings = {"proxies": {"https": proxy.url}, "verify": proxy.ca_file, "timeout": 30}
        failed = threading.Event()

        def ask() -> None:
            try:
                requests.get(f"{SITE}/about", **settings)
            except requests.exceptions.ConnectionError:
                failed.set()

        thread = threading.Thread(target=ask)
        thread.start()
        while not account.requests:
            time.sleep(0.01)
    thread.join(10)
    assert failed.is_set()
    assert time.monotonic() - started < 10


def test_a_client_can_be_killed_in_the_middle_of_an_original(account, proxy, tmp_path):
    proxy.hold = Hold("original", NEWEST, after_bytes=30_000)
    target = tmp_path / "original"
    code = (
        "import requests, sys\n"
        f"answer = requests.get({EXPORT!r}, cookies={{'_strava4_session': sys.argv[1]}},"
        " stream=True, timeout=30)\n"
        f"with open({str(target)!r}, 'wb', 0) as file:\n"
        "    for piece in answer.iter_content(1000): file.write(piece)\n"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", code, account.issue_session()],
        env=proxy.environment(),
    )
    assert proxy.hold.reached.wait(20)
    deadline = time.monotonic() + 20
    while not (target.exists() and target.stat().st_size == 30_000):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    client.kill()
    assert client.wait() == -9
    proxy.hold.release.set()
    assert account.activity(NEWEST).original.startswith(target.read_bytes())


def test_a_held_answer_is_whole_once_released(account, proxy, session):
    proxy.hold = Hold("original", after_bytes=10)
    threading.Timer(0.05, proxy.hold.release.set).start()
    assert session.get(EXPORT, timeout=5).content == account.activity(NEWEST).original
    assert proxy.hold.reached.is_set()


def test_latency_delays_each_answer(account, proxy, session):
    session.get(f"{SITE}/about", timeout=5)
    proxy.latency = 0.1
    started = time.monotonic()
    session.get(f"{SITE}/about", timeout=5)
    assert time.monotonic() - started >= 0.1


def test_a_client_that_does_not_trust_the_proxy_is_no_error_of_the_proxy(proxy):
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(SITE, proxies={"https": proxy.url}, timeout=5)


def test_a_request_in_the_clear_is_refused_and_noted(account):
    with StravaProxy(account) as proxy:
        answer = requests.get("http://www.strava.com/", proxies={"http": proxy.url}, timeout=5)
        assert answer.status_code == 405
    assert [str(error) for error in proxy.errors] == ["asked for something else than CONNECT"]


def test_an_error_of_the_made_up_account_is_noted(account):
    with StravaProxy(account) as proxy:
        account.activities[0].detail.pop("map")
        settings = {"proxies": {"https": proxy.url}, "verify": proxy.ca_file, "timeout": 5}
        headers = {"Authorization": f"Bearer {account.issue_access_token()}"}
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(f"{SITE}/api/v3/athlete/activities", headers=headers, **settings)
    assert [type(error) for error in proxy.errors] == [KeyError]
