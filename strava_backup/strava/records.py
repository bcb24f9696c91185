"""Pure: activities as we keep them, and what a source of them can do. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from strava_backup import errors

Record = dict[str, Any]

# The fields in which a difference between two listings counts as a change. Kudos, ranks and other
# counters change every day and are none.
_COMPARED = (
    "name",
    "description",
    "sport_type",
    "gear_id",
    "start_date",
    "start_date_local",
    "distance",
    "moving_time",
    "elapsed_time",
    "total_elevation_gain",
    "commute",
    "trainer",
    "private",
    "visibility",
    "total_photo_count",
)


class Activity(NamedTuple):
    """One record of a listing that has what an archive needs: an id and a start."""

    id: int
    start: datetime
    record: Record

    @property
    def name(self) -> str:
        """The athlete's own title; may hold anything."""
        return str(self.record.get("name") or "")


class Source(Protocol):
    """What `backup` asks of a source of activities. Every `fetch_*` costs requests."""

    name: str

    def fetch_activities(self) -> Iterator[Any]:
        """All records, newest first, no id twice; whether one is sound is for the caller to see.

        Raises the errors of `strava_backup.errors`; an incomplete listing never ends quietly.
        """

    def fetch_activity(self, activity_id: int) -> Record:
        """The detail of one activity. Raises Refused, Unreachable and the fatal errors."""


def parse_activity(record: Any) -> Activity:
    """The activity in a record of a listing. Raises ItemError if it lacks an id or a start.

    `start_date` is UTC in ISO 8601 (https://developers.strava.com/docs/reference/).
    """
    activity_id = record_id(record)
    if activity_id is None:
        raise errors.ItemError("a record of Strava's list has no activity id and was left out")
    try:
        start = datetime.fromisoformat(record["start_date"])
        if start.tzinfo is None:
            start = start.replace(tzinfo=UTC)
        return Activity(activity_id, start.astimezone(UTC), record)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise errors.ItemError(
            f"activity {activity_id}: Strava's list gives no readable start, left out"
        ) from error


def record_id(record: Any) -> int | None:
    """The id in a record, or None where there is no sound one."""
    value = record.get("id") if isinstance(record, dict) else None
    # bool is an int in Python, and no id in JSON.
    return value if isinstance(value, int) and value > 0 and value is not True else None


def compared_fields(record: Record) -> Record:
    """The fields of a listing record in which a difference counts as a change."""
    return {name: record[name] for name in _COMPARED if name in record}


def reason_for_no_original(record: Record) -> str | None:
    """Why an activity can have no original file, as far as its API record tells; else None.

    A manual activity was never a file; `upload_id: null` says the same of others, while a record
    without that key says nothing.
    """
    if record.get("manual") is True:
        return "manual activity"
    if "upload_id" in record and record["upload_id"] is None:
        return "not made from an upload"
    return None
