"""The expected files of a made-up account's archive, computed without the tested program."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity
from strava_backup.demo.photos import Photo

VIDEO_SUFFIXES = (".ts", ".mp4", ".mov")


def stem_of(activity: Activity) -> str:
    """Return the path of an activity's files, without suffix."""
    start = activity.detail["start_date"]
    return f"activities/{start[:4]}/{start.replace(':', '-')}_{activity.id}"


def expected_originals(account: Account) -> dict[str, bytes]:
    """Return every original of the account, and the GPX for each JSON, by path."""
    files = {}
    for activity in account.activities:
        if activity.original is not None:
            files[stem_of(activity) + activity.original_suffix] = activity.original
        if activity.original_suffix == ".json" and activity.gpx is not None:
            files[stem_of(activity) + ".gpx"] = activity.gpx
    return files


def photo_stem(activity: Activity, photo: Photo) -> str:
    """Return the path of a photo's files, without suffix."""
    return f"photos/{activity.id}_{photo.unique_id}"


def expected_pictures(account: Account) -> dict[str, bytes]:
    """Return every picture of the account, by path; the poster for a video."""
    return {
        f"{photo_stem(activity, photo)}.{photo.kind.replace('video', 'jpg')}": photo.content
        for activity in account.activities
        for photo in activity.photos
        if photo.kind not in ("placeholder", "instagram")
    }


def expected_times(account: Account) -> dict[str, float]:
    """Return the modification times of files by path: the starts of their activities."""
    starts = {str(activity.id): activity.started for activity in account.activities}
    return {
        **{path: starts[_id_in(path, -1)] for path in expected_originals(account)},
        **{path: starts[_id_in(path, 0)] for path in expected_pictures(account)},
        **{path: starts[_id_in(path, 0)] for path in expected_videos(account)},
    }


def _id_in(path: str, part: int) -> str:
    return Path(path).name.partition(".")[0].split("_")[part]


def expected_videos(account: Account) -> dict[str, bytes]:
    """Return every video of the account, by path: the segments of its best variant, joined."""
    return {
        f"{photo_stem(activity, photo)}{photo.video.suffix}": photo.video.content
        for activity in account.activities
        for photo in activity.photos
        if photo.video is not None
    }


def expected_activity_metadata(account: Account) -> dict[str, Any]:
    """Return Strava's keys of every activity's metadata, by path: the whole detail."""
    return {f"{stem_of(activity)}.meta.json": activity.detail for activity in account.activities}


def expected_photo_metadata(account: Account) -> dict[str, Any]:
    """Return Strava's keys of every photo's metadata, by path."""
    return {
        f"{photo_stem(activity, photo)}.meta.json": photo.record(
            activity.detail, 5000, is_default=number == 0
        )
        for activity in account.activities
        for number, photo in enumerate(activity.photos)
    }


def expected_gear_metadata(account: Account) -> dict[str, Any]:
    """Return Strava's keys of all gear's metadata, by path; without the components of bikes."""
    return {
        f"gear/{gear.id}.meta.json": gear.detail(account.units) for gear in account.gear.values()
    }


def stored_originals(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return an archive's originals, by path."""
    return {
        path: data
        for path, data in files.items()
        if path.startswith("activities/") and not path.endswith((".meta.json", ".comments.json"))
    }


def stored_pictures(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return an archive's pictures, by path."""
    return {
        path: data
        for path, data in files.items()
        if path.startswith("photos/") and not path.endswith((".meta.json", *VIDEO_SUFFIXES))
    }


def stored_videos(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return an archive's videos, by path."""
    return {
        path: data
        for path, data in files.items()
        if path.startswith("photos/") and path.endswith(VIDEO_SUFFIXES)
    }


def stored_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of an archive that have checksums, by path."""
    return {
        **stored_originals(files),
        **stored_pictures(files),
        **stored_videos(files),
        **stored_routes(files),
    }


def expected_routes(account: Account) -> dict[str, bytes]:
    """Return every route of the account that the API lists, by path."""
    return {
        f"routes/{route.id}.gpx": route.gpx
        for route in account.routes.values()
        if route.creator_id is None and account.visible_route(route)
    }


def stored_routes(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the GPX of every route in an archive, by path."""
    return {
        path: data
        for path, data in files.items()
        if path.startswith("routes/") and not path.endswith(".meta.json")
    }


def stored_metadata(files: Mapping[str, bytes], section: str) -> dict[str, Any]:
    """Return Strava's keys of the metadata in a folder like `activities` or `gear`, by path."""
    records = {
        path: json.loads(data)
        for path, data in files.items()
        if path.startswith(f"{section}/") and path.endswith(".meta.json")
    }
    for record in records.values():
        del record["strava_backup"]
        record.pop("components", None)
    return records


def expected_checksums(files: Mapping[str, bytes]) -> list[str]:
    """Return the sorted lines of SHA256SUMS for an archive's files."""
    stored = stored_files(files).items()
    return sorted(f"{hashlib.sha256(data).hexdigest()}  {path}" for path, data in stored)


def assert_complete(account: Account, files: Mapping[str, bytes]) -> None:
    """Assert that the archive has exactly the expected files of the account."""
    assert stored_originals(files) == expected_originals(account)
    assert stored_metadata(files, "activities") == expected_activity_metadata(account)
    assert stored_pictures(files) == expected_pictures(account)
    assert stored_videos(files) == expected_videos(account)
    assert stored_metadata(files, "photos") == expected_photo_metadata(account)
    assert stored_metadata(files, "gear") == expected_gear_metadata(account)
    # The website also lists the starred routes of others.
    assert expected_routes(account).items() <= stored_routes(files).items()
    assert sorted(files["SHA256SUMS"].decode().splitlines()) == expected_checksums(files)
    assert account.leaks == []
    assert not [path for path in files if Path(path).name.endswith(".part")]


def own_key(files: Mapping[str, bytes], activity: Activity) -> dict[str, Any]:
    """Return the key `strava_backup` in an activity's metadata."""
    value: dict[str, Any] = json.loads(files[f"{stem_of(activity)}.meta.json"])["strava_backup"]
    return value
