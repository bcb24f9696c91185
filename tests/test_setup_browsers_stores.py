"""Sessions in the profiles of a browser."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.config.browser import CHROMIUM_BROWSERS, FIREFOX_AND_FORKS, Browser
from strava_backup.setup.browsers.folders import roots
from strava_backup.setup.browsers.stores import BrowserSession, Places, read_sessions
from strava_backup.setup.cookies import TOKEN, Cookies
from tests import test_setup_browsers_chromium as of_chromium
from tests.test_setup_browsers_decryption import HOST, encrypt
from tests.test_setup_browsers_firefox import CONTAINERS, NEW, SECONDS, make_store, token


def read(home: Path, browser: Browser, platform: str = "linux") -> list[BrowserSession]:
    return read_sessions(browser, Places(home, {}, platform), SECONDS)


@pytest.mark.parametrize("name", FIREFOX_AND_FORKS)
def test_each_profile_has_a_session_of_its_own(tmp_path: Path, name: str) -> None:
    root = roots(name, tmp_path, {}, "linux")[-1]
    make_store(root / "a1.first", NEW, token("1"))
    make_store(root / "b2.other", NEW)
    make_store(root / "c3.third", NEW, token("3"))
    first = BrowserSession(name, "first", "", Cookies(("1",)))
    third = BrowserSession(name, "third", "", Cookies(("3",)))
    assert read(tmp_path, Browser(name)) == [first, third]
    assert read(tmp_path, Browser(name, profile="third")) == [third]
    assert read(tmp_path, Browser("firefox", profile=str(root / "a1.first"))) == [
        first._replace(browser="firefox")
    ]


def test_a_token_is_not_in_the_repr_of_a_session() -> None:
    assert "secret" not in repr(BrowserSession("zen", "first", "", Cookies(("secret",))))


def test_each_container_has_a_session_of_its_own(tmp_path: Path) -> None:
    profile = tmp_path / ".zen/a1.first"
    make_store(profile, NEW, token("0"), token("1"), token("2"))
    (profile / "containers.json").write_bytes(CONTAINERS)
    found = read(tmp_path, Browser("zen"))
    assert [session.container for session in found] == ["", "1", "Work"]
    (only,) = read(tmp_path, Browser("zen", container="work"))
    assert only == BrowserSession("zen", "first", "Work", Cookies(("2",)))
    with pytest.raises(errors.SessionOver, match="profile first, container Bob"):
        read(tmp_path, Browser("zen", container="Bob"))
    with pytest.raises(errors.ConfigError, match="no container 'home'"):
        read(tmp_path, Browser("zen", container="home"))


@pytest.mark.parametrize("name", CHROMIUM_BROWSERS)
def test_relatives_of_chromium_are_read(tmp_path: Path, name: str) -> None:
    folder = roots(name, tmp_path, {}, "linux")[-1] / "Default"
    of_chromium.make_store(folder / "Cookies", 24, (TOKEN, "", encrypt("t", host=HOST), 60))
    expected = BrowserSession(name, "Default", "", Cookies(("t",)))
    assert read(tmp_path, Browser(name)) == [expected]


@pytest.mark.parametrize("browser", [Browser("chrome"), Browser("edge", profile="Default")])
def test_on_windows_two_lines_say_why_chrome_is_not_read_and_what_to_do(
    tmp_path: Path, browser: Browser
) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        read(tmp_path, browser, "win32")
    why, advice = caught.value.problems
    assert "encrypts" in why
    assert "Firefox" in advice
    assert "strava-backup --login and paste it" in advice


def test_a_profile_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / ".mozilla/firefox"
    make_store(root / "a1.broken", NEW).write_bytes(b"x" * 100)
    make_store(root / "b2.good", NEW, token("1"))
    with caplog.at_level(logging.WARNING):
        assert [session.profile for session in read(tmp_path, Browser("firefox"))] == ["good"]
    (warning,) = caplog.messages
    assert "a1.broken/cookies.sqlite" in warning
    # The session may be in the one that cannot be read.
    (root / "b2.good/cookies.sqlite").unlink()
    make_store(root / "c3.empty", NEW)
    with pytest.raises(errors.ConfigError, match=r"a1\.broken"):
        read(tmp_path, Browser("firefox"))


@pytest.mark.parametrize("has_lz4", [True, False])
def test_a_browser_that_is_not_signed_in_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_lz4: bool
) -> None:
    profile = tmp_path / ".mozilla/firefox/a1.first"
    make_store(profile, NEW, token("expired", left=-1))
    if not has_lz4:
        monkeypatch.setitem(sys.modules, "lz4.block", None)
        (profile / "sessionstore.jsonlz4").touch()
    with pytest.raises(errors.SessionOver, match=r"no Strava session \(profile first\)") as caught:
        read(tmp_path, Browser("firefox"))
    assert ("pip install lz4" in str(caught.value)) == (not has_lz4)


@given(content=st.binary(), name=st.sampled_from(["firefox", "chromium"]))
def test_any_bytes_as_a_store_are_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for store in ("cookies.sqlite", "cookies.sqlite-wal", "Cookies", "Cookies-journal"):
        (folder / store).write_bytes(content)
    with pytest.raises(errors.ConfigError, match="cannot read the cookies"):
        read(folder, Browser(name, profile=str(folder)))
