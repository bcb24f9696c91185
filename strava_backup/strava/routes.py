"""Routes out of records. Pure; does no I/O."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from strava_backup.strava.records import Record, is_id

# In a JavaScript number, the last of a route id's 19 digits are lost, so that Strava also sends it
# as the text `id_str` (https://developers.strava.com/docs/reference/#api-models-Route).
_ROUTE_ID = re.compile(r"[1-9][0-9]{0,19}")

# A difference in one of these fields between two listings means that the track may have changed, or
# the name in its GPX. Only the API has the time of the last change.
_TRACK = ("name", "distance", "elevation_gain", "created_at", "updated_at")
# The estimated time is not compared: it depends on the athlete's latest activities.
_COMPARED = (*_TRACK, "description", "private", "starred", "type", "sub_type")


class Route(NamedTuple):
    """A record of a list of routes that has a valid id."""

    id: str
    record: Record

    @property
    def name(self) -> str:
        """The athlete's own title; may contain any characters."""
        return str(self.record.get("name") or "")


def parse_route(record: Any) -> Route | None:
    """Return the route in a record of a list, or None if it has no valid id."""
    route_id = parse_route_id(record)
    return None if route_id is None else Route(route_id, record)


def parse_route_id(record: Any) -> str | None:
    """Return the id of a route, or None if it has no valid one.

    A number with a fraction or an exponent is not valid, since its last digits may be lost.
    """
    if not isinstance(record, dict):
        return None
    value = record.get("id_str") or record.get("id")
    text = str(value) if isinstance(value, str) or is_id(value) else ""
    return text if _ROUTE_ID.fullmatch(text) else None


def compared_fields(record: Record) -> Record:
    """Return the fields of a listing record in which a difference counts as a change."""
    return {name: record[name] for name in _COMPARED if name in record}


def has_other_track(before: Record, listed: Record) -> bool:
    """Return whether the track may have changed between two listings of the same source."""
    return any(before.get(name) != listed.get(name) for name in _TRACK)


class RouteDeduplicator:
    """Removes the routes of a list that an earlier page had, since changes shift its pages."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def of(self, records: list[Any]) -> list[Any]:
        """Return the records with new ids, and those without an id."""
        new = []
        for record in records:
            route_id = parse_route_id(record)
            if route_id is None or route_id not in self._ids:
                new.append(record)
            if route_id is not None:
                self._ids.add(route_id)
        return new

    @property
    def count(self) -> int:
        """The number of ids so far."""
        return len(self._ids)
