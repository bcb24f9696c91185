"""The start time is found in originals."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.bulk_export.start_time import find_start
from strava_backup.demo import files

START = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
SECONDS = int((START - files.FIT_EPOCH).total_seconds())


def chopped(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (files.fit(START, 100), ".fit"),
        (files.gpx(START, 50), ".gpx"),
        (files.tcx(START, 50, leading_whitespace=True), ".tcx"),
    ],
)
def test_the_start_is_found(content: bytes, suffix: str, size: int) -> None:
    assert find_start(chopped(content, size), suffix) == START


def fit(*messages: bytes) -> bytes:
    content = b"".join(messages)
    return struct.pack("<BBHI4s", 12, 0x20, 2132, len(content), b".FIT") + content + b"\0\0"


def definition(local: int, message: int, *fields: tuple[int, int, int], big: bool = False) -> bytes:
    order = ">" if big else "<"
    head = struct.pack(f"{order}BBBHB", 0x40 | local, 0, big, message, len(fields))
    return head + b"".join(bytes(field) for field in fields)


TIMESTAMP, START_TIME, OTHER = (253, 4, 0x86), (2, 4, 0x86), (0, 1, 0x02)


@pytest.mark.parametrize(
    "content",
    [
        # big-endian
        fit(
            definition(0, 20, TIMESTAMP, OTHER, big=True),
            struct.pack(">BIB", 0, SECONDS, 1),
        ),
        # developers' own fields after those of the protocol
        fit(
            b"\x60" + definition(0, 20, TIMESTAMP)[1:] + b"\x01\x00\x02\x00",
            struct.pack("<BIH", 0, SECONDS, 7),
        ),
        # a header with the lowest five bits of a time, after an event with a full one
        fit(
            definition(0, 21, TIMESTAMP),
            definition(1, 20, OTHER),
            struct.pack("<BI", 0, SECONDS - 3),
            struct.pack("<BB", 0xA0 | SECONDS & 0x1F, 9),
        ),
        # no records: the start of the session
        fit(
            definition(0, 18, TIMESTAMP, START_TIME),
            struct.pack("<BII", 0, SECONDS + 3600, SECONDS),
        ),
        # a record without its time, then one with
        fit(
            definition(0, 20, TIMESTAMP),
            struct.pack("<BI", 0, 0xFFFFFFFF),
            struct.pack("<BI", 0, 77),
            struct.pack("<BI", 0, SECONDS),
        ),
    ],
)
def test_a_fit_is_read_by_its_protocol(content: bytes) -> None:
    assert find_start([content], ".fit") == START


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (b"", ".fit"),
        (b"no FIT at all, but long enough", ".fit"),
        (files.fit(START, 100)[:30], ".fit"),
        (fit(b"\x05" + bytes(40)), ".fit"),
        (files.gpx(START, 0), ".gpx"),
        (b"<gpx><trkpt><ele>1</ele></trkpt></gpx>", ".gpx"),
        (b"<gpx><trkpt><time>soon</time></trkpt></gpx>", ".gpx"),
        (b"<TrainingCenterDatabase>", ".tcx"),
        (files.app_json(START), ".json"),
    ],
)
def test_what_tells_no_start_gives_none(content: bytes, suffix: str) -> None:
    assert find_start([content], suffix) is None


def test_a_zone_is_brought_to_utc() -> None:
    content = b"<trkpt><ele>1</ele><time>2026-05-06T09:08:09+02:00</time></trkpt>"
    assert find_start([content], ".gpx") == START


@given(st.binary(max_size=300))
def test_no_content_makes_it_fail(content: bytes) -> None:
    head = struct.pack("<BBHI4s", 12, 0x20, 2132, len(content), b".FIT")
    find_start([head + content], ".fit")
    find_start([b"<trkpt><time>" + content], ".gpx")
