"""Checks of pictures by their first bytes and their end marks, without decoding them."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from typing import BinaryIO

SUFFIXES = (".jpg", ".png", ".gif", ".webp", ".heic")

_CHUNK = 1 << 14
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif")
# The start of a segment, or the end of the image. All other markers stand alone within the data of
# a scan (ITU-T T.81, B.1.1).
_JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")


def kind_of(head: bytes) -> str:
    """Return the suffix for the first bytes of a picture; "" if it is not a known picture."""
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
    """Return how a picture is broken; None if it is complete from magic number to end mark.

    Bytes after the end are allowed (in a HEIC, complete boxes): phones add depth maps and videos.
    Raises OSError.
    """
    # Not the size of the file on disk, which may be gzipped.
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if kind_of(file.read(16)) != suffix:
        return f"no {suffix} picture"
    return None if _ENDS[suffix](_Content(file), size) else f"the {suffix} picture has no end"


def box_kinds(file: BinaryIO) -> set[bytes] | None:
    """Return the kinds of the outermost boxes of a file in the ISO base media file format.

    Returns None if it is not a complete sequence of boxes. Raises OSError.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return _box_kinds(_Content(file), size)


class _Content:
    """Random access to the bytes of a file, through a window of 16 kB.

    Not a memory map: all pages of a large picture would count as resident memory.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        # A section of the file. Seeking backwards in a gzip file unpacks it from the start.
        self._window, self._start = b"", 0

    def read(self, start: int, length: int) -> bytes:
        """Return up to `length` bytes from `start`."""
        at = self._find(start, length)
        return self._window[at : at + length]

    def _find(self, start: int, length: int) -> int:
        """Return the offset in the window of the bytes from `start`, after moving it if needed."""
        end = self._start + len(self._window)
        if not self._start <= start <= start + length <= end:
            is_inside = self._start <= start <= end
            kept = self._window[start - self._start :] if is_inside else b""
            self._file.seek(start + len(kept))
            self._window, self._start = kept + self._file.read(max(length, _CHUNK)), start
        return start - self._start

    def byte(self, at: int) -> int:
        """Return one byte as a number; 0 after the end."""
        return int.from_bytes(self.read(at, 1), "big")

    def find_marker(self, at: int) -> tuple[bytes, int] | None:
        """Return the next JPEG marker and the position after it."""
        while (offset := self._find(at, 2)) < len(self._window):
            marker = _JPEG_MARKER.search(self._window, offset)
            if marker:
                return marker[1], self._start + marker.end()
            # Markers have two bytes, and the first may be the last byte of the window.
            at = max(at + 1, self._start + len(self._window) - 1)
        return None


def _has_jpeg_end(content: _Content, size: int) -> bool:
    """Return whether an end mark follows the segments. End marks in them (thumbnails) are
    skipped."""
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
    """Return whether the trailer follows the blocks
    (https://www.w3.org/Graphics/GIF/spec-gif89a.txt)."""
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
    """Return the size of the colour table that the flags announce; 0 if there are none."""
    return 6 << (flags[0] & 7) if flags and flags[0] & 0x80 else 0


def _has_webp_end(content: _Content, size: int) -> bool:
    return bool(int.from_bytes(content.read(4, 4), "little") + 8 <= size)


def _has_heic_end(content: _Content, size: int) -> bool:
    """Return whether the file is a complete sequence of boxes, data included."""
    return b"mdat" in (_box_kinds(content, size) or ())


def _box_kinds(content: _Content, size: int) -> set[bytes] | None:
    """Return the kinds of the outermost boxes (ISO/IEC 14496-12); None if one is incomplete."""
    at, kinds = 0, set()
    while at + 8 <= size:
        length, kind = struct.unpack(">I4s", content.read(at, 8))
        kinds.add(kind)
        if length == 1 and at + 16 <= size:
            (length,) = struct.unpack(">Q", content.read(at + 8, 8))
        if length == 0:
            return kinds
        if length < 8 or at + length > size:
            return None
        at += length
    return kinds if at == size else None


_ENDS: dict[str, Callable[[_Content, int], bool]] = {
    ".jpg": _has_jpeg_end,
    ".png": _has_png_end,
    ".gif": _has_gif_end,
    ".webp": _has_webp_end,
    ".heic": _has_heic_end,
}
