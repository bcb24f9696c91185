"""The made-up accounts that the benchmarks back up. Independent of the measurements."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from strava_backup.demo import files, samples
from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity, recorded
from strava_backup.demo.limits import RateLimits
from strava_backup.demo.photos import Photo, photo_of
from strava_backup.demo.pictures import picture
from tests import account_export

# A limit that is never reached, since several first backups run within a quarter of an hour.
_LIMIT = 10**9


class QuickAccount(Account):
    """An account that does not search all its activities for each request; it never changes.

    With 10,000 activities the search would take longer than the measured program.
    """

    def __init__(self, activities: Iterable[Activity], gear: bool = True) -> None:
        super().__init__(
            activities=activities,
            limits=RateLimits(_LIMIT, _LIMIT),
            gear=samples.sample_gear() if gear else (),
        )
        self._newest_first = super().activities
        # Pictures are created on first use; create them before the first run.
        self._pictures = {
            photo.address(): (photo, photo.content)
            for activity in self._newest_first
            for photo in activity.photos
        }

    @property
    def activities(self) -> list[Activity]:
        """Return all activities, newest first."""
        return self._newest_first

    def picture_at(self, address: str) -> tuple[Photo, bytes] | None:
        """Return the photo at an address, and the bytes of its picture."""
        return self._pictures.get(address)


def ordinary(count: int) -> Account:
    """Return an account of mostly FIT, one in ten manual, one in five with photos, and gear."""
    return QuickAccount(_ordinary(count))


def rich(count: int, metadata_size: int) -> Account:
    """Return an account whose activities have about `metadata_size` bytes of metadata on disk.

    Most of it is in fields that only the detail has. One in five activities has photos. All share
    one small original.
    """
    efforts = _efforts(metadata_size)
    activities = [_rich_activity(index, efforts) for index in range(count)]
    for activity in activities[::5]:
        activity.photos.append(photo_of(activity.detail, bytes_wanted=1000))
    return QuickAccount(activities, gear=False)


def bulky(count: int, size: int) -> Account:
    """Return an ordinary account with one large original and one large photo of `size` bytes each.

    They belong to the newest activity with a photo; with 0 they are as small as the others.
    """
    activities = _ordinary(count)
    if size:
        activity = next(activity for activity in activities if activity.photos)
        activity.original, activity.original_suffix = _long_gpx(size), ".gpx"
        # Replaces the cached property, which would need too much memory for this size.
        activity.photos[0].__dict__["content"] = _long_jpeg(size)
    return QuickAccount(activities)


def write_export(path: Path, count: int, size: int, suffix: str) -> None:
    """Write the ZIP of a bulk export; see `export`."""
    account_export.write_zip(export(count, size, suffix), path)


def export(count: int, size: int, suffix: str) -> dict[str, bytes]:
    """Return the files of a bulk export whose originals take about `size` bytes of its ZIP.

    Most activities share one original: a FIT like a device's upload, which is gzipped in the
    export, or a GPX like the app's recording, which is not. The FIT contains noise, so that it
    compresses by a quarter only; the GPX compresses to a fifteenth.
    """
    account = ordinary(count)
    alike = [one for one in account.activities if one.original_suffix == ".fit" and one.original]
    each = size // max(1, len(alike))
    if suffix == ".gpx":
        whole = files.gpx(samples.NEWEST, max(1, each // 14))
        for activity in alike:
            activity.original, activity.original_suffix = whole, suffix
        return account_export.export_files(account)
    names = [account_export.original_name(activity) for activity in alike]
    packed = gzip.compress(_noisy_fit(max(1, each // 15)), mtime=0)
    return {**account_export.export_files(account), **dict.fromkeys(names, packed)}


def _ordinary(count: int) -> list[Activity]:
    activities = samples.numbered(count)
    samples.add_numbered_photos(activities)
    samples.use_numbered_gear(activities)
    return activities


def _noisy_fit(seconds: int) -> bytes:
    """Return a FIT with random lower bytes in its numbers, and a valid checksum."""
    content = bytearray(files.fit(samples.NEWEST, seconds))
    noise = random.Random(1)
    for start in range(60, len(content) - 20, 20):
        for offset in (3, 7, 11, 12, 13):
            content[start + offset] = noise.randrange(256)
    content[-2:] = files.fit_crc(content[:-2]).to_bytes(2, "little")
    return bytes(content)


def _rich_activity(index: int, efforts: list[dict[str, Any]]) -> Activity:
    start = samples.NEWEST - index * timedelta(hours=11, minutes=1)
    activity_id, name = 16_600_000_000 - index * 1_234_567, f"Activity {index}"
    detail = recorded(activity_id, start, name, segment_efforts=efforts)
    return Activity(detail, original=files.fit(samples.NEWEST, 100))


def _efforts(size: int) -> list[dict[str, Any]]:
    effort = {
        "id": 3_000_000_000_000_000_000,
        "resource_state": 2,
        "name": "Up to the Kybfelsen, the long way round",
        "elapsed_time": 612,
        "moving_time": 601,
        "start_date": "2026-11-14T07:20:09Z",
        "start_date_local": "2026-11-14T08:20:09Z",
        "distance": 3021.4,
        "start_index": 720,
        "end_index": 1332,
        "device_watts": False,
        "average_heartrate": 161.2,
        "max_heartrate": 174.0,
        "segment": {
            "id": 7_654_321,
            "resource_state": 2,
            "name": "Up to the Kybfelsen, the long way round",
            "activity_type": "Ride",
            "distance": 3019.7,
            "average_grade": 7.4,
            "maximum_grade": 14.9,
            "elevation_high": 821.0,
            "elevation_low": 598.2,
            "start_latlng": [47.961, 7.873],
            "end_latlng": [47.947, 7.869],
            "climb_category": 3,
            "city": "Freiburg",
            "country": "Germany",
            "private": False,
            "starred": False,
        },
        "pr_rank": None,
        "achievements": [],
        "hidden": False,
    }
    bare = _size_on_disk(recorded(1, samples.NEWEST))
    each = _size_on_disk({"segment_efforts": [effort]})
    return [{**effort, "start_index": number} for number in range((size - bare) // each)]


def _size_on_disk(record: dict[str, Any]) -> int:
    return len(json.dumps(record, indent=2))


def _long_gpx(size: int) -> bytes:
    whole = files.gpx(samples.NEWEST, 60)
    start, end = whole.index(b"  <trkpt"), whole.index(b" </trkseg>")
    points = whole[start:end]
    return whole[:start] + points * max(1, size // len(points)) + whole[end:]


def _long_jpeg(size: int) -> bytes:
    """Return a valid JPEG with about `size` bytes of comments, each of the maximum length."""
    start_of_image, rest = (whole := picture("jpg", "bulky", 1536, 2048))[:2], whole[2:]
    comment = b"\xff\xfe\xff\xff" + b" " * 65533
    return start_of_image + comment * max(1, size // len(comment)) + rest
