"""What an archive of a made-up account has to hold, worked out without the program under test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity


def stem(activity: Activity) -> str:
    """The path of an activity's files, without suffix."""
    start = activity.detail["start_date"]
    return f"activities/{start[:4]}/{start.replace(':', '-')}_{activity.id}"


def expected_files(account: Account) -> dict[str, bytes]:
    """Every original (and GPX beside a JSON) that the account holds, by path."""
    files = {}
    for activity in account.activities:
        if activity.original is not None:
            files[stem(activity) + activity.original_suffix] = activity.original
        if activity.original_suffix == ".json" and activity.gpx is not None:
            files[stem(activity) + ".gpx"] = activity.gpx
    return files


def expected_metadata(account: Account) -> dict[str, Any]:
    """Strava's part of every metadata file, by path: the whole detail."""
    return {f"{stem(activity)}.meta.json": activity.detail for activity in account.activities}


def split(files: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, Any]]:
    """An archive's files as originals, and as Strava's part of the metadata."""
    originals, metadata = {}, {}
    for path, data in files.items():
        if path.endswith(".meta.json"):
            record = json.loads(data)
            del record["strava_backup"]
            metadata[path] = record
        elif path.startswith("activities/"):
            originals[path] = data
    return originals, metadata


def assert_complete(account: Account, files: Mapping[str, bytes]) -> None:
    """The archive is the account's truth, file for file, and nothing else."""
    originals, metadata = split(files)
    assert originals == expected_files(account)
    assert metadata == expected_metadata(account)
    assert not [path for path in files if Path(path).name.endswith(".part")]


def ours(files: Mapping[str, bytes], activity: Activity) -> dict[str, Any]:
    """The key `strava_backup` in an activity's metadata."""
    value: dict[str, Any] = json.loads(files[f"{stem(activity)}.meta.json"])["strava_backup"]
    return value
