"""Checks of videos by the structure of their formats, without decoding them."""

from __future__ import annotations

from typing import BinaryIO

from strava_backup.archive import pictures

# A transport stream consists of packets of this size, each with a sync byte in front
# (ISO/IEC 13818-1, 2.4.3).
_PACKET = 188
_SYNC = 0x47
_CHUNK = _PACKET << 10


def find_damage(file: BinaryIO, suffix: str) -> str | None:
    """Return how a video is broken; None if it is whole. Raises OSError."""
    return _stream_damage(file) if suffix == ".ts" else _boxes_damage(file, suffix)


def _stream_damage(file: BinaryIO) -> str | None:
    at = 0
    # A buffered file returns fewer bytes only at its end.
    while chunk := file.read(_CHUNK):
        starts = chunk[::_PACKET]
        if starts.count(_SYNC) < len(starts):
            wrong = next(index for index, byte in enumerate(starts) if byte != _SYNC)
            return f"no .ts packet at byte {at + wrong * _PACKET}"
        at += len(chunk)
    return f"the .ts stream ends within a packet, after {at} bytes" if at % _PACKET else None


def _boxes_damage(file: BinaryIO, suffix: str) -> str | None:
    """Return how a file is no complete sequence of boxes, data included (ISO/IEC 14496-12; the
    atoms of QuickTime have the same structure)."""
    kinds = pictures.box_kinds(file)
    if kinds is None:
        return f"the {suffix} video has no end"
    return None if b"mdat" in kinds else f"the {suffix} video has no data"
