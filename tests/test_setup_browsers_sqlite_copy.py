"""Copies of databases that other programs use."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.setup.browsers import sqlite_copy
from strava_backup.setup.browsers.sqlite_copy import opened_copy

QUERY = "SELECT value FROM cookies"


def make_database(path: Path, *values: object) -> Path:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("CREATE TABLE cookies (value)")
        database.executemany("INSERT INTO cookies VALUES (?)", [(value,) for value in values])
    return path


def whole_database() -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE cookies (value)")
        database.execute("INSERT INTO cookies VALUES ('good')")
        return database.serialize()


DATABASE = whole_database()


def read(path: Path) -> list[object]:
    with opened_copy(path) as database:
        return [value for (value,) in database.execute(QUERY)]


def test_text_that_is_not_utf_8_hides_no_other(tmp_path: Path) -> None:
    path = make_database(tmp_path / "store", "good")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("INSERT INTO cookies VALUES (CAST(x'ff41' AS TEXT))")
    assert read(path) == ["good", "\ufffdA"]


def test_a_transaction_that_was_interrupted_is_rolled_back_in_the_copy(tmp_path: Path) -> None:
    path = make_database(tmp_path / "store", "before")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN EXCLUSIVE")
        database.execute("UPDATE cookies SET value = 'after'")
        # More pages than the cache has, so that some are written before the commit.
        database.executemany("INSERT INTO cookies VALUES (?)", [("x" * 4000,)] * 50)
        assert (tmp_path / "store-journal").stat().st_size
        assert read(path) == ["before"]
        database.execute("ROLLBACK")


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 500])
def test_a_file_that_is_no_database_is_a_config_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store"
    path.write_bytes(content)
    with pytest.raises(errors.ConfigError, match=f"cannot read the cookies in {path}"):
        read(path)


def test_pipes_folders_and_missing_files_are_config_errors(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "missing", "x" * 300, "a\0b"):
        with pytest.raises(errors.ConfigError, match="cannot read the cookies"):
            read(tmp_path / name)


def test_a_store_that_is_too_large_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_database(tmp_path / "store")
    monkeypatch.setattr(sqlite_copy, "_LARGEST_STORE", 100)
    with pytest.raises(errors.ConfigError, match="too large"):
        read(path)


def test_a_value_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="too big"):
        read(make_database(tmp_path / "store", "x" * 2_000_000))


# A name in the schema that is not UTF-8.
@example(damage=[(4053, 128)])
@given(damage=st.lists(st.tuples(st.integers(0, 8191), st.integers(0, 255)), max_size=9))
def test_a_damaged_database_is_read_or_refused(damage: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        content = bytearray(DATABASE)
        for place, byte in damage:
            content[place] = byte
        path.write_bytes(content)
        with suppress(errors.ConfigError):
            read(path)
