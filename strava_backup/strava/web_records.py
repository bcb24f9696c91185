"""Pure: records of the website -> the API's field names, the website's own record kept beside.

The fields are those that https://github.com/mapliberator/extension (docs/phase0-findings.md) and
https://github.com/pR0Ps/stravaweblib describe. No shape of input makes these functions fail: what
cannot be read is left out.
"""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any

from strava_backup.strava.records import OWN_KEY, SUMMARY_STATE, Record, is_id

# API name: name in the website's list of activities.
_ACTIVITY_FIELDS = {
    "id": "id",
    "name": "name",
    "description": "description",
    "sport_type": "sport_type",
    "distance": "distance_raw",
    "moving_time": "moving_time_raw",
    "elapsed_time": "elapsed_time_raw",
    "total_elevation_gain": "elevation_gain_raw",
    "visibility": "visibility",
    "private": "private",
    "commute": "commute",
    "trainer": "trainer",
    "flagged": "flagged",
}

_GEAR_FIELDS = {
    "name": "display_name",
    "primary": "default",
    "brand_name": "brand_name",
    "model_name": "model_name",
    "description": "description",
    "frame_type": "frame_type",
    "weight": "weight",
}


def activity_record(model: Any) -> Any:
    """An entry of the website's list as the API would name it; what is no object is passed on.

    `*_raw` are metres and seconds, the fields without are worded for people. There is no `type`:
    the website tells only `sport_type`.
    """
    if not isinstance(model, dict):
        return model
    record = {own: model[theirs] for own, theirs in _ACTIVITY_FIELDS.items() if theirs in model}
    return {
        **record,
        **_times(model),
        "gear_id": _gear_id(model),
        "resource_state": SUMMARY_STATE,
        OWN_KEY: {"website": model},
    }


def photo_record(item: Any) -> Any:
    """An entry of the website's list of photos as the API would name it.

    `photo_id` is the API's `unique_id`; captions and names come escaped for HTML.
    """
    if not isinstance(item, dict):
        return item
    width, height = _large_size(item)
    size = str(max(width, height))
    record = {
        "unique_id": item.get("photo_id"),
        "athlete_id": item.get("owner_id"),
        "activity_id": item["activity_id"] if is_id(item.get("activity_id")) else None,
        "activity_name": _unescaped(item.get("activity_name_escaped")),
        "caption": _unescaped(item.get("caption_escaped")),
        "type": item.get("media_type"),
        "urls": {size: item["large"]} if isinstance(item.get("large"), str) else {},
        "sizes": {size: [width, height]},
        "resource_state": SUMMARY_STATE,
        OWN_KEY: {"website": item},
    }
    if not item.get("photo_id"):
        record["id"] = item.get("id")  # entries from Instagram have no other
    if item.get("video"):
        record |= {"video_url": item["video"], "duration": item.get("duration")}
    if item.get("lat") is not None and item.get("lng") is not None:
        record["location"] = [item["lat"], item["lng"]]
    return record


def gear_record(item: Any, prefix: str) -> Record | None:
    """An entry of the website's bikes (`b`) or shoes (`g`) as the API would name it, or None.

    `total_distance` is a text whose unit is not sure, so it stays in the website's own record.
    """
    number = item.get("id") if isinstance(item, dict) else None
    if not is_id(number):
        return None
    record = {own: item[theirs] for own, theirs in _GEAR_FIELDS.items() if theirs in item}
    if isinstance(item.get("active"), bool):
        record["retired"] = not item["active"]
    return {
        **record,
        "id": f"{prefix}{number}",
        "resource_state": SUMMARY_STATE,
        OWN_KEY: {"website": item},
    }


def _times(model: Record) -> Record:
    """Start in UTC, on the local wall clock, and the seconds between the two.

    `start_date_local_raw` is a wall clock in the guise of an epoch: it must not be shifted into
    any time zone. The API puts the same false Z behind it.
    """
    try:
        start = datetime.strptime(model["start_time"], "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return {}
    times: Record = {"start_date": _iso(start)}
    try:
        if isinstance(model["start_date_local_raw"], bool):
            return times
        local = datetime.fromtimestamp(model["start_date_local_raw"], UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return times
    offset = (local - start).total_seconds()
    return {**times, "start_date_local": _iso(local), "utc_offset": offset}


def _gear_id(model: Record) -> str | None:
    """A bike's id has no prefix on the website; what is no bike is taken for `g`."""
    for field, prefix in (("bike_id", "b"), ("athlete_gear_id", "g")):
        if is_id(model.get(field)):
            return f"{prefix}{model[field]}"
    return None


def _large_size(item: Record) -> tuple[int, int]:
    large = item.get("dimensions")
    large = large.get("large") if isinstance(large, dict) else None
    large = large if isinstance(large, dict) else {}
    width, height = large.get("width"), large.get("height")
    return (width if is_id(width) else 0, height if is_id(height) else 0)


def _unescaped(text: Any) -> Any:
    try:
        return html.unescape(text) if isinstance(text, str) else text
    except ValueError:  # a character of more digits than Python reads
        return text


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
