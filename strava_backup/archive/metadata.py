"""The form of metadata on disk, and its shorter form in memory. Writes nothing."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from strava_backup.archive import layout
from strava_backup.archive.excerpt import excerpt
from strava_backup.archive.regular import read_whole
from strava_backup.items import OWN_KEY

Record = dict[str, Any]

_DEEPEST = 100
_CONTAINERS = frozenset((dict, list))

# The shape of the values under all names that a dictionary's shape does not list.
_EACH = "*"
_RECORD_SHAPE = {
    "resource_state": int,
    "components": list,
    OWN_KEY: {
        "source": str,
        "fetched_at": str,
        "components_at": str,
        "private_note_at": str,
        "comment_count": int,
        "kudos_count": int,
        "gone_since": str,
        "frame_type": str,
        "website": dict,
        "listed": {_EACH: dict},
        "refused": {_EACH: {"why": str, "on": [str]}},
        "photos": {"count": int},
        "original": {
            **dict.fromkeys(("name", "file", "saved_at", "odd", "no_gpx", "absent", "since"), str),
            "on": [str],
            "no_gpx_on": [str],
        },
        "picture": dict.fromkeys(("file", "saved_at", "odd", "same_as"), str),
        "video": dict.fromkeys(("file", "saved_at", "odd"), str),
        "gpx": dict.fromkeys(("name", "file", "saved_at", "odd"), str),
        "bulk_export": {"export": str, "name": str, "sha256": str, "columns": {_EACH: str}},
    },
}
# Our key's notes about stored files.
NOTES = ("original", "picture", "video", "gpx")
_LISTED = "listed"
_NOT_KEPT = {_LISTED, "website", "bulk_export"}
# The `fingerprint` of the last listing record of each source. A dictionary takes twice the memory.
Fingerprints = tuple[tuple[str, int], ...]
_LONGEST_TIME = len("2026-05-06T07:08:09Z")


def to_json(record: Record) -> bytes:
    """Return a record in its form on disk: UTF-8, keys sorted, indented by 2."""
    text = json.dumps(record, ensure_ascii=False, sort_keys=True, indent=2)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        # Lone surrogates (an app cut an emoji in half) cannot be encoded in UTF-8.
        return json.dumps(record, sort_keys=True, indent=2).encode() + b"\n"


def is_what_strava_holds(own: Record, damage: str) -> bool:
    """Return whether metadata notes this damage: then Strava sent the same bytes twice."""
    return damage in (note.get("odd") for note in _notes(own))


def promised_files(own: Record) -> set[str]:
    """Return the names under our key of the notes about saved files."""
    return {item for item in NOTES if "saved_at" in own.get(item, {})}


def is_stored(name: layout.FileName, own: Record) -> bool:
    """Return whether a file of that name is an original, a picture, a video, a route, or Strava's
    GPX of a JSON original.

    The note in the metadata decides, or the suffix if there is no note. Files of other programs do
    not count.
    """
    if isinstance(name.key, str):
        return layout.is_route_file(name)
    note = own.get(noted_as(name), {})
    stored = layout.suffix_of(note.get("file", ""))
    if layout.is_video(name):
        return stored in ("", name.suffix)
    if stored:
        return name.suffix == stored or (_is_json(stored) and name.suffix == ".gpx")
    return layout.has_usual_suffix(name) or ("saved_at" in note and name.suffix in _sent(own))


def noted_as(name: layout.FileName) -> str:
    """Return the name under our key of the note about a stored file."""
    if layout.is_video(name):
        return "video"
    if isinstance(name.key, str):
        return "gpx"
    return "picture" if isinstance(name.key, tuple) else "original"


def lacks_original(suffixes: Collection[str], own: Record) -> bool:
    """Return whether none of an activity's stored files is its original.

    If a JSON original was stored once, a GPX alone does not count.
    """
    note = own.get("original", {})
    stored = layout.suffix_of(note.get("file", ""))
    was_json = _is_json(stored) if stored else _was_json_sent(own)
    return not any(map(_is_json, suffixes)) if was_json else not suffixes


def _was_json_sent(own: Record) -> bool:
    """Whether an original was stored of which an earlier version noted only the name that Strava
    sent, which can be wrong."""
    note = own.get("original", {})
    return "saved_at" in note and "odd" not in note and ".json" in _sent(own)


def _notes(own: Record) -> list[Record]:
    return [own[item] for item in NOTES if item in own]


def _sent(own: Record) -> set[str]:
    """Return the suffixes of the names that Strava sent, with and without a bulk export's gzip."""
    names = [own.get(key, {}).get("name", "") for key in ("original", "bulk_export")]
    return {layout.sent_suffix(one) for name in names for one in (name, name.removesuffix(".gz"))}


def _is_json(suffix: str) -> bool:
    return suffix.lower().removesuffix(".gz") == ".json"


def read_for_scan(
    path: str, fields: tuple[str, ...] = (), *, with_listed: bool = True
) -> Record | None:
    """Return at least the values of metadata that a scan needs, like `read_record`.

    `fields` are the names of further values of Strava's. Without `with_listed`, the listing records
    under our key may be missing. Raises OSError.
    """
    content = _read(path, follows_link=True)
    if content is None:
        return None
    unread = "" if with_listed else _LISTED
    record = excerpt(content, ("resource_state", OWN_KEY, *fields), unread)
    return _sound(_parse_json(content) if record is None else record)


def read_record(path: str | Path) -> Record | None:
    """Return metadata, without values of a wrong type under our key.

    Returns None if there is no file, or no JSON object in it. Raises OSError.
    """
    content = _read(path, follows_link=True)
    return None if content is None else _sound(_parse_json(content))


def read_json(path: Path) -> Record | None:
    """Return a JSON object; None if there is no file, or no JSON object in it.

    Raises OSError, also for a link.
    """
    content = _read(path, follows_link=False)
    return None if content is None else _parse_json(content)


def _read(path: str | Path, *, follows_link: bool) -> bytes | None:
    try:
        return read_whole(path, follows_link=follows_link)
    except FileNotFoundError:
        return None


def _parse_json(content: bytes) -> Record | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and not _is_too_deep(value) else None


def _is_too_deep(value: Any) -> bool:
    """Return whether lists and objects are nested so deep that encoding them could fail."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [part for one in level for part in _parts(one) if type(part) in _CONTAINERS]
        if not level:
            return False
    return True


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if type(value) is dict else value


def _sound(record: Record | None) -> Record | None:
    return None if record is None else fitting(record, _RECORD_SHAPE)


def fitting(value: Any, shape: Any) -> Any:
    """Return the value without the parts of a wrong type; None if its own type is wrong.

    A shape is a type, a list with the shape of the items, or a dictionary with the shapes of known
    names. Values under other names are kept.
    """
    if isinstance(shape, dict) and isinstance(value, dict):
        each, fit = shape.get(_EACH), {}
        for name, part in value.items():
            inner = shape.get(name, each)
            # A scan runs this 100,000 times, and most types are right: check them without a call.
            kept = part if inner is None or type(part) is inner else fitting(part, inner)
            if kept is not None or inner is None:
                fit[name] = kept
        return fit
    if isinstance(shape, list) and isinstance(value, list):
        return [part for part in value if fitting(part, shape[0]) is not None]
    # Not isinstance, since True is an int in Python. An int is accepted as a float.
    is_whole_number = shape is float and type(value) is int
    return value if type(value) is shape or is_whole_number else None


def fingerprint(value: Any) -> int:
    """Return a hash that is the same for equal JSON values within one process; 12 equals 12.0."""
    return hash(_frozen(value))


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        try:
            return frozenset(value.items())
        except TypeError:  # a value is a dict or a list
            return frozenset((name, _frozen(part)) for name, part in value.items())
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def slimmed(own: Record) -> Record:
    """Return the values of our key without the large ones, to keep ten thousand records in memory.

    The listing records, the website's raw record and the cells of a bulk export are left out. Each
    key, source and time is in memory once, however many records have it.
    """
    kept = _interned(own, _NOT_KEPT)
    if "bulk_export" in own:
        export = own["bulk_export"]
        noted = {name: export[name] for name in export.keys() - {"columns"}}
        is_shared = noted.keys() == {"export"}
        kept["bulk_export"] = _of_export(noted["export"]) if is_shared else _interned(noted)
    return kept


def fingerprints(own: Record) -> Fingerprints:
    """Return the `fingerprint` of the last listing record of each source."""
    listed = own.get(_LISTED, {}).items()
    return tuple((sys.intern(source), fingerprint(record)) for source, record in listed)


@functools.lru_cache(maxsize=16)
def _of_export(day: str) -> Record:
    """Return the note that all activities of one bulk export share in memory."""
    return {"export": day}


def _interned(record: Record, without: Collection[str] = ()) -> Record:
    """Return a copy of a record that shares its keys and short texts with those of others."""
    interned: Record = {}
    for name, part in record.items():
        if name in without:
            continue
        if isinstance(part, str):
            part = sys.intern(part) if len(part) <= _LONGEST_TIME else part
        elif isinstance(part, dict):
            part = _interned(part)
        interned[sys.intern(name)] = part
    return interned
