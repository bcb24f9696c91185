"""Tasks, and the ways to Strava they go. Knows neither Strava's forms nor the archive's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import NamedTuple

from strava_backup import errors
from strava_backup.report import Report

# A fault of the items themselves seldom hits three in a row; a fault of the way there does.
_FAILURES_THAT_END_A_LANE = 3


class Lane:
    """One way to Strava. A fatal error, or three items in a row that cannot be reached, end it."""

    def __init__(self, name: str, report: Report) -> None:
        self.name = name
        self.is_over = False
        self._report = report
        self._failures_in_a_row = 0

    def succeeded(self) -> None:
        """An item came."""
        self._failures_in_a_row = 0

    def failed(self, error: errors.ItemError) -> None:
        """An item did not come."""
        if not error.ends_lane_when_repeated:
            self._failures_in_a_row = 0
            return
        self._failures_in_a_row += 1
        if self._failures_in_a_row == _FAILURES_THAT_END_A_LANE:
            self.end(
                errors.TryLater(
                    f"{self._failures_in_a_row} requests in a row to the {self.name} failed, "
                    "so no more are made: try again later"
                )
            )

    def end(self, error: errors.Error) -> None:
        """Send nothing more this way; the run ends with the error's exit code."""
        self.is_over = True
        self._report.fatal.append(error)


class Done(NamedTuple):
    """A fetched item in words, and the tasks that it calls for."""

    text: str = ""
    leads_to: tuple[Task, ...] = ()


class Task(NamedTuple):
    """One item to fetch: what it is, its way, and the metadata in which its refusals are noted."""

    item: str
    what: str
    lane: Lane
    metadata: PurePosixPath
    fetch: Callable[[], Done]
    activity_id: int | None = None


class Lanes:
    """The ways of one run; `source` is that of lists and metadata, and may be the website."""

    def __init__(self, report: Report, source_name: str) -> None:
        self.website = Lane("website", report)
        self.photo_hosts = Lane("photo hosts", report)
        self.source = self.website if source_name == "website" else Lane("API", report)
