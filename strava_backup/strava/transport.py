"""HTTP sessions: identity, timeouts, retries, pace; network faults become our errors.

Knows neither the API nor the website, and sends nobody's credentials by itself.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple
from weakref import WeakSet

import requests
from requests.adapters import BaseAdapter

from strava_backup import __version__, errors

USER_AGENT = f"strava-backup/{__version__}"

# Seconds to connect, and seconds of silence while waiting for the next bytes.
TIMEOUT = (10.0, 60.0)
# Pauses between requests are up to half as much again as the delay, at random.
MEAN_PAUSE = 1.25
_RETRY_PAUSES = (1.0, 3.0)
_CHUNK = 1 << 14
_LARGEST_BODY = 2 << 30
_PASSING_FAULTS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)

Sleep = Callable[[float], None]

_broken_off: WeakSet[requests.Response] = WeakSet()


class Session(requests.Session):
    """A requests session with our manners: a name, timeouts, and patience with passing faults.

    GETs are tried three times, on connection errors and 5xx answers. Nothing else is: a repeated
    token request could spend a token twice, a repeated log-in can lock an account.
    """

    def __init__(
        self,
        *,
        adapter: BaseAdapter | None = None,
        pace: Pace | None = None,
        sleep: Sleep = time.sleep,
    ) -> None:
        super().__init__()
        self.headers["User-Agent"] = USER_AGENT
        # ~/.netrc is another program's; HTTPS_PROXY and REQUESTS_CA_BUNDLE still count.
        self.auth = _no_auth
        self.sleep = sleep
        self._pace = pace
        self._is_broken_off = False
        self._streaming = threading.Lock()
        self._streamed: WeakSet[requests.Response] = WeakSet()
        if adapter is not None:
            self.mount("https://", adapter)

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Like requests' own, with timeouts and retries; raises requests' exceptions.

        Redirects are never followed: their targets tell things, and could get our secrets.
        """
        kwargs.setdefault("timeout", TIMEOUT)
        kwargs["allow_redirects"] = False
        for pause in _RETRY_PAUSES if str(method).upper() == "GET" else ():
            try:
                response = self._request_once(method, url, *args, **kwargs)
            except _PASSING_FAULTS:
                pass
            else:
                if response.status_code < 500:
                    return response
                response.close()
            self.sleep(pause + random.uniform(0, pause / 2))
        return self._request_once(method, url, *args, **kwargs)

    def break_off(self) -> None:
        """End the bodies that other threads are reading, and send no request any more."""
        with self._streaming:
            self._is_broken_off = True
            streamed = list(self._streamed)
        for response in streamed:
            _broken_off.add(response)
            # urllib3 1.26 has no shutdown; and there may be nothing to shut down any more.
            with suppress(AttributeError, ValueError, RuntimeError, OSError):
                response.raw.shutdown()

    def _request_once(self, *args: Any, **kwargs: Any) -> requests.Response:
        if self._pace is not None:
            self._pace.wait()
        if self._is_broken_off:
            raise requests.RequestException("interrupted")
        response = super().request(*args, **kwargs)
        with self._streaming:
            if not self._is_broken_off:
                self._streamed.add(response)
                return response
        response.close()
        raise requests.RequestException("interrupted")


class Pace:
    """Keeps the starts of requests a while apart."""

    def __init__(
        self,
        delay: float,
        *,
        sleep: Sleep = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._delay = delay
        self._sleep = sleep
        self._clock = clock
        self._next = -float("inf")

    def wait(self) -> None:
        """Return when the next request may start: `delay` seconds, and up to half as much again."""
        pause = self._next - self._clock()
        if pause > 0:
            self._sleep(pause)
        self._next = self._clock() + self._delay * random.uniform(1.0, 1.5)


class Download(NamedTuple):
    """An answer that is a file: the name Strava gives it, and its body as it comes.

    Reading the chunks raises CutShort where the body ends before it should, and ItemError where it
    is larger than anything that people upload.
    """

    sent_name: str
    chunks: Iterator[bytes]


def read_chunks(response: requests.Response) -> Iterator[bytes]:
    """The body as it comes, held against the announced length. Raises as Download says.

    The length is checked here as well as below: urllib3 1.26 takes a body cut short for whole.
    """
    header = response.headers.get("Content-Length") or ""
    announced = int(header) if header.isdecimal() else None
    size = 0
    _refuse_too_large(announced or 0)
    try:
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            _refuse_too_large(size)
            yield chunk
    except (requests.RequestException, OSError) as error:
        raise errors.CutShort("the connection broke in the middle", why="cut short") from error
    if response in _broken_off:
        # Without an announced length that looks like the end of the body.
        raise errors.CutShort("interrupted in the middle", why="cut short")
    # What came over the wire, before any decoding of it.
    seen = response.raw.tell()
    if announced is not None and seen != announced:
        raise errors.CutShort(
            f"the connection ended after {seen} of {announced} bytes", why="cut short"
        )


def _refuse_too_large(size: int) -> None:
    if size > _LARGEST_BODY:
        raise errors.ItemError("it is larger than 2 GiB", why="too large")


def describe(error: Exception) -> str:
    """A network fault in a few words, without addresses or parameters."""
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS connection failed (certificate not trusted, or a proxy in between)"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
