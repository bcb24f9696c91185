"""Starts a backup run: builds its objects from a config, and signs in.

Makes no decisions about activities, and prints nothing to the terminal.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from strava_backup import errors
from strava_backup.archive.directory import Archive
from strava_backup.backup.engine import Backup, Connections
from strava_backup.config.browser_sessions import ReadBrowser, no_browser
from strava_backup.config.loader import Config, User
from strava_backup.config.sources import api_source
from strava_backup.config.web_sign_in import WebSignIn
from strava_backup.progress import Progress
from strava_backup.records.plan import Wanted
from strava_backup.report import Report
from strava_backup.strava import transport
from strava_backup.strava.background import call_in_background, result_of
from strava_backup.strava.photo_hosts import PhotoHosts
from strava_backup.strava.records import Source
from strava_backup.strava.session import WebSession
from strava_backup.strava.web_source import WebSource
from strava_backup.strava.website import Website
from strava_backup.timestamps import utc_timestamp

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter

_log = logging.getLogger(__name__)

_LONGEST_DELAY = timedelta(days=7)


class Options(NamedTuple):
    """The options of the command line for a run."""

    limit: int | None = None
    full: bool = False
    details: bool = True
    photos: bool = True
    videos: bool = True
    gear: bool = True
    routes: bool = True
    dry_run: bool = False
    private_notes: bool = False
    comments: bool = False


class Environment(NamedTuple):
    """The network, clock, browsers and standard output of a run; tests replace them."""

    out: Callable[[str], None]
    adapter: BaseAdapter | None = None
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    progress: Progress = Progress()
    read_browser: ReadBrowser = no_browser


def back_up(config: Config, options: Options, report: Report, environment: Environment) -> None:
    """Back up once. The report contains all results, and the errors that end the run."""
    report.archive = str(config.output_dir)
    report.dry_run = options.dry_run
    try:
        _back_up(config, options, report, environment)
    except errors.Error as error:
        report.fatal.append(error)


def _back_up(config: Config, options: Options, report: Report, environment: Environment) -> None:
    config.check_source()
    archive = Archive(config.output_dir)
    if not options.dry_run:
        archive.prepare(with_parents=config.makes_parents)
    # A dry run creates no lock file, but respects one: it may receive a new refresh token, which
    # invalidates that of a concurrent run.
    with archive.locked(creates=not options.dry_run):
        archive.read_marker()
        try:
            _back_up_locked(config, archive, options, report, environment)
        except errors.Error as error:
            report.fatal.append(error)
        now = datetime.fromtimestamp(environment.clock(), UTC)
        delayed_since = _judge_delay(archive.marker.delayed_since, report, now)
        if not options.dry_run:
            archive.save_marker(replace(archive.marker, delayed_since=delayed_since))


def _back_up_locked(
    config: Config, archive: Archive, options: Options, report: Report, environment: Environment
) -> None:
    environment.progress.phase("Signing in")
    connections, athlete_id = _SignIn(config, archive, options, report, environment).connections()
    wanted = Wanted(
        originals=config.user is not None,
        details=options.details,
        photos=options.photos,
        videos=options.videos,
        gear=options.gear and options.details,
        private_notes=options.private_notes and options.details and config.user is not None,
        comments=options.comments and options.details,
        routes=options.routes,
        full=options.full,
    )
    if wanted.comments and not connections.source.has_details:
        _log.info("comments and kudos are not fetched: only the API has them (--authorize)")
    backup = Backup(
        *(connections, archive, athlete_id, wanted, report),
        clock=environment.clock,
        progress=environment.progress,
    )
    if options.dry_run:
        backup.dry_run(environment.out, options.limit)
    else:
        archive.remove_leftovers()
        backup.run(options.limit)


def _judge_delay(since: str | None, report: Report, now: datetime) -> str | None:
    """Return since when runs have ended with TryLater, without one that finished; None if not.

    After a week of them, adds StillDelayed to the report.
    """
    if report.exit_code != errors.TryLater.exit_code:
        has_finished = report.exit_code in (errors.OK, errors.ItemError.exit_code)
        return None if has_finished else since
    begin = _parse_past(since, now) or now
    if now - begin >= _LONGEST_DELAY:
        report.fatal.append(
            errors.StillDelayed(
                f"no run has finished for {(now - begin).days} days, since {begin.date()}: waiting "
                "longer may not help. See what strava-backup --check says"
            )
        )
    return utc_timestamp(begin)


def _parse_past(text: str | None, now: datetime) -> datetime | None:
    """Return the moment in a text; None if it is none, or in the future by a wrong clock."""
    try:
        moment = datetime.fromisoformat(text or "").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment <= now else None


class _SignIn:
    """Signs in to the API and the website, and checks that both belong to one athlete."""

    def __init__(
        self,
        config: Config,
        archive: Archive,
        options: Options,
        report: Report,
        environment: Environment,
    ) -> None:
        self._config = config
        self._archive = archive
        self._options = options
        self._report = report
        self._environment = environment
        self._sessions: list[transport.Session] = []
        self._web_sign_in = self._new_web_sign_in(config.user) if config.user else None
        self._signed_in: Future[tuple[WebSession, int]] | None = None

    def connections(self) -> tuple[Connections, int]:
        """Return the available connections and the athlete id. Raises the errors of signing in."""
        if self._wants_api:
            self._config.check_storable("api", "refresh_token")
        waits_for_api = self._needs_api_athlete
        if not waits_for_api:
            # In the background, so that stravalib is imported while the website answers.
            self._begin_web_sign_in(None)
        try:
            source, api_athlete = self._api()
        except errors.Error:
            self._note_refused_login()
            # Every run logs the warning, even one that ends here.
            self._warn()
            raise
        if waits_for_api:
            self._begin_web_sign_in(api_athlete)
        web, web_athlete = self._website(is_needed=source is None)
        self._check_athletes(api_athlete, web_athlete)
        pictures = PhotoHosts(self._session())
        website = Website(web) if web is not None else None
        if source is None:
            assert web is not None
            assert web_athlete is not None
            source = WebSource(web, web_athlete)
        athlete_id = api_athlete or web_athlete
        assert athlete_id is not None
        pause = self._config.delay * transport.MEAN_PAUSE
        return Connections(source, website, pictures, pause, self._break_off), athlete_id

    def _session(self, pace: transport.Pace | None = None) -> transport.Session:
        environment = self._environment
        session = transport.Session(adapter=environment.adapter, pace=pace, sleep=environment.sleep)
        self._sessions.append(session)
        return session

    def _break_off(self) -> None:
        for session in self._sessions:
            session.break_off()

    @property
    def _wants_api(self) -> bool:
        return self._config.api is not None and self._config.source != "website"

    def _api(self) -> tuple[Source | None, int | None]:
        """Return the API and its athlete id, or None if the website is the source."""
        if self._config.api is None or not self._wants_api:
            return None, None
        source = api_source(
            *(self._config, self._config.api, self._session()),
            self._environment.clock,
            self._environment.progress.waits,
        )
        try:
            with _fatal_if_unreachable():
                return source, source.sign_in()
        except (errors.ApiInactive, errors.ScopeMissing, errors.RefreshTokenDead) as error:
            if self._config.source == "api" or self._config.user is None:
                raise
            _log.warning(
                "%s. Until then the website gives the list (source = website in [global] "
                "silences this)",
                error,
            )
            return None, None

    @property
    def _needs_api_athlete(self) -> bool:
        """Whether only the API can say which of a browser's sessions to use."""
        user = self._config.user
        return (
            user is not None
            and user.cookies_from_browser is not None
            and user.jwt is None
            and self._archive.marker.athlete_id is None
        )

    def _begin_web_sign_in(self, api_athlete: int | None) -> None:
        web_sign_in, marker = self._web_sign_in, self._archive.marker
        if web_sign_in is None:
            _log.info(
                "%s are not fetched: there is no [user] section in %s",
                "originals, bike components and private notes"
                if self._options.private_notes
                else "originals and bike components",
                self._config.path,
            )
            return

        def sign_in() -> tuple[WebSession, int]:
            with _fatal_if_unreachable():
                return web_sign_in.sign_in(
                    marker.athlete_id or api_athlete, marker.login_refused_at
                )

        self._signed_in = call_in_background(sign_in)

    def _website(self, *, is_needed: bool) -> tuple[WebSession | None, int | None]:
        """Return the signed-in website and its athlete id, or None if only the API is available."""
        if self._signed_in is None:
            return None, None
        try:
            web, athlete_id = result_of(self._signed_in)
            self._warn()
            return web, athlete_id
        except errors.AccountMismatch:
            raise
        except (errors.HumanNeeded, errors.TryLater) as error:
            self._note_refused_login()
            if isinstance(error, (errors.TryLater, errors.LoginRefused)):
                self._warn()
            if is_needed:
                raise
            if not (self._options.dry_run and isinstance(error, errors.LoginPaused)):
                self._report.fatal.append(error)
            return None, None

    def _warn(self) -> None:
        """Log a warning before the session expires, because only its owner can renew it."""
        now, warn_days = self._environment.clock(), self._config.warn_days
        warning = self._web_sign_in and self._web_sign_in.warning(now, warn_days)
        if warning:
            _log.warning("%s", warning)

    def _note_refused_login(self) -> None:
        """Save the time of a refused log-in in the marker, because repeated tries lock accounts."""
        try:
            if self._signed_in is not None:
                result_of(self._signed_in)
        except errors.LoginPaused:
            pass
        except errors.LoginRefused:
            refused_at = self._environment.clock()
            self._archive.save_marker(replace(self._archive.marker, login_refused_at=refused_at))
        except errors.Error:
            pass

    def _check_athletes(self, api_athlete: int | None, web_athlete: int | None) -> None:
        """Raise AccountMismatch unless API, website and archive belong to one athlete."""
        if None not in (api_athlete, web_athlete) and api_athlete != web_athlete:
            raise errors.AccountMismatch(
                f"[api] belongs to athlete {api_athlete}, [user] to athlete {web_athlete}: "
                "both must be the same athlete"
            )
        athlete = api_athlete or web_athlete
        if athlete is not None:
            self._archive.check_owner(athlete)

    def _new_web_sign_in(self, user: User) -> WebSignIn:
        environment = self._environment
        return WebSignIn(
            *(self._config, user),
            self._session(transport.Pace(self._config.delay, sleep=environment.sleep)),
            environment.read_browser,
            clock=environment.clock,
            sleep=environment.sleep,
            # A dry run writes nothing to the archive, so it could not save a refused log-in, and
            # repeated tries lock accounts.
            may_log_in=not self._options.dry_run,
        )


@contextmanager
def _fatal_if_unreachable() -> Iterator[None]:
    """Raise TryLater for ItemError, because without a log-in the run cannot fetch any item."""
    try:
        yield
    except errors.ItemError as error:
        raise errors.TryLater(f"{error}: try again later") from error
