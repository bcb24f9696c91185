"""Pure: parses the name of a browser whose cookies are to be read, in the syntax of yt-dlp."""

from __future__ import annotations

import re
from typing import NamedTuple

from strava_backup import errors
from strava_backup.secret_text import quoted

# The names as they are typed, and as they are shown.
FIREFOX_AND_FORKS = {
    "firefox": "Firefox",
    "librewolf": "LibreWolf",
    "waterfox": "Waterfox",
    "zen": "Zen",
}
CHROMIUM_BROWSERS = {
    "brave": "Brave",
    "chrome": "Chrome",
    "chromium": "Chromium",
    "edge": "Edge",
    "opera": "Opera",
    "vivaldi": "Vivaldi",
}
KEYRINGS = ("basictext", "gnomekeyring", "kwallet", "kwallet5", "kwallet6")
NO_CONTAINER = "none"

_TITLES = FIREFOX_AND_FORKS | CHROMIUM_BROWSERS
_SYNTAX = "NAME[+KEYRING][:PROFILE][::CONTAINER]"
# From https://github.com/yt-dlp/yt-dlp, `--cookies-from-browser` in yt_dlp/__init__.py, except that
# an empty profile counts as none, and that a profile has no colon at its ends.
_PATTERN = re.compile(
    r"\s*(?P<name>[^+:]+?)\s*"
    r"(?:\+\s*(?P<keyring>[^:]+?)\s*)?"
    r"(?::(?!\s*:)\s*(?P<profile>(?:.*?[^:\s])?)\s*)?"
    r"(?:::\s*(?P<container>\S.*?)\s*)?"
)


class Browser(NamedTuple):
    """A browser to read cookies from; None stands for any keyring, profile or container."""

    name: str
    keyring: str | None = None
    profile: str | None = None
    container: str | None = None

    @property
    def title(self) -> str:
        """The name as messages show it."""
        return _TITLES[self.name]

    def __str__(self) -> str:
        keyring = f"+{self.keyring}" if self.keyring else ""
        profile = f":{self.profile}" if self.profile else ""
        container = f"::{self.container}" if self.container else ""
        return f"{self.name}{keyring}{profile}{container}"


def parse_browser(text: str) -> Browser:
    """Return the browser in `NAME[+KEYRING][:PROFILE][::CONTAINER]`. Raises ConfigError.

    PROFILE is a name or a folder. The container "none" stands for cookies outside of containers.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise errors.ConfigError(f"a browser is written as {_SYNTAX}, not {quoted(text)}")
    name, keyring, profile, container = match.groups()
    browser = Browser(name.lower(), keyring and keyring.lower(), profile or None, container)
    _check(browser)
    return browser


def _check(browser: Browser) -> None:
    if browser.name not in _TITLES:
        raise errors.ConfigError(
            f"cookies can be read from {', '.join(sorted(_TITLES))}, not from "
            f"{quoted(browser.name)}; another relative of Firefox is read by the folder of its "
            "profile, as in firefox:/path/to/profile"
        )
    if browser.keyring and browser.name not in CHROMIUM_BROWSERS:
        raise errors.ConfigError(
            f"{browser.title} uses no keyring: omit +{quoted(browser.keyring)}"
        )
    if browser.keyring and browser.keyring not in KEYRINGS:
        raise errors.ConfigError(
            f"the keyring must be {', '.join(KEYRINGS)}, not {quoted(browser.keyring)}"
        )
    if browser.container and browser.name not in FIREFOX_AND_FORKS:
        raise errors.ConfigError(
            f"{browser.title} has no containers: omit ::{quoted(browser.container)}"
        )
