from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.archive.videos import find_damage
from strava_backup.demo.videos import PACKET, mp4_video, ts_video

TS = ts_video("a").content
MP4 = mp4_video("a", "").content


def damage(content: bytes, suffix: str) -> str | None:
    return find_damage(io.BytesIO(content), suffix)


def test_whole_videos_have_no_damage() -> None:
    assert damage(TS, ".ts") is None
    assert damage(MP4, ".mp4") is None
    assert damage(MP4, ".mov") is None


@pytest.mark.parametrize("packets", [1, 1023, 1024, 1025, 2048])
def test_streams_of_any_length_are_whole_if_their_packets_are(packets: int) -> None:
    content = TS[:PACKET] * packets
    assert damage(content, ".ts") is None
    assert damage(content[:-1], ".ts") == (
        f"the .ts stream ends within a packet, after {len(content) - 1} bytes"
    )
    assert damage(content + b"\x47", ".ts") is not None


@pytest.mark.parametrize("number", [0, 5, 1023, 1024, 1500])
def test_a_packet_without_its_sync_byte_is_named(number: int) -> None:
    content = bytearray(TS[:PACKET] * 2000)
    content[number * PACKET] = 0x46
    assert damage(content, ".ts") == f"no .ts packet at byte {number * PACKET}"


def test_a_stream_with_a_missing_byte_is_broken() -> None:
    assert damage(TS[:500] + TS[501:], ".ts") == f"no .ts packet at byte {3 * PACKET}"


@given(st.integers(1, len(MP4) - 1))
def test_boxes_that_are_cut_short_are_broken_unless_the_cut_is_between_fragments(cut: int) -> None:
    found = damage(MP4[:cut], ".mp4")
    at = 0
    ends = set()
    while at < len(MP4):
        at += int.from_bytes(MP4[at : at + 4], "big")
        ends.add(at)
    if cut in ends:
        assert found in (None, "the .mp4 video has no data")
    else:
        assert found == "the .mp4 video has no end"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\0\0\0\x08mdat", None),
        (b"\0\0\0\0mdat and all the rest", None),
        (b"\0\0\0\x01mdat" + b"\0" * 7 + b"\x12xx", None),
        (b"\0\0\0\x08moov", "the .mov video has no data"),
        (b"\0\0\0\x07mdat", "the .mov video has no end"),
        (b"\0\0\0\x09mdat", "the .mov video has no end"),
        (b"\0\0\0\x08mdat\0", "the .mov video has no end"),
        (b"something else", "the .mov video has no end"),
        (b"", "the .mov video has no data"),
    ],
)
def test_boxes_are_checked_to_the_end(content: bytes, found: str | None) -> None:
    assert damage(content, ".mov") == found


@given(st.binary(max_size=600), st.sampled_from([".ts", ".mp4", ".mov"]))
def test_any_bytes_are_checked(content: bytes, suffix: str) -> None:
    assert damage(content, suffix) is None or suffix in str(damage(content, suffix))
