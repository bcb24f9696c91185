"""Signs in to the website with the best session that the config, or the browser it names, has."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from strava_backup import errors
from strava_backup.config.browser import Browser
from strava_backup.config.browser_sessions import (
    BrowserCredential,
    FoundSession,
    ReadBrowser,
    choose,
    place_name,
)
from strava_backup.config.loader import Config, User
from strava_backup.strava import transport
from strava_backup.strava.session import (
    RENEWAL,
    Credentials,
    Jwt,
    WebSession,
    is_half_over,
    is_plausible,
    parse_jwt,
    time_left,
    warning_of_end,
)

_log = logging.getLogger(__name__)


class _Candidate(NamedTuple):
    """Credentials to try, and their name in messages."""

    name: str
    credentials: Credentials
    jwt: Jwt | None = None
    origin: FoundSession | None = None

    @property
    def refusal(self) -> str:
        return f"www.strava.com refuses {self.name}"


class WebSignIn:
    """One sign-in to the website. The constructor does no I/O.

    The browser is read if less than half of the life of the config's JWT is left, if the website
    refuses it, or if `always_reads`. Of several JWTs, the one with the newest expiry is used, and
    stored in the config as soon as the website has accepted it.
    """

    def __init__(
        self,
        config: Config,
        user: User,
        http: transport.Session,
        read_browser: ReadBrowser,
        *,
        clock: Callable[[], float] = time.time,
        sleep: transport.Sleep = time.sleep,
        may_log_in: bool = True,
        always_reads: bool = False,
    ) -> None:
        self._config = config
        self._user = user
        self._http = http
        self._read_browser = read_browser
        self._clock = clock
        self._sleep = sleep
        self._may_log_in = may_log_in
        self._always_reads = always_reads
        # The problems that a working session in the browser would solve.
        self._problems: list[str] = []
        self._athlete_id: int | None = None
        self._web: WebSession | None = None
        self._candidate: _Candidate | None = None
        self._renewed: dict[str, str] = {}
        self._may_store = True

    def sign_in(
        self, athlete_id: int | None = None, login_refused_at: float | None = None
    ) -> tuple[WebSession, int]:
        """Sign in and return the session with its athlete.

        `athlete_id` is the athlete that the config or the archive belongs to; only that athlete's
        session is taken from a browser. `login_refused_at` is as for `WebSession.sign_in`, which
        also lists the errors that are raised.
        """
        if self._user.cookies_from_browser is None:
            everything = _Candidate("[user]", self._credentials(), self._stored_jwt())
            return self._try(everything, login_refused_at)
        stored = self._stored_jwt()
        self._athlete_id = athlete_id or (stored.athlete_id if stored else None)
        refusals = [self._end_of_stored()]
        for candidate in self._candidates(self._user.cookies_from_browser):
            try:
                return self._try(candidate, login_refused_at)
            except (errors.SessionOver, errors.AccountMismatch) as error:
                refusals.append(self._refusal(candidate, error))
        raise self._no_session([*refusals, *self._problems])

    @property
    def jwt(self) -> Jwt | None:
        """The JWT in use, or the best one known before the website answers; None without one."""
        if self._web is not None:
            return self._web.jwt
        return self._candidate.jwt if self._candidate else self._stored_jwt()

    @property
    def origin(self) -> FoundSession | None:
        """The browser's place of the session in use; None if it is in the config only."""
        return self._candidate.origin if self._web and self._candidate else None

    def warning(self, now: float, warn_days: int) -> str | None:
        """Return one warning for all that a human has to do soon; None if there is nothing.

        The session in use ends within `warn_days`, or the browser has no better one.
        """
        end = self.jwt and warning_of_end(self.jwt, now, warn_days, self._renewal)
        if not self._problems:
            return end
        problems = "; ".join(self._problems)
        if self._web is None:
            return f"{problems}. {end}" if end else problems
        used = f"the session of {place_name(self.origin)}" if self.origin else "the stored session"
        left = f", which ends in {time_left(self.jwt.expires_at - now)}" if self.jwt else ""
        return f"{problems}. Until then {used} is used{left}"

    @property
    def _renewal(self) -> str:
        browser = self._user.cookies_from_browser
        if browser is None:
            return RENEWAL
        return (
            f"open www.strava.com in {browser.title}, and sign in if it asks: the next run reads "
            "the session from there"
        )

    def _candidates(self, browser: Browser) -> Iterator[_Candidate]:
        """Yield the credentials to try, the best first; read the browser when it is needed."""
        jwt = None if self._end_of_stored() else self._stored_jwt()
        tried = set()
        if jwt and not (self._always_reads or is_half_over(jwt, self._clock())):
            yield _stored(jwt)
            tried.add(jwt.token)
        found = [_found(one) for one in self._read(browser)]
        tokens = {one.jwt.token: one for one in found if one.jwt}
        if jwt:
            # A JWT that the browser has, too, shows its place there.
            tokens.setdefault(jwt.token, _stored(jwt))
        for one in sorted(tokens.values(), key=_expiry, reverse=True):
            if one.credentials.jwt not in tried:
                yield one
        yield from (one for one in found if not one.jwt)
        if jwt is None and (self._user.session or (self._user.password and self._may_log_in)):
            yield _Candidate("[user] session", self._credentials()._replace(jwt=None))

    def _read(self, browser: Browser) -> list[BrowserCredential]:
        now = self._clock()
        try:
            found = choose(browser, self._read_browser(browser, now), self._athlete_id, now)
        except (errors.ConfigError, errors.SessionOver) as error:
            self._problems.append("; ".join(str(error).splitlines()))
            return []
        # Session cookies after it must sign in the same athlete.
        if self._athlete_id is None and found[0].jwt:
            self._athlete_id = found[0].jwt.athlete_id
        return found

    def _refusal(self, candidate: _Candidate, error: errors.Error) -> str:
        """Return why a candidate cannot be used, which is a problem of the browser if it has it."""
        if candidate.origin is None:
            if isinstance(error, errors.AccountMismatch):
                raise error
            return candidate.refusal
        is_anothers = isinstance(error, errors.AccountMismatch)
        reason = (
            f"{candidate.name} belongs to another athlete" if is_anothers else candidate.refusal
        )
        self._problems.append(reason)
        return reason

    def _no_session(self, reasons: list[str]) -> errors.SessionOver:
        return errors.SessionOver(
            f"{'; '.join(dict.fromkeys(filter(None, reasons)))}. To renew the web session, "
            f"{self._renewal}; or give one to strava-backup --login"
        )

    def _try(self, candidate: _Candidate, login_refused_at: float | None) -> tuple[WebSession, int]:
        # Cookies of a refused session would spoil the next one.
        self._http.cookies.clear()
        self._candidate = candidate
        self._renewed.clear()
        self._may_store = not self._is_new(candidate) or self._is_storable()
        web = WebSession(
            *(self._http, candidate.credentials),
            store=self._store,
            clock=self._clock,
            sleep=self._sleep,
        )
        signed_in = web.sign_in(login_refused_at)
        if candidate.origin is not None and self._athlete_id not in (None, signed_in):
            raise errors.AccountMismatch(f"{candidate.name} belongs to athlete {signed_in}")
        self._web = web
        self._store_all(candidate)
        return web, signed_in

    def _store_all(self, candidate: _Candidate) -> None:
        """Store the JWT of the browser, or its renewal, now that the website has accepted it."""
        values = dict(self._renewed)
        if candidate.jwt and self._is_new(candidate):
            values.setdefault("jwt", candidate.jwt.token)
            _log.info("%s is used from now on", candidate.name)
        for name, value in values.items():
            self._store(name, value)

    def _store(self, name: str, value: str) -> None:
        """Store a renewed cookie once the sign-in is complete, except the browser's session."""
        if self._web is None:
            self._renewed[name] = value
        elif self._may_store and not (name == "session" and self.origin):
            self._config.store_cookie(name, value)

    def _is_new(self, candidate: _Candidate) -> bool:
        """Return whether this is a JWT of the browser that the config does not have."""
        stored = self._user.jwt.value if self._user.jwt else None
        has_jwt = candidate.origin is not None and candidate.jwt is not None
        return has_jwt and candidate.credentials.jwt != stored

    def _is_storable(self) -> bool:
        try:
            self._config.check_storable("user", "jwt")
        except errors.ConfigError as error:
            _log.warning("%s. The browser's session is used for this run only", error)
            return False
        return True

    def _credentials(self) -> Credentials:
        user = self._user
        return Credentials(
            user.jwt.value if user.jwt else None,
            user.session.value if user.session else None,
            user.email,
            user.password.value if user.password and self._may_log_in else None,
        )

    def _stored_jwt(self) -> Jwt | None:
        try:
            return parse_jwt(self._user.jwt.value) if self._user.jwt else None
        except errors.GarbledJwt:
            return None

    def _end_of_stored(self) -> str:
        """Return why the JWT of the config cannot be used; empty if it can, or if there is none."""
        if self._user.jwt is None:
            return ""
        jwt, now = self._stored_jwt(), self._clock()
        if jwt is None or not is_plausible(jwt, now):
            return "[user] jwt is not a whole JWT of Strava"
        return "" if jwt.expires_at > now else "[user] jwt has expired"


def _stored(jwt: Jwt) -> _Candidate:
    return _Candidate("[user] jwt", Credentials(jwt.token), jwt)


def _found(one: BrowserCredential) -> _Candidate:
    credentials = Credentials(one.jwt and one.jwt.token, one.session)
    return _Candidate(f"the session of {place_name(one.origin)}", credentials, one.jwt, one.origin)


def _expiry(candidate: _Candidate) -> float:
    return candidate.jwt.expires_at if candidate.jwt else 0.0
