"""Reads single values of metadata without parsing all of it. Pure: bytes in, values out.

A scan needs a few values of each of ten thousand records, which consist mostly of segment efforts.
"""

from __future__ import annotations

import functools
import json
from typing import Any

_START, _END = b'{\n  "', b"\n}\n"
# Most of a record is what stands under this key, and keys are sorted.
_LONGEST = "segment_efforts"
# Values with so few brackets cannot be nested too deep.
_MOST_BRACKETS = 50
# The text from the line end before the closing bracket, by the opening bracket.
_CLOSING = {ord("{"): b"\n  }", ord("["): b"\n  ]"}


def excerpt(content: bytes, names: tuple[str, ...]) -> dict[str, Any] | None:
    """These keys of a JSON object as `to_json` writes it; None where it has another form,
    or the values have so many brackets that one may be nested deep.

    Line ends stand between values only, since JSON escapes them in strings, and two spaces before
    a key tell that it is one of the outermost object. What stands between is not looked at. The
    names are plain words.
    """
    if not (content.startswith(_START) and content.endswith(_END)):
        return None
    try:
        text = b"{" + b",".join(_members(content, names)) + b"}"
        if text.count(b"{") + text.count(b"[") > _MOST_BRACKETS:
            return None
        found = json.loads(text.decode())
    except (ValueError, RecursionError):
        return None
    return {name: found[name] for name in names if name in found}


def _members(content: bytes, names: tuple[str, ...]) -> list[bytes]:
    """Return the text of the members that exist, key and value. Raises ValueError.

    A value ends with its line, or with its closing bracket.
    """
    members = []
    for name, key in _keys(names):
        at = content.find(key) if name < _LONGEST else content.rfind(key)
        if at < 0:
            continue
        end = content.index(b"\n", at + 1)
        closing = _CLOSING.get(content[end - 1])
        if closing is not None:
            end = content.index(closing, end) + len(closing)
        members.append(content[at:end].removesuffix(b","))
    return members


@functools.lru_cache(maxsize=16)
def _keys(names: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """Return the names, each with the bytes before its value."""
    return [(name, f'\n  "{name}": '.encode()) for name in names]
