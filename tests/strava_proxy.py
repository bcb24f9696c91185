"""An HTTPS proxy on loopback behind which a made-up Strava answers, for runs of the real command.

It carries requests to `demo.serve` and honours on real sockets what an answer says of its
framing, breaks and silences. It knows nothing of Strava itself.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import socketserver
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import parse_headers
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import parse_qsl, urlsplit

import trustme

from strava_backup.demo.account import Account
from strava_backup.demo.serve import identify, serve
from strava_backup.demo.wire import Item, Request, Response, transmission

LONGEST_SILENCE = 120


@dataclass
class Hold:
    """Stops the answer to such a request after that many bytes of its body, until released."""

    kind: str
    id: Item | None = None
    after_bytes: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def names(self, account: Account, request: Request) -> bool:
        kind, item = identify(account, request)
        return self.kind == kind and self.id in (None, item)


class StravaProxy:
    """Use it in a `with`; `environment()` makes a subprocess go through it."""

    def __init__(self, account: Account, *, latency: float = 0) -> None:
        self.account = account
        self.latency = latency
        self.hold: Hold | None = None
        self.errors: list[BaseException] = []
        self.closing = threading.Event()
        self._authority = trustme.CA()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()

    def __enter__(self) -> StravaProxy:
        self._folder = Path(tempfile.mkdtemp(prefix="strava-proxy-"))
        self.ca_file = str(self._folder / "ca.pem")
        self._authority.cert_pem.write_to_path(self.ca_file)
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.closing.set()
        if self.hold:
            self.hold.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _shut(connection)
        shutil.rmtree(self._folder, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """What a subprocess needs in its environment; its NO_PROXY must be unset."""
        return {"HTTPS_PROXY": self.url, "REQUESTS_CA_BUNDLE": self.ca_file}

    def context(self, host: str) -> ssl.SSLContext:
        """The server side of TLS for a host, with a certificate in its name."""
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]

    @contextlib.contextmanager
    def tracking(self, connection: socket.socket) -> Iterator[None]:
        """Know a connection while it is used, so that closing the proxy ends it."""
        with self._lock:
            self._connections.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._connections.discard(connection)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, proxy: StravaProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    """One connection of a client: CONNECT, then TLS, then requests until it ends."""

    server: _Server
    request: socket.socket

    def handle(self) -> None:
        self.proxy = self.server.proxy
        try:
            self._tunnel()
        except OSError:
            pass  # the client went away, or does not trust us: its own affair
        except Exception as error:
            self.proxy.errors.append(error)

    def _tunnel(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host = _read_connect(self.request)
        if host is None:
            self.request.sendall(b"HTTP/1.1 405 Only CONNECT\r\nContent-Length: 0\r\n\r\n")
            raise ValueError("asked for something else than CONNECT")
        self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with (
            self.proxy.tracking(self.request),
            self.proxy.context(host).wrap_socket(self.request, server_side=True) as secured,
            self.proxy.tracking(secured),
            cast("BinaryIO", secured.makefile("rb")) as stream,
        ):
            while request := _read_request(stream, host):
                if not self._answer(secured, request):
                    break
            _shut(secured)

    def _answer(self, secured: ssl.SSLSocket, request: Request) -> bool:
        """Send the answer; whether the connection can be used again."""
        if self.proxy.latency:
            time.sleep(self.proxy.latency)
        response = serve(self.proxy.account, request)
        hold = self.proxy.hold
        if hold and hold.names(self.proxy.account, request):
            self._send_held(secured, response, hold)
        else:
            secured.sendall(transmission(response))
        if response.stall:
            self.proxy.closing.wait(LONGEST_SILENCE)
        while response.flood and not self.proxy.closing.wait(response.pause):
            secured.sendall(response.flood)
        return not response.ends_connection

    def _send_held(self, secured: ssl.SSLSocket, response: Response, hold: Hold) -> None:
        whole = transmission(response)
        sent = len(transmission(response._replace(cut=hold.after_bytes)))
        secured.sendall(whole[:sent])
        hold.reached.set()
        hold.release.wait()
        secured.sendall(whole[sent:])


def _read_connect(connection: socket.socket) -> str | None:
    """The host of a CONNECT; read byte for byte, since TLS begins right behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionAbortedError
        head += byte
    method, target, *_ = head.decode("latin-1").split()
    return target.rpartition(":")[0] if method == "CONNECT" else None


def _read_request(stream: BinaryIO, host: str) -> Request | None:
    line = stream.readline(65536).decode("latin-1").split()
    if not line:
        return None
    method, target, _ = line
    message = parse_headers(stream)
    body = stream.read(int(message.get("Content-Length", 0))).decode()
    url = urlsplit(target)
    return Request(
        method=method,
        host=host,
        path=url.path,
        query=dict(parse_qsl(url.query, keep_blank_values=True)),
        headers={name.lower(): value for name, value in message.items()},
        form=dict(parse_qsl(body, keep_blank_values=True)),
        body=body,
    )


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
