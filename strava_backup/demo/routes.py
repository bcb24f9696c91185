"""Route tables: which function answers which path, and what kind of request that is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from strava_backup.demo.account import Account
from strava_backup.demo.wire import Item, Request, Response

# the third is the id in the path, as the route's pattern has it: a number if it is all digits
Answer = Callable[[Account, Request, Any], Response]


class Route(NamedTuple):
    """`pattern` must match the whole path; its group, if it has one, is the id.

    `kind` is the word for such requests in the log and in faults. `public` pages of the website
    are shown to everybody. `xhr` is what scripts of its pages load.
    """

    method: str
    pattern: str
    kind: str
    answer: Answer
    public: bool = False
    xhr: bool = False


class Match(NamedTuple):
    """The route that a request takes, and the id it names."""

    route: Route
    id: Item | None


def find(routes: Sequence[Route], method: str, path: str) -> Match | None:
    """The first route for that method and path."""
    for route in routes:
        found = re.fullmatch(route.pattern, path)
        if found and route.method == method:
            return Match(route, _item(found[1]) if found.groups() else None)
    return None


def _item(text: str) -> Item:
    return int(text) if text.isdecimal() else text
