"""Creates small HLS videos: playlists, and the segments that they name. Pure.

The address of the first playlist is known (dblock/strava-ruby-client, spec of activity_photos). It
leads to variants of `.ts` segments (https://github.com/mladimatija/strava-bulk-photo-export), whose
names here are made up. The second form has other features of RFC 8216: absolute addresses, byte
ranges and an initialisation section. Segments have the structure of their formats, but no image.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import NamedTuple

PACKET = 188
# The best variant is neither the first nor the last.
VARIANTS = (("540x960", 1_400_000), ("1080x1920", 5_200_000), ("270x480", 500_000))
BEST = "1080x1920"
SEGMENTS = 3


class Video(NamedTuple):
    """A video on the photo hosts: `files` by their names, one of which is the first `playlist`.

    `content` is the best variant with its segments joined, and `suffix` that of its format.
    """

    playlist: str
    files: Mapping[str, bytes]
    content: bytes
    suffix: str

    def kind_of(self, name: str) -> str:
        """Return the kind of a file: playlist, variant or segment."""
        if name == self.playlist:
            return "playlist"
        return "variant" if name.endswith(".m3u8") else "segment"


def ts_video(token: str) -> Video:
    """Return a video of MPEG-TS segments with relative addresses."""
    files = {f"{token}.m3u8": _master([f"{token}_{size}.m3u8" for size, _ in VARIANTS])}
    for size, bandwidth in VARIANTS:
        names = [f"{token}_{size}_{number:05}.ts" for number in range(SEGMENTS)]
        files |= {name: _ts(name, bandwidth // 240_000) for name in names}
        files[f"{token}_{size}.m3u8"] = _media([f"#EXTINF:1.33333,\n{name}" for name in names])
    content = b"".join(files[f"{token}_{BEST}_{number:05}.ts"] for number in range(SEGMENTS))
    return Video(f"{token}.m3u8", files, content, ".ts")


def mp4_video(token: str, folder: str) -> Video:
    """Return a video whose variants are byte ranges of one fragmented MP4 each.

    `folder` begins all addresses.
    """
    files = {f"{token}.m3u8": _master([f"{folder}{token}_{size}.m3u8" for size, _ in VARIANTS])}
    for size, bandwidth in VARIANTS:
        header = _box(b"ftyp", b"iso5\0\0\2\0iso5mp41") + _box(b"moov", _noise(size, 40))
        parts = [_fragment(f"{token} {size} {number}", bandwidth) for number in range(SEGMENTS)]
        url = f"{folder}{token}_{size}.mp4"
        lines = [f'#EXT-X-MAP:URI="{url}",BYTERANGE="{len(header)}@0"']
        # The first range says where it begins; each other one continues the one before.
        starts = [f"@{len(header)}", *[""] * (SEGMENTS - 1)]
        lines += [
            f"#EXTINF:1.33333,\n#EXT-X-BYTERANGE:{len(part)}{start}\n{url}"
            for part, start in zip(parts, starts, strict=True)
        ]
        files[f"{token}_{size}.mp4"] = b"".join([header, *parts])
        files[f"{token}_{size}.m3u8"] = _media(lines, version=7)
    return Video(f"{token}.m3u8", files, files[f"{token}_{BEST}.mp4"], ".mp4")


def _master(addresses: list[str]) -> bytes:
    lines = [
        f'#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION={size},CODECS="avc1.4d401f,mp4a.40.2"'
        f"\n{address}"
        for (size, bandwidth), address in zip(VARIANTS, addresses, strict=True)
    ]
    return "\n".join(["#EXTM3U", "#EXT-X-VERSION:3", *lines, ""]).encode()


def _media(lines: list[str], version: int = 3) -> bytes:
    head = ["#EXTM3U", f"#EXT-X-VERSION:{version}", "#EXT-X-TARGETDURATION:2"]
    head += ["#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-PLAYLIST-TYPE:VOD"]
    return "\n".join([*head, *lines, "#EXT-X-ENDLIST", ""]).encode()


def _ts(seed: str, packets: int) -> bytes:
    """Return an MPEG transport stream: its tables and null packets (ISO/IEC 13818-1, 2.4.3)."""
    programs = _table(0x00, struct.pack(">HH", 1, 0xE100))
    streams = _table(0x02, struct.pack(">HH", 0xE101, 0xF000))
    nulls = [_packet(0x1FFF, _noise(f"{seed} {number}", 184)) for number in range(packets)]
    return b"".join([_packet(0, b"\0" + programs), _packet(0x100, b"\0" + streams), *nulls])


def _packet(pid: int, payload: bytes) -> bytes:
    start = 0x4000 if pid != 0x1FFF else 0
    return struct.pack(">BHB", 0x47, start | pid, 0x10) + payload.ljust(PACKET - 4, b"\xff")


def _table(kind: int, entries: bytes) -> bytes:
    body = struct.pack(">BHHBBB", kind, 0xB000 | len(entries) + 9, 1, 0xC1, 0, 0) + entries
    return body + struct.pack(">I", _crc(body))


def _crc(content: bytes) -> int:
    """Return the CRC-32 of tables (ISO/IEC 13818-1, annex A), which is not that of zlib."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ 0x104C11DB7 if value & 0x80000000 else value << 1
    return value


def _fragment(seed: str, bandwidth: int) -> bytes:
    return _box(b"moof", _noise(seed, 24)) + _box(b"mdat", _noise(seed, bandwidth // 5_000))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def _noise(seed: str, length: int) -> bytes:
    return hashlib.shake_256(seed.encode()).digest(length)
