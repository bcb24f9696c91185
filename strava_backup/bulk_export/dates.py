"""Pure: parse the export's dates, which are in UTC and in the athlete's language.

Ambiguous dates are not guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

# Croatian is not supported: its "listopad" is October, but November in Czech and Polish.
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
# Words in dates of these languages that have no meaning for the date.
_FILLERS = {
    *("a", "as", "at", "de", "del", "kl", "la", "las", "om", "pukul", "t", "um", "utc", "v", "z"),
    *("в", "г"),  # noqa: RUF001
}
_BEFORE_NOON = {"am", "오전", "上午", "午前"}
_AFTER_NOON = {"pm", "오후", "下午", "午後"}
# The first hour of each Chinese day period and the hour after it (https://cldr.unicode.org, the
# day periods of zh and zh-Hant).
_DAY_PERIODS = {
    "凌晨": (0, 5),
    "清晨": (5, 8),
    "早上": (5, 8),
    "中午": (12, 13),
    "晚上": (19, 24),
}
_NOON_WORDS = {*_BEFORE_NOON, *_AFTER_NOON, *_DAY_PERIODS}

_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d\d):(\d\d)(?!\d)")
_DOTTED_CLOCK = re.compile(r"(?<![\d.])(\d{1,2})\.(\d\d)\.(\d\d)(?!\.?\d)")
_DOTTED_NOON = re.compile(r"\b([ap])\.\s?m\b")
_DOTTED_DAY = re.compile(r"\d\.\s?\d")
_EAST_ASIAN_UNITS = re.compile("[年月日년월일]")
_TOKEN = re.compile(r"\d+|[^\W\d_]+")


class _Fields(NamedTuple):
    """The fields of a date. `month` is set if it has a name; `numbers` are the other fields of the
    day, and `has_dots` is true if dots separate them.
    """

    numbers: list[int]
    month: int | None
    clock: tuple[int, int, int]
    has_dots: bool


def parse_date(text: str, *, is_day_first: bool | None = None) -> datetime | None:
    """Return the time in a cell; None unless day, month and time to the second are unambiguous.

    `is_day_first` is the order of dates like 5/6/2026, if known.
    """
    fields = _parse_fields(text)
    if fields is None:
        return None
    numbers, month = fields.numbers, fields.month
    if month is not None and len(numbers) == 2:
        day, year = sorted(numbers)
    elif month is None and len(numbers) == 3 and numbers[0] > 31:
        year, month, day = numbers
    elif month is None and len(numbers) == 3:
        own_order = _is_day_first(fields)
        order = is_day_first if own_order is None else own_order
        if order is None:
            return None
        day, month, year = numbers if order else (numbers[1], numbers[0], numbers[2])
    else:
        return None
    try:
        # A year of two digits cannot be distinguished from a day.
        return datetime(year, month, day, *fields.clock, tzinfo=UTC) if year > 999 else None
    except ValueError:
        return None


def find_day_first(texts: Iterable[str]) -> bool | None:
    """Return whether the day precedes the month in all of these dates; None if that is unknown."""
    orders = {
        _is_day_first(fields) for text in texts if (fields := _parse_fields(text)) is not None
    }
    orders.discard(None)
    return orders.pop() if len(orders) == 1 else None


def _is_day_first(fields: _Fields) -> bool | None:
    """Return whether a date of three numbers that ends in the year begins with the day; None if
    that is ambiguous.
    """
    if fields.month is not None or len(fields.numbers) != 3 or fields.numbers[0] > 31:
        return None
    first, second, _ = fields.numbers
    # No locale with dots in dates begins with the month
    # (https://cldr.unicode.org, the short date formats).
    if fields.has_dots or first > 12 >= second:
        return True
    return False if second > 12 >= first else None


def _parse_fields(text: str) -> _Fields | None:
    folded = _EAST_ASIAN_UNITS.sub(" ", _DOTTED_NOON.sub(r"\1m", _folded(text)))
    clock = _CLOCK.search(folded) or _DOTTED_CLOCK.search(folded)
    if clock is None:
        return None
    rest = f"{folded[: clock.start()]} {folded[clock.end() :]}"
    tokens = _TOKEN.findall(rest)
    words = {token for token in tokens if not token.isdecimal()} - _FILLERS
    noon = words & _NOON_WORDS
    names = words - noon
    if len(noon) > 1 or len(names) > 1 or not names <= _MONTHS.keys():
        return None
    hour = _hour(int(clock[1]), noon)
    if hour is None:
        return None
    numbers = [token for token in tokens if token.isdecimal()]
    if any(len(number) > len("2026") for number in numbers):
        return None
    return _Fields(
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
    """Return the text in lower case without accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", plain)


_MONTHS = {
    _folded(name): number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()
}
