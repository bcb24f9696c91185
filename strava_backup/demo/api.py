"""Strava's API v3: answers for an account's tokens, athlete, activities, gear and routes.

Opens no sockets and keeps no state of its own. Error bodies are those recorded by
bikeindex/bike_index (2026) and dblock/strava-ruby-client.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from strava_backup.demo.account import Account, TokenRefused
from strava_backup.demo.activity import Activity, Json
from strava_backup.demo.comments import comment_records, kudos_records
from strava_backup.demo.errors import api_error
from strava_backup.demo.gear import Bike, Shoe
from strava_backup.demo.routes import Match, Route, find
from strava_backup.demo.wire import Item, Request, Response, json_response

MAX_PER_PAGE = 200
DEFAULT_PER_PAGE = 30

T = TypeVar("T")


def match(request: Request) -> Match | None:
    """Return the API's route for a request to either of its hosts, or to the token endpoint."""
    return find(ROUTES, request.method, _path(request))


def answer(account: Account, request: Request) -> Response:
    """Return the API's answer to a request."""
    found = match(request)
    if found is None:
        # without rate headers, like a 401 (bikeindex/bike_index, proxy_not_found)
        return api_error(404, "Record Not Found", "resource", "path", "invalid")
    if found.route.public:
        return found.route.answer(account, request, 0)
    return _unauthorized(account, request) or _limited(account, request, found)


def rate_headers(response: Response) -> tuple[tuple[str, str], ...]:
    """Return the headers of an answer that state the limits and their usage."""
    return tuple(pair for pair in response.headers if "ratelimit" in pair[0].lower())


def _path(request: Request) -> str:
    if request.host == "www.strava.com":
        return request.path.removeprefix("/api/v3")
    return request.path


def _unauthorized(account: Account, request: Request) -> Response | None:
    # Until 2027-06, Strava also accepts tokens in the address, where old clients send them
    # (https://github.com/stravalib/stravalib/issues/738).
    in_address = f"Bearer {request.query.get('access_token', '')}"
    scheme, _, token = request.headers.get("authorization", in_address).partition(" ")
    if scheme.lower() != "bearer" or not token:
        return api_error(401, "Authorization Error", "Application", "", "invalid")
    if not account.access_token_valid(token):
        return api_error(401, "Authorization Error", "Athlete", "access_token", "invalid")
    return None


def _limited(account: Account, request: Request, found: Match) -> Response:
    now = account.clock()
    exceeded = account.limits.count(now)
    if exceeded:
        # https://github.com/stravalib/stravalib/issues/446
        response = api_error(429, "Rate Limit Exceeded", "Application", exceeded, "exceeded")
    elif account.app_inactive:
        # https://github.com/stravalib/stravalib/issues/730
        response = api_error(403, "Forbidden", "Application", "Status", "Inactive")
    else:
        response = found.route.answer(account, request, found.id or 0)
    if response.status == 401:
        return response
    return response.with_headers(*account.limits.headers(now))


def _token(account: Account, request: Request, _: int) -> Response:
    form = {**request.query, **request.form}
    app = form.get("client_id", ""), form.get("client_secret", "")
    more: Json = {}
    try:
        if form.get("grant_type") == "authorization_code":
            tokens = account.exchange(*app, form.get("code", ""))
            # A summary of the athlete is sent with the tokens for a code, not with a refresh
            # (https://developers.strava.com/docs/authentication).
            more = {"athlete": _summary(account)}
        elif form.get("grant_type") == "refresh_token":
            tokens = account.refresh(*app, form.get("refresh_token", ""))
        else:
            return api_error(400, "Bad Request", "Application", "grant_type", "invalid")
    except TokenRefused as refused:
        return _TOKEN_REFUSED[refused.field]
    return json_response({"token_type": "Bearer", **tokens._asdict(), **more})


_TOKEN_REFUSED = {
    "client_id": api_error(400, "Bad Request", "Application", "client_id", "invalid"),
    "client_secret": api_error(401, "Authorization Error", "Application", "", "invalid"),
    "refresh_token": api_error(400, "Bad Request", "RefreshToken", "refresh_token", "invalid"),
    # dblock/strava-ruby-client, token_invalid_code
    "code": api_error(400, "Bad Request", "AuthorizationCode", "code", "invalid"),
}


def _athlete(account: Account, request: Request, _: int) -> Response:
    athlete = _summary(account)
    # Without the scope these keys are absent (bikeindex/bike_index, get_athlete).
    if account.reads_profile:
        athlete |= {
            "resource_state": 3,
            "ftp": None,
            "measurement_preference": "meters" if account.units == "km" else "feet",
            "clubs": [],
            "bikes": _listed_gear(account, Bike),
            "shoes": _listed_gear(account, Shoe),
        }
    return json_response(athlete)


def _summary(account: Account) -> Json:
    return {
        "id": account.athlete_id,
        "username": "ada",
        "resource_state": 2,
        "firstname": "Ada",
        "lastname": "Example",
        "bio": None,
        "city": "Freiburg",
        "state": None,
        "country": "Germany",
        "sex": "F",
        "premium": True,
        "summit": True,
        "created_at": "2011-04-19T20:00:00Z",
        "updated_at": "2026-11-01T10:00:00Z",
        "badge_type_id": 1,
        "weight": 61.0,
        "profile_medium": "avatar/athlete/medium.png",
        "profile": "avatar/athlete/large.png",
        "friend": None,
        "follower": None,
    }


def _listed_gear(account: Account, kind: type[Bike | Shoe]) -> list[Json]:
    """Return the list without retired gear (https://github.com/pR0Ps/strava-backup/issues/1)."""
    return [
        gear.summary(account.units)
        for gear in account.gear.values()
        if isinstance(gear, kind) and not gear.retired
    ]


def _gear(account: Account, request: Request, gear_id: Item) -> Response:
    gear = account.gear.get(str(gear_id))
    if gear is None:
        return api_error(404, "Resource Not Found", "Gear", "", "not found")
    return json_response(gear.detail(account.units))


def _activity(account: Account, request: Request, activity_id: int) -> Response:
    activity = _readable(account, activity_id)
    return activity if isinstance(activity, Response) else json_response(activity.detail)


def _photos(account: Account, request: Request, activity_id: int) -> Response:
    """Answer the undocumented photo list; `photo_sources` makes no difference
    (https://github.com/dblock/strava-ruby-client, spec of activity_photos).
    """
    activity = _readable(account, activity_id)
    if isinstance(activity, Response):
        return activity
    wanted = _numbers(request, _PHOTO_KEYS)
    if wanted is None:
        return _QUERY_REFUSED
    return json_response(_page(activity.photo_records(wanted.get("size")), wanted))


def _comments(account: Account, request: Request, activity_id: int) -> Response:
    """Answer the list of comments, oldest first, with `page_size` and `after_cursor`.

    Strava deprecated `page` and `per_page` here on 2022-10-18
    (https://developers.strava.com/docs/changelog); this account ignores them.
    """
    activity = _readable(account, activity_id)
    if isinstance(activity, Response):
        return activity
    wanted = _numbers(request, {"page_size"})
    records = comment_records(activity)
    cursors = [str(record["cursor"]) for record in records]
    after = request.query.get("after_cursor")
    if wanted is None or (after is not None and after not in cursors):
        return _QUERY_REFUSED
    rest = records if after is None else records[cursors.index(after) + 1 :]
    return json_response(_page(rest, {"per_page": wanted.get("page_size", DEFAULT_PER_PAGE)}))


def _kudos(account: Account, request: Request, activity_id: int) -> Response:
    activity = _readable(account, activity_id)
    if isinstance(activity, Response):
        return activity
    wanted = _numbers(request, _LIST_KEYS)
    if wanted is None:
        return _QUERY_REFUSED
    return json_response(_page(kudos_records(activity), wanted))


def _readable(account: Account, activity_id: int) -> Activity | Response:
    """Return an activity, or the error if the token may not read it."""
    if not account.reads_activities:
        return _scope_missing()
    activity = account.activity(activity_id)
    if activity is None or not account.visible(activity):
        return api_error(404, "Resource Not Found", "Activity", "", "not found")
    return activity


def _activities(account: Account, request: Request, _: int) -> Response:
    if not account.reads_activities:
        return _scope_missing()
    wanted = _numbers(request, _LIST_KEYS)
    if wanted is None:
        return _QUERY_REFUSED
    if wanted.get("after", 0) > account.clock():
        # https://github.com/node-strava/node-strava-v3/issues/103
        return api_error(400, "Bad Request", "Application", "after", "future")
    page = _page(_within(account, wanted), wanted)
    return json_response([activity.summary() for activity in page])


def _routes(account: Account, request: Request, athlete_id: int) -> Response:
    """Answer with the routes that the athlete created. "Private routes are filtered out unless
    requested by a token with read_all scope" (https://developers.strava.com/docs/reference/).
    """
    if athlete_id != account.athlete_id:
        return api_error(404, "Resource Not Found", "Athlete", "", "not found")
    if not account.reads_routes:
        return _ROUTES_REFUSED
    wanted = _numbers(request, {"page", "per_page"})
    if wanted is None:
        return _QUERY_REFUSED
    listed = [
        route.record(account.athlete_id)
        for route in account.newest_routes
        if route.creator_id is None and account.visible_route(route)
    ]
    return json_response(_page(listed, wanted))


def _route_gpx(account: Account, request: Request, route_id: int) -> Response:
    """Answer with the GPX of a route, whose headers are a guess, as is the refusal of a private
    one."""
    route = account.routes.get(route_id)
    if route is None:
        return api_error(404, "Resource Not Found", "Route", "", "not found")
    if not account.visible_route(route):
        return api_error(403, "Forbidden", "Route", "", "private")
    return Response(200, (("Content-Type", "application/gpx+xml"),), route.gpx)


_LIST_KEYS = {"before", "after", "page", "per_page"}
_PHOTO_KEYS = {"size", "page", "per_page"}
# The names in this error are a guess, after those of activities.
_ROUTES_REFUSED = api_error(401, "Authorization Error", "AccessToken", "read_permission", "missing")
_QUERY_REFUSED = api_error(400, "Bad Request", "Application", "query", "invalid")


def _numbers(request: Request, names: set[str]) -> dict[str, int] | None:
    """Return these values of the query; None if one is not a number."""
    try:
        return {name: int(request.query[name]) for name in names & request.query.keys()}
    except ValueError:
        return None


def _scope_missing() -> Response:
    return api_error(
        401, "Authorization Error", "AccessToken", "activity:read_permission", "missing"
    )


def _within(account: Account, wanted: dict[str, int]) -> list[Activity]:
    """Return the activities of the range, newest first; oldest first if only `after` is given."""
    before, after = wanted.get("before"), wanted.get("after")
    kept = [
        activity
        for activity in account.activities
        if account.visible(activity)
        and (before is None or activity.started < before)
        and (after is None or activity.started > after)
    ]
    return kept[::-1] if before is None and after is not None else kept


def _page(items: Sequence[T], wanted: dict[str, int]) -> Sequence[T]:
    size = max(1, min(wanted.get("per_page", DEFAULT_PER_PAGE), MAX_PER_PAGE))
    start = (max(1, wanted.get("page", 1)) - 1) * size
    return items[start : start + size]


ROUTES = (
    # also reachable as /api/v3/oauth/token; not counted by any limit
    Route("POST", "/oauth/token", "token", _token, public=True),
    Route("GET", "/athlete", "athlete", _athlete),
    Route("GET", "/athlete/activities", "list", _activities),
    Route("GET", r"/activities/(\d+)", "detail", _activity),
    Route("GET", r"/activities/(\d+)/photos", "photos", _photos),
    Route("GET", r"/activities/(\d+)/comments", "comments", _comments),
    Route("GET", r"/activities/(\d+)/kudos", "kudos", _kudos),
    Route("GET", r"/gear/(\w+)", "gear", _gear),
    Route("GET", r"/athletes/(\d+)/routes", "routes", _routes),
    Route("GET", r"/routes/(\d+)/export_gpx", "route", _route_gpx),
)
