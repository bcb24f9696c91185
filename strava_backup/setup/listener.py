"""Waits on this machine for the browser that Strava's page sends back. Believes nothing."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import cast
from urllib.parse import urlsplit

_PATH = "/authorized"
_PAGE = (
    b"<!DOCTYPE html><html lang='en'><meta charset='utf-8'><title>strava-backup</title>"
    b"<p>strava-backup has got the answer, and says in its terminal what comes of it. "
    b"You can close this page."
)


class Listener:
    """A web server on 127.0.0.1, on a port that is free, while it is open.

    `heard` is called with the address of each request to `redirect_uri` that `is_answer` accepts;
    others, such as for an icon, are not found. Opening it raises OSError.
    """

    def __init__(self, is_answer: Callable[[str], bool], heard: Callable[[str], None]) -> None:
        self._is_answer = is_answer
        self._heard = heard

    def __enter__(self) -> Listener:
        self._server = _Server(self._is_answer, self._heard)
        # Not "localhost", which a browser may look for under ::1 first
        # (https://datatracker.ietf.org/doc/html/rfc8252#section-8.3).
        self.redirect_uri = f"http://127.0.0.1:{self._server.server_address[1]}{_PATH}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    # Browsers open connections that they do not use, which must not hold up the one that counts.
    daemon_threads = True
    block_on_close = False

    def __init__(self, is_answer: Callable[[str], bool], heard: Callable[[str], None]) -> None:
        self.is_answer = is_answer
        self.heard = heard
        super().__init__(("127.0.0.1", 0), _Request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away is no error of ours."""


class _Request(BaseHTTPRequestHandler):
    timeout = 30

    def do_GET(self) -> None:
        """Answer the browser; the name is http.server's."""
        server = cast("_Server", self.server)
        if _path(self.path) != _PATH or not server.is_answer(self.path):
            self.send_error(404)
            return
        try:
            self._send_page()
        finally:
            # Also if the browser is gone before it has the page.
            server.heard(self.path)

    def _send_page(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.send_header("Connection", "close")
        # The address has the code in it.
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, *arguments: object) -> None:
        """Nothing: the address is a secret until it is used."""


def _path(address: str) -> str:
    try:
        return urlsplit(address).path
    except ValueError:
        return ""
