"""Records of activities and photos, and the interface of their sources. Pure; does no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeGuard

from strava_backup import errors

if TYPE_CHECKING:
    from strava_backup.strava.transport import Download

Record = dict[str, Any]

# Strava's levels of detail of a record, `resource_state`.
SUMMARY_STATE = 2
DETAIL_STATE = 3

# A difference in one of these fields between two listings counts as a change of the activity.
# Kudos, ranks and other counters change every day, so they are ignored.
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

_PHOTO_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_GEAR_ID = re.compile(r"[a-z]{1,2}[0-9]{1,20}")
# The number of pages in a row without a new id after which a list counts as repeating itself.
_KNOWN_PAGES = 3
# Photos of Instagram never had an address (https://github.com/strava/go.strava).
NEVER_OFFERED = ("from Instagram",)
# Upper bounds for a listing, so that a faulty server cannot make it endless: 27 activities a day
# for ten years, and a margin above the list's total for uploads and deletions meanwhile.
_MOST_ACTIVITIES = 100_000
_MOST_BEYOND_TOTAL = 100
# More digits than any picture size has.
_LONGEST_SIZE = 9
# The `type` of videos in the API, and their `media_type` on the website
# (https://github.com/dblock/strava-ruby-client, spec of activity_photos).
_VIDEO_TYPE = 2
# Why an entry of a photo list has no picture.
NO_PICTURE = ("no address", "placeholder", *NEVER_OFFERED)
# The address of the placeholder that Strava sends if it has no picture in the requested size
# (https://github.com/dblock/strava-ruby-client/issues/76).
_PLACEHOLDER = re.compile(r"//d3nn82uaxijpm6\.cloudfront\.net/|placeholder-photo")


class Activity(NamedTuple):
    """A record of a listing that has the values required by the archive: an id and a start."""

    id: int
    start: datetime
    record: Record

    @property
    def name(self) -> str:
        """The athlete's own title; may contain any characters."""
        return str(self.record.get("name") or "")


class Photo(NamedTuple):
    """An entry of a photo list; without `url`, `why_not` says why there is no picture."""

    activity_id: int
    id: str
    url: str | None
    why_not: str
    record: Record

    @property
    def is_video(self) -> bool:
        """Whether Strava has a video of which the picture is the poster."""
        return self.video_url is not None or self.record.get("type") == _VIDEO_TYPE

    @property
    def video_url(self) -> str | None:
        """The address of a video's playlist."""
        url = self.record.get("video_url")
        return url if url and isinstance(url, str) else None


class Checkpoint(NamedTuple):
    """The stored ids, from which a source decides how far it has to list.

    `surplus` is the website's total minus the number of activities found, at the last complete
    listing.
    """

    activity_ids: frozenset[int]
    photos: frozenset[tuple[int, str]]
    surplus: int | None
    wants_full_listing: bool
    wants_full_photo_listing: bool
    now: datetime

    def has_photo(self, record: Any) -> bool:
        """Return whether the photo in a record of a photo list is known."""
        if not isinstance(record, dict) or not is_id(record.get("activity_id")):
            return False
        photo_id = str(record.get("unique_id") or record.get("id")).lower().replace("-", "")
        return (record["activity_id"], photo_id) in self.photos


class ListingResult(NamedTuple):
    """The result of a listing: whether it is complete, and the website's surplus."""

    is_whole: bool
    surplus: int | None


class Deduplicator:
    """Removes duplicate ids from a list whose pages shift, and detects a list that does not end.

    An upload during the listing shifts known records onto the next page. A server that repeats
    pages sends only known records; one that makes up ids exceeds every plausible total.
    """

    def __init__(self, name: str) -> None:
        self.ids: set[int] = set()
        self._name = name
        self._known_pages = 0

    def of(self, records: Iterable[Any], page: int, total: int | None = None) -> list[Any]:
        """Return the records with new ids, and those without an id.

        `total` is the number of activities that the list itself reports, if it does. Raises
        TryLater if the list repeats itself or does not end.
        """
        before = len(self.ids)
        new = []
        for record in records:
            activity_id = record_id(record)
            if activity_id is None or activity_id not in self.ids:
                new.append(record)
            if activity_id is not None:
                self.ids.add(activity_id)
        self._known_pages = self._known_pages + 1 if len(self.ids) == before else 0
        if self._known_pages == _KNOWN_PAGES:
            raise errors.TryLater(f"{self._name} repeats itself at page {page}")
        if len(self.ids) > _most_activities(total):
            raise errors.TryLater(
                f"{self._name} does not end: {len(self.ids):,} activities up to page {page}"
                + ("" if total is None else f", although it counts {total:,}")
            )
        return new


def _most_activities(total: int | None) -> int:
    if total is None:
        return _MOST_ACTIVITIES
    return min(total + _MOST_BEYOND_TOTAL, _MOST_ACTIVITIES)


class Source(Protocol):
    """The interface of a source of activities. Every `fetch_*` may make requests.

    `has_details` says whether the source can fetch single activities and gear. `listing_result`
    is the result of the last listing, once it has ended. `total` is the number of activities on
    Strava, as soon as a page of the list says it.
    """

    name: str
    has_details: bool
    total: int | None
    listing_result: ListingResult | None

    def stop_waiting(self) -> None:
        """End all waits for a rate limit; no more requests are made."""

    def fetch_activities(self, known: Checkpoint) -> Iterator[list[Any]]:
        """Yield pages of records, newest first, no id twice and no page empty.

        Records may be malformed; those that are known and unchanged may be left out. Each page may
        cost a request. Raises the errors of `strava_backup.errors`; an incomplete listing never
        ends quietly.
        """

    def fetch_new_photos(self, known: Checkpoint) -> Iterator[list[Any]]:
        """Yield pages of photos of all activities, newest first; none if each activity lists its
        own photos. Raises as above."""

    def fetch_gear_summaries(self) -> dict[str, Record] | None:
        """Return the athlete's bikes and shoes by id; None if the token's scopes hide them."""

    def fetch_activity(self, activity_id: int) -> Record:
        """Return the detail of one activity. Raises Refused, Unreachable and the fatal errors."""

    def fetch_photos(self, activity: Activity) -> list[Any]:
        """Return all entries of an activity's photo list. Raises as above."""

    def fetch_gear(self, gear_id: str) -> Record:
        """Return the detail of a bike or a pair of shoes. Raises as above."""

    def fetch_comments(self, activity_id: int, count: int) -> list[Any]:
        """Return an activity's comments, of which its listing counts so many. Raises as above."""

    def fetch_kudos(self, activity_id: int, count: int) -> list[Any]:
        """Return an activity's kudos, of which its listing counts so many. Raises as above."""

    def fetch_routes(self) -> Iterator[list[Any]]:
        """Yield pages of the athlete's routes, no id twice and no page empty. Raises as above, and
        NotPermitted if the token's scopes hide all routes."""

    def download_route(self, route_id: str) -> AbstractContextManager[Download]:
        """Return the GPX of a route. Raises as above, and NotPermitted."""


def parse_activity(record: Any) -> Activity:
    """Return the activity in a record of a listing. Raises ItemError without an id or a start.

    `start_date` is UTC in ISO 8601 (https://developers.strava.com/docs/reference/).
    """
    activity_id = record_id(record)
    if activity_id is None:
        raise errors.ItemError("a record of Strava's list has no activity id and was skipped")
    try:
        start = datetime.fromisoformat(record["start_date"])
        if start.tzinfo is None:
            start = start.replace(tzinfo=UTC)
        return Activity(activity_id, start.astimezone(UTC), record)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise errors.ItemError(
            f"activity {activity_id}: Strava's list has no valid start time for it, skipped"
        ) from error


def record_id(record: Any) -> int | None:
    """Return the id in a record, or None if it has no valid one."""
    value = record.get("id") if isinstance(record, dict) else None
    return value if is_id(value) else None


def is_id(value: Any) -> TypeGuard[int]:
    """Return whether this is a valid id; longer integers would break file names."""
    # In Python, a bool is an int as well.
    return isinstance(value, int) and 0 < value < 2**63 and value is not True


def lost_fields(detail: Record, summary: Record) -> str:
    """Return the names of the summary's fields that the detail lacks, as text for a message.

    Usually there are none, because a detail has all fields of a summary.
    """
    needed = [name for name in _COMPARED if summary.get(name) is not None]
    lost = [name for name in needed if detail.get(name) is None]
    if detail.get("resource_state") != DETAIL_STATE:
        lost.append("resource_state 3")
    return ", ".join(lost)


def compared_fields(record: Record) -> Record:
    """Return the fields of a listing record in which a difference counts as a change."""
    return {name: record[name] for name in _COMPARED if name in record}


def reason_for_no_original(record: Record) -> str | None:
    """Return why an activity can have no original file, according to its API record; else None.

    Manual activities and those with `upload_id: null` were never files. A record without the key
    `upload_id` allows no conclusion.
    """
    if record.get("manual") is True:
        return "manual activity"
    if "upload_id" in record and record["upload_id"] is None:
        return "not made from an upload"
    return None


def has_photo_id(record: Any) -> bool:
    """Return whether an entry of a photo list has an id that can be used in file names."""
    return isinstance(record, dict) and _PHOTO_ID.fullmatch(_photo_id(record)) is not None


def parse_photo(activity_id: int, record: Any) -> Photo:
    """Return the photo in an entry of a photo list. Raises ItemError without a valid id.

    `unique_id` is the id of native photos; entries from Instagram had `id` or `uid` and no address
    (https://github.com/strava/go.strava). The picture of a video is its poster.
    """
    record = record if isinstance(record, dict) else {}
    photo_id = _photo_id(record)
    if not _PHOTO_ID.fullmatch(photo_id):
        raise errors.ItemError("an entry has no photo id and was skipped")
    url = _largest(record.get("urls"))
    if url is None:
        why = NO_PICTURE[0] if record.get("unique_id") else NEVER_OFFERED[0]
        return Photo(activity_id, photo_id, None, why, record)
    if _PLACEHOLDER.search(url):
        return Photo(activity_id, photo_id, None, NO_PICTURE[1], record)
    return Photo(activity_id, photo_id, url, "", record)


def _photo_id(record: Record) -> str:
    candidates = (record.get("unique_id"), record.get("id"), record.get("uid"))
    return next((str(value) for value in candidates if value), "")


def gear_of_athlete(athlete: Record) -> dict[str, Record] | None:
    """Return the athlete's bikes and shoes by id; None if the token's scopes hide them.

    Without the scope profile:read_all the record has neither key.
    """
    if "bikes" not in athlete and "shoes" not in athlete:
        return None
    lists = [athlete.get(name) for name in ("bikes", "shoes")]
    gear = [one for listed in lists if isinstance(listed, list) for one in listed]
    return {one["id"]: one for one in gear if isinstance(one, dict) and is_gear_id(one.get("id"))}


def is_gear_id(value: Any) -> TypeGuard[str]:
    """Return whether this is a gear id: `b` for bikes or `g` for other gear, and a number."""
    return isinstance(value, str) and _GEAR_ID.fullmatch(value) is not None


def _largest(urls: Any) -> str | None:
    """Return the address with the largest size, which is the key; None if there is none."""
    if not isinstance(urls, dict):
        return None
    sized = [(int(size), url) for size, url in urls.items() if _is_size(size) and url]
    url = max(sized, default=(0, None), key=lambda pair: pair[0])[1]
    return url if isinstance(url, str) else None


def _is_size(key: Any) -> bool:
    # Python refuses to parse integers of more than 4,300 digits.
    return str(key).isdecimal() and len(str(key)) <= _LONGEST_SIZE
