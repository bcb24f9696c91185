"""Answers requests to Strava's hosts: selects the site, logs the request, applies faults.

Opens no sockets: the adapter and the tests' proxy pass requests to `serve`.
"""

from __future__ import annotations

from types import ModuleType

from strava_backup.demo import api, cloudfront, web_lists, website
from strava_backup.demo.account import Account, Fault, LoggedRequest
from strava_backup.demo.api import rate_headers
from strava_backup.demo.wire import DROPPED, Item, Request, Response


def serve(account: Account, request: Request) -> Response:
    """Return the account's answer to a request, with its faults applied. Thread-safe."""
    with account.lock:
        kind, item = identify(account, request)
        logged = LoggedRequest(*request[:5], kind=kind, id=item, at=account.clock())
        account.requests.append(logged)
        if kind == "unknown":
            account.unknown_requests.append(logged)
        if not _is_strava(request) and {"cookie", "authorization"} & request.headers.keys():
            account.leaks.append(logged)
        response = _answer(account, request, account.take_fault(kind, item))
        logged.status = response.status
        return response


def identify(account: Account, request: Request) -> tuple[str, Item | None]:
    """Return the kind of a request, and the activity, gear, photo, page or cursor in it."""
    site = _site(request)
    found = site.match(request) if site else None
    if found is None:
        return "unknown", None
    if found.route.kind in ("list", "web-list", "routes"):
        page = request.query.get("page", "1")
        return found.route.kind, int(page) if page.isdecimal() else None
    if found.route.kind == "web-photos":
        return "web-photos", request.query.get("cursor", "")
    if found.route.kind == "web-routes":
        return "web-routes", web_lists.route_cursor(request)
    if found.route.kind == "bike":
        return "bike", f"b{found.id}"
    if found.route.kind == "photo":
        picture = account.picture_at(cloudfront.address(request))
        return "photo", picture[0].unique_id if picture else None
    if found.route.kind == "video":
        file = account.video_file_at(cloudfront.address(request))
        return (file[1], file[0].unique_id) if file else ("video", None)
    return found.route.kind, found.id


def _is_strava(request: Request) -> bool:
    return request.host.endswith(".strava.com")


def _site(request: Request) -> ModuleType | None:
    if request.host == "api-v3.strava.com":
        return api
    if request.host.endswith(".cloudfront.net"):
        return cloudfront
    if request.host != "www.strava.com":
        return None
    is_api = request.path.startswith("/api/v3/") or request.path == "/oauth/token"
    return api if is_api else website


def _answer(account: Account, request: Request, fault: Fault | None) -> Response:
    if fault and fault.replaces and request.method != "GET":
        return _replacement(account, fault, request)
    answer = _answer_without_fault(account, request)
    if fault is None:
        return answer
    if not fault.replaces:
        return fault.change(answer)
    wrong = _replacement(account, fault, request)
    return wrong if wrong.status in (0, 401) else wrong.with_headers(*rate_headers(answer))


def _answer_without_fault(account: Account, request: Request) -> Response:
    site = _site(request)
    if site is None:
        return DROPPED
    response: Response = site.answer(account, request)
    return response


def _replacement(account: Account, fault: Fault, request: Request) -> Response:
    return fault.replacement(api=_site(request) is api, item=identify(account, request)[1])
