"""Route tables: the function that answers a path, and the kind of its requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from strava_backup.demo.account import Account
from strava_backup.demo.wire import Item, Request, Response

# The third argument is the id in the path, from the pattern's group: an int if it is all digits.
Answer = Callable[[Account, Request, Any], Response]


class Route(NamedTuple):
    """A route. `pattern` must match the whole path; its group, if it has one, is the id.

    `kind` names these requests in the log and in faults. `public` pages of the website need no
    log-in. `xhr` paths are loaded by scripts of its pages.
    """

    method: str
    pattern: str
    kind: str
    answer: Answer
    public: bool = False
    xhr: bool = False


class Match(NamedTuple):
    """The route of a request, and the id in its path."""

    route: Route
    id: Item | None


def find(routes: Sequence[Route], method: str, path: str) -> Match | None:
    """Return the first route for that method and path."""
    for route in routes:
        found = re.fullmatch(route.pattern, path)
        if found and route.method == method:
            return Match(route, _item(found[1]) if found.groups() else None)
    return None


def _item(text: str) -> Item:
    return int(text) if text.isdecimal() else text
