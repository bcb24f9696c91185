"""Parses HLS playlists (RFC 8216) into the addresses of a video. Pure; the only user of m3u8."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urljoin

from m3u8.parser import parse

from strava_backup import errors

# Bounds for the time that m3u8 needs. Strava's videos have some dozen lines.
_MOST_LINES = 50_000
_MOST_SEGMENTS = 10_000
# m3u8 parses only these tags: it would fail for malformed values of others that are not needed.
_PARSED = {
    "#EXTINF",
    "#EXT-X-BYTERANGE",
    "#EXT-X-ENDLIST",
    "#EXT-X-MAP",
    "#EXT-X-MEDIA",
    "#EXT-X-STREAM-INF",
}
_KEYS = {"#EXT-X-KEY", "#EXT-X-SESSION-KEY"}
# A segment that does not exist, and segments that are only in an earlier playlist.
_GAPS = {"#EXT-X-GAP", "#EXT-X-SKIP"}
_BYTE_RANGE = re.compile(r"\s*([0-9]{1,15})(?:@([0-9]{1,15}))?\s*")


class Section(NamedTuple):
    """A part of a video: `length` bytes from `start` of a resource, or all of it without one."""

    url: str
    start: int = 0
    length: int | None = None


# Continued by an initialisation section whose byte range has no start.
_BEGIN = Section("", 0, 0)


class Media(NamedTuple):
    """The sections of a video in order; joined, they are a file with that suffix."""

    sections: tuple[Section, ...]
    suffix: str


def parse_playlist(content: bytes, url: str) -> str | Media:
    """Return a video's sections, or the address of its best variant if the playlist has variants.

    `url` is the playlist's own address. The best variant is that with the highest bandwidth.
    Raises ItemError if the playlist is malformed, not closed, encrypted, or incomplete.
    """
    lines = _text(content).splitlines()
    if len(lines) > _MOST_LINES:
        raise _unusable("its playlist is too long", "too large")
    found = _parsed("\n".join(lines))
    if found["is_variant"]:
        return _best_variant(found, url)
    addresses = sum(bool(line.strip()) and not line.strip().startswith("#") for line in lines)
    return _media(found, addresses, url)


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if not text.startswith("#EXTM3U"):
        raise _malformed("it does not begin with #EXTM3U")
    return text


def _parsed(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = parse(text, custom_tags_parser=_skips)
    except errors.ItemError:
        raise
    except Exception as error:
        # m3u8 does not check its input: it raises KeyError, ValueError and others.
        raise _malformed(type(error).__name__) from error
    return found


def _skips(line: str, number: int, found: Any, state: Any) -> bool:
    """Return whether m3u8 is to skip a line with a tag. Raises ItemError for unusable playlists."""
    tag, _, value = line.partition(":")
    # "If the encryption method is NONE, other attributes MUST NOT be present" (RFC 8216, 4.3.2.4)
    if tag in _KEYS and value.strip() != "METHOD=NONE":
        raise _unusable("it is encrypted", "encrypted")
    if tag in _GAPS:
        raise _unusable(f"its playlist has a gap ({tag})", "a gap")
    if tag == "#EXT-X-MAP" and not value.strip():
        # For m3u8 it ends the effect of an earlier one.
        raise _malformed("an initialisation section has no address")
    return tag not in _PARSED


def _best_variant(found: dict[str, Any], url: str) -> str:
    variants = found["playlists"]
    if not variants:
        raise _malformed("a variant has no address")
    best = max(variants, key=lambda one: one["stream_info"].get("bandwidth", 0))
    group = best["stream_info"].get("audio")
    if any(_is_sound(rendition, group) for rendition in found["media"]):
        raise _unusable("its sound has a playlist of its own", "separate sound")
    return _absolute(url, best["uri"])


def _is_sound(rendition: dict[str, Any], group: str | None) -> bool:
    """Return whether a rendition is the sound of a variant with that group, in other segments."""
    is_of_variant = group is not None and rendition.get("group_id") == group
    return is_of_variant and rendition.get("type") == "AUDIO" and bool(rendition.get("uri"))


def _media(found: dict[str, Any], addresses: int, url: str) -> Media:
    segments = found["segments"]
    if not found["is_endlist"]:
        raise _unusable("its playlist is not closed (no #EXT-X-ENDLIST)", "not closed")
    if not segments:
        raise _unusable("its playlist has no segments", "no segments")
    if len(segments) > _MOST_SEGMENTS:
        raise _unusable(f"it has more than {_MOST_SEGMENTS:,} segments", "too large")
    # m3u8 ignores an address without #EXTINF, and returns an #EXTINF without an address.
    if addresses != len(segments) or not all("uri" in segment for segment in segments):
        raise _malformed("a segment is incomplete")
    has_header = any("init_section" in segment for segment in segments)
    return Media(tuple(_sections(segments, url)), ".mp4" if has_header else ".ts")


def _sections(segments: list[dict[str, Any]], url: str) -> Iterator[Section]:
    """Yield the sections, with an initialisation section before the first of its segments."""
    header, previous = None, None
    for segment in segments:
        if segment.get("init_section") != header:
            header = segment.get("init_section") or {}
            yield _section(_absolute(url, header.get("uri")), header.get("byterange"), _BEGIN)
        previous = _section(_absolute(url, segment["uri"]), segment.get("byterange"), previous)
        yield previous


def _section(url: str, byte_range: str | None, previous: Section | None) -> Section:
    """Return a section; a byte range without a start continues the previous one."""
    if byte_range is None:
        return Section(url)
    found = _BYTE_RANGE.fullmatch(byte_range)
    if found is None or int(found[1]) == 0:
        raise _malformed("a byte range is none")
    if found[2] is not None:
        return Section(url, int(found[2]), int(found[1]))
    if previous is None or previous.length is None or previous.url not in ("", url):
        raise _malformed("a byte range has no start")
    return Section(url, previous.start + previous.length, int(found[1]))


def _absolute(url: str, reference: Any) -> str:
    if not reference or not isinstance(reference, str):
        raise _malformed("an address is missing")
    try:
        return urljoin(url, reference)
    except ValueError as error:
        raise errors.ItemError("an address in its playlist is not one", why="no address") from error


def _malformed(why: str) -> errors.ItemError:
    return _unusable(f"its playlist cannot be parsed ({why})", "no playlist")


def _unusable(message: str, why: str) -> errors.ItemError:
    return errors.ItemError(message, why)
