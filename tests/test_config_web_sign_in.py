"""Signing in with the sessions of the config and of a browser, against the made-up website."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from strava_backup import errors
from strava_backup.config import loader
from strava_backup.config.web_sign_in import WebSignIn
from strava_backup.demo.account import Account
from strava_backup.demo.adapter import DemoAdapter
from strava_backup.strava import transport
from tests.browsers import LOCKED, LOGGED_OUT, FakeBrowser, found
from tests.conftest import DAY, Clock, version_of
from tests.faults import Fault
from tests.strava_wire import cookies

OTHER = 4711


class Site:
    """An account, a config file that names a browser, and that browser."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.account = Account.of(1, clock)
        self.clock = clock
        self.path = folder / "strava-backup.conf"
        self.browser = FakeBrowser()
        self.write()

    def write(self, user: str = "", browser: str = "firefox") -> None:
        self.path.write_text(f"[user]\ncookies_from_browser = {browser}\n{user}")

    def token(self, days: float, age: float = 0) -> str:
        """Return a JWT of `age` days that ends in so many days."""
        now = self.clock.now
        self.clock.now = now - age * DAY
        token = self.account.issue_jwt(expires_in=(days + age) * DAY)
        self.clock.now = now
        return token

    def revoked_token(self, days: float) -> str:
        """Return a JWT of the athlete that the website does not know (any more)."""
        other = Account(athlete_id=self.account.athlete_id, clock=self.clock)
        other.end_sessions()
        return other.issue_jwt(expires_in=days * DAY)

    def sign_in(self, athlete_id: int | None = None, **options: Any) -> WebSignIn:
        """Sign in once, and return the sign-in; requests of earlier ones are cleared."""
        self.account.requests.clear()
        self.browser.reads = 0
        config = loader.load(self.path, {})
        assert config.user
        http = transport.Session(adapter=DemoAdapter(self.account), sleep=self.clock.sleep)
        self.attempt = WebSignIn(
            *(config, config.user, http, self.browser),
            **{"clock": self.clock, "sleep": self.clock.sleep, **options},
        )
        _, signed_in = self.attempt.sign_in(athlete_id)
        assert signed_in == self.account.athlete_id
        return self.attempt

    def warning(self, warn_days: int = 7) -> str | None:
        return self.attempt.warning(self.clock.now, warn_days)

    def stored(self, name: str = "jwt") -> str | None:
        """Return the secret that the config has now."""
        secret = getattr(loader.load(self.path, {}).user, name)
        return secret and secret.value

    def sent(self) -> list[dict[str, str]]:
        """Return the cookies of all requests."""
        return [cookies(request.headers) for request in self.account.requests]


@pytest.fixture
def site(tmp_path: Path, clock: Clock) -> Site:
    return Site(tmp_path, clock)


def test_the_browser_alone_is_enough_and_its_session_is_stored(site: Site) -> None:
    token = site.token(29)
    site.browser.sessions = [found(token)]
    assert site.sign_in().origin == found(token)
    assert site.stored() == token
    assert site.warning() is None


@pytest.mark.parametrize(
    ("age", "left", "reads"), [(14.9, 15.1, 0), (15.1, 14.9, 1), (1, 2, 0), (2, 1, 1)]
)
def test_the_browser_is_read_once_half_of_the_life_is_over(
    site: Site, age: float, left: float, reads: int
) -> None:
    site.write(f"jwt = {site.token(left, age)}\n")
    site.browser.sessions = [found(site.token(left, age))]
    site.sign_in()
    assert site.browser.reads == reads


def test_a_month_later_the_session_that_the_browser_renewed_is_used(site: Site) -> None:
    site.browser.sessions = [found(site.token(30))]
    site.sign_in()
    for _ in range(3):
        site.clock.now += 29 * DAY
        renewed = site.token(30)
        site.browser.sessions = [found(renewed)]
        site.sign_in()
        assert site.stored() == renewed
        assert site.warning() is None
    site.clock.now += 31 * DAY
    renewed = site.token(30)
    site.browser.sessions = [found(renewed)]
    site.sign_in()
    assert site.stored() == renewed


def test_a_browser_whose_session_is_older_than_the_stored_one_changes_nothing(site: Site) -> None:
    stored = site.token(10, age=20)
    site.write(f"jwt = {stored}\n")
    before = site.path.read_text()
    site.browser.sessions = [found(site.token(9, age=21))]
    assert site.sign_in().origin is None
    assert site.path.read_text() == before
    assert len(site.sent()) == 1


def test_a_session_that_both_have_shows_its_place_and_is_not_written_again(site: Site) -> None:
    stored = site.token(10, age=20)
    site.write(f"jwt = {stored}\n")
    before = version_of(site.path)
    site.browser.sessions = [found(stored)]
    assert site.sign_in().origin == found(stored)
    assert version_of(site.path) == before


def test_a_newer_session_that_the_website_refuses_is_one_warning_and_not_stored(site: Site) -> None:
    stored = site.token(10, age=20)
    site.write(f"jwt = {stored}\n")
    site.browser.sessions = [found(site.revoked_token(29), sessions=("stale",))]
    assert site.sign_in().origin is None
    assert site.stored() == stored
    assert site.warning() == (
        "www.strava.com refuses the session of firefox, profile default-release. Until then the "
        "stored session is used, which ends in 10 days"
    )


def test_a_stored_session_that_the_website_refuses_is_replaced(site: Site) -> None:
    token = site.token(5)
    site.write(f"jwt = {site.revoked_token(29)}\n")
    site.browser.sessions = [found(token)]
    site.sign_in()
    assert site.stored() == token


@pytest.mark.parametrize("stored", ["expired", "eyJcut", "of two years"])
def test_a_stored_session_that_cannot_be_used_is_replaced(site: Site, stored: str) -> None:
    unusable = {"expired": site.token(-1, age=30), "of two years": site.token(730)}
    token = site.token(29)
    site.write(f"jwt = {unusable.get(stored, stored)}\n")
    site.browser.sessions = [found(token)]
    site.sign_in()
    assert site.stored() == token


def test_no_cookie_of_a_refused_session_is_sent_with_the_next_one(site: Site) -> None:
    session = site.account.issue_session()
    site.browser.sessions = [
        found(site.revoked_token(29)),
        found(site.revoked_token(20), profile="b"),
        found(sessions=("stale",), profile="c"),
    ]
    site.write(f"session = {session}\n")
    site.sign_in(site.account.athlete_id)
    sent = site.sent()
    assert [set(one) for one in sent] == [
        {"strava_remember_id", "strava_remember_token"},
        {"strava_remember_id", "strava_remember_token"},
        {"_strava4_session"},
        {"_strava4_session"},
    ]
    assert [one["_strava4_session"] for one in sent[2:]] == ["stale", session]


def test_a_session_cookie_of_the_browser_is_used_although_the_config_is_read_only(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site.browser.sessions = [found(sessions=(site.account.issue_session(),))]
    monkeypatch.setattr(loader.Config, "check_storable", None)
    site.sign_in()
    assert caplog.text == ""


def test_the_session_cookie_of_a_browser_comes_after_a_jwt_and_before_a_stored_one(
    site: Site,
) -> None:
    session, other = site.account.issue_session(), site.account.issue_session()
    site.browser.sessions = [found(sessions=(session,))]
    site.write(f"session = {other}\n")
    assert site.sign_in().origin == site.browser.sessions[0]
    assert [one["_strava4_session"] for one in site.sent()] == [session]
    assert site.stored("session") == other
    site.write(f"jwt = {site.token(5, age=20)}\nsession = {other}\n")
    site.sign_in()
    assert [set(one) for one in site.sent()] == [{"strava_remember_id", "strava_remember_token"}]


def of_two_athletes(site: Site) -> None:
    others = Account(athlete_id=OTHER, clock=site.clock).issue_jwt()
    site.clock.now -= DAY
    site.browser.sessions = [
        found(site.token(30)),
        found(others, sessions=("others",), container="Work"),
    ]
    site.clock.now += DAY


def test_of_two_athletes_the_one_of_the_archive_is_used(site: Site) -> None:
    of_two_athletes(site)
    assert site.sign_in(site.account.athlete_id).origin == site.browser.sessions[0]
    assert len(site.sent()) == 1


def test_of_two_athletes_the_one_of_the_stored_session_is_used_even_if_it_has_expired(
    site: Site,
) -> None:
    of_two_athletes(site)
    site.write(f"jwt = {site.token(-1, age=30)}\n")
    assert site.sign_in().origin == site.browser.sessions[0]


def test_two_athletes_of_whom_none_is_known_are_named(site: Site) -> None:
    of_two_athletes(site)
    with pytest.raises(errors.AccountMismatch, match=f"::Work .athlete {OTHER}."):
        site.sign_in()
    assert site.sent() == []


@pytest.mark.parametrize("has_token", [True, False])
def test_a_session_cookie_of_another_athlete_is_not_used(site: Site, has_token: bool) -> None:
    site.browser.sessions = [found(sessions=(site.account.issue_session(),))]
    before = site.path.read_text()
    if has_token:
        token = Account(athlete_id=OTHER, clock=site.clock).issue_jwt()
        site.browser.sessions.append(found(token, profile="b"))
    with pytest.raises(errors.SessionOver, match="belongs to another athlete"):
        site.sign_in(None if has_token else OTHER)
    assert site.path.read_text() == before


PROBLEMS: list[Any] = [
    pytest.param(LOCKED, "the database is locked", id="locked"),
    pytest.param(LOGGED_OUT, "Firefox has no Strava session", id="logged out"),
]


@pytest.mark.parametrize(("problem", "words"), PROBLEMS)
def test_a_browser_without_a_session_is_one_warning_while_the_stored_one_lives(
    site: Site, problem: errors.Error, words: str
) -> None:
    site.write(f"jwt = {site.token(3, age=27)}\n")
    site.browser.error = problem
    site.sign_in()
    warning = site.warning() or ""
    assert words in warning
    assert warning.endswith("Until then the stored session is used, which ends in 3 days")


@pytest.mark.parametrize(("problem", "words"), PROBLEMS)
@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("", ""),
        ("jwt = {expired}\n", "[user] jwt has expired; "),
        ("jwt = eyJcut\n", "[user] jwt is not a whole JWT of Strava; "),
        ("jwt = {revoked}\n", "www.strava.com refuses [user] jwt; "),
        ("session = stale\n", "www.strava.com refuses [user] session; "),
    ],
)
def test_without_any_session_the_error_says_why_and_what_to_do(
    site: Site, user: str, reason: str, problem: errors.Error, words: str
) -> None:
    tokens = {"expired": site.token(-1, age=30), "revoked": site.revoked_token(29)}
    site.write(user.format(**tokens))
    site.browser.error = problem
    with pytest.raises(errors.SessionOver) as caught:
        site.sign_in()
    text = str(caught.value)
    assert text.startswith(reason)
    assert words in text
    assert text.endswith("; or give one to strava-backup --login")
    assert text.count("Firefox") == 2
    assert "eyJ" not in text


def test_a_stored_session_cookie_works_while_the_browser_cannot_be_read(site: Site) -> None:
    site.write(f"session = {site.account.issue_session()}\n")
    site.browser.error = LOCKED
    site.sign_in()
    assert "the stored session is used" in (site.warning() or "")


def test_the_password_is_the_last_resort_and_its_refusal_is_recognised(site: Site) -> None:
    site.write(f"email = {site.account.email}\npassword = {site.account.password}\n")
    site.browser.error = LOGGED_OUT
    with pytest.raises(errors.SessionOver):
        site.sign_in(may_log_in=False)
    site.sign_in()
    assert site.stored()
    site.write(f"email = {site.account.email}\npassword = wrong\n")
    with pytest.raises(errors.LoginRefused):
        site.sign_in()
    assert site.warning() == "Firefox has no Strava session"


@pytest.mark.parametrize("newest", [3, 8])
def test_the_end_of_the_session_is_announced_only_if_the_browser_has_no_longer_one(
    site: Site, newest: float
) -> None:
    site.write(f"jwt = {site.token(3, age=27)}\n")
    site.browser.sessions = [found(site.token(newest, age=30 - newest))]
    site.sign_in()
    assert site.warning() == (
        None
        if newest > 7
        else "the web session ends in 3 days. To renew it, open www.strava.com in Firefox, and "
        "sign in if it asks: the next run reads the session from there"
    )


def test_an_unreachable_website_stores_nothing_and_announces_by_the_newest_session(
    site: Site,
) -> None:
    site.write(f"jwt = {site.token(3, age=27)}\n")
    before = site.path.read_text()
    site.browser.sessions = [found(site.token(29))]
    site.account.faults.append(Fault("me", "500"))
    with pytest.raises(errors.Unreachable):
        site.sign_in()
    assert site.warning() is None
    assert site.path.read_text() == before


def test_a_run_that_dies_before_the_session_is_written_loses_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = site.token(3, age=27)
    site.write(f"jwt = {stored}\n")
    token = site.token(29)
    site.browser.sessions = [found(token)]

    def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(loader.Config, "store_cookie", die)
        with pytest.raises(SystemExit):
            site.sign_in()
    assert site.stored() == stored
    site.sign_in()
    assert site.stored() == token


def test_a_session_that_strava_renews_at_once_is_the_one_that_is_stored(site: Site) -> None:
    site.account.renews_jwt_within = 40 * DAY
    site.browser.sessions = [found(site.token(20))]
    attempt = site.sign_in()
    assert attempt.jwt
    assert site.stored() == attempt.jwt.token != site.browser.sessions[0].cookies.tokens[0]


def test_a_config_that_cannot_be_written_is_one_warning_before_the_session_is_used(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site.browser.sessions = [found(site.token(29))]
    before = site.path.read_text()

    def refuse(self: loader.Config, *_: str) -> None:
        raise errors.ConfigError("the folder must be writable")

    monkeypatch.setattr(loader.Config, "check_storable", refuse)
    caplog.set_level(logging.INFO)
    site.sign_in()
    assert site.path.read_text() == before
    [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "writable. The browser's session is used for this run only" in record.getMessage()


@pytest.mark.parametrize(
    ("form", "has_changed"), [("jwt_file = {}\n", True), ("jwt_command = cat {}\n", False)]
)
def test_a_session_is_stored_where_the_config_has_it(
    site: Site, form: str, has_changed: bool
) -> None:
    own = site.path.with_name("secret")
    own.write_text(site.token(3, age=27))
    before = own.read_text()
    site.write(form.format(own))
    config = site.path.read_text()
    token = site.token(29)
    site.browser.sessions = [found(token)]
    attempt = site.sign_in()
    assert attempt.jwt
    assert attempt.jwt.token == token
    assert site.path.read_text() == config
    assert own.read_text() == (f"{token}\n" if has_changed else before)


def test_without_a_browser_in_the_config_none_is_read(site: Site) -> None:
    token = site.token(2, age=28)
    site.path.write_text(f"[user]\njwt = {token}\n")
    site.sign_in()
    assert site.browser.reads == 0
    assert "private browser window" in (site.warning() or "")


def test_a_check_reads_the_browser_although_the_stored_session_is_young(site: Site) -> None:
    site.write(f"jwt = {site.token(29)}\n")
    site.browser.error = LOCKED
    site.sign_in(always_reads=True)
    assert site.browser.reads == 1
    assert "locked" in (site.warning() or "")


def test_secrets_are_not_shown(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = site.token(29)
    site.browser.sessions = [found(site.revoked_token(29), token)]
    attempt = site.sign_in()
    texts = [caplog.text, repr(vars(attempt)), site.warning() or ""]
    assert not [text for text in texts if "eyJ" in text]
