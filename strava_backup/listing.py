"""Lists the activities of an archive, offline. Changes nothing."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from strava_backup.archive.directory import Archive, Inventory, Stored
from strava_backup.items import ORIGINAL, PHOTO, PHOTO_LIST, VIDEO
from strava_backup.records import plan
from strava_backup.records.plan import Wanted
from strava_backup.strava.records import DETAIL_STATE, Activity
from strava_backup.timestamps import utc_timestamp

_FIELDS = (
    "distance",
    "elapsed_time",
    "manual",
    "moving_time",
    "name",
    "sport_type",
    "start_date",
    "start_date_local",
    "total_photo_count",
    "type",
    "upload_id",
)
# The form of Strava's times, whose hours end with 23.
_UTC = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z")
_STEM = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2})-([0-9]{2})-([0-9]{2})Z_", re.ASCII)
_DAY = len("2026-05-06")
# More than any distance in metres or duration in seconds; larger numbers cannot be formatted well.
_TOO_LARGE = 1e12


class Row(NamedTuple):
    """One activity; unknown texts are empty, unknown numbers None.

    `start` is in UTC with a Z, or only a day if the metadata's time is unreliable; `start_local`
    has no zone. Distances are in metres, times in seconds. `files` are the originals, as paths
    relative to the root, and `photos` is the number of stored ones. `missing` has the kinds of
    items that are missing and may exist, and `refused` Strava's reasons for those that it refused.
    """

    id: int
    start: str = ""
    start_local: str = ""
    sport_type: str = ""
    distance: float | None = None
    moving_time: float | None = None
    elapsed_time: float | None = None
    name: str = ""
    files: tuple[str, ...] = ()
    photos: int = 0
    metadata: str | None = None
    missing: tuple[str, ...] = ()
    refused: dict[str, str] = {}  # noqa: RUF012  # never modified
    gone_since: str = ""

    @property
    def shown_start(self) -> str:
        """The start in local time, in UTC if that is unknown."""
        return self.start_local or self.start


class Query(NamedTuple):
    """The activities to list: by a text in the title, by the days of the start, both inclusive."""

    text: str = ""
    since: date | None = None
    until: date | None = None
    only_incomplete: bool = False


def read_rows(root: Path, clock: Callable[[], float]) -> list[Row]:
    """Return all activities of the archive at `root`, oldest first.

    Raises ConfigError if there is no archive, or one of a newer format, and DiskError. The archive
    is not locked: a run replaces whole files only, so that it does not disturb a reader.
    """
    archive = Archive(root)
    archive.check_exists()
    archive.read_marker()
    inventory = archive.scan(_FIELDS, with_listed=False)
    today = datetime.fromtimestamp(clock(), UTC).date()
    rows = _Rows(inventory, today)
    return sorted(map(rows.row, inventory.activities), key=lambda row: (row.start, row.id))


def select(rows: Iterable[Row], query: Query) -> list[Row]:
    """Return the rows that match all conditions. An unknown start is on no day."""
    text = _folded(query.text)
    since = query.since.isoformat() if query.since else ""
    until = query.until.isoformat() if query.until else "9999-12-31"
    has_days = query.since is not None or query.until is not None
    return [
        row
        for row in rows
        if (not query.only_incomplete or row.missing)
        and (not has_days or (row.shown_start and since <= row.shown_start[:_DAY] <= until))
        and (not text or text in _folded(row.name))
    ]


class _Rows:
    """Makes the rows of an inventory."""

    def __init__(self, inventory: Inventory, today: date) -> None:
        self._inventory = inventory
        self._today = today
        self._wanted = Wanted(details=False, unproven=plan.unproven_items(inventory))
        self._photos: dict[int, list[Stored]] = defaultdict(list)
        for (activity_id, _), photo in inventory.photos.items():
            self._photos[activity_id].append(photo)

    def row(self, activity_id: int) -> Row:
        """Return the row of a stored activity."""
        stored = self._inventory.activities[activity_id]
        photos = self._photos.get(activity_id, [])
        values = stored.fields
        missing = self._missing(activity_id, stored, photos)
        refused = stored.own.get("refused", {})
        return Row(
            activity_id,
            _start(stored),
            _local(values.get("start_date_local")),
            # Earlier versions stored only the type.
            _text(values.get("sport_type")) or _text(values.get("type")),
            _number(values.get("distance")),
            _number(values.get("moving_time")),
            _number(values.get("elapsed_time")),
            _text(values.get("name")),
            stored.file_texts,
            sum(bool(photo.file_texts) for photo in photos),
            stored.metadata_text,
            missing,
            {item: refused[item].get("why", "") for item in missing if item in refused},
            stored.own.get("gone_since", ""),
        )

    def _missing(self, activity_id: int, stored: Stored, photos: list[Stored]) -> tuple[str, ...]:
        """Return the kinds of items that the next run requests, and an original that is refused.

        Items of activities that were deleted on Strava do not exist any more.
        """
        if plan.is_gone(stored.own):
            return ()
        activity = Activity(activity_id, datetime.min, stored.fields)
        own, wanted, today = stored.own, self._wanted, self._today
        items = plan.missing_items(activity, DETAIL_STATE, stored.suffixes, own, wanted, today)
        if PHOTO_LIST in items and len(photos) >= activity.record["total_photo_count"]:
            # All are stored, but not by the list that the API has for each activity.
            items = tuple(item for item in items if item != PHOTO_LIST)
        if ORIGINAL not in items and self._is_refused(stored):
            items = (ORIGINAL, *items)
        return items + self._missing_media(activity_id, photos) if photos else items

    def _is_refused(self, stored: Stored) -> bool:
        own, wanted, today = stored.own, self._wanted, self._today
        return (
            ORIGINAL in own.get("refused", {})
            and stored.lacks_original
            and plan.is_unavailable(own, ORIGINAL, wanted, today)
            and plan.may_have_original(stored.fields, own, wanted, today)
        )

    def _missing_media(self, activity_id: int, photos: list[Stored]) -> tuple[str, ...]:
        """Return the kinds of items that the stored photos of an activity lack."""
        noted = [photo for photo in photos if photo.metadata_text is not None]
        pictures, wanted, today = self._inventory.photos, self._wanted, self._today
        lacks_picture = any(
            plan.lacks_picture(photo, wanted, today)
            and not plan.is_stored_as_other(activity_id, photo, pictures)
            for photo in noted
        )
        lacks_video = any(plan.lacks_video(photo, wanted, today) for photo in noted)
        return (PHOTO,) * lacks_picture + (VIDEO,) * lacks_video


def _start(stored: Stored) -> str:
    """Return the start in UTC by the metadata, else by the name of the files.

    Until 2026-03, earlier versions wrote the month in place of the minute in both, and no
    `resource_state`: then only the day is certain.
    """
    start = _utc(stored.fields.get("start_date")) or _named_start(stored.stem.name)
    return start if stored.resource_state is not None else start[:_DAY]


def _named_start(stem: str) -> str:
    found = _STEM.match(stem)
    return "{}T{}:{}:{}Z".format(*found.groups()) if found else ""


def _utc(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(value)
        # Most times need no conversion, which would take 3 % of a list's time.
        if _UTC.fullmatch(value):
            return str(value)
        return utc_timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (TypeError, ValueError, OverflowError):
        return ""


def _local(value: Any) -> str:
    """Return the local time without a zone: the API marks it as UTC (Z), which is wrong."""
    try:
        moment = datetime.fromisoformat(value)
        if _UTC.fullmatch(value):
            return str(value[:-1])
        return moment.replace(tzinfo=None).isoformat(timespec="seconds")
    except (TypeError, ValueError):
        return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    # Not isinstance, since True is an int in Python. A comparison with NaN is false.
    return value if type(value) in (int, float) and 0 <= value < _TOO_LARGE else None


def _folded(text: str) -> str:
    """Return a text for comparison: without case, and in one of Unicode's equivalent forms.

    https://www.unicode.org/versions/latest/core-spec/chapter-3/#G53253 (caseless matching)
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
