"""Signs in to the website with the user's own session and requests its pages.

Never retries a log-in and solves no captchas: if Strava requires a human, an error says so.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from strava_backup import errors
from strava_backup.secret_text import is_storable
from strava_backup.strava import pages, transport

_log = logging.getLogger(__name__)

SITE = "https://www.strava.com"
RENEWAL = (
    "sign in to www.strava.com in a private browser window, copy the value of the cookie "
    'strava_remember_token (developer tools, "Storage" or "Application"), give it to '
    "strava-backup --login, and close the window without logging out"
)

_XHR = {"X-Requested-With": "XMLHttpRequest", "Accept": "application/json"}
_LONGEST_WAIT = 15 * 60.0
_DAY = 24 * 60 * 60.0
_LOGIN_PAUSE = _DAY
# Seconds; Strava's present JWTs are valid for 30 days.
_USUAL_LIFETIME = 30 * _DAY
_LONGEST_LIFETIME = 400 * _DAY
_LATEST = 10**11
_ID = re.compile(r"[0-9]{1,19}")
_JWT = re.compile(r"[\w-]+\.([\w-]+)\.[\w-]*=*", re.ASCII)


class Jwt(NamedTuple):
    """The value of the cookie `strava_remember_token`, and its contents."""

    token: str
    athlete_id: int
    expires_at: float
    issued_at: float | None = None

    def __repr__(self) -> str:
        return f"Jwt(athlete_id={self.athlete_id}, expires_at={self.expires_at})"


class Renewed(NamedTuple):
    """The credentials among the cookies after an answer, and the session stored at that time."""

    jwt: str | None
    session: str | None
    kept_session: str | None

    def __repr__(self) -> str:
        return "Renewed()"


class Credentials(NamedTuple):
    """The config's credentials for the website; each may be missing."""

    jwt: str | None = None
    session: str | None = None
    email: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return "Credentials(...)"


def time_left(seconds: float) -> str:
    """Return the remaining time of a session as text: whole days, or "less than a day"."""
    days = int(seconds // _DAY)
    return f"{days} day{'s' if days > 1 else ''}" if days > 0 else "less than a day"


def warning_of_end(jwt: Jwt, now: float, warn_days: int, renewal: str = RENEWAL) -> str | None:
    """Return a warning if the session ends within `warn_days`, else None.

    `renewal` completes the sentence that says how to renew it.
    """
    left = jwt.expires_at - now
    if not 0 < left <= warn_days * _DAY:
        return None
    return f"the web session ends in {time_left(left)}. To renew it, {renewal}"


def parse_jwt(token: str) -> Jwt:
    """Return a JWT with its athlete and times (seconds since the epoch). Raises GarbledJwt.

    The payload is base64url without padding; `sub` may be a number or a string
    (https://github.com/pR0Ps/stravaweblib/issues/2). Only Strava can check the signature.
    """
    match = _JWT.fullmatch(token)
    try:
        if match is None:
            raise ValueError
        payload = match[1]
        values = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expires_at = _time(values["exp"])
        issued_at = _time_of_issue(values.get("iat"), expires_at)
        return Jwt(token, _athlete_id(values["sub"]), expires_at, issued_at)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        # The cause is not chained, because its text could quote the token.
        raise errors.GarbledJwt(
            "[user] jwt is not a JWT (three parts, eyJ... first): was it copied whole? "
            f"To renew it, {RENEWAL}"
        ) from None


def is_plausible(jwt: Jwt, now: float) -> bool:
    """Return whether a JWT's expiry is within the lifetimes that Strava uses."""
    return jwt.expires_at <= now + _LONGEST_LIFETIME


def is_half_over(jwt: Jwt, now: float) -> bool:
    """Return whether a JWT has less than half of its life left, or of 30 days if it has no `iat`.

    True for an expired one.
    """
    life = _USUAL_LIFETIME if jwt.issued_at is None else jwt.expires_at - jwt.issued_at
    return jwt.expires_at - now < max(life / 2, 1.0)


def _athlete_id(sub: Any) -> int:
    if isinstance(sub, str) and _ID.fullmatch(sub):
        sub = int(sub)
    if type(sub) is not int or not 0 < sub < 2**63:
        raise ValueError
    return sub


def _time(value: Any) -> float:
    # datetime cannot represent later times. NaN fails the comparison as well.
    if isinstance(value, bool) or not 0 <= value <= _LATEST:
        raise ValueError
    return float(value)


def _time_of_issue(iat: Any, expires_at: float) -> float | None:
    """Return the time of issue; None if it is missing or impossible, since it only gives a hint."""
    try:
        issued_at = _time(iat)
    except (ValueError, TypeError):
        return None
    return issued_at if issued_at <= expires_at else None


class WebSession:
    """A signed-in session at www.strava.com. The constructor makes no request.

    `store(name, value)` is called as soon as Strava renews a cookie that the config contains.
    """

    def __init__(
        self,
        http: transport.Session,
        credentials: Credentials,
        *,
        store: Callable[[str, str], None],
        clock: Callable[[], float] = time.time,
        sleep: transport.Sleep = time.sleep,
    ) -> None:
        self._http = http
        self._credentials = credentials
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._has_waited = False
        self._kept: dict[str, str] = {}
        self._has_logged_in = False
        self._athlete_id: int | None = None

    def sign_in(self, login_refused_at: float | None = None) -> int:
        """Sign in and return the athlete's id.

        An unexpired JWT is used first, then a session cookie, then e-mail and password, which are
        tried once and not within a day of a refusal (`login_refused_at`, seconds since the epoch).

        Raises GarbledJwt, SessionOver, LoginRefused, AccountMismatch, TryLater, Unreachable.
        """
        expected = self._present_credentials(login_refused_at)
        athlete_id = self.fetch_athlete_id()
        if athlete_id is None and self._has_logged_in:
            # The log-in redirected to another page that requires an answer.
            raise _login_refused(pages.LoginAnswer.UNKNOWN)
        if athlete_id is None:
            raise errors.SessionOver(f"the web session is over: {RENEWAL}")
        if expected not in (None, athlete_id):
            raise errors.AccountMismatch(
                f"[user] jwt belongs to athlete {expected}, but the website signs in {athlete_id}"
            )
        self._athlete_id = athlete_id
        self.keep_renewed()
        return athlete_id

    @property
    def jwt(self) -> Jwt | None:
        """The JWT in use, as last renewed by Strava; None if none is in use."""
        token = self._kept.get("jwt")
        return parse_jwt(token) if token else None

    def fetch_athlete_id(self) -> int | None:
        """Return the id of the signed-in athlete, from `/me`; None if the website wants a log-in.

        Raises Unreachable, TryLater, PageChanged.
        """
        response = self.get("/me")
        location = response.headers.get("Location", "")
        athlete_id = pages.redirected_athlete_id(location)
        if athlete_id is not None:
            return athlete_id
        if response.status_code == 401 or pages.redirect_target(location) is pages.Target.LOGIN:
            return None
        if response.status_code in (200, 202, 403):
            raise errors.TryLater(
                f"www.strava.com answers {response.status_code} with a page of its firewall "
                "instead of the account: try again later"
            )
        raise errors.PageChanged(
            f"www.strava.com/me answers {response.status_code} and does not name the athlete"
        )

    def get(
        self, path: str, *, stream: bool = False, headers: Mapping[str, str] | None = None
    ) -> transport.Response:
        """Return the answer to a GET, redirects not followed. Raises Unreachable, LimitReached."""
        return self._answer(partial(self._get_once, path, stream, headers))

    def get_json(self, path: str) -> Any:
        """Return the JSON that the website's own scripts load.

        These paths require the header of XHR requests, and answer an unknown session with 401 and
        an empty body. If only `_strava4_session` is stale, any page renews it from the JWT
        (andreped/AndreOS, docs/strava-feed.md). Raises SessionOver, ItemError, TryLater.
        """
        response = self.get(path, headers=_XHR)
        if response.status_code == 401:
            self._renew_session()
            response = self.get(path, headers=_XHR)
        return self._json_of(response)

    def post_json(self, path: str, value: Any, headers: Mapping[str, str]) -> Any:
        """Return the JSON with which the website answers a POST of its own scripts.

        These paths answer an unknown session with 403 and an empty body
        (https://github.com/mapliberator/extension, docs/phase0-findings.md). Raises as `get_json`.
        """
        post = partial(self._http.post, SITE + path, json=value, headers={**_XHR, **headers})
        response = self._answer(post)
        if response.status_code in (401, 403):
            self._renew_session()
            response = self._answer(post)
        if response.status_code == 403 and self.fetch_athlete_id() is None:
            raise errors.SessionOver(f"the web session is over: {RENEWAL}")
        return self._json_of(response)

    def _answer(self, send: Callable[[], transport.Response]) -> transport.Response:
        """Return the answer to a request, after a pause if Strava asks for one.

        Raises Unreachable, LimitReached.
        """
        response = send()
        if response.status_code == 429 and self._waited_as_asked(response):
            response = send()
        if response.status_code == 429:
            response.close()
            raise errors.LimitReached(
                "www.strava.com asks for a pause (429): the next run goes on from here"
            )
        if response.status_code >= 500:
            response.close()
            raise errors.Unreachable(f"www.strava.com answers {response.status_code}")
        return response

    def _json_of(self, response: transport.Response) -> Any:
        """Return the JSON of an answer to a script. Raises as `get_json`."""
        location = response.headers.get("Location", "")
        if response.status_code == 401 or pages.redirect_target(location) is pages.Target.LOGIN:
            raise errors.SessionOver(f"the web session is over: {RENEWAL}")
        if response.status_code == 403:
            raise errors.Blocked("www.strava.com answers 403 (forbidden)", "403")
        if response.status_code != 200:
            raise errors.PageInstead(
                f"www.strava.com answers {response.status_code} instead of JSON"
            )
        try:
            value = response.json()
        except ValueError:
            raise errors.PageInstead("www.strava.com answers with a page instead of JSON") from None
        self.keep_renewed()
        return value

    def keep_renewed(self) -> None:
        """Store the cookies that Strava has renewed; call this after signed-in answers only."""
        self.keep(self.renewed())

    def renewed(self) -> Renewed:
        """Return the cookies after an answer, for `keep`."""
        return Renewed(
            self._cookie("strava_remember_token"),
            self._cookie("_strava4_session"),
            self._kept.get("session"),
        )

    def keep(self, cookies: Renewed) -> None:
        """Store renewed cookies, once their answer has proved to be a signed-in one.

        A session that a later answer has renewed meanwhile stays, because a session cookie does
        not show its age.
        """
        if cookies.jwt is not None and self._is_newer(cookies.jwt):
            self._keep("jwt", cookies.jwt)
        kept = self._kept.get("session")
        if kept is not None and kept == cookies.kept_session and is_storable(cookies.session):
            self._keep("session", cookies.session)

    def _get_once(
        self, path: str, stream: bool, headers: Mapping[str, str] | None
    ) -> transport.Response:
        # Downloads are requested without compression, so that Content-Length is the file's size.
        own = {"Accept-Encoding": "identity"} if stream else {}
        return self._http.get(SITE + path, stream=stream, headers={**own, **(headers or {})})

    def _renew_session(self) -> None:
        """Load a page that sets a fresh `_strava4_session`, if there is a JWT to create it from."""
        if "jwt" in self._kept:
            stale = [one for one in self._http.cookies if one.name == "_strava4_session"]
            for cookie in stale:
                self._http.cookies.clear(cookie.domain, cookie.path, cookie.name)
        self.get("/dashboard")

    def _waited_as_asked(self, response: transport.Response) -> bool:
        """Wait as `Retry-After` says, once per run and at most 15 minutes; return whether."""
        pause = pages.retry_after(response.headers, datetime.fromtimestamp(self._clock(), UTC))
        if self._has_waited or pause is None or pause > _LONGEST_WAIT:
            return False
        self._has_waited = True
        response.close()
        _log.info("www.strava.com asks for a pause (429): requests continue in %.0f s", pause)
        self._sleep(pause)
        return True

    def _present_credentials(self, login_refused_at: float | None) -> int | None:
        """Set the cookies of the best credential, or log in; return the athlete of a JWT."""
        jwt = parse_jwt(self._credentials.jwt) if self._credentials.jwt else None
        if jwt is not None and not is_plausible(jwt, self._clock()):
            raise errors.GarbledJwt(
                "[user] jwt says that it ends in more than a year, which none of Strava's does: "
                f"was it changed, or is the clock wrong? To renew it, {RENEWAL}"
            )
        if jwt is not None and jwt.expires_at > self._clock():
            # The token works only together with the id, and not with a stale _strava4_session
            # (https://github.com/pR0Ps/stravaweblib/issues/2).
            self._set_cookie("strava_remember_id", str(jwt.athlete_id))
            self._set_cookie("strava_remember_token", jwt.token)
            self._kept["jwt"] = jwt.token
            return jwt.athlete_id
        if self._credentials.session:
            self._set_cookie("_strava4_session", self._credentials.session)
            self._kept["session"] = self._credentials.session
        elif self._credentials.email and self._credentials.password:
            self._log_in(login_refused_at)
        elif jwt is not None:
            raise errors.SessionOver(f"[user] jwt has expired: {RENEWAL}")
        else:
            raise errors.LoginPaused("e-mail and password are not tried in a dry run")
        return None

    def _log_in(self, refused_at: float | None) -> None:
        if refused_at is not None and 0 <= self._clock() - refused_at < _LOGIN_PAUSE:
            raise errors.LoginPaused(
                "www.strava.com refused e-mail and password less than a day ago; repeated tries "
                f"lock accounts, so this run tries none. Better: {RENEWAL}"
            )
        answer = self._post_login()
        if answer is not pages.LoginAnswer.SIGNED_IN:
            raise _login_refused(answer)
        self._has_logged_in = True

    def _post_login(self) -> pages.LoginAnswer:
        """Post the log-in form once, like the website's own page; return the result.

        The form's token comes from /about, which is small and works signed in or not
        (https://github.com/pR0Ps/stravaweblib).
        """
        about = self.get("/about")
        fields = pages.csrf_fields(about.text)
        if not fields:
            return pages.classify_login(about.status_code, "", about.text)
        form = {
            "email": self._credentials.email,
            "password": self._credentials.password,
            "remember_me": "on",
            **fields,
        }
        response = self._http.post(SITE + "/session", data=form)
        if response.status_code >= 500:
            response.close()
            raise errors.Unreachable(f"www.strava.com answers {response.status_code}")
        answer = pages.classify_login(
            response.status_code, response.headers.get("Location", ""), response.text
        )
        if answer is pages.LoginAnswer.UNKNOWN and response.is_redirect:
            return self._reason_for_refusal()
        return answer

    def _reason_for_refusal(self) -> pages.LoginAnswer:
        """Return the refusal shown on the log-in page, to which a refused log-in redirects."""
        try:
            page = self.get("/login")
        except (errors.Unreachable, errors.LimitReached):
            # The log-in was refused all the same, and the caller has to record that.
            return pages.LoginAnswer.UNKNOWN
        return pages.classify_login(page.status_code, "", page.text)

    def _is_newer(self, token: str) -> bool:
        """Return whether a JWT from an answer may replace the one in use: it must be valid, belong
        to the same athlete, and last longer."""
        if token == self._kept.get("jwt") or not is_storable(token):
            return False
        try:
            renewed = parse_jwt(token)
            kept = parse_jwt(self._kept["jwt"]) if "jwt" in self._kept else None
        except errors.GarbledJwt:
            return False
        now = self._clock()
        return (
            renewed.athlete_id == self._athlete_id
            and max(now, kept.expires_at if kept else now) < renewed.expires_at
            and is_plausible(renewed, now)
        )

    def _keep(self, name: str, value: str) -> None:
        if self._kept.get(name) != value:
            self._kept[name] = value
            self._store(name, value)

    def _set_cookie(self, name: str, value: str) -> None:
        self._http.cookies.set(name, value, domain=".strava.com", path="/", secure=True)

    def _cookie(self, name: str) -> str | None:
        """Return the value of a cookie. If there are two (for the host and for the domain), the
        first is our own, so the later one counts."""
        values = [cookie.value for cookie in self._http.cookies if cookie.name == name]
        return next((value for value in reversed(values) if value), None)


_LOGIN_REFUSALS = {
    pages.LoginAnswer.WRONG_PASSWORD: "www.strava.com says that e-mail or password is wrong",
    pages.LoginAnswer.CODE_ASKED: (
        "www.strava.com asks for a code sent by e-mail, which a program cannot give"
    ),
    pages.LoginAnswer.CAPTCHA_ASKED: (
        "www.strava.com asks for a captcha or blocks the log-in, which only a human may solve"
    ),
    pages.LoginAnswer.LIMITED: "www.strava.com asks for a pause between log-ins (429)",
    pages.LoginAnswer.UNKNOWN: "www.strava.com refused the log-in without saying why",
}


def _login_refused(answer: pages.LoginAnswer) -> errors.LoginRefused:
    return errors.LoginRefused(f"{_LOGIN_REFUSALS[answer]}: {RENEWAL}")
