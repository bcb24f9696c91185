"""The API's rate limits: counts requests and waits if a limit is reached.

There is one limit per quarter of an hour and one per UTC day, both for read requests and for all
requests (https://developers.strava.com/docs/rate-limits). The counts come from the headers of the
API's answers; this module uses no other part of HTTP.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from strava_backup import errors
from strava_backup.strava.background import LET_INTERRUPTS_THROUGH, call_in_background

_log = logging.getLogger(__name__)

QUARTER = 15 * 60
DAY = 24 * 60 * 60
# Seconds to wait after the end of a quarter, because our clock and Strava's differ.
MARGIN = 5.0

# The most waits in a row after which the API may still report that nothing is left.
_MOST_FRUITLESS_WAITS = 3
# Python refuses to parse integers of more than 4,300 digits; real limits have far fewer.
_MOST_DIGITS = 18
_KINDS = ("x-readratelimit", "x-ratelimit")


class Use(NamedTuple):
    """A limit, and the number of requests used of it."""

    used: int
    limit: int


def parse_use(headers: Mapping[str, str]) -> list[tuple[int, Use]]:
    """Return the limits in an answer's headers, each with its period in seconds."""
    lower = {name.lower(): value for name, value in headers.items()}
    found = []
    for kind in _KINDS:
        used, limits = _pair(lower.get(f"{kind}-usage")), _pair(lower.get(f"{kind}-limit"))
        if used and limits:
            found += [(QUARTER, Use(used[0], limits[0])), (DAY, Use(used[1], limits[1]))]
    return found


def _pair(value: str | None) -> tuple[int, int] | None:
    parts = [part.strip() for part in (value or "").split(",")]
    if len(parts) != 2 or not all(map(_is_number, parts)):
        return None
    return int(parts[0]), int(parts[1])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


class Budget:
    """The requests that the limits still allow, including those in flight. Thread-safe."""

    def __init__(
        self,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        waits: Callable[[str], None] = lambda what: None,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._waits = waits
        self._waiting = threading.Lock()
        self._lock = threading.Condition()
        self._in_flight = 0
        self._fruitless_waits = 0
        # The number of the quarter in which a request began that Strava refused with a 429.
        self._refused_in: int | None = None
        self.is_closed = False
        # By seconds: the number of the window that is meant, and what is known of it.
        self._known: dict[int, tuple[int, list[Use]]] = {}

    @contextmanager
    def request(self) -> Iterator[Callable[[Mapping[str, str]], None]]:
        """Make one request in here, as soon as the budget allows it.

        Yields the function that reads the limits in the headers of its answer.

        The caller passes the answer's headers to `answered`. Raises LimitReached if the limit of
        the day is reached, and after `close`. If the request raises LimitReached (Strava answered
        429), the first one of a run uses up the quarter, and one in a later quarter closes the
        budget.
        """
        with self._waiting:
            while (pause := self._begin()) is not None:
                self._wait(pause)
        began = _window(QUARTER, self._clock())
        is_counted = False

        def answered(headers: Mapping[str, str]) -> None:
            nonlocal is_counted
            is_counted = self._answered(headers, began) or is_counted

        try:
            yield answered
        except errors.LimitReached:
            self._refuse(began)
            raise
        finally:
            self._end(is_counted=is_counted)

    def close(self) -> None:
        """Refuse all further requests, and end all waits."""
        with self._lock:
            self.is_closed = True
            self._lock.notify_all()

    def _answered(self, headers: Mapping[str, str], began: int) -> bool:
        """Read the limits in the headers of an answer; False if they may be out of date."""
        now = self._clock()
        told = parse_use(headers)
        if not told or began != _window(QUARTER, now):
            return False
        with self._lock:
            for seconds in {seconds for seconds, _ in told}:
                uses = [use for one, use in told if one == seconds]
                before = self._uses(seconds, now)
                if len(before) == len(uses):
                    # Answers may arrive out of order, so the higher count is kept.
                    uses = [
                        use._replace(used=max(use.used, old.used))
                        for use, old in zip(uses, before, strict=True)
                    ]
                self._known[seconds] = (_window(seconds, now), uses)
            if all(use.used < use.limit for use in self._uses(QUARTER, now)):
                self._fruitless_waits = 0
        return True

    def _refuse(self, began: int) -> None:
        """Strava answered 429: whatever its headers say, nothing is left of this quarter."""
        now = self._clock()
        with self._lock:
            if self._refused_in not in (None, began):
                self.is_closed = True
                self._lock.notify_all()
            self._refused_in = began
            if began == _window(QUARTER, now):
                uses = self._uses(QUARTER, now) or [Use(1, 1)]
                spent = [use._replace(used=max(use.used, use.limit)) for use in uses]
                self._known[QUARTER] = (began, spent)

    def _wait(self, pause: float) -> None:
        """Sleep in a background thread, so that `close` can end the wait at once."""
        self._fruitless_waits += 1
        if self._fruitless_waits > _MOST_FRUITLESS_WAITS:
            raise errors.LimitReached(
                f"Strava's API limit for 15 minutes is still reached after {_MOST_FRUITLESS_WAITS} "
                "waits for it: try again later"
            )
        until = datetime.fromtimestamp(self._clock() + pause, UTC).strftime("%H:%M:%S")
        _log.info("the API's limit for 15 minutes is reached: requests continue at %s UTC", until)
        self._waits(f"API waits until {until} UTC")
        nap = call_in_background(partial(self._sleep, pause))
        nap.add_done_callback(lambda _: self._wake())
        with self._lock:
            while not (nap.done() or self.is_closed):
                self._lock.wait(LET_INTERRUPTS_THROUGH)
        self._waits("")

    def _wake(self) -> None:
        with self._lock:
            self._lock.notify_all()

    def _begin(self) -> float | None:
        """Count one more request as in flight, or return the seconds to wait before it."""
        now = self._clock()
        with self._lock:
            if self.is_closed:
                raise errors.LimitReached("no more requests are made to Strava's API in this run")
            if any(use.limit == 0 for use in self._uses(QUARTER, now)):
                raise errors.LimitReached(
                    "Strava's API allows no requests at all (a limit of 0): try again later"
                )
            for use in self._uses(DAY, now):
                if use.used + self._in_flight >= use.limit:
                    raise errors.LimitReached(
                        f"Strava's API limit of {use.limit:,} requests a day is reached: it is "
                        "reset at midnight UTC, and a run after that goes on from here"
                    )
            if any(use.used + self._in_flight >= use.limit for use in self._uses(QUARTER, now)):
                return QUARTER - now % QUARTER + MARGIN
            self._in_flight += 1
            return None

    def _end(self, *, is_counted: bool) -> None:
        now = self._clock()
        with self._lock:
            self._in_flight -= 1
            if is_counted:
                return
            # Without headers in an answer, the request is counted here.
            for seconds in self._known:
                uses = [use._replace(used=use.used + 1) for use in self._uses(seconds, now)]
                self._known[seconds] = (_window(seconds, now), uses)

    def _uses(self, seconds: int, now: float) -> list[Use]:
        """Return the counts of the present window; a new window starts with 0 used."""
        number, uses = self._known.get(seconds, (0, []))
        if number == _window(seconds, now):
            return uses
        return [use._replace(used=0) for use in uses]


def _window(seconds: int, now: float) -> int:
    return int(now // seconds)
