"""The hosts of photos and videos, which require no log-in.

Opens no sockets and keeps no state of its own.
"""

from __future__ import annotations

import re

from strava_backup.demo.account import Account
from strava_backup.demo.routes import Match, Route, find
from strava_backup.demo.wire import Request, Response


def match(request: Request) -> Match | None:
    """Return the route of a picture, or of a file of a video."""
    return find(ROUTES, request.method, request.path)


def answer(account: Account, request: Request) -> Response:
    """Return a file, or CloudFront's answer if S3 has nothing at the address."""
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


def _video_file(account: Account, request: Request, _: None) -> Response:
    found = account.video_file_at(address(request))
    if found is None:
        return _DENIED
    kind, content = found[1:]
    headers = (("Content-Type", _TYPES.get(kind, "video/MP2T")),)
    return _part(request.headers.get("range", ""), Response(200, headers, content))


def _part(header: str, whole: Response) -> Response:
    """Return the requested byte range of a file (RFC 9110, 14.2), or all of it without one."""
    size, found = len(whole.body), _RANGE.fullmatch(header)
    if found is None:
        return whole
    first, last = int(found[1]), min(int(found[2]), size - 1)
    if first > last:
        return Response(416, (("Content-Range", f"bytes */{size}"),))
    part = whole.with_headers(("Content-Range", f"bytes {first}-{last}/{size}"))
    return part._replace(status=206, body=whole.body[first : last + 1])


_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]+)")
_TYPES = dict.fromkeys(("playlist", "variant"), "application/x-mpegURL")
_DENIED = Response(
    403,
    (("Content-Type", "application/xml"),),
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
    b"<Message>Access Denied</Message><RequestId>0123456789ABCDEF</RequestId></Error>",
)

ROUTES = (
    Route("GET", "/[^/]+/hls/.*", "video", _video_file, public=True),
    Route("GET", "/.*", "photo", _picture, public=True),
)
