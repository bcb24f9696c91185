"""The athlete's consent to an API application: its page's address, its answer, and the tokens.

https://developers.strava.com/docs/authentication. Opens no browser, and asks no questions.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from strava_backup import errors
from strava_backup.secret_text import is_storable
from strava_backup.strava import transport
from strava_backup.strava.api import SETTINGS, app_error, error_entries
from strava_backup.strava.records import record_id
from strava_backup.strava.session import SITE

# What a backup asks for, and what it lacks without.
SCOPES = {
    "read": "what is public",
    "profile:read_all": "bikes and shoes that no activity names",
    "activity:read_all": "activities that only you can see",
}
_ACTIVITY_SCOPES = {"activity:read", "activity:read_all"}


class Consent(NamedTuple):
    """The code that stands for a consent, and its scopes; None where Strava names none."""

    code: str
    scopes: frozenset[str] | None

    def __repr__(self) -> str:
        return f"Consent(scopes={self.scopes})"

    @property
    def missing(self) -> list[str]:
        """The scopes that were asked for and not given."""
        return [] if self.scopes is None else [one for one in SCOPES if one not in self.scopes]


class Authorization(NamedTuple):
    """What a consent was traded for; the athlete's id and name as far as Strava tells them."""

    refresh_token: str
    athlete_id: int | None
    athlete_name: str

    def __repr__(self) -> str:
        return f"Authorization(athlete_id={self.athlete_id})"


def consent_address(client_id: str, redirect_uri: str, state: str) -> str:
    """The page on which the athlete is asked; it is shown also to who has consented before."""
    query = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "approval_prompt": "force",
        "scope": ",".join(SCOPES),
        "state": state,
    }
    # Colons and commas as in Strava's own examples.
    return f"{SITE}/oauth/authorize?{urlencode(query, safe=':,/')}"


def is_answer(address: str, state: str | None = None) -> bool:
    """Whether this is an address that the page leads to, to the question of that state if given."""
    query = _query(address)
    belongs = state is None or query.get("state") == state
    return belongs and not {"code", "error"}.isdisjoint(query)


def parse_answer(address: str, state: str) -> Consent:
    """What the address says that the page led to. Raises NotAuthorized.

    The scopes are looked at before the code is traded: a token with less than the one that the
    config has may take its place.
    """
    query = _query(address)
    if not is_answer(address, state):
        raise errors.NotAuthorized(
            "the answer does not belong to this question (wrong state), so it is ignored: "
            "run strava-backup --authorize again, and use the address that it shows then"
        )
    if "error" in query:
        raise errors.NotAuthorized(
            "Strava says that permission was denied: nothing was changed. Run strava-backup "
            "--authorize again to allow it; the website alone works without"
        )
    scope = query.get("scope")
    consent = Consent(query["code"], None if scope is None else frozenset(scope.split(",")))
    if consent.scopes is not None and not consent.scopes & _ACTIVITY_SCOPES:
        raise errors.NotAuthorized(
            "the permission has no scope for activities (activity:read_all), without which the "
            "API lists nothing: nothing was changed. Run strava-backup --authorize again and "
            "leave everything ticked"
        )
    return consent


def fetch_authorization(
    http: transport.Session, client_id: str, client_secret: str, code: str
) -> Authorization:
    """Trade the code of a consent for a refresh token; tried once, since a code is good once.

    Raises NotAuthorized, AppRefused, TooManyAthletes, ApiInactive, TryLater.
    """
    form = {
        "client_id": client_id,
        "client_secret": client_secret,
        "code": code,
        "grant_type": "authorization_code",
    }
    try:
        response = http.post(f"{SITE}/oauth/token", data=form)
    except errors.ItemError as error:
        raise errors.TryLater(f"{error}: run strava-backup --authorize again") from error
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.status_code in (400, 401, 403):
        raise _refusal(response.status_code, body)
    token = body.get("refresh_token") if isinstance(body, dict) else None
    if response.status_code != 200 or not is_storable(token):
        raise errors.TryLater(
            f"Strava's API answers {response.status_code} and gives no token: run strava-backup "
            "--authorize again later"
        )
    # It comes along "as a summary" by the documentation; nothing depends on it.
    athlete = body.get("athlete")
    if not isinstance(athlete, dict):
        return Authorization(token, None, "")
    names = [athlete.get(name) for name in ("firstname", "lastname")]
    return Authorization(
        token, record_id(athlete), " ".join(name for name in names if isinstance(name, str))
    )


def _query(address: str) -> dict[str, str]:
    try:
        query = urlsplit(address.strip()).query
    except ValueError:
        return {}
    return {name: values[0] for name, values in parse_qs(query).items()}


def _refusal(status: int, body: Any) -> errors.Error:
    if status == 403 and (error := app_error(body)):
        return error
    fields = [entry.get("field") for entry in error_entries(body)]
    if "code" in fields:
        return errors.NotAuthorized(
            "Strava does not take the code (it is good once, and for a short while): run "
            "strava-backup --authorize again"
        )
    return errors.AppRefused(
        f"Strava refuses the client id and the client secret: compare them with {SETTINGS}"
    )
