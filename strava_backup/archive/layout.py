"""Pure: converts file names to ids and back, as docs/format.md specifies. Does no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import NamedTuple

ACTIVITIES = PurePosixPath("activities")
PHOTOS = PurePosixPath("photos")
GEAR = PurePosixPath("gear")
ROUTES = PurePosixPath("routes")
SECTIONS = (ACTIVITIES, PHOTOS, GEAR, ROUTES)
HISTORY = PurePosixPath("history")
DAMAGED = PurePosixPath("damaged")
CHECKSUMS = "SHA256SUMS"
BULK_EXPORT = PurePosixPath("bulk_export")
MARKER = ".strava-backup.json"
LOCK = ".lock"
META_SUFFIX = ".meta.json"
COMMENTS_SUFFIX = ".comments.json"
ROUTE_SUFFIX = ".gpx"

# Matches the names of earlier versions, too, with their wrong dates and suffixes.
_ACTIVITY_NAME = re.compile(r"(?P<stem>[\dTZ-]*_(?P<id>[0-9]{1,20}))(?P<suffix>\..+)", re.DOTALL)
_PHOTO_NAME = re.compile(
    r"(?P<stem>(?P<id>[0-9]{1,20})_(?P<photo>[\w-]+))(?P<suffix>\..+)",
    re.ASCII | re.DOTALL,
)
_ORIGINAL_SUFFIX = re.compile(r"\.(?:fit|tcx|gpx|json|dat)(?:\.gz)?|\.gz", re.IGNORECASE)
# A video is stored next to its poster, which counts as its picture.
VIDEO_SUFFIXES = (".mp4", ".mov", ".ts")
# Distinguishes the partial file of a video from that of its poster.
_PARTIAL_VIDEO = ".video"
_PICTURE_SUFFIX = re.compile(r"\.(?:jpg|png|gif|webp|heic)", re.IGNORECASE)
_YEAR = re.compile(r"[0-9]{4}")
_GEAR_NAME = re.compile(r"(?P<stem>[a-z]+[0-9]+)(?P<suffix>\.meta\.json)")
_ROUTE_NAME = re.compile(r"(?P<stem>[1-9][0-9]{0,19})(?P<suffix>\..+)", re.DOTALL)
_SUFFIX = re.compile(r"[a-z0-9]{1,16}")
_UNSAFE = re.compile(r"[^\w .,()+@=&-]")
_PARTIAL_NAME = re.compile(r"\.(?P<target>\.?[^.].*)\.part", re.DOTALL)
_HISTORY_NAME = re.compile(
    r"(?P<name>.+(?P<suffix>\.json|\.gpx))"
    r"\.[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}Z(?P=suffix)"
)
_UNFINISHED = (".part", ".tmp", ".crdownload", "~")

# An activity's id, the id of gear or of a route, or the pair of activity id and photo id.
Key = int | str | tuple[int, str]


class FileName(NamedTuple):
    """A parsed file name: the key of its item, its stem and its suffix."""

    key: Key
    stem: str
    suffix: str


def parse_activity_name(name: str) -> FileName | None:
    """Return the parsed name of an activity's file, like `2026-05-06T07-08-09Z_16600000000.fit`.

    Returns None for other names: hidden files, which are the temporary files of a run, copies that
    editors and syncing programs make of metadata, and partial downloads.
    """
    match = _ACTIVITY_NAME.fullmatch(name)
    if match is None:
        return None
    stem, activity_id, suffix = match.groups()
    return None if _is_foreign(suffix) else FileName(int(activity_id), stem, suffix)


def parse_photo_name(name: str) -> FileName | None:
    """Return the parsed name of a photo's file, like `16600000000_6D1E-DE55.jpg`, or None."""
    match = _PHOTO_NAME.fullmatch(name)
    if match is None or _is_foreign(match["suffix"]):
        return None
    return FileName(photo_key(int(match["id"]), match["photo"]), match["stem"], match["suffix"])


def parse_gear_name(name: str) -> FileName | None:
    """Return the parsed name of a gear file, like `b123.meta.json`, or None."""
    match = _GEAR_NAME.fullmatch(name)
    return match and FileName(match["stem"], match["stem"], match["suffix"])


def parse_route_name(name: str) -> FileName | None:
    """Return the parsed name of a route's file, like `3100000000000000000.gpx`, or None."""
    match = _ROUTE_NAME.fullmatch(name)
    if match is None or _is_foreign(match["suffix"]):
        return None
    return FileName(match["stem"], match["stem"], match["suffix"])


def suffix_of(name: str) -> str:
    """Return the suffix of a stored file's name or path, which is all from its first dot."""
    _, dot, suffix = name.partition(".")
    return dot + suffix


def has_usual_suffix(name: FileName) -> bool:
    """Return whether a file has a suffix of originals, pictures, videos or routes.

    Version 0.4 saved some originals with the suffix `.gz` alone, or in capitals.
    """
    if is_video(name) or isinstance(name.key, str):
        return is_video(name) or is_route_file(name)
    pattern = _PICTURE_SUFFIX if isinstance(name.key, tuple) else _ORIGINAL_SUFFIX
    return name.suffix != META_SUFFIX and pattern.fullmatch(name.suffix) is not None


def is_video(name: FileName) -> bool:
    """Return whether a file in `photos/` has the suffix of a video."""
    return isinstance(name.key, tuple) and name.suffix in VIDEO_SUFFIXES


def is_route_file(name: FileName) -> bool:
    """Return whether a file in `gear/` or `routes/` is the GPX of a route."""
    return isinstance(name.key, str) and name.suffix == ROUTE_SUFFIX


def is_archive_folder(path: PurePosixPath) -> bool:
    """Return whether the archive stores files in a folder of that path."""
    kept = (HISTORY.name, DAMAGED.name)
    parts = path.parts[1:] if path.parts[:1] and path.parts[0] in kept else path.parts
    if not parts:
        return path.name in kept
    is_year = parts[0] == ACTIVITIES.name and len(parts) == 2 and _YEAR.fullmatch(parts[1])
    return parts[0] in PARSERS and (len(parts) == 1 or bool(is_year))


def parse_name(path: PurePosixPath) -> FileName | None:
    """Return the parsed name of the file at that path; None if it is not part of the archive."""
    section, *rest = path.parts or ("",)
    parse = PARSERS.get(section)
    return parse(path.name) if parse is not None and rest and ".." not in rest else None


def activity_of(path: PurePosixPath) -> int | None:
    """Return the id of the activity to which a file belongs, directly or as its photo, or None."""
    name = parse_name(path)
    if name is None or isinstance(name.key, str):
        return None
    return name.key[0] if isinstance(name.key, tuple) else name.key


# By the name of the section.
PARSERS: dict[str, Callable[[str], FileName | None]] = {
    ACTIVITIES.name: parse_activity_name,
    PHOTOS.name: parse_photo_name,
    GEAR.name: parse_gear_name,
    ROUTES.name: parse_route_name,
}


def is_partial(path: PurePosixPath) -> bool:
    """Return whether a path is that of a partial file of this program.

    The name of a partial file contains the stem of an original or a picture, the stem of a video
    with a suffix, or the full name of any other file. All other `.part` files belong to the user or
    to other programs.
    """
    match = _PARTIAL_NAME.fullmatch(path.name)
    if match is None:
        return False
    section, *folders = path.parts[:-1] or ("",)
    target = match["target"]
    if section == "":
        return target in (CHECKSUMS, MARKER)
    if section == HISTORY.name:
        kept = _HISTORY_NAME.fullmatch(target)
        return kept is not None and _has_history(PurePosixPath(*folders, kept["name"]))
    if section == DAMAGED.name:
        return parse_name(PurePosixPath(*folders, target)) is not None
    stem = target.removesuffix(_PARTIAL_VIDEO) if section == PHOTOS.name else target
    return is_record(path.with_name(target)) or _is_stem(path.with_name(stem))


def is_record(path: PurePosixPath) -> bool:
    """Return whether a path is that of metadata, or of an activity's comments and kudos."""
    name = parse_name(path)
    return name is not None and has_record_suffix(name)


def has_record_suffix(name: FileName) -> bool:
    """Return whether a file has the suffix of metadata, or of an activity's comments and kudos."""
    is_activity = isinstance(name.key, int)
    return name.suffix == META_SUFFIX or (is_activity and name.suffix == COMMENTS_SUFFIX)


def _has_history(path: PurePosixPath) -> bool:
    name = parse_name(path)
    return name is not None and (has_record_suffix(name) or is_route_file(name))


def _is_stem(path: PurePosixPath) -> bool:
    name = parse_name(path.with_name(path.name + ".x"))
    return name is not None and name.stem == path.name


def _is_foreign(suffix: str) -> bool:
    if suffix.startswith(".meta"):
        return suffix != META_SUFFIX
    return suffix.endswith(_UNFINISHED)


def photo_key(activity_id: int, photo_id: str) -> tuple[int, str]:
    """Return the key of a photo: API, website and bulk export write its id with different case and
    hyphens."""
    return activity_id, photo_id.lower().replace("-", "")


def photo_stem(activity_id: int, photo_id: str) -> PurePosixPath:
    """Return the path of a photo's files without their suffix."""
    return PHOTOS / f"{activity_id}_{photo_id}"


def partial_video_stem(stem: PurePosixPath) -> PurePosixPath:
    """Return the stem for the partial file of a video, whose poster may be fetched concurrently."""
    return stem.with_name(stem.name + _PARTIAL_VIDEO)


def gear_stem(gear_id: str) -> PurePosixPath:
    """Return the path of the metadata of a bike or shoes, without its suffix."""
    return GEAR / gear_id


def route_stem(route_id: str) -> PurePosixPath:
    """Return the path of a route's files without their suffix."""
    return ROUTES / route_id


def metadata_path(stem: PurePosixPath) -> PurePosixPath:
    """Return the path of the metadata for a stem."""
    return stem.with_name(stem.name + META_SUFFIX)


def comments_path(metadata: PurePosixPath) -> PurePosixPath:
    """Return the path of the comments and kudos of the activity with this metadata."""
    return metadata.with_name(metadata.name.removesuffix(META_SUFFIX) + COMMENTS_SUFFIX)


def activity_stem(start: datetime, activity_id: int) -> PurePosixPath:
    """Return the path of an activity's files without their suffix; it contains the start in UTC."""
    utc = start.astimezone(UTC)
    # Not strftime, which pads years before 1000 only on some systems.
    day = f"{utc.year:04}-{utc.month:02}-{utc.day:02}"
    clock = f"{utc.hour:02}-{utc.minute:02}-{utc.second:02}"
    return ACTIVITIES / f"{utc.year:04}" / f"{day}T{clock}Z_{activity_id}"


def sent_suffix(name: str) -> str:
    """Return the last suffix of a file name that Strava sent, like `.fit`; "" if it is not valid.

    Strava removes periods from the title, so the last period separates the type
    (https://github.com/pR0Ps/stravaweblib). The name is untrusted: only letters and digits are
    accepted.
    """
    _, dot, last = name.rpartition(".")
    last = last.lower()
    suffix = f".{last}"
    return suffix if dot and _SUFFIX.fullmatch(last) and not _is_foreign(suffix) else ""


def history_path(path: PurePosixPath, moment: datetime) -> PurePosixPath:
    """Return the path in `history/` for the file that was at `path` until `moment`."""
    stamp = moment.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    return HISTORY / path.parent / f"{path.name}.{stamp}{path.suffix}"


def export_path(day: str, name: str) -> PurePosixPath:
    """Return the path in `bulk_export/` for a file of the bulk export of that day.

    The name is untrusted: all characters except letters, digits and a few harmless ones become `_`,
    so that the path stays inside the folder and no part of it is hidden.
    """
    parts = [_UNSAFE.sub("_", part)[-200:] for part in PurePosixPath(name).parts]
    return BULK_EXPORT / day / PurePosixPath(*(_visible(part) for part in parts))


def _visible(part: str) -> str:
    return f"_{part[1:]}" if part.startswith(".") else part
