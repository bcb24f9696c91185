from __future__ import annotations

import json

import pytest
from hypothesis import given

from strava_backup.archive.metadata import (
    fingerprint,
    fingerprints,
    fitting,
    read_for_scan,
    read_record,
    slimmed,
    to_json,
)
from tests.made_up_json import RECORDS


@given(RECORDS)
def test_equal_records_make_equal_files(record):
    assert to_json(dict(reversed(record.items()))) == to_json(record)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": [1, {"c": None}]}, {"b": [1, {"c": None}], "a": 1}, True),
        ({"distance": 12}, {"distance": 12.0}, True),
        ({"distance": 12}, {"distance": "12"}, False),
        ({"a": None}, {}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": {}}, {"a": []}, False),
    ],
)
def test_equal_values_have_equal_fingerprints(one, other, same):
    assert (fingerprint(one) == fingerprint(other)) is same


def test_large_values_of_our_key_are_not_kept_in_memory():
    own = {"source": "api", "website": {"id": 5}, "listed": {"api": {"name": "Run"}}}
    assert slimmed(own) == {"source": "api"}
    assert fingerprints(own) == (("api", fingerprint({"name": "Run"})),)
    export = {"export": "2026-11-20", "columns": {"Name": "Run"}}
    assert slimmed({"bulk_export": export}) == {"bulk_export": {"export": "2026-11-20"}}
    assert (slimmed({}), fingerprints({})) == ({}, ())
    export = {"export": "2026-11-22", "columns": {"Distance": "3.32"}}
    assert slimmed({"bulk_export": export}) == {"bulk_export": {"export": "2026-11-22"}}


@pytest.mark.parametrize(
    ("content", "record"),
    [
        (to_json({"name": "Run", "resource_state": 3}), {"name": "Run", "resource_state": 3}),
        (b'{"resource_state": 3}', {"resource_state": 3}),
        (to_json({"resource_state": 3, "strava_backup": "not ours"}), {"resource_state": 3}),
        (b'{\n  "strava_backup": ' + b"[" * 200 + b"]" * 200 + b"\n}\n", None),
        (b"[]", None),
        (b"{", None),
        (b"\xff", None),
        (None, None),
    ],
)
def test_a_scan_reads_fewer_values_of_metadata_but_the_same_ones(tmp_path, content, record):
    path = tmp_path / "x.meta.json"
    if content is not None:
        path.write_bytes(content)
    assert read_record(path) == record
    scanned = read_for_scan(path)
    assert (scanned is None) is (record is None)
    assert (scanned or {}).items() <= (record or {}).items()
    assert (scanned or {}).get("resource_state") == (record or {}).get("resource_state")


@pytest.mark.parametrize("indent", [2, None])
def test_a_scan_reads_the_fields_that_it_is_asked_for(tmp_path, indent):
    record = {"distance": 5.5, "name": "Run \ud83d", "resource_state": 3, "x": 1}
    path = tmp_path / "x.meta.json"
    path.write_text(json.dumps(record, indent=indent) + "\n")
    scanned = read_for_scan(path, ("name", "distance", "type"))
    assert {name: scanned.get(name) for name in ("name", "distance", "type")} == {
        "name": "Run \ud83d",
        "distance": 5.5,
        "type": None,
    }


@pytest.mark.parametrize(
    ("value", "shape", "expected"),
    [
        (5, int, 5),
        (True, int, None),
        (5, float, 5),
        (True, float, None),
        ("5", int, None),
        (["a", 5, None, "b"], [str], ["a", "b"]),
        ("a", [str], None),
        ({"a": 5, "b": "x"}, {"a": str}, {"b": "x"}),
        ({"a": None, "b": None}, {"a": str}, {"b": None}),
        ({"a": {"x": 5}, "b": 5}, {"*": {"x": int}}, {"a": {"x": 5}}),
        ([], {"a": str}, None),
    ],
)
def test_values_of_a_wrong_type_are_left_out_one_by_one(value, shape, expected):
    assert fitting(value, shape) == expected
