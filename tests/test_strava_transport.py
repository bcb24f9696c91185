from __future__ import annotations

import gzip
import socket
import threading

import pytest
import requests

from strava_backup import __version__, errors
from strava_backup.demo.account import Account
from strava_backup.demo.faults import Fault
from strava_backup.demo.wire import Response
from strava_backup.strava import transport
from tests.strava_wire import RIDE, Wire, asked, gaps, is_pause

SITE = "https://www.strava.com"
EXPORT = f"{SITE}/activities/{RIDE}/export_original"


@pytest.fixture
def account(clock):
    return Account.sample(clock)


@pytest.fixture
def wire(account):
    return Wire(account)


@pytest.fixture
def http(account, wire, clock):
    """A session of ours that the website takes for signed in."""
    with transport.Session(adapter=wire, sleep=clock.sleep) as session:
        session.cookies.set("_strava4_session", account.issue_session(), domain=".strava.com")
        yield session


def original(account):
    return account.activity(RIDE).original


def body(response):
    return b"".join(transport.read_chunks(response))


def test_requests_name_the_program_and_its_version(account, http):
    http.get(f"{SITE}/me")
    assert len(account.requests) == 1
    for request in account.requests:
        assert request.headers["user-agent"] == f"strava-backup/{__version__}"


def test_every_request_has_timeouts(account, wire, http):
    http.get(f"{SITE}/me")
    http.post(f"{SITE}/session")
    account.faults.append(Fault("dashboard", "503", times=1))
    http.get(f"{SITE}/dashboard", stream=True)
    assert wire.timeouts == [(10.0, 60.0)] * len(account.requests) == [(10.0, 60.0)] * 4


@pytest.mark.parametrize("what", ["500", "503", "dropped", "silent"])
def test_a_passing_fault_is_tried_three_times_with_pauses(account, http, clock, what):
    account.faults.append(Fault("dashboard", what, times=2))
    assert http.get(f"{SITE}/dashboard").status_code == 200
    assert asked(account) == ["dashboard"] * 3
    assert is_pause(clock.slept)


def test_a_body_that_breaks_before_it_is_read_is_a_passing_fault(account, http):
    account.faults.append(Fault("dashboard", "truncated", times=1))
    assert b"</html>" in http.get(f"{SITE}/dashboard").content
    assert asked(account) == ["dashboard"] * 2


def test_pauses_differ_from_time_to_time(account, http, clock):
    account.faults.append(Fault("dashboard", "500"))
    for _ in range(5):
        http.get(f"{SITE}/dashboard")
    assert len(set(clock.slept[::2])) > 1


@pytest.mark.parametrize("what", ["500", "503"])
def test_the_third_5xx_is_handed_on(account, http, what):
    account.faults.append(Fault("dashboard", what))
    assert http.get(f"{SITE}/dashboard").status_code == int(what)
    assert asked(account) == ["dashboard"] * 3


@pytest.mark.parametrize(
    ("what", "error"), [("dropped", requests.ConnectionError), ("silent", requests.Timeout)]
)
def test_the_third_connection_error_is_raised(account, http, what, error):
    account.faults.append(Fault("dashboard", what))
    with pytest.raises(error):
        http.get(f"{SITE}/dashboard")
    assert asked(account) == ["dashboard"] * 3


@pytest.mark.parametrize("what", ["401", "403", "404", "429", "html", "redirect-login"])
def test_an_answer_that_will_not_change_is_not_asked_for_again(account, http, clock, what):
    account.faults.append(Fault("dashboard", what))
    http.get(f"{SITE}/dashboard")
    assert asked(account) == ["dashboard"]
    assert clock.slept == []


@pytest.mark.parametrize("what", ["500", "dropped", "silent", "lost"])
def test_a_post_is_never_tried_again(account, http, clock, what):
    account.faults.append(Fault("login", what))
    try:
        assert http.post(f"{SITE}/session").status_code == 500
    except (requests.ConnectionError, requests.Timeout):
        assert what != "500"
    assert asked(account) == ["login"]
    assert clock.slept == []


def test_another_programs_netrc_is_not_used(account, http, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ada password ada\n")
    monkeypatch.setenv("NETRC", str(netrc))
    http.get(f"{SITE}/dashboard")
    assert "authorization" not in account.requests[-1].headers


def test_starts_are_never_closer_than_the_delay(account, wire, clock):
    pace = transport.Pace(2.0, sleep=clock.sleep, clock=clock)
    http = transport.Session(adapter=wire, pace=pace, sleep=clock.sleep)
    for _ in range(50):
        http.get(f"{SITE}/about")
    assert all(2.0 <= gap <= 3.0 for gap in gaps(account))
    assert len(set(gaps(account))) > 10


def test_the_first_request_need_not_wait(account, wire, clock):
    pace = transport.Pace(2.0, sleep=clock.sleep, clock=clock)
    transport.Session(adapter=wire, pace=pace, sleep=clock.sleep).get(f"{SITE}/about")
    assert clock.slept == []


def test_time_spent_otherwise_is_no_longer_waited_for(account, wire, clock):
    pace = transport.Pace(2.0, sleep=clock.sleep, clock=clock)
    http = transport.Session(adapter=wire, pace=pace, sleep=clock.sleep)
    http.get(f"{SITE}/about")
    clock.now += 3600
    http.get(f"{SITE}/about")
    assert clock.slept == []


def test_repeated_requests_keep_the_pace_too(account, wire, clock):
    account.faults.append(Fault("about", "500"))
    pace = transport.Pace(20.0, sleep=clock.sleep, clock=clock)
    transport.Session(adapter=wire, pace=pace, sleep=clock.sleep).get(f"{SITE}/about")
    assert len(gaps(account)) == 2
    assert min(gaps(account)) >= 20


@pytest.mark.parametrize("announced", [True, False])
def test_a_whole_body_comes_byte_for_byte(account, http, announced):
    account.announce_lengths = announced
    assert body(http.get(EXPORT, stream=True)) == original(account)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("what", ["truncated", "stalled"])
def test_a_body_cut_short_raises_after_what_came(account, http, what, announced):
    account.announce_lengths = announced
    account.faults.append(Fault("original", what))
    came = []
    with pytest.raises(errors.CutShort):
        came.extend(transport.read_chunks(http.get(EXPORT, stream=True)))
    assert original(account).startswith(b"".join(came))
    assert asked(account) == ["original"]


def test_a_body_cut_short_is_seen_even_where_urllib3_takes_it_for_whole(account, http):
    account.faults.append(Fault("original", "truncated"))
    response = http.get(EXPORT, stream=True)
    # the default of urllib3 1.26
    response.raw.enforce_content_length = False
    size = len(original(account))
    with pytest.raises(errors.CutShort, match=f"ended after {size // 2} of {size} bytes"):
        body(response)


def test_a_clean_end_without_announced_length_is_an_end(account, http):
    account.faults.append(Fault("original", "truncated-unframed"))
    assert body(http.get(EXPORT, stream=True)) == original(account)[: len(original(account)) // 2]


def test_an_empty_body_is_no_body_cut_short(account, http):
    account.faults.append(Fault("original", "empty"))
    assert body(http.get(EXPORT, stream=True)) == b""


def test_the_announced_length_is_that_on_the_wire(wire, http):
    packed = gzip.compress(b"a long ride " * 1000)
    wire.instead["GET /about"] = Response(200, (("Content-Encoding", "gzip"),), packed)
    assert body(http.get(f"{SITE}/about", stream=True)) == b"a long ride " * 1000


def test_a_body_that_cannot_be_unpacked_is_cut_short(wire, http):
    wire.instead["GET /about"] = Response(200, (("Content-Encoding", "gzip"),), b"no gzip")
    with pytest.raises(errors.CutShort):
        body(http.get(f"{SITE}/about", stream=True))


class OneAnswer:
    """A server on loopback that sends these bytes to its only visitor, and then closes or waits."""

    def __init__(self, answer: bytes, *, waits: bool) -> None:
        self._answer = answer
        self._waits = waits
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"

    def __enter__(self) -> OneAnswer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        visitor, _ = self._socket.accept()
        with visitor:
            visitor.recv(1 << 16)
            visitor.sendall(b"HTTP/1.1 200 OK\r\n" + self._answer)
            if self._waits:
                self._over.wait(10)


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        b"Content-Length: 10\r\n\r\n12345",
        b"Transfer-Encoding: chunked\r\n\r\na\r\n12345",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ],
)
def test_on_real_sockets_too_a_body_cut_short_raises(answer, waits):
    with OneAnswer(answer, waits=waits) as server, transport.Session() as http:
        response = http.get(server.url, stream=True, timeout=(5, 0.3))
        with pytest.raises(errors.CutShort):
            body(response)


@pytest.mark.parametrize(
    "answer",
    [
        b"Content-Length: 5\r\n\r\n12345",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
        b"Connection: close\r\n\r\n12345",
    ],
)
def test_on_real_sockets_too_a_whole_body_comes(answer):
    with OneAnswer(answer, waits=False) as server, transport.Session() as http:
        assert body(http.get(server.url, stream=True, timeout=(5, 5))) == b"12345"


SECRET = "https://www.strava.com/?token=s3cret"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.exceptions.SSLError(SECRET), "TLS"),
        (requests.exceptions.ProxyError(SECRET), "proxy"),
        (requests.exceptions.ConnectTimeout(SECRET), "no answer in time"),
        (requests.exceptions.ReadTimeout(SECRET), "no answer in time"),
        (requests.exceptions.ConnectionError(SECRET), "no connection"),
        (requests.exceptions.TooManyRedirects(SECRET), "TooManyRedirects"),
    ],
)
def test_a_fault_is_told_in_few_words_without_addresses(error, words):
    text = transport.describe(error)
    assert words in text
    assert "s3cret" not in text
