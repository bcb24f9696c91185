"""Creates small valid originals: FIT, GPX, TCX and JSON; equal arguments give equal bytes.

Pure; independent of the account.
"""

from __future__ import annotations

import functools
import gzip
import json
import math
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from xml.sax.saxutils import escape

from strava_backup.timestamps import utc_timestamp

FIT_EPOCH = datetime(1989, 12, 31, tzinfo=UTC)
FIT_SEMICIRCLES_PER_DEGREE = 2**31 / 180

# The FIT protocol's CRC: https://developer.garmin.com/fit/protocol/
_CRC_TABLE = (
    0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
    0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400,
)  # fmt: skip


class Point(NamedTuple):
    """A point of a track, at each full second."""

    time: datetime
    latitude: float
    longitude: float
    elevation: float
    heart_rate: int
    distance: float


def track(start: datetime, seconds: int) -> Iterator[Point]:
    """Yield the points of a loop near Freiburg, one point per second."""
    for second, (latitude, longitude, elevation) in enumerate(_loop(seconds)):
        yield Point(
            time=start + timedelta(seconds=second),
            latitude=latitude,
            longitude=longitude,
            elevation=elevation,
            heart_rate=120 + second % 45,
            distance=round(second * 6.1, 2),
        )


@functools.cache
def _loop(seconds: int) -> list[tuple[float, float, float]]:
    angles = [2 * math.pi * second / seconds for second in range(seconds)]
    return [
        (
            round(47.99 + 0.02 * math.sin(angle), 6),
            round(7.84 + 0.03 * math.cos(angle), 6),
            round(280 + 40 * math.sin(2 * angle), 1),
        )
        for angle in angles
    ]


@functools.cache
def fit(start: datetime, seconds: int = 200) -> bytes:
    """Return a FIT activity with one record per second, of about 20 bytes, and valid checksums."""
    messages = _fit_file_id(start) + b"".join(_fit_records(start, seconds))
    # 14-byte header: protocol 2.0, profile 21.32
    head = struct.pack("<BBHI4s", 14, 0x20, 2132, len(messages), b".FIT")
    whole = head + struct.pack("<H", fit_crc(head)) + messages
    return whole + struct.pack("<H", fit_crc(whole))


def fit_crc(content: bytes) -> int:
    """Return the CRC-16 at the end of a FIT file and of its header."""
    crc = 0
    for byte in content:
        crc = (crc >> 4) ^ _CRC_TABLE[crc & 0xF] ^ _CRC_TABLE[byte & 0xF]
        crc = (crc >> 4) ^ _CRC_TABLE[crc & 0xF] ^ _CRC_TABLE[byte >> 4]
    return crc


@functools.cache
def gpx(start: datetime, seconds: int = 60, *, name: str = "", creator: str = "StravaGPX") -> bytes:
    """Return a GPX 1.1 track of about 190 bytes per second."""
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<gpx creator="{creator}" version="1.1" xmlns="http://www.topografix.com/GPX/1/1"'
            ' xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v1">',
            f" <metadata><time>{utc_timestamp(start)}</time></metadata>",
            f" <trk><name>{_xml_text(name)}</name><trkseg>",
            *(_gpx_point(point) for point in track(start, seconds)),
            " </trkseg></trk>",
            "</gpx>\n",
        ]
    ).encode()


@functools.cache
def tcx(start: datetime, seconds: int = 60, *, leading_whitespace: bool = False) -> bytes:
    """Return a TCX activity of about 270 bytes per second.

    With `leading_whitespace` it is not well-formed XML, like many TCX originals: devices and
    services put blanks before `<?xml`, and Strava keeps them
    (https://gist.github.com/zealot128 strips them with sed).
    """
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<TrainingCenterDatabase"
        ' xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2">',
        f'<Activities><Activity Sport="Biking"><Id>{utc_timestamp(start)}</Id>',
        f'<Lap StartTime="{utc_timestamp(start)}"><TotalTimeSeconds>{seconds}</TotalTimeSeconds>'
        "<Calories>0</Calories><Intensity>Active</Intensity>"
        "<TriggerMethod>Manual</TriggerMethod><Track>",
        *(_tcx_point(point) for point in track(start, seconds)),
        "</Track></Lap></Activity></Activities>",
        "</TrainingCenterDatabase>\n",
    ]
    return (" " * 10 * leading_whitespace + "\n".join(lines)).encode()


@functools.cache
def app_json(start: datetime, seconds: int = 60) -> bytes:
    """Return an upload of the early mobile apps: Strava's API v2 upload format."""
    fields = ["time", "latitude", "longitude", "elevation", "h_accuracy", "v_accuracy"]
    rows = [
        [utc_timestamp(point.time), point.latitude, point.longitude, point.elevation, 10, 10]
        for point in track(start, seconds)
    ]
    identity = start.strftime("%Y%m%d%H%M%S")
    document = {"id": identity, "type": "json", "data_fields": fields, "data": rows}
    return json.dumps(document, separators=(",", ":")).encode()


def gzipped(content: bytes) -> bytes:
    """Return the content as gzip, without a timestamp, so that equal contents give equal bytes."""
    return gzip.compress(content, mtime=0)


def _fit_definition(local: int, message: int, fields: tuple[tuple[int, int, int], ...]) -> bytes:
    head = struct.pack("<BBBHB", 0x40 | local, 0, 0, message, len(fields))
    return head + b"".join(bytes(field) for field in fields)


def _fit_file_id(start: datetime) -> bytes:
    # type, manufacturer (255: development), product, serial number, time created
    fields = ((0, 1, 0x00), (1, 2, 0x84), (2, 2, 0x84), (3, 4, 0x8C), (4, 4, 0x86))
    values = struct.pack("<BBHHII", 0, 4, 255, 1, 26462176, _fit_time(start))
    return _fit_definition(0, 0, fields) + values


def _fit_records(start: datetime, seconds: int) -> Iterator[bytes]:
    # timestamp, latitude, longitude, altitude, heart rate, distance
    fields = (
        (253, 4, 0x86), (0, 4, 0x85), (1, 4, 0x85), (2, 2, 0x84), (3, 1, 0x02), (5, 4, 0x86),
    )  # fmt: skip
    yield _fit_definition(1, 20, fields)
    for point in track(start, seconds):
        yield struct.pack(
            "<BIiiHBI",
            1,
            _fit_time(point.time),
            round(point.latitude * FIT_SEMICIRCLES_PER_DEGREE),
            round(point.longitude * FIT_SEMICIRCLES_PER_DEGREE),
            round((point.elevation + 500) * 5),
            point.heart_rate,
            round(point.distance * 100),
        )


def _fit_time(moment: datetime) -> int:
    return int((moment - FIT_EPOCH).total_seconds())


def _xml_text(text: str) -> str:
    """Return the text escaped and without control characters, which XML 1.0 does not allow."""
    return escape("".join(char for char in text if char in "\t\n" or char >= " "))


def _gpx_point(point: Point) -> str:
    return (
        f'  <trkpt lat="{point.latitude}" lon="{point.longitude}"><ele>{point.elevation}</ele>'
        f"<time>{utc_timestamp(point.time)}</time><extensions><gpxtpx:TrackPointExtension>"
        f"<gpxtpx:hr>{point.heart_rate}</gpxtpx:hr>"
        "</gpxtpx:TrackPointExtension></extensions></trkpt>"
    )


def _tcx_point(point: Point) -> str:
    return (
        f"<Trackpoint><Time>{utc_timestamp(point.time)}</Time><Position>"
        f"<LatitudeDegrees>{point.latitude}</LatitudeDegrees>"
        f"<LongitudeDegrees>{point.longitude}</LongitudeDegrees></Position>"
        f"<AltitudeMeters>{point.elevation}</AltitudeMeters>"
        f"<HeartRateBpm><Value>{point.heart_rate}</Value></HeartRateBpm></Trackpoint>"
    )
