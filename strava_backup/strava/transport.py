"""HTTP sessions with identity, deadlines, retries and pace. Every fault becomes one of our errors.

Independent of the API and the website; sends no credentials by itself.
"""

from __future__ import annotations

import logging
import random
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from http.cookiejar import Cookie, DefaultCookiePolicy
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter

from strava_backup import __version__, errors
from strava_backup.strava.connections import WATCHDOG, Adapter, connection_handle
from strava_backup.strava.json_body import parse_json

_log = logging.getLogger(__name__)

USER_AGENT = f"strava-backup/{__version__}"

# Seconds to connect, and seconds without data while waiting for the next bytes.
TIMEOUT = (10.0, 60.0)
# The mean pause between requests, in delays: pauses are random, from 1 to 1.5 delays.
MEAN_PAUSE = 1.25
_RETRY_PAUSES = (1.0, 3.0)
_CHUNK = 1 << 14
# More digits than any real length has; Python refuses to parse integers of more than 4,300.
_LONGEST_LENGTH = 18
# The limits of browsers; Strava sets fewer and smaller cookies.
_LARGEST_COOKIE = 4096
_MOST_COOKIES = 50
# The parameters that the request log may contain; others may be secrets, as in the signed addresses
# of pictures.
_LOGGED_PARAMETERS = {"page", "per_page", "size"}
# The names of real compressions; requests accept gzip only. Other names (S3 uses many) mean that
# the body is not compressed.
_PACKED = {"gzip", "x-gzip", "deflate", "compress", "br", "zstd"}

Sleep = Callable[[float], None]
T = TypeVar("T")


class Limits(NamedTuple):
    """The limits of an answer: seconds for its head, bytes for its body, and a minimum speed.

    At least `slow_bytes` of a body have to arrive within each `slow_seconds`: 1 kB/s.
    """

    head_seconds: float = 300.0
    slow_seconds: float = 300.0
    slow_bytes: int = 300_000
    page_bytes: int = 32 << 20
    file_bytes: int = 2 << 30


LIMITS = Limits()


class Session(requests.Session):
    """A requests session with our user agent, deadlines, and retries on temporary faults.

    GETs are tried three times on connection errors and 5xx answers. Other requests are not
    repeated: a second token request could use a token twice, a second log-in can lock an account.
    """

    def __init__(
        self,
        *,
        adapter: BaseAdapter | None = None,
        pace: Pace | None = None,
        sleep: Sleep = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        limits: Limits = LIMITS,
    ) -> None:
        super().__init__()
        self.headers["User-Agent"] = USER_AGENT
        self.headers["Accept-Encoding"] = "gzip"
        # Ignore ~/.netrc, which belongs to other programs; HTTPS_PROXY and REQUESTS_CA_BUNDLE
        # still apply.
        self.auth = _no_auth
        self.cookies.set_policy(_CookiePolicy())
        self.sleep = sleep
        self.clock = clock
        self.limits = limits
        self.is_broken_off = False
        self._pace = pace
        self._when_broken_off: list[Callable[[], None]] = []
        self._environment: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.mount("https://", adapter or Adapter())
        self.mount("http://", Adapter())

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> Response:
        """Return the answer, its body read unless `stream` is set.

        Redirects are never followed: callers read their targets, and another host could receive
        our secrets. Raises Unreachable (with CutShort and TooSlow), ItemError, and ConfigError for
        the environment's certificates; exceptions of the libraries are converted.
        """
        kwargs.setdefault("timeout", TIMEOUT)
        for pause in _RETRY_PAUSES if str(method).upper() == "GET" else ():
            try:
                response = self._request_once(method, url, *args, **kwargs)
            except errors.Unreachable as error:
                # A slow answer is not retried: three deadlines would take too long.
                if self.is_broken_off or isinstance(error, errors.TooSlow):
                    raise
            else:
                if response.status_code < 500:
                    return response
                response.close()
            pause += random.uniform(0, pause / 2)
            _log.debug("wait of %.1f s before the next try", pause)
            self.sleep(pause)
        return self._request_once(method, url, *args, **kwargs)

    def get(self, url: Any, *args: Any, **kwargs: Any) -> Response:
        """Return the answer to a GET, as `request` does."""
        return self.request("GET", url, *args, **kwargs)

    def post(self, url: Any, *args: Any, **kwargs: Any) -> Response:
        """Return the answer to a POST, as `request` does."""
        return self.request("POST", url, *args, **kwargs)

    def break_off(self) -> None:
        """End the requests of other threads, and send no more."""
        self.is_broken_off = True
        WATCHDOG.end_all(self)
        for call in self._when_broken_off:
            call()

    def when_broken_off(self, call: Callable[[], None]) -> None:
        """Register a callback for `break_off`, to end waits between requests."""
        self._when_broken_off.append(call)

    def within(self, seconds: float, call: Callable[[], T], raw: Any = None) -> T:
        """Return the result of a blocking call, which may read from the answer `raw`.

        Raises the call's exception, TooSlow after `seconds`, and CutShort after `break_off`.
        """
        ends_at = self.clock() + seconds
        result: list[T] = []
        error: Exception | None = None
        with WATCHDOG.limit(self, seconds, connection_handle(raw)) as limit:
            try:
                # Checked after the limit began: `break_off` ends only limits that have begun.
                if not self.is_broken_off:
                    result.append(call())
            except Exception as caught:
                error = caught
        if self.is_broken_off:
            raise errors.CutShort("interrupted", why="cut short") from error
        if limit.is_over or self.clock() > ends_at:
            raise errors.TooSlow("no whole answer in time", why="too slow") from error
        if error is not None:
            raise error
        return result[0]

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> Response:
        """Send a prepared request and return the answer, its body unread."""
        began = self.clock()
        try:
            answer = self._answer(request, **kwargs)
        except errors.Error as error:
            _log_request(request, type(error).__name__, self.clock() - began)
            raise
        _drop_surplus_cookies(self)
        return Response(answer, self, began)

    def _answer(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        host = urlsplit(request.url or "").hostname
        # Without this, requests would read the whole body without limits.
        kwargs["stream"] = True
        try:
            return self.within(
                self.limits.head_seconds, lambda: super(Session, self).send(request, **kwargs)
            )
        except errors.Unreachable as error:
            raise type(error)(f"{host}: {error}", error.why) from error
        except Exception as error:
            raise _failure(host, error, kwargs.get("verify")) from error

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Return the proxies and certificates for an address, by the environment at first use.

        For HTTPS_PROXY and NO_PROXY, `requests` reads all variables before each request, which
        takes longer than to build it.
        """
        if proxies or verify is not None or cert is not None:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        host = urlsplit(url)[:2]
        if host not in self._environment:
            self._environment[host] = super().merge_environment_settings(url, {}, None, None, None)
        return {**self._environment[host], "stream": stream}

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None, so that requests neither parses the address nor prepares a request to it."""

    def _request_once(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> Response:
        if self._pace is not None:
            self._pace.wait()
        try:
            response = super().request(method, url, *args, **kwargs)
        except errors.Error:
            raise
        except Exception as error:
            # `send` raises our errors only, so the request could not be built.
            raise errors.ItemError(
                f"the request to {_host(url)} cannot be made ({type(error).__name__})"
            ) from error
        assert isinstance(response, Response)
        if not kwargs.get("stream"):
            response.read()
        return response


class Response(requests.Response):
    """An answer whose body is read once and within limits, by `read` or by `read_chunks`.

    `began` is the time at which the request was sent, by the session's clock.
    """

    def __init__(self, answer: requests.Response, session: Session, began: float) -> None:
        super().__init__()
        self.__dict__.update(answer.__dict__)
        # All of Strava's pages and JSON are UTF-8; the charset in the header is ignored.
        self.encoding = "utf-8"
        self.session = session
        self._began = began
        self._is_logged = False

    def close(self) -> None:
        """Release the connection, and log the request, whose size is known only now."""
        super().close()
        if not self._is_logged:
            self._is_logged = True
            result = f"{self.status_code}, {self.raw.tell()} bytes"
            _log_request(self.request, result, self.session.clock() - self._began)

    def read(self) -> None:
        """Read the body into `content`, except for redirects and 5xx answers.

        Raises Unreachable, ItemError.
        """
        body = BytesIO()
        try:
            if self.status_code < 300 or 400 <= self.status_code < 500:
                for chunk in self._chunks(self.session.limits.page_bytes):
                    body.write(chunk)
        except errors.TooSlow as error:
            raise errors.TooSlow(f"{_host(self.url)}: {error}", error.why) from error
        except errors.CutShort as error:
            raise errors.Unreachable(f"{_host(self.url)}: {error}") from error
        finally:
            # close() keeps the connection for reuse only if the body was read to its end.
            self.close()
        self._content = body.getvalue()
        self._content_consumed = True

    def json(self, **_: Any) -> Any:
        """Return the JSON in the body. Raises ValueError, as stravalib expects."""
        return parse_json(self.content)

    def read_chunks(self, most: int | None = None) -> Iterator[bytes]:
        """Yield the body of a file of at most that many bytes, by default the limit of files.

        Raises the errors described at Download.
        """
        return self._chunks(self.session.limits.file_bytes if most is None else most)

    def _chunks(self, most: int) -> Iterator[bytes]:
        announced = _announced_length(self.headers)
        refuse_too_large(announced or 0, most)
        size = 0
        for chunk in _unpacked(self._raw_chunks(most), self.headers):
            size += len(chunk)
            refuse_too_large(size, most)
            if chunk:
                yield chunk
        # The number of bytes received, before decoding; urllib3 1.26 does not compare it.
        seen = self.raw.tell()
        if announced is not None and seen != announced:
            raise errors.CutShort(
                f"the connection ended after {seen} of {announced} bytes", why="cut short"
            )

    def _raw_chunks(self, most: int) -> Iterator[bytes]:
        """Yield the bytes as received; only the time spent waiting for them counts."""
        session, limits = self.session, self.session.limits
        left, size = limits.slow_seconds, 0
        while True:
            began = session.clock()
            chunk = session.within(left, self._raw_chunk, self.raw)
            left, size = left - (session.clock() - began), size + len(chunk)
            if not chunk:
                return
            refuse_too_large(self.raw.tell(), most)
            if size >= limits.slow_bytes:
                left, size = limits.slow_seconds, 0
            yield chunk

    def _raw_chunk(self) -> bytes:
        try:
            return self.raw.read(_CHUNK, decode_content=False) or b""
        except Exception as error:
            raise errors.CutShort("the connection broke in the middle", why="cut short") from error


class Pace:
    """Keeps a minimum delay between the starts of requests."""

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
        """Wait until the next request may start: 1 to 1.5 delays after the previous one."""
        pause = self._next - self._clock()
        if pause > 0:
            _log.debug("wait of %.1f s between requests", pause)
            self._sleep(pause)
        self._next = self._clock() + self._delay * random.uniform(1.0, 1.5)


class Download(NamedTuple):
    """An answer that is a file: the name that Strava sends, and its body in chunks.

    Reading the chunks raises CutShort if the body is incomplete, and ItemError if it is larger
    than any plausible upload.
    """

    sent_name: str
    chunks: Iterator[bytes]


class _CookiePolicy(DefaultCookiePolicy):
    """Accepts only cookies that can be sent in a header and are not larger than browsers allow."""

    def set_ok(self, cookie: Cookie, request: Any) -> bool:
        text = f"{cookie.name}={cookie.value}"
        is_plain = text.isascii() and text.isprintable() and len(text) <= _LARGEST_COOKIE
        return is_plain and super().set_ok(cookie, request)


def _drop_surplus_cookies(session: Session) -> None:
    """Remove cookies above the limit; our own and those of the first pages came first and stay."""
    for cookie in list[Any](session.cookies)[_MOST_COOKIES:]:
        session.cookies.clear(cookie.domain, cookie.path, cookie.name)


def _announced_length(headers: Mapping[str, str]) -> int | None:
    """Return the length in an answer's header, which may be repeated. Raises CutShort."""
    if "Content-Length" not in headers:
        return None
    lengths = {part.strip() for part in headers["Content-Length"].split(",")}
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit()):
        raise errors.CutShort("it announces its length in a wrong form", why="cut short")
    return int(length) if len(length) <= _LONGEST_LENGTH else 10**_LONGEST_LENGTH


def _unpacked(chunks: Iterator[bytes], headers: Mapping[str, str]) -> Iterator[bytes]:
    """Return the body decompressed according to `Content-Encoding`, in pieces of limited size."""
    packings = {part.strip().lower() for part in headers.get("Content-Encoding", "").split(",")}
    if not packings & _PACKED:
        return chunks
    if packings <= {"gzip", "x-gzip"} and len(packings) == 1:
        return _gunzipped(chunks)
    raise errors.PageInstead("it uses a compression that was not requested")


def _gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        for chunk in chunks:
            rest = chunk
            while rest:
                if unpacker.eof:
                    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
                yield unpacker.decompress(rest, _CHUNK)
                rest = unpacker.unconsumed_tail or unpacker.unused_data
        yield unpacker.flush()
    except zlib.error as error:
        raise errors.CutShort("it cannot be decompressed", why="cut short") from error
    if not unpacker.eof:
        raise errors.CutShort("its compressed data ends in the middle", why="cut short")


def refuse_too_large(size: int, most: int) -> None:
    """Raise ItemError if a size in bytes exceeds a limit."""
    if size > most:
        raise errors.ItemError(f"it is larger than {_size_text(most)}", why="too large")


def _size_text(size: int) -> str:
    return f"{size >> 30} GiB" if size >= 1 << 30 else f"{size >> 20} MiB"


def _log_request(request: requests.PreparedRequest, result: str, seconds: float) -> None:
    address = _logged_address(request.url or "")
    _log.debug("%s %s: %s in %.3f s", request.method, address, result, seconds)


def _logged_address(url: str) -> str:
    """Return host and path of an address, with the parameters that cannot be secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unknown address"
    query = [
        f"{name}={value}"
        for name, value in parse_qsl(parts.query)
        if name in _LOGGED_PARAMETERS and value.isdigit()
    ]
    return f"{parts.hostname}{parts.path}{'?' if query else ''}{'&'.join(query)}"


def _host(url: Any) -> str:
    try:
        return urlsplit(str(url)).hostname or "an unknown host"
    except ValueError:
        return "an unknown host"


def _failure(host: str | None, error: Exception, verify: Any) -> errors.Error:
    # Loading the certificates takes long, so they are checked only for faults that they can cause.
    is_tls = isinstance(error, requests.exceptions.SSLError)
    may_be_certificates = is_tls or not isinstance(error, requests.RequestException)
    if may_be_certificates and isinstance(verify, str) and not _has_certificates(verify):
        return errors.ConfigError(
            f"there are no certificates in {verify}, where REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE "
            "points to: name a file in PEM format there, or unset the variable"
        )
    return errors.Unreachable(f"{host}: {describe(error)}")


def _has_certificates(path: str) -> bool:
    is_folder = Path(path).is_dir()
    try:
        ssl.create_default_context(
            cafile=None if is_folder else path, capath=path if is_folder else None
        )
    except (OSError, ValueError):
        return False
    return True


def describe(error: Exception) -> str:
    """Return a short description of a network fault, without addresses or parameters."""
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS connection failed (certificate not trusted, or a proxy in between)"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, requests.exceptions.InvalidProxyURL):
        return "the address of the proxy (HTTPS_PROXY) is not one"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
