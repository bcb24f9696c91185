"""What an archive of a made-up account has to hold, worked out without the program under test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity
from strava_backup.demo.photos import Photo


def stem(activity: Activity) -> str:
    """The path of an activity's files, without suffix."""
    start = activity.detail["start_date"]
    return f"activities/{start[:4]}/{start.replace(':', '-')}_{activity.id}"


def expected_originals(account: Account) -> dict[str, bytes]:
    """Every original (and GPX beside a JSON) that the account holds, by path."""
    files = {}
    for activity in account.activities:
        if activity.original is not None:
            files[stem(activity) + activity.original_suffix] = activity.original
        if activity.original_suffix == ".json" and activity.gpx is not None:
            files[stem(activity) + ".gpx"] = activity.gpx
    return files


def photo_stem(activity: Activity, photo: Photo) -> str:
    """The path of a photo's files, without suffix."""
    return f"photos/{activity.id}_{photo.unique_id}"


def expected_pictures(account: Account) -> dict[str, bytes]:
    """Every picture that the account holds, by path; of a video its poster."""
    return {
        f"{photo_stem(activity, photo)}.{photo.kind.replace('video', 'jpg')}": photo.content
        for activity in account.activities
        for photo in activity.photos
        if photo.kind not in ("placeholder", "instagram")
    }


def expected_activity_metadata(account: Account) -> dict[str, Any]:
    """Strava's part of every activity's metadata, by path: the whole detail."""
    return {f"{stem(activity)}.meta.json": activity.detail for activity in account.activities}


def expected_photo_metadata(account: Account) -> dict[str, Any]:
    """Strava's part of every photo's metadata, by path."""
    return {
        f"{photo_stem(activity, photo)}.meta.json": photo.record(
            activity.detail, 5000, is_default=number == 0
        )
        for activity in account.activities
        for number, photo in enumerate(activity.photos)
    }


def expected_gear_metadata(account: Account) -> dict[str, Any]:
    """Strava's part of all gear's metadata, by path; without the components of bikes."""
    return {
        f"gear/{gear.id}.meta.json": gear.detail(account.units) for gear in account.gear.values()
    }


def originals(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """An archive's originals, by path."""
    return {
        path: data
        for path, data in files.items()
        if path.startswith("activities/") and not path.endswith(".meta.json")
    }


def pictures(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """An archive's pictures, by path."""
    return {
        path: data
        for path, data in files.items()
        if path.startswith("photos/") and not path.endswith(".meta.json")
    }


def metadata(files: Mapping[str, bytes], section: str) -> dict[str, Any]:
    """Strava's part of the metadata in a room (`activities`, `photos`, `gear`), by path."""
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
    """The lines of SHA256SUMS for an archive's originals and pictures, sorted."""
    stored = {**originals(files), **pictures(files)}
    return sorted(f"{hashlib.sha256(data).hexdigest()}  {path}" for path, data in stored.items())


def assert_complete(account: Account, files: Mapping[str, bytes]) -> None:
    """The archive is the account's truth, file for file, and nothing else."""
    assert originals(files) == expected_originals(account)
    assert metadata(files, "activities") == expected_activity_metadata(account)
    assert pictures(files) == expected_pictures(account)
    assert metadata(files, "photos") == expected_photo_metadata(account)
    assert metadata(files, "gear") == expected_gear_metadata(account)
    assert sorted(files["SHA256SUMS"].decode().splitlines()) == expected_checksums(files)
    assert account.leaks == []
    assert not [path for path in files if Path(path).name.endswith(".part")]


def own(files: Mapping[str, bytes], activity: Activity) -> dict[str, Any]:
    """The key `strava_backup` in an activity's metadata."""
    value: dict[str, Any] = json.loads(files[f"{stem(activity)}.meta.json"])["strava_backup"]
    return value
