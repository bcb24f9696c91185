"""Dates of many languages, and those that are not read since they are not sure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.bulk_export.dates import find_day_first, parse_date
from tests.account_export import LANGUAGES

MAY = datetime(2022, 5, 29, 15, 53, 35, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "May 29, 2022, 3:53:35 PM",
        "May 29, 2022, 3:53:35\u202fPM",
        "29 May 2022, 15:53:35",
        "29.05.2022, 15:53:35",
        "29.05.2022 15.53.35",
        "29 mai 2022 à 15:53:35",
        "29 mai 2022, 15:53:35",
        "29. 5. 2022 15:53:35",
        "29. května 2022 v 15:53:35",
        "29 may 2022, 3:53:35 p. m.",
        "29 may 2022, 3:53:35\u202fp.m.",
        "29 may 2022, 3:53:35\u202fp.\u202fm.",
        "2022年5月29日 下午3:53:35",
        "29 de mai. de 2022, 15:53:35",
        "29 mag 2022, 15:53:35",
        "29 mei 2022 15:53:35",
        "29 maj 2022, 15:53:35",
        "29 мая 2022 г., 15:53:35",  # noqa: RUF001
        "29 May\u0131s 2022 15:53:35",
        "2022年5月29日 15:53:35",
        "2022年5月29日下午3:53:35",
        "2022. 5. 29. 오후 3:53:35",
        "2022/05/29 15:53:35",
        "2022-05-29 15:53:35",
        "2022-05-29T15:53:35Z",
        "29/05/2022, 15:53:35",
        "05/29/2022, 15:53:35",
    ],
)
def test_a_date_is_read_in_any_language(text: str) -> None:
    assert parse_date(text) == MAY


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("May 29, 2022, 12:00:00 AM", 0),
        ("May 29, 2022, 12:00:00 PM", 12),
        ("May 29, 2022, 1:00:00 AM", 1),
        ("29 May 2022 12:00:00", 12),
        ("29 May 2022 00:00:00", 0),
        ("29 may 2022, 12:20:32\u202fp.m.", 12),
        ("2022年5月29日 凌晨12:00:00", 0),
        ("2022年5月29日 凌晨4:59:59", 4),
        ("2022年5月29日 清晨5:00:00", 5),
        ("2022年5月29日清晨7:00:00", 7),
        ("2022年5月29日 早上7:00:00", 7),
        ("2022年5月29日 上午11:00:00", 11),
        ("2022年5月29日 中午12:00:00", 12),
        ("2022年5月29日 下午1:00:00", 13),
        ("2022年5月29日 下午6:00:00", 18),
        ("2022/5/29 晚上7:00:00", 19),
        ("2022年5月29日 晚上11:00:00", 23),
    ],
)
def test_noon_and_midnight_are_distinguished(text: str, hour: int) -> None:
    moment = parse_date(text)
    assert moment is not None
    assert moment.hour == hour


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2022-05-29",
        "29 May 2022 15:53",
        "29 May 22, 15:53:35",
        "05/06/2022, 15:53:35",
        "29 toukokuuta 2022 15:53:35",
        "29 May 2022 15:53:35 CEST",
        "30 février 2022 15:53:35",
        "29 May 2022 25:53:35",
        "29 May 2022, 13:53:35 PM",
        "29 May June 2022 15:53:35",
        "1 2 3 4 15:53:35",
        "29 May 20222 15:53:35",
        f"29 May {'2' * 5000} 15:53:35",
        "2022年5月29日 晚上12:00:00",
        "2022年5月29日 晚上3:00:00",
        "2022年5月29日 凌晨7:00:00",
        "2022年5月29日 中午1:00:00",
        "2022年5月29日 上午下午1:00:00",
    ],
)
def test_what_is_not_sure_is_not_read(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize(("is_day_first", "month"), [(True, 6), (False, 5)])
def test_an_ambiguous_date_is_read_as_the_others_of_its_table(
    is_day_first: bool, month: int
) -> None:
    moment = parse_date("05/06/2022, 15:53:35", is_day_first=is_day_first)
    assert moment is not None
    assert moment.month == month


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["05/06/2022, 1:02:03", "13/06/2022, 1:02:03"], True),
        (["05/06/2022, 1:02:03", "06/13/2022, 1:02:03"], False),
        (["05/06/2022, 1:02:03"], None),
        (["13/06/2022, 1:02:03", "06/13/2022, 1:02:03"], None),
        (["May 29, 2022, 3:53:35 PM", "2022-05-29 15:53:35", ""], None),
        (["5. 6. 2022 1:02:03"], True),
    ],
)
def test_one_sure_date_tells_the_order_of_all(texts: list[str], expected: bool | None) -> None:
    assert find_day_first(texts) is expected


moments = st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


@pytest.mark.parametrize("language", LANGUAGES)
@given(moment=moments)
def test_what_a_language_writes_is_read_as_it_was(language: str, moment: datetime) -> None:
    assert parse_date(LANGUAGES[language].date(moment)) == moment


@given(st.text(st.sampled_from("0123456789:/.- APMapm年月日下午мая")))  # noqa: RUF001
def test_no_text_makes_it_fail(text: str) -> None:
    moment = parse_date(text, is_day_first=True)
    assert moment is None or moment.tzinfo is UTC
