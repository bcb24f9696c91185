from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
import requests

from strava_backup.setup.listener import Listener, _Server
from strava_backup.strava import consent


@pytest.fixture
def heard():
    return []


@pytest.fixture
def listener(heard):
    with Listener(lambda address: "code=" in address, heard.append) as opened:
        yield opened


def get(address):
    return requests.get(address, timeout=10)


def first_heard(heard):
    """Return the first accepted address, which may come a moment after the browser has its page."""
    end = time.monotonic() + 10
    while not heard and time.monotonic() < end:
        time.sleep(0.01)
    return heard[:1]


def test_the_answer_is_heard_and_the_browser_gets_a_page(listener, heard):
    answer = get(f"{listener.redirect_uri}?code=c&state=s")
    assert answer.status_code == 200
    assert "You can close this page" in answer.text
    assert "code" not in answer.text
    assert first_heard(heard) == ["/authorized?code=c&state=s"]


def test_only_answers_to_the_right_path_are_heard(listener, heard):
    assert get(listener.redirect_uri).status_code == 404
    assert get(listener.redirect_uri.replace("authorized", "favicon.ico?code=1")).status_code == 404
    assert requests.post(f"{listener.redirect_uri}?code=c", timeout=10).status_code == 501
    assert heard == []


def test_a_connection_that_is_not_used_holds_up_nobody(listener, heard):
    with socket.create_connection(("127.0.0.1", urlsplit(listener.redirect_uri).port)):
        assert get(f"{listener.redirect_uri}?code=c").status_code == 200
    assert first_heard(heard)


ODD_REQUESTS = [
    *(b"", b"\x16\x03\x01\n", b"GET\r\n\r\n", b"\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"),
    *(b"GET %b HTTP/1.1\r\n\r\n" % path for path in (b"//[", b"http://[", b"http://a]/?code=1")),
    *(b"GET %b HTTP/1.1\r\n\r\n" % path for path in (b"/\xff\xc3", b"*", b"?code=1", b"%00")),
    b"GET /authorized\xe9?code=1 HTTP/1.1\r\n\r\n",
    b"GET /authorized HTTP/1.1\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
    b"GET /authorized HTTP/1.1\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    *(b"%b /authorized?code=1 HTTP/1.1\r\n\r\n" % name for name in (b"HEAD", b"POST", b"\xff")),
    b"POST /authorized?code=1 HTTP/1.1\r\nContent-Length: 99999999\r\n\r\na",
    b"GET /authorized HTTP/1.1\r\nContent-Length: -1\r\nExpect: 100-continue\r\n\r\n",
]


@pytest.mark.parametrize("said", ODD_REQUESTS)
def test_an_odd_request_raises_nothing_and_ends_nothing(monkeypatch, heard, capfd, said):
    raised = []
    monkeypatch.setattr(_Server, "handle_error", lambda *_: raised.append(sys.exc_info()[1]))
    with Listener(consent.is_answer, heard.append) as listener:
        port = urlsplit(listener.redirect_uri).port
        # The server may have closed the connection; then shutdown() fails with ENOTCONN.
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        ):
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass
        assert heard == []
        assert get(f"{listener.redirect_uri}?code=c").status_code == 200
    assert heard == ["/authorized?code=c"]
    assert [error for error in raised if not isinstance(error, ConnectionError)] == []
    assert capfd.readouterr() == ("", "")


def test_an_answer_counts_if_the_browser_is_gone_before_it_has_the_page(heard):
    came = threading.Event()

    def hear(address):
        heard.append(address)
        came.set()

    with Listener(lambda address: True, hear) as listener:
        port = urlsplit(listener.redirect_uri).port
        with socket.create_connection(("127.0.0.1", port)) as connection:
            # Closed with a reset, so that the page cannot be sent.
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.sendall(b"GET /authorized?code=c HTTP/1.1\r\n\r\n")
        assert came.wait(10)
    assert heard == ["/authorized?code=c"]


def test_a_browser_that_goes_away_or_talks_nonsense_is_no_error(listener, heard, capfd):
    port = urlsplit(listener.redirect_uri).port
    for said in (b"", b"\x16\x03\x01\n", b"GET\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(said)
    assert get(f"{listener.redirect_uri}?code=c").status_code == 200
    assert capfd.readouterr() == ("", "")


def test_it_listens_on_this_machine_only_and_no_longer_than_needed(heard):
    threads = threading.active_count()
    with Listener(bool, heard.append) as opened:
        assert opened.redirect_uri.startswith("http://127.0.0.1:")
    with pytest.raises(requests.ConnectionError):
        get(opened.redirect_uri)
    assert threading.active_count() == threads


def test_two_listen_at_different_ports(heard):
    with Listener(bool, heard.append) as one, Listener(bool, heard.append) as other:
        assert one.redirect_uri != other.redirect_uri
