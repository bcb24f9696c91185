from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import pytest

from strava_backup.demo.pictures import KINDS, picture

MAGIC = {
    "jpg": (0, b"\xff\xd8\xff"),
    "png": (0, b"\x89PNG\r\n\x1a\n"),
    "gif": (0, b"GIF89a"),
    "webp": (8, b"WEBP"),
    "heic": (4, b"ftypheic"),
}
SIZES = [(1, 1), (3, 5), (9, 1), (48, 64), (1536, 2048)]


def jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Return (marker, content) of each segment; the scan's bytes belong to the last one."""
    position = 2
    while True:
        mark, kind, length = struct.unpack_from(">BBH", content, position)
        assert mark == 0xFF
        if kind == 0xDA:
            yield kind, content[position + 2 + length :]
            return
        yield kind, content[position + 4 : position + 2 + length]
        position += 2 + length


def png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    while position < len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        body = content[position + 8 : position + 8 + length]
        (crc,) = struct.unpack_from(">I", content, position + 8 + length)
        assert crc == zlib.crc32(kind + body)
        yield kind, body
        position += 12 + length
    assert position == len(content)


def gif_blocks(content: bytes, position: int) -> tuple[bytes, int]:
    """Return the content of sub-blocks, and the position of their end."""
    whole = b""
    while length := content[position]:
        whole += content[position + 1 : position + 1 + length]
        position += 1 + length
    return whole, position + 1


def gif_pixels(packed: bytes) -> bytes:
    """Decode LZW with codes of 3 bits and more, independently of the code under test."""
    bits = "".join(f"{byte:08b}"[::-1] for byte in packed)
    table: list[bytes] = []
    pixels, last, position, width = b"", b"", 0, 3
    while True:
        code = int(bits[position : position + width][::-1], 2)
        position += width
        if code == 4:
            table, last, width = [bytes([value]) for value in range(4)] + [b"", b""], b"", 3
            continue
        if code == 5:
            return pixels
        entry = table[code] if code < len(table) else last + last[:1]
        if last:
            table.append(last + entry[:1])
        if len(table) == 1 << width and width < 12:
            width += 1
        pixels, last = pixels + entry, entry


def riff_chunks(content: bytes) -> dict[bytes, bytes]:
    assert struct.unpack_from("<4sI4s", content) == (b"RIFF", len(content) - 8, b"WEBP")
    chunks, position = {}, 12
    while position < len(content):
        kind, length = struct.unpack_from("<4sI", content, position)
        chunks[kind] = content[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
    assert position == len(content)
    return chunks


def boxes(content: bytes) -> dict[bytes, bytes]:
    found, position = {}, 0
    while position < len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        found[kind] = content[position + 8 : position + length]
        position += length
    assert position == len(content)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_begins_as_its_kind_does(kind):
    offset, magic = MAGIC[kind]
    assert picture(kind, "a", 48, 64)[offset:].startswith(magic)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others(kind):
    assert picture(kind, "a", 48, 64) == picture(kind, "a", 48, 64)
    assert picture(kind, "a", 48, 64, 500) != picture(kind, "b", 48, 64, 500)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_about_as_large_as_asked_for(kind):
    for size in (2_000, 70_000, 200_000):
        assert size <= len(picture(kind, "a", 48, 64, size)) < size * 1.01 + 20
    assert {3 <= len(picture(kind, seed, 1536, 2048)) / 1000 < 31 for seed in "abcdefgh"} == {True}
    assert len(picture(kind, "a", 48, 64, 0)) < 400


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_jpeg_is_baseline_and_holds_all_its_blocks(width, height):
    segments = list(jpeg_segments(picture("jpg", "a", width, height, 70_000)))
    assert [kind for kind, _ in segments] == [
        0xE0, 0xFE, *([0xFE] if width < 1000 else []), 0xDB, 0xC0, 0xC4, 0xC4, 0xDA,
    ]  # fmt: skip
    frame = dict(segments)[0xC0]
    assert struct.unpack(">BHHB", frame[:6]) == (8, height, width, 1)
    scan = segments[-1][1]
    assert scan.endswith(b"\xff\xd9")
    blocks = -(-width // 8) * -(-height // 8)
    # ten bits for the first block, two for each other
    assert len(scan[:-2].replace(b"\xff\x00", b"\xff")) == -(-(8 + 2 * blocks) // 8)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_png_has_right_checksums_and_all_its_rows(width, height):
    chunks = list(png_chunks(picture("png", "a", width, height)))
    assert [kind for kind, _ in chunks] == [b"IHDR", b"tEXt", b"PLTE", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[0][1]) == (width, height, 1, 3, 0, 0, 0)
    assert len(zlib.decompress(chunks[3][1])) == (1 + -(-width // 8)) * height


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (3, 5), (9, 1), (48, 64), (480, 36)])
def test_a_gif_has_all_its_pixels(width, height):
    content = picture("gif", "a", width, height)
    assert struct.unpack_from("<HH", content, 6) == (width, height)
    assert content[19:21] == b"\x21\xfe"
    comment, position = gif_blocks(content, 21)
    assert comment.isascii()
    assert struct.unpack_from("<BHHHHBB", content, position) == (0x2C, 0, 0, width, height, 0, 2)
    packed, end = gif_blocks(content, position + 11)
    assert gif_pixels(packed) == bytes(width * height)
    assert content[end:] == b"\x3b"


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_webp_has_its_sides_in_both_headers(width, height):
    chunks = riff_chunks(picture("webp", "a", width, height))
    assert list(chunks) == [b"VP8X", b"VP8L", b"XMP "]
    extended, image = chunks[b"VP8X"], chunks[b"VP8L"]
    assert (extended[4:7], extended[7:10]) == (
        (width - 1).to_bytes(3, "little"),
        (height - 1).to_bytes(3, "little"),
    )
    sides = int.from_bytes(image[1:5], "little")
    assert image[0] == 0x2F
    assert (sides & 0x3FFF, sides >> 14 & 0x3FFF) == (width - 1, height - 1)


def test_a_heic_has_its_boxes():
    found = boxes(picture("heic", "a", 48, 64))
    assert list(found) == [b"ftyp", b"meta", b"free", b"mdat"]
    assert found[b"ftyp"][:4] == b"heic"


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_picture_lacks_its_end(kind):
    content = picture(kind, "a", 48, 64, 2_000)
    half = content[: len(content) // 2]
    readers = {
        "jpg": lambda: list(jpeg_segments(half)),
        "png": lambda: list(png_chunks(half)),
        "gif": lambda: gif_blocks(half, 21),
        "webp": lambda: riff_chunks(half),
        "heic": lambda: boxes(half),
    }
    with pytest.raises((AssertionError, IndexError, struct.error)):
        readers[kind]()
