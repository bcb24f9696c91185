"""The real command stores a web session that a person copied from a browser."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strava_backup.config import loader
from strava_backup.demo.account import Account
from tests import pasted
from tests.conftest import DAY, Command
from tests.faults import Fault
from tests.terminal import terminal
from tests.test_setup_browsers_firefox import NEW_TABLE, OLD_TABLE

TEMPLATE = "# mine\n[global]\noutput_dir = archive\n\n; the web session\n[user]\njwt = {}\n# end\n"


@pytest.fixture
def fresh(command: Command) -> Command:
    """No config yet."""
    command.config.unlink()
    return command


@pytest.mark.parametrize("name", pasted.forms("", 0))
def test_every_form_stores_the_same_session(command: Command, name: str) -> None:
    command.config.write_text(TEMPLATE.format("<strava_remember_token>"))
    jwt = command.account.issue_jwt()

    result = command.run("--login", text_in=pasted.forms(jwt, command.account.athlete_id)[name])

    assert result.returncode == 0, result.stderr
    assert command.config.read_text() == TEMPLATE.format(jwt)
    assert command.asked == ["me"]


def test_three_commands_are_enough_for_a_first_backup(fresh: Command) -> None:
    jwt = fresh.account.issue_jwt()
    result = fresh.run("--login", text_in=jwt)
    athlete = fresh.account.athlete_id
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert result.stderr == (
        f"signed in as athlete {athlete} (https://www.strava.com/athletes/{athlete}); the session "
        f"is in {fresh.config}\nit lasts 29 days\n"
    )
    sample = loader.sample_path().read_text()
    assert fresh.config.read_text() == sample.replace("<strava_remember_token>", jwt)
    assert fresh.config.stat().st_mode & 0o777 == 0o600
    assert fresh.run("--limit", "1", "--output-dir", str(fresh.root)).returncode == 0
    assert any(path.startswith("activities") for path in fresh.files())


def test_the_config_is_made_in_its_place(fresh: Command) -> None:
    arguments = fresh.arguments("--login")
    del arguments[3:5]  # --config FILE
    with terminal(arguments, fresh.environment(), fresh.folder) as opened:
        opened.wait_for("press Enter")
        opened.type(f"{fresh.account.issue_jwt()}\r")
        assert opened.wait() == 0, opened.shown
    made = fresh.folder / ".config" / "strava-backup.conf"
    assert made.stat().st_mode & 0o777 == 0o600
    assert made.parent.stat().st_mode & 0o777 == 0o700


def test_a_terminal_does_not_show_what_is_pasted(fresh: Command) -> None:
    jwt = fresh.account.issue_jwt()
    curl = pasted.forms(jwt, fresh.account.athlete_id)["curl -H"].replace("\n", "\r")
    with terminal(fresh.arguments("--login"), fresh.environment(), fresh.folder) as opened:
        opened.wait_for('"Copy as cURL" will do as well): ')
        opened.type(curl)
        assert opened.wait() == 0, opened.shown
    assert opened.shown.partition("as well): ")[2] == (
        f"\nsigned in as athlete {fresh.account.athlete_id} "
        f"(https://www.strava.com/athletes/{fresh.account.athlete_id}); the session is in "
        f"{fresh.config}\nit lasts 29 days\n"
    )
    assert jwt in fresh.config.read_text()


def test_quiet_says_nothing_when_all_is_well(fresh: Command) -> None:
    result = fresh.run("--login", "--quiet", text_in=fresh.account.issue_jwt())
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def forged(command: Command) -> str:
    """Return the JWT of an athlete that this website does not know."""
    return Account(athlete_id=4711).issue_jwt()


def ended(command: Command) -> str:
    jwt = command.account.issue_jwt()
    command.account.end_sessions()
    return jwt


def anothers_archive(command: Command) -> str:
    command.root.mkdir()
    (command.root / ".strava-backup.json").write_text('{"format": 1, "athlete_id": 4711}')
    return command.account.issue_jwt()


def sick(kind: str, what: str) -> Callable[[Command], str]:
    def prepare(command: Command) -> str:
        command.account.faults.append(Fault(kind, what))
        return command.account.issue_jwt()

    return prepare


def of_two_athletes(command: Command) -> str:
    tokens = command.account.issue_jwt(), forged(command)
    return "; ".join(f"strava_remember_token={token}" for token in tokens)


# The input, the exit code, and the message.
REFUSED: list[Any] = [
    ("nothing", lambda c: "", 4, "neither strava_remember_token nor _strava4_session"),
    ("garbage", lambda c: "garbage", 4, "neither strava_remember_token nor _strava4_session"),
    ("cut short", lambda c: f"strava_remember_token={'eyJ' * 9}", 4, "was it copied whole?"),
    ("expired", lambda c: c.account.issue_jwt(expires_in=-DAY), 4, "expired on"),
    ("of 401 days", lambda c: c.account.issue_jwt(expires_in=401 * DAY), 4, "was it copied whole?"),
    ("control characters", lambda c: "_strava4_session=a\x1bb", 4, "was it copied whole?"),
    ("other letters", lambda c: "_strava4_session=aéb", 4, "was it copied whole?"),
    ("refused", forged, 4, "refuses this session"),
    ("ended", ended, 4, "refuses this session"),
    ("session refused", lambda c: "a" * 32, 4, "refuses this session"),
    ("another's archive", anothers_archive, 4, "is the archive of athlete 4711"),
    ("two athletes", of_two_athletes, 4, "sessions of several athletes (4711, "),
    ("firewall", sick("me", "403"), 5, "firewall"),
    ("500", sick("me", "500"), 5, "try again later"),
    ("dropped", sick("me", "dropped"), 5, "try again later"),
]


@pytest.mark.parametrize(
    ("give", "code", "message"), [pytest.param(*row, id=name) for name, *row in REFUSED]
)
@pytest.mark.parametrize("has_config", [True, pytest.param(False, marks=pytest.mark.thorough)])
def test_what_does_not_sign_in_is_turned_down_and_the_config_stays_as_it_was(
    command: Command, give: Callable[[Command], str], code: int, message: str, has_config: bool
) -> None:
    if not has_config:
        command.config.unlink()
    before = command.config.read_bytes() if has_config else None

    arguments = ["--login", "--output-dir", str(command.root)]
    result = command.run(*arguments, text_in=give(command))

    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert "eyJ" not in result.stderr.replace("eyJ... first", "")
    assert (command.config.read_bytes() if command.config.exists() else None) == before


def test_another_athletes_session_than_that_of_the_api_is_turned_down(command: Command) -> None:
    command.account.faults.append(
        Fault("athlete", "other-body", body=b'{"id": 4711, "resource_state": 2}')
    )
    old, before = command.account.refresh_token, command.config.read_text()
    result = command.run("--login", text_in=command.account.issue_jwt())
    assert result.returncode == 4
    assert f"but [api] in {command.config} to athlete 4711" in result.stderr
    assert command.config.read_text() == before.replace(old, command.account.refresh_token)


def test_an_api_that_does_not_answer_hinders_no_login(command: Command) -> None:
    command.account.app_inactive = True
    jwt = command.account.issue_jwt(expires_in=20 * DAY)
    result = command.run("--login", text_in=jwt)
    assert result.returncode == 0, result.stderr
    assert "the athlete of [api] is not known" in result.stderr
    assert f"jwt = {jwt}\n" in command.config.read_text()


def test_an_archive_that_tells_its_owner_saves_the_question_to_the_api(command: Command) -> None:
    assert command.run("--limit", "1").returncode == 0
    command.run("--login", text_in=command.account.issue_jwt())
    assert command.asked == ["me"]


@pytest.mark.thorough
def test_without_a_token_the_session_is_taken_and_replaces_the_jwt(command: Command) -> None:
    session = command.account.issue_session()
    command.config.write_text(TEMPLATE.format("old"))
    command.config.chmod(0o600)
    result = command.run("--login", text_in=f"Cookie: _strava4_session={session}; sp=1")
    assert result.returncode == 0, result.stderr
    assert "warning: there is no unexpired strava_remember_token" in result.stderr
    assert "[user] jwt is cleared" in result.stderr
    assert "it lasts" not in result.stderr
    assert command.config.read_text() == TEMPLATE.format("").replace(
        "jwt = \n", f"jwt = \nsession = {session}\n"
    )
    assert command.run("--limit", "1").returncode == 0


def test_a_config_that_others_can_read_is_told_of(command: Command) -> None:
    command.config.chmod(0o644)
    result = command.run("--login", text_in=command.account.issue_jwt())
    assert result.returncode == 0
    config = command.config
    assert f"warning: others can read {config}: chmod 600 {config}" in result.stderr
    assert config.stat().st_mode & 0o777 == 0o644


def test_beside_an_expired_token_the_session_is_taken(command: Command) -> None:
    session = command.account.issue_session()
    expired = command.account.issue_jwt(expires_in=-1)
    text = pasted.forms(expired, command.account.athlete_id, session)["pairs"]
    assert command.run("--login", text_in=text).returncode == 0
    assert f"session = {session}\n" in command.config.read_text()


def test_a_token_that_strava_renews_at_once_is_the_one_that_is_stored(command: Command) -> None:
    command.account.renews_jwt_within = 40 * DAY
    given = command.account.issue_jwt(expires_in=2 * DAY)
    result = command.run("--login", text_in=given)
    assert result.returncode == 0
    assert given not in command.config.read_text()
    assert "it lasts 29 days" in result.stderr


def test_a_session_goes_into_the_file_that_the_config_names(command: Command) -> None:
    text = TEMPLATE.replace("jwt = {}", "jwt_file = secret")
    command.config.write_text(text)
    jwt = command.account.issue_jwt()
    result = command.run("--login", text_in=jwt)
    assert result.returncode == 0, result.stderr
    secret = command.folder / "secret"
    assert f"the session is in {secret}" in result.stderr
    assert secret.read_text() == f"{jwt}\n"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert command.config.read_text() == text


@pytest.mark.parametrize("name", ["jwt", "session"])
def test_a_command_cannot_be_given_a_session(command: Command, name: str) -> None:
    text = f"[user]\n{name}_command = exit 1\n"
    command.config.write_text(text)
    result = command.run("--login", text_in=command.account.issue_session())
    assert result.returncode == 2
    assert f"[user] {name}_command is there, and nothing can be stored" in result.stderr
    assert command.asked == []
    assert command.config.read_text() == text


def test_a_broken_config_is_told_before_anything_is_asked_for(command: Command) -> None:
    command.config.write_text("[usr]\njwt = a\n")
    result = command.run("--login", text_in=command.account.issue_jwt())
    assert result.returncode == 2
    assert "unknown section [usr]" in result.stderr
    assert command.asked == []


def test_an_interrupt_at_the_prompt_changes_nothing(fresh: Command) -> None:
    with terminal(fresh.arguments("--login"), fresh.environment(), fresh.folder) as opened:
        opened.wait_for("as well): ")
        opened.type("eyJsecret\x03")
        assert opened.wait() == 130
    assert "interrupted; nothing was changed" in opened.shown
    assert "eyJsecret" not in opened.shown
    assert not fresh.config.exists()


# Firefox's own cookies


def firefox_of(home: Path, table: str, unit: int, *tokens: str) -> None:
    folder = home / ".mozilla" / "firefox" / "a1b2.default-release"
    folder.mkdir(parents=True)
    database = sqlite3.connect(folder / "cookies.sqlite")
    database.execute(table)
    for number, token in enumerate(tokens):
        database.execute(
            "INSERT INTO moz_cookies (name, value, host, path, expiry) VALUES "
            "('strava_remember_token', ?, '.strava.com', ?, ?)",
            (token, f"/{number}", (int(time.time()) + 3600) * unit),
        )
    database.commit()
    database.close()


@pytest.mark.parametrize(("table", "unit"), [(OLD_TABLE, 1), (NEW_TABLE, 1000)])
@pytest.mark.parametrize("browser", ["firefox", "firefox:default-release"])
def test_firefox_gives_its_longest_session(
    fresh: Command, browser: str, table: str, unit: int
) -> None:
    account = fresh.account
    best = account.issue_jwt()
    tokens = account.issue_jwt(expires_in=DAY), best, account.issue_jwt(expires_in=-DAY), "garbled"
    firefox_of(fresh.folder, table, unit, *tokens)
    result = fresh.run("--login", "--cookies-from-browser", browser)
    assert result.returncode == 0, result.stderr
    assert f"jwt = {best}\n" in fresh.config.read_text()


@pytest.mark.parametrize(
    ("browser", "code", "lines"),
    [("chrome", 2, 2), ("lynx", 2, 1), ("firefox", 2, 1), ("firefox:work", 2, 1)],
)
def test_another_browser_or_profile_is_refused(
    fresh: Command, browser: str, code: int, lines: int
) -> None:
    result = fresh.run("--login", "--cookies-from-browser", browser)
    assert result.returncode == code
    assert len(result.stderr.splitlines()) == lines
    assert not fresh.config.exists()
    assert fresh.asked == []


def test_the_home_of_the_tests_is_not_that_of_a_person() -> None:
    assert not (Path(os.environ["HOME"]) / ".mozilla").exists()
