"""What the website's own lists tell of an activity, a photo, a bike or a pair of shoes.

The shapes are those recorded by https://github.com/aaime921/aaime921-monorepo (projects/trainiq,
strava_training_activities_page.json, 2026) and https://github.com/mapliberator/extension
(docs/phase0-findings.md, 2026), where not said otherwise. Pure; knows no HTTP and no account.
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

# in the order and of the number that a ride of 2026 had; "6" is the trainer
# (https://github.com/hpbieker/training-ai)
TAGS = ("0", "10", "11", "15", "4", "5", "6", "7", "8", "9")
TRAINER_TAG = "6"


class Words(NamedTuple):
    """How a language words the list; the German and French words are our own translation.

    `days` begin with Monday; `date` is filled with one of them and with numbers.
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
    """The activity as the list of the athlete's training has it.

    It tells nothing of upload, photos, heart rate and time zone, nor whether it was typed in.
    """
    # the numbers of the API's list, and the description that only the API's detail has
    told = {**activity.detail, **activity.summary()}
    gear_id = told["gear_id"] or ""
    sport = _sport(told["sport_type"], language)
    return {
        "id": activity.id,
        "id_str": str(activity.id),
        "name": told["name"],
        "description": told["description"],
        "sport_type": told["sport_type"],
        "display_type": sport,
        "activity_type_display_name": sport,
        "activity_url": f"https://www.strava.com/activities/{activity.id}",
        "private": told["private"],
        "visibility": told["visibility"],
        "bike_id": int(gear_id[1:]) if gear_id.startswith("b") else None,
        "athlete_gear_id": int(gear_id[1:]) if gear_id.startswith("g") else None,
        "commute": told["commute"],
        "trainer": told["trainer"],
        "tags": {tag: tag == TRAINER_TAG and told["trainer"] for tag in TAGS},
        "selected_tag_type": None,
        "flagged": told["flagged"],
        "has_latlng": bool(told["start_latlng"]),
        "suffer_score": told.get("suffer_score"),
        "embeddable": told["visibility"] == "everyone",
        "hide_heartrate": False,
        "hide_power": False,
        "is_changing_type": False,
        "static_map": None,
        **_start(told, language),
        **_size(told, language, units),
    }


def photo_item(photo: Photo, activity: Activity) -> Json:
    """The photo as the list of all of the athlete's photos has it; `large` is its largest copy.

    That an Instagram photo has neither `photo_id` nor address here, as in the API, is our guess.
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
        # here they are empty also for photos that have a place
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
    """The bike or the shoes as the page of settings loads them, also such as are retired.

    The fields are those that https://github.com/pR0Ps/stravaweblib reads (branch
    feature/standalone-scraping); it takes `total_distance` for a text with commas.
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


def _start(told: Json, language: str) -> Json:
    words = WORDS[language]
    utc = datetime.fromisoformat(told["start_date"]).astimezone(UTC)
    # its false Z makes an epoch of the wall clock, as the website does
    local = datetime.fromisoformat(told["start_date_local"])
    day_name = words.days[local.weekday()]
    return {
        "start_time": utc.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "start_date_local_raw": int(local.timestamp()),
        "start_date": words.date.format(
            day_name=day_name, day=local.day, month=local.month, year=local.year
        ),
        "start_day": day_name,
    }


def _size(told: Json, language: str, units: str) -> Json:
    signs, long_unit = LANGUAGES[language], WORDS[language].long_units[units]
    # 29045.6 m are "29.04" km: cut off, not rounded
    hundredths = int(told["distance"] * 100 / METRES[units])
    distance = localised(f"{hundredths / 100:,.2f}", signs)
    gain = told["total_elevation_gain"]
    shown_gain = gain if units == "km" else gain / METRES_PER_FOOT
    return {
        "distance": distance,
        "distance_raw": told["distance"],
        "short_unit": units,
        "long_unit": long_unit,
        "elevation_gain": localised(f"{shown_gain:,.0f}", signs),
        "elevation_gain_raw": int(gain) if gain == int(gain) else gain,
        "elevation_unit": "m" if units == "km" else "ft",
        "elapsed_time": _clock_time(told["elapsed_time"]),
        "elapsed_time_raw": told["elapsed_time"],
        "moving_time": _clock_time(told["moving_time"]),
        "moving_time_raw": told["moving_time"],
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
    # as Rails does it, on whose pages these texts are
    return escape(text).replace("&#x27;", "&#39;")
