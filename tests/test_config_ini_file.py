"""One value of the file changes, everything else stays; see also test_config_loader.py."""

from __future__ import annotations

import configparser
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import strava_backup
from strava_backup import secret_text
from strava_backup.config import ini_file
from tests.config_texts import config_texts, content, with_change
from tests.limits import disk_filled_up

REPOSITORY = Path(strava_backup.__file__).parents[1]

TEXT = "# mine\n[global]\nx = 1\n\n[user]\n; why\njwt = old  \n# end\n"


def test_only_the_value_changes(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text(TEXT)
    changed = ini_file.with_values(path, "user", {"jwt": "new"}).decode()
    assert changed == TEXT.replace("jwt = old  ", "jwt = new")
    assert path.read_text() == TEXT


def test_a_missing_section_is_added(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text("[global]\nx = 1\n")
    assert (
        ini_file.with_values(path, "user", {"jwt": "new"}).decode().endswith("[user]\njwt = new\n")
    )


def test_a_replaced_file_keeps_its_mode_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text("old")
    path.chmod(0o640)
    ini_file.check_savable(path)
    ini_file.replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["conf"]


def test_a_file_that_is_not_there_cannot_be_replaced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ini_file.replace(tmp_path / "conf", b"new")
    assert not [one for one in tmp_path.iterdir() if one.is_file()]


# Every form of a config


def kept_lines(text: str) -> list[str]:
    """The comments, in their order."""
    return [one for one in re.split(r"[\r\n]", text) if one.lstrip().startswith(("#", ";"))]


TOKENS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=50)


@given(
    config_texts(),
    st.sampled_from([("api", "refresh_token"), ("user", "jwt"), ("user", "session")]),
    TOKENS.filter(secret_text.is_storable),
)
@example("[user]\n  jwt = old\n  session = a\n", ("user", "jwt"), "NEW")
@example("[user]\n    jwt =\n      old\n    session = a\n", ("user", "jwt"), "NEW")
@example("[user]\r  jwt = old\r  session = a\r", ("user", "jwt"), "NEW")
@example("[user]\r\njwt = old\nsession = a\r", ("user", "session"), "NEW")
@example("[user]\n  [api]\n  client_id = 1\n", ("user", "jwt"), "NEW")
@example("[user]\n    session = a", ("user", "jwt"), "NEW")
@example("[user]\njwt = a\n\n\n  b\n# c\n  d\nsession = e\n", ("user", "jwt"), "NEW")
@example("", ("user", "jwt"), "NEW")
@example("\ufeff[user]\njwt = a", ("user", "jwt"), "NEW")
def test_one_value_of_any_config_changes_and_all_else_stays(
    text: str, place: tuple[str, str], value: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "conf")
        path.write_bytes(text.encode())
        try:
            before = content(path)
        except configparser.Error:
            with pytest.raises(configparser.Error):
                ini_file.with_values(path, place[0], {place[1]: value})
            return
        path.write_bytes(ini_file.with_values(path, place[0], {place[1]: value}))
        assert content(path) == with_change(before, *place, value)
        changed = path.read_bytes().decode()
    assert kept_lines(changed) == kept_lines(text)
    assert changed.startswith("\ufeff") == text.startswith("\ufeff")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[user]\n  jwt = a\n  session = b\n", "[user]\n  jwt = NEW\n  session = b\n"),
        ("[user]\n  session = b\n\n[api]\n", "[user]\n  session = b\n  jwt = NEW\n\n[api]\n"),
        ("[user]\rjwt = a\rsession = b\r", "[user]\rjwt = NEW\rsession = b\r"),
        ("[user]\r\njwt = a\nsession = b\r", "[user]\r\njwt = NEW\nsession = b\r"),
        ("[api]\r\nx = 1", "[api]\r\nx = 1\r\n\r\n[user]\r\njwt = NEW\r\n"),
        ("[user]\n  [api]\n  x = 1\n", "[user]\n  jwt = NEW\n  [api]\n  x = 1\n"),
    ],
)
def test_indentation_and_line_ends_stay(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "conf"
    path.write_bytes(before.encode())
    assert ini_file.with_values(path, "user", {"jwt": "NEW"}) == after.encode()


@pytest.mark.parametrize("value", ["a\nb", "a\r[user]\rjwt = b", "\n", " a", "a\n  b", "a\n# b"])
def test_a_value_that_would_be_read_as_something_else_is_not_written(
    tmp_path: Path, value: str
) -> None:
    path = tmp_path / "conf"
    path.write_text(TEXT)
    with pytest.raises((ValueError, configparser.Error)):
        ini_file.with_values(path, "user", {"jwt": value})


# Values that cannot be written to their place


def test_values_are_kept_aside_one_beside_the_other(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    aside = tmp_path / "conf.new"
    for section, key, value in (("api", "token", "a"), ("user", "jwt", "b"), ("api", "token", "c")):
        assert ini_file.save_aside(path, section, {key: value}) == aside
    assert aside.read_text() == (
        "# strava-backup could not write these values into conf.\n"
        "# Copy them to where they belong, then delete this file.\n"
        "\n[api]\ntoken = c\n\n[user]\njwt = b\n"
    )
    assert aside.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("*conf*")) == [aside]


def test_a_file_of_that_name_loses_nothing(tmp_path: Path) -> None:
    aside = tmp_path / "conf.new"
    aside.write_bytes(b"mine\xff\n")
    ini_file.save_aside(tmp_path / "conf", "user", {"jwt": "a"})
    assert aside.read_bytes() == b"mine\xff\n\n[user]\njwt = a\n"


def test_a_config_never_becomes_too_large_to_be_read(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text("#" * ((1 << 17) - 10))
    with pytest.raises(ValueError, match="too large"):
        ini_file.with_values(path, "user", {"jwt": "x" * 100})


# A disk without space


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with one file, and no space for another."""
    with disk_filled_up(tmp_path / "disk", {"conf": b"old " * 100}) as folder:
        yield folder


@pytest.mark.parametrize("size", [0, 399, 400, 401, 4096])
def test_on_a_full_disk_a_file_is_written_in_place_as_far_as_its_space_goes(
    full_disk: Path, size: int
) -> None:
    path = full_disk / "conf"
    ini_file.replace(path, b"n" * size)
    assert path.read_bytes() == b"n" * size
    assert sorted(one.name for one in full_disk.iterdir()) == ["conf", "filler"]


def test_on_a_full_disk_a_file_that_would_grow_beyond_its_space_stays_as_it_was(
    full_disk: Path,
) -> None:
    path = full_disk / "conf"
    with pytest.raises(OSError, match="No space left"):
        ini_file.replace(path, b"n" * 4097)
    assert path.read_bytes() == b"old " * 100
    with pytest.raises(OSError, match="No space left"):
        ini_file.check_savable(path)
    with pytest.raises(OSError, match="No space left"):
        ini_file.check_savable(full_disk / "other")
    assert sorted(one.name for one in full_disk.iterdir()) == ["conf", "filler"]


IN_PLACE = """
import os, signal, sys
from pathlib import Path
from strava_backup.config import ini_file

calls, wanted = 0, int(sys.argv[2])
def count(*_):
    global calls
    calls += 1
    if calls == wanted:
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = count
os.replace = lambda *_: (_ for _ in ()).throw(OSError(16, "busy"))
path = Path(sys.argv[1])
ini_file.replace(path, path.with_suffix(".after").read_bytes())
"""


@pytest.mark.parametrize("killed_at", [2, 3, 4])
@pytest.mark.parametrize("token", ["short", "a longer one than before"])
def test_a_program_killed_while_it_writes_in_place_leaves_the_old_config_or_the_new_one(
    tmp_path: Path, killed_at: int, token: str
) -> None:
    path = tmp_path / "conf"
    path.write_text("[user]\njwt = as it was\n[api]\nx = 1")
    old = content(path)
    after = ini_file.with_values(path, "user", {"jwt": token})
    path.with_suffix(".after").write_bytes(after)
    done = subprocess.run(
        [sys.executable, "-c", IN_PLACE, str(path), str(killed_at)],
        cwd=REPOSITORY,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    assert content(path) in (old, with_change(old, "user", "jwt", token))
