from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strava_backup.strava.json_body import _NUMBER_HOOKS, _OBJECT_HOOK, _parse, parse_json
from tests.made_up_json import JSON_VALUES


def body(value):
    return json.dumps(value).encode()


@given(JSON_VALUES)
def test_any_json_comes_as_it_is(value):
    assert parse_json(body(value)) == json.loads(json.dumps(value))


def test_a_byte_order_mark_is_no_part_of_it():
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    "forged",
    [
        {"id": 1, "strava_backup": []},
        {"id": 1, "strava_backup": {"listed": {}, "refused": {}, "original": {"file": "x"}}},
        [{"id": 1, "strava_backup": None}],
        {"models": [{"id": 1, "strava_backup": {"website": {}}}]},
        {"gear": {"strava_backup": "x"}},
    ],
)
def test_our_own_key_is_removed_at_every_depth(forged):
    assert "strava_backup" in json.dumps(forged)
    assert "strava_backup" not in json.dumps(parse_json(body(forged)))


def test_our_own_key_is_removed_however_it_is_escaped():
    assert parse_json(b'{"\\u0073trava_backup": {"listed": 1}, "id": 5}') == {"id": 5}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html></html>",
        b'{"a": 1',
        b'{"a": 1} x',
        b'"\xe9"',
        b"\xff\xfe1\x00",
        b"NaN",
        b'[1, {"a": Infinity}]',
        b"-Infinity",
        b"1e999",
        b"[-1e400]",
        b"9" * 101,
        b"9" * 5000,
        b"9" * 400 + b".0",
        b"-" + b"9" * 101,
        b"9" * 99 + b"e300",
        b"[" * 101 + b"]" * 101,
        b'{"a":' * 101 + b"1" + b"}" * 101,
        b"[" * 1_000_000,
        b"[" * 400_000 + b"]" * 400_000,
        b"[" + b"[]," * 500_000 + b"[]]",
    ],
)
def test_values_that_an_archive_cannot_store_raise_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011 (the text is that of json)
        parse_json(text)


def test_the_answers_of_strava_are_far_below_the_limits():
    value: object = "end"
    for _ in range(100):
        value = [value]
    assert parse_json(body(value)) == value
    assert parse_json(body({"name": "9" * 5000})) == {"name": "9" * 5000}
    assert parse_json(b"9" * 19) == int("9" * 19)
    assert len(parse_json(body(list(range(200_000))))) == 200_000


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_value_error(text):
    try:
        value = parse_json(text)
    except ValueError:
        return
    assert not isinstance(value, float) or math.isfinite(value)
    json.dumps(value, allow_nan=False)


PIECES = st.sampled_from(
    [
        *("[", "]", "{", "}", ",", ":", " ", "\n", '"', '\\"', "\\\\", "a", "é"),
        *("0", "-1", "1.5", "1e5", "1E999", "9" * 101, "true", "false", "null", "NaN", "-Infinity"),
        *("[" * 60, "]" * 60, '{"a":', '"strava_backup": {}', "strava_backup", "\\u005f"),
    ]
)


def parse_closely(body):
    return _parse(body, {**_OBJECT_HOOK, **_NUMBER_HOOKS})


def parsed(parse, body):
    try:
        return parse(body)
    except ValueError:
        return ValueError


@given(st.lists(PIECES, max_size=30).map("".join).map(str.encode))
@example(b'["[", [[]], "]"]')
@example(b'{"a": "\\\\"}')
@example(b"[" * 100 + b"]" * 100)
@example(b"[" * 101 + b"]" * 101)
@example(b'["' + b'", "]", ["' * 120 + b'"' + b"]" * 121)
def test_what_is_parsed_fast_is_what_a_closer_look_brings(body):
    assert parsed(parse_json, body) == parsed(parse_closely, body)


@given(JSON_VALUES)
def test_any_value_is_parsed_fast_as_it_is(value):
    body = json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")
    assert parsed(parse_json, body) == parsed(parse_closely, body)
