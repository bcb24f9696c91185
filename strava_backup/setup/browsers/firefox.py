"""Finds Firefox's cookie store, and reads Strava's cookies from a copy of it.

Changes no file of a profile. Chrome encrypts its cookies with a key that other programs cannot
read (https://github.com/yt-dlp/yt-dlp/issues/10927), so Chrome is not supported.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from strava_backup import errors
from strava_backup.archive.atomic import exists
from strava_backup.setup.cookies import Cookies, from_pairs

_STORE = "cookies.sqlite"
# `expiry` is in milliseconds from this number on, as since Firefox 142, and in seconds below
# (https://github.com/yt-dlp/yt-dlp, cookies.py): as seconds it is the year 5138, as milliseconds
# 1973.
_MILLISECONDS = 10**11
_STRAVA = "host IN ('strava.com', '.strava.com', 'www.strava.com', '.www.strava.com')"


class Profile(NamedTuple):
    """A profile of Firefox: its name and its folder."""

    name: str
    folder: Path

    def is_called(self, name: str) -> bool:
        """Return whether that is its name, or its folder's, with or without the random prefix."""
        return name in (self.name, self.folder.name, self.folder.name.partition(".")[2])


def roots(home: Path, environ: Mapping[str, str], platform: str) -> list[Path]:
    """Return the folders of Firefox's profiles on a platform (`sys.platform`).

    From https://github.com/yt-dlp/yt-dlp, cookies.py; `$XDG_CONFIG_HOME` since Firefox 147.
    """
    if platform == "win32":
        roaming = Path(environ.get("APPDATA") or home / "AppData/Roaming")
        local = Path(environ.get("LOCALAPPDATA") or home / "AppData/Local")
        from_store = "Packages/Mozilla.Firefox_n80bbvh6b1yt2/LocalCache/Roaming/Mozilla/Firefox"
        return [roaming / "Mozilla/Firefox", local / from_store]
    if platform == "darwin":
        return [home / "Library/Application Support/Firefox"]
    flatpak = home / ".var/app/org.mozilla.firefox"
    return [
        Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "mozilla/firefox",
        home / ".mozilla/firefox",
        home / "snap/firefox/common/.mozilla/firefox",
        flatpak / "config/mozilla/firefox",
        flatpak / ".mozilla/firefox",
    ]


def wanted_profiles(places: list[Path], wanted: str | None) -> list[Profile]:
    """Return one profile, or all; `wanted` may also be a folder. Raises ConfigError."""
    profiles = [profile for root in places for profile in find_profiles(root)]
    if wanted is not None:
        folder = Path(os.path.expanduser(wanted))
        named = [profile for profile in profiles if profile.is_called(wanted)]
        profiles = named or ([Profile(wanted, folder)] if _has_store(folder) else [])
    if not profiles:
        raise errors.ConfigError(_no_profile(places, wanted))
    return profiles


def find_profiles(root: Path) -> list[Profile]:
    """Return the profiles with cookies that profiles.ini lists, then the others in the folder."""
    profiles = {profile.folder: profile for profile in _listed_profiles(root)}
    for store in sorted([*root.glob(f"*/{_STORE}"), *root.glob(f"Profiles/*/{_STORE}")]):
        folder = store.parent
        profiles.setdefault(folder, Profile(folder.name.partition(".")[2] or folder.name, folder))
    return [profile for profile in profiles.values() if _has_store(profile.folder)]


def read_store(store: Path, now: float) -> Cookies:
    """Return Strava's unexpired cookies of a cookie store. Raises ConfigError.

    Reads a copy, since Firefox locks the original. The write-ahead log is copied with it, for
    changes that are not yet in the store.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="strava-backup-") as folder:
            copy = Path(folder) / _STORE
            for suffix in ("", "-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(f"{store}{suffix}", f"{copy}{suffix}")
            with contextlib.closing(sqlite3.connect(copy)) as database:
                rows = database.execute(
                    f"SELECT name, value, expiry FROM moz_cookies WHERE {_STRAVA}"  # noqa: S608
                ).fetchall()
    except (OSError, sqlite3.Error) as error:
        raise errors.ConfigError(f"cannot read the cookies in {store}: {error}") from error
    return from_pairs([(name, value) for name, value, expiry in rows if _lasts(expiry, now)])


def _lasts(expiry: int, now: float) -> bool:
    return (expiry / 1000 if expiry >= _MILLISECONDS else expiry) > now


def _has_store(folder: Path) -> bool:
    try:
        return exists(folder / _STORE)
    except OSError:
        # Reading the store will report the error.
        return True


def _listed_profiles(root: Path) -> Iterator[Profile]:
    parser = configparser.RawConfigParser(strict=False)
    with contextlib.suppress(configparser.Error, UnicodeDecodeError):
        parser.read(root / "profiles.ini", encoding="utf-8")
    for section in parser.sections():
        if section.startswith("Profile") and parser.has_option(section, "path"):
            path = parser.get(section, "path")
            # An absolute path replaces the root.
            yield Profile(parser.get(section, "name", fallback=path), root / path)


def _no_profile(places: list[Path], wanted: str | None) -> str:
    found = [profile.name for root in places for profile in find_profiles(root)]
    if wanted is None or not found:
        searched = ", ".join(str(place) for place in places)
        return f"there is no Firefox with cookies here; searched {searched}"
    return f"Firefox has no profile {wanted!r}; there are: {', '.join(found)}"
