"""Pure: listed activities as a table for a terminal, as tab-separated fields, and as JSON."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence

from strava_backup.archive.layout import suffix_of
from strava_backup.listing import Row
from strava_backup.report import count_of, printable

# Longer than any line of a terminal.
_LONGEST = 10_000
_LONGEST_SPORT = 24
_SHORTEST_TITLE = 12
_GAP = "  "
_TITLE = 5
_RIGHT_ALIGNED = (1, 3, 4)
_WIDE = ("W", "F")
_WITHOUT_WIDTH = ("Mn", "Me", "Cf")


def json_line(row: Row) -> str:
    """Return a JSON object in ASCII, so that no encoding of a terminal or a pipe can break it.

    It has all keys, null for unknown values; README lists them.
    """
    return json.dumps(
        {
            "id": row.id,
            "start": row.start or None,
            "start_local": row.start_local or None,
            "sport_type": row.sport_type or None,
            "distance": row.distance,
            "moving_time": row.moving_time,
            "elapsed_time": row.elapsed_time,
            "name": row.name,
            "files": row.files,
            "photos": row.photos,
            "metadata": row.metadata,
            "missing": row.missing,
            "refused": row.refused,
            "gone_since": row.gone_since or None,
        }
    )


def tabbed_line(row: Row) -> str:
    """Return tab-separated fields: start, id, sport type, metres, seconds, title, the suffixes of
    the originals, number of photos, missing items. Unknown values are empty."""
    time = _time(row)
    return "\t".join(
        (
            row.shown_start,
            str(row.id),
            printable(row.sport_type, _LONGEST),
            "" if row.distance is None else str(row.distance),
            "" if time is None else str(time),
            printable(row.name, _LONGEST),
            " ".join(_suffixes(row)),
            str(row.photos),
            ", ".join(_missing(row)),
        )
    )


def table(rows: Iterable[Row], width: int) -> list[str]:
    """Return aligned lines; titles are cut so that a line has at most `width` columns if possible.

    Kilometres and hours are rounded. A start in UTC ends in Z.
    """
    lines = [_cells(row) for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*lines, strict=True)]
    others = sum(one + len(_GAP) for at, one in enumerate(widths) if one and at != _TITLE)
    if widths:
        widths[_TITLE] = min(widths[_TITLE], max(_SHORTEST_TITLE, width - others))
    return [_line(cells, widths) for cells in lines]


def display_width(text: str) -> int:
    """Return the number of columns of a terminal that a text takes.

    East Asian wide characters take two (https://www.unicode.org/reports/tr11/), combining ones
    none.
    """
    return len(text) if text.isascii() else sum(map(_columns, text))


def clipped(text: str, width: int) -> str:
    """Return a text cut to at most that many columns, with an ellipsis at the cut."""
    if display_width(text) <= width:
        return text
    kept, left = "", width - 1
    for character in text:
        left -= _columns(character)
        if left < 0:
            break
        kept += character
    return f"{kept}…"


def _columns(character: str) -> int:
    if unicodedata.category(character) in _WITHOUT_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        _padded(clipped(cell, width), width, to_right=at in _RIGHT_ALIGNED)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        if width
    )
    return _GAP.join(padded).rstrip()


def _padded(text: str, width: int, *, to_right: bool) -> str:
    space = " " * (width - display_width(text))
    return space + text if to_right else text + space


def _cells(row: Row) -> tuple[str, ...]:
    time, start = _time(row), row.shown_start
    photos = [count_of(row.photos, "photo")] if row.photos else []
    return (
        start[:16].replace("T", " ") + ("Z" if start.endswith("Z") else ""),
        str(row.id),
        printable(row.sport_type, _LONGEST_SPORT),
        "" if row.distance is None else f"{row.distance / 1000:.1f} km",
        "" if time is None else _format_time(time),
        printable(row.name, _LONGEST),
        ", ".join([*_suffixes(row), *photos]),
        ", ".join(_missing(row)),
    )


def _format_time(seconds: float) -> str:
    """Return for example 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def _time(row: Row) -> float | None:
    """Return the moving time, which Strava shows, or the elapsed time."""
    return row.elapsed_time if row.moving_time is None else row.moving_time


def _suffixes(row: Row) -> list[str]:
    return [printable(suffix_of(path)[1:], _LONGEST_SPORT) for path in row.files]


def _missing(row: Row) -> list[str]:
    return [f"{item} refused" if item in row.refused else item for item in row.missing]
