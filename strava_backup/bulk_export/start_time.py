"""Pure: the start that an original itself tells, where the table's date cannot be read.

Reads what it is given as far as the first moment; checks nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

# https://developer.garmin.com/fit/protocol/
_FIT_EPOCH = datetime(1989, 12, 31, tzinfo=UTC)
# Smaller numbers count from when the device was switched on.
_FIT_FIRST_MOMENT = 0x10000000
_FIT_SESSION, _FIT_RECORD = 18, 20
_FIT_TIMESTAMP, _FIT_START_TIME = 253, 2
_NO_FIT_MOMENT = 0xFFFFFFFF
_NOBODYS = -1

# No token is longer, so that a text is scanned once, whatever it holds.
_LONGEST_TOKEN = 1 << 10
_GPX_TOKEN = re.compile(rb"<trkpt[\s/>]|</trkpt>|<time>([^<]{1,200})</time>")
_TCX_LAP = re.compile(rb"<Lap\s[^<>]{0,1000}>")
_TCX_TIME = re.compile(rb"\bStartTime\s*=\s*[\"']([^\"']{1,200})[\"']")
# So far into a text the start is looked for.
_MOST_TEXT = 1 << 20


def find_start(chunks: Iterable[bytes], suffix: str) -> datetime | None:
    """The start in UTC that an original of that kind (`.fit`, `.gpx`, `.tcx`) tells, if it does.

    Raises what the chunks raise.
    """
    if suffix == ".fit":
        return _start_of_fit(_Bytes(chunks))
    find = {".gpx": _start_of_gpx, ".tcx": _start_of_tcx}.get(suffix)
    return find(chunks) if find is not None else None


def _start_of_gpx(chunks: Iterable[bytes]) -> datetime | None:
    """The time of the first track point that has one; any ahead of it may be when the file was
    made."""
    is_in_point = False
    for token in _tokens(chunks, _GPX_TOKEN):
        if token[1] is None:
            is_in_point = token[0] != b"</trkpt>"
        elif is_in_point:
            return _moment(token[1])
    return None


def _start_of_tcx(chunks: Iterable[bytes]) -> datetime | None:
    laps = (_TCX_TIME.search(lap[0]) for lap in _tokens(chunks, _TCX_LAP))
    return next((_moment(found[1]) for found in laps if found is not None), None)


def _tokens(chunks: Iterable[bytes], pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """All matches in the first megabyte of a text."""
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


def _moment(text: bytes) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.decode(errors="replace").strip())
        # Both kinds have their times in UTC, the few without a zone as well.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class _Bytes:
    """Chunks that are read piece by piece."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk, self._at = b"", 0
        self.taken = 0

    def take(self, count: int) -> bytes:
        """So many bytes. Raises EOFError if there are fewer."""
        while len(self._chunk) - self._at < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise EOFError
            self._chunk, self._at = self._chunk[self._at :] + chunk, 0
        self._at += count
        self.taken += count
        return self._chunk[self._at - count : self._at]


def _start_of_fit(content: _Bytes) -> datetime | None:
    """The time of the first record; of a file without records, the start of its first session."""
    try:
        head = content.take(12)
        if head[8:] != b".FIT" or head[0] < 12:
            return None
        content.take(head[0] - 12)
        for message, times in _fit_messages(content, int.from_bytes(head[4:8], "little")):
            number = times.get(_FIT_TIMESTAMP if message == _FIT_RECORD else _FIT_START_TIME)
            if message in (_FIT_RECORD, _FIT_SESSION) and number is not None:
                return _FIT_EPOCH + timedelta(seconds=number)
    except (EOFError, KeyError):
        pass  # cut short, or not by the protocol
    return None


class _Definition(NamedTuple):
    """How the messages of a local type look: number, byte order, fields as number and size."""

    message: int
    order: Literal["little", "big"]
    fields: list[tuple[int, int]]


def _fit_messages(content: _Bytes, size: int) -> Iterator[tuple[int, dict[int, int]]]:
    """The number of each message and its moments by their fields' numbers.

    Raises EOFError and, for a message that was not defined, KeyError.
    """
    definitions: dict[int, _Definition] = {}
    last = 0
    end = content.taken + size
    while content.taken < end:
        (header,) = content.take(1)
        is_compressed = bool(header & 0x80)
        if not is_compressed and header & 0x40:
            definitions[header & 0x0F] = _fit_definition(content, with_more=bool(header & 0x20))
            continue
        definition = definitions[header >> 5 & 0x03 if is_compressed else header & 0x0F]
        times = {}
        for field, length in definition.fields:
            value = content.take(length)
            if length == 4 and field in (_FIT_TIMESTAMP, _FIT_START_TIME):
                moment = int.from_bytes(value, definition.order)
                if _FIT_FIRST_MOMENT <= moment < _NO_FIT_MOMENT:
                    times[field] = moment
        if is_compressed and last:
            # The header has the lowest five bits of the time that has passed.
            times[_FIT_TIMESTAMP] = last + ((header & 0x1F) - last) % 32
        last = times.get(_FIT_TIMESTAMP, last)
        yield definition.message, times


def _fit_definition(content: _Bytes, *, with_more: bool) -> _Definition:
    """A definition; developers' own fields count as fields without a known number."""
    _, is_big, low, high, count = content.take(5)
    order: Literal["little", "big"] = "big" if is_big else "little"
    fields = [(field[0], field[1]) for field in (content.take(3) for _ in range(count))]
    if with_more:
        fields += [(_NOBODYS, content.take(3)[1]) for _ in range(content.take(1)[0])]
    return _Definition(int.from_bytes(bytes([low, high]), order), order, fields)
