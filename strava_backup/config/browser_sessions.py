"""Pure: chooses the sessions of one athlete among those that a browser has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from strava_backup import errors
from strava_backup.config.browser import NO_CONTAINER, Browser
from strava_backup.report import first_of
from strava_backup.secret_text import is_storable
from strava_backup.strava.session import Jwt, is_plausible, parse_jwt


class FoundCookies(Protocol):
    """The values of `strava_remember_token` and of `_strava4_session`; each may have several."""

    @property
    def tokens(self) -> tuple[str, ...]: ...
    @property
    def sessions(self) -> tuple[str, ...]: ...


class FoundSession(Protocol):
    """Strava's cookies in one profile, and in one container of Firefox (or "")."""

    @property
    def browser(self) -> str: ...
    @property
    def profile(self) -> str: ...
    @property
    def container(self) -> str: ...
    @property
    def cookies(self) -> FoundCookies: ...


# Returns the sessions in a browser at a time (seconds since the epoch). Raises ConfigError if they
# cannot be read, and SessionOver if there is none.
ReadBrowser = Callable[[Browser, float], Sequence[FoundSession]]


class BrowserCredential(NamedTuple):
    """A JWT or a session cookie, and the place where the browser has it."""

    origin: FoundSession
    jwt: Jwt | None = None
    session: str | None = None

    def __repr__(self) -> str:
        return f"BrowserCredential({place_name(self.origin)!r}, {self.jwt!r})"


def no_browser(browser: Browser, now: float) -> Sequence[FoundSession]:
    """Raise ConfigError, in an environment without browsers."""
    raise errors.ConfigError(f"the cookies of {browser.title} cannot be read here")


def place_name(found: FoundSession) -> str:
    """Return the place of a session as text: `firefox, profile default, container Work`."""
    container = f", container {found.container}" if found.container else ""
    return f"{found.browser}, profile {found.profile}{container}"


def choose(
    browser: Browser, found: Sequence[FoundSession], athlete_id: int | None, now: float
) -> list[BrowserCredential]:
    """Return the credentials of an athlete: JWTs, the newest expiry first, then session cookies.

    A session cookie does not name its athlete. It is left out if a JWT with it has not expired, or
    is another athlete's. Raises AccountMismatch if no athlete is given and the sessions may belong
    to several, and SessionOver if there is none of this athlete.
    """
    all_tokens = list(_tokens(found, now))
    athletes = sorted({jwt.athlete_id for _, jwt in all_tokens})
    if athlete_id is None and len(athletes) > 1:
        raise _several(browser, found, [(str(jwt.athlete_id), one) for one, jwt in all_tokens])
    own = [(one, jwt) for one, jwt in all_tokens if athlete_id in (None, jwt.athlete_id)]
    own.sort(key=lambda pair: pair[1].expires_at, reverse=True)
    sessions = list(_sessions(found, athlete_id or next(iter(athletes), None), now))
    if athlete_id is None and not own and len({one.session for one in sessions}) > 1:
        raise _several(browser, found, [("unknown", one.origin) for one in sessions])
    if not own and not sessions:
        raise errors.SessionOver(_none_of(browser, athletes, athlete_id))
    return [*(BrowserCredential(one, jwt) for one, jwt in own), *sessions]


def _tokens(found: Iterable[FoundSession], now: float) -> Iterator[tuple[FoundSession, Jwt]]:
    """Yield each unexpired JWT once, with its place."""
    seen: set[str] = set()
    for one in found:
        for jwt in _parsed(one):
            if jwt.expires_at > now and is_plausible(jwt, now) and jwt.token not in seen:
                seen.add(jwt.token)
                yield one, jwt


def _parsed(found: FoundSession) -> Iterator[Jwt]:
    for token in found.cookies.tokens:
        try:
            if is_storable(token):
                yield parse_jwt(token)
        except errors.GarbledJwt:
            continue


def _sessions(
    found: Iterable[FoundSession], athlete_id: int | None, now: float
) -> Iterator[BrowserCredential]:
    for one in found:
        jwts = list(_parsed(one))
        is_anothers = jwts and athlete_id not in (None, *(jwt.athlete_id for jwt in jwts))
        if is_anothers or any(jwt.expires_at > now for jwt in jwts):
            continue
        for session in filter(is_storable, one.cookies.sessions):
            yield BrowserCredential(one, session=session)


def _several(
    browser: Browser, found: Sequence[FoundSession], owned: Iterable[tuple[str, FoundSession]]
) -> errors.AccountMismatch:
    with_containers = {one.profile for one in found if one.container}
    lines = []
    for athlete, one in owned:
        outside = NO_CONTAINER if one.profile in with_containers else None
        place = browser._replace(profile=one.profile, container=one.container or outside)
        lines.append(f"{place} (athlete {athlete})")
    return errors.AccountMismatch(
        f"{browser.title} has sessions of several athletes. Name one as cookies_from_browser: "
        f"{first_of(dict.fromkeys(lines))}"
    )


def _none_of(browser: Browser, athletes: list[int], athlete_id: int | None) -> str:
    if athletes:
        others = first_of(map(str, athletes))
        return (
            f"{browser.title} has a session of athlete {others}, but none of athlete {athlete_id}"
        )
    return f"{browser.title} has no unexpired session of www.strava.com"
