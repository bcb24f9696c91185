"""Converts the website's records to the API's field names, and keeps the original record with them.

The fields are those described by https://github.com/mapliberator/extension
(docs/phase0-findings.md) and https://github.com/pR0Ps/stravaweblib. These functions never fail:
values that cannot be parsed are omitted. Pure; does no I/O.
"""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any

from strava_backup.items import OWN_KEY
from strava_backup.strava.records import SUMMARY_STATE, Record, is_id
from strava_backup.timestamps import utc_timestamp

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

_ROUTE_FIELDS = {
    "name": "title",
    "distance": "length",
    "elevation_gain": "elevationGain",
    "estimated_moving_time": "estimatedTime",
    "created_at": "creationTime",
    "private": "isPrivate",
    "starred": "isStarred",
    "athlete": "athlete",
}


def activity_record(model: Any) -> Any:
    """Return an entry of the website's list with the API's field names; other values unchanged.

    The fields `*_raw` are metres and seconds; those without the suffix are texts for display. There
    is no `type`, because the website has only `sport_type`.
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
    """Return an entry of the website's list of photos with the API's field names.

    `photo_id` is the API's `unique_id`; captions and names are escaped for HTML.
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
        record["id"] = item.get("id")  # the only id of entries from Instagram
    if item.get("video"):
        record |= {"video_url": item["video"], "duration": item.get("duration")}
    if item.get("lat") is not None and item.get("lng") is not None:
        record["location"] = [item["lat"], item["lng"]]
    return record


def gear_record(item: Any, prefix: str) -> Record | None:
    """Return an entry of the website's bikes (`b`) or shoes (`g`) with the API's field names.

    None if it has no valid id. `total_distance` is a text with an unknown unit, so it stays in the
    website's own record.
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


def route_record(node: Any) -> Any:
    """Return an entry of the website's list of routes with the API's field names.

    Its `id` is a text, the API's `id_str`. `routeType` has other values than the API's `type`.
    """
    if not isinstance(node, dict):
        return node
    record = {own: node[theirs] for own, theirs in _ROUTE_FIELDS.items() if theirs in node}
    return {
        **record,
        "id_str": node.get("id") if isinstance(node.get("id"), str) else None,
        "id": _number(node.get("id")),
        "resource_state": SUMMARY_STATE,
        OWN_KEY: {"website": node},
    }


def _number(value: Any) -> Any:
    """Return a text of up to 19 digits as a number, and other values unchanged."""
    is_number = isinstance(value, str) and value.isascii() and value.isdecimal()
    return int(value) if is_number and len(value) <= 19 else value


def _times(model: Record) -> Record:
    """Return the start in UTC, the start in local time, and the offset between them in seconds.

    `start_date_local_raw` encodes the local time as if it were UTC, so it must not be converted to
    another time zone. The API's `start_date_local` has the same wrong Z.
    """
    try:
        start = datetime.strptime(model["start_time"], "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return {}
    times: Record = {"start_date": utc_timestamp(start)}
    try:
        if isinstance(model["start_date_local_raw"], bool):
            return times
        local = datetime.fromtimestamp(model["start_date_local_raw"], UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return times
    offset = (local - start).total_seconds()
    return {**times, "start_date_local": utc_timestamp(local), "utc_offset": offset}


def _gear_id(model: Record) -> str | None:
    """Return the gear id with the API's prefix, `b` for bikes, else `g`; the website omits it."""
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
    except ValueError:  # a character reference with more digits than Python parses
        return text
