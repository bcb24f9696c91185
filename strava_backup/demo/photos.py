"""A made-up entry of an activity's photo list: its record, its addresses and its pictures.

Forms and hosts are those recorded by dblock/strava-ruby-client (spec of activity_photos, 2025),
unless noted otherwise. Pure; independent of HTTP and of the account.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from strava_backup.demo.pictures import picture
from strava_backup.demo.videos import Video, ts_video
from strava_backup.timestamps import utc_timestamp

PHOTO_HOST = "dgtzuqphqg23d.cloudfront.net"
VIDEO_HOST = "d35tn3x5zm6xrc.cloudfront.net"
ASSET_HOST = "d3nn82uaxijpm6.cloudfront.net"

# Long edges of the smaller copies; nothing larger than 2048 is offered.
EDGES = (64, 128, 256, 512, 768, 1024)

# For photos that Strava cannot show: https://github.com/dblock/strava-ruby-client/issues/76
PLACEHOLDER = f"https://{ASSET_HOST}/assets/media/placeholder-photo@4x-{'5ca1ab1e' * 4}.png"
PLACEHOLDER_SIZE = (1372, 1000)

KINDS = ("jpg", "png", "webp", "gif", "heic", "video", "placeholder", "instagram")

Json = dict[str, Any]


@dataclass
class Photo:
    """A photo. `kind` is one of KINDS; the first five are the real format behind a `.jpg` address.

    `url` replaces the address that Strava would use. `bytes_wanted` is the approximate size of the
    full picture; with None it varies. `video` replaces the files of a video.
    """

    unique_id: str
    taken: datetime
    kind: str = "jpg"
    width: int = 1536
    height: int = 2048
    caption: str = ""
    location: tuple[float, float] | None = None
    url: str | None = None
    bytes_wanted: int | None = None
    video: Video | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such kind of photo: {self.kind}")
        if self.kind == "video" and self.video is None:
            self.video = ts_video(self.token)

    @property
    def number(self) -> int:
        """The number that Strava uses for it in addition to its id."""
        return int.from_bytes(_digest(self.unique_id, 4), "big")

    @property
    def duration(self) -> float | None:
        """The length of a video in seconds."""
        return 4.0 if self.kind == "video" else None

    @property
    def token(self) -> str:
        """The secret in its addresses."""
        return _token(self.unique_id)

    @property
    def video_folder(self) -> str:
        """The address of the folder with the files of a video."""
        return f"https://{VIDEO_HOST}/{self.token}/hls/"

    @property
    def playlist(self) -> str:
        """The address of a video."""
        return f"{self.video_folder}{self.token}.m3u8"

    @functools.cached_property
    def content(self) -> bytes:
        """The full picture; the poster of a video, and nothing for an Instagram photo."""
        if self.kind == "instagram":
            return b""
        if self.kind == "placeholder":
            return picture("png", "placeholder", *PLACEHOLDER_SIZE, 600)
        return self._picture(self.width, self.height, self.bytes_wanted)

    def address(self, size: int = 5000) -> str:
        """Return the address of the copy that the API offers for this size."""
        if self.url is not None:
            return self.url
        if self.kind == "placeholder":
            return PLACEHOLDER
        joint = "_" if self.kind == "video" else "-"
        width, height = self.dimensions(size)
        return f"{self._stem}{joint}{width}x{height}.jpg"

    def dimensions(self, size: int = 5000) -> tuple[int, int]:
        """Return width and height of that copy: the smallest large enough, or the largest."""
        if self.kind == "placeholder":
            return PLACEHOLDER_SIZE
        longest = max(self.width, self.height)
        edge = min(longest, next((edge for edge in EDGES if edge >= size), longest))
        return round(self.width * edge / longest), round(self.height * edge / longest)

    def found_at(self, address: str) -> bytes | None:
        """Return the picture at an address, if it belongs to this photo."""
        if self.kind == "instagram":
            return None
        if address == self.address().partition("?")[0]:
            return self.content
        if self.url is not None or not address.startswith(self._stem):
            return None
        edge = next((edge for edge in EDGES if address == self.address(edge)), None)
        return None if edge is None else self._picture(*self.dimensions(edge), 0)

    def video_file_at(self, address: str) -> tuple[str, bytes] | None:
        """Return the kind and the content of a file at an address, if this video has it."""
        folder, slash, name = address.rpartition("/")
        if self.video is None or folder + slash != self.video_folder:
            return None
        content = self.video.files.get(name)
        return None if content is None else (self.video.kind_of(name), content)

    def record(self, activity: Json, size: int | None = None, *, is_default: bool = False) -> Json:
        """Return the photo's record in the API's list of an activity's photos.

        The key of `urls` and `sizes` is the requested size. Without a size the key is "0" and the
        address is that of a thumbnail (issue 29 of laravel-strava).
        """
        if self.kind == "instagram":
            return self._instagram_record(activity)
        key, wanted = str(size or 0), size or 0
        return {
            "unique_id": self.unique_id,
            "athlete_id": activity["athlete"]["id"],
            "activity_id": activity["id"],
            "activity_name": activity["name"],
            "post_id": None,
            "resource_state": 2,
            "caption": self.caption,
            "type": 2 if self.kind == "video" else 1,
            "source": 1,
            "status": 3,
            **self._times(activity),
            "urls": {key: self.address(wanted)},
            "placeholder_image": None,
            "sizes": {key: list(self.dimensions(wanted))},
            "default_photo": is_default,
            "cursor": None,
            **({"location": list(self.location)} if self.location else {}),
            **(self._video() if self.kind == "video" else {}),
        }

    def primary(self) -> Json:
        """Return the photo's record in an activity's detail, with small copies only."""
        return {
            "id": None,
            "unique_id": self.unique_id,
            "urls": {str(size): self.address(size) for size in (100, 600)},
            "source": 1,
            "media_type": 2 if self.kind == "video" else 1,
        }

    def _instagram_record(self, activity: Json) -> Json:
        """Return the record of 2014, without address and `unique_id`
        (https://github.com/strava/go.strava)."""
        return {
            "id": self.number,
            "activity_id": activity["id"],
            "resource_state": 2,
            "ref": f"http://instagram.com/p/{_token(self.unique_id, 8)}/",
            "uid": f"{self.number}_{activity['athlete']['id']}",
            "caption": self.caption,
            "type": "InstagramPhoto",
            "source": 2,
            **self._times(activity),
            "location": list(self.location) if self.location else None,
        }

    def _times(self, activity: Json) -> Json:
        local = self.taken + timedelta(seconds=activity["utc_offset"])
        return {
            "uploaded_at": utc_timestamp(self.taken + timedelta(hours=2, seconds=7)),
            "created_at": utc_timestamp(self.taken),
            # local time with a false Z
            "created_at_local": utc_timestamp(local),
        }

    def _video(self) -> Json:
        return {"duration": self.duration, "video_url": self.playlist}

    def _picture(self, width: int, height: int, size: int | None) -> bytes:
        kind = "jpg" if self.kind == "video" else self.kind
        return picture(kind, f"{self.unique_id} {width}x{height}", width, height, size)

    @functools.cached_property
    def _stem(self) -> str:
        """The common prefix of the addresses of all copies."""
        token = _token(self.unique_id)
        if self.kind == "video":
            return f"https://{VIDEO_HOST}/{token}/thumbnails/{token}"
        return f"https://{PHOTO_HOST}/{token}"


def photo_of(activity: Json, number: int = 1, kind: str = "jpg", **more: Any) -> Photo:
    """Return a photo taken some minutes after an activity's start, other fields given by `more`.

    Its id is derived from the activity and `number`.
    """
    start = datetime.fromisoformat(activity["start_date"]).astimezone(UTC)
    name = f"https://www.strava.com/activities/{activity['id']}/photos/{number}"
    fields = {
        "unique_id": str(uuid.uuid5(uuid.NAMESPACE_URL, name)).upper(),
        "taken": start + timedelta(minutes=7 * number),
        **({"width": 1080, "height": 1920} if kind == "video" else {}),
        **more,
    }
    return Photo(kind=kind, **fields)


def counts(photos: Sequence[Photo]) -> Json:
    """Return the fields of an activity's object about its photos; videos are counted, too.

    `photo_count` is "The number of Instagram photos", `total_photo_count` that "of Instagram and
    Strava photos" (https://developers.strava.com/docs/reference, DetailedActivity).
    """
    native = next((photo for photo in photos if photo.kind != "instagram"), None)
    shown: Json = {"primary": native.primary() if native else None, "count": len(photos)}
    if native:
        shown["use_primary_photo"] = False
    return {
        "photo_count": sum(photo.kind == "instagram" for photo in photos),
        "total_photo_count": len(photos),
        "photos": shown,
    }


def _digest(text: str, length: int) -> bytes:
    return hashlib.shake_256(text.encode()).digest(length)


def _token(text: str, length: int = 43) -> str:
    return base64.urlsafe_b64encode(_digest(text, length)).decode()[:length]
