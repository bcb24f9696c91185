"""The whole command line, with the made-up Strava behind an HTTPS proxy on loopback."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strava_backup.demo import files, samples
from strava_backup.demo.account import Account
from strava_backup.strava.session import RENEWAL
from tests import account_export, in_process
from tests.conftest import DAY, Command, read_files
from tests.expected import (
    assert_complete,
    expected_originals,
    expected_pictures,
    stem_of,
    stored_originals,
    stored_pictures,
)
from tests.faults import Fault
from tests.forked import Forked
from tests.limits import obeying_permissions
from tests.strava_proxy import Hold

MakeCommand = Callable[..., Command]


def only_line(text: str) -> str:
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]


@pytest.mark.parametrize("announced", [True, False])
def test_all_activities_come_whole_and_a_second_run_asks_only_what_it_must(
    make_command: MakeCommand, announced: bool
) -> None:
    account = Account.of(25)
    account.announce_lengths = announced
    command = make_command(account)

    first = command.run()

    assert first.returncode == 0, first.stderr
    assert first.stdout == ""
    assert_complete(account, command.files())
    before = command.files()

    second = command.run()

    assert second.returncode == 0, second.stderr
    assert sorted(command.asked) == ["athlete", "list", "list", "me", "routes", "token"]
    after = command.files()
    del before[".strava-backup.json"], after[".strava-backup.json"]
    assert before == after
    assert only_line(second.stderr) == "25 on Strava: 25 complete here; nothing new"


def test_new_distance_on_one_bike_fetches_that_bike_and_nothing_else(
    make_command: MakeCommand,
) -> None:
    command = make_command(Account.of(25))
    assert command.run().returncode == 0
    command.account.ride("b9000001", 12_345.0)

    result = command.run()

    assert result.returncode == 0
    asked = [(one.kind, one.id) for one in command.account.requests]
    assert sorted(kind for kind, _ in asked) == [
        *("athlete", "bike", "gear", "list", "list", "me", "routes", "token")
    ]
    assert ("gear", "b9000001") in asked
    assert ("bike", "b9000001") in asked
    gear = json.loads(command.files()["gear/b9000001.meta.json"])
    assert gear["distance"] == command.account.gear["b9000001"].detail("km")["distance"]
    assert gear["components"]
    assert not [path for path in command.files() if path.startswith("history")]


def test_a_dry_run_prints_what_is_missing_and_leaves_the_archive_untouched(
    command: Command,
) -> None:
    command.run("--limit", "2")
    before = {path: path.stat().st_mtime_ns for path in command.root.rglob("*")}

    result = command.run("--dry-run")

    assert result.returncode == 0
    lines = [line for line in result.stdout.splitlines() if line[0].isdigit()]
    assert len(lines) == len(command.account.activities) - 2
    assert "would fetch" in result.stderr
    assert before == {path: path.stat().st_mtime_ns for path in command.root.rglob("*")}


def test_a_rotated_refresh_token_is_in_the_config_with_everything_else_as_it_was(
    command: Command,
) -> None:
    before = command.config.read_text()
    command.run("--limit", "1")
    old, new = command.secrets["refresh_token"], command.account.refresh_token
    assert old != new
    assert command.config.read_text() == before.replace(old, new)
    assert command.config.stat().st_mode & 0o777 == 0o600


def test_a_new_refresh_token_that_was_lost_on_the_way_is_named_by_the_next_run(
    command: Command,
) -> None:
    command.write_config(extra="source = api\n")
    command.account.faults.append(Fault("token", "lost", times=1))
    assert command.run().returncode == 5
    result = command.run()
    assert result.returncode == 4
    assert "does not know [api] refresh_token" in result.stderr


def test_a_renewed_jwt_is_written_back(command: Command) -> None:
    command.account.renews_jwt_within = 40 * DAY
    old = command.account.issue_jwt(expires_in=29 * DAY)
    command.write_config(user=f"jwt = {old}\n")
    before = command.config.read_text()
    command.run("--limit", "1")
    after = command.config.read_text()
    assert old in before
    assert old not in after
    assert [line.split("=")[0] for line in before.splitlines()] == [
        line.split("=")[0] for line in after.splitlines()
    ]


def test_quiet_says_nothing_when_all_is_well(command: Command) -> None:
    process = command.start_new("--quiet")
    assert process.communicate(timeout=120) == ("", "")
    assert process.returncode == 0
    assert_complete(command.account, command.files())


@pytest.mark.parametrize("loudness", [[], ["--quiet"]])
@pytest.mark.parametrize(
    ("seconds", "code", "words"),
    [
        (8 * DAY, 0, ""),
        (7 * DAY, 0, f"warning: the web session ends in 6 days. To renew it, {RENEWAL}"),
        (1 * DAY + 60, 0, f"warning: the web session ends in 1 day. To renew it, {RENEWAL}"),
        (0, 4, f"error: [user] jwt has expired: {RENEWAL}"),
    ],
    ids=["8 days", "7 days", "1 day", "0 days"],
)
def test_the_end_of_the_web_session_is_told_in_time(
    command: Command, seconds: float, code: int, words: str, loudness: list[str]
) -> None:
    command.write_config(user=f"jwt = {command.account.issue_jwt(expires_in=seconds)}\n")

    result = command.run("--limit", "1", *loudness)

    told = [line for line in result.stderr.splitlines() if line.startswith("strava-backup: ")]
    assert result.returncode == code
    words = words.replace("strava-backup --", f"strava-backup --config {command.config} --")
    assert told[:1] == ([f"strava-backup: {words}"] if words else [])
    assert len(told) == (0 if not words else 1 if code == 0 else 2)  # an error counts what it cost
    assert loudness == [] or told == result.stderr.splitlines()
    assert any(path.startswith("activities") for path in command.files())


def test_a_session_cookie_alone_is_enough_for_the_website(command: Command) -> None:
    command.write_config(user=f"session = {command.account.issue_session()}\n")
    assert command.run().returncode == 0
    assert_complete(command.account, command.files())


def test_a_cookie_is_enough_for_everything(make_command: MakeCommand) -> None:
    command = make_command(Account.of(25))
    jwt = command.secrets["jwt"]
    command.config.write_text(f"[global]\noutput_dir = archive\ndelay = 0\n[user]\njwt = {jwt}\n")

    assert command.run("--quiet").stderr == ""

    account, files = command.account, command.files()
    assert stored_originals(files) == expected_originals(account)
    assert stored_pictures(files) == expected_pictures(account)
    assert "gear/b9000001.meta.json" in files
    result = command.run()
    assert result.returncode == 0
    assert set(command.asked) == {
        "me",
        "web-list",
        "web-photos",
        "web-gear",
        "csrf-token",
        "web-routes",
    }
    assert "nothing new" in result.stderr


def test_email_and_password_sign_in_once_and_the_token_is_kept(command: Command) -> None:
    account = command.account
    command.write_config(user=f"email = {account.email}\npassword = {account.password}\n")
    assert command.run().returncode == 0
    assert command.asked.count("login") == 1
    assert_complete(account, command.files())
    assert command.run().returncode == 0
    assert "login" not in command.asked


def inactive_without_website(command: Command) -> None:
    command.account.app_inactive = True
    command.write_config(user="\n")


# What is wrong, how it is brought about, the exit code, and what the message must say.
BAD_INPUT: list[Any] = [
    ("no config", lambda c: c.config.unlink(), 2, "there is no config at"),
    ("broken INI", lambda c: c.config.write_text("[api\nx"), 2, "line 1: a [section]"),
    (
        "unknown key",
        lambda c: c.write_config(extra="ouptut_dir = x\n"),
        2,
        "[global] ouptut_dir: unknown key",
    ),
    (
        "wrong client secret",
        lambda c: setattr(c.account, "client_secret", "another"),
        4,
        "refuses [api] client_id and client_secret",
    ),
    (
        "dead refresh token",
        lambda c: (c.write_config(user="\n"), c.account.revoke()),
        4,
        "does not know [api] refresh_token",
    ),
    (
        "inactive app",
        lambda c: inactive_without_website(c),
        4,
        "application is inactive",
    ),
    (
        "missing scope",
        lambda c: (c.account.scopes.remove("activity:read_all"), c.write_config(user="\n")),
        4,
        "lacks the scope activity:read_all",
    ),
    (
        "expired JWT",
        lambda c: c.write_config(user=f"jwt = {c.account.issue_jwt(expires_in=-1)}\n"),
        4,
        "jwt has expired",
    ),
    (
        "foreign JWT",
        lambda c: c.write_config(user=f"jwt = {Account(athlete_id=4711).issue_jwt()}\n"),
        4,
        "session is over",
    ),
    (
        "garbled JWT",
        lambda c: c.write_config(user="jwt = eyJhbGciOiJIUzI1NiJ9.eyJz\n"),
        4,
        "is not a JWT",
    ),
    ("JWT refused", lambda c: c.account.end_sessions(), 4, "session is over"),
    (
        "wrong password",
        lambda c: c.write_config(user=f"email = {c.account.email}\npassword = wrong\n"),
        4,
        "e-mail or password is wrong",
    ),
]


def with_password(mode: str) -> Callable[[Command], None]:
    def prepare(command: Command) -> None:
        account = command.account
        account.login_mode = mode
        command.write_config(user=f"email = {account.email}\npassword = {account.password}\n")

    return prepare


BAD_INPUT += [
    ("captcha page", with_password("captcha"), 4, "asks for a captcha"),
    ("code asked for", with_password("code"), 4, "asks for a code"),
    ("WAF page", with_password("waf"), 4, "captcha"),
    ("WAF page for a JWT", lambda c: c.account.faults.append(Fault("me", "403")), 5, "firewall"),
    ("API down", lambda c: c.account.faults.append(Fault("athlete", "503")), 5, "answers 503"),
    ("API limit", lambda c: c.account.faults.append(Fault("list", "429")), 5, "429"),
]


@pytest.mark.parametrize(
    ("prepare", "code", "message"),
    [
        # The quick suite has every fifth; the same errors have tests in process.
        pytest.param(*row, id=name, marks=[pytest.mark.thorough] if number % 5 else [])
        for number, (name, *row) in enumerate(BAD_INPUT)
    ],
)
@pytest.mark.every(2)
def test_bad_input_gets_its_own_message_and_exit_code_and_harms_no_file(
    command: Command, prepare: Callable[[Command], None], code: int, message: str
) -> None:
    command.run("--limit", "3")
    command.write_config()
    before = command.files()
    prepare(command)

    result = command.run("--quiet", "--limit", "1")

    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    after = command.files()
    assert after["SHA256SUMS"].startswith(before["SHA256SUMS"])
    for path in (".strava-backup.json", "SHA256SUMS"):
        del before[path]
    assert before.items() <= after.items()


def test_no_config_at_all_gets_one_line_that_says_how_to_make_one(command: Command) -> None:
    result = in_process.run([], command.environment(), command.folder)
    assert result.returncode == 2
    assert only_line(result.stderr) == (
        f"strava-backup: error: there is no config at {command.folder}/.config/strava-backup.conf: "
        "strava-backup --login creates one (to try it: --demo)"
    )


def test_every_problem_of_a_config_is_reported_in_one_go(command: Command) -> None:
    command.config.write_text(
        "[global]\ndelay = soon\nsource = both\n[api]\nclient_id = x\n[usr]\njwt = a\n"
    )
    result = command.run()
    assert result.returncode == 2
    for problem in ("[global] delay", "[global] source", "[api] client_id", "[usr]"):
        assert problem in result.stderr


def test_a_refused_log_in_is_not_tried_again_within_a_day(command: Command) -> None:
    with_password("captcha")(command)
    command.run("--limit", "1")
    assert command.asked.count("login") == 1
    result = command.run("--limit", "1")
    assert result.returncode == 4
    assert "login" not in command.asked
    assert "less than a day ago" in result.stderr


def test_an_api_athlete_other_than_the_web_athlete_ends_the_run_before_anything_is_saved(
    command: Command,
) -> None:
    command.account.faults.append(
        Fault("athlete", "other-body", body=b'{"id": 4711, "resource_state": 2}')
    )
    result = command.run()
    assert result.returncode == 4
    assert "athlete 4711" in result.stderr
    assert str(command.account.athlete_id) in result.stderr
    assert command.files() == {}


def test_another_athletes_archive_is_left_as_it_is(
    make_command: MakeCommand, command: Command
) -> None:
    other = make_command(Account(athlete_id=4711, activities=Account.of(2).activities))
    command.run("--limit", "1")
    before = command.files()
    result = other.run("--output-dir", str(command.root))
    assert result.returncode == 4
    assert f"archive of athlete {command.account.athlete_id}" in result.stderr
    assert command.files() == before


def test_an_archive_of_a_newer_format_is_left_as_it_is(command: Command) -> None:
    command.root.mkdir()
    marker = command.root / ".strava-backup.json"
    marker.write_text('{"format": 2, "athlete_id": 1}')
    result = command.run()
    assert result.returncode == 2
    assert "newer" in result.stderr
    assert command.asked == []
    assert marker.read_text() == '{"format": 2, "athlete_id": 1}'


def test_an_output_folder_that_is_a_file_is_an_error(command: Command) -> None:
    command.root.write_text("mine")
    result = command.run()
    assert result.returncode == 1
    assert str(command.root) in result.stderr
    assert command.root.read_text() == "mine"
    assert command.asked == []


def test_a_missing_parent_of_the_output_folder_is_not_made(command: Command) -> None:
    missing = command.folder / "not-mounted" / "archive"
    result = command.run("--output-dir", str(missing))
    assert result.returncode == 1
    assert "Mount the disk" in result.stderr
    assert not missing.parent.exists()


def test_an_output_folder_that_cannot_be_written_is_an_error(command: Command) -> None:
    command.root.mkdir()
    command.root.chmod(0o555)
    with obeying_permissions():
        result = command.run()
    assert result.returncode == 1, result.stderr
    assert f"cannot write into {command.root}" in result.stderr
    assert command.asked == []


@pytest.mark.parametrize(
    ("what", "code", "message"),
    [
        ("html", 3, "with a page"),
        pytest.param("empty", 3, "empty file", marks=pytest.mark.thorough),
        ("truncated", 3, "the connection"),
        ("truncated-unframed", 3, "differently"),
        ("redirect-login", 4, "session is over"),
        pytest.param("404", 3, "404", marks=pytest.mark.thorough),
        ("500", 3, "500"),
    ],
)
@pytest.mark.parametrize("announced", [True, pytest.param(False, marks=pytest.mark.thorough)])
@pytest.mark.every(2)
def test_a_bad_export_leaves_no_file_and_the_next_run_brings_it(
    make_command: MakeCommand, what: str, code: int, message: str, announced: bool
) -> None:
    account = Account.of(8)
    account.announce_lengths = announced
    command = make_command(account)
    bad = next(one for one in account.activities if one.original)
    times = 1 if what == "truncated-unframed" else None
    account.faults.append(Fault("original", what, id=bad.id, times=times))

    result = command.run("--quiet")

    assert result.returncode == code, result.stderr
    assert message in result.stderr
    saved = [path for path in command.files() if str(bad.id) in path]
    assert saved == [f"{stem_of(bad)}.meta.json"]
    account.faults.clear()
    assert command.run().returncode == 0
    assert_complete(account, command.files())


def test_a_run_killed_in_the_middle_of_an_original_is_made_good_by_the_next(
    command: Command,
) -> None:
    victim = next(one for one in command.account.activities[3:] if one.original)
    # Small ones are on disk only when all of them came.
    victim.original, victim.original_suffix = files.gpx(samples.NEWEST, 20_000), ".gpx"
    hold = command.proxy.hold = Hold("original", victim.id, after_bytes=1_500_000)
    process = command.start()
    assert hold.reached.wait(60)
    leftover = command.root / Path(stem_of(victim)).with_name(f".{Path(stem_of(victim)).name}.part")
    deadline = time.monotonic() + 10
    while not leftover.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert leftover.exists()
    command.proxy.hold = None
    hold.release.set()

    assert command.run().returncode == 0

    assert_complete(command.account, command.files())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.thorough
def test_an_interrupted_run_ends_with_130_and_leaves_only_whole_files(
    command: Command, number: signal.Signals
) -> None:
    victim = next(one for one in command.account.activities[3:] if one.original)
    hold = command.proxy.hold = Hold("original", victim.id, after_bytes=1500)
    process = command.start()
    assert hold.reached.wait(60)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert not [path for path in command.files() if path.endswith(".part")]
    command.proxy.hold = None
    assert command.run().returncode == 0
    assert_complete(command.account, command.files())


def test_of_two_runs_at_once_one_works_and_the_other_exits_5_at_once(command: Command) -> None:
    hold = command.proxy.hold = Hold("list", None, after_bytes=10)
    process = command.start()
    assert hold.reached.wait(60)
    command.proxy.hold = None

    for arguments in ([], ["--dry-run"]):
        second = command.run(*arguments)
        assert second.returncode == 5
        assert "another run is active" in second.stderr
        assert command.asked == []
    hold.release.set()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert_complete(command.account, command.files())


def test_debug_output_of_a_whole_run_has_each_request_once_and_no_secret(command: Command) -> None:
    account = command.account
    session = account.issue_session()
    command.write_config(
        user=(
            f"jwt = {command.secrets['jwt']}\nsession = {session}\n"
            f"email = {account.email}\npassword = {account.password}\n"
        )
    )
    account.faults.append(Fault("original", "500", times=1))
    account.faults.append(Fault("detail", "html", times=1))
    result = command.run("--debug")
    assert result.returncode in (0, 3)
    secrets = {
        **command.secrets,
        "new refresh token": account.refresh_token,
        "session": session,
        "password": account.password,
        "access token": max(account._access_tokens),
    }
    for secret in secrets.values():
        assert secret not in result.stderr + result.stdout
        assert base64.b64encode(secret.encode()).decode() not in result.stderr
    addresses = Counter(re.findall(r"transport: ([A-Z]+ [^\s?:]+)", result.stderr))
    assert addresses == Counter(f"{one.method} {one.host}{one.path}" for one in account.requests)
    assert len(re.findall(r": \d{3}, \d+ bytes in \d+\.\d{3} s$", result.stderr, re.M)) == len(
        account.requests
    )
    assert len(re.findall(r"wait of 1\.\d s before the next try$", result.stderr, re.M)) == 1
    assert re.search(r"strava-backup \S+, Python 3\.", result.stderr)
    assert re.search(r"requests \d.*, urllib3 \d.*, stravalib \d", result.stderr)
    assert f"config: {command.config}\n" in result.stderr


def test_debug_output_of_a_password_log_in_holds_no_secret(command: Command) -> None:
    account = command.account
    command.write_config(user=f"email = {account.email}\npassword = {account.password}\n")
    result = command.run("--debug", "--limit", "1")
    assert result.returncode == 0
    assert account.password not in result.stderr
    assert "eyJ" not in result.stderr


def test_a_proxy_whose_certificate_is_not_trusted_is_named(command: Command) -> None:
    environment = command.environment()
    del environment["REQUESTS_CA_BUNDLE"]
    result = in_process.run(command.arguments()[3:], environment, command.folder)
    assert result.returncode == 5
    assert "certificate" in result.stderr
    assert "try again later" in result.stderr


def test_the_demo_needs_neither_network_nor_config_and_finds_nothing_new_the_second_time(
    tmp_path: Path,
) -> None:
    def demo() -> subprocess.CompletedProcess[str]:
        return in_process.run(["--demo"], {"HOME": str(tmp_path)}, tmp_path)

    first = demo()
    assert first.returncode == 0, first.stderr
    assert_complete(Account.sample(), read_files(tmp_path / "strava-backup-demo"))
    second = demo()
    assert second.returncode == 0
    assert "nothing new" in only_line(second.stderr)


def import_environment(folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }


def import_export(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command without config and without network."""
    return in_process.run(arguments, import_environment(folder), folder)


def test_an_export_is_imported_without_config_and_a_run_fetches_only_the_rest(
    command: Command,
) -> None:
    account_export.write_zip(account_export.export_files(command.account), command.folder / "e.zip")
    place = ("--import", "e.zip", "--output-dir", str(command.root))

    listed = import_export(command.folder, *place, "--dry-run")
    assert listed.returncode == 0, listed.stderr
    assert "2026-07-03 15210998871 Lunch Run: original, metadata, photo, photo\n" in listed.stdout
    assert not command.root.exists()

    imported = import_export(command.folder, *place)
    assert imported.returncode == 0, imported.stderr
    assert imported.stdout == ""
    assert "28 activities in the export: saved 26 originals" in imported.stderr

    assert command.run().returncode == 0
    assert "original" not in command.asked
    again = import_export(command.folder, *place, "--quiet")
    assert (again.returncode, again.stderr) == (0, "")


def test_without_an_output_folder_an_export_goes_where_a_backup_would(tmp_path: Path) -> None:
    account_export.write_zip(account_export.export_files(Account.of(2)), tmp_path / "e.zip")
    result = import_export(tmp_path, "--import", "e.zip")
    assert result.returncode == 0, result.stderr
    assert list((tmp_path / ".local" / "share" / "strava-backup" / "activities").iterdir())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing.zip", "cannot read"),
        ("nonsense.zip", "is not a complete ZIP"),
        (".", "no activities.csv"),
    ],
)
def test_what_is_no_export_gets_a_message_and_exit_code_2(
    name: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "nonsense.zip").write_bytes(b"nonsense")
    result = import_export(tmp_path, "--import", name, "--output-dir", "archive")
    assert result.returncode == 2
    assert words in only_line(result.stderr)
    assert not (tmp_path / "archive").exists()


def test_an_import_that_is_killed_leaves_nothing_half_and_goes_on_later(tmp_path: Path) -> None:
    account = Account.of(60)
    contents = account_export.export_files(account)
    account_export.write_zip(contents, tmp_path / "e.zip")
    arguments = ("--import", "e.zip", "--output-dir", str(tmp_path / "archive"))
    process = Forked(arguments, import_environment(tmp_path), tmp_path)
    activities = tmp_path / "archive" / "activities"
    while process.poll() is None and not list(activities.rglob("*Z_*")):
        time.sleep(0.002)
    process.kill()
    process.wait()
    whole = set(contents.values()) | {
        gzip.decompress(data) for name, data in contents.items() if name.endswith(".gz")
    }
    for path, data in stored_originals(read_files(tmp_path / "archive")).items():
        assert Path(path).name.startswith(".") or data in whole
    result = import_export(tmp_path, *arguments)
    assert result.returncode == 0, result.stderr
    stored = read_files(tmp_path / "archive")
    assert not [path for path in stored if path.endswith(".part")]
    expected = expected_originals(account)
    assert stored_originals(stored).items() <= expected.items()
    assert len(stored_originals(stored)) == sum(
        one.original is not None for one in account.activities
    )
