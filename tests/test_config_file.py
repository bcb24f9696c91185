"""One value of the file changes, everything else stays; more of this is in test_config.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from strava_backup import config_file

TEXT = "# mine\n[global]\nx = 1\n\n[user]\n; why\njwt = old  \n# end\n"


def test_only_the_value_changes(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text(TEXT)
    changed = config_file.with_values(path, "user", {"jwt": "new"}).decode()
    assert changed == TEXT.replace("jwt = old  ", "jwt = new")
    assert path.read_text() == TEXT


def test_a_missing_section_is_added(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text("[global]\nx = 1\n")
    assert (
        config_file.with_values(path, "user", {"jwt": "new"})
        .decode()
        .endswith("[user]\njwt = new\n")
    )


def test_a_replaced_file_keeps_its_mode_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text("old")
    path.chmod(0o640)
    config_file.check_replaceable(path)
    config_file.replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["conf"]


def test_a_file_that_is_not_there_cannot_be_replaced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        config_file.check_replaceable(tmp_path / "conf")
    assert not [one for one in tmp_path.iterdir() if one.is_file()]
