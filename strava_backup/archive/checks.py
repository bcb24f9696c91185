"""Checks of a file's type and integrity. Reads files, and never moves or changes them."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from strava_backup.archive import layout, pictures, track_points, videos
from strava_backup.archive.atomic import HEAD_SIZE
from strava_backup.archive.regular import follow_link

_CHUNK = 1 << 14
# Chunks grow within a tag or comment, since expat scans an incomplete one again with each of them.
_XML_CHUNK = 1 << 17
_LARGEST_XML_CHUNK = 1 << 24
_XML_ENCODING = re.compile(
    rb"(?:\xff\xfe|\xfe\xff)?\s*<\?xml\s[^<>]*?\sencoding\s*=\s*[\"']([A-Za-z][A-Za-z0-9._-]*)[\"']"
)
_EXPAT_ENCODINGS = ("utf-8", "utf-16", "utf-16le", "utf-16be", "iso-8859-1", "us-ascii")
# Codecs of Python that are not character sets of documents. Some take quadratic time.
_NO_CHARSETS = (
    "idna",
    "punycode",
    "raw-unicode-escape",
    "undefined",
    "unicode-escape",
    "utf-7",
)
_PAGE_START = re.compile(rb"<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE)
_BLANKS = re.compile(rb"\s*")
_BEFORE_A_PAGE = ((b"<?", b"?>"), (b"<!--", b"-->"))

GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class Damaged(Exception):
    """A file breaks a rule of its type, which the message names.

    Metadata stores these messages under `odd`, and they are compared with later ones: a reworded
    message no longer matches in existing archives.
    """


def looks_like_html(head: bytes) -> bool:
    """Return whether the first bytes are those of a web page, which is never an original."""
    text = _text_start(head)
    return _PAGE_START.match(text, _end_of_prolog(text)) is not None


def _end_of_prolog(text: bytes) -> int:
    """Return the position after the declarations, comments and blanks at the start.

    A declaration or comment that is not closed ends the prolog before it.
    """
    at = 0
    while opened := [mark for mark in _BEFORE_A_PAGE if text.startswith(mark[0], at)]:
        [(start, end)] = opened
        found = text.find(end, at + len(start))
        if found < 0:
            break
        blanks = _BLANKS.match(text, found + len(end))
        assert blanks is not None
        at = blanks.end()
    return at


def kind_of(head: bytes) -> str:
    """Return the suffix for the first bytes of a file, like `.fit` or `.jpg`; "" if unknown.

    `.json` is a guess: only a read of the whole file shows whether it is JSON.
    """
    if head.startswith(GZIP_MAGIC):
        return ".gz"
    if head[8:12] == b".FIT":
        return ".fit"
    picture = pictures.kind_of(head)
    if picture:
        return picture
    text = _text_start(head)
    if text.startswith((b"{", b"[")):
        return ".json"
    if text.startswith(b"<"):
        if b"<TrainingCenterDatabase" in text:
            return ".tcx"
        if b"<gpx" in text:
            return ".gpx"
    return ""


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file, enough for `kind_of`. Raises OSError."""
    with open(path, "rb", opener=follow_link) as file:
        return file.read(HEAD_SIZE)


def read_gzip_head(path: Path) -> bytes:
    """Return the first unpacked bytes of a gzip file; b"" if it is broken. Raises OSError."""
    try:
        with open(path, "rb", opener=follow_link) as packed, gzip.open(packed) as file:
            return file.read(HEAD_SIZE)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return b""


def proper_suffix(path: Path, sent: str, head: bytes | None = None) -> str:
    """Return the suffix for the file at `path`: `sent`, corrected by the file's magic number.

    A file of an unknown type keeps the suffix `sent`, or gets `.dat` if `sent` is empty. The suffix
    of a gzip file is `.fit.gz` if its content is a known type, else `.gz`. `head` saves a call of
    `read_head`. Raises OSError.
    """
    kind = kind_of(read_head(path) if head is None else head)
    packed = ".gz" if kind == ".gz" else ""
    if packed:
        kind = kind_of(read_gzip_head(path)).replace(".gz", "")
    # Other text files begin with a bracket, too: Polar's HRM begins with [Params].
    if kind == ".json" and sent != kind and damage(path, kind + packed) is not None:
        kind = ""
    return kind + packed or sent or ".dat"


def find_suspicion(path: Path, sent: str, head: bytes | None = None) -> str | None:
    """Return why a file sent with the suffix `sent` is suspicious; None if it is not.

    Reads the whole file. `head` is as for `proper_suffix`. Raises OSError.
    """
    return find_wrong_suffix(path, sent, head) or damage(path, proper_suffix(path, sent, head))


def find_wrong_suffix(path: Path, sent: str, head: bytes | None = None) -> str | None:
    """Return how a file's first bytes contradict the suffix `sent`; None if they do not.

    Raises OSError.
    """
    suffix = proper_suffix(path, sent, head)
    kind = suffix.removesuffix(".gz") or suffix
    # The addresses of all pictures end in .jpg, those of PNG files included
    # (https://github.com/mladimatija/strava-bulk-photo-export).
    if sent not in ("", ".gz", kind) and kind not in pictures.SUFFIXES:
        return f"named {sent}, but the content is {suffix}"
    return None


def damage(path: Path, suffix: str | None = None, content: bytes | None = None) -> str | None:
    """Return the rule of its type that a file breaks; None if it is intact.

    The type is that of `suffix`, or else of the content, or else of the name. Reads the whole file
    unless its `content` is given. Raises OSError.
    """
    try:
        check_file(path, _suffix_of_stored(path) if suffix is None else suffix, content)
    except Damaged as error:
        return str(error)
    return None


def _suffix_of_stored(path: Path) -> str:
    """Return the suffix for a stored file. Raises Damaged if name and content differ in type.

    All pictures count as one type: version 0.4 gave every picture the suffix `.jpg`.
    """
    suffix = proper_suffix(path, path.suffix.lower())
    name = path.name.lower().removesuffix(".gz")
    named, found = Path(name).suffix, suffix.removesuffix(".gz")
    are_pictures = named in pictures.SUFFIXES and found in pictures.SUFFIXES
    if named in _CHECKS and found in _CHECKS and named != found and not are_pictures:
        raise Damaged(f"named {named}, but the content is {found}")
    return named + suffix if suffix == ".gz" else suffix


def check_file(path: Path, suffix: str, content: bytes | None = None) -> None:
    """Check the file, or its content, by the rules of its type. Raises Damaged, OSError.

    A file of another type (`.dat` and any suffix that Strava may add) passes unless it is empty or
    a web page.
    """
    check = _CHECKS.get(suffix.removesuffix(".gz"), _read_through)
    try:
        with (
            open(path, "rb", opener=follow_link) if content is None else io.BytesIO(content) as file
        ):
            _refuse_page(file.read(HEAD_SIZE))
            file.seek(0)
            if suffix.endswith(".gz"):
                with gzip.open(file) as unpacked:
                    check(unpacked)  # type: ignore[arg-type]  # it has the methods that are used
            else:
                check(file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Damaged(f"the gzip data is broken: {error}") from error


def _refuse_page(head: bytes) -> None:
    if not head:
        raise Damaged("an empty file")
    if looks_like_html(head):
        raise Damaged("a web page")


def _check_picture(file: BinaryIO, suffix: str) -> None:
    damage = pictures.find_damage(file, suffix)
    if damage:
        raise Damaged(damage)


def _check_video(file: BinaryIO, suffix: str) -> None:
    damage = videos.find_damage(file, suffix)
    if damage:
        raise Damaged(damage)


def _text_start(head: bytes) -> bytes:
    # TCX files can have white space before <?xml (seen in exports since 2018).
    return head.removeprefix(_BOM).lstrip()


def _read_through(file: BinaryIO) -> None:
    while file.read(_CHUNK):
        pass


# The bits of a FIT file in the order of its CRC-16 (https://developer.garmin.com/fit/protocol/),
# lowest bit of the first byte first, are the coefficients of a polynomial over GF(2). With the CRC
# appended, the polynomial is a multiple of (y + 1)(y^15 + y^14 + 1), which divides y^32767 + 1.
# Blocks of this length can therefore be added up (XOR) before the division. A loop over bytes
# takes fifty times as long.
_FIT_BLOCK = 32767
_FIT_FIRST_STEP = 1 << 14


def _is_multiple(polynomial: int) -> bool:
    """Return whether the sum of blocks has no remainder; bit i is the coefficient of y^i."""
    if polynomial.bit_count() % 2:
        return False
    step = _FIT_FIRST_STEP
    while step:
        # Every power of two of a factor has its three terms: y^15n + y^14n + 1. A multiple of that
        # removes the lowest 14n bits, and the factor y^14n of the rest changes no remainder of 0.
        while polynomial.bit_length() > 15 * step:
            low = polynomial & ((1 << 14 * step) - 1)
            polynomial = (polynomial >> 14 * step) ^ low ^ (low << step)
        step >>= 1
    return polynomial == 0


def _check_fit(file: BinaryIO) -> None:
    """Check header, lengths and CRC of a FIT file, and of any FIT files chained to it."""
    first = True
    while header := file.read(12):
        if len(header) < 12 or header[8:12] != b".FIT" or header[0] < 12:
            raise Damaged("no FIT header" if first else "bytes behind the end of the FIT data")
        first = False
        rest = file.read(header[0] - 12)
        (size,) = struct.unpack_from("<I", header, 4)
        _check_fit_data(file, header + rest, size)
    if first:
        raise Damaged("no FIT header")


def _check_fit_data(file: BinaryIO, header: bytes, size: int) -> None:
    total, at, end = int.from_bytes(header, "little"), len(header), len(header) + size
    while at < end:
        place = at % _FIT_BLOCK
        chunk = file.read(min(end - at, _FIT_BLOCK - place))
        if not chunk:
            raise Damaged(f"the FIT data ends {end - at} bytes too early")
        total ^= int.from_bytes(chunk, "little") << 8 * place
        at += len(chunk)
    stored = file.read(2)
    if len(stored) < 2:
        raise Damaged("the FIT checksum is missing")
    if not _is_multiple(total ^ int.from_bytes(stored, "little") << 8 * (end % _FIT_BLOCK)):
        raise Damaged("the FIT checksum differs")


def _refuse_entity(*_: object) -> None:
    # A few lines of entities can expand to gigabytes, and no device declares any.
    raise Damaged("it declares XML entities")


def _check_xml(file: BinaryIO) -> None:
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = _refuse_entity
    size = _XML_CHUNK
    chunks = _xml_chunks(file, lambda: size)
    try:
        for chunk in chunks:
            token_start = parser.CurrentByteIndex
            parser.Parse(chunk)
            size = 2 * size if parser.CurrentByteIndex == token_start else _XML_CHUNK
            if size > _LARGEST_XML_CHUNK:
                megabytes = _LARGEST_XML_CHUNK >> 20
                raise Damaged(f"an XML tag or comment of more than {megabytes} MB")
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        # LookupError: an unknown encoding. ValueError: text that cannot be decoded.
        raise Damaged(f"not well-formed XML: {error}") from error


def _xml_chunks(file: BinaryIO, size: Callable[[], int]) -> Iterator[bytes | str]:
    """Yield the content of an XML file, as str if expat does not know the encoding.

    `size` returns the length of the next chunk. Raises LookupError for an unknown encoding, and
    ValueError for text that cannot be decoded.
    """
    first = file.read(size())
    # XML allows nothing before its declaration, but Strava's TCX files have white space there.
    start = first.removeprefix(_BOM).lstrip()
    encoding = _encoding_to_decode(start[:HEAD_SIZE])
    if encoding is None:
        rest = iter(lambda: file.read(size()), b"")
        yield from track_points.shortened(chain([start], rest))
    else:
        file.seek(0)
        text = io.TextIOWrapper(file, encoding, newline="")
        yield text.read(size()).removeprefix("\ufeff").lstrip()
        # Given str, expat ignores the declared encoding.
        yield from iter(lambda: text.read(size()), "")


def _encoding_to_decode(start: bytes) -> str | None:
    """Return the encoding that XML declares; None if expat knows it. Raises LookupError."""
    found = _XML_ENCODING.match(start.replace(b"\0", b""))
    if found is None:
        return None
    name = found[1].decode().lower()
    # Programs in .NET write their strings, which are UTF-16, to UTF-8 files and leave
    # the declaration as it was.
    is_wrong = name.startswith(("utf-16", "utf16")) and b"\0" not in start
    if is_wrong or name in _EXPAT_ENCODINGS:
        return "utf-8" if is_wrong else None
    if codecs.lookup(name).name in _NO_CHARSETS:
        raise LookupError(f"{name} is no character set")
    return name


def _check_json(file: BinaryIO) -> None:
    try:
        json.load(file)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"not valid JSON: {error}") from error


_CHECKS: dict[str, Callable[[BinaryIO], None]] = {
    ".fit": _check_fit,
    ".gpx": _check_xml,
    ".tcx": _check_xml,
    ".json": _check_json,
    **{suffix: partial(_check_picture, suffix=suffix) for suffix in pictures.SUFFIXES},
    **{suffix: partial(_check_video, suffix=suffix) for suffix in layout.VIDEO_SUFFIXES},
}
