"""Pure: the export's dates, which are in UTC and worded in the athlete's language.

None of them is guessed: what cannot be read for sure is not read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

# Not Croatian: its listopad is October, the Czech and the Polish one November.
_MONTH_NAMES = (
    "january jan januar janvier janv enero ene gennaio gen janeiro januari leden ledna led "
    "styczeń stycznia sty ocak oca января янв",
    "february feb februar febr février févr febrero febbraio fevereiro fev februari únor února "
    "úno luty lutego lut şubat şub февраля февр фев",
    "march mar märz mrz mars marzo março maart mrt maret březen března bře marzec marca mart "
    "марта мар",
    "april apr avril avr abril abr aprile duben dubna dub kwiecień kwietnia kwi nisan nis "
    "апреля апр",
    "may mai mayo maggio mag maio mei květen května kvě maj maja mayıs мая май",  # noqa: RUF001
    "june jun juni juin junio giugno giu junho červen června čvn czerwiec czerwca cze haziran "
    "haz июня июн",
    "july jul juli juillet juil julio luglio lug julho červenec července čvc lipiec lipca lip "
    "temmuz tem июля июл",
    "august aug août agosto ago augustus agustus agt srpen srpna srp sierpień sierpnia sie "
    "ağustos ağu августа авг",
    "september sep sept septembre septiembre settembre set setembro září wrzesień września wrz "
    "eylül eyl сентября сент сен",
    "october oct oktober okt octobre octubre ottobre ott outubro out říjen října říj październik "
    "października paź ekim eki октября окт",
    "november nov novembre noviembre novembro listopad listopadu listopada lis kasım kas ноября "  # noqa: RUF001
    "нояб ноя",
    "december dec dezember dez décembre déc diciembre dic dicembre dezembro desember des prosinec "
    "prosince pro grudzień grudnia gru aralık ara декабря дек",  # noqa: RUF001
)
# What stands around dates in these languages and says nothing.
_FILLERS = {
    *("a", "as", "at", "de", "del", "kl", "la", "las", "om", "pukul", "t", "um", "utc", "v", "z"),
    *("в", "г"),  # noqa: RUF001
}
_BEFORE_NOON = {"am", "오전", "上午", "午前"}
_AFTER_NOON = {"pm", "오후", "下午", "午後"}
# The hours from and to which a word of Chinese clocks is used (https://cldr.unicode.org, the day
# periods of zh and zh-Hant).
_DAY_PERIODS = {
    "凌晨": (0, 5),
    "清晨": (5, 8),
    "早上": (5, 8),
    "中午": (12, 13),
    "晚上": (19, 24),
}

_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d\d):(\d\d)(?!\d)")
_DOTTED_CLOCK = re.compile(r"(?<![\d.])(\d{1,2})\.(\d\d)\.(\d\d)(?!\.?\d)")
_DOTTED_NOON = re.compile(r"\b([ap])\.\s?m\b")
_DOTTED_DAY = re.compile(r"\d\.\s?\d")
_EAST_ASIAN_UNITS = re.compile("[年月日년월일]")
_TOKEN = re.compile(r"\d+|[^\W\d_]+")


class _Parts(NamedTuple):
    """What stands in a date: the numbers of its day, its month's number if it has a name, the time
    of day, and whether dots are between the numbers.
    """

    numbers: list[int]
    month: int | None
    clock: tuple[int, int, int]
    has_dots: bool


def parse_date(text: str, *, is_day_first: bool | None = None) -> datetime | None:
    """The moment that a cell names; None unless day, month and time are sure to the second.

    `is_day_first` tells what 5/6/2026 means, if that is known.
    """
    members = _parts(text)
    if members is None:
        return None
    numbers, month = members.numbers, members.month
    if month is not None and len(numbers) == 2:
        day, year = sorted(numbers)
    elif month is None and len(numbers) == 3 and numbers[0] > 31:
        year, month, day = numbers
    elif month is None and len(numbers) == 3:
        told = _tells_day_first(members)
        order = is_day_first if told is None else told
        if order is None:
            return None
        day, month, year = numbers if order else (numbers[1], numbers[0], numbers[2])
    else:
        return None
    try:
        # Of two digits nobody knows which one is the year.
        return datetime(year, month, day, *members.clock, tzinfo=UTC) if year > 999 else None
    except ValueError:
        return None


def find_day_first(texts: Iterable[str]) -> bool | None:
    """Whether the day is ahead of the month in all of these dates; None where no date tells."""
    told = {_tells_day_first(members) for text in texts if (members := _parts(text)) is not None}
    told.discard(None)
    return told.pop() if len(told) == 1 else None


def _tells_day_first(members: _Parts) -> bool | None:
    """Whether this date, of numbers that end in the year, is sure to begin with the day or not."""
    if members.month is not None or len(members.numbers) != 3 or members.numbers[0] > 31:
        return None
    first, second, _ = members.numbers
    # Nobody who puts dots in dates begins with the month
    # (https://cldr.unicode.org, the short date formats).
    if members.has_dots or first > 12 >= second:
        return True
    return False if second > 12 >= first else None


def _parts(text: str) -> _Parts | None:
    folded = _EAST_ASIAN_UNITS.sub(" ", _DOTTED_NOON.sub(r"\1m", _folded(text)))
    clock = _CLOCK.search(folded) or _DOTTED_CLOCK.search(folded)
    if clock is None:
        return None
    rest = f"{folded[: clock.start()]} {folded[clock.end() :]}"
    tokens = _TOKEN.findall(rest)
    words = {token for token in tokens if not token.isdecimal()} - _FILLERS
    noon = words & (_BEFORE_NOON | _AFTER_NOON | _DAY_PERIODS.keys())
    names = words - noon
    if len(noon) > 1 or len(names) > 1 or not names <= _MONTHS.keys():
        return None
    hour = _hour(int(clock[1]), noon)
    if hour is None:
        return None
    numbers = [token for token in tokens if token.isdecimal()]
    if any(len(number) > len("2026") for number in numbers):
        return None
    return _Parts(
        [int(number) for number in numbers],
        _MONTHS[names.pop()] if names else None,
        (hour, int(clock[2]), int(clock[3])),
        _DOTTED_DAY.search(rest) is not None,
    )


def _hour(hour: int, noon: set[str]) -> int | None:
    if not noon:
        return hour
    if not 1 <= hour <= 12:
        return None
    (word,) = noon
    first, end = _DAY_PERIODS.get(word, (12, 24) if word in _AFTER_NOON else (0, 12))
    hours = [one for one in (hour % 12, hour % 12 + 12) if first <= one < end]
    return hours[0] if len(hours) == 1 else None


def _folded(text: str) -> str:
    """Small letters without accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", plain)


_MONTHS = {
    _folded(name): number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()
}
