"""Cookie stores in Firefox's form and places."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from strava_backup import errors
from strava_backup.setup.browsers import firefox
from strava_backup.setup.cookies import Cookies
from tests.conftest import NOW

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
    assert firefox.read_store(store, SECONDS) == Cookies(
        ("good", "from the site itself"), ("session",)
    )


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
        assert firefox.read_store(store, SECONDS).tokens == ("good", "newest")
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


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        (
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
        ("linux", {"XDG_CONFIG_HOME": "/x"}, ["/x/mozilla/firefox"]),
        ("darwin", {}, ["/h/Library/Application Support/Firefox"]),
        (
            "win32",
            {"APPDATA": "/r", "LOCALAPPDATA": "/l"},
            [
                "/r/Mozilla/Firefox",
                "/l/Packages/Mozilla.Firefox_n80bbvh6b1yt2/LocalCache/Roaming/Mozilla/Firefox",
            ],
        ),
    ],
)
def test_it_is_looked_for_where_it_keeps_its_profiles(platform, environ, expected):
    places = [str(place) for place in firefox.roots(Path("/h"), environ, platform)]
    assert places[: len(expected)] == expected


@pytest.mark.parametrize("folder", ["a1b2.default-release", "Profiles/a1b2.default-release"])
def test_a_profile_is_found_on_every_system(tmp_path, folder):
    make_store(tmp_path / folder, OLD, token("good"))
    (profile,) = firefox.find_profiles(tmp_path)
    assert profile == ("default-release", tmp_path / folder)
    for name in (None, "default-release", "a1b2.default-release", str(tmp_path / folder)):
        assert firefox.wanted_profiles([tmp_path], name)[0].folder == tmp_path / folder


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
    assert [profile.folder for profile in firefox.wanted_profiles([root], "other")] == [elsewhere]


@pytest.mark.parametrize("content", ["[Profile0\n", "\x00", "Path=x\n"])
def test_a_broken_list_of_profiles_is_done_without(tmp_path, content):
    make_store(tmp_path / "a1.first", OLD, token("first"))
    (tmp_path / "profiles.ini").write_text(content)
    assert [profile.name for profile in firefox.find_profiles(tmp_path)] == ["first"]


def test_a_profile_that_is_not_there_is_told_with_those_that_are(tmp_path):
    make_store(tmp_path / "a1.first", OLD, token("first"))
    with pytest.raises(errors.ConfigError, match="no profile 'work'; there are: first"):
        firefox.wanted_profiles([tmp_path], "work")


def test_no_firefox_at_all_is_told_with_the_places(tmp_path):
    with pytest.raises(errors.ConfigError, match=f"searched {tmp_path}/a, {tmp_path}/b"):
        firefox.wanted_profiles([tmp_path / "a", tmp_path / "b"], None)
