"""No input, however hostile, takes a parser of files longer than its size explains."""

from __future__ import annotations

import ast
import gzip
import io
import os
import re._constants as sre
import re._parser as sre_parser
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

import strava_backup
from strava_backup import errors
from strava_backup.archive import checks, checksums, layout, pictures
from strava_backup.archive.excerpt import excerpt
from strava_backup.bulk_export import rows
from strava_backup.bulk_export.start_time import find_start
from strava_backup.demo import files
from strava_backup.strava.playlists import parse_playlist

PACKAGE = Path(strava_backup.__file__).parent
# A quadratic parser would need seconds for the larger one.
SMALL, LARGE = (1 << 16, 1 << 18) if "THOROUGH" in os.environ else (1 << 15, 1 << 17)
DIGEST = b"0" * 64


def filled(size: int, unit: bytes, head: bytes = b"", tail: bytes = b"") -> bytes:
    """A text of that size out of one unit, with something before and behind."""
    return head + unit * ((size - len(head) - len(tail)) // len(unit)) + tail


def chopped(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content), 1 << 14):
        yield content[at : at + (1 << 14)]


def find_damage(suffix: str) -> Callable[[bytes], object]:
    return lambda content: pictures.find_damage(io.BytesIO(content), suffix)


def check(suffix: str) -> Callable[[bytes, Path], object]:
    def run(content: bytes, path: Path) -> object:
        path.write_bytes(content)
        return checks.damage(path, suffix)

    return run


def start_of(suffix: str) -> Callable[[bytes], object]:
    return lambda content: find_start(chopped(content), suffix)


def table(content: bytes) -> object:
    found = rows.parse_table(content.decode().splitlines(keepends=True))
    return found.header, list(found.rows)


def numbered_lines(size: int) -> bytes:
    return b"".join(b"%064x  photos/5_a.jpg\n" % number for number in range(size // 80))


def named(parse: Callable[[str], Any]) -> Callable[[bytes], object]:
    return lambda content: parse(content.decode())


def playlist(content: bytes) -> object:
    try:
        return parse_playlist(content, "https://d1.cloudfront.net/a.m3u8")
    except errors.ItemError as error:
        return error


JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
GIF = b"GIF89a" + bytes(7)
HEIC = struct.pack(">I4s4s4s", 16, b"ftyp", b"heic", bytes(4))
EMPTY_CHUNK = struct.pack(">I4sI", 0, b"tEXt", 0)
PARSERS: dict[str, tuple[Callable[..., object], Callable[[int], bytes]]] = {
    "page of comments": (checks.looks_like_html, lambda n: filled(n, b"<!---->")),
    "page of open comments": (checks.looks_like_html, lambda n: filled(n, b"<!--")),
    "page of declarations": (checks.looks_like_html, lambda n: filled(n, b"<?xml ?> ")),
    "page of blanks": (checks.looks_like_html, lambda n: filled(n, b" ", b"<!---->")),
    "page of a doctype": (checks.looks_like_html, lambda n: filled(n, b" ", b"<!doctype")),
    "kind of blanks": (checks.kind_of, lambda n: filled(n, b" ")),
    "declaration of blanks": (
        checks._encoding_to_decode,
        lambda n: filled(n, b" ", b"<?xml ", b"encoding"),
    ),
    "declaration of encodings": (
        checks._encoding_to_decode,
        lambda n: filled(n, b" encoding", b"<?xml "),
    ),
    "kind of tags": (checks.kind_of, lambda n: filled(n, b"<gp")),
    "points without time": (start_of(".gpx"), lambda n: filled(n, b"<trkpt>")),
    "times without end": (start_of(".gpx"), lambda n: filled(n, b"<time>1", b"<trkpt>")),
    "times of blanks": (start_of(".gpx"), lambda n: filled(n, b" ", b"<trkpt><time>")),
    "laps without start": (start_of(".tcx"), lambda n: filled(n, b"<Lap ")),
    "laps of starts": (start_of(".tcx"), lambda n: filled(n, b"StartTime ", b"<Lap ")),
    "definitions": (start_of(".fit"), lambda n: filled(n, b"@\0\0\0\0\0", fit_head(n))),
    "list of returns": (checksums.parse, lambda n: filled(n, b"\r")),
    "list of marks": (checksums.parse, lambda n: filled(n, b"\xef\xbb\xbf")),
    "list of one path": (checksums.parse, numbered_lines),
    "list of escapes": (checksums.parse, lambda n: filled(n, b"\\\\", b"\\" + DIGEST + b"  ")),
    "list of dots": (checksums.parse, lambda n: filled(n, b"./", DIGEST + b"  ", b"\n")),
    "line of escapes": (
        named(lambda name: checksums.format_line(PurePosixPath(name), "")),
        lambda n: filled(n, b"\\\n"),
    ),
    "name of digits": (named(layout.parse_activity_name), lambda n: filled(n, b"1")),
    "name of an id": (named(layout.parse_activity_name), lambda n: filled(n, b"1", b"_", b".fit")),
    "name of dots": (named(layout.parse_activity_name), lambda n: filled(n, b".", b"_1")),
    "name of a photo": (named(layout.parse_photo_name), lambda n: filled(n, b"1_", b"1_")),
    "name of a draft": (
        named(lambda name: layout.is_partial(PurePosixPath("photos", name))),
        lambda n: filled(n, b".part", b".a", b".par"),
    ),
    "name of history": (
        named(lambda name: layout.is_partial(PurePosixPath("history/gear", name))),
        lambda n: filled(n, b".meta.json", b".b1", b".part"),
    ),
    "name that was sent": (named(layout.sent_suffix), lambda n: filled(n, b".a")),
    "jpeg of empty segments": (
        find_damage(".jpg"),
        lambda n: filled(n, b"\xff\xe0\x00\x02", JPEG),
    ),
    "jpeg of marks": (find_damage(".jpg"), lambda n: filled(n, b"\xff", JPEG)),
    "png of empty chunks": (find_damage(".png"), lambda n: filled(n, EMPTY_CHUNK, PNG)),
    "gif of small blocks": (find_damage(".gif"), lambda n: filled(n, b"\x21\x01\x01\x01\0", GIF)),
    "gif of a long row": (find_damage(".gif"), lambda n: filled(n, b"\x01\x01", GIF + b"\x21\x01")),
    "heic of empty boxes": (
        find_damage(".heic"),
        lambda n: filled(n, struct.pack(">I4s", 8, b"free"), HEIC),
    ),
    "table of open quotes": (table, lambda n: filled(n, b'1,"\n', b"a,b\n")),
    "table of one row": (table, lambda n: filled(n, b'"', b'a,b\n1,"')),
    "table of backslashes": (table, lambda n: filled(n, b'2,"\\"\n', b"a,b\n")),
    "table without ids": (table, lambda n: filled(n, b'x,"\n', b"a,b\n")),
    "table of blank rows": (table, lambda n: filled(n, b",\n", b"a,b\n")),
    "captions": (
        named(lambda text: rows.parse_pairs(text.splitlines(keepends=True))),
        lambda n: filled(n, b'"\n'),
    ),
    "playlist of quotes": (playlist, lambda n: filled(n, b"\"'", b"#EXTM3U\n#EXT-X-MEDIA:")),
    "playlist of open quotes": (playlist, lambda n: filled(n, b"'a,", b'#EXTM3U\n#EXT-X-MAP:"')),
    "playlist of keys": (playlist, lambda n: filled(n, b"#EXT-X-KEY:METHOD=NONE\n", b"#EXTM3U\n")),
    "playlist of maps": (
        playlist,
        lambda n: filled(n, b"#EXT-X-MAP:URI=a\n#EXTINF:1\na\n", b"#EXTM3U\n", b"#EXT-X-ENDLIST"),
    ),
    "metadata of keys": (
        lambda content: excerpt(content, ("resource_state", "strava_backup")),
        lambda n: filled(n, b'\n  "strava_backup"', b'{\n  "', b"\n}\n"),
    ),
}
FILES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "xml of tags": (".gpx", lambda n: filled(n, b"<a>")),
    "xml of one comment": (".gpx", lambda n: filled(n, b"x", b"<gpx><!--", b"--></gpx>")),
    "xml of one attribute": (".gpx", lambda n: filled(n, b"x", b"<gpx a='", b"'/>")),
    "xml of tags in Shift_JIS": (".gpx", lambda n: filled(n, b"<a>", shift_jis())),
    "xml of one comment in Shift_JIS": (
        ".gpx",
        lambda n: filled(n, b"\x92\xa9", shift_jis() + b"<gpx><!--", b"--></gpx>"),
    ),
    "xml of blanks in Shift_JIS": (".gpx", lambda n: filled(n, b" ", tail=shift_jis())),
    "json of lists": (".json", lambda n: filled(n, b"[")),
    "json of a number": (".json", lambda n: filled(n, b"1")),
    "fit of headers": (".fit", lambda n: filled(n, small_fit())),
}


def shift_jis() -> bytes:
    return b'<?xml version="1.0" encoding="Shift_JIS"?>'


def small_fit() -> bytes:
    return fit_head(12) + struct.pack("<H", files.fit_crc(fit_head(12)))


def fit_head(size: int) -> bytes:
    return struct.pack("<BBHI4s", 12, 0x20, 2132, size - 12, b".FIT")


def seconds(run: Callable[[], object]) -> float:
    """The processor's time for one call."""
    started = time.process_time()
    run()
    return time.process_time() - started


def assert_linear(run: Callable[[int], Callable[[], object]]) -> None:
    """Four times as much may take four times as long; a parser that begins anew each time would
    need sixteen."""
    times = []
    for _ in range(3):
        small, large = (seconds(run(size)) for size in (SMALL, LARGE))
        if large < 9 * max(small, 0.001):
            return
        times.append((small, large))
    pytest.fail(f"not linear: {times}")


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_needs_time_by_the_size_of_its_worst_input(name: str) -> None:
    parse, make = PARSERS[name]

    def run(size: int) -> Callable[[], object]:
        content = make(size)
        return lambda: parse(content)

    assert_linear(run)


@pytest.mark.parametrize("name", FILES)
def test_a_check_needs_time_by_the_size_of_its_worst_file(name: str, tmp_path: Path) -> None:
    suffix, make = FILES[name]

    def run(size: int) -> Callable[[], object]:
        content = make(size)
        return lambda: check(suffix)(content, tmp_path / "original")

    assert_linear(run)


class Counting(io.BytesIO):
    """A file that counts the bytes that are read, and goes back as a packed one does."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.taken += len(content)
        return content

    def seek(self, at: int, whence: int = 0, /) -> int:
        if whence == 0 and at < self.tell():
            self.taken += at
        return super().seek(at, whence)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".jpg", filled(LARGE, b"\xff\xe0\x00\x02", JPEG)),
        (".jpg", filled(LARGE, b"\xff\xe0\x00\x00", JPEG)),
        (".png", filled(LARGE, EMPTY_CHUNK, PNG)),
        (".gif", filled(LARGE, b"\x21\x01\x01\x01\0", GIF)),
        (".heic", filled(LARGE, struct.pack(">I4s", 8, b"free"), HEIC)),
    ],
)
def test_a_picture_is_read_once_however_small_its_parts(suffix: str, content: bytes) -> None:
    file = Counting(content)
    assert pictures.find_damage(file, suffix) is not None
    assert file.taken < 2 * len(content)


def test_a_page_behind_many_comments_is_one_and_a_file_is_none() -> None:
    comments = b"<!-- x -->\n" * 60
    assert checks.looks_like_html(b"<?xml version='1.0'?>" + comments + b"<!DOCTYPE html>")
    assert not checks.looks_like_html(comments[:459])
    assert not checks.looks_like_html(comments + b"<gpx>")


# Patterns


def patterns() -> Iterator[tuple[str, str | bytes]]:
    for path in (*PACKAGE.glob("archive/*.py"), *PACKAGE.glob("bulk_export/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "compile"
                and isinstance(node.args[0], ast.Constant)
            ):
                yield path.name, node.args[0].value


def is_nested(part: Any, *, is_repeated: bool = False) -> bool:
    """Whether something in a parsed pattern is repeated without limit within a repetition."""
    if isinstance(part, tuple) and part and part[0] in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        _, most, inner = part[1]
        if most is sre.MAXREPEAT:
            return is_repeated or is_nested(inner, is_repeated=True)
        return is_nested(inner, is_repeated=is_repeated)
    if isinstance(part, tuple | list | sre_parser.SubPattern):
        return any(is_nested(one, is_repeated=is_repeated) for one in part)
    return False


def test_no_pattern_repeats_within_a_repetition() -> None:
    found = list(patterns())
    assert len(found) > 20
    assert is_nested(sre_parser.parse(r"(?:a\s*|b)*c"))
    assert [one for one in found if is_nested(sre_parser.parse(one[1]))] == []


def test_a_packed_picture_is_unpacked_once(tmp_path: Path) -> None:
    content = gzip.compress(filled(LARGE, b"\xff\xe0\x00\x02", JPEG))
    path = tmp_path / "original"
    path.write_bytes(content)
    assert checks.damage(path, ".jpg.gz") == "the .jpg picture has no end"
