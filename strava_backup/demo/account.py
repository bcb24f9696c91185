"""The state of one athlete's account: activities, gear, tokens, sessions, limits, requests.

Independent of HTTP; api.py and website.py read requests and write answers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from strava_backup.demo import jwt, photos, samples
from strava_backup.demo.activity import ATHLETE_ID, Activity
from strava_backup.demo.gear import Bike, Shoe
from strava_backup.demo.limits import RateLimits
from strava_backup.demo.photos import Photo
from strava_backup.demo.saved_routes import SavedRoute, sample_routes
from strava_backup.demo.wire import Item, Response

ACCESS_TOKEN_LIFETIME = 6 * 60 * 60
# A refresh returns the same access token if more than this is left of its lifetime.
ACCESS_TOKEN_RENEWAL = 60 * 60
JWT_LIFETIME = 30 * 24 * 60 * 60

ALL_SCOPES = frozenset({"read", "read_all", "profile:read_all", "activity:read_all"})


@dataclass
class LoggedRequest:
    """A request, its time, and the status of its answer (0: no answer)."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    kind: str
    id: Item | None
    at: float
    status: int = 0


class Tokens(NamedTuple):
    """The result of a refresh."""

    access_token: str
    refresh_token: str
    expires_at: int
    expires_in: int


class TokenRefused(Exception):
    """A request for tokens was refused; `field` names the wrong value."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class Visit(NamedTuple):
    """The website's reading of a request's cookies: signed in or not, and new cookies to set."""

    signed_in: bool
    session: str | None = None
    jwt: str | None = None


class Fault(Protocol):
    """A failure that replaces or changes answers; the tests have an implementation."""

    times: int | None

    @property
    def replaces(self) -> bool:
        """Whether the fault replaces the whole answer."""

    def names(self, kind: str, item: Item | None) -> bool:
        """Return whether the fault affects this request now."""

    def replacement(self, *, api: bool, item: Item | None) -> Response:
        """Return the answer that replaces the account's."""

    def change(self, answer: Response) -> Response:
        """Return the account's answer, damaged."""


class Account:
    """A made-up account. Its plain attributes may be changed at any time."""

    def __init__(
        self,
        athlete_id: int = ATHLETE_ID,
        activities: Iterable[Activity] = (),
        clock: Callable[[], float] = time.time,
        limits: RateLimits | None = None,
        gear: Iterable[Bike | Shoe] = (),
        routes: Iterable[SavedRoute] = (),
    ) -> None:
        self.athlete_id = athlete_id
        self.clock = clock
        self.limits = limits or RateLimits()
        self.lock = threading.RLock()
        # by id; the gear in an activity's detail is derived from it
        self.gear = {one.id: one for one in gear}
        self.routes = {one.id: one for one in routes}
        # the athlete's unit of distance: "km" or "mi"
        self.units = "km"
        # the language of the website's bike pages and list: "en", "de" or "fr"
        self.language = "en"
        self._activities: dict[int, Activity] = {}
        for activity in activities:
            self.add(activity)

        self.client_id = "54321"
        self.client_secret = hashlib.sha256(b"secret of the made-up app").hexdigest()[:40]
        self.scopes = set(ALL_SCOPES)
        self.rotates_refresh_token = True
        self.app_inactive = False

        self.email = "ada@example.org"
        self.password = "correct horse battery staple"
        # the website's answer to a password: "works", "captcha", "code", "waf" or "limited"
        self.login_mode = "works"
        # seconds before its expiry at which a JWT is renewed; None, since no renewal is known
        self.renews_jwt_within: float | None = None
        # True: scripts of the website accept the remember cookies only after a page of /dashboard
        self.remember_needs_dashboard = False
        # activities that the website's list counts but does not show
        self.hidden_from_web: set[int] = set()
        # the number of activities that the list's total counts too many
        self.web_total_extra = 0
        # False: exports are sent chunked, without Content-Length
        self.announce_lengths = True

        self.faults: list[Fault] = []
        self.requests: list[LoggedRequest] = []
        self.unknown_requests: list[LoggedRequest] = []
        # requests that sent a cookie or a token to a host that is not Strava's
        self.leaks: list[LoggedRequest] = []

        self._issued = 0
        self._access_tokens: dict[str, int] = {}
        self.refresh_token = self._secret("refresh")
        # unused authorization code -> the scopes that it grants
        self._codes: dict[str, set[str]] = {}
        self._era = 0
        self._sessions: set[str] = set()
        # the sessions created from the remember cookies by other pages than /dashboard
        self._page_sessions: set[str] = set()
        self._refused_logins: set[str] = set()

    @classmethod
    def sample(
        cls,
        clock: Callable[[], float] = time.time,
        limits: RateLimits | None = None,
        *,
        photos: bool = True,
        gear: bool = True,
        routes: bool = True,
        problems: bool = False,
    ) -> Account:
        """Return an account of about two dozen activities, of every kind in real accounts.

        With `problems` there are also photos that are not available.
        """
        activities = samples.sample_activities()
        samples.add_private_notes(activities)
        if photos:
            samples.add_photos(activities)
        if problems:
            samples.add_problems(activities)
        if gear:
            samples.use_gear(activities)
        return cls(
            activities=activities,
            clock=clock,
            limits=limits or RateLimits(1000, 10_000),
            gear=samples.sample_gear() if gear else (),
            routes=sample_routes() if routes else (),
        )

    @classmethod
    def of(
        cls,
        count: int,
        clock: Callable[[], float] = time.time,
        limits: RateLimits | None = None,
        *,
        photos: bool = True,
        gear: bool = True,
    ) -> Account:
        """Return an account of `count` activities: mostly FIT, one in ten manual, one in five with
        photos."""
        activities = samples.numbered(count)
        if photos:
            samples.add_numbered_photos(activities)
        if gear:
            samples.use_numbered_gear(activities)
        return cls(
            activities=activities,
            clock=clock,
            limits=limits or RateLimits(1000, 10_000),
            gear=samples.sample_gear() if gear else (),
        )

    @property
    def activities(self) -> list[Activity]:
        """Return all activities, newest first."""
        by_age = sorted(self._activities.values(), key=lambda one: (one.started, one.id))
        return [self._current(activity) for activity in by_age[::-1]]

    def activity(self, activity_id: int) -> Activity | None:
        """Return the activity with that id."""
        activity = self._activities.get(activity_id)
        return activity and self._current(activity)

    def add(self, activity: Activity) -> None:
        """Add an activity, or replace the one with the same id."""
        activity.detail["athlete"] = {"id": self.athlete_id, "resource_state": 1}
        self._activities[activity.id] = self._current(activity)

    def remove(self, activity_id: int) -> None:
        """Delete an activity."""
        del self._activities[activity_id]

    def edit(self, activity_id: int, **fields: Any) -> None:
        """Change fields of an activity, in its detail and its summary.

        Fields that are derived from its photos and its gear cannot be changed here.
        """
        activity = self._activities[activity_id]
        activity.detail.update(fields)
        for name in fields:
            activity.summary_changes.pop(name, None)
        self._current(activity)

    def ride(self, gear_id: str, metres: float) -> None:
        """Add the distance to a bike or a pair of shoes."""
        self.gear[gear_id].ride(metres)

    def picture_at(self, address: str) -> tuple[Photo, bytes] | None:
        """Return the photo at an address, and the bytes of its picture."""
        for activity in self._activities.values():
            for photo in activity.photos:
                content = photo.found_at(address)
                if content is not None:
                    return photo, content
        return None

    def video_file_at(self, address: str) -> tuple[Photo, str, bytes] | None:
        """Return the video with a file at an address, and the kind and the content of the file."""
        for activity in self._activities.values():
            for photo in activity.photos:
                found = photo.video_file_at(address)
                if found is not None:
                    return photo, *found
        return None

    def refresh(self, client_id: str, client_secret: str, refresh_token: str) -> Tokens:
        """Exchange a refresh token for an access token.

        A new access token comes with a new refresh token, and the old one becomes invalid ("Once a
        new refresh token code has been returned, the older code will no longer work",
        https://developers.strava.com/docs/authentication). While more than an hour is left, both
        stay the same.
        """
        if client_id != self.client_id:
            raise TokenRefused("client_id")
        if client_secret != self.client_secret:
            raise TokenRefused("client_secret")
        if refresh_token != self.refresh_token:
            raise TokenRefused("refresh_token")
        return self._present_tokens() or self._fresh_tokens()

    def consent(self, scopes: Iterable[str]) -> str:
        """Return a code that grants an app these scopes and is valid for one exchange."""
        code = self._secret("code")
        self._codes[code] = set(scopes)
        return code

    def exchange(self, client_id: str, client_secret: str, code: str) -> Tokens:
        """Exchange a code for tokens; the account's scopes are those of the code from then on.

        The refresh token of an earlier consent becomes invalid; Strava's behaviour is not known.
        """
        if client_id != self.client_id:
            raise TokenRefused("client_id")
        if client_secret != self.client_secret:
            raise TokenRefused("client_secret")
        if code not in self._codes:
            raise TokenRefused("code")
        self.scopes = self._codes.pop(code)
        self.refresh_token = self._secret("refresh")
        access_token, expires_at = self._fresh_access_token()
        return Tokens(access_token, self.refresh_token, expires_at, ACCESS_TOKEN_LIFETIME)

    def issue_access_token(self) -> str:
        """Return a valid access token, as after a refresh."""
        return self._fresh_access_token()[0]

    def access_token_valid(self, token: str) -> bool:
        """Return whether the API accepts this access token now."""
        return self._access_tokens.get(token, 0) > self.clock()

    def end_access_tokens(self) -> None:
        """Refuse all access tokens issued so far; the refresh token stays valid."""
        self._access_tokens.clear()

    def revoke(self) -> None:
        """Refuse all access and refresh tokens issued so far; there is a new `refresh_token`."""
        self.end_access_tokens()
        self.refresh_token = self._secret("refresh")

    @property
    def reads_activities(self) -> bool:
        """Return whether the scopes allow the app to read activities."""
        return bool(self.scopes & {"activity:read", "activity:read_all"})

    @property
    def reads_profile(self) -> bool:
        """Return whether the scopes allow the app to read the whole profile."""
        return "profile:read_all" in self.scopes

    @property
    def reads_routes(self) -> bool:
        """Return whether the scopes allow the app to read routes."""
        return bool(self.scopes & {"read", "read_all"})

    def visible_route(self, route: SavedRoute) -> bool:
        """Return whether the scopes allow the app to read this route."""
        return "read_all" in self.scopes or not route.private

    @property
    def newest_routes(self) -> list[SavedRoute]:
        """Return all routes, newest first, which is our guess of the order in both lists."""
        return sorted(self.routes.values(), key=lambda route: route.id, reverse=True)

    def visible(self, activity: Activity) -> bool:
        """Return whether the scopes allow the app to read this activity."""
        return "activity:read_all" in self.scopes or not activity.only_me

    def issue_jwt(
        self, expires_in: float = JWT_LIFETIME, sub: int | None = None, sub_as_string: bool = False
    ) -> str:
        """Return a `strava_remember_token`, valid for 30 days like Strava's own by default."""
        owner = self.athlete_id if sub is None else sub
        now = int(self.clock())
        payload = {
            "iss": "com.strava.athletes",
            "sub": str(owner) if sub_as_string else owner,
            "iat": now,
            "exp": int(now + expires_in),
            "email": base64.b64encode(self._hmac(self.email)).decode(),
        }
        return jwt.encode(payload, self._jwt_key())

    def issue_session(self) -> str:
        """Return a signed-in `_strava4_session`."""
        session = self._secret("session")
        self._sessions.add(session)
        return session

    def end_sessions(self) -> None:
        """Refuse all cookies and JWTs issued so far."""
        self._era += 1
        self._sessions.clear()
        self._page_sessions.clear()

    def knows_session(self, cookies: Mapping[str, str]) -> bool:
        """Return whether `_strava4_session` alone signs in."""
        return cookies.get("_strava4_session") in self._sessions

    def visit(self, cookies: Mapping[str, str], *, dashboard: bool = False) -> Visit:
        """Return whether these cookies sign in to a page, and the cookies that it sets.

        The pair of `strava_remember_id` and `strava_remember_token` is enough, and creates a new
        `_strava4_session` (https://github.com/pR0Ps/stravaweblib/issues/2), also to replace a stale
        one (andreped/AndreOS, docs/strava-feed.md).
        """
        payload = self._remembered(cookies)
        renewed = self._renewed(payload)
        known = self.knows_session(cookies)
        if known and (payload is None or not dashboard or self._signs_in_scripts(cookies)):
            return Visit(True, jwt=renewed)
        if payload is None:
            return Visit(False)
        return Visit(True, self._session_of_pair(dashboard), renewed)

    def visit_by_script(self, cookies: Mapping[str, str]) -> Visit:
        """Return whether these cookies sign in a script of the website's pages (XHR).

        The remember pair is enough without a session (https://github.com/vmiklos/vmexam,
        strava-mirror), but does not replace a stale one; nor a missing one if
        `remember_needs_dashboard` is set (andreped/AndreOS, docs/strava-feed.md).
        """
        payload = self._remembered(cookies)
        if self._signs_in_scripts(cookies):
            return Visit(True, jwt=self._renewed(payload))
        if payload is None or self.remember_needs_dashboard or cookies.get("_strava4_session"):
            return Visit(False)
        return Visit(True, self._session_of_pair(dashboard=False), self._renewed(payload))

    def anonymous_session(self) -> str:
        """Return a `_strava4_session` that is not signed in; it is shorter than the others."""
        return self._secret("anonymous")[:21]

    def csrf_token(self, session: str) -> str:
        """Return the authenticity token of the forms shown to that session."""
        return base64.b64encode(self._hmac(f"csrf {session}")).decode()

    def script_token(self) -> str:
        """Return the token that scripts of the website's newer pages send with a POST."""
        return self._hmac(f"script token {self._era}").hex()[:40]

    def refuse_login(self, session: str) -> None:
        """Record that the log-in page has to show a wrong password to this session."""
        self._refused_logins.add(session)

    def login_was_refused(self, session: str) -> bool:
        """Return whether the log-in page has to show a wrong password; true once per refusal."""
        refused = session in self._refused_logins
        self._refused_logins.discard(session)
        return refused

    def take_fault(self, kind: str, item: Item | None) -> Fault | None:
        """Return the first fault that affects this request, and count it as used once."""
        fault = next((fault for fault in self.faults if fault.names(kind, item)), None)
        if fault and fault.times is not None:
            fault.times -= 1
        return fault

    def _current(self, activity: Activity) -> Activity:
        """Return the activity, with the photos and gear in its detail updated."""
        activity.detail.update(photos.counts(activity.photos))
        gear = self.gear.get(activity.detail["gear_id"] or "")
        if gear:
            activity.detail["gear"] = gear.summary(self.units)
        else:
            activity.detail.pop("gear", None)
        return activity

    def _present_tokens(self) -> Tokens | None:
        if not self._access_tokens:
            return None
        token, expires_at = max(self._access_tokens.items(), key=lambda item: item[1])
        left = int(expires_at - self.clock())
        if left <= ACCESS_TOKEN_RENEWAL:
            return None
        return Tokens(token, self.refresh_token, expires_at, left)

    def _fresh_tokens(self) -> Tokens:
        access_token, expires_at = self._fresh_access_token()
        if self.rotates_refresh_token:
            self.refresh_token = self._secret("refresh")
        return Tokens(access_token, self.refresh_token, expires_at, ACCESS_TOKEN_LIFETIME)

    def _fresh_access_token(self) -> tuple[str, int]:
        token, expires_at = self._secret("access"), int(self.clock()) + ACCESS_TOKEN_LIFETIME
        self._access_tokens[token] = expires_at
        return token, expires_at

    def _signs_in_scripts(self, cookies: Mapping[str, str]) -> bool:
        if self.remember_needs_dashboard and cookies.get("_strava4_session") in self._page_sessions:
            return False
        return self.knows_session(cookies)

    def _session_of_pair(self, dashboard: bool) -> str:
        session = self.issue_session()
        if not dashboard:
            self._page_sessions.add(session)
        return session

    def _remembered(self, cookies: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the payload of a valid remember pair; the id "must exist" and match the token."""
        payload = jwt.decode(cookies.get("strava_remember_token", ""), self._jwt_key())
        if payload is None or payload["exp"] <= self.clock():
            return None
        same = str(payload["sub"]) == cookies.get("strava_remember_id") == str(self.athlete_id)
        return payload if same else None

    def _renewed(self, payload: dict[str, Any] | None) -> str | None:
        if payload is None or self.renews_jwt_within is None:
            return None
        soon = payload["exp"] - self.clock() < self.renews_jwt_within
        return self.issue_jwt() if soon else None

    def _jwt_key(self) -> bytes:
        return self._hmac(f"jwt {self._era}")

    def _hmac(self, text: str) -> bytes:
        return hmac.new(f"account {self.athlete_id}".encode(), text.encode(), "sha256").digest()

    def _secret(self, purpose: str) -> str:
        """Return a new secret: unique per account, and the same sequence in every run."""
        self._issued += 1
        digest = self._hmac(f"{purpose} {self._issued}")
        if purpose in ("session", "anonymous"):
            return base64.b32encode(digest).decode().lower()[:32]
        return digest.hex()[:40]
