from __future__ import annotations

import configparser
import contextlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import strava_backup
from strava_backup import errors, secret_text
from strava_backup.config import loader
from strava_backup.config.browser import Browser
from strava_backup.config.loader import BASE_URL, Api, Secret, User
from tests.config_texts import config_texts, content, with_change
from tests.limits import NOBODY, disk_filled_up, without_root

REPOSITORY = Path(strava_backup.__file__).parents[1]
SECRET = "s3cret-Value"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
JWT = "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOjd9.c2ln"
UNREAD = ("refresh_token", "jwt", "session", "password")
API = "[api]\nclient_id = 123\nclient_secret = abc\nrefresh_token = def\n"


@pytest.fixture
def home(monkeypatch, tmp_path):
    path = tmp_path / "somebody"
    path.mkdir()
    monkeypatch.setenv("HOME", str(path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return path


@pytest.fixture
def path(home):
    return home / "strava-backup.conf"


@pytest.fixture
def load(path):
    """Write a config, and read it."""

    def load(content):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return loader.load(path, os.environ)

    return load


@pytest.fixture
def problems(load, path):
    """The problems of a config, without the path that begins each of them."""

    def problems(content):
        with pytest.raises(errors.ConfigError) as caught:
            load(content)
        assert caught.value.exit_code == 2
        assert all(problem.startswith(str(path)) for problem in caught.value.problems)
        return [problem.removeprefix(str(path)).lstrip(":, ") for problem in caught.value.problems]

    return problems


@pytest.fixture
def public_folder():
    """A folder that other users can reach, unlike those below `tmp_path`."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


# Reading a config


def test_every_key_has_its_place(load, home, path):
    loaded = load(
        """\
[global]
output_dir = /backup
source = website
delay = 0.5
warn_days = 14
[api]
client_id = 123
client_secret = abc
refresh_token = def
base_url = https://strava.example/api/
[user]
cookies_from_browser = Firefox:work::Sport
jwt = ghi
session = jkl
email = me@example.org
password = mno
"""
    )
    assert loaded == loader.Config(
        path=path,
        output_dir=Path("/backup"),
        makes_parents=False,
        source="website",
        delay=0.5,
        warn_days=14,
        api=Api("123", Secret("abc"), Secret("def"), "https://strava.example/api"),
        user=User(
            *(Secret("ghi"), Secret("jkl"), "me@example.org", Secret("mno")),
            Browser("firefox", None, "work", "Sport"),
        ),
    )


def test_what_is_left_out_has_a_default(load):
    loaded = load(API)
    assert (loaded.source, loaded.delay, loaded.warn_days) == ("auto", 2.0, 7)
    assert loaded.api == Api("123", Secret("abc"), Secret("def"), BASE_URL)
    assert loaded.user is None
    assert loaded.makes_parents


@pytest.mark.parametrize(
    ("section", "user"),
    [
        ("jwt = a", User(jwt=Secret("a"))),
        ("cookies_from_browser = firefox", User(cookies_from_browser=Browser("firefox"))),
        ("session = a", User(session=Secret("a"))),
        ("email = a@b\npassword = c", User(email="a@b", password=Secret("c"))),
    ],
)
def test_one_way_to_sign_in_is_enough(load, section, user):
    loaded = load(f"[user]\n{section}\n")
    assert (loaded.api, loaded.user) == (None, user)


@pytest.mark.parametrize(
    ("value", "output_dir"),
    [
        ("/backup", "/backup"),
        ("~/backup", "{home}/backup"),
        ("~", "{home}"),
        ("backup", "{home}/backup"),
        ("../backup", "{home}/../backup"),
        ("/back up/50% of it", "/back up/50% of it"),
    ],
)
def test_an_output_folder_is_relative_to_the_config_or_to_the_home(load, home, value, output_dir):
    loaded = load(f"[global]\noutput_dir = {value}\n{API}")
    assert loaded.output_dir == Path(os.path.normpath(output_dir.format(home=home)))
    assert not loaded.makes_parents


@pytest.mark.skipif(sys.platform != "linux", reason="the places of other systems differ")
@pytest.mark.parametrize(
    ("xdg", "existing", "expected"),
    [
        (None, [], ".local/share/strava-backup"),
        (None, [".local/share/strava-backup"], ".local/share/strava-backup"),
        ("xdg", [], "xdg/strava-backup"),
        ("xdg", ["xdg/strava-backup", ".local/share/strava-backup"], "xdg/strava-backup"),
        ("xdg", [".local/share/strava-backup"], "xdg/strava-backup"),
    ],
)
def test_without_an_output_folder_the_customary_place_counts(
    monkeypatch, load, home, xdg, existing, expected
):
    if xdg:
        monkeypatch.setenv("XDG_DATA_HOME", str(home / xdg))
    for folder in existing:
        (home / folder).mkdir(parents=True)
    loaded = load(API)
    assert loaded.output_dir == home / expected
    assert loaded.makes_parents


def test_a_config_is_looked_for_in_the_customary_places_in_their_order(home):
    file = "strava-backup.conf"
    assert loader.places({"XDG_CONFIG_HOME": "/xdg"})[:2] == [
        Path("/xdg", file),
        home / ".config" / file,
    ]
    for environment in ({}, {"XDG_CONFIG_HOME": ""}):
        assert loader.places(environment)[0] == home / ".config" / file


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + API,
        API.replace("\n", "\r\n"),
        API.replace(" = ", "="),
        API.replace(" = ", " : "),
        API.replace("client_id", "Client_ID"),
        "# comment\n\n" + API.replace("\n", "\n\n; comment\n"),
    ],
)
def test_a_config_may_come_from_any_editor(load, content):
    assert load(content).api == Api("123", Secret("abc"), Secret("def"))


@pytest.mark.parametrize("value", ["50%", "%(jwt)s", "%%", "a=b:c", "a;b#c", "${HOME}", "$HOME"])
def test_a_value_is_taken_as_it_stands(load, value):
    assert load(f"[user]\njwt = {value}\n").user == User(jwt=Secret(value))


def test_percent_signs_that_0_4_wanted_doubled_are_warned_of(load, caplog):
    load("[user]\nemail = a%%b@example.org\npassword = x\n")
    assert "[user] email contains %%" in caplog.text


def test_a_token_may_be_folded_over_several_lines(load):
    assert load("[user]\njwt = abc\n  def\n  ghi=\n").user == User(jwt=Secret("abcdefghi="))


def test_a_value_may_stand_on_the_line_below_its_key(load, home):
    loaded = load("[global]\noutput_dir =\n  /nas\n[user]\njwt =\n  abc\n  def\n")
    assert loaded.output_dir == Path("/nas")
    assert loaded.user.jwt.value == "abcdef"


def test_a_command_may_have_several_lines(load):
    assert load("[user]\njwt_command = echo abc |\n  cat\n").user.jwt.value == "abc"


@pytest.mark.parametrize("form", ["jwt_file = token", "jwt_command = cat token"])
def test_a_secret_from_elsewhere_may_have_a_byte_order_mark(load, home, form):
    (home / "token").write_bytes(b"\xef\xbb\xbfabc\r\n")
    command = form.replace("cat ", f"cat {home}/")
    assert load(f"[user]\n{command}\n").user.jwt.value == "abc"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_file_in_utf_16_is_named_as_what_it_is(problems, home, encoding):
    (home / "token").write_bytes("abc\n".encode(encoding))
    [problem] = problems("[user]\njwt_file = token\n")
    assert "UTF-16" in problem or "not one line of plain text" in problem


# Problems


def test_every_problem_is_told_at_once_with_its_section_and_key(problems):
    found = problems(
        """\
[global]
output_dri = /backup
source = web
delay = soon
warn_days = -1
[api]
client_id = me
client_secret = abc
base_url = http://strava.example
[user]
cookies_from_browser = firefox+kwallet
email = me@example.org
jwt_file = /nowhere/at/all
refresh_token = abc
[users]
jwt = abc
"""
    )
    assert sorted(found) == [
        "[api] base_url: must be an address that begins with https://",
        "[api] client_id: must be the number that Strava shows for your application",
        "[api] refresh_token: missing; run strava-backup --authorize, or remove [api]",
        "[global] delay: must be a number of seconds from 0 to 3600, not 'soon'",
        "[global] output_dri: unknown key, did you mean output_dir?",
        "[global] source: must be one of auto, api, website, not 'web'",
        "[global] warn_days: must be a number of days from 0 to 9999, not '-1'",
        "[user] cookies_from_browser: Firefox uses no keyring: omit +kwallet",
        "[user] jwt_file: /nowhere/at/all: No such file or directory",
        "[user] password: missing",
        "[user] refresh_token: unknown key, it belongs in [api]",
        "unknown section [users], did you mean [user]?",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "neither [api] nor [user] is filled in: run strava-backup --login"),
        ("[api]\n[user]\n", "neither [api] nor [user] is filled in"),
        (f"[DEFAULT]\njwt = a\n{API}", "unknown section [DEFAULT]"),
        (f"[global]\ndelay = nan\n{API}", "[global] delay: must be a number"),
        (f"[global]\ndelay = inf\n{API}", "[global] delay: must be a number"),
        (f"[global]\ndelay = -1\n{API}", "[global] delay: must be a number"),
        (f"[global]\ndelay = 3601\n{API}", "[global] delay: must be a number"),
        (f"[global]\nwarn_days = 1.5\n{API}", "[global] warn_days: must be a number"),
        (f"[global]\nwarn_days = ²\n{API}", "[global] warn_days: must be a number"),
        (f"{API}base_url = https://\n", "[api] base_url: must be an address"),
        (f"{API}base_url = https:///api\n", "[api] base_url: must be an address"),
        (f"{API}base_url = https://strava.example/a b\n", "[api] base_url: must be an address"),
        (f"{API}base_url = https://a.example\n  b\n", "[api] base_url: has several lines"),
        (f"[global]\nwarn_days = {'9' * 5000}\n{API}", "[global] warn_days: must be a number"),
        (API.replace("123", "1" * 5000), "[api] client_id: must be the number"),
        ("[user]\nemail = a\n  b\npassword = c\n", "[user] email: has several lines"),
        ("[user]\nemail = a\x1b[2J\npassword = c\n", "[user] email: must be one line"),
        (
            f"[global]\noutput_dir = '/nas/a b'\n{API}",
            "[global] output_dir: remove the quotes, also",
        ),
        (f'[global]\noutput_dir = "/nas"\n{API}', "[global] output_dir: remove the quotes"),
        (f'[global]\noutput_dir = "/nas\n{API}', "[global] output_dir: remove the quotes"),
        (f"[global]\noutput_dir = /nas # a\n{API}", "[global] output_dir: must have no comment"),
        (f"[global]\noutput_dir = /nas\t;a\n{API}", "[global] output_dir: must have no comment"),
        (f'[global]\noutput_dir = "/nas" # a\n{API}', "[global] output_dir: must have no comment"),
        (f"[global]\noutput_dir = #\n{API}", "[global] output_dir: must have no comment"),
        (f"[global]\noutput_dir = a\x07b\n{API}", "[global] output_dir: must have no control"),
        (f"[global]\noutput_dir = a\0b\n{API}", "[global] output_dir: must have no control"),
        (f"[global]\noutput_dir = a\n  b\n{API}", "[global] output_dir: has several lines"),
        (f"[global]\noutput_dir = ~no_one/a\n{API}", "[global] output_dir: must not begin with"),
        (f"[user]\njwt_file = {JWT}\n", "[user] jwt_file: must be a path, and not the token"),
        (f"[global]\noutput_dir = a/{JWT}\n{API}", "[global] output_dir: must be a path"),
        ("[user]\njwt_file = 'a'\n", "[user] jwt_file: remove the quotes"),
        ("[user]\ncookies_from_browser = lynx\n", "[user] cookies_from_browser: cookies can be "),
        ("[user]\ncookies_from_browser = a\n  b\n", "[user] cookies_from_browser: has several"),
        ("[user]\ncookies_from_browser = :\n", "[user] cookies_from_browser: a browser is "),
        ("[user]\ncookies_from_browser_file = a\n", "[user] cookies_from_browser_file: unknown"),
        ("[user]\ncookies_from_browser_command = a\n", "[user] cookies_from_browser_command: unk"),
        ("[user]\njwt_file = a # b\n", "[user] jwt_file: must have no comment"),
        ("[user]\njwt_file = a\n  b\n", "[user] jwt_file: has several lines"),
        ("[user]\njwt_file = a\0b\n", "[user] jwt_file: must have no control characters"),
        ("[user]\njwt = a\n  session = b\n", "[user] jwt: has several lines"),
        ("[user]\njwt = a\n  session=b\n", "[user] jwt: has several lines"),
        ("[user]\npassword = a\n  [api]\nemail = b\n", "[user] password: has several lines"),
        ("[user]\njwt =\n  session = b\n", "[user] jwt: has several lines"),
        ("[user]\njwt = <x>\n  session = <y>\n", "[user] jwt: has several lines"),
        ("[user]\njwt_file =\n  session : b\n", "[user] jwt_file: has several lines"),
        (f"[global]\noutput_dir =\n  delay = 1\n{API}", "[global] output_dir: has several lines"),
        (f"[global]\nwarn_days =\n  [user]\n{API}", "[global] warn_days: has several lines"),
        ("[user]\njwt_command = touch a\n  jwt = b\n", "[user] jwt_command: has several lines"),
        ("[user]\njwt_command = touch a\n  [api]\n", "[user] jwt_command: has several lines"),
        ("[user]\njwt_command = echo a\0b\n", "[user] jwt_command: embedded null byte"),
        ("[user]\njwt_file = /dev/zero\n", "[user] jwt_file: /dev/zero: File too large"),
        (API.replace("client_secret = abc\n", ""), "[api] client_secret: missing; run strava-"),
        (API.replace("client_id = 123\n", ""), "[api] client_id: missing"),
        (f"{API}refresh_token_command = true\n", "[api] refresh_token_command: unknown key"),
        (f"{API}client_id_file = x\n", "[api] client_id_file: unknown key"),
        (f"{API}[golbal]\n", "unknown section [golbal], did you mean [global]?"),
        (f"{API}[User]\n", "unknown section [User], did you mean [user]?"),
        (
            f"{API}[global]\noutputdir = x\n",
            "[global] outputdir: unknown key, did you mean output_dir?",
        ),
        (f"{API}jwt = x\n", "[api] jwt: unknown key, it belongs in [user]"),
        ("[user]\nemail = a@b\n", "[user] password: missing"),
        ("[user]\npassword = a\n", "[user] email: missing"),
        ("[user]\njwt = a\njwt_command = b\n", "[user] jwt: given as jwt and jwt_command"),
        ("[user]\njwt = a\njwt_file = b\n", "[user] jwt: given as jwt and jwt_file"),
        ("[user]\njwt = ä\n", "[user] jwt: not one line of plain text"),
        ("[user]\nsession = a\x07b\n", "[user] session: not one line of plain text"),
        ("[user]\njwt_command = exit 3\n", "[user] jwt_command: the command ended with status 3"),
        ("[user]\njwt_command = true\n", "[user] jwt_command: empty"),
        ("[user]\njwt_command = echo a; echo b\n", "[user] jwt_command: not one line"),
        ("[user]\njwt_command = printf '\\377'\n", "[user] jwt_command: not UTF-8"),
        ("[user]\njwt_file = .\n", "[user] jwt_file: /"),
        ("[user]\njwt_file = /dev/null\n", "[user] jwt_file: empty"),
        ("[user]\njwt = a\njwt = b\n", "line 3: [user] jwt is set twice"),
        ("[user]\njwt = a\nJWT = b\n", "line 3: [user] jwt is set twice"),
        ("[user]\njwt = a\n[user]\n", "line 3: [user] is set twice"),
        ("jwt = a\n", "line 1: a [section] must come first"),
        ("[user]\njwt = a\nabc\n\ndef\n", "line 3, 5: neither a [section] nor a key = value"),
        (b"[user]\njwt = \xff\n", "is not UTF-8"),
    ],
)
def test_a_problem_is_named(problems, content, problem):
    [found] = problems(content)
    assert found.startswith(problem)


def test_no_name_is_proposed_for_a_key_that_is_like_none(problems):
    assert problems(f"{API}colour = red\n") == ["[api] colour: unknown key"]


@pytest.mark.parametrize("name", ["nothing.conf", ""])
def test_a_config_that_cannot_be_read_is_an_error(home, name):
    with pytest.raises(errors.ConfigError, match=f"cannot read {home / name}: "):
        loader.load(home / name, os.environ)


def test_the_sample_as_it_comes_is_a_config_that_is_not_filled_in(problems):
    [problem] = problems(loader.sample_path().read_text())
    assert problem.startswith("neither [api] nor [user] is filled in")


def test_no_file_of_the_package_is_a_link():
    # Git for Windows checks out links as text files with the name of the target.
    package = Path(loader.__file__).parent.parent
    assert [path for path in package.rglob("*") if path.is_symlink()] == []


def test_the_sample_filled_in_is_a_config(load):
    sample = loader.sample_path().read_text()
    sample = sample.replace("<client id>", "123").replace("<client secret>", "abc")
    loaded = load(sample.replace("<refresh token>", "def"))
    assert loaded.api == Api("123", Secret("abc"), Secret("def"))
    assert loaded.user is None


@pytest.mark.parametrize("value", ["", "<jwt>", "<>", "<a b>"])
def test_an_empty_value_and_a_placeholder_of_the_sample_count_as_unset(load, value):
    loaded = load(f"{API}[user]\njwt = {value}\njwt_file = {value}\nsession = abc\n")
    assert loaded.user == User(session=Secret("abc"))


# Secrets from files and commands


def test_a_secret_may_stand_in_a_file_of_its_own(load, home):
    (home / "jwt").write_text("abc\n")
    (home / "secret").write_text("def")
    loaded = load(
        "[user]\njwt_file = ~/jwt\n"
        "[api]\nclient_id = 1\nclient_secret_file = secret\nrefresh_token = ghi\n"
    )
    assert loaded.user == User(jwt=Secret("abc", home / "jwt"))
    assert loaded.api.client_secret == Secret("def", home / "secret")


def test_a_secret_may_come_from_a_command_with_a_pipe(load):
    loaded = load("[user]\nemail = a@b\npassword_command = echo 'p w%' | tr w W\n")
    assert loaded.user.password == Secret("p W%", read_only=True)


def test_a_password_may_have_any_letters(load):
    assert load("[user]\nemail = a@b\npassword = pässwörd €\n").user.password.value == "pässwörd €"


def test_a_config_does_not_show_its_secrets(load, home):
    (home / "session").write_text(f"{SECRET}-5")
    loaded = load(
        f"[api]\nclient_id = 1\nclient_secret = {SECRET}-1\nrefresh_token = {SECRET}-2\n"
        f"[user]\njwt = {SECRET}-3\nemail = a@b\npassword = {SECRET}-4\nsession_file = session\n"
    )
    secrets = [loaded.api.client_secret, loaded.api.refresh_token, loaded.user.session]
    assert all(SECRET in secret.value for secret in secrets)
    for thing in (loaded, loaded.api, loaded.user, secrets, vars(loaded), *secrets):
        assert SECRET not in repr(thing)
        assert SECRET not in str(thing)
        assert SECRET not in f"{thing}"
    assert "a@b" not in repr(loaded)


@pytest.mark.parametrize(
    "content",
    [
        f"{SECRET}\n",
        f"jwt = {SECRET}\n",
        f"[user]\n{SECRET}\n",
        f"[user]\njwt = a\n{SECRET}\n",
        f"[user]\njwt = {SECRET}\njwt = {SECRET}\n",
        f"[user]\njwt = {SECRET}\n[user]\n",
        f"[user]\njwt = {SECRET}\njwt_command = echo {SECRET}\n",
        f"[user]\njwt = {SECRET}ä\n",
        f"[user]\njwt = {SECRET}\x1b\n",
        f"[user]\njwt = {SECRET}\n".encode() + b"\xff",
        f"[user]\npassword = {SECRET}\n",
        f"[user]\njwt_command = echo {SECRET}; false\n",
        f"[user]\njwt_command = echo {SECRET}; echo {SECRET}\n",
        f"[user]\njwt_command = echo {SECRET}; printf '\\377'\n",
        f"[api]\nclient_id = {SECRET}\n",
        f"[api]\nclient_secret = {SECRET}\n",
        f"[user]\njwt = {SECRET}\n[nonsense]\n",
        f"[user]\njwt = {SECRET}\ncookies_from_browser = {SECRET}\n",
        f"[global]\ndelay = 1\n  [user]\n  jwt = {SECRET}\n",
        f"[global]\nsource = api\n  [user]\n  jwt = {SECRET}\n",
        f"[global]\nwarn_days = 7\n  jwt = {SECRET}\n",
        f"[global]\noutput_dir = there\n  [user]\n  jwt = {SECRET}\n",
        f"[api]\nclient_secret = a\n  [user]\n  password = {SECRET}\n",
        f"[user]\njwt = {SECRET}\n[global]\ndelay = {SECRET}\n",
        f"[user]\njwt = {SECRET}\n[global]\nsource = my {SECRET}\n",
        f"[user]\njwt = {SECRET}\nmy {SECRET} = a\n",
        f"[user]\njwt = {SECRET}\n[{SECRET}]\n",
        *(
            text.format(TOKEN)
            for text in (
                "[global]\ndelay = {}\n",
                "[global]\nsource = {}\n",
                "[user]\n{} = a\n",
                "[user]\n{0} = a\n{0} = b\n",
                "[{}]\n",
                "[user] jwt = {}]\n",
                "[{0}]\n[{0}]\n",
                "[user]\njwt_file = {}\n",
                "[user]\njwt_file = /nowhere/{}\n",
                "[user]\njwt_command = {}\n",
                "[api]\nbase_url = {}\n",
                "[user]\njwt = {}ä\n",
                "[user]\ncookies_from_browser = {}\n",
                "[user]\ncookies_from_browser = firefox+{}\n",
                "[user]\ncookies_from_browser = chrome::{}\n",
            )
        ),
    ],
)
def test_no_error_shows_a_secret_nor_does_its_traceback(load, content):
    with pytest.raises(errors.ConfigError) as caught:
        load(content)
    shown = "".join(traceback.format_exception(caught.value)).lower()
    assert SECRET.lower() not in shown
    assert TOKEN not in shown


LINES = st.sampled_from(
    [
        *("[user]", "[api]", "[global]", "[", "[]", "= a", "jwt = a", "jwt =", "jwt", "  b", "\0"),
        *("output_dir = ", "delay = 1\0", "client_id = \xb2", "session_file = ", "\ufeff", "\x85"),
        *("email = <", "password : c", "refresh_token_file = .", "# d", "  [user]", "%", "\x1c"),
    ]
) | st.text(max_size=9)


@given(st.lists(LINES).map("\n".join).map(str.encode) | st.binary(max_size=60))
def test_any_file_is_a_config_or_a_config_error(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "conf")
        path.write_bytes(content)
        for read in (
            lambda: loader.load(path, {}),
            lambda: loader.output_dir(path, {}),
            lambda: loader.load_unfinished(path, {}, UNREAD),
        ):
            with contextlib.suppress(errors.ConfigError):
                read()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_no_file_is_no_config(path, make):
    make(path)
    for read in (
        lambda: loader.load(path, os.environ),
        lambda: loader.output_dir(path, os.environ),
        lambda: loader.load_unfinished(path, os.environ, UNREAD),
    ):
        with pytest.raises(errors.ConfigError, match=f"cannot read {path}: "):
            read()


def test_a_config_in_a_folder_that_may_not_be_entered_is_an_error(public_folder):
    closed = public_folder / "closed"
    closed.mkdir(mode=0o600)
    with without_root():
        for read in (
            lambda: loader.load(closed / "conf", {}),
            lambda: loader.output_dir(closed / "conf", {}),
            lambda: loader.load_unfinished(closed / "conf", {}, UNREAD),
        ):
            with pytest.raises(errors.ConfigError, match="Permission denied"):
                read()


HOMELESS = """
import os, sys
from pathlib import Path
from strava_backup import errors
from strava_backup.config import loader
from strava_backup.config.browser import Browser
os.setuid(54321)
for read in (lambda: loader.places({}), lambda: loader.default_output_dir({})):
    try:
        read()
    except errors.ConfigError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes nobody at all")
def test_a_home_that_is_not_known_is_a_config_error(public_folder):
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.count("your home folder is not known: set HOME") == 2, done.stderr


def test_a_config_of_several_megabytes_is_none(path):
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(errors.ConfigError, match="File too large"):
        loader.load(path, os.environ)


def test_a_config_in_utf_16_is_named_as_that(path):
    path.write_text(API, encoding="utf-16")
    with pytest.raises(errors.ConfigError, match="is not UTF-8 but UTF-16: save it as UTF-8"):
        loader.load(path, os.environ)


# Writing a renewed secret back

# The config before, and after `jwt` was renewed to NEW.
WRITTEN_BACK = [
    pytest.param("[user]\njwt = old\n", "[user]\njwt = NEW\n", id="the value alone"),
    pytest.param(
        "# mine\n\n[user]\n; the session\njwt = old\n# its end\nemail = a\npassword = %b\n\n"
        "[global]\n# fast\ndelay = 0\n",
        "# mine\n\n[user]\n; the session\njwt = NEW\n# its end\nemail = a\npassword = %b\n\n"
        "[global]\n# fast\ndelay = 0\n",
        id="comments, order and blank lines",
    ),
    pytest.param(
        "# mine\r\n[user]\r\njwt = old\r\nsession = a\r\n",
        "# mine\r\n[user]\r\njwt = NEW\r\nsession = a\r\n",
        id="the line ends of Windows",
    ),
    pytest.param("\ufeff[user]\njwt = old\n", "\ufeff[user]\njwt = NEW\n", id="byte order mark"),
    pytest.param(
        "[user]\njwt = ol\n  d\nsession = a\n", "[user]\njwt = NEW\nsession = a\n", id="folded"
    ),
    pytest.param(
        "[user]\nJWT : old\nsession=a\n", "[user]\nJWT : NEW\nsession=a\n", id="another spelling"
    ),
    pytest.param(
        "[user]\njwt = <jwt>\nsession = a\n",
        "[user]\njwt = NEW\nsession = a\n",
        id="a placeholder",
    ),
    pytest.param(
        "[user]\nsession = a", "[user]\nsession = a\njwt = NEW\n", id="a new key at the end"
    ),
    pytest.param(
        "[user]\r\nsession = a\r\n[global]\r\ndelay = 0\r\n",
        "[user]\r\nsession = a\r\njwt = NEW\r\n[global]\r\ndelay = 0\r\n",
        id="a new key in the middle",
    ),
    pytest.param(
        "[user]\nsession = 100%\nemail = Zoë 50%(x)s\npassword = ${p}\njwt = old\n",
        "[user]\nsession = 100%\nemail = Zoë 50%(x)s\npassword = ${p}\njwt = NEW\n",
        id="percent signs",
    ),
]


@pytest.mark.parametrize(("before", "after"), WRITTEN_BACK)
def test_a_renewed_secret_changes_its_own_line_and_nothing_else(load, path, before, after):
    load(before).store("user", "jwt", "NEW")
    assert path.read_bytes() == after.encode()
    assert loader.load(path, os.environ).user.jwt == Secret("NEW")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)).filter(secret_text.is_storable))
@example("%(x)s")
@example("100%")
@example("#a;b")
@example("[api]")
@example("=")
@example("a\\nb")
@settings(deadline=None)
def test_every_token_is_read_back_as_it_was_stored(value):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "strava-backup.conf")
        path.write_text(f"{API}# mine\n")
        loader.load(path, os.environ).store("api", "refresh_token", value)
        loaded = loader.load(path, os.environ)
        text = path.read_text()
    assert loaded.api == Api("123", Secret("abc"), Secret(value))
    assert text.endswith("\n# mine\n")


@given(
    config_texts() | st.text(max_size=20),
    st.sampled_from([("api", "refresh_token"), ("user", "jwt"), ("user", "session")]),
)
@example("[user]\njwt_file = a\n", ("user", "jwt"))
@example("[user]\n  jwt = a\n  b\n", ("user", "jwt"))
@example("[user]\njwt = a\njwt = b\n", ("user", "jwt"))
@example("\ufeff\ufeff[user]\n", ("user", "jwt"))
def test_a_value_is_stored_in_the_config_alone_or_beside_it_unchanged(text, place):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "strava-backup.conf")
        path.write_text(API)
        loaded = loader.load(path, {})
        path.write_bytes(text.encode())
        try:
            before = content(path)
        except configparser.Error:
            before = None
        problem = ""
        try:
            loaded.store(*place, "NEW")
        except errors.ConfigError as error:
            problem = str(error)
        if problem:
            aside = path.with_name("strava-backup.conf.new")
            assert str(aside) in problem
            assert path.read_bytes() == text.encode()
            assert dict(dict(content(aside))[place[0]]) == {place[1]: "NEW"}
            assert before is None or f"{place[1]}_file" in text.lower()
        else:
            assert content(path) == with_change(before, *place, "NEW")
            assert os.listdir(folder) == ["strava-backup.conf"]


def test_a_form_that_was_given_meanwhile_is_not_doubled(load, path):
    loaded = load(API)
    edited = API.replace("refresh_token = def", "refresh_token_file = token")
    path.write_text(edited)
    with pytest.raises(errors.ConfigError, match="it now has refresh_token and refresh_token_file"):
        loaded.store("api", "refresh_token", "new")
    assert path.read_text() == edited


def test_a_second_renewal_replaces_the_first(load, path):
    loaded = load(API)
    loaded.store("api", "refresh_token", "first")
    loaded.store("api", "refresh_token", "second")
    assert path.read_text() == API.replace("def", "second")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_writing_back_keeps_the_mode(load, path, mode):
    loaded = load(API)
    path.chmod(mode)
    loaded.store("api", "refresh_token", "new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_writing_back_as_root_keeps_the_owner(load, path):
    loaded = load(API)
    os.chown(path, NOBODY, NOBODY)
    loaded.store("api", "refresh_token", "new")
    assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)


def test_writing_back_keeps_a_link_and_changes_what_it_points_to(home, path):
    real = home / "dotfiles" / "strava.conf"
    real.parent.mkdir()
    real.write_text(API)
    path.symlink_to("dotfiles/strava.conf")
    loader.load(path, os.environ).store("api", "refresh_token", "new")
    assert os.readlink(path) == "dotfiles/strava.conf"
    assert real.read_text() == API.replace("def", "new")
    assert list(real.parent.iterdir()) == [real]


def test_writing_back_leaves_nothing_else_behind(load, home, path):
    load(API).store("api", "refresh_token", "new")
    assert list(home.iterdir()) == [path]


def test_a_secret_from_a_file_is_written_back_into_that_file_alone(load, home, path):
    token = home / "token"
    token.write_text("def\n")
    token.chmod(0o600)
    content = API.replace("refresh_token = def", "refresh_token_file = token")
    load(content).store("api", "refresh_token", "100%")
    assert token.read_text() == "100%\n"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert path.read_text() == content
    assert loader.load(path, os.environ).api.refresh_token == Secret("100%", token)


def test_a_secret_from_a_command_is_left_to_its_owner(load, path):
    content = "[user]\njwt_command = echo abc\n"
    loaded = load(content)
    loaded.check_storable("user", "jwt")
    loaded.store("user", "jwt", "new")
    assert path.read_text() == content


def test_what_was_edited_during_the_run_is_kept(load, path):
    loaded = load(API)
    path.write_text(f"# meanwhile\n{API}")
    loaded.store("api", "refresh_token", "new")
    assert path.read_text() == f"# meanwhile\n{API}".replace("def", "new")


@pytest.mark.parametrize(
    "content", [None, f"{SECRET}\n", f"[api]\n{SECRET}\n", b"\xff", "[api]\na = 1\na = 2\n"]
)
def test_a_config_that_was_spoilt_during_the_run_is_an_error_without_secrets(load, path, content):
    loaded = load(API)
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = path.read_bytes() if content is not None else None
    with pytest.raises(
        errors.ConfigError, match="cannot write the renewed refresh_token"
    ) as caught:
        loaded.store("api", "refresh_token", f"{SECRET}-new")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert (path.read_bytes() if path.exists() else None) == before
    aside = path.with_name("strava-backup.conf.new")
    assert f"It is in {aside} instead: copy it into [api] of {path}" in str(caught.value)
    assert f"[api]\nrefresh_token = {SECRET}-new\n" in aside.read_text()
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600


def test_a_token_whose_own_file_is_gone_is_kept_beside_the_config(load, home, path):
    (home / "token").write_text("old")
    loaded = load(API.replace("refresh_token = def", "refresh_token_file = token"))
    (home / "token").unlink()
    with pytest.raises(errors.ConfigError, match=f"copy it into {home}/token, then") as caught:
        loaded.store("api", "refresh_token", SECRET)
    assert SECRET not in str(caught.value)
    assert f"refresh_token = {SECRET}\n" in (home / "strava-backup.conf.new").read_text()


def test_values_beside_the_config_are_reported_until_they_are_copied(load, path, caplog):
    loaded = load(API)
    path.unlink()
    with pytest.raises(errors.ConfigError):
        loaded.store("api", "refresh_token", SECRET)
    load(API)
    aside = path.with_name("strava-backup.conf.new")
    assert caplog.messages == [
        f"{aside} has newer values, which could not be written into {path}: copy them there, "
        "then delete it"
    ]
    aside.unlink()
    load(API)
    assert len(caplog.messages) == 1


def test_a_config_that_was_spoilt_is_found_before_a_token_is_spent(load, path):
    loaded = load(API)
    path.write_text(f"{SECRET}\n")
    with pytest.raises(errors.ConfigError, match="could not be written into it") as caught:
        loaded.check_storable("api", "refresh_token")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_token_that_can_be_kept_nowhere_is_said_to_be_lost(load, path):
    loaded = load(API)
    path.write_text("spoilt")
    path.with_name("strava-backup.conf.new").mkdir()
    with pytest.raises(errors.ConfigError, match=r"so it is lost: .* strava-backup --authorize"):
        loaded.store("api", "refresh_token", SECRET)
    assert path.read_text() == "spoilt"


def test_a_file_that_cannot_be_written_keeps_no_other_value_from_its_place(home, path):
    content = "[api]\nclient_secret_file = nowhere/secret\nrefresh_token = old\n"
    loaded = unfinished_with_file(path, content)
    with pytest.raises(errors.ConfigError, match="cannot write the new client_secret"):
        loaded.write("api", {"client_secret": "secret", "refresh_token": "new"})
    assert path.read_text() == content.replace("old", "new")


def unfinished_with_file(path, content):
    """Return a config that names a secret's file, which cannot be created any more."""
    path.write_text(content)
    loaded = loader.load_unfinished(path, os.environ, ("client_secret", "refresh_token"))
    path.with_name("nowhere").write_text("in the way")
    return loaded


@pytest.mark.parametrize(
    "value", ["a\nb", "a\rjwt_command = touch ran", " a", "a ", "<a>", "a\x1b[2J", "é", "a\0"]
)
@pytest.mark.parametrize(
    "write",
    [
        lambda loaded, value: loaded.store("api", "refresh_token", value),
        lambda loaded, value: loaded.write("api", {"client_id": "7", "refresh_token": value}),
    ],
    ids=["store", "write"],
)
@pytest.mark.parametrize("form", ["refresh_token = def", "refresh_token_file = token"])
def test_a_value_that_could_not_be_read_back_is_refused(load, home, path, value, write, form):
    (home / "token").write_text("def")
    content = API.replace("refresh_token = def", form)
    loaded = load(content)
    with pytest.raises(errors.ConfigError, match="is not one line of plain text") as caught:
        write(loaded, value)
    assert value.strip() == "a" or value not in str(caught.value)
    assert path.read_text() == content
    assert (home / "token").read_text() == "def"
    assert sorted(one.name for one in home.iterdir()) == ["strava-backup.conf", "token"]


def test_checking_that_a_secret_can_be_stored_changes_nothing(load, home, path):
    loaded = load(API)
    before = path.stat()
    loaded.check_storable("api", "refresh_token")
    after = path.stat()
    assert path.read_text() == API
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert list(home.iterdir()) == [path]


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o444, 0o777), (0o666, 0o555)])
def test_a_config_that_cannot_be_replaced_is_found_before_a_token_is_spent(
    public_folder, file_mode, folder_mode
):
    path = public_folder / "strava-backup.conf"
    path.write_text(API)
    loaded = loader.load(path, os.environ)
    path.chmod(file_mode)
    public_folder.chmod(folder_mode)
    with without_root(), pytest.raises(errors.ConfigError, match="must be writable") as caught:
        loaded.check_storable("api", "refresh_token")
    assert "[api] refresh_token" in str(caught.value)
    assert "Permission denied" in str(caught.value)


def test_a_config_that_cannot_be_replaced_stays_as_it_is(public_folder):
    path = public_folder / "strava-backup.conf"
    path.write_text(API)
    loaded = loader.load(path, os.environ)
    public_folder.chmod(0o555)
    with without_root(), pytest.raises(errors.ConfigError, match="Permission denied") as caught:
        loaded.store("api", "refresh_token", SECRET)
    assert SECRET not in str(caught.value)
    assert path.read_text() == API


STORE = """
import sys
from pathlib import Path
from strava_backup.config import loader
from strava_backup.config.browser import Browser

loaded = loader.load(Path(sys.argv[1]), {})
loaded.check_storable("api", "refresh_token")
loaded.store("api", "refresh_token", "new")
"""


INTERRUPTED = """
import os, signal, sys, threading
from pathlib import Path
from strava_backup.config import loader
from strava_backup.config.browser import Browser

fsync, start = os.fsync, threading.Thread.start
def interrupted_fsync(descriptor):
    os.kill(os.getpid(), signal.SIGINT)
    fsync(descriptor)

def interrupted_start(thread):
    start(thread)
    signal.raise_signal(signal.SIGINT)

loaded = loader.load(Path(sys.argv[1]), {})
if sys.argv[2] == "fsync":
    os.fsync = interrupted_fsync
else:
    threading.Thread.start = interrupted_start
loaded.store("api", "refresh_token", "new")
"""


@pytest.mark.parametrize("moment", ["fsync", "start of the thread"])
def test_a_token_reaches_the_disk_although_the_program_is_interrupted(load, home, path, moment):
    load(API)
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, path, moment],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "KeyboardInterrupt" in done.stderr
    assert path.read_text() == API.replace("def", "new")
    assert list(home.iterdir()) == [path]


def test_a_config_mounted_by_itself_into_a_container_is_written_in_place(load, home, path):
    namespace = ["unshare", "--mount", "--map-root-user"]
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], check=False).returncode:
        pytest.skip("no mount namespaces here")
    load(API.replace("def", "long" * 50) + "# mine\n")
    mount_and_store = 'mount --bind "$1" "$1" && exec "$2" -c "$3" "$1"'
    subprocess.run(
        [*namespace, "sh", "-c", mount_and_store, "sh", path, sys.executable, STORE],
        cwd=REPOSITORY,
        check=True,
        timeout=60,
    )
    assert path.read_text() == API.replace("def", "new") + "# mine\n"
    assert list(home.iterdir()) == [path]


def test_on_a_full_disk_no_token_is_spent_and_one_that_comes_all_the_same_is_kept(tmp_path):
    with disk_filled_up(tmp_path / "disk", {"conf": API.encode()}) as disk:
        loaded = loader.load(disk / "conf", {})
        with pytest.raises(errors.ConfigError, match=r"\[api\] refresh_token.*No space left"):
            loaded.check_storable("api", "refresh_token")
        loaded.store("api", "refresh_token", "longer than before")
        assert (disk / "conf").read_text() == API.replace("def", "longer than before")
        with pytest.raises(
            errors.ConfigError, match=r"No space left.*so it is lost: free some space"
        ):
            loaded.store("api", "refresh_token", "x" * 8000)
        assert (disk / "conf").read_text() == API.replace("def", "longer than before")
        assert sorted(one.name for one in disk.iterdir()) == ["conf", "filler"]


# Access of other users


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
@pytest.mark.parametrize(
    ("mode", "access"),
    [
        *((0o600, ""), (0o400, ""), (0o611, "")),
        *((0o640, "read"), (0o604, "read"), (0o644, "read")),
        *((0o620, "change"), (0o602, "change")),
        *((0o660, "read and change"), (0o642, "read and change"), (0o666, "read and change")),
    ],
)
def test_a_config_with_secrets_that_is_open_to_others_is_warned_of(path, mode, access, caplog):
    path.write_text(API)
    path.chmod(mode)
    loader.load(path, os.environ).warn_of_open_files()
    warnings = [f"{path} has secrets, and others can {access} it: chmod 600 {path}"]
    assert caplog.messages == (warnings if access else [])


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
@pytest.mark.parametrize(("mode", "is_reported"), [(0o644, False), (0o620, True), (0o666, True)])
@pytest.mark.parametrize("user", ["jwt_command = echo x", "jwt_file = token"])
def test_a_config_without_secrets_may_be_read_but_not_changed(
    load, home, path, user, mode, is_reported, caplog
):
    (home / "token").write_text("x")
    (home / "token").chmod(0o600)
    loaded = load(f"[user]\n{user}\n")
    path.chmod(mode)
    loaded.warn_of_open_files()
    warnings = [f"{path} can name commands to run, and others can change it: chmod 600 {path}"]
    assert caplog.messages == (warnings if is_reported else [])


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
@pytest.mark.parametrize(
    ("user", "is_reported"),
    [("", True), ("jwt_command = echo x", False), ("jwt_file = token", False)],
)
def test_a_config_that_will_have_the_session_of_a_browser_must_not_be_readable(
    load, home, path, user, is_reported, caplog
):
    (home / "token").write_text("x")
    (home / "token").chmod(0o600)
    loaded = load(f"[user]\ncookies_from_browser = firefox\n{user}\n")
    path.chmod(0o644)
    loaded.warn_of_open_files()
    warnings = [f"{path} has secrets, and others can read it: chmod 600 {path}"]
    assert caplog.messages == (warnings if is_reported else [])


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
def test_a_value_written_into_a_file_open_to_others_is_warned_of(load, home, path, caplog):
    loaded = load(API)
    path.chmod(0o662)
    loaded.write("api", {"refresh_token": "new"})
    assert caplog.messages == [f"others can read and change {path}: chmod 600 {path}"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")
def test_a_file_with_a_secret_that_others_can_read_is_warned_of_and_an_open_config_is_not(
    load, home, path, caplog
):
    for name in ("my token", "secret"):
        (home / name).write_text(SECRET)
        (home / name).chmod(0o644)
    (home / "jwt").write_text(SECRET)
    (home / "jwt").chmod(0o600)
    load(
        "[api]\nclient_id = 1\nclient_secret_file = secret\nrefresh_token_file = my token\n"
        "[user]\njwt_file = jwt\nsession_command = echo x\n"
    )
    path.chmod(0o644)
    loader.load(path, os.environ).warn_of_open_files()
    assert caplog.messages == [
        f"{home}/my token has secrets, and others can read it: chmod 600 '{home}/my token'",
        f"{home}/secret has secrets, and others can read it: chmod 600 {home}/secret",
    ]
    assert SECRET not in caplog.text


# The archive's folder alone


@pytest.mark.parametrize(
    "rest", ["", "[api]\nclient_id = x\n", "[user]\njwt_command = touch ran\n", "[usr]\na = 1\n"]
)
def test_the_output_dir_is_known_whatever_the_rest_of_a_config_says(path, home, rest):
    path.write_text(f"[global]\noutput_dir = there\n{rest}")
    assert loader.output_dir(path, {}) == home / "there"
    assert not list(home.rglob("ran"))


def test_without_a_config_the_output_dir_is_the_default_one(path, home):
    environ = {"XDG_DATA_HOME": str(home)}
    assert loader.output_dir(None, environ) == home / "strava-backup"
    path.write_text("")
    assert loader.output_dir(path, environ) == home / "strava-backup"


def test_a_config_that_cannot_be_read_tells_of_no_output_dir(path):
    with pytest.raises(errors.ConfigError, match="cannot read"):
        loader.output_dir(path, {})
    path.write_text("output_dir = there")
    with pytest.raises(errors.ConfigError, match=r"a \[section\] must come first"):
        loader.output_dir(path, {})


@pytest.mark.parametrize("value", ['"/nas"', "/nas # mine", "/nas\n  [user]\n  jwt = a"])
def test_an_output_dir_that_was_not_meant_so_is_an_error_and_not_the_default(path, value):
    path.write_text(f"[global]\noutput_dir = {value}\n")
    with pytest.raises(errors.ConfigError, match="output_dir"):
        loader.output_dir(path, {})


# Setting up


def unfinished(path, content=None):
    if content is not None:
        path.write_text(content)
    return loader.load_unfinished(path, os.environ, UNREAD)


def test_a_config_that_is_not_there_yet_is_read_as_the_sample(path):
    loaded = unfinished(path)
    assert loaded.api == Api("", Secret(""), Secret(""))
    assert loaded.user is None
    assert not path.exists()


def test_what_an_unfinished_config_has_is_read(path):
    loaded = unfinished(path, "[api]\nclient_id = 123\nclient_secret = abc\nrefresh_token = <x>\n")
    assert loaded.api == Api("123", Secret("abc"), Secret(""))


def test_secrets_that_are_about_to_be_stored_are_not_read(home, path):
    loaded = unfinished(
        path,
        "[api]\nrefresh_token_file = no such file\n"
        "[user]\njwt = <x>\nsession_command = exit 1\nemail = a\npassword_file = token\n",
    )
    assert loaded.api.refresh_token == Secret("", home / "no such file")
    assert loaded.user == User(
        session=Secret("", read_only=True), email="a", password=Secret("", home / "token")
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[usr]\n", "unknown section [usr]"),
        ("[api]\nclient_id = x\n", "[api] client_id"),
        ("[api]\nclient_secret_file = no such file\n", "[api] client_secret_file"),
        ("[user]\njwt = a\njwt_file = b\n", "[user] jwt: given as jwt and jwt_file"),
        ("[api]\nrefresh_token = a\n  [user]\n  jwt = b\n", "[api] refresh_token: has several"),
        ("[user]\njwt_file = 'a'\n", "[user] jwt_file: remove the quotes"),
        ("x", "line 1"),
    ],
)
def test_other_problems_of_an_unfinished_config_are_reported(path, content, problem):
    with pytest.raises(errors.ConfigError) as caught:
        unfinished(path, content)
    assert problem in str(caught.value)


def test_the_first_secret_makes_a_config_from_the_sample(home):
    path = home / "folder" / "strava-backup.conf"
    loaded = unfinished(path)
    loaded.check_writable("user", "jwt")
    loaded.write("user", {"jwt": "new"})
    sample = loader.sample_path().read_text()
    assert path.read_text() == sample.replace("jwt = <strava_remember_token>", "jwt = new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert loader.load(path, os.environ).user == User(jwt=Secret("new"))


def test_new_values_are_written_at_once_and_the_rest_stays(path):
    content = "# a\n[api]\n; b\nclient_id = <id>\nrefresh_token=<x>\n\n# c\n[user]\njwt = old\n"
    loaded = unfinished(path, content)
    loaded.write("api", {"client_id": "1", "client_secret": "s", "refresh_token": "t"})
    assert path.read_text() == (
        "# a\n[api]\n; b\nclient_id = 1\nrefresh_token = t\nclient_secret = s\n\n"
        "# c\n[user]\njwt = old\n"
    )


def test_a_new_secret_goes_into_the_file_that_the_config_names(home, path):
    content = "[user]\njwt_file = token\n"
    unfinished(path, content).write("user", {"jwt": "new"})
    assert path.read_text() == content
    assert (home / "token").read_text() == "new\n"
    assert stat.S_IMODE((home / "token").stat().st_mode) == 0o600


@pytest.mark.parametrize("form", ["jwt = old", "jwt_file = old", "jwt_command = old"])
def test_a_cleared_secret_leaves_its_key_and_no_value(path, form):
    loaded = unfinished(path, f"[user]\n# mine\n{form}\n")
    loaded.write("user", {"session": "new", "jwt": ""})
    key = form.partition(" ")[0]
    assert path.read_text() == f"[user]\n# mine\n{key} = \nsession = new\n"
    assert loader.load(path, os.environ).user == User(session=Secret("new"))


def test_the_folder_of_the_archive_is_stored_as_it_is_read(home, path):
    loaded = unfinished(path, "[global]\n# mine\noutput_dir = <folder>\n")
    folder = home / "Stra va; é"
    loaded.write_output_dir(folder)
    assert path.read_text() == f"[global]\n# mine\noutput_dir = {folder}\n"
    assert loader.output_dir(path, os.environ) == folder


@pytest.mark.parametrize("name", ["a #1", "a\nb", "'a'", "a\udcff"])
def test_a_folder_that_a_config_cannot_name_is_refused(home, path, name):
    content = "[user]\njwt = old\n"
    with pytest.raises(errors.ConfigError, match="a config cannot name this folder"):
        unfinished(path, content).write_output_dir(home / name)
    assert path.read_text() == content


@pytest.mark.parametrize(
    ("line", "stored"),
    [
        ("jwt = abc\n  def", "abcdef"),
        ("jwt_file = token", "in the file"),
        ("jwt_file = missing", ""),
        ("jwt_file = é", ""),
        ("jwt_command = touch ran; echo abc", ""),
        ("jwt = <x>", ""),
        ("jwt = a b\x1bc", ""),
        ("session = abc", ""),
    ],
)
def test_a_stored_secret_is_read_or_else_empty(home, path, line, stored):
    (home / "token").write_text("in the file\n")
    assert unfinished(path, f"[user]\n{line}\n").stored_secret("user", "jwt") == stored
    assert not list(home.rglob("ran"))


def test_a_stored_secret_is_read_from_the_config_as_it_is_now(path):
    loaded = unfinished(path, "[user]\njwt = old\n")
    path.write_text("[user]\njwt = new\n")
    assert loaded.stored_secret("user", "jwt") == "new"
    path.write_text("jwt = new\n")
    assert loaded.stored_secret("user", "jwt") == ""


def test_a_secret_that_is_not_there_need_not_be_cleared(path):
    unfinished(path, "[user]\n").write("user", {"session": "new", "jwt": ""})
    assert path.read_text() == "[user]\nsession = new\n"


def test_a_command_cannot_be_given_a_secret(path):
    loaded = unfinished(path, "[user]\njwt_command = true\n")
    with pytest.raises(errors.ConfigError, match="jwt_command is there, and nothing can be stored"):
        loaded.check_writable("user", "jwt")


def test_a_folder_where_no_config_can_be_made_is_found_before(public_folder):
    public_folder.chmod(0o555)
    loaded = unfinished(public_folder / "strava-backup.conf")
    with without_root(), pytest.raises(errors.ConfigError, match="must be writable"):
        loaded.check_writable("user", "jwt")


def test_a_config_without_space_for_a_new_secret_is_found_before_one_is_asked_for(path):
    loaded = unfinished(path, "#" * ((1 << 17) - 10))
    with pytest.raises(errors.ConfigError, match=r"could not be written into it: .* too large"):
        loaded.check_writable("user", "jwt")


def test_a_config_that_was_spoilt_meanwhile_is_not_written(path):
    loaded = unfinished(path, "[user]\njwt = <x>\n")
    path.write_text(f"{SECRET}\n")
    with pytest.raises(errors.ConfigError, match="cannot write the new jwt") as caught:
        loaded.write("user", {"jwt": "new"})
    assert SECRET not in str(caught.value)
    assert path.read_text() == f"{SECRET}\n"
