"""The choice among a browser's profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from strava_backup import errors
from strava_backup.config.browser import Browser
from strava_backup.setup.browsers.profiles import Profile, glob, store_exists, wanted_profiles


def find(root: Path) -> list[Profile]:
    """Every folder with a file "store" in it, and the root itself."""
    folders = [root, *sorted(root.glob("*"))]
    return [Profile(one.name.title(), one) for one in folders if store_exists(one / "store")]


def make_profiles(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "store").touch()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, ["x1.work", "x2.home"]),
        ("work", ["x1.work"]),
        ("x1.work", ["x1.work"]),
        ("X2.Home", ["x2.home"]),
        ("{tmp_path}/root/x2.home", ["x2.home"]),
        ("~/other", ["other"]),
        ("{tmp_path}/root", ["x1.work", "x2.home"]),
    ],
)
def test_a_profile_is_wanted_by_its_name_or_folder(
    tmp_path: Path, wanted: str | None, expected: list[str]
) -> None:
    make_profiles(tmp_path / "root", "x1.work", "x2.home")
    make_profiles(tmp_path, "other")
    browser = Browser("firefox", profile=wanted and wanted.format(tmp_path=tmp_path))
    found = wanted_profiles(browser, [tmp_path / "root"], find, tmp_path)
    assert [profile.folder.name for profile in found] == expected


def test_a_folder_that_is_also_a_link_counts_once(tmp_path: Path) -> None:
    make_profiles(tmp_path / "root", "work")
    (tmp_path / "link").symlink_to("root")
    roots = [tmp_path / "root", tmp_path / "link"]
    assert len(wanted_profiles(Browser("zen"), roots, find, tmp_path)) == 1


def test_a_profile_that_does_not_exist_is_reported_with_those_that_do(tmp_path: Path) -> None:
    make_profiles(tmp_path, "a", "b")
    with pytest.raises(errors.ConfigError, match="Zen has no profile 'work'; there are: A, B"):
        wanted_profiles(Browser("zen", profile="work"), [tmp_path], find, tmp_path)


@pytest.mark.parametrize("profile", [None, "work"])
def test_a_browser_that_is_missing_is_reported_with_its_folders(
    tmp_path: Path, profile: str | None
) -> None:
    roots = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(errors.ConfigError, match=f"no Zen .* Searched {roots[0]}, {roots[1]}"):
        wanted_profiles(Browser("zen", profile=profile), roots, find, tmp_path)


@pytest.mark.parametrize("name", ["a\0b", "a" * 300, "\ud800"])
def test_an_invalid_name_of_a_folder_is_harmless(tmp_path: Path, name: str) -> None:
    assert glob(tmp_path / name, "*") == []
    assert store_exists(tmp_path / name)
    with pytest.raises(errors.ConfigError):
        wanted_profiles(
            Browser("zen", profile="x"), [tmp_path / name / "y"], lambda _: [], tmp_path
        )
