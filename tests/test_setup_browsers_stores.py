"""Sessions in the profiles of a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from strava_backup import errors
from strava_backup.config.browser import Browser
from strava_backup.setup.browsers.stores import BrowserSession, Places, read_sessions
from strava_backup.setup.cookies import Cookies
from tests.test_setup_browsers_firefox import OLD, SECONDS, make_store, token


def test_each_profile_has_a_session_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / ".mozilla/firefox"
    make_store(root / "a1.first", OLD, token("1"))
    make_store(root / "b2.other", OLD)
    make_store(root / "c3.third", OLD, token("3"))
    places = Places(tmp_path, {}, "linux")
    assert read_sessions(Browser("firefox"), places, SECONDS) == [
        BrowserSession("firefox", "first", "", Cookies(("1",))),
        BrowserSession("firefox", "third", "", Cookies(("3",))),
    ]
    (only,) = read_sessions(Browser("firefox", profile="third"), places, SECONDS)
    assert only.cookies.tokens == ("3",)


def test_a_browser_that_is_not_signed_in_is_reported(tmp_path: Path) -> None:
    make_store(tmp_path / ".mozilla/firefox/a1.first", OLD, token("expired", left=-1))
    with pytest.raises(errors.SessionOver, match=r"no Strava session \(profile first\)"):
        read_sessions(Browser("firefox"), Places(tmp_path, {}, "linux"), SECONDS)
