"""Reads the web sessions in the cookie stores of browsers; changes nothing there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from strava_backup import errors
from strava_backup.config.browser import Browser
from strava_backup.setup.browsers import firefox
from strava_backup.setup.cookies import Cookies

_log = logging.getLogger(__name__)


class BrowserSession(NamedTuple):
    """Strava's cookies in one profile, and in one container of Firefox (or "")."""

    browser: str
    profile: str
    container: str
    cookies: Cookies


class Places(NamedTuple):
    """Everything that decides where browsers keep their profiles; `platform` is sys.platform."""

    home: Path
    environ: Mapping[str, str]
    platform: str


def read_sessions(browser: Browser, places: Places, now: float) -> list[BrowserSession]:
    """Return every unexpired Strava session in the matching profiles and containers.

    Raises ConfigError if the store is missing or cannot be read, and SessionOver if it has no
    Strava session. If only some profiles cannot be read, that is a warning.
    """
    if browser.name != "firefox":
        raise errors.ConfigError(f"the cookies of {browser.title} cannot be read")
    sessions = []
    for profile in firefox.wanted_profiles(firefox.roots(*places), browser.profile):
        cookies = firefox.read_store(profile.folder / "cookies.sqlite", now)
        sessions.append(BrowserSession(browser.name, profile.name, "", cookies))
    found = [session for session in sessions if any(session.cookies)]
    if not found:
        names = ", ".join(session.profile for session in sessions)
        raise errors.SessionOver(
            f"{browser.title} has no Strava session (profile {names}), nothing was changed: sign "
            "in to www.strava.com there, in a window that is not private, and do not log out"
        )
    return found
