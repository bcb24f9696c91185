from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.archive.excerpt import excerpt
from strava_backup.archive.metadata import to_json

NAMES = ("name", "resource_state", "strava_backup", "type")

keys = st.sampled_from([*NAMES, 'a "b": {', "\n  ", "\u2028"]) | st.text(max_size=3)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=9)
    | st.sampled_from(["\n  }", "]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
)


@given(st.dictionaries(keys, values, min_size=1, max_size=6))
def test_an_excerpt_has_the_values_of_the_whole_record(record):
    expected = {name: record[name] for name in NAMES if name in record}
    assert excerpt(to_json(record), NAMES) == expected


@given(st.dictionaries(keys, values, min_size=1, max_size=6))
def test_an_excerpt_of_an_unsorted_record_has_no_other_values(record):
    text = json.dumps(record, ensure_ascii=False, indent=2).encode("utf-8", "surrogatepass")
    expected = {name: record[name] for name in NAMES if name in record}
    assert excerpt(text + b"\n", NAMES) in (expected, None)


@pytest.mark.parametrize(
    ("own", "found"),
    [
        (
            {"a": [1], "listed": {"api": {"name": "Run"}}, "source": "api"},
            {"a": [1], "source": "api"},
        ),
        ({"listed": {"api": {}}, "source": "api"}, {"source": "api"}),
        ({"listed": {}, "source": "api"}, {"listed": {}, "source": "api"}),
        ({"a": {"listed": {"x": 1}}, "b": 1}, {"a": {"listed": {"x": 1}}, "b": 1}),
        # the last one has no comma after it
        ({"a": 1, "listed": {"api": {}}}, {"a": 1, "listed": {"api": {}}}),
        ({"listed": '\n    "listed": {\n    },\n'}, {"listed": '\n    "listed": {\n    },\n'}),
    ],
)
def test_an_object_that_is_not_needed_may_be_left_out(own, found):
    others = {"name": "Run", "type": {"a": {"b": 1}, "c": 2}}
    record = to_json({**others, "strava_backup": own})
    assert excerpt(record, NAMES, "listed") == {**others, "strava_backup": found}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}\n",
        b"[]\n",
        b"<html>",
        # as version 0.4 wrote it, and as editors do
        json.dumps({"resource_state": 3}).encode(),
        json.dumps({"resource_state": 3}, indent=4).encode(),
        json.dumps({"a": {"resource_state": 3}}, indent=1).encode() + b"\n",
        json.dumps({"resource_state": 3}, indent=2).replace("\n", "\r\n").encode(),
        to_json({"name": "Ride", "resource_state": 3})[:-3],
        to_json({"name": "Ride", "resource_state": 3})[9:],
        b'{\n  "strava_backup": {\n"a": 1}\n}\n',
        b'{\n  "type": {"a": 1\n}\n',
    ],
)
def test_json_of_another_form_has_no_excerpt(content):
    assert excerpt(content, NAMES) is None


def test_of_what_may_be_nested_deep_there_is_none():
    assert excerpt(to_json({"strava_backup": [[]] * 60}), NAMES) is None
    assert excerpt(b'{\n  "strava_backup": ' + b"[" * 200 + b"]" * 200 + b"\n}\n", NAMES) is None


@given(st.binary(max_size=40))
def test_garbage_is_never_returned_as_a_value(middle):
    found = excerpt(b'{\n  "resource_state": ' + middle + b"\n}\n", NAMES)
    assert found is None or json.dumps(found)
