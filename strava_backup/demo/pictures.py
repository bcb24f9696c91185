"""Creates small valid pictures: JPEG, PNG, GIF, WebP and HEIC; equal arguments give equal bytes.

A picture has a single colour, and a comment that pads the file to its size. A HEIC has the boxes
of the format, but no image. Pure; independent of the account.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from collections.abc import Callable

Colour = tuple[int, int, int]


def picture(kind: str, seed: str, width: int, height: int, size: int | None = None) -> bytes:
    """Return a picture of about `size` bytes, by default 3 to 30 kB.

    Different seeds give different bytes. `kind` is a key of KINDS below.
    """
    red, green, blue, *rest = hashlib.shake_256(seed.encode()).digest(5)
    draw, colour = KINDS[kind], (red, green, blue)
    wanted = 3_000 + int.from_bytes(bytes(rest), "big") % 27_000 if size is None else size
    bare = len(draw(width, height, colour, b""))
    return draw(width, height, colour, _comment(seed, max(20, wanted - bare)))


def _comment(seed: str, length: int) -> bytes:
    return base64.b64encode(hashlib.shake_256(seed.encode()).digest(length))[:length]


def _pieces(content: bytes, longest: int) -> list[bytes]:
    return [content[start : start + longest] for start in range(0, len(content), longest)]


def _jpeg(width: int, height: int, colour: Colour, comment: bytes) -> bytes:
    """Return a baseline JPEG in grey: https://www.w3.org/Graphics/JPEG/itu-t81.pdf."""
    blocks = -(-width // 8) * -(-height // 8)
    # The first block has a difference of 7 bits, all others have none: 0 (DC), 0 (end of block).
    bits = f"10{colour[0] >> 1:07b}0" + "00" * (blocks - 1)
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    segments = [
        (0xE0, b"JFIF\0" + struct.pack(">HBHHBB", 0x0101, 0, 1, 1, 0, 0)),
        *((0xFE, piece) for piece in _pieces(comment, 65_533)),
        (0xDB, bytes([0, 8]) + b"\1" * 63),
        (0xC0, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)),
        # the codes 0 and 10 for differences of 0 and 7 bits; the code 0 for the end of a block
        (0xC4, b"\x00" + bytes([1, 1]) + bytes(14) + bytes([0, 7])),
        (0xC4, b"\x10" + bytes([1]) + bytes(15) + bytes([0])),
        (0xDA, bytes([1, 1, 0x00, 0, 63, 0])),
    ]
    head = b"".join(
        struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body for kind, body in segments
    )
    return b"\xff\xd8" + head + scan + b"\xff\xd9"


def _png(width: int, height: int, colour: Colour, comment: bytes) -> bytes:
    """Return a PNG with a palette of one colour, one bit per pixel: https://www.w3.org/TR/png."""
    rows = bytes(1 + -(-width // 8)) * height
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)),
        (b"tEXt", b"Comment\0" + comment),
        (b"PLTE", bytes(colour)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _gif(width: int, height: int, colour: Colour, comment: bytes) -> bytes:
    """Return a GIF with two colours, one of them used:
    https://www.w3.org/Graphics/GIF/spec-gif89a.txt.
    """
    return b"".join(
        [
            b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0),
            bytes(colour) + bytes(3),
            b"\x21\xfe" + _gif_blocks(comment),
            b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0),
            b"\2" + _gif_blocks(_gif_run(width * height)),
            b"\x3b",
        ]
    )


def _gif_run(pixels: int) -> bytes:
    """Return the LZW data of a single colour: each code is one pixel longer than the previous."""
    clear, end, first = 4, 5, 6
    value, position, width = clear, 3, 3
    length = 0
    while pixels:
        length = min(length + 1, pixels)
        value |= (0 if length == 1 else first + length - 2) << position
        position += width
        pixels -= length
        # the decoder's table is one entry behind the encoder's
        if first + length - 1 == 1 << width:
            width += 1
    value |= end << position
    return value.to_bytes((position + width + 7) // 8, "little")


def _gif_blocks(content: bytes) -> bytes:
    return b"".join(bytes([len(piece)]) + piece for piece in _pieces(content, 255)) + b"\0"


def _webp(width: int, height: int, colour: Colour, comment: bytes) -> bytes:
    """Return a lossless WebP, in which equal pixels take no bits:
    https://developers.google.com/speed/webp/docs/webp_lossless_bitstream_specification.
    """
    red, green, blue = colour
    bits = [(width - 1, 14), (height - 1, 14), (0, 4), (0, 3)]
    for value in (green, red, blue, 255):
        bits += [(0b101, 3), (value, 8)]
    bits += [(0b001, 3), (0, 1)]
    packed, position = 0, 0
    for value, count in bits:
        packed |= value << position
        position += count
    image = b"\x2f" + packed.to_bytes((position + 7) // 8, "little")
    has_xmp = 0x04
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = [
        (b"VP8X", struct.pack("<I", has_xmp) + sides),
        (b"VP8L", image),
        (b"XMP ", b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!--' + comment + b"--></x:xmpmeta>"),
    ]
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
        for kind, body in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _heic(width: int, height: int, colour: Colour, comment: bytes) -> bytes:
    """Return the boxes of ISO/IEC 23008-12 that identify a HEIC, without an image."""
    handler = _box(b"hdlr", bytes(8) + b"pict" + bytes(13))
    extent = _box(b"ispe", struct.pack(">III", 0, width, height))
    properties = _box(b"iprp", _box(b"ipco", extent))
    return b"".join(
        [
            _box(b"ftyp", b"heic" + bytes(4) + b"mif1heic"),
            _box(b"meta", bytes(4) + handler + properties),
            _box(b"free", comment),
            _box(b"mdat", bytes(colour)),
        ]
    )


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


KINDS: dict[str, Callable[[int, int, Colour, bytes], bytes]] = {
    "jpg": _jpeg,
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "heic": _heic,
}
