"""The API as a source of activities. The only module that uses stravalib.

Only stravalib's transport, token handling and errors are used. Its models drop unknown fields and
reject others, so records are passed on unchanged.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from strava_backup import errors
from strava_backup.secret_text import is_storable
from strava_backup.strava import transport
from strava_backup.strava.background import call_in_background, result_of
from strava_backup.strava.budget import Budget
from strava_backup.strava.records import (
    Activity,
    Checkpoint,
    Deduplicator,
    ListingResult,
    Record,
    gear_of_athlete,
    is_id,
    record_id,
)
from strava_backup.strava.routes import RouteDeduplicator

if TYPE_CHECKING:
    from stravalib import Client
    from stravalib.exc import Fault

SETTINGS = "https://www.strava.com/settings/api"

_TOO_MANY = "Limit of connected athletes exceeded"
_PER_PAGE = 200
# A page with fewer entries is the last one, since no server uses a smaller page size.
_SHORTEST_FULL_PAGE = 10
# 20,000 photos of one activity, at _PER_PAGE each.
_MOST_PHOTO_PAGES = 100
# 20,000 comments or kudos of one activity, at _PER_PAGE each.
_MOST_LIST_PAGES = 100
_LONGEST_CURSOR = 1000
# 20,000 routes.
_MOST_ROUTE_PAGES = 100
_LARGEST_PICTURE = 5000
# Seconds before its expiry at which an access token (valid for 6 hours) is renewed.
_TOKEN_MARGIN = 300.0
# An upper bound for plausible expiry times, in seconds since the epoch.
_END_OF_TIME = 10**11


T = TypeVar("T")


class App(NamedTuple):
    """The user's own API application and the permission given to it."""

    client_id: str
    client_secret: str
    refresh_token: str
    base_url: str

    def __repr__(self) -> str:
        return f"App(client_id={self.client_id}, base_url={self.base_url})"


class ApiSource:
    """Lists activities and fetches their details. The constructor makes no request.

    Details, photo lists and gear may be fetched from several threads.

    `store(name, value)` is called with a new refresh token before any other request is made,
    because the old token is invalid from then on.
    """

    name = "api"
    has_details = True
    # The API's list does not say how long it is.
    total: int | None = None

    def __init__(
        self,
        http: transport.Session,
        app: App,
        *,
        store: Callable[[str, str], None],
        clock: Callable[[], float] = time.time,
        waits: Callable[[str], None] = lambda state: None,
    ) -> None:
        self._http = http
        self._app = app
        self._refresh_token = app.refresh_token
        self._store = store
        self._clock = clock
        self._budget = Budget(clock, http.sleep, waits)
        http.when_broken_off(self.stop_waiting)
        self._has_signed_in = False
        self._renewing = threading.Lock()
        self._client: Client | None = None
        self._renewals = 0
        self._expires_at = 0.0
        self._athlete: Record = {}
        self._first_page: list[Any] | None = None
        self.listing_result: ListingResult | None = None

    def sign_in(self) -> int:
        """Get an access token and return the athlete's id.

        Raises RefreshTokenDead, AppRefused, ApiInactive, TryLater and the like.
        """
        athlete = self._get("/athlete")
        athlete_id = record_id(athlete)
        if athlete_id is None:
            raise errors.TryLater("Strava's API does not say which athlete the token belongs to")
        self._athlete = athlete
        # Only this request shows whether the token may read activities; the listing uses the page.
        self._first_page = self._fetch_page(1)
        self._has_signed_in = True
        return athlete_id

    def stop_waiting(self) -> None:
        """End all waits for the API's limits; the waiting calls raise LimitReached."""
        self._budget.close()

    def fetch_activities(self, known: Checkpoint) -> Iterator[list[Any]]:
        """All records of the athlete's list, newest first, no id twice, whatever is known.

        Pages are requested until one is empty, because a short page need not be the last
        (https://developers.strava.com/docs/#Pagination), and an upload during the listing shifts
        the pages. Raises ScopeMissing, TryLater and the like if the list is incomplete.
        """
        unseen = Deduplicator("the list of activities")
        needed = -(-len(known.activity_ids) // _PER_PAGE)
        for page, records in enumerate(self._fetch_pages(needed), 1):
            if new := unseen.of(records, page):
                yield new
        self.listing_result = ListingResult(is_whole=True, surplus=None)

    def fetch_new_photos(self, known: Checkpoint) -> Iterator[list[Any]]:
        """Yield nothing: the API lists the photos of each activity separately."""
        yield from ()

    def fetch_gear_summaries(self) -> dict[str, Record] | None:
        """Return the athlete's bikes and shoes by id, from the athlete's record; no request."""
        return gear_of_athlete(self._athlete)

    def fetch_activity(self, activity_id: int) -> Record:
        """Return the detail of one activity. Raises Refused, Unreachable and the fatal errors."""
        record = self._get(f"/activities/{activity_id}")
        if record_id(record) != activity_id:
            raise errors.ItemError("the API answers with something that is not this activity")
        return record  # type: ignore[no-any-return]

    def fetch_photos(self, activity: Activity) -> list[Any]:
        """Return all entries of an activity's photo list, with the largest pictures available.

        The endpoint is not documented; a size of 5000 pixels returns the largest picture
        (https://github.com/stravalib/stravalib/issues/94). Pages are requested until the listed
        count is reached or a page contains nothing new. Raises the errors of `fetch_activity`, and
        PageChanged if the list does not end.
        """
        entries: dict[str, Any] = {}
        expected = _photo_count(activity.record)
        for page in range(1, _MOST_PHOTO_PAGES + 1):
            new = self._get(
                f"/activities/{activity.id}/photos",
                size=_LARGEST_PICTURE,
                photo_sources="true",
                page=page,
                per_page=_PER_PAGE,
            )
            if not isinstance(new, list):
                raise errors.ItemError("the API answers with something that is no photo list")
            # A server without pagination sends the same entries again.
            before = len(entries)
            entries |= {json.dumps(entry, sort_keys=True): entry for entry in new}
            is_whole = len(entries) >= expected or len(new) < _SHORTEST_FULL_PAGE
            if is_whole or len(entries) == before:
                return list(entries.values())
        raise errors.PageChanged(
            f"the API's list of photos does not end: {len(entries):,} up to page {page}"
        )

    def fetch_gear(self, gear_id: str) -> Record:
        """Return the detail of a bike or a pair of shoes. Raises the errors of `fetch_activity`."""
        record = self._get(f"/gear/{gear_id}")
        if not isinstance(record, dict) or record.get("id") != gear_id:
            raise errors.ItemError("the API answers with something that is not this gear")
        return record

    def fetch_comments(self, activity_id: int, count: int) -> list[Any]:
        """Return an activity's comments; `count` is their number in the listing.

        Strava deprecated `page` and `per_page` here in 2022, in favour of `page_size` and
        `after_cursor` (https://developers.strava.com/docs/changelog). Pages are requested until
        the count is reached or a page contains nothing new. Raises the errors of `fetch_activity`,
        and PageChanged if the list breaks off or does not end.
        """
        entries: dict[str, Any] = {}
        query: dict[str, Any] = {}
        for _ in range(_MOST_LIST_PAGES):
            path = f"/activities/{activity_id}/comments"
            new = self._get_list(path, "comments", page_size=_PER_PAGE, **query)
            before = len(entries)
            entries |= {_comment_key(entry): entry for entry in new}
            is_whole = len(entries) >= count or len(new) < _SHORTEST_FULL_PAGE
            if is_whole or len(entries) == before:
                return list(entries.values())
            query = {"after_cursor": _cursor(new[-1])}
        raise errors.PageChanged(f"the API's list of comments does not end: {len(entries):,}")

    def fetch_kudos(self, activity_id: int, count: int) -> list[Any]:
        """Return an activity's kudos; `count` is their number in the listing.

        They have only first names and initials (recorded by bikeindex/bike_index), so that equal
        entries may be two people. Raises as `fetch_comments`.
        """
        entries: list[Any] = []
        last: list[Any] = []
        for page in range(1, _MOST_LIST_PAGES + 1):
            path = f"/activities/{activity_id}/kudos"
            new = self._get_list(path, "kudos", page=page, per_page=_PER_PAGE)
            # A server without pagination sends the same page again.
            entries += [] if new == last else new
            is_whole = len(entries) >= count or len(new) < _SHORTEST_FULL_PAGE
            if is_whole or new == last:
                return entries
            last = new
        raise errors.PageChanged(f"the API's list of kudos does not end: {len(entries):,}")

    def _get_list(self, path: str, kind: str, **query: Any) -> list[Any]:
        """Return a page of a list. Raises ItemError if the answer is something else."""
        answer = self._get(path, **query)
        if not isinstance(answer, list):
            raise errors.ItemError(f"the API answers with something that is no list of {kind}")
        return answer

    def fetch_routes(self) -> Iterator[list[Any]]:
        """Yield pages of the routes that the athlete created, without private ones if the token
        lacks the scope read_all (https://developers.strava.com/docs/reference/#api-Routes).

        Pages are requested until one is too short for a full one, or has nothing new. Raises the
        errors of `fetch_activity`, and NotPermitted.
        """
        unseen = RouteDeduplicator()
        athlete_id = record_id(self._athlete)
        for page in range(1, _MOST_ROUTE_PAGES + 1):
            path = f"/athletes/{athlete_id}/routes"
            records = self._get(path, page=page, per_page=_PER_PAGE)
            if not isinstance(records, list):
                raise errors.ItemError("the API answers with something that is no list of routes")
            before = unseen.count
            if new := unseen.of(records):
                yield new
            if len(records) < _SHORTEST_FULL_PAGE or unseen.count == before:
                return
        raise errors.PageChanged(f"the API's list of routes does not end: {unseen.count:,} routes")

    @contextmanager
    def download_route(self, route_id: str) -> Iterator[transport.Download]:
        """Return the GPX of a route. Raises the errors of `fetch_activity`, and NotPermitted."""
        response = self._request(partial(self._fetch_file, f"/routes/{route_id}/export_gpx"))
        try:
            yield transport.Download(f"{route_id}.gpx", response.read_chunks())
        finally:
            response.close()

    def _fetch_pages(self, needed: int) -> Iterator[list[Any]]:
        """Yield the pages before the first empty one.

        While the caller handles a page, the next one is requested concurrently, and a second one
        as long as both are among the `needed` pages of the known activities.
        """
        coming: deque[Future[list[Any]]] = deque()
        came = asked = 0
        records: list[Any] = []
        while True:
            while len(coming) < (2 if came + 2 <= needed else 1):
                asked += 1
                coming.append(call_in_background(partial(self._fetch_page, asked)))
            if came:
                yield records
            records = result_of(coming.popleft())
            came += 1
            if not records:
                return

    def _fetch_page(self, page: int) -> list[Any]:
        if page == 1 and self._first_page is not None:
            first_page, self._first_page = self._first_page, None
            return first_page
        try:
            records = self._get("/athlete/activities", page=page, per_page=_PER_PAGE)
        except errors.ItemError as error:
            raise errors.TryLater(
                f"the list of activities broke off at page {page}: {error}"
            ) from error
        if not isinstance(records, list):
            raise errors.TryLater(f"page {page} of the list of activities is no list")
        return records

    def _get(self, path: str, **query: Any) -> Any:
        """Return the JSON in the answer to a GET."""
        return self._request(partial(self._fetch_json, path, query))

    def _request(self, fetch: Callable[[Client], T]) -> T:
        """Return the answer to a request. An error that ends the run also ends all waits."""
        try:
            return self._request_signed_in(fetch)
        except (errors.HumanNeeded, errors.TryLater):
            self.stop_waiting()
            raise

    def _request_signed_in(self, fetch: Callable[[Client], T]) -> T:
        """Return the answer to a request; a refused access token is renewed once."""
        client, renewals = self._signed_in_client()
        try:
            return self._request_patiently(client, fetch)
        except errors.AccessTokenRefused:
            client, _ = self._signed_in_client(refused=renewals)
            return self._request_patiently(client, fetch)

    def _request_patiently(self, client: Client, fetch: Callable[[Client], T]) -> T:
        """Return the answer to a request, repeated in the next quarter of the hour after an
        unexpected 429."""
        try:
            return fetch(client)
        except errors.LimitReached:
            # Before the sign-in is complete, the whole run is repeated later instead.
            if self._budget.is_closed or not self._has_signed_in:
                raise
        return fetch(client)

    def _fetch_json(self, path: str, query: dict[str, Any], client: Client) -> Any:
        with self._budget.request() as answered, _our_errors():
            # A copy for each request, so that its answer is counted for the quarter it began in.
            protocol = copy.copy(client.protocol)
            protocol.rate_limiter = lambda headers, method: answered(headers)
            # An absolute address, since stravalib's own base serves the token endpoint too, which
            # stays where it is when the API moves (https://github.com/stravalib/stravalib/issues/737).
            return protocol.get(self._app.base_url + path, **query)

    def _fetch_file(self, path: str, client: Client) -> transport.Response:
        """Return an answer whose body is a file, unread; stravalib itself parses every body."""
        from stravalib import exc

        with self._budget.request() as answered, _our_errors():
            headers = {
                "Authorization": f"Bearer {client.access_token}",
                "Accept-Encoding": "identity",
            }
            response = self._http.get(self._app.base_url + path, headers=headers, stream=True)
            answered(response.headers)
            if response.status_code != 200:
                response.read()
                raise exc.Fault(str(response.status_code), response=response)
            return response

    def _signed_in_client(self, refused: int = 0) -> tuple[Client, int]:
        """Return the client with a valid access token, and the number of renewals so far.

        `refused` is the number of the token that the API refused. If several threads find the
        token expired, the lock lets one renew it, and the others use the new token.
        """
        with self._renewing:
            client = self._client = self._client or self._make_client()
            lasts = self._expires_at - self._clock() >= _TOKEN_MARGIN
            if not lasts or self._renewals == refused:
                self._renew_access_token(client)
            return client, self._renewals

    def _make_client(self) -> Client:
        from stravalib import Client

        client = Client(requests_session=self._http, rate_limit_requests=False)
        # Left to itself, stravalib renews tokens without telling, and the new one would be lost.
        client.protocol.client_id = None
        return client

    def _renew_access_token(self, client: Client) -> None:
        with _our_errors(renewing=True):
            tokens = client.refresh_access_token(
                client_id=int(self._app.client_id),
                client_secret=self._app.client_secret,
                refresh_token=self._refresh_token,
            )
        refresh_token, expires_at = tokens["refresh_token"], tokens["expires_at"]
        texts = tokens["access_token"], refresh_token
        is_known = all(isinstance(text, str) and text for text in texts)
        if not is_known or type(expires_at) is not int or not 0 < expires_at < _END_OF_TIME:
            # Storing anything else would overwrite the token that still works.
            raise errors.PageInstead("Strava's API sends tokens in an unknown form")
        if not all(map(is_storable, texts)):
            raise errors.TryLater(
                "Strava's API sends a token that is not one line of plain text, so it is not "
                "used, and the old one stays"
            )
        if refresh_token != self._refresh_token:
            self._refresh_token = refresh_token
            self._store("refresh_token", refresh_token)
        self._renewals += 1
        self._expires_at = float(expires_at)


@contextmanager
def _our_errors(*, renewing: bool = False) -> Iterator[None]:
    """Convert stravalib's exceptions to ours; `transport` raises our errors already."""
    from stravalib import exc

    try:
        yield
    except errors.Error:
        raise
    except exc.Fault as fault:
        raise (_token_error(fault) if renewing else _api_error(fault)) from fault
    except ValueError as error:
        raise errors.PageInstead("Strava's API answers with a page instead of JSON") from error
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise errors.PageInstead("Strava's API answers in an unknown form") from error


def _comment_key(entry: Any) -> str:
    """Return the id of a comment, or all of it, to recognise one that is sent again."""
    comment_id = record_id(entry)
    return json.dumps(entry, sort_keys=True) if comment_id is None else str(comment_id)


def _cursor(comment: Any) -> str:
    """Return the cursor that leads to the comments after this one. Raises PageChanged."""
    cursor = comment.get("cursor") if isinstance(comment, dict) else None
    if not isinstance(cursor, str) or not 0 < len(cursor) <= _LONGEST_CURSOR:
        raise errors.PageChanged("the API's list of comments does not lead on to its next page")
    return cursor


def _photo_count(record: Record) -> int:
    count = record.get("total_photo_count")
    return count if is_id(count) else 0


def _token_error(fault: Fault) -> errors.Error:
    status = _status(fault)
    if status == 403 and (error := app_error(_body(fault))):
        return error
    if any(error.get("resource") == "RefreshToken" for error in _details(fault)):
        return errors.RefreshTokenDead(
            "Strava does not know [api] refresh_token (any more): run strava-backup --authorize"
        )
    if status in (400, 401, 403):
        return errors.AppRefused(
            f"Strava refuses [api] client_id and client_secret: compare them with {SETTINGS}"
        )
    return _passing_error(status)


def app_error(body: Any) -> errors.Error | None:
    """Return the error of the application itself in the body of a 403; None if there is none."""
    message = body.get("message") if isinstance(body, dict) else None
    if isinstance(message, str) and _TOO_MANY in message:
        return errors.TooManyAthletes(
            "Strava says that your application has reached its limit of connected athletes: "
            f"disconnect one, or have the limit raised, at {SETTINGS}"
        )
    if any(str(entry.get("code")).lower() == "inactive" for entry in error_entries(body)):
        return _inactive()
    return None


def _inactive() -> errors.Error:
    return errors.ApiInactive(
        "Strava's API says that your application is inactive: since June 2026 its owner needs a "
        f"Strava subscription, and has to activate it again at {SETTINGS}"
    )


def _api_error(fault: Fault) -> errors.Error:
    from stravalib import exc

    if isinstance(fault, exc.ApplicationInactive):
        return _inactive()
    status = _status(fault)
    if status == 403 and (error := app_error(_body(fault))):
        return error
    if status == 401:
        return _access_error(fault)
    if status == 404:
        return errors.Refused("Strava's API answers 404 (not found)", "404")
    if status == 403:
        return errors.Blocked("Strava's API answers 403 (forbidden)", "403")
    return _passing_error(status)


def _access_error(fault: Fault) -> errors.Error:
    for detail in _details(fault):
        field = str(detail.get("field"))
        if field.startswith("activity:"):
            return errors.ScopeMissing(
                f"[api] refresh_token lacks the scope {field.replace('_permission', '_all')}: "
                "run strava-backup --authorize and leave everything ticked"
            )
        # The names that Strava uses for the scopes of routes are not known.
        if field.startswith("read"):
            return errors.NotPermitted("[api] refresh_token lacks the scope read_all")
    return errors.AccessTokenRefused("Strava's API refuses the access token that it issued")


def _passing_error(status: int) -> errors.Error:
    if status == 429:
        return errors.LimitReached(
            "Strava's API limit is reached (429): the next run goes on from here"
        )
    if status >= 500:
        return errors.Unreachable(f"Strava's API answers {status}")
    return errors.ItemError(f"Strava's API answers {status}")


def _status(fault: Fault) -> int:
    return fault.response.status_code if fault.response is not None else 0


def _details(fault: Fault) -> list[dict[str, Any]]:
    return error_entries(_body(fault))


def _body(fault: Fault) -> Any:
    try:
        return fault.response.json() if fault.response is not None else None
    except ValueError:
        return None


def error_entries(body: Any) -> list[dict[str, Any]]:
    """Return the entries of an error body; Strava sends "errors" as a list, object or string."""
    entries = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        entries = [entries]
    return [entry for entry in entries if isinstance(entry, dict)]
