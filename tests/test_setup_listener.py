from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit

import pytest
import requests

from strava_backup.setup.listener import Listener


@pytest.fixture
def heard():
    return []


@pytest.fixture
def listener(heard):
    with Listener(lambda address: "code=" in address, heard.append) as opened:
        yield opened


def get(address):
    return requests.get(address, timeout=10)


def test_the_answer_is_heard_and_the_browser_gets_a_page(listener, heard):
    answer = get(f"{listener.redirect_uri}?code=c&state=s")
    assert answer.status_code == 200
    assert "You can close this page" in answer.text
    assert "code" not in answer.text
    assert heard == ["/authorized?code=c&state=s"]


def test_only_answers_to_the_right_path_are_heard(listener, heard):
    assert get(listener.redirect_uri).status_code == 404
    assert get(listener.redirect_uri.replace("authorized", "favicon.ico?code=1")).status_code == 404
    assert requests.post(f"{listener.redirect_uri}?code=c", timeout=10).status_code == 501
    assert heard == []


def test_a_connection_that_is_not_used_holds_up_nobody(listener, heard):
    with socket.create_connection(("127.0.0.1", urlsplit(listener.redirect_uri).port)):
        assert get(f"{listener.redirect_uri}?code=c").status_code == 200
    assert heard


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
