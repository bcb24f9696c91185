"""A server on loopback for one visitor, for what the made-up Strava never says."""

from __future__ import annotations

import socket
import threading
from typing import Self


class LoopbackServer:
    """Serves while it is in a `with`; `_over` is set at its end."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        raise NotImplementedError
