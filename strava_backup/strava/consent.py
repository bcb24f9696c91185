"""The OAuth consent: the address of its page, the answer to it, and the exchange for tokens.

https://developers.strava.com/docs/authentication. Opens no browser and asks no questions.
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

# The scopes that a backup requests, and the records that are missing without each.
SCOPES = {
    "read": "public data",
    "read_all": "routes that only you can see",
    "profile:read_all": "bikes and shoes that no activity names",
    "activity:read_all": "activities that only you can see",
}
_ACTIVITY_SCOPES = {"activity:read", "activity:read_all"}


class Consent(NamedTuple):
    """The authorization code, and its scopes; None if Strava names none."""

    code: str
    scopes: frozenset[str] | None

    def __repr__(self) -> str:
        return f"Consent(scopes={self.scopes})"

    @property
    def missing(self) -> list[str]:
        """The scopes that were requested and not granted."""
        return [] if self.scopes is None else [one for one in SCOPES if one not in self.scopes]


class Authorization(NamedTuple):
    """The refresh token of a consent, with the athlete's id and name if Strava sends them."""

    refresh_token: str
    athlete_id: int | None
    athlete_name: str

    def __repr__(self) -> str:
        return f"Authorization(athlete_id={self.athlete_id})"


def consent_address(client_id: str, redirect_uri: str, state: str) -> str:
    """Return the address of the consent page; `force` shows it even after an earlier consent."""
    query = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "approval_prompt": "force",
        "scope": ",".join(SCOPES),
        "state": state,
    }
    # Colons and commas stay unescaped, as in Strava's own examples.
    return f"{SITE}/oauth/authorize?{urlencode(query, safe=':,/')}"


def is_answer(address: str, state: str | None = None) -> bool:
    """Return whether the consent page redirects to this address, for that `state` if given."""
    query = _query(address)
    belongs = state is None or query.get("state") == state
    return belongs and not {"code", "error"}.isdisjoint(query)


def parse_answer(address: str, state: str) -> Consent:
    """Return the consent in the address that the page redirected to. Raises NotAuthorized.

    The scopes are checked before the exchange, because a new token with fewer scopes may replace
    the one in the config.
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
    """Exchange the code of a consent for a refresh token, without retries: a code works once.

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
            f"Strava's API answers {response.status_code} and sends no token: run strava-backup "
            "--authorize again later"
        )
    # The documentation says that a summary of the athlete is included; nothing depends on it.
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
            "Strava refuses the code (it works once, and for a short time): run "
            "strava-backup --authorize again"
        )
    return errors.AppRefused(
        f"Strava refuses the client id and the client secret: compare them with {SETTINGS}"
    )
