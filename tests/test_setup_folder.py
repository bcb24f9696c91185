"""The folder in which the archive of a config goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from strava_backup import errors
from strava_backup.config import loader
from strava_backup.config.loader import Config
from strava_backup.setup.dialog import Dialog
from strava_backup.setup.folder import choose_folder, suggested_folder
from tests.terminal import Keyboard


@pytest.fixture
def shared() -> Path:
    """The folder that runs use without `output_dir`."""
    return loader.default_output_dir({})


def unset(path: Path, shared: Path) -> Config:
    return Config(path=path, output_dir=shared, makes_parents=True)


def mark(folder: Path, athlete_id: int) -> None:
    folder.mkdir(parents=True)
    (folder / ".strava-backup.json").write_text(f'{{"format": 1, "athlete_id": {athlete_id}}}')


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("strava-backup.conf", "strava-backup"),
        ("bob.conf", "strava-backup-bob"),
        ("strava-backup-bob.conf", "strava-backup-bob"),
        ("strava-backup.bob.ini", "strava-backup-bob"),
        ("bob", "strava-backup-bob"),
    ],
)
def test_each_config_has_a_folder_with_its_name(
    tmp_path: Path, shared: Path, name: str, folder: str
) -> None:
    assert suggested_folder(unset(tmp_path / name, shared), 7) == shared.with_name(folder)


@pytest.mark.parametrize(("owner", "folder"), [(7, "strava-backup"), (8, "strava-backup-bob")])
def test_an_archive_of_the_athlete_is_continued_and_one_of_another_is_not(
    tmp_path: Path, shared: Path, owner: int, folder: str
) -> None:
    mark(shared, owner)
    config = unset(tmp_path / "bob.conf", shared)
    assert suggested_folder(config, 7) == shared.with_name(folder)


@pytest.mark.parametrize(
    ("is_in_use", "folder"), [(True, "strava-backup"), (False, "strava-backup-bob")]
)
def test_a_config_in_use_continues_an_archive_of_an_unknown_owner(
    tmp_path: Path, shared: Path, is_in_use: bool, folder: str
) -> None:
    shared.mkdir(parents=True)
    (shared / "SHA256SUMS").write_text("")
    config = unset(tmp_path / "bob.conf", shared)
    if is_in_use:
        config.path.write_text("[user]\njwt = old\n")
    assert suggested_folder(config, 7) == shared.with_name(folder)


def chosen(config: Config, *answers: str) -> Path:
    with Keyboard(answers) as keyboard:
        return choose_folder(config, 7, Dialog(keyboard.descriptor, keyboard.write))


@pytest.mark.parametrize(
    ("typed", "folder"),
    [("", "share/strava-backup"), ("~/mine", "mine"), ("below/../mine", "mine")],
)
def test_a_typed_folder_may_begin_at_the_home_or_the_current_folder(
    shared: Path, monkeypatch: pytest.MonkeyPatch, typed: str, folder: str
) -> None:
    home = Path.home()
    monkeypatch.chdir(home)
    config = unset(home / "strava-backup.conf", home / "share" / "strava-backup")
    assert chosen(config, f"{typed}\n") == home / folder
    assert (home / folder).is_dir()


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("'/mnt/my disk'", "a config cannot name this folder"),
        ("/mnt/a #1", "a config cannot name this folder"),
        ("~nobody-of-that-name/a", "unknown home folder"),
        ("/dev/null", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_folder_that_a_run_could_not_use_is_refused(
    tmp_path: Path, shared: Path, typed: str, problem: str
) -> None:
    with pytest.raises(errors.Error, match=problem):
        chosen(unset(tmp_path / "bob.conf", shared), *[f"{typed}\n"] * 3)


def test_a_token_that_is_pasted_as_a_folder_is_not_quoted(tmp_path: Path, shared: Path) -> None:
    with pytest.raises(errors.ConfigError) as refusal:
        chosen(unset(tmp_path / "bob.conf", shared), *["eyJ0eXAiOiJKV1QifQ.eyJzdWIi.c2ln\n"] * 3)
    assert "eyJ" not in str(refusal.value)


def test_without_a_terminal_the_default_is_created(tmp_path: Path, shared: Path) -> None:
    config = unset(tmp_path / "strava-backup.conf", shared)
    assert choose_folder(config, 7, Dialog(None, lambda text: None)) == shared
    assert shared.is_dir()
