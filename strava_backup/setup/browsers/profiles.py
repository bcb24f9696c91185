"""Profiles of browsers, and the choice among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from strava_backup import errors
from strava_backup.archive.atomic import exists
from strava_backup.config.browser import Browser


class Profile(NamedTuple):
    """A profile of a browser: its name and its folder."""

    name: str
    folder: Path

    def is_called(self, name: str) -> bool:
        """Return whether that is its name, or its folder's, with or without a random prefix."""
        return name in (self.name, self.folder.name, self.folder.name.partition(".")[2])


def wanted_profiles(
    browser: Browser, roots: list[Path], find: Callable[[Path], list[Profile]], home: Path
) -> list[Profile]:
    """Return the browser's profiles in those folders, or the one it names by name or folder.

    `find` returns the profiles with cookies in a folder. Raises ConfigError if there are none.
    """
    profiles = _distinct(profile for root in roots for profile in find(root))
    if browser.profile is None:
        found = profiles
    else:
        named = [profile for profile in profiles if profile.is_called(browser.profile)]
        found = named or find(_folder(browser.profile, home))
    if not found:
        raise errors.ConfigError(_no_profile(browser, roots, profiles))
    return found


def store_exists(store: Path) -> bool:
    """Return whether there is a store. If that is unknown, reading it will report the reason."""
    try:
        return exists(store)
    except OSError:
        return True


def glob(root: Path, *patterns: str) -> list[Path]:
    """Return the paths in a folder that match; none if the folder cannot be read."""
    try:
        return sorted(path for pattern in patterns for path in root.glob(pattern))
    except OSError:
        return []


def _folder(text: str, home: Path) -> Path:
    path = Path(text)
    return home.joinpath(*path.parts[1:]) if path.parts[:1] == ("~",) else path


def _distinct(profiles: Iterable[Profile]) -> list[Profile]:
    """Return the profiles without repetitions: folders of several versions may be links."""
    distinct: dict[str, Profile] = {}
    for profile in profiles:
        distinct.setdefault(_real_path(profile.folder), profile)
    return list(distinct.values())


def _real_path(path: Path) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return str(path)


def _no_profile(browser: Browser, roots: list[Path], profiles: list[Profile]) -> str:
    if profiles:
        names = ", ".join(profile.name for profile in profiles)
        return f"{browser.title} has no profile {browser.profile!r}; there are: {names}"
    searched = ", ".join(map(str, roots))
    return (
        f"found no {browser.title} profile with cookies. Searched {searched}. If yours is "
        f"elsewhere, name its folder: {browser.name}:/path/to/profile"
    )
