from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from strava_backup.timestamps import utc_timestamp


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC), "2026-05-06T07:08:09Z"),
        (datetime(2026, 5, 6, 7, 8, 9, 999_999, tzinfo=UTC), "2026-05-06T07:08:09Z"),
        (
            datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))),
            "2025-12-31T23:00:00Z",
        ),
        (datetime(33, 4, 5, tzinfo=UTC), "0033-04-05T00:00:00Z"),
    ],
    ids=["UTC", "fraction", "other zone", "early year"],
)
def test_a_timestamp_is_in_utc_and_whole_seconds(moment: datetime, text: str) -> None:
    assert utc_timestamp(moment) == text
