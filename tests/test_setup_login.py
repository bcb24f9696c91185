"""A web session that a person copied from a browser is tried, and stored if it signs in."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strava_backup import errors
from strava_backup.config import loader
from strava_backup.config.browser import Browser
from strava_backup.config.loader import Secret, User
from strava_backup.demo.account import Account
from strava_backup.demo.adapter import DemoAdapter
from strava_backup.setup import login
from strava_backup.setup.cookies import Cookies
from strava_backup.setup.dialog import Dialog
from strava_backup.strava.transport import Session
from tests import pasted
from tests.browsers import FakeBrowser, found
from tests.conftest import DAY, Clock, Command
from tests.faults import Fault
from tests.terminal import Keyboard, terminal
from tests.test_setup_browsers_firefox import NEW_TABLE, OLD_TABLE

TEMPLATE = "# mine\n[global]\noutput_dir = archive\n\n; the web session\n[user]\njwt = {}\n# end\n"
END = "\x04"


class Desk:
    """A person with a config, a browser that is signed in to the account, and a log-in."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.account = Account(clock=clock)
        self.clock = clock
        self.config = folder / "strava-backup.conf"
        self.config.write_text(TEMPLATE.format("<strava_remember_token>"))
        self.config.chmod(0o600)
        self.root = folder / "archive"
        self.shown = ""

    def log_in_from(self, browser: FakeBrowser) -> None:
        """Log in with the session of Firefox, which has these sessions."""
        firefox = Browser("firefox")

        def cookies() -> Cookies:
            config = loader.load_unfinished(self.config, {}, ("jwt", "session", "password"))
            return login.choose_cookies(config, firefox, browser, self.clock())

        self._log_in(Dialog(None, self._show), None, cookies, firefox)

    def log_in(self, text: str = "", *, output_dir: Path | None = None) -> None:
        """Log in with a text from a pipe."""
        read_end, write_end = os.pipe()
        os.write(write_end, text.encode())
        os.close(write_end)
        try:
            self._log_in(Dialog(read_end, self._show), output_dir)
        finally:
            os.close(read_end)

    def type_in(self, *answers: str) -> None:
        """Log in at a terminal, with an answer to each question."""
        with Keyboard(answers) as keyboard:
            try:
                self._log_in(Dialog(keyboard.descriptor, keyboard.write), None)
            finally:
                self.shown = keyboard.shown

    def expires_in(self, days: float) -> str:
        return self.account.issue_jwt(expires_in=days * DAY)

    @property
    def asked(self) -> list[str]:
        return [request.kind for request in self.account.requests]

    def _show(self, text: str) -> None:
        self.shown += text

    def _log_in(
        self,
        dialog: Dialog,
        output_dir: Path | None,
        cookies: Callable[[], Cookies] | None = None,
        browser: Browser | None = None,
    ) -> None:
        config = loader.load_unfinished(self.config, {}, ("jwt", "session", "password"))
        if output_dir is not None:
            config = replace(config, output_dir=output_dir, makes_parents=False)
        login.log_in(
            config,
            dialog,
            cookies,
            browser=browser,
            stores_folder=output_dir is not None,
            next_command="strava-backup --config mine",
            connect=lambda: Session(adapter=DemoAdapter(self.account), sleep=self.clock.sleep),
            clock=self.clock,
        )


@pytest.fixture
def desk(tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> Iterator[Desk]:
    caplog.set_level("INFO", "strava_backup")
    desk = Desk(tmp_path, clock)
    yield desk
    assert desk.account.unknown_requests == []


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("name", ["bare", "pairs", "JSON", "curl of cmd"])
def test_every_form_stores_the_same_session(desk: Desk, name: str) -> None:
    jwt = desk.account.issue_jwt()
    desk.log_in(pasted.forms(jwt, desk.account.athlete_id)[name])
    assert desk.config.read_text() == TEMPLATE.format(jwt)
    assert desk.asked == ["me"]


def test_a_login_shows_the_athlete_the_end_and_the_next_command(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.log_in(desk.account.issue_jwt())
    athlete = desk.account.athlete_id
    assert messages(caplog) == [
        f"signed in as athlete {athlete} (https://www.strava.com/athletes/{athlete})",
        f"the session is stored in {desk.config}",
        "it lasts 30 days",
        "Next: strava-backup --config mine",
    ]


# The folder of the archive


def test_without_a_config_one_is_made_and_names_the_folder_that_exists_now(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.config.unlink()
    jwt = desk.account.issue_jwt()
    desk.log_in(jwt)
    folder = loader.default_output_dir({})
    sample = loader.sample_path().read_text()
    assert desk.config.read_text() == sample.replace("<strava_remember_token>", jwt).replace(
        "<folder>", str(folder)
    )
    assert desk.config.stat().st_mode & 0o777 == 0o600
    assert folder.is_dir()
    assert f"the archive is in {folder}" in messages(caplog)


def test_a_second_account_has_a_folder_of_its_own(desk: Desk) -> None:
    own_config = desk.config
    own_config.unlink()
    desk.log_in(desk.account.issue_jwt())
    shared = loader.default_output_dir({})
    (shared / ".strava-backup.json").write_text(
        f'{{"format": 1, "athlete_id": {desk.account.athlete_id}}}'
    )
    desk.account = Account(athlete_id=4711, clock=desk.clock)
    desk.config = own_config.with_name("bob.conf")
    desk.log_in(desk.account.issue_jwt())
    config = loader.load(desk.config, {})
    assert config.output_dir == shared.with_name("strava-backup-bob")
    assert config.output_dir.is_dir()


def test_enter_takes_the_folder_that_is_shown(desk: Desk) -> None:
    desk.config.unlink()
    desk.type_in(desk.account.issue_jwt() + END, "\n")
    folder = loader.default_output_dir({})
    assert desk.shown.endswith(f"Folder of the archive [{folder}]: ")
    assert loader.load(desk.config, {}).output_dir == folder


def test_another_folder_is_asked_for_until_it_can_be_used(desk: Desk, tmp_path: Path) -> None:
    desk.config.write_text("[user]\njwt = old\n")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / ".strava-backup.json").write_text('{"format": 1, "athlete_id": 4711}')
    answers = [f"{theirs}\n", f"{tmp_path}/not/there\n", f"{tmp_path}/mine\n"]
    desk.type_in(desk.account.issue_jwt() + END, *answers)
    assert f"{theirs} is the archive of athlete 4711" in desk.shown
    assert "Mount the disk" in desk.shown
    assert loader.load(desk.config, {}).output_dir == tmp_path / "mine"
    assert (tmp_path / "mine").is_dir()


def test_a_folder_that_cannot_be_used_ends_the_login_after_a_few_tries(
    desk: Desk, tmp_path: Path
) -> None:
    desk.config.write_text("[user]\njwt = old\n")
    with pytest.raises(errors.Error, match="Mount the disk"):
        desk.type_in(desk.account.issue_jwt() + END, *[f"{tmp_path}/not/there\n"] * 3)
    assert desk.config.read_text() == "[user]\njwt = old\n"


def test_a_given_folder_is_stored(desk: Desk, tmp_path: Path) -> None:
    jwt = desk.account.issue_jwt()
    desk.log_in(jwt, output_dir=tmp_path / "given")
    expected = TEMPLATE.format(jwt).replace("= archive", f"= {tmp_path}/given")
    assert desk.config.read_text() == expected
    assert (tmp_path / "given").is_dir()


def test_a_folder_without_its_parent_is_refused_and_the_config_stays_as_it_was(
    desk: Desk, tmp_path: Path
) -> None:
    before = desk.config.read_text()
    with pytest.raises(errors.Error, match="Mount the disk"):
        desk.log_in(desk.account.issue_jwt(), output_dir=tmp_path / "not" / "there")
    assert desk.config.read_text() == before


def test_a_config_in_use_without_a_folder_gets_none_from_a_pipe(desk: Desk) -> None:
    desk.config.write_text("[user]\njwt = old\n")
    jwt = desk.account.issue_jwt()
    desk.log_in(jwt)
    assert desk.config.read_text() == f"[user]\njwt = {jwt}\n"


def test_a_configured_folder_is_neither_asked_for_nor_created(desk: Desk) -> None:
    desk.type_in(desk.account.issue_jwt() + END)
    assert not desk.root.exists()


# Pastes that cannot be used


def test_a_terminal_asks_again_after_a_paste_that_cannot_be_used(desk: Desk) -> None:
    jwt = desk.account.issue_jwt()
    desk.type_in(jwt[:50] + END, forged(desk) + END, f"garbage{END}", jwt + END)
    shown = desk.shown.partition("as well): ")[2].split("Paste another one")
    assert "this token is cut off" in shown[0]
    assert "refuses this session" in shown[1]
    assert "neither strava_remember_token nor _strava4_session" in shown[2]
    assert desk.config.read_text() == TEMPLATE.format(jwt)


def test_a_terminal_asks_four_times_at_most(desk: Desk) -> None:
    with pytest.raises(errors.GarbledJwt, match="cut off"):
        desk.type_in(*[f"eyJ{END}"] * 3, f"eyJh.eyJ{END}")


def test_the_end_of_the_input_ends_the_questions(desk: Desk) -> None:
    with pytest.raises(errors.HumanNeeded, match="no cookie was given"):
        desk.type_in(f"garbage{END}", END)
    assert desk.config.read_text() == TEMPLATE.format("<strava_remember_token>")


def forged(desk: Desk) -> str:
    """Return the JWT of an athlete that this website does not know."""
    return Account(athlete_id=4711, clock=desk.clock).issue_jwt()


def ended(desk: Desk) -> str:
    jwt = desk.account.issue_jwt()
    desk.account.end_sessions()
    return jwt


def anothers_archive(desk: Desk) -> str:
    desk.root.mkdir()
    (desk.root / ".strava-backup.json").write_text('{"format": 1, "athlete_id": 4711}')
    return desk.account.issue_jwt()


def faulty(kind: str, what: str) -> Callable[[Desk], str]:
    def prepare(desk: Desk) -> str:
        desk.account.faults.append(Fault(kind, what))
        return desk.account.issue_jwt()

    return prepare


def of_two_athletes(desk: Desk) -> str:
    tokens = desk.account.issue_jwt(), forged(desk)
    return "; ".join(f"strava_remember_token={token}" for token in tokens)


# The input, the exit code, and the message.
REFUSED: list[Any] = [
    ("nothing", lambda d: " \n", 4, "the input is empty: nothing was changed"),
    ("garbage", lambda d: "garbage", 4, "neither strava_remember_token nor _strava4_session"),
    ("cut off", lambda d: d.account.issue_jwt()[:99], 4, "this token is cut off"),
    ("a part missing", lambda d: f"strava_remember_token={'eyJ' * 9}.x", 4, "is cut off"),
    ("abbreviated", lambda d: "eyJ0eXAiOi…", 4, "this token is cut off"),
    ("no JWT", lambda d: "strava_remember_token=abc", 4, "was it copied whole?"),
    ("expired", lambda d: d.expires_in(-1), 4, "expired on"),
    ("of 401 days", lambda d: d.expires_in(401), 4, "was it copied whole?"),
    ("control characters", lambda d: "_strava4_session=a\x1bb", 4, "was it copied whole?"),
    ("other letters", lambda d: "_strava4_session=aéb", 4, "was it copied whole?"),
    ("refused", forged, 4, "refuses this session"),
    ("ended", ended, 4, "refuses this session"),
    ("session refused", lambda d: "a" * 32, 4, "refuses this session"),
    ("another's archive", anothers_archive, 4, "is the archive of athlete 4711"),
    ("two athletes", of_two_athletes, 4, "sessions of several athletes (4711, "),
    ("firewall", faulty("me", "403"), 5, "firewall"),
    ("500", faulty("me", "500"), 5, "try again later"),
    ("dropped", faulty("me", "dropped"), 5, "try again later"),
]


@pytest.mark.parametrize(
    ("give", "code", "message"), [pytest.param(*row, id=name) for name, *row in REFUSED]
)
@pytest.mark.parametrize("has_config", [True, False])
def test_a_session_that_does_not_sign_in_is_refused_and_the_config_stays_as_it_was(
    desk: Desk, give: Callable[[Desk], str], code: int, message: str, has_config: bool
) -> None:
    before = desk.config.read_bytes() if has_config else None
    text = give(desk)
    if not has_config:
        desk.config.unlink()
    with pytest.raises(errors.Error) as refusal:
        desk.log_in(text, output_dir=desk.root)
    assert refusal.value.exit_code == code
    assert message in str(refusal.value)
    assert "eyJ" not in str(refusal.value).replace("eyJ... first", "")
    assert (desk.config.read_bytes() if desk.config.exists() else None) == before


# A stored session that lasts longer


def test_an_older_token_does_not_replace_a_newer_one(desk: Desk) -> None:
    newer = desk.expires_in(20)
    desk.config.write_text(TEMPLATE.format(newer))
    with pytest.raises(
        errors.HumanNeeded, match=r"until 2026-12-12 .* until 2026-12-02"
    ) as refusal:
        desk.log_in(desk.expires_in(10))
    assert "nothing was changed" in str(refusal.value)
    assert "eyJ" not in str(refusal.value)
    assert desk.config.read_text() == TEMPLATE.format(newer)


@pytest.mark.parametrize(("answer", "is_replaced"), [("y\n", True), ("\n", False), (END, False)])
def test_a_person_may_replace_a_newer_token_by_an_older_one(
    desk: Desk, answer: str, is_replaced: bool
) -> None:
    newer, older = desk.expires_in(20), desk.expires_in(10)
    desk.config.write_text(TEMPLATE.format(newer))
    if is_replaced:
        desk.type_in(older + END, answer)
    else:
        with pytest.raises(errors.HumanNeeded, match="the stored session stays"):
            desk.type_in(older + END, answer)
    assert desk.shown.endswith("Replace it (y/N)? ")
    assert desk.config.read_text() == TEMPLATE.format(older if is_replaced else newer)


def test_a_newer_token_that_strava_refuses_is_replaced(desk: Desk) -> None:
    desk.config.write_text(TEMPLATE.format(desk.expires_in(20)))
    desk.account.end_sessions()
    older = desk.expires_in(10)
    desk.log_in(older)
    assert desk.config.read_text() == TEMPLATE.format(older)


@pytest.mark.parametrize(
    "stored",
    [
        lambda desk: "garbled",
        lambda desk: desk.expires_in(10),
        lambda desk: desk.account.issue_jwt(expires_in=20 * DAY, sub=4711),
    ],
    ids=["garbled", "the same", "of another athlete"],
)
def test_any_other_token_is_replaced(desk: Desk, stored: Callable[[Desk], str]) -> None:
    desk.config.write_text(TEMPLATE.format(stored(desk)))
    given = desk.expires_in(10)
    desk.log_in(given)
    assert desk.config.read_text() == TEMPLATE.format(given)
    assert desk.asked == ["me"]


# The session of a browser


OTHER = 4711


def of_two(desk: Desk) -> FakeBrowser:
    others = Account(athlete_id=OTHER, clock=desk.clock).issue_jwt()
    return FakeBrowser([found(desk.expires_in(20)), found(others, container="Work")])


def test_the_browser_is_stored_with_its_session(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    token = desk.expires_in(20)
    desk.log_in_from(FakeBrowser([found(token)]))
    user = loader.load(desk.config, {}).user
    assert user == User(jwt=Secret(token), cookies_from_browser=Browser("firefox"))
    assert "later runs read the newest session from Firefox by themselves" in messages(caplog)


def test_a_stored_session_that_lasts_longer_than_the_browsers_stays(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    stored = desk.expires_in(29)
    desk.config.write_text(TEMPLATE.format(stored))
    desk.log_in_from(FakeBrowser([found(desk.expires_in(20))]))
    user = loader.load(desk.config, {}).user
    assert user == User(jwt=Secret(stored), cookies_from_browser=Browser("firefox"))
    assert "it lasts 29 days" in messages(caplog)


def test_a_session_that_does_not_sign_in_stores_no_browser(desk: Desk) -> None:
    browser = FakeBrowser([found(desk.expires_in(20))])
    desk.account.end_sessions()
    before = desk.config.read_text()
    with pytest.raises(errors.SessionOver):
        desk.log_in_from(browser)
    assert desk.config.read_text() == before


@pytest.mark.parametrize("known_by", ["archive", "expired token"])
def test_of_two_athletes_in_a_browser_the_known_one_is_chosen(desk: Desk, known_by: str) -> None:
    browser = of_two(desk)
    with pytest.raises(errors.AccountMismatch, match=r"::Work .athlete 4711"):
        desk.log_in_from(browser)
    if known_by == "archive":
        desk.root.mkdir()
        marker = f'{{"format": 1, "athlete_id": {desk.account.athlete_id}}}'
        (desk.root / ".strava-backup.json").write_text(marker)
    else:
        desk.config.write_text(TEMPLATE.format(desk.expires_in(-1)))
    desk.log_in_from(browser)
    assert f"jwt = {browser.sessions[0].cookies.tokens[0]}\n" in desk.config.read_text()


def test_the_only_athlete_in_a_browser_replaces_the_stored_one(desk: Desk) -> None:
    desk.config.write_text(TEMPLATE.format(Account(athlete_id=OTHER).issue_jwt()))
    token = desk.expires_in(20)
    desk.log_in_from(FakeBrowser([found(token)]))
    assert f"jwt = {token}\n" in desk.config.read_text()


# The athlete of the API


def use_api(desk: Desk) -> str:
    account = desk.account
    text = (
        f"[global]\noutput_dir = archive\n[api]\nclient_id = {account.client_id}\n"
        f"client_secret = {account.client_secret}\nrefresh_token = {account.refresh_token}\n"
        "[user]\njwt = old\n"
    )
    desk.config.write_text(text)
    return text


def test_another_athletes_session_than_that_of_the_api_is_refused(desk: Desk) -> None:
    before, old = use_api(desk), desk.account.refresh_token
    body = b'{"id": 4711, "resource_state": 2}'
    desk.account.faults.append(Fault("athlete", "other-body", body=body))
    with pytest.raises(errors.AccountMismatch, match=rf"\[api\] in {desk.config} to athlete 4711"):
        desk.log_in(desk.account.issue_jwt())
    assert desk.config.read_text() == before.replace(old, desk.account.refresh_token)


def test_an_api_that_does_not_answer_hinders_no_login(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    use_api(desk)
    desk.account.app_inactive = True
    jwt = desk.account.issue_jwt()
    desk.log_in(jwt)
    assert any("the athlete of [api] is not known" in one for one in messages(caplog))
    assert f"jwt = {jwt}\n" in desk.config.read_text()


def test_the_api_is_not_asked_if_the_archive_names_its_owner(desk: Desk) -> None:
    use_api(desk)
    desk.root.mkdir()
    (desk.root / ".strava-backup.json").write_text(
        f'{{"format": 1, "athlete_id": {desk.account.athlete_id}}}'
    )
    desk.log_in(desk.account.issue_jwt())
    assert desk.asked == ["me"]


# Sessions without a token, and the places of secrets


def test_without_a_token_the_session_is_stored_and_replaces_the_jwt(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    session = desk.account.issue_session()
    desk.config.write_text(TEMPLATE.format("old"))
    desk.log_in(f"Cookie: _strava4_session={session}; sp=1")
    shown = "\n".join(messages(caplog))
    assert "there is no unexpired strava_remember_token" in shown
    assert "[user] jwt is cleared" in shown
    assert "it lasts" not in shown
    assert desk.config.read_text() == TEMPLATE.format("").replace(
        "jwt = \n", f"jwt = \nsession = {session}\n"
    )


def test_instead_of_an_expired_token_the_session_is_stored(desk: Desk) -> None:
    session = desk.account.issue_session()
    desk.log_in(pasted.forms(desk.expires_in(-1), desk.account.athlete_id, session)["pairs"])
    assert f"session = {session}\n" in desk.config.read_text()


def test_a_config_that_others_can_read_is_warned_of_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.config.chmod(0o644)
    desk.log_in(desk.account.issue_jwt(), output_dir=desk.root)
    warning = f"others can read {desk.config}: chmod 600 {desk.config}"
    assert messages(caplog).count(warning) == 1
    assert desk.config.stat().st_mode & 0o777 == 0o644


def test_a_token_that_strava_renews_at_once_is_stored(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.account.renews_jwt_within = 40 * DAY
    given = desk.expires_in(2)
    desk.log_in(given)
    assert given not in desk.config.read_text()
    assert "it lasts 30 days" in messages(caplog)


def test_a_session_goes_into_the_file_that_the_config_names(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    text = TEMPLATE.replace("jwt = {}", "jwt_file = secret")
    desk.config.write_text(text)
    jwt = desk.account.issue_jwt()
    desk.log_in(jwt)
    secret = desk.config.with_name("secret")
    assert f"the session is stored in {secret}" in messages(caplog)
    assert secret.read_text() == f"{jwt}\n"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert desk.config.read_text() == text
    with pytest.raises(errors.HumanNeeded, match=f"the session in {secret} lasts"):
        desk.log_in(desk.expires_in(3))


@pytest.mark.parametrize("name", ["jwt", "session"])
def test_a_session_cannot_be_stored_in_a_command(desk: Desk, name: str) -> None:
    text = f"[user]\n{name}_command = exit 1\n"
    desk.config.write_text(text)
    with pytest.raises(errors.ConfigError, match=rf"\[user\] {name}_command is there"):
        desk.log_in(desk.account.issue_session())
    assert desk.asked == []
    assert desk.config.read_text() == text


# The real command


@pytest.fixture
def fresh(command: Command) -> Command:
    """No config yet."""
    command.config.unlink()
    return command


def test_three_commands_are_enough_for_a_first_backup(fresh: Command) -> None:
    result = fresh.run(
        "--login", "--output-dir", str(fresh.root), text_in=fresh.account.issue_jwt()
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert result.stderr.endswith(f"\nNext: strava-backup --config {fresh.config}\n")
    # Without the pauses between requests, which take most of the time of a short run.
    without_pauses = fresh.config.read_text().replace("#delay = 2.0", "delay = 0")
    fresh.config.write_text(without_pauses)
    assert fresh.run("--limit", "1").returncode == 0
    assert any(path.startswith("activities") for path in fresh.files())


def test_at_a_terminal_the_config_is_made_in_its_place_and_no_secret_is_shown(
    fresh: Command,
) -> None:
    arguments = fresh.arguments("--login")
    del arguments[3:5]  # --config FILE
    jwt = fresh.account.issue_jwt()
    curl = pasted.forms(jwt, fresh.account.athlete_id)["curl -H"].replace("\n", "\r")
    with terminal(arguments, fresh.environment(), fresh.folder) as opened:
        opened.wait_for('"Copy as cURL" will do as well): ')
        opened.type(curl)
        opened.wait_for("Folder of the archive [")
        opened.type("mine\r")
        assert opened.wait() == 0, opened.shown
    made = fresh.folder / ".config" / "strava-backup.conf"
    default = fresh.folder / ".local" / "share" / "strava-backup"
    athlete = fresh.account.athlete_id
    assert opened.shown.partition("as well): ")[2] == (
        f"\nsigned in as athlete {athlete} (https://www.strava.com/athletes/{athlete})\n"
        f"Folder of the archive [{default}]: mine\n"
        f"the archive is in {fresh.folder / 'mine'}\n"
        f"the session is stored in {made}\nit lasts 29 days\nNext: strava-backup\n"
    )
    assert jwt in made.read_text()
    assert made.stat().st_mode & 0o777 == 0o600
    assert made.parent.stat().st_mode & 0o777 == 0o700


def test_quiet_prints_nothing_if_all_is_well(fresh: Command) -> None:
    result = fresh.run("--login", "--quiet", text_in=fresh.account.issue_jwt())
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_broken_config_is_reported_before_anything_is_asked_for(command: Command) -> None:
    command.config.write_text("[usr]\njwt = a\n")
    result = command.run("--login", text_in=command.account.issue_jwt())
    assert result.returncode == 2
    assert "unknown section [usr]" in result.stderr
    assert command.asked == []


def test_an_interrupt_at_the_prompt_changes_nothing(fresh: Command) -> None:
    with terminal(fresh.arguments("--login"), fresh.environment(), fresh.folder) as opened:
        opened.wait_for("as well): ")
        opened.type("eyJsecret")
        assert opened.interrupt() == 130
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


@pytest.mark.parametrize(
    ("browser", "table", "unit"),
    [("firefox", OLD_TABLE, 1), ("firefox:default-release", NEW_TABLE, 1000)],
)
def test_firefox_gives_its_longest_session(
    fresh: Command, browser: str, table: str, unit: int
) -> None:
    account = fresh.account
    best = account.issue_jwt()
    tokens = account.issue_jwt(expires_in=DAY), best, account.issue_jwt(expires_in=-DAY), "garbled"
    firefox_of(fresh.folder, table, unit, *tokens)
    result = fresh.run("--login", "--cookies-from-browser", browser)
    assert result.returncode == 0, result.stderr
    text = fresh.config.read_text()
    assert f"jwt = {best}\n" in text
    assert f"cookies_from_browser = {browser}\n" in text
    assert "later runs read the newest session from Firefox by themselves" in result.stderr


@pytest.mark.parametrize("browser", ["lynx", "firefox:work"])
def test_another_browser_or_profile_is_refused(fresh: Command, browser: str) -> None:
    result = fresh.run("--login", "--cookies-from-browser", browser)
    assert result.returncode == 2
    assert result.stderr.startswith("strava-backup: error: ")
    assert not fresh.config.exists()
    assert fresh.asked == []


def test_the_home_of_the_tests_is_not_that_of_a_person() -> None:
    assert not (Path(os.environ["HOME"]) / ".mozilla").exists()
