"""Folders without permission and invalid paths give a message and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from strava_backup import errors
from strava_backup.config import loader
from tests import in_process
from tests.limits import obeying_permissions

ROOT = Path(__file__).parent.parent
CONFIG = "[global]\noutput_dir = {}\n[user]\njwt = eyJ\n"

PLACES = {
    "locked": "locked/a",
    "below a locked one": "locked/a/b",
    "a file": "file",
    "below a file": "file/a",
    "a pipe": "pipe",
    "a loop of links": "loop",
    "below a loop of links": "loop/a",
    "a name that is too long": "x" * 300,
    "a path that is too long": "/".join(["x" * 100] * 50),
    "a link into a locked folder": "link",
}
COMMANDS = {
    "backup": ["--demo"],
    "dry run": ["--demo", "--dry-run"],
    "verify": ["--verify"],
    "repair": ["--verify", "--repair"],
    "import": ["--import", "export"],
    "check": ["--check", "--config", "good.conf"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("locked/a")
    (tmp_path / "good.conf").write_text(CONFIG.format("archive"))
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "activities.csv").write_text(
        "Activity ID,Activity Date,Activity Name,Activity Type\n"
        '1,"May 6, 2021, 7:08:09 AM",Ride,Ride\n'
    )
    locked = tmp_path / "locked"
    (locked / "a").mkdir(parents=True)
    (locked / "c.conf").write_text(CONFIG.format("archive"))
    locked.chmod(0)
    yield tmp_path
    locked.chmod(0o700)


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    with obeying_permissions():
        return in_process.run(arguments, {**environment(folder), **variables}, folder)


def environment(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


def assert_reported(result: subprocess.CompletedProcess[str], code: int, name: str = "") -> None:
    said = result.stderr + result.stdout
    assert "Traceback" not in said
    assert "this is a bug" not in said
    assert result.returncode == code, said
    assert name in said
    assert "strava-backup: error: " in result.stderr


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_an_unusable_output_folder_is_exit_code_1(folder: Path, place: str, command: str) -> None:
    result = run(folder, *COMMANDS[command], "--output-dir", PLACES[place])
    # Verifying a path that cannot be an archive is a usage error.
    is_usage = command in ("verify", "repair") and place in ("a file", "below a file", "a pipe")
    assert_reported(result, 2 if is_usage else 1)
    assert Path(PLACES[place]).name in result.stderr + result.stdout
    assert (folder / "file").read_text() == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_folder_with_an_invalid_name_is_exit_code_2(folder: Path, command: str) -> None:
    (folder / "bad.conf").write_text(CONFIG.format(f"{folder}/a\0b"))
    arguments = [one for one in COMMANDS[command] if one not in ("--demo", "good.conf")]
    arguments = [one for one in arguments if one != "--config"]
    result = run(folder, *arguments, "--config", "bad.conf")
    assert_reported(result, 2, "[global] output_dir: must have no control characters")


@pytest.mark.parametrize("command", [[], ["--verify"], ["--check"], ["--login"], ["--authorize"]])
@pytest.mark.parametrize("name", ["locked/c.conf", "loop", "x" * 300])
def test_a_config_that_cannot_be_read_is_exit_code_2(
    folder: Path, name: str, command: list[str]
) -> None:
    assert_reported(run(folder, *command, "--config", name), 2, name)


@pytest.mark.parametrize(
    "name", [*(one for one in PLACES.values() if one not in ("file", "pipe")), "."]
)
def test_no_path_of_a_config_is_a_crash(folder: Path, name: str) -> None:
    assert_reported(run(folder, "--config", name), 2, name)


@pytest.mark.parametrize("name", [one for one in PLACES.values() if one != "pipe"])
def test_an_export_that_cannot_be_read_is_exit_code_2(folder: Path, name: str) -> None:
    result = run(folder, "--output-dir", "archive", "--import", name)
    assert_reported(result, 2, name)
    assert not (folder / "archive").exists()


@pytest.mark.parametrize("command", [["--verify"], ["--check"], ["--login"], ["--authorize"], []])
def test_a_locked_config_folder_is_exit_code_2(folder: Path, command: list[str]) -> None:
    result = run(folder, *command, XDG_CONFIG_HOME=str(folder / "locked"))
    assert_reported(result, 2, f"{folder}/locked/strava-backup.conf")


@pytest.mark.parametrize("command", [["--verify"], ["--check"], []])
@pytest.mark.parametrize("home", ["/nowhere", "file", ""])
def test_without_a_home_there_is_no_config(folder: Path, command: list[str], home: str) -> None:
    assert_reported(run(folder, *command, HOME=home), 2)


@pytest.fixture
def deleted(folder: Path) -> Iterator[Path]:
    """The current folder, which was deleted."""
    gone, before = folder / "gone", os.open(".", os.O_RDONLY)
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    yield folder
    os.fchdir(before)
    os.close(before)


def assert_no_crash(result: subprocess.CompletedProcess[str]) -> None:
    assert "Traceback" not in result.stderr
    assert result.returncode in (1, 2), result.stderr
    assert "strava-backup: error: " in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        *([], ["--demo"], ["--demo", "--dry-run"], ["--demo", "--verify"], ["--check"]),
        *(["--verify", "--output-dir", "a"], ["--check", "--output-dir", "~nobody-here/a"]),
        *(["--config", "c.conf"], ["--demo", "--output-dir", "~nobody-here/a"]),
        *(["--import", "export"], ["--import", "~nobody-here/export"]),
    ],
    ids=" ".join,
)
def test_a_current_folder_that_was_deleted_is_no_crash(deleted: Path, command: list[str]) -> None:
    assert_no_crash(in_process.run(command, environment(deleted), Path()))


def test_python_starts_in_a_current_folder_that_was_deleted(deleted: Path) -> None:
    assert_no_crash(
        subprocess.run(
            [sys.executable, "-m", "strava_backup", "--demo"],
            env=environment(deleted),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    )


def test_a_locked_profile_of_firefox_is_named(folder: Path) -> None:
    root = folder / ".mozilla" / "firefox"
    root.mkdir(parents=True)
    (root / "profiles.ini").write_text(f"[Profile0]\nName = mine\nPath = {folder}/locked/a\n")
    result = run(folder, "--login", "--cookies-from-browser", "firefox")
    assert_reported(result, 2, "locked/a/cookies.sqlite")


def test_an_unknown_home_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(errors.ConfigError, match="set HOME"):
        loader.places({})
