"""The sessions of a browser, as its reader returns them."""

from __future__ import annotations

from dataclasses import dataclass, field

from strava_backup import errors
from strava_backup.config.browser import Browser
from strava_backup.setup.browsers.stores import BrowserSession
from strava_backup.setup.cookies import Cookies

LOCKED = errors.ConfigError("Firefox's cookies cannot be read: the database is locked")
LOGGED_OUT = errors.SessionOver("Firefox has no Strava session")


def found(
    *tokens: str,
    sessions: tuple[str, ...] = (),
    profile: str = "default-release",
    container: str = "",
) -> BrowserSession:
    return BrowserSession("firefox", profile, container, Cookies(tokens, sessions))


@dataclass
class FakeBrowser:
    """A reader of a browser that has these sessions, or that raises an error."""

    sessions: list[BrowserSession] = field(default_factory=list)
    error: errors.Error | None = None
    reads: int = 0

    def __call__(self, browser: Browser, now: float) -> list[BrowserSession]:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return self.sessions
