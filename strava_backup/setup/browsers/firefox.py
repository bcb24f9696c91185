"""Finds the profiles of Firefox and its forks, and reads Strava's cookies in them.

Changes no file of a profile.
"""

from __future__ import annotations

import configparser
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from strava_backup import errors
from strava_backup.archive.regular import read_whole
from strava_backup.config.browser import NO_CONTAINER
from strava_backup.secret_text import is_storable
from strava_backup.setup.browsers.containers import (
    ContainerCookie,
    is_wanted,
    parse_containers,
    parse_origin_attributes,
)
from strava_backup.setup.browsers.profiles import Profile, glob, store_exists
from strava_backup.setup.browsers.session_store import MissingLz4, read_session_cookies
from strava_backup.setup.browsers.sqlite_copy import opened_copy
from strava_backup.setup.cookies import HOSTS, SESSION, TOKEN, Cookies, from_pairs

_STORE = "cookies.sqlite"
# `expiry` is in milliseconds from this number on, as since Firefox 142, and in seconds below
# (https://github.com/yt-dlp/yt-dlp, cookies.py): as seconds it is the year 5138, as milliseconds
# 1973.
_MILLISECONDS = 10**11
_QUERY = """
SELECT originAttributes, name, value, expiry FROM moz_cookies
WHERE host IN (?, ?, ?, ?) AND name IN (?, ?)
ORDER BY expiry LIMIT 1000
"""


class ProfileCookies(NamedTuple):
    """Strava's cookies in a profile, each with the name of its container ("" for none)."""

    cookies: list[tuple[str, Cookies]]
    lacks_lz4: bool = False


def find_profiles(root: Path) -> list[Profile]:
    """Return the profiles with cookies that profiles.ini lists, then the others in the folder.

    The folder may also be a profile.
    """
    profiles = {profile.folder: profile for profile in _listed_profiles(root)}
    stores = glob(root, f"*/{_STORE}", f"Profiles/*/{_STORE}")
    for folder in (*(store.parent for store in stores), root):
        profiles.setdefault(folder, Profile(folder.name.partition(".")[2] or folder.name, folder))
    return [profile for profile in profiles.values() if store_exists(profile.folder / _STORE)]


def check_container(profiles: list[Profile], wanted: str | None) -> None:
    """Raise ConfigError if no profile has this container."""
    if wanted is None or wanted == NO_CONTAINER:
        return
    containers = [_read_containers(profile.folder) for profile in profiles]
    if not any(is_wanted(one, names, wanted) for names in containers for one in names):
        known = sorted({name for names in containers for name in names.values()})
        raise errors.ConfigError(
            f"there is no container {wanted!r}; there are: {', '.join((*known, NO_CONTAINER))}"
        )


def read_profile(folder: Path, container: str | None, now: float) -> ProfileCookies:
    """Return Strava's unexpired cookies in the wanted container of a profile, or in all.

    Raises ConfigError if a store cannot be read. Those that end with the browser are optional if
    there is a token.
    """
    cookies = read_store(folder / _STORE, now)
    lacks_lz4 = False
    try:
        cookies += read_session_cookies(folder)
    except errors.ConfigError as error:
        if not any(cookie.name == TOKEN for cookie in cookies):
            lacks_lz4 = isinstance(error, MissingLz4)
            if not lacks_lz4:
                raise
    names = _read_containers(folder)
    wanted = [one for one in cookies if is_wanted(one.container, names, container)]
    return ProfileCookies(_by_container(wanted, names), lacks_lz4)


def read_store(store: Path, now: float) -> list[ContainerCookie]:
    """Return Strava's unexpired cookies of a cookie store. Raises ConfigError."""
    with opened_copy(store) as database:
        rows = database.execute(_QUERY, (*HOSTS, TOKEN, SESSION)).fetchall()
    return [
        ContainerCookie(parse_origin_attributes(origin), name, value)
        for origin, name, value, expiry in rows
        if _lasts(expiry, now) and isinstance(value, str)
    ]


def _lasts(expiry: Any, now: float) -> bool:
    if not isinstance(expiry, int):
        return False
    return (expiry / 1000 if expiry >= _MILLISECONDS else expiry) > now


def _by_container(
    cookies: list[ContainerCookie], names: dict[int, str]
) -> list[tuple[str, Cookies]]:
    found = []
    for container in sorted({cookie.container for cookie in cookies}):
        pairs = [
            (cookie.name, cookie.value)
            for cookie in cookies
            if cookie.container == container and is_storable(cookie.value)
        ]
        title = names.get(container, str(container)) if container else ""
        found.append((title, from_pairs(pairs)))
    return found


def _read_containers(folder: Path) -> dict[int, str]:
    """Return the names of containers by their ids; none if their file is missing or garbled."""
    try:
        return parse_containers(read_whole(folder / "containers.json", follows_link=True))
    except (OSError, ValueError):
        return {}


def _listed_profiles(root: Path) -> Iterator[Profile]:
    parser = configparser.RawConfigParser(strict=False)
    with contextlib.suppress(configparser.Error, OSError, ValueError):
        content = read_whole(root / "profiles.ini", follows_link=True)
        parser.read_string(content.decode("utf-8"))
    for section in parser.sections():
        if section.startswith("Profile") and parser.has_option(section, "path"):
            path = parser.get(section, "path")
            # An absolute path replaces the root.
            yield Profile(parser.get(section, "name", fallback=path), root / path)
