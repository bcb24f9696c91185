"""How many requests the API still grants, by the headers of its answers, a clock and arithmetic.

There is a limit for each quarter of an hour and one for each UTC day, for reading and for all
requests (https://developers.strava.com/docs/rate-limits). Knows no HTTP beyond those headers.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from strava_backup import errors

_log = logging.getLogger(__name__)

QUARTER = 15 * 60
DAY = 24 * 60 * 60
# Seconds after the end of a quarter, since two clocks are never quite the same.
MARGIN = 5.0

_KINDS = ("x-readratelimit", "x-ratelimit")


class Use(NamedTuple):
    """The requests used of a limit."""

    used: int
    limit: int


def parse_use(headers: Mapping[str, str]) -> list[tuple[int, Use]]:
    """The limits that an answer tells, each with the seconds that it holds for."""
    lower = {name.lower(): value for name, value in headers.items()}
    found = []
    for kind in _KINDS:
        used, limits = _pair(lower.get(f"{kind}-usage")), _pair(lower.get(f"{kind}-limit"))
        if used and limits:
            found += [(QUARTER, Use(used[0], limits[0])), (DAY, Use(used[1], limits[1]))]
    return found


def _pair(value: str | None) -> tuple[int, int] | None:
    parts = [part.strip() for part in (value or "").split(",")]
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    return int(parts[0]), int(parts[1])


class Budget:
    """What is left of the limits, requests in flight counted. Safe to use from many threads."""

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
        self._lock = threading.Lock()
        self._in_flight = 0
        # Of each thread the quarter in which its request began; None when it has been answered.
        self._here = threading.local()
        # By seconds: the number of the window that is meant, and what is known of it.
        self._known: dict[int, tuple[int, list[Use]]] = {}

    @contextmanager
    def request(self) -> Iterator[None]:
        """Make one request in here, as soon as the budget allows it, and `answered` with it.

        Waits for the next quarter of the hour where need be; raises LimitReached for the day.
        """
        with self._waiting:
            while (pause := self._begin()) is not None:
                until = datetime.fromtimestamp(self._clock() + pause, UTC).strftime("%H:%M:%S")
                _log.info("the API's limit for 15 minutes is reached: it goes on at %s UTC", until)
                self._waits(f"API waits until {until} UTC")
                self._sleep(pause)
                self._waits("")
        self._here.quarter = _window(QUARTER, self._clock())
        try:
            yield
        finally:
            self._end()

    def answered(self, headers: Mapping[str, str]) -> None:
        """Take in what an answer tells of the limits."""
        now = self._clock()
        told = parse_use(headers)
        if not told or self._here.quarter != _window(QUARTER, now):
            return  # what it tells of may have been the quarter before
        self._here.quarter = None
        with self._lock:
            for seconds in {seconds for seconds, _ in told}:
                uses = [use for one, use in told if one == seconds]
                before = self._uses(seconds, now)
                if len(before) == len(uses):
                    # Answers overtake each other.
                    uses = [
                        use._replace(used=max(use.used, old.used))
                        for use, old in zip(uses, before, strict=True)
                    ]
                self._known[seconds] = (_window(seconds, now), uses)

    def refused(self) -> None:
        """Strava answered 429: whatever its headers say, nothing is left of this quarter."""
        now = self._clock()
        with self._lock:
            uses = self._uses(QUARTER, now) or [Use(0, 0)]
            spent = [use._replace(used=max(use.used, use.limit)) for use in uses]
            self._known[QUARTER] = (_window(QUARTER, now), spent)

    def _begin(self) -> float | None:
        """Count one more request as in flight, or return the seconds to wait before."""
        now = self._clock()
        with self._lock:
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

    def _end(self) -> None:
        now = self._clock()
        with self._lock:
            self._in_flight -= 1
            if self._here.quarter is None:
                return
            # No answer told of it; it counts all the same.
            for seconds in self._known:
                uses = [use._replace(used=use.used + 1) for use in self._uses(seconds, now)]
                self._known[seconds] = (_window(seconds, now), uses)

    def _uses(self, seconds: int, now: float) -> list[Use]:
        """What is known of the present window: nothing is used where it is a new one."""
        number, uses = self._known.get(seconds, (0, []))
        if number == _window(seconds, now):
            return uses
        return [use._replace(used=0) for use in uses]


def _window(seconds: int, now: float) -> int:
    return int(now // seconds)
