"""A transport adapter for `requests` that answers from a made-up account instead of the network.

`http.client` and `urllib3` parse the bytes that would be on the wire, so that cookies, chunks and
broken bodies behave like those of a real server.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPHeaderDict
from urllib3.response import HTTPResponse as RawResponse

from strava_backup.demo.account import Account
from strava_backup.demo.serve import serve
from strava_backup.demo.wire import Request, Response, transmission


class DemoAdapter(BaseAdapter):
    """An adapter to mount on `https://`, so that no request reaches the network."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.account = account
        # used only to build a requests.Response; it never connects
        self._builder = HTTPAdapter()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Return the account's answer to a request."""
        answer = serve(self.account, wire_request(request))
        if answer.drop:
            raise requests.exceptions.ConnectionError(
                "Connection aborted: the server closed it without an answer", request=request
            )
        if answer.stall and answer.cut is None:
            raise requests.exceptions.ReadTimeout("Read timed out.", request=request)
        response = self._builder.build_response(request, raw_response(answer, request.method))
        if not stream:
            _ = response.content  # requests reads the body before it returns
        return response

    def close(self) -> None:
        """Do nothing: there are no connections."""


def wire_request(request: requests.PreparedRequest) -> Request:
    """Return the request as a value."""
    url = urlsplit(request.url or "")
    body = request.body or ""
    text = body.decode() if isinstance(body, bytes) else str(body)
    return Request(
        method=request.method or "GET",
        host=url.hostname or "",
        path=url.path or "/",
        query=dict(parse_qsl(url.query, keep_blank_values=True)),
        headers={name.lower(): _text(value) for name, value in request.headers.items()},
        form=dict(parse_qsl(text, keep_blank_values=True)),
        body=text,
    )


def raw_response(answer: Response, method: str | None = "GET") -> RawResponse:
    """Return the answer as an object of urllib3, its body unread."""
    parsed = HTTPResponse(_Socket(answer), method=method)  # type: ignore[arg-type]
    parsed.begin()
    return RawResponse(
        body=parsed,
        headers=HTTPHeaderDict(parsed.headers.items()),
        status=parsed.status,
        reason=parsed.reason,
        version=parsed.version,
        preload_content=False,
        decode_content=False,
        original_response=parsed,
        enforce_content_length=True,
        request_method=method,
    )


class _Socket:
    """The part of a socket that `http.client` needs to read an answer."""

    def __init__(self, answer: Response) -> None:
        self._answer = answer

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(
            _Wire(transmission(self._answer), self._answer.stall, self._answer.flood)
        )


class _Wire(io.RawIOBase):
    """The bytes of an answer, followed by the end, an immediate timeout, or an endless flood."""

    def __init__(self, content: bytes, stalls: bool, flood: bytes) -> None:
        super().__init__()
        self._rest = memoryview(content)
        self._stalls = stalls
        self._flood = memoryview(flood)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest and self._stalls:
            raise TimeoutError("timed out")
        self._rest = self._rest or self._flood
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
