"""Faults that replace or change the made-up account's answers to one kind of request.

A fault changes an answer, never the account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from strava_backup.demo.errors import WEBSITE, api_error, empty_json
from strava_backup.demo.wire import DROPPED, Item, Response, html, redirect


@dataclass
class Fault:
    """One kind of failure, the requests that it affects, and how many times (None: always).

    `id` is an activity id, for lists the page, for the website's list of photos the cursor ("" on
    its first page; "0" for the list of routes), for the list of gear "bikes" or "shoes", for gear
    and bike pages the gear id ("b123"), for pictures the photo's `unique_id`; None stands for all
    of them. `what` is a key of REPLACEMENTS or CHANGES below.
    """

    kind: str
    what: str
    id: Item | None = None
    times: int | None = None
    retry_after: int | None = None
    body: bytes = b""
    flood: bytes = b""
    pause: float = 0.0

    def __post_init__(self) -> None:
        if self.what not in REPLACEMENTS and self.what not in CHANGES:
            raise ValueError(f"no such fault: {self.what}")

    def names(self, kind: str, item: Item | None) -> bool:
        """Return whether the fault affects this request now."""
        return self.kind == kind and self.id in (None, item) and self.times != 0

    @property
    def replaces(self) -> bool:
        """Whether the fault replaces the whole answer, so that a POST has no effect either."""
        return self.what in REPLACEMENTS

    def replacement(self, *, api: bool, item: Item | None) -> Response:
        """Return the answer that replaces the account's."""
        response = REPLACEMENTS[self.what](api, item)
        if self.retry_after is None:
            return response
        return response.with_headers(("Retry-After", str(self.retry_after)))

    def change(self, answer: Response) -> Response:
        """Return the account's answer, damaged."""
        return CHANGES[self.what](answer, self)


_API_ERRORS: dict[int, tuple[str, ...]] = {
    401: ("Authorization Error", "Athlete", "access_token", "invalid"),
    403: ("Forbidden", "Application", "Status", "Inactive"),
    404: ("Resource Not Found", "Activity", "", "not found"),
    429: ("Rate Limit Exceeded", "Application", "overall rate limit", "exceeded"),
    500: ("Internal Server Error",),
    503: ("Service Unavailable",),
}


def _status(status: int) -> Callable[[bool, Item | None], Response]:
    def answer(api: bool, item: Item | None) -> Response:
        if api:
            return api_error(status, *_API_ERRORS[status])
        if status == 401:
            return empty_json(401)
        return html(f"<!DOCTYPE html><html><body><h1>{status}</h1></body></html>", status)

    return answer


def _page(api: bool, item: Item | None) -> Response:
    return html("<!DOCTYPE html><html><body><h1>Something went wrong</h1></body></html>")


def _redirect(path: str) -> Callable[[bool, Item | None], Response]:
    return lambda api, item: redirect(f"{WEBSITE}{path}".replace("ID", str(item)))


def _silence(api: bool, item: Item | None) -> Response:
    return Response(0, stall=True)


def _half(answer: Response) -> int:
    return len(answer.body) // 2


def _cut(answer: Response, **changes: Any) -> Response:
    return answer._replace(cut=_half(answer), **changes)


REPLACEMENTS: dict[str, Callable[[bool, Item | None], Response]] = {
    **{str(status): _status(status) for status in _API_ERRORS},
    "html": _page,
    "redirect-login": _redirect("/login"),
    "redirect-activity": _redirect("/activities/ID"),
    "redirect-dashboard": _redirect("/dashboard"),
    # closed before any answer, and before the request had any effect
    "dropped": lambda api, item: DROPPED,
    # no answer, and the connection stays open
    "silent": _silence,
}

CHANGES: dict[str, Callable[[Response, Fault], Response]] = {
    "empty": lambda answer, fault: answer._replace(body=b""),
    "truncated": lambda answer, fault: _cut(answer),
    # half the body and a clean end: nothing on the wire shows that something is missing
    "truncated-unframed": lambda answer, fault: answer._replace(
        body=answer.body[: _half(answer)], framing="close"
    ),
    "stalled": lambda answer, fault: _cut(answer, stall=True),
    # the request has its effect, but the answer never arrives
    "lost": lambda answer, fault: DROPPED,
    "other-body": lambda answer, fault: answer._replace(body=fault.body),
    # `body` in place of the whole answer, and then `flood` without end
    "raw": lambda answer, fault: answer._replace(
        raw=fault.body, flood=fault.flood, pause=fault.pause
    ),
}
