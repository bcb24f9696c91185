"""Signing in, and the check that an archive belongs to the athlete, in process."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from strava_backup import errors
from strava_backup.backup import run
from strava_backup.config.loader import Secret, User, load
from strava_backup.demo.account import Account
from strava_backup.report import Report
from strava_backup.strava.session import RENEWAL
from tests.browsers import LOCKED, found
from tests.conftest import DAY, NOW, Rig
from tests.expected import assert_complete, expected_activity_metadata, stored_metadata
from tests.faults import Fault


def with_password(rig: Rig) -> None:
    secret = Secret(rig.account.password, read_only=True)
    rig.config.path.write_text("[user]\n")  # stores the token of a log-in
    rig.config = replace(rig.config, user=User(email=rig.account.email, password=secret))


def test_a_dry_run_does_not_try_the_password(rig: Rig) -> None:
    with_password(rig)
    report = rig.run(dry_run=True)
    assert report.exit_code == 0
    assert "login" not in rig.asked
    assert rig.printed


def test_a_refused_log_in_is_recorded_and_retried_after_a_day(rig: Rig) -> None:
    with_password(rig)
    rig.account.login_mode = "code"
    assert rig.run().exit_code == 4
    marker = json.loads(rig.files()[".strava-backup.json"])
    assert marker["login_refused_at"] == rig.clock.now
    rig.run()
    assert "login" not in rig.asked
    rig.clock.now += DAY + 1
    rig.account.login_mode = "works"
    assert rig.run().exit_code == 0
    assert "login" in rig.asked
    assert_complete(rig.account, rig.files())


def test_a_limit_at_the_log_in_is_no_wrong_password(rig: Rig) -> None:
    with_password(rig)
    rig.account.login_mode = "limited"
    report = rig.run()
    assert report.exit_code == 4
    assert "wrong" not in str(report.fatal[0])


@pytest.mark.parametrize("what", ["500", "dropped", "silent", "html"])
@pytest.mark.parametrize("kind", ["token", "athlete"])
def test_an_api_that_cannot_be_reached_ends_the_run_with_5_and_writes_no_activity(
    rig: Rig, kind: str, what: str
) -> None:
    rig.account.faults.append(Fault(kind, what))
    report = rig.run()
    assert report.exit_code == 5
    assert not [path for path in rig.files() if path.startswith("activities")]


@pytest.mark.parametrize("what", ["500", "dropped", "html", "403"])
@pytest.mark.every(2)
def test_an_unreachable_website_does_not_affect_the_api(rig: Rig, what: str) -> None:
    rig.account.faults.append(Fault("me", what))
    report = rig.run()
    assert report.exit_code == 5
    assert stored_metadata(rig.files(), "activities") == expected_activity_metadata(rig.account)


@pytest.mark.parametrize(("source", "missing"), [("api", "api"), ("website", "user")])
def test_a_source_that_is_not_set_up_is_refused_before_any_request(
    rig: Rig, source: str, missing: str
) -> None:
    rig.config = replace(rig.config, source=source, **{missing: None})
    assert rig.run().exit_code == 2
    assert rig.asked == []
    assert not rig.root.exists()


def test_an_inactive_api_and_a_dead_session_leave_nothing_to_list(rig: Rig) -> None:
    rig.account.app_inactive = True
    rig.account.end_sessions()
    report = rig.run()
    assert report.exit_code == 4
    assert "session is over" in str(report.fatal[0])


def test_a_base_url_elsewhere_is_used_for_the_api_and_not_for_tokens(rig: Rig) -> None:
    assert rig.config.api
    moved = replace(rig.config.api, base_url="https://api-v3.strava.com")
    rig.config = replace(rig.config, api=moved)
    assert rig.run().exit_code == 0
    hosts = {request.kind: request.host for request in rig.account.requests}
    assert hosts["token"] == "www.strava.com"
    assert hosts["list"] == hosts["detail"] == "api-v3.strava.com"
    assert_complete(rig.account, rig.files())


def test_the_pace_of_the_config_is_kept_between_website_requests(rig: Rig) -> None:
    rig.config = replace(rig.config, delay=2.0)
    rig.run(limit=5)
    assert rig.clock.slept
    assert all(pause <= 3.0 for pause in rig.clock.slept)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (9, None),
        (7.01, None),
        (7, "ends in 7 days"),
        (6.99, "ends in 6 days"),
        (1, "ends in 1 day."),
        (0.5, "ends in less than a day."),
    ],
)
def test_the_expiry_of_the_web_session_is_logged_in_time(
    rig: Rig, days: float, words: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    jwt_left(rig, days)
    assert rig.run(limit=1).exit_code == 0
    warnings = [record.getMessage() for record in caplog.records if RENEWAL in record.getMessage()]
    assert len(warnings) == (words is not None)
    assert (words or "") in "".join(warnings)


def test_the_days_of_the_warning_are_those_of_the_config(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.config = replace(rig.config, warn_days=2)
    jwt_left(rig, 2.5)
    rig.run(limit=1)
    assert RENEWAL not in caplog.text
    rig.clock.now += DAY
    rig.run(limit=1)
    assert "ends in 1 day." in caplog.text


@pytest.mark.parametrize("kind", ["token", "me"])
def test_the_expiry_of_the_web_session_is_logged_even_without_an_answer(
    rig: Rig, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig.account.faults.append(Fault(kind, "500"))
    jwt_left(rig, 3.5)
    assert rig.run().exit_code == 5
    assert "ends in 3 days" in caplog.text


def test_a_session_that_strava_has_renewed_does_not_end_soon(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.account.renews_jwt_within = 8 * DAY
    jwt_left(rig, 3)
    rig.run(limit=1)
    assert RENEWAL not in caplog.text


def test_an_expired_session_does_not_affect_the_api_and_the_error_says_how_to_renew_it(
    rig: Rig,
) -> None:
    jwt_left(rig, 0)
    report = rig.run()
    assert report.exit_code == 4
    assert [str(error) for error in report.fatal] == [f"[user] jwt has expired: {RENEWAL}"]
    assert not {"me", "login", "login-page", "about"} & set(rig.asked)
    assert stored_metadata(rig.files(), "activities") == expected_activity_metadata(rig.account)


def jwt_left(rig: Rig, days: float) -> None:
    """Give the config a session that expires after so many days."""
    jwt = Secret(rig.account.issue_jwt(expires_in=days * DAY), read_only=True)
    rig.config = replace(rig.config, user=User(jwt=jwt))


def test_a_renewed_cookie_that_cannot_be_written_ends_nothing(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.account.renews_jwt_within = 40 * DAY
    rig.config = replace(rig.config, user=User(jwt=Secret(rig.account.issue_jwt())))
    rig.clock.now += 5
    assert rig.run(limit=1).exit_code == 0
    assert "cannot write the renewed jwt" in caplog.text


def test_a_week_of_runs_that_end_with_5_needs_a_human(rig: Rig) -> None:
    rig.account.faults.append(Fault("athlete", "500"))
    for _ in range(7):
        assert rig.run().exit_code == 5
        rig.clock.now += DAY
    report = rig.run(dry_run=True)
    assert report.exit_code == 4
    report = rig.run()
    assert report.exit_code == 4
    assert report.problem_lines()[-1] == (
        "no run has finished for 7 days, since 2026-11-22: waiting longer may not help. "
        "See what strava-backup --check says"
    )

    rig.account.faults.clear()
    rig.clock.now += 60
    rig.renew_session()
    assert rig.run().exit_code == 0
    rig.clock.now += 60
    rig.account.faults.append(Fault("athlete", "500"))
    assert rig.run().exit_code == 5


def test_a_run_that_finishes_ends_the_week_although_items_failed(rig: Rig) -> None:
    rig.account.faults.append(Fault("athlete", "500", times=3))
    assert rig.run().exit_code == 5
    rig.clock.now += 4 * DAY
    rig.account.faults.append(Fault("detail", "500", id=rig.account.activities[0].id))
    assert rig.run().exit_code == 3
    rig.clock.now += 4 * DAY
    rig.account.faults.append(Fault("athlete", "500"))
    assert rig.run().exit_code == 5


def test_a_dry_run_does_not_note_its_delay(rig: Rig) -> None:
    rig.run()
    before = rig.files()
    rig.account.faults.append(Fault("athlete", "500"))
    assert rig.run(dry_run=True).exit_code == 5
    assert rig.files() == before


@pytest.mark.parametrize("since", ["2027-01-01T00:00:00Z", "yesterday", "", "0001-01-01"])
def test_a_delay_of_an_impossible_time_begins_now(since: str) -> None:
    report = Report(fatal=[errors.TryLater("later")])
    noted = run._judge_delay(since, report, NOW)
    assert (noted, report.exit_code) in (("2026-11-22T10:00:00Z", 5), ("0001-01-01T00:00:00Z", 4))


@pytest.mark.parametrize("error", [errors.SessionOver("over"), errors.Error("disk")])
def test_a_run_that_ends_otherwise_neither_begins_nor_ends_a_delay(error: errors.Error) -> None:
    since = "2026-11-20T10:00:00Z"
    assert run._judge_delay(since, Report(fatal=[error]), NOW) == since
    assert run._judge_delay(None, Report(fatal=[error]), NOW) is None


# The session of a browser


def with_browser(rig: Rig, user: str = "") -> None:
    """Let the config, from its file, name a browser and contain these secrets."""
    rig.config.path.write_text(f"[user]\ncookies_from_browser = firefox\n{user}")
    reload(rig)


def reload(rig: Rig) -> None:
    rig.config = replace(rig.config, user=load(rig.config.path, {}).user)


def test_a_run_a_month_later_needs_no_human_if_the_browser_was_used_meanwhile(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.config = replace(rig.config, api=None)
    with_browser(rig)
    for _ in range(3):
        token = rig.account.issue_jwt()
        rig.browser.sessions = [found(token)]
        assert rig.run(limit=1).exit_code == 0
        reload(rig)
        assert rig.config.user
        assert rig.config.user.jwt == Secret(token)
        rig.clock.now += 31 * DAY
    assert "session" not in caplog.text


def test_a_dry_run_stores_the_session_of_the_browser_and_writes_no_archive(rig: Rig) -> None:
    with_browser(rig)
    rig.browser.sessions = [found(rig.account.issue_jwt())]
    assert rig.run(dry_run=True, limit=1).exit_code == 0
    assert not rig.root.exists()
    reload(rig)
    assert rig.config.user
    assert rig.config.user.jwt


def test_a_locked_browser_is_one_warning_while_the_stored_session_lives_and_then_exit_4(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    with_browser(rig, f"jwt = {rig.account.issue_jwt()}\n")
    rig.browser.error = LOCKED
    rig.clock.now += 24 * DAY
    assert rig.run(limit=1).exit_code == 0
    [warning] = [one.getMessage() for one in caplog.records if one.name.startswith("strava_backup")]
    assert "locked" in warning
    assert "ends in 5 days" in warning or "ends in 6 days" in warning
    rig.clock.now += 7 * DAY
    report = rig.run()
    assert report.exit_code == 4
    [error] = report.fatal
    assert isinstance(error, errors.HumanNeeded)
    assert "locked" in str(error)
    # The API goes on without the website.
    assert stored_metadata(rig.files(), "activities") == expected_activity_metadata(rig.account)


@pytest.mark.parametrize("known_by", ["API", "archive"])
def test_of_two_athletes_in_two_containers_the_right_one_is_used(rig: Rig, known_by: str) -> None:
    if known_by == "archive":
        rig.run(limit=1)
        rig.config = replace(rig.config, api=None)
    with_browser(rig)
    rig.clock.now += 1
    others = Account(athlete_id=4711, clock=rig.clock).issue_jwt(expires_in=40 * DAY)
    own = rig.account.issue_jwt()
    rig.browser.sessions = [found(others, container="Work"), found(own, container="Sport")]
    assert rig.run(limit=1).exit_code == 0
    assert f"jwt = {own}\n" in rig.config.path.read_text()


def test_two_athletes_of_whom_none_is_known_end_the_run(rig: Rig) -> None:
    rig.config = replace(rig.config, api=None)
    with_browser(rig)
    others = Account(athlete_id=4711, clock=rig.clock).issue_jwt()
    rig.browser.sessions = [found(others, container="Work"), found(rig.account.issue_jwt())]
    report = rig.run()
    assert report.exit_code == 4
    assert "firefox:default-release::Work (athlete 4711)" in str(report.fatal[0])
    assert rig.asked == []


def test_the_end_of_the_stored_session_is_not_announced_if_the_browser_has_a_longer_one(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    with_browser(rig, f"jwt = {rig.account.issue_jwt()}\n")
    rig.clock.now += 27 * DAY
    rig.browser.sessions = [found(rig.account.issue_jwt())]
    rig.account.faults.append(Fault("token", "500"))
    assert rig.run(limit=1).exit_code == 5
    assert "ends in" not in caplog.text
