"""Parses the JSON in an answer's body, with limits on depth and size. Pure; does no I/O."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from strava_backup.items import OWN_KEY
from strava_backup.strava.records import Record

_DEEPEST = 100
# A list of 200 activities has 15,000 values, a detail with thousands of efforts about 100,000. A
# value may take a hundred times the memory of its text.
_MOST_VALUES = 500_000
_LONGEST_INTEGER = 100
_CONTAINERS = frozenset((dict, list))
_OUR_KEY = OWN_KEY.encode()
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789E", b"000000000e")


def parse_json(body: bytes) -> Any:
    """Return the value in a body, with our own key removed from all its objects.

    Raises ValueError for everything that the archive cannot store as JSON: other text, NaN,
    numbers that Python cannot read or write, and more values or depth than Strava sends.
    """
    # No body has more values than bytes.
    if len(body) > _MOST_VALUES < sum(map(body.count, (b",", b"[", b"{"))):
        raise ValueError("too many values")
    return _parse(body, _hooks(body))


def _parse(body: bytes, hooks: Mapping[str, Any]) -> Any:
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant, **hooks)
    except RecursionError:
        raise ValueError("too deep") from None
    _check_depth(value)
    return value


def _hooks(body: bytes) -> Mapping[str, Any]:
    """The hooks that may have something to do: to call one takes longer than to parse a value.

    Strings are looked at as well, so that one in vain is possible.
    """
    has_our_key = _OUR_KEY in body or b"\\u00" in body
    digits = body.translate(_DIGITS_TO_ZERO)
    has_large_number = b"0e" in digits or b"0" * _LONGEST_INTEGER in digits
    return {**(_OBJECT_HOOK if has_our_key else {}), **(_NUMBER_HOOKS if has_large_number else {})}


def _without_our_key(record: Record) -> Record:
    # Our key controls the requests of the next run, so nothing from the network may set it.
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


_OBJECT_HOOK = {"object_hook": _without_our_key}
_NUMBER_HOOKS = {"parse_float": _parse_float, "parse_int": _parse_int}


def _check_depth(value: Any) -> None:
    level: list[Any] = [[value]]
    for _ in range(_DEEPEST + 2):
        if not level:
            return
        # By the type itself: a list of 200 activities has 12,000 parts.
        level = [part for one in level for part in _parts(one) if type(part) in _CONTAINERS]
    raise ValueError("too deep")


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if type(value) is dict else value
