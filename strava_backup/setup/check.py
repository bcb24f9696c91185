"""One screen of findings: config, API, web session, archive. Writes nothing to the archive.

Checks in the order of a run, and goes on after a failure that would have ended a run.
"""

from __future__ import annotations

import platform
import shlex
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from importlib import metadata
from typing import NamedTuple

import requests

from strava_backup import __version__, errors
from strava_backup.archive.directory import Archive
from strava_backup.config.browser_sessions import ReadBrowser, no_browser, place_name
from strava_backup.config.loader import Api, Config, User
from strava_backup.config.sources import api_source
from strava_backup.config.web_sign_in import WebSignIn
from strava_backup.report import count_of, format_size
from strava_backup.setup.owner import archive_owner
from strava_backup.strava import transport
from strava_backup.strava.budget import DAY, parse_use
from strava_backup.strava.session import time_left

# The archive's disk is nearly full with fewer free bytes.
_LITTLE_SPACE = 10**9
_NO_OWNER = "no owner yet (set by the first run)"
_LIBRARIES = ("requests", "stravalib", "beautifulsoup4")


class Level(StrEnum):
    """The state of a subject."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


class Finding(NamedTuple):
    """One line of the screen, and the exit code that it would give a run."""

    subject: str
    level: Level
    text: str
    exit_code: int = errors.OK

    def __str__(self) -> str:
        return f"{self.subject:<8} {self.level:<4}  {self.text}"


def check(
    load: Callable[[], Config],
    connect: Callable[[], transport.Session] = transport.Session,
    clock: Callable[[], float] = time.time,
    read_browser: ReadBrowser = no_browser,
) -> list[Finding]:
    """Return all findings; a ConfigError of `load` becomes findings, too."""
    try:
        config = load()
    except errors.ConfigError as error:
        findings = [Finding("config", Level.FAIL, line, 2) for line in error.problems]
    else:
        findings = _Check(config, connect, clock, read_browser).findings()
    return [*findings, Finding("versions", Level.OK, _versions())]


class _Check:
    """Checks a config that could be read."""

    def __init__(
        self,
        config: Config,
        connect: Callable[[], transport.Session],
        clock: Callable[[], float],
        read_browser: ReadBrowser,
    ) -> None:
        self._config = config
        self._read_browser = read_browser
        self._connect = connect
        self._clock = clock
        self._archive = Archive(config.output_dir)
        self._api_athlete: int | None = None
        self._web_athlete: int | None = None

    def findings(self) -> list[Finding]:
        findings = [_found("config", self._find_config)]
        try:
            # Locked as by a run, which would be left with a dead refresh token if this renewed it.
            with self._archive.locked(creates=False):
                findings += [_found("API", self._find_api), _found("session", self._find_session)]
        except errors.Error as error:
            return [*findings, _failure("archive", error)]
        return [*findings, _found("archive", self._find_archive)]

    def _find_config(self) -> Finding:
        config = self._config
        config.check_source()
        found = {shlex.quote(str(path)): access for path, access in config.open_files().items()}
        if found:
            accesses = ", ".join(f"others can {access} {name}" for name, access in found.items())
            return Finding("config", Level.WARN, f"{accesses}: chmod 600 {' '.join(found)}")
        return Finding("config", Level.OK, str(config.path))

    def _find_api(self) -> Finding:
        config = self._config
        if config.api is None:
            return Finding("API", Level.OK, "not set up: the list comes from the website")
        if config.source == "website":
            return Finding("API", Level.OK, "not checked, since the source is the website")
        try:
            return self._ask_api(config.api)
        except (errors.ApiInactive, errors.ScopeMissing, errors.RefreshTokenDead) as error:
            if config.source == "api" or config.user is None:
                raise
            return Finding(
                "API", Level.WARN, f"{error}. Until then the list comes from the website"
            )

    def _ask_api(self, settings: Api) -> Finding:
        http = self._connect()
        answers: list[requests.Response] = []
        http.hooks["response"].append(lambda answer, **_: answers.append(answer))
        source = api_source(self._config, settings, http, self._clock)
        self._api_athlete = source.sign_in()
        athlete = f"athlete {self._api_athlete}{_requests_left(answers)}"
        if source.fetch_gear_summaries() is None:
            return Finding(
                "API",
                Level.WARN,
                f"{athlete}; the scope profile:read_all is missing, and with it the bikes and "
                "shoes that no activity names: strava-backup --authorize, everything ticked",
            )
        return Finding("API", Level.OK, athlete)

    def _find_session(self) -> Finding:
        config = self._config
        if config.user is None:
            return Finding(
                "session", Level.WARN, "not set up, so originals are missing: strava-backup --login"
            )
        web_sign_in = self._web_sign_in(config.user)
        try:
            athlete_id = self._sign_in(web_sign_in)
        except errors.LoginPaused:
            return Finding(
                "session",
                Level.WARN,
                "e-mail and password are not tried here, and Strava usually refuses them: "
                "strava-backup --login",
            )
        self._web_athlete = athlete_id
        if self._api_athlete not in (None, athlete_id):
            raise errors.AccountMismatch(
                f"athlete {athlete_id}, but [api] is athlete {self._api_athlete}'s: both must be "
                "the same"
            )
        return self._describe_session(web_sign_in, athlete_id)

    def _sign_in(self, web_sign_in: WebSignIn) -> int:
        """Return the athlete of the session; an error for now also names the end of a session."""
        try:
            return web_sign_in.sign_in(archive_owner(self._config) or self._api_athlete)[1]
        except (errors.ItemError, errors.TryLater) as error:
            warning = web_sign_in.warning(self._clock(), self._config.warn_days)
            if warning is None:
                raise
            later = ": try again later" if isinstance(error, errors.ItemError) else ""
            raise errors.TryLater(f"{error}{later}. {warning}") from error

    def _describe_session(self, web_sign_in: WebSignIn, athlete_id: int) -> Finding:
        state = f"athlete {athlete_id}"
        if web_sign_in.origin:
            state += f", from {place_name(web_sign_in.origin)}"
        warning = web_sign_in.warning(self._clock(), self._config.warn_days)
        if warning:
            return Finding("session", Level.WARN, f"{state}; {warning}")
        return Finding("session", Level.OK, f"{state}{self._end(web_sign_in)}")

    def _end(self, web_sign_in: WebSignIn) -> str:
        """Return the end of a session; its date if a browser has it, since that can be compared."""
        if web_sign_in.jwt is None:
            return "; its end is not known"
        expires_at = web_sign_in.jwt.expires_at
        if web_sign_in.origin:
            return f", until {datetime.fromtimestamp(expires_at, UTC):%Y-%m-%d}"
        return f", lasts {time_left(expires_at - self._clock())}"

    def _web_sign_in(self, user: User) -> WebSignIn:
        return WebSignIn(
            *(self._config, user, self._connect(), self._read_browser),
            clock=self._clock,
            may_log_in=False,
            always_reads=True,
        )

    def _find_archive(self) -> Finding:
        root = self._archive.root
        place = self._archive.check_usable(with_parents=self._config.makes_parents)
        self._archive.read_marker()
        athlete_id = self._api_athlete or self._web_athlete
        if athlete_id is not None:
            self._archive.check_owner(athlete_id)
        free = shutil.disk_usage(place).free
        contents = self._contents() if place == root else f"{root} is made by the first run"
        if free < _LITTLE_SPACE:
            return Finding(
                "archive", Level.WARN, f"{contents}, only {format_size(free)} free: make room"
            )
        return Finding("archive", Level.OK, f"{contents}, {format_size(free)} free")

    def _contents(self) -> str:
        marker = self._archive.marker
        owner = f"athlete {marker.athlete_id}" if marker.athlete_id else _NO_OWNER
        count = count_of(len(self._archive.scan().activities), "activity", "activities")
        last = marker.last_complete_run
        run = f"last complete run {last}" if last else "no complete run yet"
        return f"{self._archive.root}: {owner}, {count}, {run}"


def _found(subject: str, find: Callable[[], Finding]) -> Finding:
    try:
        return find()
    except errors.ItemError as error:
        # An error that fails one item of a run ends the run while it signs in.
        return _failure(subject, errors.TryLater(f"{error}: try again later"))
    except errors.Error as error:
        return _failure(subject, error)


def _failure(subject: str, error: errors.Error) -> Finding:
    return Finding(subject, Level.FAIL, "; ".join(str(error).splitlines()), error.exit_code)


def _requests_left(answers: list[requests.Response]) -> str:
    """Return the requests left today by the API's last answer with limits; empty without one."""
    limits_of_answers = [parse_use(dict(answer.headers)) for answer in answers]
    limits = next((limits for limits in reversed(limits_of_answers) if limits), [])
    left = [max(0, use.limit - use.used) for seconds, use in limits if seconds == DAY]
    return f", {min(left):,} requests left today" if left else ""


def _versions() -> str:
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES)
    return f"strava-backup {__version__}, Python {platform.python_version()}, {libraries}"
