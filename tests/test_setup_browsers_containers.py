"""The containers of Firefox."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.setup.browsers.containers import (
    is_wanted,
    parse_containers,
    parse_origin_attributes,
)
from tests.test_setup_browsers_session_store import JSON


def test_containers_have_the_names_that_firefox_or_people_gave() -> None:
    document = {
        "version": 5,
        "lastUserContextId": 9,
        "identities": [
            {"userContextId": 1, "public": True, "l10nId": "user-context-personal"},
            {"userContextId": 2, "public": True, "l10nID": "userContextWork.label"},
            {"userContextId": 5, "public": False, "name": "userContextIdInternal.thumbnail"},
            {"userContextId": 6, "public": True, "name": "Bob", "l10nId": "user-context-banking"},
            {"userContextId": 7, "l10nId": "unknown"},
            {"userContextId": "8", "name": "text"},
            "x",
        ],
    }
    assert parse_containers(json.dumps(document).encode()) == {
        1: "Personal",
        2: "Work",
        6: "Bob",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("^userContextId=2", 2),
        ("^userContextId=12&partitionKey=%28https%2Cstrava.com%29", 12),
        ("^firstPartyDomain=strava.com&userContextId=3", 3),
        ("^xuserContextId=3", 0),
        ("^userContextId=4294967295", 2**32 - 1),
        ("^userContextId=x", 0),
        ("^userContextId=" + "9" * 5000, 0),
        (None, 0),
        (b"^userContextId=2", 0),
    ],
)
def test_a_cookie_has_its_container_in_its_attributes(text: object, expected: int) -> None:
    assert parse_origin_attributes(text) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(None, [0, 1, 2]), ("none", [0]), ("work", [1]), ("2", [2]), ("0", []), ("x", [])],
)
def test_a_container_is_wanted_by_name_or_number(wanted: str | None, expected: list[int]) -> None:
    assert [one for one in (0, 1, 2) if is_wanted(one, {1: "Work"}, wanted)] == expected


@given(
    content=st.binary()
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.lists(st.fixed_dictionaries({"userContextId": JSON, "name": JSON, "l10nId": JSON})).map(
        lambda entries: json.dumps({"identities": entries}).encode()
    )
)
def test_any_content_is_harmless(content: bytes) -> None:
    names: dict[Any, Any] = parse_containers(content)
    assert all(type(one) is int and isinstance(name, str) for one, name in names.items())
