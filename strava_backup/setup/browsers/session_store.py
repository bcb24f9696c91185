"""Reads the cookies of Firefox that end with it, from the file that restores its windows.

`_strava4_session` has no expiry, so that it is not in cookies.sqlite. The files and their form are
in https://searchfox.org, SessionFile.sys.mjs and SessionCookies.sys.mjs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strava_backup import errors
from strava_backup.archive.regular import read_whole
from strava_backup.setup.browsers.containers import ContainerCookie
from strava_backup.setup.cookies import HOSTS

# While Firefox runs, and after it has ended.
_FILES = ("sessionstore-backups/recovery.jsonlz4", "sessionstore.jsonlz4")
_MAGIC = b"mozLz40\0"
# Hundreds of tabs with their history have about 20 MB.
_LARGEST_SESSION = 1 << 26


class MissingLz4(errors.ConfigError):
    """The package that decompresses the file is not installed."""


def read_session_cookies(profile: Path) -> list[ContainerCookie]:
    """Return Strava's cookies in the newest session file of a profile, if there is one.

    Raises MissingLz4, and ConfigError for an unreadable file.
    """
    for name in _FILES:
        path = profile / name
        try:
            return parse_session(read_whole(path, follows_link=True))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError, RecursionError) as error:
            raise errors.ConfigError(f"cannot read the cookies in {path}: {error}") from error
    return []


def parse_session(content: bytes) -> list[ContainerCookie]:
    """Return Strava's cookies in a session file. Raises ValueError, RecursionError, MissingLz4."""
    document = json.loads(_decompressed(content))
    cookies = document.get("cookies") if isinstance(document, dict) else None
    return list(_strava_cookies(cookies if isinstance(cookies, list) else []))


def _decompressed(content: bytes) -> bytes:
    """Return the content of a file in Mozilla's form: magic number, size, one block of LZ4."""
    try:
        import lz4.block
    except ImportError as error:
        raise MissingLz4("the package lz4 is not installed") from error
    size = int.from_bytes(content[8:12], "little")
    if not content.startswith(_MAGIC) or size > _LARGEST_SESSION:
        raise ValueError("not a session file, or too large")
    try:
        return bytes(lz4.block.decompress(content[12:], uncompressed_size=size))
    except lz4.block.LZ4BlockError as error:
        raise ValueError("garbled") from error


def _strava_cookies(entries: list[Any]) -> Iterator[ContainerCookie]:
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("host") not in HOSTS:
            continue
        name, value = entry.get("name"), entry.get("value")
        if isinstance(name, str) and isinstance(value, str):
            yield ContainerCookie(_container(entry.get("originAttributes")), name, value)


def _container(attributes: Any) -> int:
    container = attributes.get("userContextId") if isinstance(attributes, dict) else None
    return container if type(container) is int else 0
