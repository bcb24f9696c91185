"""Downloads pictures from Strava's photo hosts. Sends them no cookies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

from strava_backup import errors
from strava_backup.strava import transport

_HOST = re.compile(r"(?:[a-z0-9-]{1,63}\.)+(?:cloudfront\.net|strava\.com)")
# Characters that requests and urllib parse differently, so that the host that was checked would
# not be the host that is contacted.
_AMBIGUOUS = re.compile(r"[\s\\\x00-\x1f\x7f]|//[^/?#]*@")


class PhotoHosts:
    """Downloads pictures, which need no log-in: the address is enough."""

    def __init__(self, http: transport.Session) -> None:
        self._http = http
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    @contextmanager
    def download(self, url: str) -> Iterator[transport.Download]:
        """Return the picture at an address from Strava.

        Raises ItemError (Refused, Unreachable): a failure concerns one picture only.
        """
        host = _trusted_host(url)
        with self._http.get(url, stream=True, headers={"Accept-Encoding": "identity"}) as response:
            status = response.status_code
            if status >= 500:
                raise errors.Unreachable(f"{host} answers {status}", why=str(status))
            if status != 200:
                raise errors.Refused(f"{host} answers {status}", str(status))
            yield transport.Download(urlsplit(url).path, response.read_chunks())


def _trusted_host(url: str) -> str:
    """Return the host of an address. Raises ItemError unless it is Strava's, over https."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        port = parts.port
    except ValueError:
        raise errors.ItemError("its address is not one", why="no address") from None
    if _AMBIGUOUS.search(url):
        raise errors.ItemError("its address is not one", why="no address")
    if parts.scheme != "https" or port not in (None, 443):
        raise errors.ItemError(f"its address on {host} is not https", why="not https")
    if not _HOST.fullmatch(host):
        raise errors.ItemError(f"its address is on a foreign host: {host}", why=f"host {host}")
    return host
