"""Names from Strava, an archive, an export or a config never make a terminal do anything."""

from __future__ import annotations

import json
import subprocess
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from strava_backup.demo.account import Account
from tests.conftest import Command
from tests.faults import Fault

MakeCommand = Callable[..., Command]

# It clears the screen, sets the title, turns the line around, and hides in it.
HOSTILE = "\x1b[2J\x9b31m\x1b]0;title\x07\u202edrow\u2066\u200bx\u2028y\U000e0041\x7f\u00ad"
FORGED = "strava-backup: error: forged"


def assert_harmless(result: subprocess.CompletedProcess[str]) -> None:
    for text in (result.stdout, result.stderr):
        categories = {unicodedata.category(character) for character in text.replace("\n", "")}
        assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}, repr(text)
        assert not any(line.startswith(FORGED) for line in text.split("\n")), repr(text)
    assert "Traceback" not in result.stderr


@pytest.fixture
def hostile(make_command: MakeCommand) -> Command:
    """An account whose owner names everything as nobody should."""
    account = Account.of(4)
    for activity in account.activities:
        activity.detail["name"] += HOSTILE
        activity.detail["description"] = HOSTILE
    for one in account.gear.values():
        one.name = f"{HOSTILE}\n{FORGED}"
    return make_command(account)


@pytest.mark.parametrize("options", [[], ["--debug"], ["--dry-run"], ["--check"], ["--quiet"]])
def test_names_from_strava_are_harmless(hostile: Command, options: list[str]) -> None:
    # Others of their kinds come, so that these are named as failed.
    refused = {
        "original": hostile.account.activities[0].id,
        "gear": next(iter(hostile.account.gear)),
    }
    hostile.account.faults += [Fault(kind, "404", id=one) for kind, one in refused.items()]
    result = hostile.run(*options)
    assert ("?[2J" in result.stdout + result.stderr) == (options != ["--check"])
    assert_harmless(result)


def test_names_in_an_archive_are_harmless(hostile: Command) -> None:
    assert hostile.run().returncode == 0
    name = f"{HOSTILE}\n{FORGED}"
    for folder in ("activities/2026", "photos", "gear", name):
        (hostile.root / folder).mkdir(exist_ok=True)
        (hostile.root / folder / f"{name}_5.fit").write_bytes(b"x")
        (hostile.root / folder / f"{name}.meta.json").write_bytes(b"x")
    with (hostile.root / "SHA256SUMS").open("a") as listing:
        listing.write(f"{'0' * 64}  photos/{HOSTILE}_5.jpg\n")
    marker = hostile.root / ".strava-backup.json"
    values = json.loads(marker.read_text())
    marker.write_text(json.dumps({**values, "last_complete_run": name}))
    for options in (["--verify"], ["--verify", "--repair"], ["--check"], ["--debug"]):
        assert_harmless(hostile.run(*options))


def test_names_in_an_export_are_harmless(hostile: Command, tmp_path: Path) -> None:
    name = f"{HOSTILE}\n{FORGED}"
    row = ["7", "Nov 22, 2026, 10:00:00 AM", name, "Ride", "", "60"]
    quoted = ",".join(f'"{cell}"' for cell in [*row, *[""] * 6, f"activities/{name}.fit"])
    header = (
        "Activity ID,Activity Date,Activity Name,Activity Type,Activity Description,Elapsed Time,"
        "Distance,Max Heart Rate,Relative Effort,Commute,Activity Private Note,Activity Gear,"
        "Filename"
    )
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("activities.csv", f"{header}\n{quoted}\n")
        file.writestr(f"media/{name}.jpg", b"x")
        file.writestr(f"{name}/x.csv", b"x")
    for options in (["--dry-run"], []):
        assert_harmless(hostile.run("--import", str(path), *options))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(f"../{name}", b"x")
    result = hostile.run("--import", str(path))
    assert result.returncode == 2
    assert_harmless(result)


@pytest.mark.parametrize("options", [[], ["--check"], ["--verify"], ["--login"], ["--authorize"]])
def test_texts_of_a_config_are_harmless(hostile: Command, options: list[str]) -> None:
    plain = HOSTILE.replace("\u2028", "")  # to an INI file the end of a line
    hostile.config.write_text(
        f"[global]\noutput_dir = {plain}/a\nsource = {plain}\n[{plain}]\nx = 1\n"
        f"[user]\n{plain} = 1\njwt_file = {plain}\n"
    )
    result = hostile.run(*options)
    assert result.returncode != 0
    assert_harmless(result)


def test_profiles_of_a_browser_are_harmless(hostile: Command) -> None:
    root = hostile.folder / ".mozilla" / "firefox"
    folder = root / HOSTILE
    folder.mkdir(parents=True)
    (folder / "cookies.sqlite").write_bytes(b"x")
    ini = f"[Profile0]\nName = {HOSTILE}\n {FORGED}\nPath = {HOSTILE}\n"
    (root / "profiles.ini").write_text(ini)
    for browser in ("firefox", "firefox:other", f"firefox:{HOSTILE}", HOSTILE):
        result = hostile.run("--login", "--cookies-from-browser", browser)
        assert result.returncode == 2
        assert_harmless(result)
