"""Requests and answers as values, and the bytes of an answer on the wire.

Independent of Strava; opens no sockets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

CHUNK = 4096

Headers = tuple[tuple[str, str], ...]
Framing = Literal["length", "chunked", "close"]

# The item in a request: an int for an activity or a page of a list, a str for gear and photos.
Item = int | str


class Request(NamedTuple):
    """A request; the keys of `headers` are lower-case."""

    method: str
    host: str
    path: str
    query: Mapping[str, str] = MappingProxyType({})
    headers: Mapping[str, str] = MappingProxyType({})
    form: Mapping[str, str] = MappingProxyType({})
    body: str = ""

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies sent, by name."""
        pairs = (pair.partition("=") for pair in self.headers.get("cookie", "").split(";"))
        return {name.strip(): value.strip() for name, equals, value in pairs if equals}


class Response(NamedTuple):
    """An answer, and the faults while it is sent.

    `framing` says how the end of the body is marked; "close" means only by the end of the
    connection. With `cut`, the connection breaks after that many bytes of the body; with `stall`
    it falls silent instead, from the start if `cut` is None. `drop` closes the connection before
    any answer. `raw` replaces head and body on the wire; `flood` follows it repeatedly, each time
    after `pause` seconds, until the client closes the connection.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    framing: Framing = "length"
    cut: int | None = None
    stall: bool = False
    drop: bool = False
    raw: bytes | None = None
    flood: bytes = b""
    pause: float = 0.0

    def header(self, name: str) -> str | None:
        """Return the first header of that name."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def with_headers(self, *headers: tuple[str, str]) -> Response:
        """Return the same answer with more headers."""
        return self._replace(headers=self.headers + headers)

    @property
    def ends_connection(self) -> bool:
        """Whether the connection cannot be reused after this answer."""
        is_broken = self.cut is not None or self.stall or self.drop or self.raw is not None
        return self.framing == "close" or is_broken


DROPPED = Response(0, drop=True)


def json_response(value: Any, status: int = 200, headers: Headers = ()) -> Response:
    """Return an answer of JSON."""
    content_type = ("Content-Type", "application/json; charset=utf-8")
    return Response(status, (content_type, *headers), json.dumps(value).encode())


def html(text: str, status: int = 200, headers: Headers = ()) -> Response:
    """Return an answer of HTML."""
    content_type = ("Content-Type", "text/html; charset=utf-8")
    return Response(status, (content_type, *headers), text.encode())


def redirect(location: str) -> Response:
    """Return a 302 with its short page."""
    page = f'<html><body>You are being <a href="{location}">redirected</a>.</body></html>'
    return html(page, 302, (("Location", location),))


def transmission(response: Response) -> bytes:
    """Return the bytes that reach the client before the answer ends, breaks or falls silent."""
    if response.raw is not None:
        return response.raw
    if response.drop or (response.stall and response.cut is None):
        return b""
    return _head(response) + b"".join(_framed_body(response))


def _head(response: Response) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {_reason(response.status)}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    lines.append(_framing_header(response))
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _framing_header(response: Response) -> str:
    if response.framing == "length":
        return f"Content-Length: {len(response.body)}"
    return "Transfer-Encoding: chunked" if response.framing == "chunked" else "Connection: close"


def _framed_body(response: Response) -> Iterator[bytes]:
    if response.framing != "chunked":
        yield response.body[: response.cut]
        return
    end = len(response.body) if response.cut is None else response.cut
    for start in range(0, end, CHUNK):
        announced = response.body[start : start + CHUNK]
        present = announced[: end - start]
        yield b"%x\r\n%b" % (len(announced), present)
        if len(present) == len(announced):
            yield b"\r\n"
    if response.cut is None:
        yield b"0\r\n\r\n"
