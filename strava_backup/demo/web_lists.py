"""The JSON lists of activities, photos and gear that scripts of the website's pages load.

Opens no sockets and keeps no state of its own. The paths are documented in
https://github.com/mapliberator/extension (docs/phase0-findings.md, 2026).
"""

from __future__ import annotations

import json
from typing import Any

from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity, Json
from strava_backup.demo.errors import empty_json
from strava_backup.demo.gear import Bike, Shoe
from strava_backup.demo.photos import Photo
from strava_backup.demo.routes import Route
from strava_backup.demo.web_records import activity_model, gear_item, photo_item
from strava_backup.demo.wire import Request, Response, json_response

ACTIVITIES_PER_PAGE = 20
MAX_PHOTOS_PER_PAGE = 20
MAX_ROUTES_PER_PAGE = 200
PHOTOS_PER_PAGE = 10

# Seconds since 1970 and the photo's number: its position in the list of all photos.
Place = tuple[int, int]


def _activities(account: Account, request: Request, _: int) -> Response:
    """Answer with all activities, newest first; search words and filters are ignored."""
    size = min(_number(request, "per_page", ACTIVITIES_PER_PAGE), ACTIVITIES_PER_PAGE)
    page = _number(request, "page", 1)
    activities = account.activities
    shown = [one for one in activities if one.id not in account.hidden_from_web]
    models = [_model(account, one) for one in shown[(page - 1) * size : page * size]]
    total = len(activities) + account.web_total_extra
    return json_response({"models": models, "page": page, "perPage": size, "total": total})


def _activity(account: Account, request: Request, activity_id: int) -> Response:
    """Answer with an activity, or 404 if deleted (SauceLLC/sauce4strava, src/bg/hist.mjs)."""
    activity = account.activity(activity_id)
    return empty_json(404) if activity is None else json_response(_model(account, activity))


def _photos(account: Account, request: Request, _: int) -> Response:
    """Answer with photos, newest first; `page`, `before`, `after` and `offset` are ignored."""
    if not _is_own(account, request):
        return empty_json(404)
    try:
        after = _read_cursor(request.query.get("cursor", ""))
    except ValueError:
        # The website's answer to an invalid cursor is not known.
        return empty_json(400)
    size = min(_number(request, "per_page", PHOTOS_PER_PAGE), MAX_PHOTOS_PER_PAGE)
    rest = [one for one in _all_photos(account) if after is None or _place(one[0]) < after]
    page, has_more = rest[:size], len(rest) > size
    return json_response(
        {
            "items": [photo_item(photo, activity) for photo, activity in page],
            "next_cursor": "{},{}".format(*_place(page[-1][0])) if has_more else None,
            "has_more": has_more,
        }
    )


def _gear(account: Account, request: Request, which: str) -> Response:
    if not _is_own(account, request):
        return empty_json(404)
    kind = {"bikes": Bike, "shoes": Shoe}[which]
    listed = [gear for gear in account.gear.values() if isinstance(gear, kind)]
    return json_response([gear_item(gear, account.units) for gear in listed])


def _mint_token(account: Account, request: Request, _: int) -> Response:
    if not account.visit_by_script(request.cookies).signed_in:
        return empty_json(403)
    return json_response({"token": account.script_token()})


def _routes(account: Account, request: Request, _: int) -> Response:
    """Answer with created and starred routes. Without the right token, 403 and no body; the token
    of the pages' forms is answered with 500, as is `createdBy: "Me"`. An empty list of
    `routeTypes` means none.
    """
    visit, token = account.visit_by_script(request.cookies), request.headers.get("x-csrf-token")
    if token == account.csrf_token(request.cookies.get("_strava4_session", "")):
        return empty_json(500)
    if not visit.signed_in or token != account.script_token():
        return empty_json(403)
    wanted = _read_wanted(request)
    search = wanted.get("searchArgs", {})
    if search.get("createdBy") != "Any":
        return empty_json(500)
    routes = account.newest_routes if search.get("routeTypes") != [] else []
    # The cursor counts from 0, so that of the next page is our guess.
    after, size = int(wanted["after"]), min(int(wanted["pageSize"]), MAX_ROUTES_PER_PAGE)
    nodes = [route.node(account.athlete_id) for route in routes[after : after + size]]
    end = after + len(nodes)
    page = {"endCursor": str(end), "hasNextPage": end < len(routes)}
    return json_response({"me": {"searchRoutes": {"nodes": nodes, "pageInfo": page}}})


def route_cursor(request: Request) -> str:
    """Return the cursor in a request of the list of routes."""
    return str(_read_wanted(request).get("after", ""))


def _read_wanted(request: Request) -> dict[str, Any]:
    try:
        wanted = json.loads(request.body)
    except ValueError:
        return {}
    return wanted if isinstance(wanted, dict) else {}


def _current(account: Account, request: Request, _: int) -> Response:
    """Answer with the signed-in athlete, if any; the values of `measurement_units` are guesses."""
    athlete = {
        "id": account.athlete_id,
        "id_str": str(account.athlete_id),
        "firstname": "Ada",
        "lastname": "Example",
        "is_subscriber": True,
        "measurement_units": "meters" if account.units == "km" else "feet",
    }
    signed_in = account.visit_by_script(request.cookies).signed_in
    return json_response({"currentAthlete": athlete if signed_in else None, "pageContext": {}})


def _model(account: Account, activity: Activity) -> Json:
    return activity_model(activity, account.language, account.units)


def _all_photos(account: Account) -> list[tuple[Photo, Activity]]:
    pairs = [(photo, activity) for activity in account.activities for photo in activity.photos]
    return sorted(pairs, key=lambda pair: _place(pair[0]), reverse=True)


def _place(photo: Photo) -> Place:
    return int(photo.taken.timestamp()), photo.number


def _read_cursor(text: str) -> Place | None:
    if not text:
        return None
    seconds, _, number = text.partition(",")
    return int(seconds), int(number)


def _is_own(account: Account, request: Request) -> bool:
    """Return whether a path below /athletes is the athlete's own."""
    return request.path.split("/")[2] == str(account.athlete_id)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return max(1, int(text)) if text.isdecimal() else default


ROUTES = (
    Route("GET", "/athlete/training_activities", "web-list", _activities, xhr=True),
    Route("GET", r"/athlete/training_activities/(\d+)", "web-activity", _activity, xhr=True),
    Route("GET", r"/athletes/\d+/photos", "web-photos", _photos, xhr=True),
    Route("GET", r"/athletes/\d+/gear/(bikes|shoes)", "web-gear", _gear, xhr=True),
    # A GET is answered with 405. Without a session, the answer is not the 401 of other scripts.
    Route("POST", "/api/next/mint-csrf-token", "csrf-token", _mint_token, public=True, xhr=True),
    Route(
        *("POST", "/api/next/data/routes/my-routes", "web-routes", _routes),
        public=True,
        xhr=True,
    ),
    Route("GET", "/frontend/athletes/current", "current", _current, xhr=True, public=True),
)
