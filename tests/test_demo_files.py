from __future__ import annotations

import gzip
import json
import struct
import xml.etree.ElementTree as ET
from datetime import UTC, datetime

import pytest

from strava_backup.demo import files

START = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


def bitwise_crc(content: bytes) -> int:
    """Return CRC-16/ARC, bit by bit, implemented independently of the code under test."""
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def read_fit(content: bytes) -> list[tuple[int, bytes]]:
    """Return the data messages of a FIT file: (global number, fields)."""
    position, end = content[0], len(content) - 2
    definitions: dict[int, tuple[int, int]] = {}
    messages = []
    while position < end:
        head = content[position]
        position += 1
        if head & 0x40:
            _, order, number, count = struct.unpack_from("<BBHB", content, position)
            assert order == 0
            position += 5
            sizes = [content[position + 3 * field + 1] for field in range(count)]
            definitions[head & 0xF] = (number, sum(sizes))
            position += 3 * count
        else:
            number, size = definitions[head]
            messages.append((number, content[position : position + size]))
            position += size
    assert position == end
    return messages


def test_the_bitwise_crc_of_this_test_is_the_standard_one():
    assert bitwise_crc(b"123456789") == 0xBB3D


@pytest.mark.parametrize("seconds", [0, 1, 200, 3000])
def test_a_fit_has_right_checksums_and_lengths(seconds):
    content = files.fit(START, seconds)
    size, protocol, profile, length, kind, crc = struct.unpack_from("<BBHI4sH", content)
    assert (size, protocol, kind) == (14, 0x20, b".FIT")
    assert profile > 2000
    assert len(content) == 14 + length + 2
    assert crc == bitwise_crc(content[:12])
    assert struct.unpack("<H", content[-2:])[0] == bitwise_crc(content[:-2])


def test_a_fit_has_its_file_id_first_and_then_one_record_a_second():
    messages = read_fit(files.fit(START, 5))
    assert [number for number, _ in messages] == [0, 20, 20, 20, 20, 20]
    assert messages[0][1][0] == 4  # an activity
    times = [struct.unpack_from("<I", fields)[0] for _, fields in messages[1:]]
    assert times == [times[0] + second for second in range(5)]
    assert times[0] + 631065600 == START.timestamp()


def test_a_fit_is_as_large_as_asked_for():
    assert 3_000 < len(files.fit(START, 200)) < 5_000
    assert 55_000 < len(files.fit(START, 3000)) < 65_000


def test_a_gpx_is_well_formed_and_has_a_time_at_each_point():
    root = ET.fromstring(files.gpx(START, 7, name="<&> \x1b[31m ü"))
    space = "{http://www.topografix.com/GPX/1/1}"
    assert root.tag == f"{space}gpx"
    assert root.findtext(f".//{space}name") == "<&> [31m ü"
    times = [point.findtext(f"{space}time") for point in root.iter(f"{space}trkpt")]
    assert times[0] == "2026-05-06T07:08:09Z"
    assert len(times) == 7


def test_a_tcx_is_well_formed():
    root = ET.fromstring(files.tcx(START, 7))
    assert root.tag.endswith("}TrainingCenterDatabase")
    assert len([one for one in root.iter() if one.tag.endswith("}Trackpoint")]) == 7


def test_a_tcx_with_leading_whitespace_is_well_formed_only_without_it():
    content = files.tcx(START, 7, leading_whitespace=True)
    assert content.startswith(b" ")
    assert content.lstrip() == files.tcx(START, 7)
    with pytest.raises(ET.ParseError):
        ET.fromstring(content)


def test_the_app_json_has_a_row_for_each_second_with_all_fields():
    document = json.loads(files.app_json(START, 9))
    assert document["type"] == "json"
    assert len(document["data"]) == 9
    assert {len(row) for row in document["data"]} == {len(document["data_fields"])}


@pytest.mark.parametrize("build", [files.fit, files.gpx, files.tcx, files.app_json])
def test_the_same_arguments_give_the_same_bytes_and_another_start_gives_others(build):
    assert build(START, 20) == build(START, 20)
    assert build(START, 20) != build(START.replace(second=10), 20)


def test_gzip_gives_the_same_bytes_each_time():
    content = files.fit(START)
    assert files.gzipped(content) == files.gzipped(content)
    assert gzip.decompress(files.gzipped(content)) == content
    assert files.gzipped(content)[4:8] == bytes(4)
