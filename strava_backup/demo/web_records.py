"""The records of activities, photos, bikes and shoes in the website's own lists.

The forms are those recorded by https://github.com/aaime921/aaime921-monorepo (projects/trainiq,
strava_training_activities_page.json, 2026) and https://github.com/mapliberator/extension
(docs/phase0-findings.md, 2026), unless noted otherwise. Pure; independent of HTTP and of the
account.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

from strava_backup.demo.activity import Activity, Json
from strava_backup.demo.bike_page import LANGUAGES, localised
from strava_backup.demo.gear import METRES, Bike, Gear
from strava_backup.demo.photos import Photo

METRES_PER_FOOT = 0.3048
THUMBNAIL = 256

# The tags of a ride of 2026, in their order; "6" is the trainer
# (https://github.com/hpbieker/training-ai).
TAGS = ("0", "10", "11", "15", "4", "5", "6", "7", "8", "9")
TRAINER_TAG = "6"


class Words(NamedTuple):
    """The list's texts in a language; the German and French ones are our own translation.

    `days` begin with Monday; `date` is a format string for a day's name and numbers.
    """

    days: tuple[str, ...]
    date: str
    long_units: dict[str, str]
    sports: dict[str, str]


WORDS = {
    "en": Words(
        ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
        "{day_name}, {month}/{day}/{year}",
        {"km": "kilometers", "mi": "miles"},
        {},
    ),
    "de": Words(
        ("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"),
        "{day_name}, {day}.{month}.{year}",
        {"km": "Kilometer", "mi": "Meilen"},
        {"Ride": "Radfahrt", "Run": "Lauf", "WeightTraining": "Krafttraining"},
    ),
    "fr": Words(
        ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."),
        "{day_name} {day:02}/{month:02}/{year}",
        {"km": "kilomètres", "mi": "miles"},
        {"Ride": "Vélo", "Run": "Course à pied", "WeightTraining": "Musculation"},
    ),
}


def activity_model(activity: Activity, language: str, units: str) -> Json:
    """Return the activity's record in the list of the athlete's training.

    It has no fields for upload, photos, heart rate and time zone, nor for manual entry.
    """
    # the numbers of the API's list, and the description from the API's detail
    record = {**activity.detail, **activity.summary()}
    gear_id = record["gear_id"] or ""
    sport = _sport(record["sport_type"], language)
    return {
        "id": activity.id,
        "id_str": str(activity.id),
        "name": record["name"],
        "description": record["description"],
        "sport_type": record["sport_type"],
        "display_type": sport,
        "activity_type_display_name": sport,
        "activity_url": f"https://www.strava.com/activities/{activity.id}",
        "private": record["private"],
        "visibility": record["visibility"],
        "bike_id": int(gear_id[1:]) if gear_id.startswith("b") else None,
        "athlete_gear_id": int(gear_id[1:]) if gear_id.startswith("g") else None,
        "commute": record["commute"],
        "trainer": record["trainer"],
        "tags": {tag: tag == TRAINER_TAG and record["trainer"] for tag in TAGS},
        "selected_tag_type": None,
        "flagged": record["flagged"],
        "has_latlng": bool(record["start_latlng"]),
        "suffer_score": record.get("suffer_score"),
        "embeddable": record["visibility"] == "everyone",
        "hide_heartrate": False,
        "hide_power": False,
        "is_changing_type": False,
        "static_map": None,
        **_start(record, language),
        **_size(record, language, units),
    }


def photo_item(photo: Photo, activity: Activity) -> Json:
    """Return the photo's record in the list of the athlete's photos; `large` is its largest copy.

    It is our guess that an Instagram photo has neither `photo_id` nor address, as in the API.
    """
    detail = activity.detail
    athlete_id = detail["athlete"]["id"]
    native, is_video = photo.kind != "instagram", photo.kind == "video"
    return {
        "photo_id": photo.unique_id if native else None,
        "id": photo.number,
        "media_type": 2 if is_video else 1,
        "activity_id": activity.id,
        "activity_id_str": str(activity.id),
        "post_id": None,
        "activity_name_escaped": _escaped(detail["name"]),
        "caption_escaped": _escaped(photo.caption),
        "thumbnail": photo.address(THUMBNAIL) if native else None,
        "large": photo.address() if native else None,
        "video": photo.playlist if is_video else None,
        "duration": photo.duration,
        # empty even for photos with a location
        "lat": None,
        "lng": None,
        "native": native,
        "owner_id": athlete_id,
        "viewing_athlete_id": athlete_id,
        "editable": True,
        "activity": {
            "id": activity.id,
            "athlete_id": athlete_id,
            "name": detail["name"],
            "description": detail["description"],
            "elapsed_time": detail["elapsed_time"],
            "moving_time": detail["moving_time"],
            "elev_gain": detail["total_elevation_gain"],
            "distance": detail["distance"],
            "type": detail["type"],
            "private": detail["private"],
            "start_date": detail["start_date"],
        },
        "dimensions": {
            "large": _sides(photo.dimensions()),
            "thumbnail": _sides(photo.dimensions(THUMBNAIL)),
        },
        "is_sponsored_photo": False,
        "enhanced_photo": None,
    }


def gear_item(gear: Gear, units: str) -> Json:
    """Return the record of a bike or of shoes, retired or not, in the lists of the settings page.

    The fields are those that https://github.com/pR0Ps/stravaweblib reads (branch
    feature/standalone-scraping); it parses `total_distance` as a text with commas.
    """
    own = ("frame_type", "weight") if isinstance(gear, Bike) else ("notification_distance",)
    detail = gear.detail(units)
    return {
        "id": int(gear.id[1:]),
        "display_name": gear.nickname or gear.name,
        "name": gear.name,
        "default": gear.primary,
        "total_distance": f"{gear.distance / METRES[units]:,.1f}",
        "active": not gear.retired,
        **{name: detail[name] for name in ("brand_name", "model_name", "description", *own)},
    }


def _start(record: Json, language: str) -> Json:
    words = WORDS[language]
    utc = datetime.fromisoformat(record["start_date"]).astimezone(UTC)
    # the wrong Z makes this the epoch of the local time, like the website's value
    local = datetime.fromisoformat(record["start_date_local"])
    day_name = words.days[local.weekday()]
    return {
        "start_time": utc.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "start_date_local_raw": int(local.timestamp()),
        "start_date": words.date.format(
            day_name=day_name, day=local.day, month=local.month, year=local.year
        ),
        "start_day": day_name,
    }


def _size(record: Json, language: str, units: str) -> Json:
    signs, long_unit = LANGUAGES[language], WORDS[language].long_units[units]
    # truncated, not rounded: 29045.6 m are "29.04" km
    hundredths = int(record["distance"] * 100 / METRES[units])
    distance = localised(f"{hundredths / 100:,.2f}", signs)
    gain = record["total_elevation_gain"]
    shown_gain = gain if units == "km" else gain / METRES_PER_FOOT
    return {
        "distance": distance,
        "distance_raw": record["distance"],
        "short_unit": units,
        "long_unit": long_unit,
        "elevation_gain": localised(f"{shown_gain:,.0f}", signs),
        "elevation_gain_raw": int(gain) if gain == int(gain) else gain,
        "elevation_unit": "m" if units == "km" else "ft",
        "elapsed_time": _clock_time(record["elapsed_time"]),
        "elapsed_time_raw": record["elapsed_time"],
        "moving_time": _clock_time(record["moving_time"]),
        "moving_time_raw": record["moving_time"],
        "twitter_msg": f"{distance} {long_unit}",
    }


def _sport(sport_type: str, language: str) -> str:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", sport_type)
    return WORDS[language].sports.get(sport_type, spaced)


def _clock_time(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def _sides(sides: tuple[int, int]) -> Json:
    return {"width": sides[0], "height": sides[1]}


def _escaped(text: str) -> str:
    # Rails, which creates the pages, escapes the apostrophe as &#39;
    return escape(text).replace("&#x27;", "&#39;")
