"""Pictures by their first bytes and their end marks. Decodes none."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable
from typing import BinaryIO

SUFFIXES = (".jpg", ".png", ".gif", ".webp", ".heic")

_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif")


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

    Bytes behind the end are allowed: phones put depth maps and film there. Raises OSError.
    """
    size = os.fstat(file.fileno()).st_size
    if kind_of(file.read(16)) != suffix:
        return f"no {suffix} picture"
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return None if _ENDS[suffix](content, size) else f"the {suffix} picture has no end"


def _has_jpeg_end(content: mmap.mmap, size: int) -> bool:
    # A picture inside the header (a thumbnail) has an end mark too, so the last scan must have one.
    return bool(content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda"))


def _has_png_end(content: mmap.mmap, size: int) -> bool:
    at = 8
    while at + 12 <= size:
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        at += length + 12
        if kind == b"IEND":
            return bool(at <= size)
    return False


def _has_gif_end(content: mmap.mmap, size: int) -> bool:
    return bool(content.rfind(b"\x00\x3b") != -1)


def _has_webp_end(content: mmap.mmap, size: int) -> bool:
    return bool(struct.unpack_from("<I", content, 4)[0] + 8 <= size)


def _has_heic_end(content: mmap.mmap, size: int) -> bool:
    """Whether the boxes of ISO/IEC 14496-12 fit into the file, one behind the other."""
    at = 0
    while at + 8 <= size:
        (length,) = struct.unpack(">I", content[at : at + 4])
        if length == 1 and at + 16 <= size:
            (length,) = struct.unpack(">Q", content[at + 8 : at + 16])
        if length == 0:
            return True
        if length < 8 or at + length > size:
            return False
        at += length
    return at == size


_ENDS: dict[str, Callable[[mmap.mmap, int], bool]] = {
    ".jpg": _has_jpeg_end,
    ".png": _has_png_end,
    ".gif": _has_gif_end,
    ".webp": _has_webp_end,
    ".heic": _has_heic_end,
}
