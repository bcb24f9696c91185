"""A web server on this machine that receives Strava's answer from the browser. Trusts no input."""

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
    b"<p>strava-backup received the answer and shows the result in its terminal. "
    b"You can close this page."
)


class Listener:
    """A web server on a free port of 127.0.0.1, while it is open.

    Calls `on_answer` with the address of each request to `redirect_uri` that `is_answer` accepts;
    other requests, for example for an icon, get a 404. Opening it raises OSError.
    """

    def __init__(self, is_answer: Callable[[str], bool], on_answer: Callable[[str], None]) -> None:
        self._is_answer = is_answer
        self._on_answer = on_answer

    def __enter__(self) -> Listener:
        self._server = _Server(self._is_answer, self._on_answer)
        # Not "localhost", which a browser may resolve to ::1 first
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
    # Unused connections of the browser must not block the one with the answer.
    daemon_threads = True
    block_on_close = False

    def __init__(self, is_answer: Callable[[str], bool], on_answer: Callable[[str], None]) -> None:
        self.is_answer = is_answer
        self.on_answer = on_answer
        super().__init__(("127.0.0.1", 0), _Request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore the error: the browser closed its connection."""


class _Request(BaseHTTPRequestHandler):
    timeout = 30

    def do_GET(self) -> None:
        """Answer the browser; http.server requires this name."""
        server = cast("_Server", self.server)
        if _path(self.path) != _PATH or not server.is_answer(self.path):
            self.send_error(404)
            return
        try:
            self._send_page()
        finally:
            # Also if the browser disconnects before it has the page.
            server.on_answer(self.path)

    def _send_page(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.send_header("Connection", "close")
        # The address contains the code.
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, *arguments: object) -> None:
        """Log nothing: the address is a secret until its code is used."""


def _path(address: str) -> str:
    try:
        return urlsplit(address).path
    except ValueError:
        return ""
