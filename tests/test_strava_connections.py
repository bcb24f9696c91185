from __future__ import annotations

import gzip
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from strava_backup import errors
from strava_backup.strava import transport
from strava_backup.strava.connections import Watchdog
from tests.faults import Fault
from tests.first_backups import copied_account
from tests.loopback_server import LoopbackServer
from tests.strava_proxy import StravaProxy

PAGE = "https://www.strava.com/dashboard"
LIMITS = transport.Limits(
    head_seconds=0.6, slow_seconds=0.6, slow_bytes=50_000, page_bytes=200_000, file_bytes=400_000
)
OK = b"HTTP/1.1 200 OK\r\n"
# Much longer than any limit, and much shorter than the longest wait of the proxy.
LATEST = 4.0


@pytest.fixture
def proxy(clock, monkeypatch):
    with StravaProxy(copied_account(None, clock)) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running
        assert running.errors == []


@pytest.fixture
def http(proxy, clock):
    with transport.Session(sleep=clock.sleep, limits=LIMITS) as session:
        session.cookies.set("_strava4_session", proxy.account.issue_session(), domain=".strava.com")
        yield session


@contextmanager
def soon() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < LATEST


def test_a_whole_answer_comes_and_its_connection_is_used_again(proxy, http):
    first = http.get(PAGE)
    connections = set(proxy._connections)
    assert b"</html>" in first.content
    assert http.get(PAGE).content == first.content
    assert set(proxy._connections) == connections


ENDLESS_HEADS = {
    "a byte now and then": (b"HTTP/1.1 2", b"0", 0.05),
    "a header now and then": (OK, b"X: y\r\n", 0.1),
    "one header without end": (OK + b"X: ", b"y", 0.01),
    "endless continuation": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.0),
    "slow continuation": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
}


@pytest.mark.parametrize("head", ENDLESS_HEADS)
def test_a_head_that_never_ends_is_left_at_the_deadline_and_not_asked_for_again(proxy, http, head):
    start, flood, pause = ENDLESS_HEADS[head]
    proxy.account.faults.append(Fault("dashboard", "raw", None, None, None, start, flood, pause))
    with soon(), pytest.raises(errors.TooSlow, match=r"^www\.strava\.com: no whole answer in time"):
        http.get(PAGE)
    assert len(proxy.account.requests) == 1


def test_endless_headers_are_a_passing_fault(proxy, http):
    flood = b"X-Y: z\r\n" * 1000
    proxy.account.faults.append(Fault("dashboard", "raw", body=OK, flood=flood))
    with soon(), pytest.raises(errors.Unreachable):
        http.get(PAGE)


ENDLESS_BODIES = {
    "announced": OK + b"Content-Length: 100000000000\r\n\r\n",
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n174876E800\r\n",
    "unframed": OK + b"\r\n",
    "negative chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
}


@pytest.mark.parametrize("is_file", [False, True])
@pytest.mark.parametrize("head", ENDLESS_BODIES)
def test_a_body_that_never_ends_is_left_at_its_limit(proxy, http, head, is_file):
    proxy.account.faults.append(
        Fault("dashboard", "raw", body=ENDLESS_BODIES[head], flood=b"x" * 50_000)
    )
    with soon(), pytest.raises((errors.ItemError, errors.CutShort)):
        read(http, is_file)


@pytest.mark.parametrize("is_file", [False, True])
@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 150000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nFFFF\r\n", b"\r\n"],
)
def test_a_body_that_trickles_is_left_at_the_deadline(proxy, http, framing, is_file):
    proxy.account.faults.append(
        Fault("dashboard", "raw", body=OK + framing, flood=b"x", pause=0.05)
    )
    with soon(), pytest.raises(errors.TooSlow):
        read(http, is_file)


def read(http, is_file):
    response = http.get(PAGE, stream=is_file)
    return b"".join(response.read_chunks()) if is_file else response.content


def test_endless_trailers_are_left_at_the_deadline(proxy, http):
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    proxy.account.faults.append(Fault("dashboard", "raw", body=head, flood=b"X: y\r\n" * 100))
    with soon(), pytest.raises(errors.TooSlow):
        http.get(PAGE)


def test_packed_data_that_never_unpacks_to_anything_is_left_at_its_limit(proxy, http):
    head = OK + b"Content-Encoding: gzip\r\n\r\n"
    flood = gzip.compress(b"") * 1000
    proxy.account.faults.append(Fault("dashboard", "raw", body=head, flood=flood))
    with soon(), pytest.raises(errors.ItemError, match="larger than"):
        http.get(PAGE)


@pytest.mark.parametrize("status", [b"302 Found", b"301 Moved", b"304 Same"])
def test_the_body_of_a_redirect_is_not_read(proxy, http, status):
    head = b"HTTP/1.1 " + status + b"\r\nLocation: /login\r\n\r\n"
    proxy.account.faults.append(Fault("dashboard", "raw", body=head, flood=b"x" * 50_000))
    with soon():
        response = http.get(PAGE)
    assert response.headers["Location"] == "/login"
    assert response.content == b""


def test_the_body_of_a_5xx_is_not_read(proxy, http):
    head = b"HTTP/1.1 503 No\r\n\r\n"
    proxy.account.faults.append(Fault("dashboard", "raw", body=head, flood=b"x" * 50_000))
    with soon():
        assert http.get(PAGE).status_code == 503
    assert len(proxy.account.requests) == 3


def test_a_slow_reader_of_a_fast_body_is_not_blamed_on_the_server(proxy, http):
    proxy.account.faults.append(Fault("dashboard", "other-body", body=b"x" * 70_000))
    size = 0
    for chunk in http.get(PAGE, stream=True).read_chunks():
        time.sleep(0.25)
        size += len(chunk)
    assert size == 70_000


@pytest.mark.parametrize("start", [b"", OK, OK + b"Content-Length: 9\r\n\r\n"])
def test_breaking_off_ends_a_request_in_its_head_and_in_its_body(proxy, clock, start):
    proxy.account.faults.append(Fault("dashboard", "raw", body=start, flood=b"\0", pause=60))
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            http.get(PAGE)
        except errors.Error as error:
            raised.append(error)

    with transport.Session(sleep=clock.sleep) as http:
        thread = threading.Thread(target=ask)
        thread.start()
        while not proxy.account.requests:
            time.sleep(0.01)
        time.sleep(0.1)
        http.break_off()
        thread.join(LATEST)
        assert not thread.is_alive()
    assert "interrupted" in str(raised[0])
    assert len(proxy.account.requests) == 1


class Trickle(LoopbackServer):
    """A server on loopback that sends this at once, and then single bytes with pauses."""

    def __init__(self, first: bytes, rest: bytes) -> None:
        self._first, self._rest = first, rest
        super().__init__()

    def _serve(self) -> None:
        visitor, _ = self._socket.accept()
        with visitor:
            try:
                visitor.recv(1 << 16)
                visitor.sendall(self._first)
                while not self._over.wait(0.05):
                    visitor.sendall(self._rest)
            except OSError:
                pass


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (b"HTTP/1.1 200 ", b"O"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        # In the TLS handshake: the header of a record of 16 kB, whose rest trickles.
        (b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03\x3f\xff\x02", b"\0"),
    ],
)
def test_a_proxy_that_trickles_is_left_at_the_deadline(clock, first, rest):
    with (
        Trickle(first, rest) as server,
        transport.Session(sleep=clock.sleep, limits=LIMITS) as http,
    ):
        http.proxies = {"https": server.url}
        with soon(), pytest.raises(errors.TooSlow):
            http.get(PAGE)


def test_without_a_proxy_the_deadline_holds_too(clock):
    with (
        Trickle(OK, b"X: y\r\n") as server,
        transport.Session(sleep=clock.sleep, limits=LIMITS) as http,
        soon(),
        pytest.raises(errors.TooSlow),
    ):
        http.get(server.url)


def test_one_watchdog_ends_each_operation_at_its_own_deadline():
    watchdog = Watchdog()
    over: list[str] = []

    def wait(name: str, seconds: float) -> None:
        here, there = socket.socketpair()
        with here, there, watchdog.limit(watchdog, seconds, here) as limit:
            here.recv(1)
            assert limit.is_over
            over.append(name)

    before = threading.active_count()
    threads = [
        threading.Thread(target=wait, args=(name, seconds))
        for name, seconds in (("last", 0.6), ("first", 0.2), ("second", 0.4))
    ]
    for thread in threads:
        thread.start()
    assert threading.active_count() <= before + len(threads) + 1
    for thread in threads:
        thread.join(LATEST)
    assert over == ["first", "second", "last"]


def test_an_operation_that_ends_in_time_is_left_alone():
    watchdog = Watchdog()
    here, there = socket.socketpair()
    with here, there:
        with watchdog.limit(watchdog, 0.1, here) as limit:
            pass
        time.sleep(0.3)
        there.sendall(b"x")
        assert here.recv(1) == b"x"
        assert not limit.is_over


# Not ru_maxrss, which includes the size of the parent process.
ASK = r"""
import re
from strava_backup import errors
from strava_backup.strava import transport
http = transport.Session(sleep=lambda seconds: None)
try:
    print(http.get("https://www.strava.com/dashboard").json() and "JSON")
except (errors.ItemError, ValueError) as error:
    print(type(error).__name__, error)
print(re.search(r"VmHWM:\s*(\d+) kB", open("/proc/self/status").read())[1])
"""
BOMB = OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(20_000_000)) * 65
LARGE = {
    "a bomb": ("ItemError", BOMB, b""),
    "a list of 200 MB": ("ItemError", OK + b"\r\n[0", b",[]" * 300_000),
    "a list below the limit": (
        "ValueError",
        OK + b"Content-Length: 30000002\r\n\r\n[" + b"[]," * 10_000_000 + b"]",
        b"",
    ),
    "a redirect": (
        "JSONDecodeError",
        b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n",
        b"x" * 1_000_000,
    ),
    "an error": ("ItemError", b"HTTP/1.1 403 No\r\n\r\n", b"x" * 1_000_000),
    "headers": ("Unreachable", OK, b"X: " + b"y" * 60_000 + b"\r\n"),
    "a negative chunk": (
        "Unreachable",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"x" * 1_000_000,
    ),
}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            name, marks=[pytest.mark.thorough] if name in ("a redirect", "an error") else []
        )
        for name in LARGE
    ],
)
def test_no_answer_takes_more_than_200_mb_of_memory(proxy, answer):
    expected, body, flood = LARGE[answer]
    proxy.account.faults.append(Fault("dashboard", "raw", body=body, flood=flood))
    asker = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, timeout=60, check=True
    )
    said, peak = asker.stdout.splitlines()
    assert said.split()[0] == expected
    assert int(peak) < 200_000
