"""The folders in which browsers keep their profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from strava_backup.config.browser import CHROMIUM_BROWSERS, FIREFOX_AND_FORKS
from strava_backup.setup.browsers.folders import roots

SUPPORT = "/h/Library/Application Support"


@pytest.mark.parametrize(
    ("name", "platform", "environ", "expected"),
    [
        (
            "firefox",
            "linux",
            {},
            [
                "/h/.config/mozilla/firefox",
                "/h/.mozilla/firefox",
                "/h/snap/firefox/common/.mozilla/firefox",
                "/h/.var/app/org.mozilla.firefox/config/mozilla/firefox",
                "/h/.var/app/org.mozilla.firefox/.mozilla/firefox",
            ],
        ),
        ("firefox", "freebsd14", {"XDG_CONFIG_HOME": "/{x}"}, ["/{x}/mozilla/firefox"]),
        ("firefox", "darwin", {}, [f"{SUPPORT}/Firefox"]),
        (
            "firefox",
            "win32",
            {"APPDATA": "/r", "LOCALAPPDATA": "/l"},
            [
                "/r/Mozilla/Firefox",
                "/l/Packages/Mozilla.Firefox_n80bbvh6b1yt2/LocalCache/Roaming/Mozilla/Firefox",
            ],
        ),
        ("zen", "win32", {}, ["/h/AppData/Roaming/zen"]),
        ("librewolf", "darwin", {}, [f"{SUPPORT}/librewolf"]),
        (
            "chromium",
            "linux",
            {},
            [
                "/h/.config/chromium",
                "/h/snap/chromium/common/chromium",
                "/h/.var/app/org.chromium.Chromium/config/chromium",
            ],
        ),
        ("chrome", "darwin", {}, [f"{SUPPORT}/Google/Chrome"]),
        ("chrome", "win32", {}, []),
    ],
)
def test_a_browser_is_searched_where_it_keeps_its_profiles(
    name: str, platform: str, environ: dict[str, str], expected: list[str]
) -> None:
    found = [str(folder) for folder in roots(name, Path("/h"), environ, platform)]
    assert found[: len(expected)] == expected
    assert bool(found) == bool(expected)


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_every_browser_has_folders_of_its_own(platform: str) -> None:
    names = [*FIREFOX_AND_FORKS, *CHROMIUM_BROWSERS]
    folders = [roots(name, Path("/h"), {}, platform) for name in names]
    assert all(folders)
    every = [folder for one in folders for folder in one]
    assert len(set(every)) == len(every)
