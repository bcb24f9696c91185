"""Is this file what it claims to be, and whole? Reads files; decides nothing about keeping them."""

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

from strava_backup.archive import pictures, track_points
from strava_backup.archive.atomic import HEAD_SIZE
from strava_backup.archive.regular import follow_link

_CHUNK = 1 << 14
# Expat scans a token that is not complete yet anew with each chunk.
_XML_CHUNK = 1 << 20
_XML_ENCODING = re.compile(
    rb"(?:\xff\xfe|\xfe\xff)?\s*<\?xml\s[^<>]*?\sencoding\s*=\s*[\"']([A-Za-z][A-Za-z0-9._-]*)[\"']"
)
_EXPAT_ENCODINGS = ("utf-8", "utf-16", "utf-16le", "utf-16be", "iso-8859-1", "us-ascii")
# Python has these for other texts; some take quadratic time.
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
    """The content breaks the rules of its kind; the message says which one."""


def looks_like_html(head: bytes) -> bool:
    """Whether the first bytes are those of a web page, which is never an original."""
    text = _text_start(head)
    return _PAGE_START.match(text, _end_of_prolog(text)) is not None


def _end_of_prolog(text: bytes) -> int:
    """Where declarations, comments and blanks end; one that has no end counts as the end."""
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
    """The suffix that the first bytes call for, such as `.fit` or `.jpg`; empty if unknown.

    `.json` is a guess: only the whole file shows whether it is JSON.
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
    """The first bytes of a file, enough to tell its kind. Raises OSError."""
    with open(path, "rb", opener=follow_link) as file:
        return file.read(HEAD_SIZE)


def read_gzip_head(path: Path) -> bytes:
    """The first bytes inside a gzip file; empty where it cannot be unpacked. Raises OSError."""
    try:
        with open(path, "rb", opener=follow_link) as packed, gzip.open(packed) as file:
            return file.read(HEAD_SIZE)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return b""


def proper_suffix(path: Path, sent: str, head: bytes | None = None) -> str:
    """The suffix for the file at `path`: what Strava sent, corrected by the content's magic.

    An unknown content keeps the suffix sent, `.dat` stands where none was. A gzip file is
    `.fit.gz` where its inside is known, `.gz` where not. `head` is what `read_head` would give, if
    that is known. Raises OSError.
    """
    kind = kind_of(read_head(path) if head is None else head)
    packed = ".gz" if kind == ".gz" else ""
    if packed:
        kind = kind_of(read_gzip_head(path)).replace(".gz", "")
    # Other texts begin with a bracket as well, such as the [Params] of Polar's HRM.
    if kind == ".json" and sent != kind and damage(path, kind + packed) is not None:
        kind = ""
    return kind + packed or sent or ".dat"


def find_suspicion(path: Path, sent: str, head: bytes | None = None) -> str | None:
    """What is odd about a file whose name had the suffix `sent`; None if all is well.

    Raises OSError. The whole file is read. `head` is as for `proper_suffix`.
    """
    return find_wrong_suffix(path, sent, head) or damage(path, proper_suffix(path, sent, head))


def find_wrong_suffix(path: Path, sent: str, head: bytes | None = None) -> str | None:
    """How a file's first bytes belie the suffix `sent` of its name; None if not. Raises OSError."""
    suffix = proper_suffix(path, sent, head)
    kind = suffix.removesuffix(".gz") or suffix
    # Every picture's address ends in .jpg, whatever it is
    # (https://github.com/mladimatija/strava-bulk-photo-export).
    if sent not in ("", ".gz", kind) and kind not in pictures.SUFFIXES:
        return f"named {sent}, but the content is {suffix}"
    return None


def damage(path: Path, suffix: str | None = None, content: bytes | None = None) -> str | None:
    """How a file breaks the rules of its kind, None if it does not.

    The kind is `suffix`, or what the content says it is, or else the name. Raises OSError. The
    whole file is read, unless its `content` is given.
    """
    try:
        check_file(path, _suffix_of_stored(path) if suffix is None else suffix, content)
    except Damaged as error:
        return str(error)
    return None


def _suffix_of_stored(path: Path) -> str:
    """The suffix for a held file. Raises Damaged where name and content tell of different kinds.

    All pictures count as one kind: every one that version 0.4 saved is called `.jpg`.
    """
    suffix = proper_suffix(path, path.suffix.lower())
    name = path.name.lower().removesuffix(".gz")
    named, found = Path(name).suffix, suffix.removesuffix(".gz")
    are_pictures = named in pictures.SUFFIXES and found in pictures.SUFFIXES
    if named in _CHECKS and found in _CHECKS and named != found and not are_pictures:
        raise Damaged(f"named {named}, but the content is {found}")
    return named + suffix if suffix == ".gz" else suffix


def check_file(path: Path, suffix: str, content: bytes | None = None) -> None:
    """Read the file, or its content, to the end by the rules of its kind. Raises Damaged, OSError.

    Kinds without rules here (`.dat` and whatever else Strava may send) pass unless they are empty.
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
                    check(unpacked)  # type: ignore[arg-type]  # it reads like any binary file
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


def _text_start(head: bytes) -> bytes:
    # TCX files can begin with white space before <?xml (seen in exports since 2018).
    return head.removeprefix(_BOM).lstrip()


def _read_through(file: BinaryIO) -> None:
    while file.read(_CHUNK):
        pass


# The bits of a FIT file in the order of its CRC-16 (https://developer.garmin.com/fit/protocol/),
# lowest bit of the first byte first, are the coefficients of a polynomial over GF(2). With the CRC
# behind it, it is a multiple of (y + 1)(y^15 + y^14 + 1). That divides y^32767 + 1, so that blocks
# of this length can be added up (XOR) before the division. A loop over bytes takes fifty times as
# long.
_FIT_BLOCK = 32767
_FIT_FIRST_STEP = 1 << 14


def _is_multiple(polynomial: int) -> bool:
    """Whether the sum of blocks has no remainder; bit i is the coefficient of y^i."""
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
    """Header, lengths and CRC of a FIT file, and of those chained behind it."""
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
    # A few lines of entities can stand for gigabytes, and no device declares any.
    raise Damaged("it declares XML entities")


def _check_xml(file: BinaryIO) -> None:
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = _refuse_entity
    try:
        for chunk in _xml_chunks(file):
            parser.Parse(chunk)
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        # The last two are raised for an encoding that is unknown, or text that is not in it.
        raise Damaged(f"not well-formed XML: {error}") from error


def _xml_chunks(file: BinaryIO) -> Iterator[bytes | str]:
    """The content of an XML file, as text if expat cannot decode it.

    Raises LookupError and ValueError for what cannot be decoded.
    """
    first = file.read(_XML_CHUNK)
    # XML allows nothing before its declaration, Strava's TCX files have white space there.
    start = first.removeprefix(_BOM).lstrip()
    encoding = _encoding_to_decode(start[:HEAD_SIZE])
    if encoding is None:
        rest = iter(lambda: file.read(_XML_CHUNK), b"")
        yield from track_points.shortened(chain([start], rest))
    else:
        file.seek(0)
        text = io.TextIOWrapper(file, encoding, newline="")
        yield text.read(_XML_CHUNK).removeprefix("\ufeff").lstrip()
        # Expat takes text for UTF-8, whatever the file declares.
        yield from iter(lambda: text.read(_XML_CHUNK), "")


def _encoding_to_decode(start: bytes) -> str | None:
    """The encoding that XML declares; None if expat knows it. Raises LookupError."""
    found = _XML_ENCODING.match(start.replace(b"\0", b""))
    if found is None:
        return None
    name = found[1].decode().lower()
    # Strings of .NET are UTF-16 and say so even in a file that is not.
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
}
