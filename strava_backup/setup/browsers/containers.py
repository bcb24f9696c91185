"""Pure: the containers of Firefox, their names, and the cookies in them."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from strava_backup.config.browser import NO_CONTAINER

# The names of the four containers that Firefox brings along, in its older and its newer form
# (https://searchfox.org, ContextualIdentityService.sys.mjs).
_BUILT_IN = re.compile(r"userContext(\w+)\.label|user-context-(\w+)")
_OF_COOKIE = re.compile(r"[\^&]userContextId=(\d{1,10})(?:&|$)", re.ASCII)


class ContainerCookie(NamedTuple):
    """A cookie of Strava, and the id of its container (0 for none)."""

    container: int
    name: str
    value: str

    def __repr__(self) -> str:
        return f"ContainerCookie({self.container}, {self.name!r})"


def parse_containers(content: bytes) -> dict[int, str]:
    """Return the names of a person's containers by their ids; none if containers.json is garbled.

    Containers that only Firefox itself uses are not public, and are left out.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    identities = document.get("identities") if isinstance(document, dict) else None
    entries = identities if isinstance(identities, list) else []
    return {
        entry["userContextId"]: name
        for entry in entries
        if isinstance(entry, dict)
        and entry.get("public") is not False
        and type(entry.get("userContextId")) is int
        and (name := _name(entry))
    }


def parse_origin_attributes(text: object) -> int:
    """Return the id of the container in a cookie's `originAttributes`; 0 without one."""
    match = _OF_COOKIE.search(text) if isinstance(text, str) else None
    return int(match[1]) if match else 0


def is_wanted(container: int, names: dict[int, str], wanted: str | None) -> bool:
    """Return whether a container is the wanted one; None stands for all, "none" for outside."""
    if wanted is None:
        return True
    if wanted == NO_CONTAINER:
        return container == 0
    return container != 0 and wanted.casefold() in (
        str(container),
        names.get(container, "").casefold(),
    )


def _name(entry: dict[str, Any]) -> str:
    name = entry.get("name")
    if isinstance(name, str) and name:
        return name
    for key in ("l10nId", "l10nID"):
        match = _BUILT_IN.fullmatch(text) if isinstance(text := entry.get(key), str) else None
        if match:
            return (match[1] or match[2]).capitalize()
    return ""
