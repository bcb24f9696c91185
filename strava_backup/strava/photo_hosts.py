"""Downloads pictures and videos from Strava's photo hosts. Sends them no cookies."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

from strava_backup import errors
from strava_backup.strava import transport
from strava_backup.strava.playlists import Media, Section, parse_playlist

_HOST = re.compile(r"(?:[a-z0-9-]{1,63}\.)+(?:cloudfront\.net|strava\.com)")
# Characters that requests and urllib parse differently, so that the host that was checked would
# not be the host that is contacted.
_AMBIGUOUS = re.compile(r"[\s\\\x00-\x1f\x7f]|//[^/?#]*@")
_PLAYLIST_BYTES = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:[0-9]+|\*)")


class PhotoHosts:
    """Downloads pictures and videos, which need no log-in: the address is enough."""

    def __init__(self, http: transport.Session) -> None:
        self._http = http
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    @contextmanager
    def download(self, url: str) -> Iterator[transport.Download]:
        """Return the picture at an address from Strava.

        Raises ItemError (Refused, Unreachable): a failure concerns one picture only.
        """
        with self._opened(url) as response:
            yield transport.Download(urlsplit(url).path, response.read_chunks())

    @contextmanager
    def download_video(self, url: str) -> Iterator[transport.Download]:
        """Return the video of the playlist at an address from Strava, its segments joined.

        The name has the suffix of the video's format. Raises ItemError (Refused, Unreachable), also
        while the chunks are read: a failure concerns one video only.
        """
        media = self._fetch_media(url)
        with closing(self._video_chunks(media)) as chunks:
            yield transport.Download(f"video{media.suffix}", chunks)

    def _fetch_media(self, url: str) -> Media:
        """Return the sections of a video, after a check that all hosts are Strava's."""
        found = self._fetch_playlist(url)
        if isinstance(found, str):
            found = self._fetch_playlist(found)
        if isinstance(found, str):
            raise errors.ItemError("its variant is a list of variants", why="no playlist")
        for section in found.sections:
            _trusted_host(section.url)
        return found

    def _fetch_playlist(self, url: str) -> str | Media:
        with self._opened(url) as response:
            _refuse_page(response)
            content = b"".join(response.read_chunks(_PLAYLIST_BYTES))
        return parse_playlist(content, url)

    def _video_chunks(self, media: Media) -> Generator[bytes]:
        size = 0
        for section in media.sections:
            for chunk in self._section_chunks(section):
                size += len(chunk)
                transport.refuse_too_large(size, self._http.limits.file_bytes)
                yield chunk

    def _section_chunks(self, section: Section) -> Iterator[bytes]:
        with self._opened(section.url, _range_header(section)) as response:
            _refuse_page(response)
            is_part = response.status_code == 206
            if is_part:
                _check_range(response.headers.get("Content-Range", ""), section)
            skipped = 0 if is_part else section.start
            yield from _cut(response.read_chunks(), skipped, section.length)

    @contextmanager
    def _opened(self, url: str, byte_range: str = "") -> Iterator[transport.Response]:
        """Return the answer for an address from Strava, its body unread. Raises ItemError."""
        host = _trusted_host(url)
        headers = {"Accept-Encoding": "identity", **({"Range": byte_range} if byte_range else {})}
        with self._http.get(url, stream=True, headers=headers) as response:
            status = response.status_code
            if status >= 500:
                raise errors.Unreachable(f"{host} answers {status}", why=str(status))
            if status != 200 and not (status == 206 and byte_range):
                raise errors.Refused(f"{host} answers {status}", str(status))
            yield response


def _range_header(section: Section) -> str:
    if section.length is None:
        return ""
    return f"bytes={section.start}-{section.start + section.length - 1}"


def _check_range(header: str, section: Section) -> None:
    """Raise CutShort unless a partial answer is the requested one."""
    found = _CONTENT_RANGE.fullmatch(header)
    wanted = _range_header(section).removeprefix("bytes=")
    if found is None or f"{int(found[1])}-{int(found[2])}" != wanted:
        raise errors.CutShort("Strava sent another part of a segment", why="cut short")


def _cut(chunks: Iterator[bytes], skipped: int, length: int | None) -> Iterator[bytes]:
    """Yield `length` bytes after the skipped ones, or all. Raises CutShort, ItemError if empty."""
    end = None if length is None else skipped + length
    at = 0
    for chunk in chunks:
        first, last = max(skipped - at, 0), None if end is None else end - at
        at += len(chunk)
        if part := chunk[first:last]:
            yield part
        if end is not None and at >= end:
            return
    if end is not None:
        raise errors.CutShort(f"a segment ended after {at} of {end} bytes", why="cut short")
    if at == 0:
        raise errors.ItemError("Strava sent an empty segment", why="empty")


def _refuse_page(response: transport.Response) -> None:
    """Raise PageInstead for a web page, since a part of a video has no form of its own."""
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise errors.PageInstead("Strava sent a web page instead of the video", why="a web page")


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
