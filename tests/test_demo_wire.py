from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.demo.adapter import raw_response
from strava_backup.demo.wire import (
    CHUNK,
    DROPPED,
    Request,
    Response,
    html,
    json_response,
    redirect,
    transmission,
)

FRAMINGS = ["length", "chunked", "close"]
LENGTHS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK]


def test_cookies_are_read_from_their_header():
    request = Request("GET", "h", "/", headers={"cookie": 'a=1; b=x=="y" ;c; we:ird=2'})
    assert request.cookies == {"a": "1", "b": 'x=="y"', "we:ird": "2"}
    assert Request("GET", "h", "/").cookies == {}


def test_an_announced_length_is_that_of_the_whole_body_also_when_it_is_cut():
    sent = transmission(Response(200, (("A", "b"),), b"0123456789", cut=4))
    assert sent == b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 10\r\n\r\n0123"


def test_a_chunked_body_that_is_cut_has_no_last_chunk():
    sent = transmission(Response(200, (), b"x" * (CHUNK + 9), "chunked", cut=CHUNK + 4))
    assert sent.endswith(b"\r\n9\r\nxxxx")


def test_nothing_is_sent_of_a_dropped_or_a_silent_answer():
    assert transmission(DROPPED) == b""
    assert transmission(Response(200, stall=True)) == b""
    assert transmission(Response(200, body=b"ab", stall=True, cut=1)).endswith(b"\r\na")


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("length", LENGTHS)
def test_every_framing_carries_every_body(framing, length):
    body = bytes(range(256)) * (length // 256 + 1)
    answer = Response(200, (), body[:length], framing)
    assert raw_response(answer).read() == body[:length]


@given(st.sampled_from(FRAMINGS), st.sampled_from(LENGTHS), st.floats(0, 1))
def test_a_cut_answer_is_the_beginning_of_the_whole_one(framing, length, part):
    whole = Response(200, (), b"x" * length, framing)
    cut = whole._replace(cut=int(length * part))
    assert transmission(whole).startswith(transmission(cut))
    assert cut.ends_connection


def test_the_connection_lives_on_only_after_a_whole_framed_answer():
    ends = {framing: Response(200, framing=framing).ends_connection for framing in FRAMINGS}
    assert ends == {"length": False, "chunked": False, "close": True}
    assert DROPPED.ends_connection


def test_answers_of_json_html_and_redirects_have_a_content_type():
    assert json.loads(json_response({"a": "ü"}, 201).body) == {"a": "ü"}
    assert json_response([]).header("content-type") == "application/json; charset=utf-8"
    assert html("ü", 404)[:3] == (404, (("Content-Type", "text/html; charset=utf-8"),), b"\xc3\xbc")
    assert redirect("https://h/x").header("location") == "https://h/x"
    assert html("").header("location") is None
