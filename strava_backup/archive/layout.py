"""Pure: file names <-> ids, as docs/format.md lays them down. Does no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import NamedTuple

ACTIVITIES = PurePosixPath("activities")
PHOTOS = PurePosixPath("photos")
GEAR = PurePosixPath("gear")
SECTIONS = (ACTIVITIES, PHOTOS, GEAR)
HISTORY = PurePosixPath("history")
DAMAGED = PurePosixPath("damaged")
CHECKSUMS = "SHA256SUMS"
BULK_EXPORT = PurePosixPath("bulk_export")
MARKER = ".strava-backup.json"
LOCK = ".lock"
META_SUFFIX = ".meta.json"

# Wide enough for every archive of earlier versions: their names had odd dates and odd suffixes.
_ACTIVITY_NAME = re.compile(r"(?P<stem>[\dTZ-]*_(?P<id>[0-9]{1,20}))(?P<suffix>\..+)", re.DOTALL)
_PHOTO_NAME = re.compile(
    r"(?P<stem>(?P<id>[0-9]{1,20})_(?P<photo>[\w-]+))(?P<suffix>\..+)",
    re.ASCII | re.DOTALL,
)
_ORIGINAL_SUFFIX = re.compile(r"\.(?:fit|tcx|gpx|json|dat)(?:\.gz)?|\.gz", re.IGNORECASE)
# Videos lie beside their posters, which are the pictures.
VIDEO_SUFFIXES = (".mp4", ".mov", ".ts")
_PICTURE_SUFFIX = re.compile(r"\.(?:jpg|png|gif|webp|heic)", re.IGNORECASE)
_YEAR = re.compile(r"[0-9]{4}")
_GEAR_NAME = re.compile(r"(?P<stem>[a-z]+[0-9]+)(?P<suffix>\.meta\.json)")
_SUFFIX = re.compile(r"[a-z0-9]{1,16}")
_UNSAFE = re.compile(r"[^\w .,()+@=&-]")
_DRAFT_NAME = re.compile(r"\.(?P<target>\.?[^.].*)\.part", re.DOTALL)
_HISTORY_NAME = re.compile(
    r"(?P<metadata>.+\.meta\.json)\.[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}Z\.json"
)
_UNFINISHED = (".part", ".tmp", ".crdownload", "~")

# An activity's id, a gear's id, or the pair of activity id and photo id.
Key = int | str | tuple[int, str]


class FileName(NamedTuple):
    """What the name of a file says: whose it is, and its parts."""

    key: Key
    stem: str
    suffix: str


def parse_activity_name(name: str) -> FileName | None:
    """The parts of a file name such as `2026-05-06T07-08-09Z_16600000000.fit`, or None.

    Hidden names do not count: they are the temporary files of a run. Nor do what editors and
    syncing programs leave beside metadata, or halves of downloads.
    """
    match = _ACTIVITY_NAME.fullmatch(name)
    if match is None:
        return None
    stem, activity_id, suffix = match.groups()
    return None if _is_foreign(suffix) else FileName(int(activity_id), stem, suffix)


def parse_photo_name(name: str) -> FileName | None:
    """The parts of a file name such as `16600000000_6D1E-DE55.jpg`, or None."""
    match = _PHOTO_NAME.fullmatch(name)
    if match is None or _is_foreign(match["suffix"]):
        return None
    return FileName(photo_key(int(match["id"]), match["photo"]), match["stem"], match["suffix"])


def parse_gear_name(name: str) -> FileName | None:
    """The parts of a file name such as `b123.meta.json`, or None."""
    match = _GEAR_NAME.fullmatch(name)
    return match and FileName(match["stem"], match["stem"], match["suffix"])


def suffix_of(name: str) -> str:
    """The suffix of the name of a held file, which is all from its first dot."""
    _, dot, suffix = name.partition(".")
    return dot + suffix


def has_usual_suffix(name: FileName) -> bool:
    """Whether a file's suffix is one of those that originals, pictures or videos have.

    Version 0.4 left the suffix of some originals at `.gz`, or in capitals.
    """
    if is_video(name):
        return True
    pattern = _PICTURE_SUFFIX if isinstance(name.key, tuple) else _ORIGINAL_SUFFIX
    return name.suffix != META_SUFFIX and pattern.fullmatch(name.suffix) is not None


def is_video(name: FileName) -> bool:
    """Whether a file in `photos/` is a video by its name."""
    return isinstance(name.key, tuple) and name.suffix in VIDEO_SUFFIXES


def is_archive_folder(path: PurePosixPath) -> bool:
    """Whether a folder at that path is one in which the archive has files."""
    kept = (HISTORY.name, DAMAGED.name)
    parts = path.parts[1:] if path.parts[:1] and path.parts[0] in kept else path.parts
    if not parts:
        return path.name in kept
    is_year = parts[0] == ACTIVITIES.name and len(parts) == 2 and _YEAR.fullmatch(parts[1])
    return parts[0] in PARSERS and (len(parts) == 1 or bool(is_year))


def parse_name(path: PurePosixPath) -> FileName | None:
    """The parts of the name of a held file at that path, or None if it is none."""
    section, *rest = path.parts or ("",)
    parse = PARSERS.get(section)
    return parse(path.name) if parse is not None and rest and ".." not in rest else None


def activity_of(path: PurePosixPath) -> int | None:
    """The id of the activity to which the file at that path belongs, be it a photo's."""
    name = parse_name(path)
    if name is None or isinstance(name.key, str):
        return None
    return name.key[0] if isinstance(name.key, tuple) else name.key


# By the name of the room.
PARSERS: dict[str, Callable[[str], FileName | None]] = {
    ACTIVITIES.name: parse_activity_name,
    PHOTOS.name: parse_photo_name,
    GEAR.name: parse_gear_name,
}


def is_partial(path: PurePosixPath) -> bool:
    """Whether a file at that path is, or was, being written by this program.

    A draft bears the stem of an original or a picture, or the whole name of any other file;
    whatever else looks like one is somebody's own.
    """
    match = _DRAFT_NAME.fullmatch(path.name)
    if match is None:
        return False
    section, *folders = path.parts[:-1] or ("",)
    target = match["target"]
    if section == "":
        return target in (CHECKSUMS, MARKER)
    if section == HISTORY.name:
        kept = _HISTORY_NAME.fullmatch(target)
        return kept is not None and _is_metadata(PurePosixPath(*folders, kept["metadata"]))
    if section == DAMAGED.name:
        return parse_name(PurePosixPath(*folders, target)) is not None
    return _is_metadata(path.with_name(target)) or _is_stem(path.with_name(target))


def _is_metadata(path: PurePosixPath) -> bool:
    name = parse_name(path)
    return name is not None and name.suffix == META_SUFFIX


def _is_stem(path: PurePosixPath) -> bool:
    name = parse_name(path.with_name(path.name + ".x"))
    return name is not None and name.stem == path.name


def _is_foreign(suffix: str) -> bool:
    if suffix.startswith(".meta"):
        return suffix != META_SUFFIX
    return suffix.endswith(_UNFINISHED)


def photo_key(activity_id: int, photo_id: str) -> tuple[int, str]:
    """What a photo is found by; API, website and bulk export need not agree on upper and lower
    case, nor on hyphens."""
    return activity_id, photo_id.lower().replace("-", "")


def photo_stem(activity_id: int, photo_id: str) -> PurePosixPath:
    """The path of a photo's files without their suffix."""
    return PHOTOS / f"{activity_id}_{photo_id}"


def gear_stem(gear_id: str) -> PurePosixPath:
    """The path of a bike's or a pair of shoes' metadata without its suffix."""
    return GEAR / gear_id


def metadata_path(stem: PurePosixPath) -> PurePosixPath:
    """The path of the metadata that goes with a stem."""
    return stem.with_name(stem.name + META_SUFFIX)


def activity_stem(start: datetime, activity_id: int) -> PurePosixPath:
    """The path of an activity's files without their suffix, named by its start in UTC."""
    utc = start.astimezone(UTC)
    # Not strftime: it does not pad years before 1000 on every system.
    day = f"{utc.year:04}-{utc.month:02}-{utc.day:02}"
    clock = f"{utc.hour:02}-{utc.minute:02}-{utc.second:02}"
    return ACTIVITIES / f"{utc.year:04}" / f"{day}T{clock}Z_{activity_id}"


def sent_suffix(name: str) -> str:
    """The last suffix of a file name that Strava sent, such as `.fit`; empty if it has no sane one.

    Strava removes periods from the title, so whatever follows the last one is the type
    (https://github.com/pR0Ps/stravaweblib). The name is data from outside: nothing but letters and
    digits is taken over.
    """
    _, dot, last = name.rpartition(".")
    last = last.lower()
    suffix = f".{last}"
    return suffix if dot and _SUFFIX.fullmatch(last) and not _is_foreign(suffix) else ""


def history_path(path: PurePosixPath, moment: datetime) -> PurePosixPath:
    """Where the metadata that was at `path` until `moment` is kept."""
    stamp = moment.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    return HISTORY / path.parent / f"{path.name}.{stamp}.json"


def export_path(day: str, name: str) -> PurePosixPath:
    """Where a file of a bulk export of that day is kept as it is.

    The name is data from outside: what is no letter, digit or harmless sign becomes `_`, so that
    it can neither climb nor hide.
    """
    parts = [_UNSAFE.sub("_", part)[-200:] for part in PurePosixPath(name).parts]
    return BULK_EXPORT / day / PurePosixPath(*(_visible(part) for part in parts))


def _visible(part: str) -> str:
    return f"_{part[1:]}" if part.startswith(".") else part
