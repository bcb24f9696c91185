"""The activities of the sample account, each there for one thing that real accounts hold.

Also accounts of any size. The same call gives the same bytes; knows no clock and no HTTP.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from strava_backup.demo import files
from strava_backup.demo.activity import Activity, manual, recorded

# newest start of the accounts made by `numbered`
NEWEST = datetime(2026, 11, 15, 7, 8, 9, tzinfo=UTC)


def sample_activities() -> list[Activity]:
    """About two dozen activities over several years."""
    return [*_ordinary(), *_hostile_names(), *_other_formats(), *_odd_records(), *_without_file()]


def numbered(count: int) -> list[Activity]:
    """That many activities: mostly FIT, one in ten manual, some GPX, TCX, JSON and private."""
    return [_numbered(index) for index in range(count)]


def fit_activity(
    activity_id: int, start: datetime, name: str, *, length: int = 200, **more: Any
) -> Activity:
    """An activity whose original is a FIT of that many seconds."""
    return Activity(
        recorded(activity_id, start, name, **more),
        original=files.fit(start, length),
        gpx=files.gpx(start, min(length, 60), name=name),
    )


def gpx_activity(activity_id: int, start: datetime, name: str, **more: Any) -> Activity:
    """An activity whose original is a GPX."""
    content = files.gpx(start, 120, name=name, creator="StravaGPX Android")
    return Activity(
        recorded(activity_id, start, name, external_id=f"{activity_id}.gpx", **more),
        original=content,
        original_suffix=".gpx",
        gpx=content,
    )


def tcx_activity(
    activity_id: int, start: datetime, name: str, *, leading_whitespace: bool = False, **more: Any
) -> Activity:
    """An activity whose original is a TCX, well-formed or not."""
    return Activity(
        recorded(activity_id, start, name, external_id=f"{activity_id}.tcx", **more),
        original=files.tcx(start, 90, leading_whitespace=leading_whitespace),
        original_suffix=".tcx",
        gpx=files.gpx(start, 60, name=name),
    )


def json_activity(
    activity_id: int, start: datetime, name: str, *, with_gpx: bool = True, **more: Any
) -> Activity:
    """An activity of an early mobile app; Strava can make a GPX of most of them.

    Their originals come as JSON (README of https://github.com/pR0Ps/strava-backup) and with
    that content type (https://github.com/pR0Ps/stravaweblib, webclient.py).
    """
    return Activity(
        recorded(activity_id, start, name, external_id=f"{activity_id}.json", **more),
        original=files.app_json(start, 120),
        original_suffix=".json",
        content_type="application/json",
        gpx=files.gpx(start, 60, name=name) if with_gpx else None,
    )


def manual_activity(activity_id: int, start: datetime, name: str, **more: Any) -> Activity:
    """An activity without original."""
    return Activity(manual(activity_id, start, name, **more))


def zipped(activity: Activity) -> Activity:
    """The same activity, uploaded as gzip."""
    activity.original = files.gzipped(activity.original or b"")
    activity.original_suffix += ".gz"
    activity.detail["external_id"] = f"{activity.id}{activity.original_suffix}"
    return activity


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _ordinary() -> list[Activity]:
    return [
        fit_activity(
            16_600_000_000,
            _at("2026-11-14T07:08:09"),
            "Through the Höllental 🚴‍♀️🌲",
            length=3000,
            description="First frost.\nTwo coffees, one flat.",
        ),
        fit_activity(16_480_211_034, _at("2026-10-25T00:30:00"), "Night Ride", length=1200),
        fit_activity(
            15_210_998_871, _at("2026-07-03T05:15:42"), "Lunch Run", sport_type="Run", length=900
        ),
        # ids have grown to 11 digits; this is the last of those
        fit_activity(99_999_999_999, _at("2026-11-10T16:45:01"), "Evening Ride"),
        fit_activity(987_654_321, _at("2017-05-20T08:00:00"), "Erste Ausfahrt"),
    ]


def _hostile_names() -> list[Activity]:
    return [
        fit_activity(14_000_000_001, _at("2025-04-01T06:00:00"), "../../etc/passwd"),
        fit_activity(14_000_000_002, _at("2025-04-02T06:00:00"), "CON"),
        fit_activity(14_000_000_003, _at("2025-04-03T06:00:00"), r"a/b\c"),
        fit_activity(
            14_000_000_004, _at("2025-04-04T06:00:00"), "one\ntwo\tthree \x1b[31mred\x1b[0m"
        ),
        fit_activity(14_000_000_005, _at("2025-04-05T06:00:00"), "long " * 60),
        fit_activity(14_000_000_006, _at("2025-04-06T06:00:00"), " "),
        fit_activity(14_000_000_007, _at("2025-04-07T06:00:00"), "רכיבת בוקר \u202egnp.exe"),
        fit_activity(14_000_000_008, _at("2025-04-08T06:00:00"), "Cafe\u0301 Zu\u0308rich"),
    ]


def _other_formats() -> list[Activity]:
    return [
        gpx_activity(11_000_000_001, _at("2024-02-29T12:00:00"), "Leap Day Walk"),
        tcx_activity(11_000_000_002, _at("2024-03-01T12:00:00"), "Trainer", sport_type="Ride"),
        tcx_activity(
            11_000_000_003, _at("2024-03-02T12:00:00"), "Old Watch", leading_whitespace=True
        ),
        zipped(fit_activity(11_000_000_004, _at("2024-03-03T12:00:00"), "Zipped FIT")),
        zipped(gpx_activity(11_000_000_005, _at("2024-03-04T12:00:00"), "Zipped GPX")),
        json_activity(1_000_001, _at("2011-04-19T23:09:03"), "My first phone"),
        json_activity(1_000_002, _at("2011-04-20T23:09:03"), "No signal", with_gpx=False),
    ]


def _odd_records() -> list[Activity]:
    same_second = _at("2026-06-06T06:06:06")
    rounded = fit_activity(15_000_000_003, _at("2026-05-06T07:08:09"), "10k", distance=10012.0)
    rounded.detail["average_speed"] = 2.781
    rounded.summary_changes = {"distance": 10012.3, "average_speed": 2.7812}
    return [
        fit_activity(15_000_000_001, same_second, "Watch"),
        gpx_activity(15_000_000_002, same_second, "Phone"),
        rounded,
        # A hidden start time is midnight and one second, since 2024-07-03:
        # https://developers.strava.com/docs/changelog
        fit_activity(15_000_000_004, _at("2026-05-07T00:00:01"), "When was that?"),
        fit_activity(15_000_000_005, _at("2026-05-08T07:00:00"), "Secret spot", private=True),
        fit_activity(15_000_000_006, _at("2026-05-09T07:00:00"), "New sport", sport_type="Padel2"),
    ]


def _without_file() -> list[Activity]:
    return [
        manual_activity(13_000_000_001, _at("2024-12-24T10:00:00"), "Gym"),
        manual_activity(13_000_000_002, _at("2025-01-01T10:00:00"), "Diary", private=True),
    ]


def _numbered(index: int) -> Activity:
    # a minute more than a day apart, so that they also differ in their time of day
    start = NEWEST - index * timedelta(days=1, minutes=1)
    activity_id, name = 16_600_000_000 - index * 1_234_567, f"Activity {index}"
    if index % 10 == 3:
        return manual_activity(activity_id, start, name)
    if index % 10 == 5:
        return gpx_activity(activity_id, start, name)
    if index % 10 == 7:
        return tcx_activity(activity_id, start, name)
    if index % 20 == 8:
        return json_activity(activity_id, start, name)
    return fit_activity(activity_id, start, name, length=100, private=index % 20 == 9)
