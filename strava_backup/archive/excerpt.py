"""Reads single values of metadata without parsing all of it. Pure: bytes in, values out.

A scan needs two values of each of ten thousand records, which consist mostly of segment efforts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

_START, _END = b'{\n  "', b"\n}\n"
# Most of a record is what stands under this key, and keys are sorted.
_LONGEST = "segment_efforts"
# A value with so few brackets cannot be nested too deep.
_MOST_BRACKETS = 50


def excerpt(content: bytes, names: Iterable[str]) -> dict[str, Any] | None:
    """These keys of a JSON object as `to_json` writes it; None where it has another form,
    or a value has so many brackets that it may be nested deep.

    Line ends stand between values only, since JSON escapes them in strings, and two spaces before
    a key tell that it is one of the outermost object. What stands between is not looked at. The
    names are plain words.
    """
    if not (content.startswith(_START) and content.endswith(_END)):
        return None
    found = {}
    for name in names:
        key = f'\n  "{name}": '.encode()
        at = content.find(key) if name < _LONGEST else content.rfind(key)
        if at < 0:
            continue
        value = _value(content, at + len(key))
        if value.count(b"{") + value.count(b"[") > _MOST_BRACKETS:
            return None
        try:
            found[name] = json.loads(value.decode())
        except (ValueError, RecursionError):
            return None
    return found


def _value(content: bytes, start: int) -> bytes:
    """Return the value at `start`: up to the end of its line, or to its closing bracket."""
    end = content.index(b"\n", start)
    opened = content[start:end]
    if opened in (b"{", b"["):
        end = content.find(b"\n  }" if opened == b"{" else b"\n  ]", start) + 4
    return content[start:end].removesuffix(b",")
