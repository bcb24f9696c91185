"""Cookie stores in Firefox's form and places."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import subprocess
import sys

import pytest

from strava_backup import errors
from strava_backup.setup.browsers import firefox
from strava_backup.setup.cookies import SESSION, TOKEN, Cookies
from tests.conftest import NOW
from tests.test_setup_browsers_session_store import session_cookie, session_file

SECONDS = int(NOW.timestamp())
# Firefox's own, of version 142 on and before (https://searchfox.org, CookiePersistentStorage.cpp).
OLD_TABLE = """
CREATE TABLE moz_cookies (id INTEGER PRIMARY KEY, originAttributes TEXT NOT NULL DEFAULT '',
name TEXT, value TEXT, host TEXT, path TEXT, expiry INTEGER, lastAccessed INTEGER,
creationTime INTEGER, isSecure INTEGER, isHttpOnly INTEGER, inBrowserElement INTEGER DEFAULT 0,
sameSite INTEGER DEFAULT 0, rawSameSite INTEGER DEFAULT 0, schemeMap INTEGER DEFAULT 0,
CONSTRAINT moz_uniqueid UNIQUE (name, host, path, originAttributes))
"""
NEW_TABLE = OLD_TABLE.replace(
    "rawSameSite INTEGER DEFAULT 0, schemeMap INTEGER DEFAULT 0",
    "schemeMap INTEGER DEFAULT 0, isPartitionedAttributeSet INTEGER DEFAULT 0, updateTime INTEGER",
)
# The table, its version, and how many units of `expiry` a second has.
OLD = (OLD_TABLE, 12, 1)
NEW = (NEW_TABLE, 17, 1000)
SCHEMAS = [pytest.param(OLD, id="old"), pytest.param(NEW, id="new")]

# A process that uses the store as Firefox does: it writes to it, and locks it for others.
LOCKER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
database.execute("PRAGMA locking_mode = EXCLUSIVE")
database.execute("BEGIN EXCLUSIVE")
database.execute("INSERT INTO moz_cookies (name, value, host, path, expiry) VALUES "
    "('strava_remember_token', 'newest', '.strava.com', '/x', ?)", (int(sys.argv[2]),))
database.execute("COMMIT")
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


def make_store(folder, schema, *cookies):
    """A profile's store; cookies as (name, value, host, seconds until they expire)."""
    table, version, unit = schema
    folder.mkdir(parents=True)
    store = folder / "cookies.sqlite"
    database = sqlite3.connect(store)
    database.execute("PRAGMA synchronous = OFF")
    database.execute(table)
    database.execute(f"PRAGMA user_version = {version}")
    database.executemany(
        "INSERT INTO moz_cookies (originAttributes, name, value, host, path, expiry) "
        "VALUES (?, ?, ?, ?, '/', ?)",
        # Each in a container of its own, in which a name is unique.
        [
            (f"^userContextId={number}", name, value, host, (SECONDS + left) * unit)
            for number, (name, value, host, left) in enumerate(cookies)
        ],
    )
    database.commit()
    database.close()
    return store


def token(value, host=".strava.com", left=3600):
    return "strava_remember_token", value, host, left


@pytest.mark.parametrize("schema", SCHEMAS)
def test_stravas_cookies_are_read_unless_they_have_expired(tmp_path, schema):
    store = make_store(
        tmp_path / "profile",
        schema,
        token("good"),
        token("from the site itself", "www.strava.com"),
        token("expired", left=-1),
        token("of somebody else", "strava.com.example"),
        ("_strava4_session", "session", ".strava.com", 3600),
        ("sp", "x", ".strava.com", 3600),
    )
    assert sorted(firefox.read_store(store, SECONDS)) == [
        (0, TOKEN, "good"),
        (1, TOKEN, "from the site itself"),
        (4, SESSION, "session"),
    ]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_store_that_firefox_has_open_is_read_with_its_newest_cookies(tmp_path, schema):
    store = make_store(tmp_path / "profile", schema, token("good"))
    expiry = str((SECONDS + 60) * schema[2])
    with subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(store), expiry],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as locker:
        assert locker.stdout
        assert locker.stdout.readline() == "locked\n"
        with pytest.raises(sqlite3.OperationalError):
            sqlite3.connect(store, timeout=0).execute("SELECT * FROM moz_cookies")
        before = {path.name: path.read_bytes() for path in store.parent.iterdir()}
        assert {cookie.value for cookie in firefox.read_store(store, SECONDS)} == {"good", "newest"}
        assert before == {path.name: path.read_bytes() for path in store.parent.iterdir()}
        locker.communicate()


def test_no_copy_of_a_store_is_left_over(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    store = make_store(tmp_path / "profile", OLD, token("good"))
    firefox.read_store(store, SECONDS)
    store.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(errors.ConfigError, match="cannot read the cookies in"):
        firefox.read_store(store, SECONDS)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("folder", ["a1b2.default-release", "Profiles/a1b2.default-release"])
def test_a_profile_is_found_on_every_system(tmp_path, folder):
    make_store(tmp_path / folder, OLD, token("good"))
    (profile,) = firefox.find_profiles(tmp_path)
    assert profile == ("default-release", tmp_path / folder)
    assert firefox.find_profiles(tmp_path / folder) == [profile]


def test_profiles_have_the_names_that_firefox_lists_and_may_lie_elsewhere(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    make_store(root / "a1.first", OLD, token("first"))
    make_store(elsewhere, OLD, token("second"))
    (root / "profiles.ini").write_text(
        "[Install4F96D1932A9F858E]\nDefault=a1.first\n\n"
        "[Profile0]\nName=Öne\nIsRelative=1\nPath=a1.first\n\n"
        f"[Profile1]\nName=other\nIsRelative=0\nPath={elsewhere}\n\n"
        "[Profile2]\nName=gone\nIsRelative=1\nPath=gone\n",
        encoding="utf-8",
    )
    assert [profile.name for profile in firefox.find_profiles(root)] == ["Öne", "other"]


@pytest.mark.parametrize("content", ["[Profile0\n", "\x00", "Path=x\n"])
def test_a_broken_list_of_profiles_is_done_without(tmp_path, content):
    make_store(tmp_path / "a1.first", OLD, token("first"))
    (tmp_path / "profiles.ini").write_text(content)
    assert [profile.name for profile in firefox.find_profiles(tmp_path)] == ["first"]


CONTAINERS = (
    b'{"identities": [{"userContextId": 2, "l10nId": "user-context-work"},'
    b' {"userContextId": 7, "name": "Bob"}]}'
)


def test_cookies_are_told_apart_by_their_containers(tmp_path):
    profile = tmp_path / "a1.first"
    make_store(profile, NEW, *(token(str(number)) for number in range(8)))
    (profile / "containers.json").write_bytes(CONTAINERS)
    for wanted, expected in {
        "none": [("", ("0",))],
        "bob": [("Bob", ("7",))],
        "2": [("Work", ("2",))],
        "home": [],
    }.items():
        found = firefox.read_profile(profile, wanted, SECONDS).cookies
        assert [(container, cookies.tokens) for container, cookies in found] == expected
    names = [container for container, _ in firefox.read_profile(profile, None, SECONDS).cookies]
    assert names == ["", "1", "Work", "3", "4", "5", "6", "Bob"]


def test_a_container_that_no_profile_has_is_refused_with_those_that_exist(tmp_path):
    make_store(tmp_path / "a1.first", NEW)
    make_store(tmp_path / "b2.other", NEW)
    (tmp_path / "b2.other/containers.json").write_bytes(CONTAINERS)
    profiles = firefox.find_profiles(tmp_path)
    for wanted in (None, "none", "Work", "BOB", "7"):
        firefox.check_container(profiles, wanted)
    with pytest.raises(errors.ConfigError, match="no container 'home'; there are: Bob, Work, none"):
        firefox.check_container(profiles, "home")


def test_the_session_that_ends_with_the_browser_is_read_too(tmp_path):
    profile = tmp_path / "a1.first"
    make_store(profile, NEW, token("1"))
    (profile / "sessionstore.jsonlz4").write_bytes(
        session_file({"cookies": [session_cookie("s"), session_cookie("t", container=7)]})
    )
    assert firefox.read_profile(profile, None, SECONDS) == (
        [("", Cookies(("1",), ("s",))), ("7", Cookies((), ("t",)))],
        False,
    )


def test_a_garbled_session_file_matters_only_without_a_token(tmp_path):
    for name, cookies in {"with": [token("1")], "without": []}.items():
        make_store(tmp_path / name, NEW, *cookies)
        (tmp_path / name / "sessionstore.jsonlz4").write_bytes(b"mozLz40\0garbled")
    assert firefox.read_profile(tmp_path / "with", None, SECONDS).cookies
    with pytest.raises(errors.ConfigError, match=r"cannot read the cookies in .*jsonlz4"):
        firefox.read_profile(tmp_path / "without", None, SECONDS)


def test_without_lz4_a_token_is_found_and_its_lack_is_noted(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lz4", None)
    monkeypatch.setitem(sys.modules, "lz4.block", None)
    for name, cookies in {"with": [token("1")], "without": []}.items():
        make_store(tmp_path / name, NEW, *cookies)
        (tmp_path / name / "sessionstore.jsonlz4").write_bytes(b"mozLz40\0")
    assert not firefox.read_profile(tmp_path / "with", None, SECONDS).lacks_lz4
    assert firefox.read_profile(tmp_path / "without", None, SECONDS) == ([], True)


VALUES = (None, 0, -1, 2**63 - 1, 0.5, "", "x", "^userContextId=9", b"", b"\xff")


def test_values_of_any_type_in_a_store_are_harmless(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "cookies.sqlite")) as database, database:
        database.execute("CREATE TABLE moz_cookies (originAttributes, name, value, host, expiry)")
        database.executemany(
            "INSERT INTO moz_cookies (originAttributes, name, value, host, expiry) "
            "VALUES (?, 'strava_remember_token', ?, '.strava.com', ?)",
            itertools.product(VALUES, repeat=3),
        )
    found = firefox.read_profile(tmp_path, None, SECONDS).cookies
    assert [container for container, _ in found] == ["", "9"]
