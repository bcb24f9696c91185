"""Reads the web sessions in the cookie stores of browsers; changes nothing there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from strava_backup import errors
from strava_backup.config.browser import CHROMIUM_BROWSERS, Browser
from strava_backup.setup.browsers import chromium, firefox
from strava_backup.setup.browsers.decryption import Keys
from strava_backup.setup.browsers.firefox import ProfileCookies
from strava_backup.setup.browsers.folders import roots
from strava_backup.setup.browsers.keyrings import read_password
from strava_backup.setup.browsers.profiles import Profile, wanted_profiles
from strava_backup.setup.cookies import SESSION, TOKEN, Cookies

_LZ4 = (
    f"If you are signed in, only {SESSION} may be there, which is in a compressed file. To read "
    "it, install the extra lz4 (pip install lz4, or pipx inject strava-backup lz4), or paste the "
    "cookie: strava-backup --login"
)

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
    if browser.name in CHROMIUM_BROWSERS:
        return _read(browser, *_chromium(browser, places, now))
    return _read(browser, *_firefox(browser, places, now))


_ReadProfile = Callable[[Path], ProfileCookies]


def _firefox(browser: Browser, places: Places, now: float) -> tuple[list[Profile], _ReadProfile]:
    profiles = wanted_profiles(
        browser, roots(browser.name, *places), firefox.find_profiles, places.home
    )
    firefox.check_container(profiles, browser.container)
    return profiles, partial(firefox.read_profile, container=browser.container, now=now)


def _chromium(browser: Browser, places: Places, now: float) -> tuple[list[Profile], _ReadProfile]:
    if places.platform == "win32":
        raise errors.ConfigError(
            f"on Windows, {browser.title} encrypts its cookies with a key that other programs "
            "cannot use",
            f'Use Firefox, or copy one: on www.strava.com press F12, "Application", Cookies, the '
            f"value of {TOKEN}; then strava-backup --login and paste it",
        )
    profiles = wanted_profiles(
        browser, roots(browser.name, *places), chromium.find_profiles, places.home
    )
    ask = partial(read_password, browser, places.environ, places.platform)
    keys = Keys(places.platform, ask)

    def read_profile(folder: Path) -> ProfileCookies:
        return ProfileCookies([("", chromium.read_profile(folder, keys, now))])

    return profiles, read_profile


def _read(
    browser: Browser, profiles: list[Profile], read_profile: _ReadProfile
) -> list[BrowserSession]:
    sessions: list[BrowserSession] = []
    problems: list[errors.ConfigError] = []
    lacks_lz4 = False
    for profile in profiles:
        try:
            found = read_profile(profile.folder)
        except errors.ConfigError as error:
            problems.append(error)
            continue
        lacks_lz4 |= found.lacks_lz4
        sessions += [
            BrowserSession(browser.name, profile.name, container, cookies)
            for container, cookies in found.cookies
            if any(cookies)
        ]
    if not sessions:
        raise _nothing(browser, profiles, problems, lacks_lz4)
    for problem in dict.fromkeys(map(str, problems)):
        _log.warning("%s", problem)
    return sessions


def _nothing(
    browser: Browser,
    profiles: list[Profile],
    problems: list[errors.ConfigError],
    lacks_lz4: bool,
) -> errors.Error:
    """Return the error for a browser without any session; unreadable profiles come first."""
    if problems:
        lines = dict.fromkeys(line for problem in problems for line in problem.problems)
        return errors.ConfigError(*lines)
    names = ", ".join(profile.name for profile in profiles)
    container = f", container {browser.container}" if browser.container else ""
    message = (
        f"{browser.title} has no Strava session (profile {names}{container}): sign in to "
        "www.strava.com there, in a window that is not private, and do not log out"
    )
    return errors.SessionOver(f"{message}\n{_LZ4}" if lacks_lz4 else message)
