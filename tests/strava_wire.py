"""What the tests of `strava_backup.strava` share: the demo account's wire, and what is said on it.

The account answers by itself; only for answers that it never gives is one laid over them.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from strava_backup.demo.account import Account
from strava_backup.demo.adapter import DemoAdapter, raw_response
from strava_backup.demo.wire import Response

RIDE = 16_600_000_000  # the newest activity of the sample account, a FIT
MANUAL = 13_000_000_001  # has no original
NO_GPX = 1_000_002  # a JSON of which Strava makes no GPX


class Wire(DemoAdapter):
    """Notes timeouts and bodies; answers what is in `instead`, by "METHOD /path?query", as told.

    `make` may make up an answer to any other request. The account sees these requests, too.
    """

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.timeouts: list[Any] = []
        self.bodies: list[Any] = []
        self.instead: dict[str, Response] = {}
        self.make: Callable[[str], Response | None] = lambda path: None

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        self.timeouts.append(kwargs["timeout"])
        self.bodies.append(request.body)
        response_of_account = super().send(request, **kwargs)
        answer = self.instead.get(f"{request.method} {request.path_url}")
        answer = answer or self.make(request.path_url)
        if answer is None:
            return response_of_account
        raw = raw_response(answer, request.method)
        response = HTTPAdapter().build_response(request, raw)
        if not kwargs["stream"]:
            _ = response.content
        return response


class Store(list[tuple[str, str]]):
    """The secrets that were written back, in their order."""

    def __call__(self, name: str, value: str) -> None:
        self.append((name, value))


def asked(account: Account) -> list[str]:
    """The kinds of all requests, in their order."""
    return [request.kind for request in account.requests]


def gaps(account: Account) -> list[float]:
    """The seconds from the start of each request to that of the next, to the millisecond."""
    moments = [request.at for request in account.requests]
    return [round(later - earlier, 3) for earlier, later in pairwise(moments)]


def cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """The cookies in a request's headers."""
    pairs = (pair.partition("=") for pair in headers.get("cookie", "").split("; ") if pair)
    return {name: value for name, _, value in pairs}


def error_text(error: BaseException) -> str:
    """Return the whole text of an error, including its causes, contexts and reprs."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    return "".join(traceback.format_exception(error)) + "".join(map(repr, causes))


def is_pause(slept: list[float]) -> bool:
    """Whether the pauses are those between three tries."""
    return len(slept) == 2 and 1 <= slept[0] <= 1.5 and 3 <= slept[1] <= 4.5
