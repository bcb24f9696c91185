"""The API's rate limits: one count per quarter of an hour and one per UTC day.

https://developers.strava.com/docs/rate-limits. Knows the headers, but no other part of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, field

QUARTER = 15 * 60
DAY = 24 * 60 * 60


@dataclass
class RateLimits:
    """Read limits `short` (15 minutes) and `daily`; the overall limits are twice as high."""

    short: int = 100
    daily: int = 1000
    overall_short: int | None = None
    overall_daily: int | None = None
    _used: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def overall(self) -> tuple[int, int]:
        """The overall limits: twice the read limits, unless set."""
        return self.overall_short or 2 * self.short, self.overall_daily or 2 * self.daily

    def usage(self, now: float) -> tuple[int, int]:
        """Return the number of requests counted in this quarter and on this day."""
        return self._used.get(_window(QUARTER, now), 0), self._used.get(_window(DAY, now), 0)

    def count(self, now: float) -> str | None:
        """Count a request; return the name of the limit that it exceeds, if any.

        A refused request counts, too: "Requests exceeding the 15-minute limit will still count
        toward the daily limit". A request that brings usage to exactly the limit is still served
        (dblock/strava-ruby-client, all_athlete_activities, page 31).
        """
        for seconds in (QUARTER, DAY):
            window = _window(seconds, now)
            self._used[window] = self._used.get(window, 0) + 1
        if _exceeds(self.usage(now), (self.short, self.daily)):
            return "read rate limit"
        return "overall rate limit" if _exceeds(self.usage(now), self.overall) else None

    def headers(self, now: float) -> tuple[tuple[str, str], ...]:
        """Return the headers with limits and usage; all requests here are read requests."""
        usage = _pair(self.usage(now))
        return (
            ("X-Ratelimit-Limit", _pair(self.overall)),
            ("X-Ratelimit-Usage", usage),
            ("X-Readratelimit-Limit", _pair((self.short, self.daily))),
            ("X-Readratelimit-Usage", usage),
        )


def _window(seconds: int, now: float) -> tuple[int, int]:
    return seconds, int(now // seconds)


def _exceeds(usage: tuple[int, int], limits: tuple[int, int]) -> bool:
    return usage[0] > limits[0] or usage[1] > limits[1]


def _pair(values: tuple[int, int]) -> str:
    return f"{values[0]},{values[1]}"
