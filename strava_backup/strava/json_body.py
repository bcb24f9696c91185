"""Pure: the JSON in an answer's body, bounded in depth and size, and without our own key."""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any, NoReturn

from strava_backup.strava.records import OWN_KEY, Record

_DEEPEST = 100
# A list of 200 activities has 15,000 values, a detail with thousands of efforts some 100,000. Each
# may take a hundred times the memory of its text.
_MOST_VALUES = 500_000
_LONGEST_INTEGER = 100
_SLICE = 1 << 14
_OUR_KEY = OWN_KEY.encode()
_ESCAPED_LETTER = re.compile(rb"\\u00[567]")
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_PUNCTUATION = b" \t\r\n.,:+-[]{}"
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def parse_json(body: bytes) -> Any:
    """Return the value in a body, our own key removed from all its objects.

    Raises ValueError for everything that an archive could not keep as JSON: other text, NaN and
    numbers that Python cannot read or write again, and more values or depth than Strava sends.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise ValueError("too many values")
    return json.loads(body.decode("utf-8-sig")) if _is_plain(body) else _parse_closely(body)


def _parse_closely(body: bytes) -> Any:
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            object_hook=_without_our_key,
            parse_constant=_refuse_constant,
            parse_float=_parse_float,
            parse_int=_parse_int,
        )
    except RecursionError:
        raise ValueError("too deep") from None
    _check_depth(value)
    return value


def _is_plain(body: bytes) -> bool:
    """Whether the characters outside of strings show that nothing is deep, large or our own.

    A list of 200 activities takes a third of the time that it takes to look at each value.
    """
    if _OUR_KEY in body or _ESCAPED_LETTER.search(body) or b'\\"' in body:
        return False
    outside = _outside_of_strings(body.removeprefix(codecs.BOM_UTF8))
    for word in (b"true", b"false", b"null"):
        outside = outside.replace(word, b"")
    if outside.translate(_DIGITS_TO_ZERO, _PUNCTUATION).strip(b"0"):
        return False  # NaN, Infinity or an exponent
    if b"0" * _LONGEST_INTEGER in outside.translate(_DIGITS_TO_ZERO):
        return False
    brackets = outside.translate(None, _NO_BRACKETS)
    for _ in range(_DEEPEST):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return True
    return False


def _outside_of_strings(body: bytes) -> bytes:
    """JSON without its strings, in which no quote may be escaped."""
    outside = []
    in_string = 0
    # A slice at a time, since the pieces of a whole list would take megabytes.
    for start in range(0, len(body), _SLICE):
        pieces = body[start : start + _SLICE].split(b'"')
        outside.append(b"".join(pieces[in_string::2]))
        in_string = (in_string + len(pieces) - 1) % 2
    return b"".join(outside)


def _without_our_key(record: Record) -> Record:
    # It decides what is fetched; nothing that comes from the network may set it.
    record.pop(OWN_KEY, None)
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _parse_int(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:
        raise ValueError("a number is too large")
    return int(text)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST + 1):
        level = [child for one in level for child in _children(one)]
        if not level:
            return
    raise ValueError("too deep")


def _children(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
