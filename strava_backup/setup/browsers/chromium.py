"""Finds the profiles of Chromium and its relatives, and reads Strava's cookies in them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from strava_backup import errors
from strava_backup.archive.regular import read_whole
from strava_backup.secret_text import is_storable
from strava_backup.setup.browsers.decryption import Keys, decrypt
from strava_backup.setup.browsers.profiles import Profile, glob, store_exists
from strava_backup.setup.browsers.sqlite_copy import opened_copy
from strava_backup.setup.cookies import HOSTS, SESSION, TOKEN, Cookies, from_pairs

# Since Chrome 96, and before.
_STORES = ("Network/Cookies", "Cookies")
# `expires_utc` has microseconds since 1601; cookies that end with the browser have 0.
_MICROSECONDS = 10**6
_SECONDS_FROM_1601_TO_1970 = 11_644_473_600
# From this version of the store on, the hash of the host precedes an encrypted value.
_FIRST_WITH_HASH = 24
_COOKIES = """
SELECT host_key, name, value, encrypted_value, expires_utc FROM cookies
WHERE host_key IN (?, ?, ?, ?) AND name IN (?, ?)
ORDER BY expires_utc LIMIT 1000
"""


class _StoredCookie(NamedTuple):
    host: str
    name: str
    value: Any
    encrypted: Any


def find_profiles(root: Path) -> list[Profile]:
    """Return the profiles with cookies in a folder, which may also be a profile itself."""
    names = _read_names(root)
    folders = [root, *glob(root, "Default"), *glob(root, "Profile *")]
    return [
        Profile(names.get(folder.name, folder.name), folder)
        for folder in folders
        if any(store_exists(folder / store) for store in _STORES)
    ]


def read_profile(folder: Path, keys: Keys, now: float) -> Cookies:
    """Return Strava's unexpired cookies in a profile. Raises ConfigError."""
    stores = [folder / store for store in _STORES]
    store = next(filter(store_exists, stores), stores[0])
    with opened_copy(store) as database:
        has_hash = _version(database) >= _FIRST_WITH_HASH
        rows = database.execute(_COOKIES, (*HOSTS, TOKEN, SESSION)).fetchall()
    cookies = [
        _StoredCookie(host, name, value, encrypted)
        for host, name, value, encrypted, expiry in rows
        if _lasts(expiry, now)
    ]
    return from_pairs(_pairs(store, cookies, keys, has_hash))


def _pairs(
    store: Path, cookies: list[_StoredCookie], keys: Keys, has_hash: bool
) -> list[tuple[str, str]]:
    """Return names and values. Raises ConfigError if there are cookies and none can be read."""
    pairs, problems = [], []
    for cookie in cookies:
        try:
            pairs.append((cookie.name, _value(store, cookie, keys, has_hash)))
        except errors.ConfigError as error:
            problems.append(error)
    if problems and not pairs:
        raise problems[0]
    return pairs


def _version(database: sqlite3.Connection) -> int:
    row = database.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    try:
        return int(row[0]) if row else 0
    except (TypeError, ValueError):
        return 0


def _value(store: Path, cookie: _StoredCookie, keys: Keys, has_hash: bool) -> str:
    """Return the value of a cookie, "" if it has none. Raises ConfigError."""
    if not isinstance(cookie.encrypted, bytes) or not cookie.encrypted:
        return cookie.value if is_storable(cookie.value) else ""
    plain = decrypt(cookie.encrypted, keys, cookie.host, has_hash=has_hash)
    if plain is None:
        raise errors.ConfigError(
            f"cannot decrypt the cookies in {store}: the key in the keyring is not theirs",
            "On Linux name another keyring (as in chrome+kwallet); or use Firefox, or paste the "
            "cookie: strava-backup --login",
        )
    return plain


def _lasts(expiry: Any, now: float) -> bool:
    if not isinstance(expiry, int):
        return False
    return expiry == 0 or expiry / _MICROSECONDS - _SECONDS_FROM_1601_TO_1970 > now


def _read_names(root: Path) -> dict[str, str]:
    """Return the names that people gave to profiles, by folder; none if they are unreadable."""
    try:
        state = json.loads(read_whole(root / "Local State", follows_link=True))
    except (OSError, ValueError, RecursionError):
        return {}
    return dict(_profile_names(state))


def _profile_names(state: Any) -> Iterator[tuple[str, str]]:
    profile = state.get("profile") if isinstance(state, dict) else None
    cache = profile.get("info_cache") if isinstance(profile, dict) else None
    for folder, entry in cache.items() if isinstance(cache, dict) else ():
        name = entry.get("name") if isinstance(entry, dict) else None
        if isinstance(name, str) and name:
            yield folder, name
