"""The comments and kudos of a made-up activity, as the API lists them.

An entry names its athlete only by first name and initial, and kudos have nothing else (recorded by
bikeindex/bike_index; examples in https://developers.strava.com/docs/reference). Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from strava_backup.demo.activity import Activity, Json
from strava_backup.timestamps import utc_timestamp

# Two athletes may have the same first name and initial.
_NAMES = (
    *(("Peter", "S."), ("Grace", "H."), ("Peter", "S."), ("Edsger", "D.")),
    *(("Zoë", "Ü."), ("Barbara", "L."), ("Alan", "T.")),
)
_TEXTS = ("Chapeau!", "Which way did you go?", "<b>Nice</b> & long 🚴\u200d♀️\nSee you there", "")


def comment_records(activity: Activity) -> list[Json]:
    """Return as many comments as the activity counts, oldest first."""
    return [_comment(activity, number) for number in range(activity.detail["comment_count"])]


def kudos_records(activity: Activity) -> list[Json]:
    """Return as many kudos as the activity counts."""
    return [_athlete(number) for number in range(activity.detail["kudos_count"])]


def _comment(activity: Activity, number: int) -> Json:
    comment_id = activity.id * 1000 + number
    start = datetime.fromisoformat(activity.detail["start_date"])
    return {
        "id": comment_id,
        "activity_id": activity.id,
        "post_id": None,
        "resource_state": 2,
        "text": _TEXTS[number % len(_TEXTS)],
        "mentions_metadata": None,
        "created_at": utc_timestamp(start + timedelta(hours=2, minutes=number)),
        "athlete": _athlete(number),
        # The reference's example ends with %20, so that a client has to encode it once more.
        "cursor": f"{comment_id}%20",
        "reaction_count": number % 2,
        "has_reacted": False,
    }


def _athlete(number: int) -> Json:
    first, last = _NAMES[number % len(_NAMES)]
    return {"resource_state": 2, "firstname": first, "lastname": last}
