"""The session files of Firefox."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.setup.browsers.session_store import parse_session, read_session_cookies
from strava_backup.setup.cookies import SESSION

block = pytest.importorskip("lz4.block")

# A sample of all types, since Hypothesis takes its time for nested values.
JSON: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 2**70, 0.5, "", "x\0\u00e9", [], [[1]], {}, {"name": {"x": 1}}, {"cookies": 1}]
)


def session_file(document: Any) -> bytes:
    content = json.dumps(document).encode()
    size = len(content).to_bytes(4, "little")
    return b"mozLz40\0" + size + bytes(block.compress(content, store_size=False))


def session_cookie(value: Any, container: Any = 0, host: Any = ".strava.com") -> dict[str, Any]:
    attributes = {"firstPartyDomain": "", "userContextId": container}
    return {"host": host, "name": SESSION, "value": value, "originAttributes": attributes}


def test_stravas_cookies_are_found_with_their_containers() -> None:
    cookies = [
        session_cookie("a"),
        session_cookie("b", container=2, host="www.strava.com"),
        session_cookie("c", host="strava.com.example"),
    ]
    content = session_file({"windows": [], "cookies": cookies})
    assert parse_session(content) == [(0, SESSION, "a"), (2, SESSION, "b")]


def test_the_file_of_a_running_browser_comes_first(tmp_path: Path) -> None:
    assert read_session_cookies(tmp_path) == []
    (tmp_path / "sessionstore.jsonlz4").write_bytes(
        session_file({"cookies": [session_cookie("1")]})
    )
    assert [cookie.value for cookie in read_session_cookies(tmp_path)] == ["1"]
    running = tmp_path / "sessionstore-backups/recovery.jsonlz4"
    running.parent.mkdir()
    running.write_bytes(session_file({"cookies": [session_cookie("2")]}))
    assert [cookie.value for cookie in read_session_cookies(tmp_path)] == ["2"]


def test_a_value_is_not_in_the_repr() -> None:
    assert "secret" not in repr(
        parse_session(session_file({"cookies": [session_cookie("secret")]}))
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"mozLz40\0",
        b"mozLz40\0\x01\0\0\0",
        session_file({})[1:],
        session_file({"cookies": []})[:-2],
        b"mozLz40\0\xff\xff\xff\x7f" + session_file({})[12:],
        session_file(0)[:12] + bytes(block.compress(b"[" * 10**5, store_size=False)),
        b"mozLz40\0\xa0\x86\x01\0" + bytes(block.compress(b"[" * 10**5, store_size=False)),
    ],
)
def test_a_garbled_file_is_a_config_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sessionstore.jsonlz4").write_bytes(content)
    with pytest.raises(errors.ConfigError, match="cannot read the cookies in"):
        read_session_cookies(tmp_path)


@given(
    document=JSON
    | st.fixed_dictionaries({"cookies": st.lists(JSON) | JSON})
    | st.builds(lambda *values: {"cookies": [session_cookie(*values)]}, JSON, JSON, JSON)
)
def test_any_json_is_harmless(document: Any) -> None:
    for cookie in parse_session(session_file(document)):
        assert isinstance(cookie.value, str)


@given(content=st.binary() | st.binary().map(b"mozLz40\0\x10\0\0\0".__add__))
def test_any_bytes_are_parsed_or_refused(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert parse_session(content) == []
