"""Cookie stores in the form of Chromium and its relatives."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.setup.browsers import chromium
from strava_backup.setup.browsers.decryption import Keys
from strava_backup.setup.cookies import SESSION, TOKEN, Cookies
from tests.conftest import NOW
from tests.test_setup_browsers_decryption import HOST, encrypt
from tests.test_setup_browsers_session_store import JSON

SECONDS = NOW.timestamp()
HOUR = 3600.0
# From Chromium 130 (net/extras/sqlite/sqlite_persistent_cookie_store.cc).
TABLES = """
CREATE TABLE meta (key LONGVARCHAR NOT NULL UNIQUE PRIMARY KEY, value LONGVARCHAR);
CREATE TABLE cookies (creation_utc INTEGER NOT NULL DEFAULT 0, host_key TEXT NOT NULL,
top_frame_site_key TEXT NOT NULL DEFAULT '', name TEXT NOT NULL, value TEXT NOT NULL,
encrypted_value BLOB NOT NULL, path TEXT NOT NULL, expires_utc INTEGER NOT NULL);
"""


def make_store(
    store: Path, version: object, *cookies: tuple[str, str, bytes, float | None]
) -> None:
    """Make a store; cookies as (name, value, encrypted value, seconds until they expire)."""
    store.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(store)) as database, database:
        database.execute("PRAGMA synchronous = OFF")
        database.executescript(TABLES)
        database.execute("INSERT INTO meta VALUES ('version', ?)", (version,))
        database.executemany(
            "INSERT INTO cookies (host_key, name, value, encrypted_value, path, expires_utc) "
            "VALUES (?, ?, ?, ?, '/', ?)",
            [
                (HOST, name, value, encrypted, _microseconds(left))
                for name, value, encrypted, left in cookies
            ],
        )


def _microseconds(left: float | None) -> int:
    return 0 if left is None else int((SECONDS + left + 11_644_473_600) * 10**6)


def locked() -> bytes:
    raise errors.ConfigError("the keyring is locked")


def read(folder: Path, password: bytes | None = None) -> Cookies:
    keys = Keys("linux", locked if password is None else lambda: password)
    return chromium.read_profile(folder, keys, SECONDS)


@pytest.mark.parametrize("store", ["Cookies", "Network/Cookies"])
def test_cookies_are_decrypted_unless_they_have_expired(tmp_path: Path, store: str) -> None:
    make_store(
        tmp_path / store,
        "24",
        (TOKEN, "", encrypt("token", host=HOST), HOUR),
        (TOKEN, "", encrypt("expired", host=HOST), -1),
        (TOKEN, "plain", b"", HOUR),
        (SESSION, "", encrypt("session", b"v11", b"p", host=HOST), None),
        ("other", "", encrypt("other", host=HOST), HOUR),
    )
    assert read(tmp_path, b"p") == Cookies(("token", "plain"), ("session",))
    # One that can be decrypted without the keyring is enough.
    assert read(tmp_path) == Cookies(("token", "plain"))


@pytest.mark.parametrize("version", ["23", 18, "x", None])
def test_older_stores_have_no_hash_of_the_host(tmp_path: Path, version: object) -> None:
    make_store(tmp_path / "Cookies", version, (TOKEN, "", encrypt("token"), HOUR))
    assert read(tmp_path).tokens == ("token",)


def test_cookies_that_cannot_be_decrypted_are_config_errors(tmp_path: Path) -> None:
    make_store(tmp_path / "Cookies", 24, (TOKEN, "", encrypt("x", b"v11", b"p", host=HOST), HOUR))
    with pytest.raises(errors.ConfigError, match="keyring is locked"):
        read(tmp_path)
    with pytest.raises(errors.ConfigError, match=f"cannot decrypt the cookies in {tmp_path}"):
        read(tmp_path, b"another")


def test_without_cookies_of_strava_no_key_is_needed(tmp_path: Path) -> None:
    make_store(tmp_path / "Cookies", 24, ("other", "", encrypt("x", b"v11"), HOUR))
    assert read(tmp_path) == Cookies()


def test_profiles_have_the_names_that_people_gave(tmp_path: Path) -> None:
    for folder in ("Default/Network", "Profile 1", "Profile 12", "Guest Profile"):
        make_store(tmp_path / folder / "Cookies", 24)
    (tmp_path / "Profile 3").mkdir()
    cache = {"Default": {"name": "Work"}, "Profile 1": {"name": ""}, "Profile 3": {"name": "Gone"}}
    (tmp_path / "Local State").write_text(json.dumps({"profile": {"info_cache": cache}}))
    assert chromium.find_profiles(tmp_path) == [
        ("Work", tmp_path / "Default"),
        ("Profile 1", tmp_path / "Profile 1"),
        ("Profile 12", tmp_path / "Profile 12"),
    ]


def test_the_folder_may_be_a_profile_itself(tmp_path: Path) -> None:
    make_store(tmp_path / "opera/Cookies", 24)
    assert chromium.find_profiles(tmp_path / "opera") == [("opera", tmp_path / "opera")]


@given(
    content=st.binary()
    | JSON.map(lambda value: json.dumps(value).encode())
    | JSON.map(lambda value: json.dumps({"profile": {"info_cache": {"Default": value}}}).encode())
    | JSON.map(lambda value: json.dumps({"profile": {"info_cache": value}}).encode())
)
def test_any_local_state_is_harmless(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    root = tmp_path_factory.mktemp("any")
    (root / "Default").mkdir()
    (root / "Default/Cookies").touch()
    (root / "Local State").write_bytes(content)
    (profile,) = chromium.find_profiles(root)
    assert isinstance(profile.name, str)


VALUES = (None, 0, 2**63 - 1, 0.5, "", "x", b"", b"v10x", b"v11" + b"x" * 32)


@pytest.mark.parametrize("version", [None, "x", b"24", 2**63 - 1])
def test_values_of_any_type_in_a_store_are_harmless(tmp_path: Path, version: object) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "Cookies")) as database, database:
        database.execute("CREATE TABLE meta (key, value)")
        database.execute("INSERT INTO meta VALUES ('version', ?)", (version,))
        database.execute(
            "CREATE TABLE cookies (host_key, name, value, encrypted_value, expires_utc)"
        )
        database.executemany(
            f"INSERT INTO cookies VALUES ('{HOST}', '{TOKEN}', ?, ?, ?)",
            itertools.product(VALUES, repeat=3),
        )
    assert read(tmp_path, b"p").tokens == ("x",)
