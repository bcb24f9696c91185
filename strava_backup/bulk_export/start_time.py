"""Pure: find the start time in an original, if the table's date cannot be parsed.

Reads the original only as far as its first time, and does not validate it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

# https://developer.garmin.com/fit/protocol/
_FIT_EPOCH = datetime(1989, 12, 31, tzinfo=UTC)
# Smaller numbers are seconds since the device was switched on.
_FIRST_FIT_TIME = 0x10000000
_FIT_SESSION, _FIT_RECORD = 18, 20
_FIT_TIMESTAMP, _FIT_START_TIME = 253, 2
_NO_FIT_TIME = 0xFFFFFFFF
_DEVELOPER_FIELD = -1

# The longest token of the patterns, so that no text has to be scanned twice.
_LONGEST_TOKEN = 1 << 10
_GPX_TOKEN = re.compile(rb"<trkpt[\s/>]|</trkpt>|<time>([^<]{1,200})</time>")
_TCX_LAP = re.compile(rb"<Lap\s[^<>]{0,1000}>")
_TCX_TIME = re.compile(rb"\bStartTime\s*=\s*[\"']([^\"']{1,200})[\"']")
# The start is searched for in the first bytes of a text only.
_MOST_TEXT = 1 << 20


def find_start(chunks: Iterable[bytes], suffix: str) -> datetime | None:
    """Return the start in UTC of an original of that kind (`.fit`, `.gpx`, `.tcx`), or None.

    Exceptions of the chunks pass through.
    """
    if suffix == ".fit":
        return _start_of_fit(_Bytes(chunks))
    find = {".gpx": _start_of_gpx, ".tcx": _start_of_tcx}.get(suffix)
    return find(chunks) if find is not None else None


def _start_of_gpx(chunks: Iterable[bytes]) -> datetime | None:
    """Return the time of the first track point that has one; an earlier one in the file may be its
    creation time."""
    is_in_point = False
    for token in _tokens(chunks, _GPX_TOKEN):
        if token[1] is None:
            is_in_point = token[0] != b"</trkpt>"
        elif is_in_point:
            return _parse_time(token[1])
    return None


def _start_of_tcx(chunks: Iterable[bytes]) -> datetime | None:
    laps = (_TCX_TIME.search(lap[0]) for lap in _tokens(chunks, _TCX_LAP))
    return next((_parse_time(found[1]) for found in laps if found is not None), None)


def _tokens(chunks: Iterable[bytes], pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """Yield all matches in the first megabyte of a text."""
    text, size = b"", 0
    for chunk in chunks:
        text += chunk
        size += len(chunk)
        end = 0
        for match in pattern.finditer(text):
            yield match
            end = match.end()
        if size > _MOST_TEXT:
            return
        text = text[max(end, len(text) - _LONGEST_TOKEN) :]


def _parse_time(text: bytes) -> datetime | None:
    try:
        time = datetime.fromisoformat(text.decode(errors="replace").strip())
        # Times of both formats are in UTC, even if they have no zone.
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class _Bytes:
    """A stream of bytes from chunks."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk, self._at = b"", 0
        self.offset = 0

    def read(self, count: int) -> bytes:
        """Return the next `count` bytes. Raise EOFError if there are fewer."""
        while len(self._chunk) - self._at < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise EOFError
            self._chunk, self._at = self._chunk[self._at :] + chunk, 0
        self._at += count
        self.offset += count
        return self._chunk[self._at - count : self._at]


def _start_of_fit(content: _Bytes) -> datetime | None:
    """Return the time of the first record, or the start of the first session if there is none."""
    try:
        head = content.read(12)
        if head[8:] != b".FIT" or head[0] < 12:
            return None
        content.read(head[0] - 12)
        for message, times in _fit_messages(content, int.from_bytes(head[4:8], "little")):
            number = times.get(_FIT_TIMESTAMP if message == _FIT_RECORD else _FIT_START_TIME)
            if message in (_FIT_RECORD, _FIT_SESSION) and number is not None:
                return _FIT_EPOCH + timedelta(seconds=number)
    except (EOFError, KeyError):
        pass  # the file is truncated or violates the protocol
    return None


class _Definition(NamedTuple):
    """The form of a local message type: number, byte order, fields as number and size."""

    message: int
    order: Literal["little", "big"]
    fields: list[tuple[int, int]]


def _fit_messages(content: _Bytes, size: int) -> Iterator[tuple[int, dict[int, int]]]:
    """Yield the number of each message and its times by field number.

    Raise EOFError and, for a message without a definition, KeyError.
    """
    definitions: dict[int, _Definition] = {}
    last = 0
    end = content.offset + size
    while content.offset < end:
        (header,) = content.read(1)
        is_compressed = bool(header & 0x80)
        if not is_compressed and header & 0x40:
            definitions[header & 0x0F] = _fit_definition(
                content, has_developer_fields=bool(header & 0x20)
            )
            continue
        definition = definitions[header >> 5 & 0x03 if is_compressed else header & 0x0F]
        times = {}
        for field, length in definition.fields:
            value = content.read(length)
            if length == 4 and field in (_FIT_TIMESTAMP, _FIT_START_TIME):
                time = int.from_bytes(value, definition.order)
                if _FIRST_FIT_TIME <= time < _NO_FIT_TIME:
                    times[field] = time
        if is_compressed and last:
            # A compressed header has only the lowest five bits of the time.
            times[_FIT_TIMESTAMP] = last + ((header & 0x1F) - last) % 32
        last = times.get(_FIT_TIMESTAMP, last)
        yield definition.message, times


def _fit_definition(content: _Bytes, *, has_developer_fields: bool) -> _Definition:
    """Return a definition. Developer fields get a number that no known field has."""
    _, is_big, low, high, count = content.read(5)
    order: Literal["little", "big"] = "big" if is_big else "little"
    fields = [(field[0], field[1]) for field in (content.read(3) for _ in range(count))]
    if has_developer_fields:
        fields += [(_DEVELOPER_FIELD, content.read(3)[1]) for _ in range(content.read(1)[0])]
    return _Definition(int.from_bytes(bytes([low, high]), order), order, fields)
