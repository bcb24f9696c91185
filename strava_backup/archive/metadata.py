"""Metadata as it stands on disk, and what is kept of it in memory. Writes nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from strava_backup.archive.excerpt import excerpt

OURS = "strava_backup"

Record = dict[str, Any]

_LONGEST_TIME = len("2026-05-06T07:08:09Z")


def to_json(record: Record) -> bytes:
    """A record as it stands on disk: UTF-8, keys sorted, indented by 2."""
    text = json.dumps(record, ensure_ascii=False, sort_keys=True, indent=2)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        # A lone surrogate, half an emoji cut off by somebody's app, has no UTF-8 form.
        return json.dumps(record, sort_keys=True, indent=2).encode() + b"\n"


def is_what_strava_holds(ours: Record, damage: str) -> bool:
    """Whether a file's metadata knows of its damage: then it came so, twice alike."""
    notes = (ours.get("original"), ours.get("picture"))
    return any(isinstance(note, dict) and note.get("odd") == damage for note in notes)


def read_for_scan(path: str) -> Record | None:
    """What a scan needs of metadata, at least; None as of `read_record`. Raises OSError."""
    try:
        with open(path, "rb", buffering=0) as file:
            content = file.read()
    except FileNotFoundError:
        return None
    record = excerpt(content, ("resource_state", OURS))
    return _without_foreign_key(_parse_json(content) if record is None else record)


def read_record(path: Path) -> Record | None:
    """Metadata without what stands under our key and cannot be ours.

    None where there is none, or no JSON object. Raises OSError.
    """
    return _without_foreign_key(read_json(path))


def _without_foreign_key(record: Record | None) -> Record | None:
    if record is not None and not isinstance(record.get(OURS, {}), dict):
        del record[OURS]
    return record


def read_json(path: Path) -> Record | None:
    """A JSON object; None where there is no file, or no such object in it. Raises OSError."""
    try:
        return _parse_json(path.read_bytes())
    except FileNotFoundError:
        return None


def _parse_json(content: bytes) -> Record | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def fingerprint(value: Any) -> int:
    """A number that is the same for equal JSON values, in one process; 12 is equal to 12.0."""
    return hash(_frozen(value))


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        try:
            return frozenset(value.items())
        except TypeError:  # something in it is a dict or a list itself
            return frozenset((name, _frozen(part)) for name, part in value.items())
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def slimmed(ours: Record) -> tuple[Record, dict[str, int]]:
    """What of our key is kept in memory for ten thousand records: all but the website's raw record
    and the cells of a bulk export, and in place of what each source listed last its `fingerprint`.
    """
    listed = ours.get("listed")
    prints = listed.items() if isinstance(listed, dict) else ()
    rest = {name: ours[name] for name in ours.keys() - {"listed", "website"}}
    export = rest.get("bulk_export")
    if isinstance(export, dict):
        rest["bulk_export"] = {name: export[name] for name in export.keys() - {"columns"}}
    return _interned(rest), {sys.intern(source): fingerprint(was) for source, was in prints}


def _interned(value: Any) -> Any:
    """The same with each key, source and time kept in memory once, however many records have it."""
    if isinstance(value, str) and len(value) <= _LONGEST_TIME:
        return sys.intern(value)
    if not isinstance(value, dict):
        return value
    return {sys.intern(name): _interned(part) for name, part in value.items()}
