"""Records, inventory and answers that several tests of pure decisions are made of."""

from __future__ import annotations

from datetime import UTC, datetime

from strava_backup.archive.directory import Stored
from strava_backup.archive.metadata import fingerprint
from strava_backup.items import ORIGINAL, PHOTO
from strava_backup.records import merge
from strava_backup.records.plan import Wanted
from strava_backup.strava.records import parse_activity

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
STAMP = "2026-11-22T10:00:00Z"
TODAY = NOW.date()
SUMMARY = {
    "id": 5,
    "resource_state": 2,
    "name": "Morning Run",
    "start_date": "2026-05-06T07:08:09Z",
    "distance": 5000.4,
    "upload_id": 7,
    "manual": False,
    "kudos_count": 3,
}
ALL = Wanted()


def activity(**changes):
    return parse_activity({**SUMMARY, **changes})


def stored(record):
    return Stored(
        "activities/2026/2026-05-06T07-08-09Z_5",
        resource_state=record.get("resource_state"),
        own=record.get("strava_backup", {}),
        listed=fingerprints(record.get("strava_backup", {})),
    )


def fingerprints(own):
    return tuple((source, fingerprint(fields)) for source, fields in own.get("listed", {}).items())


REFUSED_TWICE = {"refused": {ORIGINAL: {"why": "404", "on": ["2026-11-01", "2026-11-02"]}}}


def refused(*answers):
    """Our key after these answers, each a day of November 2026 and a reason."""
    own = {"source": "api"}
    for day, why in answers:
        own = merge.with_refusal(own, ORIGINAL, why, datetime(2026, 11, day, tzinfo=UTC))
    return own


PICTURE_REFUSED = {"refused": {PHOTO: {"why": "404", "on": ["1", "2"]}}}
BIKE = {"id": "b1", "resource_state": 2, "name": "Rosinante", "distance": 5000}
SHOE = {"id": "g1", "resource_state": 2, "name": "Ghost", "distance": 5000}
AT = {"components_at": STAMP}


def held_gear(own, state=3):
    path = "gear/x.meta.json"
    return Stored("gear/x", (), path, state, own, fingerprints(own))


def listed(summary, **more):
    return {"listed": {"api": summary} if summary else {}, **more}
