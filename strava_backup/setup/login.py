"""Stores a web session that a person copied from a browser, after it has signed in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from strava_backup import errors
from strava_backup.archive.directory import Archive
from strava_backup.config import loader
from strava_backup.config.browser import Browser
from strava_backup.config.browser_sessions import ReadBrowser, choose
from strava_backup.config.loader import Config
from strava_backup.config.sources import api_source
from strava_backup.secret_text import is_storable
from strava_backup.setup.cookies import SESSION, TOKEN, Cookies, parse_cookies
from strava_backup.setup.dialog import Dialog
from strava_backup.setup.folder import choose_folder, suggested_folder
from strava_backup.setup.owner import archive_owner, check_owner
from strava_backup.strava import session, transport
from strava_backup.strava.session import Credentials, Jwt, WebSession

_QUESTION = """\
In a private browser window sign in to www.strava.com; open the developer tools (F12), "Storage"
(Firefox) or "Application" (Chrome), Cookies, and copy the value of strava_remember_token.
When this says that the session is stored, close the window without logging out.

Paste it here and press Enter (it is not shown; a Cookie header, a cookies.txt, the JSON of a cookie
extension or "Copy as cURL" will do as well): """
_QUESTION_AGAIN = "Paste another one and press Enter (^C ends): "
_TRIES = 4

_WITHOUT_TOKEN = (
    f"there is no unexpired {TOKEN} among these cookies; accounts that sign in with a code sent by "
    f"e-mail get none. Using {SESSION} instead; its expiry date is not known"
)

_log = logging.getLogger(__name__)


class _SignedIn(NamedTuple):
    """A session that signed in, and the values that store it in [user].

    `config` has the default folder for the archive of this athlete, if none is configured.
    """

    config: Config
    athlete_id: int
    jwt: Jwt | None
    values: dict[str, str]

    def __repr__(self) -> str:
        return f"_SignedIn(athlete_id={self.athlete_id})"


def log_in(
    config: Config,
    dialog: Dialog,
    get_cookies: Callable[[], Cookies] | None = None,
    *,
    browser: Browser | None = None,
    stores_folder: bool = False,
    next_command: str = "strava-backup",
    connect: Callable[[], transport.Session] = transport.Session,
    clock: Callable[[], float] = time.time,
) -> None:
    """Sign in with the cookies, and store their session if that succeeds.

    The cookies are pasted or piped in, unless `get_cookies` is given; they are those of `browser`,
    if any, which is stored in the config so that later runs read it. `config` may be unfinished
    (`config.load_unfinished`); if it names no folder for the archive, a default is stored, which a
    person can change. `stores_folder` stores the folder of `config` in any case.

    Raises GarbledJwt, SessionOver, AccountMismatch, HumanNeeded, ConfigError, DiskError, TryLater;
    the web session in the config is then as it was.
    """
    config.check_writable("user", "jwt")
    if browser is not None:
        config.check_writable("user", "cookies_from_browser")
    signed_in = _sign_in_until_accepted(config, dialog, get_cookies, connect, clock)
    athlete_id, site = signed_in.athlete_id, session.SITE
    _log.info("signed in as athlete %d (%s/athletes/%d)", athlete_id, site, athlete_id)
    longer = _longer_stored_token(config, signed_in.jwt, connect, clock)
    if longer is not None:
        signed_in = _keep_longer(config, signed_in, longer, browser, dialog)
    if stores_folder or config.makes_parents:
        # The folder first: a session alone would let a run use another one.
        _store_folder(config, signed_in, dialog, is_given=stores_folder)
    from_browser = {"cookies_from_browser": str(browser)} if browser else {}
    config.write("user", {**signed_in.values, **from_browser})
    _report(config, signed_in.jwt, clock())
    if browser is not None:
        _log.info("later runs read the newest session from %s by themselves", browser.title)
    _log.info("Next: %s", next_command)


def _store_folder(config: Config, signed_in: _SignedIn, dialog: Dialog, *, is_given: bool) -> None:
    """Create the archive's folder and store it in the config, unless runs find it as it is.

    A config in use without `output_dir` stays as it is if nobody was asked: it may be read-only,
    with the session in a file of its own.
    """
    folder = choose_folder(signed_in.config, signed_in.athlete_id, dialog)
    is_found = loader.exists(config.path) and folder == config.output_dir
    if is_given or dialog.is_terminal or not is_found:
        config.write_output_dir(folder)
    _log.info("the archive is in %s", folder)


def _sign_in_until_accepted(
    config: Config,
    dialog: Dialog,
    get_cookies: Callable[[], Cookies] | None,
    connect: Callable[[], transport.Session],
    clock: Callable[[], float],
) -> _SignedIn:
    """Sign in with the first cookies that Strava accepts; a person can paste a few times."""
    if get_cookies is not None:
        return _sign_in_with(get_cookies(), config, connect, clock)
    question = _QUESTION
    for _ in range(_TRIES - 1):
        try:
            return _sign_in_with(_ask_for_cookies(dialog, question), config, connect, clock)
        except (errors.GarbledJwt, errors.SessionOver, errors.AccountMismatch) as error:
            if not dialog.is_terminal:
                raise
            dialog.show(str(error))
            question = _QUESTION_AGAIN
    return _sign_in_with(_ask_for_cookies(dialog, question), config, connect, clock)


def _ask_for_cookies(dialog: Dialog, question: str) -> Cookies:
    """Return the cookies that a person pastes or standard input contains.

    Raises GarbledJwt without any in it, HumanNeeded if a person ends the input (^D).
    """
    text = dialog.ask_for_paste(question)
    if not text and dialog.is_terminal:
        raise errors.HumanNeeded("no cookie was given: nothing was changed")
    if not text.strip():
        raise errors.GarbledJwt("the input is empty: nothing was changed")
    cookies = parse_cookies(text)
    if not any(cookies):
        raise errors.GarbledJwt(
            f"the input has neither {TOKEN} nor {SESSION}: nothing was changed. Copy "
            "the value of the cookie, or the whole Cookie header, and try again"
        )
    return cookies


def choose_cookies(
    config: Config, browser: Browser, read_browser: ReadBrowser, now: float
) -> Cookies:
    """Return the cookies of one athlete in a browser; of several, that of config or archive.

    Raises ConfigError, SessionOver, and AccountMismatch if several athletes are possible.
    """
    sessions = read_browser(browser, now)
    try:
        found = choose(browser, sessions, None, now)
    except errors.AccountMismatch:
        athlete_id = _known_athlete(config)
        if athlete_id is None:
            raise
        found = choose(browser, sessions, athlete_id, now)
    return Cookies(
        tuple(one.jwt.token for one in found if one.jwt),
        tuple(one.session for one in found if one.session),
    )


def _known_athlete(config: Config) -> int | None:
    stored = _stored_token(config)
    if stored is not None:
        return stored.athlete_id
    # The default folder may be the archive of another config.
    has_folder = not config.makes_parents or loader.exists(config.path)
    return archive_owner(config) if has_folder else None


def _sign_in_with(
    cookies: Cookies,
    config: Config,
    connect: Callable[[], transport.Session],
    clock: Callable[[], float],
) -> _SignedIn:
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
    if config.makes_parents:
        config = replace(config, output_dir=suggested_folder(config, athlete_id))
    _check_athlete(config, athlete_id, connect, clock)
    if jwt is None:
        # A run prefers a stored JWT to the session.
        if config.user and config.user.jwt:
            _log.info("[user] jwt is cleared, since a run would use it before the session")
        values = {"session": renewed.get("session", cookies.sessions[-1]), "jwt": ""}
    else:
        values = {"jwt": renewed.get("jwt", jwt.token)}
    return _SignedIn(config, athlete_id, web.jwt, values)


def _longer_stored_token(
    config: Config,
    jwt: Jwt | None,
    connect: Callable[[], transport.Session],
    clock: Callable[[], float],
) -> Jwt | None:
    """Return the stored token if it lasts longer, for the same athlete, and may still sign in."""
    stored = _stored_token(config)
    if jwt is None or stored is None or stored.athlete_id != jwt.athlete_id:
        return None
    if stored.expires_at <= max(jwt.expires_at, clock()):
        return None
    return stored if _may_sign_in(stored, config, connect, clock) else None


def _keep_longer(
    config: Config, signed_in: _SignedIn, stored: Jwt, browser: Browser | None, dialog: Dialog
) -> _SignedIn:
    """Return the session to store, given that the stored token lasts longer.

    With a browser, the stored one stays: later runs replace it once the browser has a longer one.
    Else a person is asked. Raises HumanNeeded unless that person wants to replace it.
    """
    if browser is not None:
        _log.info("the stored session lasts longer than that of %s, and stays", browser.title)
        return signed_in._replace(jwt=stored, values={})
    assert signed_in.jwt is not None
    _ask_to_replace(config, stored, signed_in.jwt, dialog)
    return signed_in


def _ask_to_replace(config: Config, stored: Jwt, jwt: Jwt, dialog: Dialog) -> None:
    """Raise HumanNeeded unless a person wants to replace the stored token by a shorter one."""
    difference = (
        f"the session in {config.place('user', 'jwt')} lasts until {_date(stored)}, this one only "
        f"until {_date(jwt)}"
    )
    if dialog.is_terminal:
        if _is_yes(dialog.ask(f"{difference}. Replace it (y/N)? ")):
            return
        raise errors.HumanNeeded("the stored session stays, nothing was changed")
    raise errors.HumanNeeded(
        f"{difference}: nothing was changed. To replace it all the same, clear [user] jwt first"
    )


def _stored_token(config: Config) -> Jwt | None:
    try:
        return session.parse_jwt(config.stored_secret("user", "jwt"))
    except errors.GarbledJwt:
        return None


def _may_sign_in(
    stored: Jwt,
    config: Config,
    connect: Callable[[], transport.Session],
    clock: Callable[[], float],
) -> bool:
    """Return whether Strava still accepts the stored token, as far as it answers."""
    credentials = Credentials(stored.token)
    try:
        WebSession(connect(), credentials, store=config.store_cookie, clock=clock).sign_in()
    except errors.HumanNeeded:
        return False
    except (errors.ItemError, errors.TryLater):
        return True
    return True


def _is_yes(answer: str) -> bool:
    return answer.lower() in ("y", "yes")


def _date(jwt: Jwt) -> str:
    return f"{datetime.fromtimestamp(jwt.expires_at, UTC):%Y-%m-%d %H:%M} UTC"


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
            problem = _problem_of(token)
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


def _problem_of(token: str) -> errors.GarbledJwt:
    parts = [part for part in token.split(".") if part]
    if token.startswith("eyJ") and (len(parts) < 3 or "…" in token):
        return errors.GarbledJwt(
            "this token is cut off (a whole one has three parts with dots between them), nothing "
            "was changed: copy the whole value, for example after a double click on it"
        )
    return errors.GarbledJwt(
        f"{TOKEN} is not a JWT (three parts, eyJ... first), nothing was changed: was it copied "
        "whole?"
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


def _report(config: Config, jwt: Jwt | None, now: float) -> None:
    _log.info(
        "the session is stored in %s", config.place("user", "session" if jwt is None else "jwt")
    )
    if jwt is not None:
        _log.info("it lasts %s", session.time_left(jwt.expires_at - now))
