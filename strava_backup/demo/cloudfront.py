"""The photo hosts, which require no log-in.

Opens no sockets and keeps no state of its own.
"""

from __future__ import annotations

from strava_backup.demo.account import Account
from strava_backup.demo.routes import Match, Route, find
from strava_backup.demo.wire import Request, Response


def match(request: Request) -> Match | None:
    """Return the only route."""
    return find(ROUTES, request.method, request.path)


def answer(account: Account, request: Request) -> Response:
    """Return a picture, or CloudFront's answer if S3 has nothing at the address."""
    found = match(request)
    return found.route.answer(account, request, found.id) if found else _DENIED


def address(request: Request) -> str:
    """Return the address of a request without its query."""
    return f"https://{request.host}{request.path}"


def _picture(account: Account, request: Request, _: None) -> Response:
    found = account.picture_at(address(request))
    if found is None:
        return _DENIED
    # the addresses of all photos end in .jpg, also of other formats
    kind = "image/png" if request.path.endswith(".png") else "image/jpeg"
    return Response(200, (("Content-Type", kind),), found[1])


_DENIED = Response(
    403,
    (("Content-Type", "application/xml"),),
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
    b"<Message>Access Denied</Message><RequestId>0123456789ABCDEF</RequestId></Error>",
)

ROUTES = (Route("GET", "/.*", "photo", _picture, public=True),)
