"""A made-up activity: Strava's own object, its original, and the GPX that Strava creates from it.

The fields are those recorded by dblock/strava-ruby-client (2025) and bikeindex/bike_index (2026).
Pure; independent of HTTP and of the account.
"""

from __future__ import annotations

import calendar
import functools
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from strava_backup.demo import files, photos
from strava_backup.demo.photos import Photo
from strava_backup.timestamps import utc_timestamp

ATHLETE_ID = 26462176

DETAIL_ONLY = {
    "available_zones", "best_efforts", "calories", "description", "embed_token", "gear",
    "hide_from_home", "laps", "perceived_exertion", "photos", "prefer_perceived_exertion",
    "segment_efforts", "similar_activities", "splits_metric", "splits_standard",
    "stats_visibility",
}  # fmt: skip

Json = dict[str, Any]


@dataclass
class Activity:
    """An activity. `original` is None if no file was uploaded, `gpx` if Strava can create none.

    The account updates the photos and the gear in `detail`.
    """

    detail: Json
    original: bytes | None = None
    original_suffix: str = ".fit"
    content_type: str = "application/octet-stream"
    gpx: bytes | None = None
    summary_changes: Json = field(default_factory=dict)
    photos: list[Photo] = field(default_factory=list)
    # on the edit page only; the API sent it to few apps
    private_note: str = ""

    @property
    def id(self) -> int:
        """The activity id."""
        return int(self.detail["id"])

    @property
    def started(self) -> float:
        """The start, in seconds since 1970."""
        return datetime.fromisoformat(self.detail["start_date"]).timestamp()

    @property
    def only_me(self) -> bool:
        """Whether only its owner may see it."""
        return bool(self.detail["visibility"] == "only_me")

    @property
    def original_name(self) -> str:
        """The name under which the website sends the original."""
        return file_name(self.detail["name"]) + self.original_suffix

    @property
    def gpx_name(self) -> str:
        """The name under which the website sends its GPX."""
        return file_name(self.detail["name"]) + ".gpx"

    def photo_records(self, size: int | None = None) -> list[Json]:
        """Return its photos as the API lists them; the first one is the default."""
        return [
            photo.record(self.detail, size, is_default=photo is self.photos[0])
            for photo in self.photos
        ]

    def summary(self) -> Json:
        """Return the object in the list: the detail without the fields that only a detail has."""
        kept = {key: value for key, value in self.detail.items() if key not in DETAIL_ONLY}
        route = {key: value for key, value in self.detail["map"].items() if key != "polyline"}
        shape = {"resource_state": 2, "map": {**route, "resource_state": 2}}
        return {**kept, **shape, **self.summary_changes}


def file_name(title: str) -> str:
    """Return the title as written in the name of a download.

    "Strava always removes periods from the filename"
    (https://github.com/pR0Ps/stravaweblib, webclient.py); other characters become underscores.
    """
    return re.sub(r"[^\w-]", "_", unicodedata.normalize("NFC", title).replace(".", ""))


def transliterated(name: str) -> str:
    """Return the name in ASCII, for the `filename=` that every client understands."""
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return re.sub(r'[^ -~]|["\\]', "_", plain)


def recorded(
    activity_id: int,
    start: datetime,
    name: str = "Morning Ride",
    sport_type: str = "Ride",
    *,
    seconds: int = 3600,
    distance: float = 20000.0,
    private: bool = False,
    **fields: Any,
) -> Json:
    """Return the detail of an activity recorded by a device; `fields` override made-up ones."""
    return {
        **_description(activity_id, start, name, sport_type),
        **_visibility(private),
        **_numbers(seconds, distance),
        **_counts(),
        **_route(activity_id, start),
        **_sensors(),
        **_detail_lists(activity_id, start, seconds, distance),
        "device_name": "Garmin Edge 840",
        "manual": False,
        "upload_id": activity_id + 1_000_000_000,
        "upload_id_str": str(activity_id + 1_000_000_000),
        "external_id": f"garmin_ping_{activity_id}",
        **fields,
    }


def manual(
    activity_id: int,
    start: datetime,
    name: str = "Gym",
    sport_type: str = "WeightTraining",
    *,
    seconds: int = 2700,
    distance: float = 0.0,
    private: bool = False,
    **fields: Any,
) -> Json:
    """Return the detail of a manual activity: no upload, no place, no sensors."""
    return {
        **_description(activity_id, start, name, sport_type),
        **_visibility(private),
        **_numbers(seconds, distance),
        **_counts(),
        "map": {
            "id": f"a{activity_id}",
            "polyline": "",
            "summary_polyline": "",
            "resource_state": 3,
        },
        "start_latlng": [],
        "end_latlng": [],
        "has_heartrate": False,
        "segment_efforts": [],
        "laps": [],
        "manual": True,
        "upload_id": None,
        "external_id": None,
        **fields,
    }


@functools.cache
def polyline(points: tuple[tuple[float, float], ...]) -> str:
    """Return the points in Google's encoded polyline format."""
    text, last = "", (0, 0)
    for latitude, longitude in points:
        here = (round(latitude * 1e5), round(longitude * 1e5))
        text += _polyline_number(here[0] - last[0]) + _polyline_number(here[1] - last[1])
        last = here
    return text


def _polyline_number(value: int) -> str:
    rest = ~(value << 1) if value < 0 else value << 1
    text = ""
    while rest >= 0x20:
        text += chr((0x20 | (rest & 0x1F)) + 63)
        rest >>= 5
    return text + chr(rest + 63)


def _description(activity_id: int, start: datetime, name: str, sport_type: str) -> Json:
    offset = _berlin_offset(start)
    return {
        "resource_state": 3,
        "athlete": {"id": ATHLETE_ID, "resource_state": 1},
        "id": activity_id,
        "name": name,
        "description": None,
        "type": "Workout" if sport_type == "Padel2" else sport_type,
        "sport_type": sport_type,
        "start_date": utc_timestamp(start),
        # local time with a false Z, as the API has it
        "start_date_local": utc_timestamp(start + timedelta(seconds=offset)),
        "timezone": "(GMT+01:00) Europe/Berlin",
        "utc_offset": float(offset),
        "location_city": None,
        "location_state": None,
        "location_country": None,
        "commute": False,
        "trainer": False,
        "flagged": False,
        "gear_id": None,
        "hide_from_home": False,
        "embed_token": f"{activity_id:040x}",
        "stats_visibility": [],
        "available_zones": [],
    }


def _visibility(private: bool) -> Json:
    return {"private": private, "visibility": "only_me" if private else "everyone"}


def _numbers(seconds: int, distance: float) -> Json:
    return {
        "distance": distance,
        "moving_time": seconds,
        "elapsed_time": seconds + 95,
        "total_elevation_gain": round(distance / 90, 1),
        "average_speed": round(distance / seconds, 3),
        "max_speed": round(distance / seconds * 1.7, 3),
        "calories": round(seconds * 0.17, 1),
        "perceived_exertion": None,
        "prefer_perceived_exertion": False,
    }


def _counts() -> Json:
    return {
        "achievement_count": 0,
        "kudos_count": 3,
        "comment_count": 0,
        "athlete_count": 1,
        "pr_count": 0,
        "has_kudoed": False,
        "from_accepted_tag": False,
        **photos.counts([]),
    }


def _route(activity_id: int, start: datetime) -> Json:
    places = [(point.latitude, point.longitude) for point in files.track(start, 60)]
    return {
        "map": {
            "id": f"a{activity_id}",
            "polyline": polyline(tuple(places)),
            "summary_polyline": polyline(tuple(places[::6])),
            "resource_state": 3,
        },
        "start_latlng": list(places[0]),
        "end_latlng": list(places[-1]),
        "elev_high": 320.0,
        "elev_low": 240.2,
    }


def _sensors() -> Json:
    return {
        "has_heartrate": True,
        "average_heartrate": 142.3,
        # whole numbers come as floats: 174.0
        "max_heartrate": 174.0,
        "heartrate_opt_out": False,
        "display_hide_heartrate_option": True,
        "average_cadence": 78.4,
        "average_temp": 14,
        "suffer_score": 56.0,
    }


def _detail_lists(activity_id: int, start: datetime, seconds: int, distance: float) -> Json:
    return {
        "segment_efforts": [],
        "splits_metric": [_split(number) for number in range(1, 4)],
        "splits_standard": [],
        "best_efforts": [],
        "laps": [_lap(activity_id, start, seconds, distance)],
    }


def _split(number: int) -> Json:
    return {
        "split": number,
        "distance": 1000.0,
        "elapsed_time": 180 + number,
        "moving_time": 180,
        "elevation_difference": 2.5,
        "average_speed": 5.56,
        "pace_zone": 0,
    }


def _lap(activity_id: int, start: datetime, seconds: int, distance: float) -> Json:
    return {
        "id": activity_id * 3 + 1,
        "resource_state": 2,
        "name": "Lap 1",
        "activity": {"id": activity_id, "resource_state": 1, "visibility": "everyone"},
        "athlete": {"id": ATHLETE_ID, "resource_state": 1},
        "elapsed_time": seconds + 95,
        "moving_time": seconds,
        "start_date": utc_timestamp(start),
        "start_date_local": utc_timestamp(start + timedelta(seconds=_berlin_offset(start))),
        "distance": distance,
        "average_speed": round(distance / seconds, 3),
        "lap_index": 1,
        "split": 1,
    }


def _berlin_offset(moment: datetime) -> int:
    """Return Berlin's offset from UTC without a time zone database, which Windows lacks."""
    summer = _last_sunday(moment.year, 3) <= moment < _last_sunday(moment.year, 10)
    return 7200 if summer else 3600


def _last_sunday(year: int, month: int) -> datetime:
    day = max(week[calendar.SUNDAY] for week in calendar.monthcalendar(year, month))
    return datetime(year, month, day, 1, tzinfo=UTC)
