"""Pure: the JSON in an answer's body, bounded in depth and size, and without our own key."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from strava_backup.strava.records import OURS, Record

_DEEPEST = 100
# A list of 200 activities has 15,000 values, a detail with thousands of efforts some 100,000. Each
# may take a hundred times the memory of its text.
_MOST_VALUES = 500_000
_LONGEST_INTEGER = 100


def parse_json(body: bytes) -> Any:
    """Return the value in a body, our own key removed from all its objects.

    Raises ValueError for everything that an archive could not keep as JSON: other text, NaN and
    numbers that Python cannot read or write again, and more values or depth than Strava sends.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise ValueError("too many values")
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


def _without_our_key(record: Record) -> Record:
    # It decides what is fetched; nothing that comes from the network may set it.
    record.pop(OURS, None)
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
