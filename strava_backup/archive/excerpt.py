"""Reads single values of metadata without parsing all of it. Pure: bytes in, values out.

A scan needs a few values of each of ten thousand records, which consist mostly of segment efforts.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

_START, _END = b'{\n  "', b"\n}\n"
# Most of a record is the value of this key, and keys are sorted.
_LONGEST = "segment_efforts"
# Values with so few brackets cannot be nested too deep.
_MOST_BRACKETS = 50
# The text from the line end before the closing bracket, by the opening bracket.
_CLOSING = {ord("{"): b"\n  }", ord("["): b"\n  ]"}
_INNER_END = b"\n    }"
# `json.loads` would also look for white space around the text, by regular expressions.
_decode: Callable[[str], tuple[dict[str, Any], int]] = json.JSONDecoder().raw_decode


def excerpt(content: bytes, names: tuple[str, ...], unread: str = "") -> dict[str, Any] | None:
    """Return the values of these keys of a JSON object as `to_json` writes it, if it has them.

    Returns None if the object has another form, or if the values have so many brackets that one
    may be nested deep. The names are plain words. If a value is an object that has an object under
    the name `unread`, that may be missing.

    Line ends are only between values, since JSON escapes them in strings, and two spaces before a
    key mean that it is one of the outermost object. The other values are not read.
    """
    if not (content.startswith(_START) and content.endswith(_END)):
        return None
    try:
        found = b"{" + b"".join(_members(content, names)).removesuffix(b",") + b"}"
        text = (_without(found, unread) if unread else found).decode()
        if text.count("{") + text.count("[") > _MOST_BRACKETS:
            return None
        values, end = _decode(text)
    except (ValueError, RecursionError):
        return None
    return values if end == len(text) else None


def _members(content: bytes, names: tuple[str, ...]) -> list[bytes]:
    """Return the text of the members that exist: key, value and comma. Raises ValueError.

    A value ends with its line, or with the line of its closing bracket.
    """
    members, end = [], 0
    for find, key in _searches(names):
        # A sorted key is after the previous one; a search from there is shorter.
        at = find(content, key, end)
        if at < 0 and (at := content.find(key)) < 0:
            continue
        end = content.index(b"\n", at + 1)
        closing = _CLOSING.get(content[end - 1])
        if closing is not None:
            end = content.index(b"\n", content.index(closing, end) + 1)
        members.append(content[at:end])
    return members


def _without(text: bytes, name: str) -> bytes:
    """Return the text without an object of that name in an outermost one. Raises ValueError.

    The last member of an object stays, since the comma before it would have to go, too.
    """
    start = text.find(f'\n    "{name}": {{\n'.encode())
    if start < 0:
        return text
    end = text.index(_INNER_END, start) + len(_INNER_END)
    return text[:start] + text[end + 1 :] if text[end : end + 1] == b"," else text


@functools.lru_cache(maxsize=16)
def _searches(names: tuple[str, ...]) -> list[tuple[Callable[[bytes, bytes, int], int], bytes]]:
    """Return the bytes before the value of each name, with the function that finds them soonest.

    The names are sorted like the keys of a record, so that only its last member has no comma. The
    first one after most of the record is found soonest from the end.
    """
    late = [name for name in sorted(names) if name > _LONGEST]
    return [
        (bytes.rfind if name in late[:1] else bytes.find, f'\n  "{name}": '.encode())
        for name in sorted(names)
    ]
