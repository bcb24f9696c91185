"""The screen of --check, compared whole, and its exit code with that of a run."""

from __future__ import annotations

import json
import platform
import re
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from strava_backup import __version__, errors
from strava_backup.config.loader import Config, load
from strava_backup.demo.account import Account
from strava_backup.demo.adapter import DemoAdapter
from strava_backup.setup.check import Finding, Level, check
from strava_backup.strava.api import SETTINGS
from strava_backup.strava.session import RENEWAL
from strava_backup.strava.transport import Session
from tests.browsers import LOCKED, found
from tests.conftest import DAY, Command, Rig, read_files
from tests.faults import Fault
from tests.first_backups import copied_account
from tests.limits import obeying_permissions
from tests.strava_proxy import Hold, StravaProxy

RUN = "2026-11-22T10:00:00Z"
OWNER = Account().athlete_id


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive after a complete run."""
    with StravaProxy(copied_account(None, time.time)) as proxy:
        command = Command(proxy, tmp_path_factory.mktemp("archive"))
        assert command.run("--limit", "2").returncode == 0
    marker = command.root / ".strava-backup.json"
    marker.write_text(json.dumps({"format": 1, "athlete_id": OWNER, "last_complete_run": RUN}))
    return command.root


@pytest.fixture
def well(command: Command, archive: Path) -> Command:
    """A config and an archive."""
    shutil.copytree(archive, command.root)
    return command


def screen(command: Command, *arguments: str) -> tuple[int, list[str]]:
    """Return the exit code and the screen, without the parts that differ by machine."""
    before = read_files(command.root) if command.root.is_dir() else None
    result = command.run("--check", *arguments)
    assert (read_files(command.root) if command.root.is_dir() else None) == before
    assert "Traceback" not in result.stderr
    lines = result.stdout.splitlines()
    failed = sum(" FAIL " in line for line in lines)
    message = f"strava-backup: error: {failed} of {len(lines)} checks failed\n"
    assert result.stderr == (message if failed else "")
    assert not re.search("strava-backup --(login|authorize)", result.stdout)
    lines = [line.replace(f"--config {command.config} ", "") for line in lines]
    return result.returncode, [
        re.sub(r"[\d.]+ .?B free", "SPACE free", line) for line in lines if line != versions()
    ]


def versions() -> str:
    libraries = (f"{one} {metadata.version(one)}" for one in LIBRARIES)
    python = platform.python_version()
    return f"versions OK    strava-backup {__version__}, Python {python}, {', '.join(libraries)}"


LIBRARIES = ("requests", "stravalib", "beautifulsoup4")
API_WELL = f"API      OK    athlete {OWNER}, 9,990 requests left today"
SESSION_WELL = f"session  OK    athlete {OWNER}, lasts 29 days"


def config_well(command: Command) -> str:
    return f"config   OK    {command.config}"


def archive_well(command: Command) -> str:
    return (
        f"archive  OK    {command.root}: athlete {OWNER}, 2 activities, "
        f"last complete run {RUN}, SPACE free"
    )


def use_little(command: Command) -> None:
    """Leave as many requests for today as the expected screens show."""
    command.account.limits._used.clear()
    for _ in range(8):
        command.account.limits.count(command.account.clock())


def test_all_is_well(well: Command) -> None:
    use_little(well)
    assert screen(well) == (0, [config_well(well), API_WELL, SESSION_WELL, archive_well(well)])
    result = well.run("--check")
    assert result.stdout.splitlines()[-1] == versions()


def test_no_config(command: Command) -> None:
    command.config.unlink()
    assert screen(command) == (
        2,
        [
            f"config   FAIL  there is no config at {command.config}: strava-backup --login creates "
            "one (to try it: --demo)"
        ],
    )


def test_a_config_with_several_problems(command: Command) -> None:
    command.config.write_text("[global]\ndelay = soon\n[usr]\n")
    assert screen(command) == (
        2,
        [
            f"config   FAIL  {command.config}: unknown section [usr], did you mean [user]?",
            f"config   FAIL  {command.config}: [global] delay: must be a number of seconds from 0 "
            "to 3600, not 'soon'",
        ],
    )


INACTIVE = (
    "Strava's API says that your application is inactive: since June 2026 its owner needs a Strava "
    f"subscription, and has to activate it again at {SETTINGS}"
)
NO_SCOPE = (
    "[api] refresh_token lacks the scope activity:read_all: run strava-backup --authorize and "
    "leave everything ticked"
)
DEAD = "Strava does not know [api] refresh_token (any more): run strava-backup --authorize"


def inactive(account: Account) -> None:
    account.app_inactive = True


def without_scope(account: Account) -> None:
    account.scopes.remove("activity:read_all")


@pytest.mark.parametrize(
    ("prepare", "text"),
    [(inactive, INACTIVE), (without_scope, NO_SCOPE), (Account.revoke, DEAD)],
    ids=["API inactive", "scope missing", "token dead"],
)
def test_an_api_that_the_website_stands_in_for(
    well: Command, prepare: Callable[[Account], None], text: str
) -> None:
    prepare(well.account)
    assert screen(well) == (
        0,
        [
            config_well(well),
            f"API      WARN  {text}. Until then the list comes from the website",
            SESSION_WELL,
            archive_well(well),
        ],
    )


@pytest.mark.parametrize(
    ("prepare", "text"),
    [(inactive, INACTIVE), (without_scope, NO_SCOPE), (Account.revoke, DEAD)],
    ids=["API inactive", "scope missing", "token dead"],
)
def test_an_api_that_nothing_stands_in_for(
    well: Command, prepare: Callable[[Account], None], text: str
) -> None:
    prepare(well.account)
    assert screen(well, "--source", "api") == (
        4,
        [config_well(well), f"API      FAIL  {text}", SESSION_WELL, archive_well(well)],
    )
    assert well.run("--source", "api").returncode == 4


def test_a_scope_that_costs_little(well: Command) -> None:
    well.account.scopes.remove("profile:read_all")
    use_little(well)
    code, lines = screen(well)
    assert code == 0
    assert lines[1] == API_WELL.replace(" OK  ", " WARN") + (
        "; the scope profile:read_all is missing, and with it the bikes and shoes that no activity "
        "names: strava-backup --authorize, everything ticked"
    )


def test_a_session_with_three_days_left(well: Command) -> None:
    well.write_config(user=f"jwt = {well.account.issue_jwt(expires_in=3 * DAY + 300)}\n")
    use_little(well)
    assert screen(well) == (
        0,
        [
            config_well(well),
            API_WELL,
            f"session  WARN  athlete {OWNER}; the web session ends in 3 days. To renew it, "
            f"{RENEWAL}",
            archive_well(well),
        ],
    )


def test_an_expired_session(well: Command) -> None:
    well.write_config(user=f"jwt = {well.account.issue_jwt(expires_in=-1)}\n")
    use_little(well)
    assert screen(well) == (
        4,
        [
            config_well(well),
            API_WELL,
            f"session  FAIL  [user] jwt has expired: {RENEWAL}",
            archive_well(well),
        ],
    )
    assert well.run("--limit", "1").returncode == 4


def test_an_archive_of_another_athlete(well: Command) -> None:
    (well.root / ".strava-backup.json").write_text('{"format": 1, "athlete_id": 4711}')
    use_little(well)
    assert screen(well) == (
        4,
        [
            config_well(well),
            API_WELL,
            SESSION_WELL,
            f"archive  FAIL  {well.root} is the archive of athlete 4711, but the config belongs to "
            f"athlete {OWNER}: set another output_dir for that athlete",
        ],
    )
    assert well.run().returncode == 4


def test_a_disk_that_is_missing(well: Command) -> None:
    use_little(well)
    missing = well.folder / "mnt" / "backup"
    assert screen(well, "--output-dir", str(missing)) == (
        1,
        [
            config_well(well),
            API_WELL,
            SESSION_WELL,
            f"archive  FAIL  cannot create {missing}: {missing.parent} does not exist. Mount the "
            "disk, or create the folder",
        ],
    )
    assert well.run("--output-dir", str(missing)).returncode == 1


def test_a_config_that_others_can_read(well: Command) -> None:
    well.config.chmod(0o644)
    use_little(well)
    assert screen(well) == (
        0,
        [
            f"config   WARN  others can read {well.config}: chmod 600 {well.config}",
            API_WELL,
            SESSION_WELL,
            archive_well(well),
        ],
    )


def test_a_secret_that_others_can_read(well: Command) -> None:
    secret = well.folder / "secret"
    secret.write_text(well.secrets["jwt"])
    secret.chmod(0o604)
    well.write_config(user=f"jwt_file = {secret}\n")
    assert screen(well)[1][0] == f"config   WARN  others can read {secret}: chmod 600 {secret}"


def test_files_that_others_can_change(well: Command) -> None:
    secret = well.folder / "my secret"
    secret.write_text(well.secrets["jwt"])
    secret.chmod(0o640)
    well.write_config(user=f"jwt_file = {secret}\n")
    well.config.chmod(0o602)
    assert screen(well)[1][0] == (
        f"config   WARN  others can read '{secret}', others can change {well.config}: "
        f"chmod 600 '{secret}' {well.config}"
    )


def test_a_web_session_is_enough_before_the_first_run(command: Command) -> None:
    jwt = command.secrets["jwt"]
    command.config.write_text(f"[user]\njwt = {jwt}\n")
    command.config.chmod(0o600)
    archive = command.folder / ".local" / "share" / "strava-backup"
    assert screen(command) == (
        0,
        [
            config_well(command),
            "API      OK    not set up: the list comes from the website",
            SESSION_WELL,
            f"archive  OK    {archive} is made by the first run, SPACE free",
        ],
    )
    assert not (command.folder / ".local").exists()


def test_an_api_without_a_web_session(well: Command) -> None:
    well.write_config(user="\n")
    code, lines = screen(well)
    assert code == 0
    assert lines[2] == (
        "session  WARN  not set up, so originals are missing: strava-backup --login"
    )


def test_a_session_cookie(well: Command) -> None:
    well.write_config(user=f"session = {well.account.issue_session()}\n")
    assert screen(well)[1][2] == f"session  OK    athlete {OWNER}; its end is not known"


def test_a_password_is_not_tried(well: Command) -> None:
    well.write_config(user=f"email = {well.account.email}\npassword = {well.account.password}\n")
    code, lines = screen(well)
    assert code == 0
    assert lines[2].startswith("session  WARN  e-mail and password are not tried here")
    assert "login" not in well.asked


def test_a_source_that_is_not_asked(well: Command) -> None:
    assert screen(well, "--source", "website")[1][1] == (
        "API      OK    not checked, since the source is the website"
    )
    assert "token" not in well.asked


def test_a_source_that_is_not_set_up(well: Command) -> None:
    well.write_config(user="\n")
    code, lines = screen(well, "--source", "website")
    assert code == 2
    assert lines[0] == (
        f"config   FAIL  {well.config}: the source website needs the section [user]: run "
        "strava-backup --login, or use the source auto"
    )


def test_an_api_of_another_athlete_than_the_session(well: Command) -> None:
    well.account.faults.append(
        Fault("athlete", "other-body", body=b'{"id": 4711, "resource_state": 2}')
    )
    code, lines = screen(well)
    assert code == 4
    assert lines[2] == (
        f"session  FAIL  athlete {OWNER}, but [api] is athlete 4711's: both must be the same"
    )
    assert well.run().returncode == 4


@pytest.mark.parametrize(
    ("kind", "what", "line", "words"),
    [
        ("token", "500", 1, "Strava's API answers 500"),
        pytest.param("athlete", "dropped", 1, "try again later", marks=pytest.mark.thorough),
        ("list", "429", 1, "limit is reached"),
        ("me", "403", 2, "firewall"),
        ("me", "500", 2, "www.strava.com answers 500: try again later"),
    ],
)
def test_trouble_that_passes(well: Command, kind: str, what: str, line: int, words: str) -> None:
    well.account.faults.append(Fault(kind, what))
    code, lines = screen(well)
    assert code == 5
    assert " FAIL " in lines[line]
    assert words in lines[line]
    assert sum(" FAIL " in one for one in lines) == 1


def test_an_archive_of_a_newer_format(well: Command) -> None:
    (well.root / ".strava-backup.json").write_text('{"format": 2}')
    code, lines = screen(well)
    assert code == 2
    assert lines[3].startswith(f"archive  FAIL  {well.root} was written by a newer strava-backup")


def test_an_archive_that_cannot_be_written(well: Command) -> None:
    well.root.chmod(0o555)
    with obeying_permissions():
        result = well.run("--check")
    assert result.returncode == 1
    assert f"archive  FAIL  cannot write into {well.root}" in result.stdout


def test_an_archive_that_is_a_file(command: Command) -> None:
    command.root.write_text("mine")
    code, lines = screen(command)
    assert code == 1
    assert lines[3].startswith("archive  FAIL  ")
    assert str(command.root) in lines[3]


def test_a_run_that_is_at_work_is_not_disturbed(well: Command) -> None:
    hold = well.proxy.hold = Hold("original", None, after_bytes=10)
    process = well.start("--full")
    try:
        assert hold.reached.wait(60)
        result = well.run("--check")
        assert result.returncode == 5
        assert f"archive  FAIL  another run is active in {well.root}" in result.stdout
        assert not {"token", "me"} & set(well.asked)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        hold.release.set()


def test_renewed_secrets_are_stored(well: Command) -> None:
    well.account.end_access_tokens()
    old = well.account.refresh_token
    well.account.renews_jwt_within = 40 * DAY
    well.write_config(user=f"jwt = {well.account.issue_jwt(expires_in=3 * DAY)}\n")
    before = well.config.read_text()
    code, lines = screen(well)
    assert code == 0
    assert lines[2] == SESSION_WELL
    text = well.config.read_text()
    assert text != before
    assert old not in text
    assert well.account.refresh_token in text


def test_quiet_keeps_the_screen(well: Command) -> None:
    assert len(well.run("--check", "--quiet").stdout.splitlines()) == 5


def test_the_screen_holds_no_secret(well: Command) -> None:
    result = well.run("--check", "--debug")
    for secret in (*well.secrets.values(), well.account.refresh_token):
        assert secret not in result.stdout + result.stderr


# The session of a browser


def found_session(rig: Rig, user: str = "") -> Finding:
    """Check a config that names a browser, and return the line about the session."""
    rig.config.path.write_text(f"[user]\ncookies_from_browser = firefox\n{user}")
    rig.config.path.chmod(0o600)
    config = replace(rig.config, user=load(rig.config.path, {}).user)
    lines = check(
        *(lambda: config, lambda: Session(adapter=DemoAdapter(rig.account)), rig.clock, rig.browser)
    )
    assert not rig.root.exists()
    return next(one for one in lines if one.subject == "session")


def test_the_place_and_the_end_of_a_browsers_session_are_shown_and_it_is_stored(rig: Rig) -> None:
    token = rig.account.issue_jwt(expires_in=28 * DAY)
    rig.browser.sessions = [found(token, container="Work")]
    assert str(found_session(rig)) == (
        f"session  OK    athlete {OWNER}, from firefox, profile default-release, container Work, "
        "until 2026-12-20"
    )
    assert f"jwt = {token}\n" in rig.config.path.read_text()


def test_a_session_cookie_of_a_browser_has_no_known_end(rig: Rig) -> None:
    rig.browser.sessions = [found(sessions=(rig.account.issue_session(),))]
    assert str(found_session(rig)).endswith(
        "from firefox, profile default-release; its end is not known"
    )


@pytest.mark.parametrize(
    ("lasts", "level", "exit_code"), [(29 * DAY, Level.WARN, 0), (0, Level.FAIL, 4)]
)
def test_a_browser_that_cannot_be_read_is_shown_with_the_exit_code_of_a_run(
    rig: Rig, lasts: float, level: Level, exit_code: int
) -> None:
    rig.browser.error = LOCKED
    line = found_session(rig, f"jwt = {rig.account.issue_jwt(expires_in=lasts)}\n")
    assert (line.level, line.exit_code) == (level, exit_code)
    assert "the database is locked" in line.text


def test_without_network_the_known_end_of_the_session_is_shown(rig: Rig) -> None:
    rig.account.faults.append(Fault("me", "dropped"))
    line = found_session(rig, f"jwt = {rig.account.issue_jwt(expires_in=2 * DAY + 300)}\n")
    assert (line.level, line.exit_code) == (Level.FAIL, 5)
    assert ": try again later. " in line.text
    assert "the web session ends in 2 days" in line.text


def test_of_two_athletes_in_a_browser_the_one_of_the_api_is_checked(rig: Rig) -> None:
    others = Account(athlete_id=4711, clock=rig.clock).issue_jwt()
    rig.browser.sessions = [found(others, profile="b"), found(rig.account.issue_jwt())]
    assert found_session(rig).text.startswith(f"athlete {OWNER}, from firefox, profile default-")


@pytest.mark.parametrize(("free", "level"), [(10**9, Level.OK), (5 * 10**8, Level.WARN)])
def test_a_disk_that_is_nearly_full(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, free: int, level: Level
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, free))
    rig.config.path.touch(0o600)
    found = check(lambda: rig.config, lambda: Session(adapter=DemoAdapter(rig.account)), rig.clock)
    (archive,) = [one for one in found if one.subject == "archive"]
    assert archive.level is level
    assert ("only 500 MB free: make room" in archive.text) is (level is Level.WARN)
    assert {one.exit_code for one in found} == {0}


def test_a_line_says_what_and_how() -> None:
    assert str(Finding("API", Level.FAIL, "text", 4)) == "API      FAIL  text"


def test_a_config_error_in_loading_is_the_only_finding_besides_versions() -> None:
    def load() -> Config:
        raise errors.ConfigError("one", "two")

    found = check(load)
    assert [(one.subject, one.exit_code) for one in found] == [
        ("config", 2),
        ("config", 2),
        ("versions", 0),
    ]
