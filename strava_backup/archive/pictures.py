"""Pictures by their first bytes and their end marks. Decodes none."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from typing import BinaryIO

SUFFIXES = (".jpg", ".png", ".gif", ".webp", ".heic")

_CHUNK = 1 << 14
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif")
# A segment or the end; the others stand alone, within the data of a scan (ITU-T T.81, B.1.1).
_JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")


def kind_of(head: bytes) -> str:
    """The suffix that the first bytes of a picture call for; empty if it is none."""
    if head.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return ".gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return ".heic"
    return ""


def find_damage(file: BinaryIO, suffix: str) -> str | None:
    """How a picture is broken; None if it runs from its magic to its end mark.

    Bytes behind the end are allowed, in a HEIC whole boxes: phones put depth maps and film there.
    Raises OSError.
    """
    # Not of the file on disk, which may be packed.
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if kind_of(file.read(16)) != suffix:
        return f"no {suffix} picture"
    return None if _ENDS[suffix](_Content(file), size) else f"the {suffix} picture has no end"


class _Content:
    """A file whose bytes are read where they are looked at, whatever its size.

    Not a memory map: its pages would count as memory of ours, all of a large picture.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        # A part of the file: a packed one is unpacked from its beginning for a step back.
        self._window, self._start = b"", 0

    def read(self, start: int, length: int) -> bytes:
        """Up to so many bytes from there."""
        at = self._find(start, length)
        return self._window[at : at + length]

    def _find(self, start: int, length: int) -> int:
        """Where in the window the bytes from `start` are, which is moved for them if need be."""
        end = self._start + len(self._window)
        if not self._start <= start <= start + length <= end:
            is_inside = self._start <= start <= end
            kept = self._window[start - self._start :] if is_inside else b""
            self._file.seek(start + len(kept))
            self._window, self._start = kept + self._file.read(max(length, _CHUNK)), start
        return start - self._start

    def byte(self, at: int) -> int:
        """One byte, as a number; 0 behind the end."""
        return int.from_bytes(self.read(at, 1), "big")

    def find_marker(self, at: int) -> tuple[bytes, int] | None:
        """The next JPEG marker, and where it ends."""
        while (offset := self._find(at, 2)) < len(self._window):
            marker = _JPEG_MARKER.search(self._window, offset)
            if marker:
                return marker[1], self._start + marker.end()
            # Markers have two bytes: the first may be the window's last.
            at = max(at + 1, self._start + len(self._window) - 1)
        return None


def _has_jpeg_end(content: _Content, size: int) -> bool:
    """Whether an end comes behind the segments; what is inside them (a thumbnail) has ends, too."""
    at = 2
    while marker := content.find_marker(at):
        kind, end = marker
        if kind == b"\xd9":
            return True
        at = end + int.from_bytes(content.read(end, 2), "big")
    return False


def _has_png_end(content: _Content, size: int) -> bool:
    at = 8
    while at + 12 <= size:
        length, kind = struct.unpack(">I4s", content.read(at, 8))
        at += length + 12
        if kind == b"IEND":
            return bool(at <= size)
    return False


def _has_gif_end(content: _Content, size: int) -> bool:
    """Whether the trailer comes behind the blocks (https://www.w3.org/Graphics/GIF/spec-gif89a.txt)."""
    at = 13 + _gif_table_size(content.read(10, 1))
    while at < size and content.byte(at) != 0x3B:
        if content.byte(at) == 0x21:
            at += 2
        elif content.byte(at) == 0x2C:
            at += 11 + _gif_table_size(content.read(at + 9, 1))
        else:
            return False
        while at < size and content.byte(at):
            at += 1 + content.byte(at)
        at += 1
    return at < size


def _gif_table_size(flags: bytes) -> int:
    """The bytes of the table of colours that the flags, if there are any, announce."""
    return 6 << (flags[0] & 7) if flags and flags[0] & 0x80 else 0


def _has_webp_end(content: _Content, size: int) -> bool:
    return bool(int.from_bytes(content.read(4, 4), "little") + 8 <= size)


def _has_heic_end(content: _Content, size: int) -> bool:
    """Whether the boxes of ISO/IEC 14496-12, data included, fit into the file one by one."""
    at, has_data = 0, False
    while at + 8 <= size:
        length, kind = struct.unpack(">I4s", content.read(at, 8))
        has_data = has_data or kind == b"mdat"
        if length == 1 and at + 16 <= size:
            (length,) = struct.unpack(">Q", content.read(at + 8, 8))
        if length == 0:
            return has_data
        if length < 8 or at + length > size:
            return False
        at += length
    return has_data and at == size


_ENDS: dict[str, Callable[[_Content, int], bool]] = {
    ".jpg": _has_jpeg_end,
    ".png": _has_png_end,
    ".gif": _has_gif_end,
    ".webp": _has_webp_end,
    ".heic": _has_heic_end,
}
