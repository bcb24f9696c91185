"""XML without its repeated track points is well-formed if and only if it was with them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from xml.parsers import expat

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strava_backup.archive.track_points import shortened
from strava_backup.demo import files

START = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
POINT = b'<trkpt lat="1.5"><ele>28</ele></trkpt>\n'


def is_well_formed(chunks: Iterable[bytes]) -> bool:
    parser = expat.ParserCreate()
    try:
        for chunk in chunks:
            parser.Parse(chunk)
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError):
        return False
    return True


def chopped(content: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    return [content[start:end] for start, end in pairwise(places)]


@pytest.mark.parametrize("content", [files.gpx(START, 2000), files.tcx(START, 2000)])
def test_points_that_differ_in_their_digits_are_left_out(content: bytes) -> None:
    short = b"".join(shortened(chopped(content, range(0, len(content), 100_000))))
    assert len(short) < len(content) / 15
    assert is_well_formed([short])


def within(*inner: bytes) -> bytes:
    """Return XML with the points between regular ones, since the first and last always remain."""
    return b"<gpx>" + POINT + b"".join(inner) + POINT + b"</gpx>"


TEXTS = {
    "nothing": b"",
    "no points": b"<gpx></gpx>",
    "points": within(POINT * 5),
    "no end of the root": b"<gpx>" + POINT * 5,
    "half a point": b"<gpx>" + POINT * 5 + POINT[:20],
    "an end too many": within(b"</trkpt>", POINT * 2),
    "two segments": within(b"</s><s>", POINT * 3).replace(b"gpx>", b"s>"),
    "a root that is a point": b"<trkpt>" + POINT * 3 + b"</trkpt>",
    "points after a root that is a point": b"<trkpt><a/></trkpt>" + b"<trkpt></trkpt>" * 3,
    "points after the end of such a root": b"<trkpt>" + POINT * 3 + b"</trkpt>" + POINT * 2,
    "a comment": within(b"<!--", POINT * 5, b"-->"),
    "a comment with hyphens": within(b"<!-- ", b"<trkpt>--</trkpt>" * 5, b"-->"),
    "a comment without end": within(b"<!-- ", POINT * 5),
    "points with a comment": within(b"<trkpt><!-- 5 --></trkpt>" * 5),
    "a comment before the root": b"<!-- </trkpt>" + b"--><trkpt></trkpt>" * 2,
    "an instruction before the root": b"<?a </trkpt>" + b"?><trkpt></trkpt>" * 2,
    "CDATA": within(b"<![CDATA[", b"</trkpt>" * 5, b"]]>"),
    "an instruction": within(b"<?a ", b"</trkpt>" * 5, b"?>"),
    "a declaration": b"<?xml version='1.0'?>" + within(POINT * 5),
    "a declaration with points": b"<?xml " + POINT * 5 + b"?><gpx></gpx>",
    "a declaration in between": within(POINT, b"<?xml version='1.0'?>", POINT * 2),
    "an attribute": within(b"<a b='", b"</trkpt>" * 5, b"'/>"),
    "other digits in an end tag": within(b"<trkpt><a1></a2></trkpt>" * 5),
    "the same digits in an end tag": within(b"<trkpt><a1></a1></trkpt>" * 5),
    "digits in attributes": within(b"<trkpt a1='' a2=''></trkpt>" * 5),
    "an attribute twice": within(b"<trkpt a='' a=''></trkpt>" * 5),
    "a name of digits": within(b"<trkpt><1a/></trkpt>" * 5),
    "a reference to no character": within(b"<trkpt>&#xD800;</trkpt>" * 5),
    "a reference too high": within(b"<trkpt>&#x1FFFFF;</trkpt>" * 5),
    "a reference to a character": within(b"<trkpt>&#65;</trkpt>" * 5),
    "an unknown entity": within(b"<trkpt>&a1;</trkpt>" * 5),
    "a declared entity": b"<!DOCTYPE gpx [<!ENTITY a 'b'>]>" + within(b"<trkpt>&a;</trkpt>" * 5),
    "bytes that are no UTF-8": within(b"<trkpt>\xff</trkpt>" * 5),
    "Latin-1": b"<?xml version='1.0' encoding='ISO-8859-1'?>" + within(b"<trkpt>\xfc</trkpt>" * 5),
    "no ASCII": b"<?xml version='1.0' encoding='US-ASCII'?>"
    + within("<trkpt>ü</trkpt>".encode() * 5),
    "zeros": within(bytes(50), POINT * 3),
    "UTF-16": within(POINT * 5).decode().encode("utf-16"),
    "points of UTF-16 that are none": "<gpx>".encode("utf-16")
    + b"</trkpt>"
    + b"<trkpt>ab</trkpt>" * 2
    + "</gpx>".encode("utf-16-le"),
}


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
def test_the_result_does_not_depend_on_the_chunks(content: bytes) -> None:
    expected = is_well_formed([content])
    for cut in range(max(1, len(content))):
        assert is_well_formed(shortened(chopped(content, [cut]))) == expected, cut


TOKENS = st.sampled_from(
    [
        *(b"<gpx>", b"</gpx>", b"<trkpt>", b"</trkpt>", b"</trkpt>", b"<trkpt a='7'>", b"<trkpt/>"),
        *(b"<a1>", b"</a1>", b"</a2>", b"<a a1='' a2=''/>", b"<Trackpoint>", b"</Trackpoint>"),
        *(b"<!--", b"-->", b"--", b"<![CDATA[", b"]]>", b"<?p ", b"?>", b"<?xml version='1.0'?>"),
        *(b"&amp;", b"&#1;", b"&#65;", b"&#xD800;", b"&a;", b"7", b"41", b"x", b"\n", b"<", b"!"),
        *(b"?", b"'", b">", b"\xc3\xbc", b"\xff", b"\0", POINT),
    ]
)
INNER = st.lists(TOKENS, max_size=4).map(b"".join)
POINTS = st.builds(
    lambda inner, count: POINT + (b"<trkpt>" + inner + b"</trkpt>") * count + POINT,
    INNER,
    st.integers(1, 4),
)
DOCUMENTS = st.lists(POINTS | TOKENS, max_size=8).map(b"".join)


@settings(max_examples=5 * settings.default.max_examples)
@given(
    DOCUMENTS | DOCUMENTS.map(lambda inner: b"<gpx>" + inner + b"</gpx>"),
    st.lists(st.integers(1, 200), max_size=3),
)
@example(b"<gpx><trkpt></trkpt><!-- </trkpt>--</trkpt> --></gpx>", [21])
@example(b"<gpx><trkpt></trkpt><?p </trkpt>7</trkpt> ?></gpx>", [21])
def test_no_text_becomes_well_formed_or_ill_formed(content: bytes, cuts: list[int]) -> None:
    assert is_well_formed(shortened(chopped(content, cuts))) == is_well_formed([content])
