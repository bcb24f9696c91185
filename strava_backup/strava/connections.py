"""HTTP connections with a deadline. Independent of Strava.

The timeout of a blocking socket applies to each read separately, so an answer of one byte per
minute would never time out. A watchdog thread therefore shuts down the connection of an operation
that takes too long, which ends its read at once, also through a proxy and TLS.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from requests.adapters import HTTPAdapter


class Limit:
    """The deadline of one blocking operation, and the connection that it uses.

    `is_over` is set if the deadline has passed or the operation was interrupted.
    """

    def __init__(self, owner: object, ends_at: float, handle: socket.socket | None) -> None:
        self.owner = owner
        self.ends_at = ends_at
        self.handle = handle
        self.is_over = False

    def use(self, handle: socket.socket) -> None:
        """Set the connection to shut down at the deadline; shut it down now if that has passed."""
        self.handle = handle
        if self.is_over:
            _shut_down(handle)

    def end(self) -> None:
        """End the operation by shutting down its connection."""
        self.is_over = True
        if self.handle is not None:
            _shut_down(self.handle)


class Watchdog:
    """Ends operations at their deadlines, with one thread for all, started on first use.

    Most operations end long before their deadline. The thread sleeps until the earliest deadline
    known at that time, so that a new request with a later deadline need not wake it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        # By thread: a thread is in one blocking operation at a time.
        self._limits: dict[int, Limit] = {}
        self._wakes_at = float("inf")
        self._thread: threading.Thread | None = None

    @contextmanager
    def limit(
        self, owner: object, seconds: float, handle: socket.socket | None = None
    ) -> Iterator[Limit]:
        """Limit the operation inside this `with` to so many seconds.

        A connection that the operation opens or reuses attaches itself to the limit (`_Watched`).
        """
        limit = Limit(owner, self._clock() + seconds, handle)
        self._add(limit)
        try:
            yield limit
        finally:
            with self._changed:
                del self._limits[threading.get_ident()]

    def use(self, handle: socket.socket) -> None:
        """Let the limit of this thread, if there is one, end this connection."""
        limit = self._limits.get(threading.get_ident())
        if limit is not None:
            limit.use(handle)

    def end_all(self, owner: object) -> None:
        """End all operations of this owner."""
        with self._changed:
            for limit in self._limits.values():
                if limit.owner is owner:
                    limit.end()

    def _add(self, limit: Limit) -> None:
        with self._changed:
            self._limits[threading.get_ident()] = limit
            if limit.ends_at < self._wakes_at:
                self._wakes_at = limit.ends_at
                self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = self._clock()
                for limit in self._limits.values():
                    if limit.ends_at <= now and not limit.is_over:
                        limit.end()
                waiting = [limit.ends_at for limit in self._limits.values() if not limit.is_over]
                self._wakes_at = min(waiting, default=float("inf"))
                pause = self._wakes_at - now
                self._changed.wait(pause if pause < threading.TIMEOUT_MAX else None)


WATCHDOG = Watchdog()


class Adapter(HTTPAdapter):
    """A transport adapter whose connections, direct or through a proxy, obey limits."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        _watch_connections_of(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Return the pools of connections through this proxy."""
        is_new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        if is_new:
            _watch_connections_of(manager)
        return manager


def connection_handle(raw: Any) -> socket.socket | None:
    """Return the socket that shuts down an answer's connection; None without a real connection."""
    return getattr(getattr(raw, "_connection", None), "handle", None)


class _Answer(http.client.HTTPResponse):
    """An answer that refuses negative chunk sizes, for which http.client reads to the end."""

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise http.client.IncompleteRead(b"")
        return size


class _Watched:
    """A mixin that attaches urllib3's connections to the limit of the thread that uses them.

    `handle` is a duplicate of the socket: TLS replaces the socket object during its handshake, but
    a shutdown through any duplicate acts on the connection itself.
    """

    response_class = _Answer
    handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        self._close_handle()
        self.handle = connected.dup()
        self._attach()
        return connected

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        self._attach()
        super().putrequest(*args, **kwargs)  # type: ignore[misc]

    def getresponse(self) -> Any:
        # getresponse() closes a connection that ends with this answer before its body is read;
        # without a handle, close() leaves our duplicate open for the body.
        handle, self.handle = self.handle, None
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            self.handle = handle

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        self._close_handle()

    def _attach(self) -> None:
        if self.handle is not None:
            WATCHDOG.use(self.handle)

    def _close_handle(self) -> None:
        if self.handle is not None:
            self.handle.close()


def _watch_connections_of(manager: Any) -> None:
    manager.pool_classes_by_scheme = {
        scheme: type(pool.__name__, (pool,), {"ConnectionCls": _watched(pool.ConnectionCls)})
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _watched(connection: type) -> type:
    return type(connection.__name__, (_Watched, connection), {})


def _shut_down(handle: socket.socket) -> None:
    # The connection may be closed already.
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)
