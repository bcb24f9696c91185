"""Stores a web session that a person copied from a browser, after it has signed in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from strava_backup import errors
from strava_backup.archive.directory import Archive
from strava_backup.config.loader import Config
from strava_backup.config.sources import api_source
from strava_backup.secret_text import is_storable
from strava_backup.setup.cookies import SESSION, TOKEN, Cookies, parse_cookies
from strava_backup.setup.dialog import Dialog
from strava_backup.setup.owner import archive_owner, check_owner
from strava_backup.strava import session, transport
from strava_backup.strava.session import Credentials, Jwt, WebSession

_QUESTION = """\
In a private browser window sign in to www.strava.com; open the developer tools (F12), "Storage"
(Firefox) or "Application" (Chrome), Cookies, and copy the value of strava_remember_token.
Close the window without logging out.

Paste it here and press Enter (it is not shown; a Cookie header, a cookies.txt, the JSON of a cookie
extension or "Copy as cURL" will do as well): """

_WITHOUT_TOKEN = (
    f"there is no unexpired {TOKEN} among these cookies; accounts that sign in with a code sent by "
    f"e-mail get none. {SESSION} is used instead, whose end is not known"
)

_log = logging.getLogger(__name__)


def ask_for_cookies(dialog: Dialog) -> Cookies:
    """Return the cookies that a person pastes or standard input contains. Raises GarbledJwt."""
    cookies = parse_cookies(dialog.ask_for_paste(_QUESTION))
    if not any(cookies):
        raise errors.GarbledJwt(
            f"the input has neither {TOKEN} nor {SESSION}: nothing was changed. Copy "
            "the value of the cookie, or the whole Cookie header, and try again"
        )
    return cookies


def log_in(
    config: Config,
    get_cookies: Callable[[], Cookies],
    connect: Callable[[], transport.Session] = transport.Session,
    clock: Callable[[], float] = time.time,
) -> None:
    """Sign in with those cookies, and store their session if that succeeds.

    `config` may be unfinished (`config.load_unfinished`). Raises GarbledJwt, SessionOver,
    AccountMismatch, ConfigError, TryLater; the web session in the config is then as it was.
    """
    config.check_writable("user", "jwt")
    cookies = get_cookies()
    if not all(map(is_storable, cookies.sessions)):
        raise errors.GarbledJwt(
            f"{SESSION} is not one line of plain text, nothing was changed: was it copied whole?"
        )
    jwt = _best_token(cookies, clock())
    if jwt is None:
        config.check_writable("user", "session")
        _log.warning("%s", _WITHOUT_TOKEN)
    credentials = Credentials(jwt and jwt.token, None if jwt else cookies.sessions[-1])
    renewed: dict[str, str] = {}
    web = WebSession(connect(), credentials, store=renewed.__setitem__, clock=clock)
    athlete_id = _sign_in(web)
    _check_athlete(config, athlete_id, connect, clock)
    if jwt is None:
        # A run prefers a stored JWT to the session.
        if config.user and config.user.jwt:
            _log.info("[user] jwt is cleared, since a run would use it before the session")
        values = {"session": renewed.get("session", cookies.sessions[-1]), "jwt": ""}
    else:
        values = {"jwt": renewed.get("jwt", jwt.token)}
    config.write("user", values)
    _report(config, athlete_id, web.jwt, clock())


def _best_token(cookies: Cookies, now: float) -> Jwt | None:
    """Return the token that expires last; None if there is only a session.

    Raises GarbledJwt or SessionOver without either, AccountMismatch for two athletes.
    """
    jwts, problem = [], None
    for token in cookies.tokens:
        try:
            jwt = session.parse_jwt(token)
            if not session.is_plausible(jwt, now):
                raise errors.GarbledJwt
            jwts.append(jwt)
        except errors.GarbledJwt:
            problem = errors.GarbledJwt(
                f"{TOKEN} is not a JWT (three parts, eyJ... first), nothing was changed: was it "
                "copied whole?"
            )
    athletes = sorted({jwt.athlete_id for jwt in jwts if jwt.expires_at > now})
    if len(athletes) > 1:
        raise errors.AccountMismatch(
            f"these are sessions of several athletes ({', '.join(map(str, athletes))}), nothing "
            "was changed: give the session of one; for Firefox, name its profile (firefox:PROFILE)"
        )
    best = max(jwts, key=lambda jwt: jwt.expires_at, default=None)
    if best is not None and best.expires_at > now:
        return best
    if cookies.sessions:
        return None
    if best is None:
        raise problem or errors.SessionOver("there is no web session: nothing was changed")
    ended = datetime.fromtimestamp(best.expires_at, UTC)
    raise errors.SessionOver(
        f"this {TOKEN} expired on {ended:%Y-%m-%d}, nothing was changed: sign in to "
        "www.strava.com again and copy the new one"
    )


def _sign_in(web: WebSession) -> int:
    try:
        return web.sign_in()
    except errors.SessionOver as error:
        raise errors.SessionOver(
            "www.strava.com refuses this session, nothing was changed: it ends when the "
            "browser logs out. Sign in again, copy the cookie, and close the window without "
            "logging out"
        ) from error
    except errors.AccountMismatch as error:
        raise errors.AccountMismatch(f"{error}: nothing was changed") from error
    except errors.ItemError as error:
        raise errors.TryLater(f"{error}, so nothing was changed: try again later") from error


def _check_athlete(
    config: Config,
    athlete_id: int,
    connect: Callable[[], transport.Session],
    clock: Callable[[], float],
) -> None:
    """Raise AccountMismatch if the archive or the API belongs to another athlete.

    The API is asked only if no archive names the owner.
    """
    check_owner(config, athlete_id, "this session")
    if archive_owner(config) is not None:
        return
    api_athlete = _api_athlete(config, connect, clock)
    if api_athlete not in (None, athlete_id):
        raise errors.AccountMismatch(
            f"this session belongs to athlete {athlete_id}, but [api] in {config.path} to athlete "
            f"{api_athlete}: nothing was changed. Each account needs a config and an archive of "
            "its own (--config FILE)"
        )


def _api_athlete(
    config: Config, connect: Callable[[], transport.Session], clock: Callable[[], float]
) -> int | None:
    """Return the athlete of [api]; None if it is not set up, or does not answer."""
    settings = config.api
    if settings is None or not settings.is_complete:
        return None
    archive = Archive(config.output_dir)
    try:
        # Without the lock, a run in progress would be left with a dead refresh token.
        with archive.locked(creates=False):
            return api_source(config, settings, connect(), clock).sign_in()
    except errors.Error as error:
        _log.info("the athlete of [api] is not known: %s", error)
        return None


def _report(config: Config, athlete_id: int, jwt: Jwt | None, now: float) -> None:
    name = "session" if jwt is None else "jwt"
    _log.info(
        "signed in as athlete %d (%s/athletes/%d); the session is in %s",
        athlete_id,
        session.SITE,
        athlete_id,
        config.place("user", name),
    )
    if jwt is not None:
        _log.info("it lasts %s", session.time_left(jwt.expires_at - now))
