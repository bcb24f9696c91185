"""The activities, photos and gear of the sample account, one for each case in real accounts.

Also creates activities for accounts of any size. Equal calls give equal bytes; independent of the
clock and of HTTP.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from strava_backup.demo import files
from strava_backup.demo.activity import Activity, manual, recorded
from strava_backup.demo.gear import Bike, Component, Shoe
from strava_backup.demo.photos import photo_of

# The newest start of the activities created by `numbered`.
NEWEST = datetime(2026, 11, 15, 7, 8, 9, tzinfo=UTC)


def sample_activities() -> list[Activity]:
    """Return about two dozen activities over several years."""
    return [
        *_ordinary(),
        *_hostile_names(),
        *_other_formats(),
        *_suspicious_records(),
        *_without_file(),
    ]


def numbered(count: int) -> list[Activity]:
    """Return `count` activities: mostly FIT, one in ten manual, some GPX, TCX, JSON and private."""
    return [_numbered(index) for index in range(count)]


def add_private_notes(activities: list[Activity]) -> None:
    """Add a private note to some of the sample's activities."""
    for activity in activities:
        activity.private_note = _PRIVATE_NOTES.get(activity.id, "")


def add_photos(activities: list[Activity]) -> None:
    """Add photos of every available kind to some of the sample's activities."""
    by_id = {activity.id: activity for activity in activities}
    for activity_id, photos in _PHOTOS.items():
        activity = by_id[activity_id]
        activity.photos += [
            photo_of(activity.detail, number, kind, **more)
            for number, (kind, more) in enumerate(photos, 1)
        ]


def add_problems(activities: list[Activity]) -> None:
    """Add photos that are not available: a placeholder and an Instagram photo."""
    by_id = {activity.id: activity for activity in activities}
    for activity_id, kind in ((14_000_000_008, "placeholder"), (1_000_002, "instagram")):
        by_id[activity_id].photos.append(photo_of(by_id[activity_id].detail, 9, kind))


def add_numbered_photos(activities: list[Activity]) -> None:
    """Add one photo to a tenth, and two photos to another tenth, of `numbered` activities."""
    kinds = ("jpg", "jpg", "png", "jpg", "webp")
    for index, activity in enumerate(activities):
        for number in {1: (1,), 6: (1, 2)}.get(index % 10, ()):
            kind = kinds[(index // 5 + number) % len(kinds)]
            activity.photos.append(photo_of(activity.detail, number, kind))


def use_gear(activities: list[Activity]) -> None:
    """Set the gear of some of the sample's activities, including retired gear."""
    for activity in activities:
        activity.detail["gear_id"] = _USED_GEAR.get(activity.id)


def use_numbered_gear(activities: list[Activity]) -> None:
    """Set the gear of nine in ten of the `numbered` activities, most of it not retired."""
    ids = [gear.id for gear in sample_gear()]
    for index, activity in enumerate(activities):
        if not activity.detail["manual"]:
            activity.detail["gear_id"] = ids[index % 7 % len(ids)]


def sample_gear() -> list[Bike | Shoe]:
    """Return three bikes and three pairs of shoes; the last of each is retired."""
    return [
        Bike(
            "b9000001",
            "Rosinante",
            "Canyon",
            "Endurace CF 7",
            nickname="Rosinante",
            description="Needs a new chain soon.",
            distance=14_018_412,
            primary=True,
            weight=8.4,
            components=[
                Component(7001, "Chain", "Shimano", "CN-HG601", date(2025, 5, 3), None, 1_234_512),
                Component(7002, "Cassette", "Shimano", "CS-R7000", distance=14_018_412),
                Component(
                    7003, "Chain", "KMC", "X11 <EL>", date(2023, 8, 21), date(2025, 5, 3), 9_731_000
                ),
                Component(7004, "Saddle", added=date(2026, 10, 25), distance=88_020),
            ],
        ),
        Bike("b9000002", "Café & Bike <3", "Surly", "Long Haul", distance=2_750_300, weight=14.1),
        Bike(
            "b8000003",
            "Old Steel",
            "Peugeot",
            distance=31_002_750,
            retired=True,
            weight=11.0,
            components=[Component(7005, "Chain", distance=31_002_750)],
        ),
        Shoe("g9000001", "Brooks Ghost 16", "Brooks", "Ghost 16", distance=452_834, primary=True),
        Shoe("g9000002", "Inov-8 Trailfly", "Inov-8", "Trailfly", "Mud", distance=98_400),
        Shoe(
            "g3000003",
            "Adidas Supernova ST",
            "Adidas",
            "Supernova ST",
            nickname="",
            description="Left one has a hole.",
            distance=966_309,
            retired=True,
        ),
    ]


_PHOTOS: dict[int, list[tuple[str, dict[str, Any]]]] = {
    16_600_000_000: [
        ("jpg", {"caption": 'Frost 🥶\n"first" <of> the year', "location": (47.93, 7.95)}),
        ("jpg", {"width": 2048, "height": 1536}),
        ("png", {"width": 1170, "height": 2048}),
    ],
    15_210_998_871: [("jpg", {}), ("video", {"location": (47.99, 7.84)}), ("webp", {})],
    99_999_999_999: [("gif", {"width": 480, "height": 360}), ("heic", {})],
    # visible to its owner only
    15_000_000_005: [("jpg", {"caption": "Where the orchids are"})],
    # a photo without an original
    13_000_000_001: [("jpg", {"width": 1200, "height": 1600})],
}

_PRIVATE_NOTES = {
    16_600_000_000: "Left knee again: saddle 5 mm up?",
    # visible to its owner only, and with the characters that HTML escapes
    15_000_000_005: '47.93 < lat & lon > 7.95 "here"\n\nDon\'t tell.</textarea>',
    13_000_000_001: "3 sets of 12 @ 40 kg 🏋️",
}

_USED_GEAR = {
    16_600_000_000: "b9000001",
    99_999_999_999: "b9000001",
    15_000_000_001: "b9000002",
    16_480_211_034: "b9000002",
    987_654_321: "b8000003",
    15_210_998_871: "g9000001",
    15_000_000_003: "g9000001",
    11_000_000_001: "g3000003",
}


def fit_activity(
    activity_id: int, start: datetime, name: str, *, length: int = 200, **more: Any
) -> Activity:
    """Return an activity whose original is a FIT of `length` seconds."""
    return Activity(
        recorded(activity_id, start, name, **more),
        original=files.fit(start, length),
        gpx=files.gpx(start, min(length, 60), name=name),
    )


def gpx_activity(activity_id: int, start: datetime, name: str, **more: Any) -> Activity:
    """Return an activity whose original is a GPX."""
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
    """Return an activity whose original is a TCX, well-formed or not."""
    return Activity(
        recorded(activity_id, start, name, external_id=f"{activity_id}.tcx", **more),
        original=files.tcx(start, 90, leading_whitespace=leading_whitespace),
        original_suffix=".tcx",
        gpx=files.gpx(start, 60, name=name),
    )


def json_activity(
    activity_id: int, start: datetime, name: str, *, with_gpx: bool = True, **more: Any
) -> Activity:
    """Return an activity of an early mobile app; Strava can create a GPX for most of them.

    Their originals are JSON (README of https://github.com/pR0Ps/strava-backup), sent with that
    content type (https://github.com/pR0Ps/stravaweblib, webclient.py).
    """
    return Activity(
        recorded(activity_id, start, name, external_id=f"{activity_id}.json", **more),
        original=files.app_json(start, 120),
        original_suffix=".json",
        content_type="application/json",
        gpx=files.gpx(start, 60, name=name) if with_gpx else None,
    )


def manual_activity(activity_id: int, start: datetime, name: str, **more: Any) -> Activity:
    """Return an activity without an original."""
    return Activity(manual(activity_id, start, name, **more))


def zipped(activity: Activity) -> Activity:
    """Return the same activity, uploaded as gzip."""
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
            comment_count=2,
            perceived_exertion=7.0,
        ),
        fit_activity(16_480_211_034, _at("2026-10-25T00:30:00"), "Night Ride", length=1200),
        fit_activity(
            15_210_998_871, _at("2026-07-03T05:15:42"), "Lunch Run", sport_type="Run", length=900
        ),
        # the largest id of 11 digits, the present length of ids
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


def _suspicious_records() -> list[Activity]:
    same_second = _at("2026-06-06T06:06:06")
    rounded = fit_activity(15_000_000_003, _at("2026-05-06T07:08:09"), "10k", distance=10012.0)
    rounded.detail["average_speed"] = 2.781
    rounded.summary_changes = {"distance": 10012.3, "average_speed": 2.7812}
    return [
        fit_activity(15_000_000_001, same_second, "Watch"),
        gpx_activity(15_000_000_002, same_second, "Phone"),
        rounded,
        # Since 2024-07-03, a hidden start time is sent as midnight and one second:
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
    # a day and a minute apart, so that the times of day differ as well
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
