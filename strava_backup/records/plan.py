"""Pure: what is missing of an activity, a photo or gear, and when to give it up. Does no I/O.

It decides on what is held and what a listing tells; `ours` is the value of our key,
`strava_backup`, in a kept record, which docs/format.md describes.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import NamedTuple

from strava_backup.archive.directory import Inventory, Stored
from strava_backup.archive.metadata import fingerprint, lacks_original
from strava_backup.errors import ItemError, Refused
from strava_backup.strava import records
from strava_backup.strava.records import DETAIL_STATE, SUMMARY_STATE, Activity, Record

ORIGINAL = "original"
GPX = "gpx"
DETAIL = "detail"
PHOTO_LIST = "photo list"
PHOTO = "photo"
GEAR = "gear"
COMPONENTS = "components"

# The same refusal on so many different days means that an item is not available.
_DAYS_UNTIL_GIVEN_UP = 3
# The days after which an item that is not available is tried again, each time it was refused; the
# last number holds for all later times.
_RETRY_AFTER = (30, 90, 180)
# A redirect in place of an original is confirmed on a later day before that.
_CONFIRM_AFTER = (1, *_RETRY_AFTER)

# After that long Strava has worked up an upload.
_WORKED_UP = timedelta(days=7)

# So long a look at all of a list holds, where one at a part of it would do.
_FULL_LISTING_EVERY = timedelta(days=30)

# So many activities, or one in so many, may vanish at once; a few always may.
_MOST_GONE = 20
_SHARE_GONE = 20
_FEW_GONE = 3


class Wanted(NamedTuple):
    """What a run is asked to bring.

    `unproven` are the items of which nothing at all is stored: their refusals do not count, since
    a host that gave nothing so far may be the only thing that is wrong.
    """

    originals: bool = True
    details: bool = True
    photos: bool = True
    gear: bool = True
    full: bool = False
    unproven: frozenset[str] = frozenset()


def is_changed(activity: Activity, stored: Stored | None, source: str) -> bool:
    """Whether the listing tells something new: other than the last listing of the same source, or
    that an activity is there again.

    Never compared with a detail, whose numbers are rounded differently. Metadata without
    `resource_state` is that of version 0.4 and earlier, and counts as not held.
    """
    if stored is None or stored.resource_state is None or is_gone(stored.own):
        return True
    return stored.listed.get(source) != fingerprint(records.compared_fields(activity.record))


def missing_items(
    activity: Activity,
    resource_state: int | None,
    suffixes: tuple[str, ...],
    own: Record,
    wanted: Wanted,
    today: date,
) -> tuple[str, ...]:
    """The items of an activity that have to be fetched.

    `resource_state` and `ours` are those of the record as it stands after the listing,
    `suffixes` those of the originals held.
    """
    items = []
    if wanted.originals:
        if lacks_original(suffixes, own) and may_have_original(activity.record, own, wanted, today):
            items.append(ORIGINAL)
        if lacks_gpx(suffixes, own, wanted, today):
            items.append(GPX)
    if wanted.photos and _lacks_photo_list(activity, own, wanted, today):
        items.append(PHOTO_LIST)
    if wanted.details and (wanted.full or resource_state != DETAIL_STATE):
        items.append(DETAIL)
    return tuple(
        item for item in items if item == PHOTO_LIST or not is_given_up(own, item, wanted, today)
    )


def may_have_original(record: Record, own: Record, wanted: Wanted, today: date) -> bool:
    """Whether an activity whose original is not held can have one.

    A redirect, from which it was learnt that Strava has none, is confirmed on a later day and
    tried again from time to time.
    """
    if records.reason_for_no_original(record) is not None:
        return False
    original = own.get("original", {})
    if "absent" not in original or wanted.full:
        return True
    if not is_redirect(original["absent"]):
        return False
    if ORIGINAL in wanted.unproven or record.get("upload_id") is not None:
        return True  # the API knows of an upload, of which the website gave nothing
    return _is_due_again(original.get("on", []), _CONFIRM_AFTER, today)


def is_redirect(why: str) -> bool:
    """Whether a reason is a redirect of the website's, its way to say that there is no file."""
    return why.startswith("redirect")


def tells_of_no_original(record: Record, start: datetime, now: datetime) -> bool:
    """Whether a redirect in place of an original may be believed at once.

    So it may where nothing tells beforehand, as on the website, and the activity is old enough
    for Strava to have worked it up.
    """
    return "upload_id" not in record and now - start > _WORKED_UP


def lacks_gpx(suffixes: tuple[str, ...], own: Record, wanted: Wanted, today: date) -> bool:
    """Whether a JSON original, which hardly a program reads, has no GPX beside it yet."""
    kinds = {suffix.removesuffix(".gz") for suffix in suffixes}
    if ".json" not in kinds or ".gpx" in kinds:
        return False
    original = own.get("original", {})
    if "no_gpx" not in original or wanted.full:
        return True
    return _is_due_again(original.get("no_gpx_on", []), _RETRY_AFTER, today)


def lacks_picture(photo: Stored, wanted: Wanted, today: date) -> bool:
    """Whether the picture of a photo whose metadata is held has to be fetched."""
    return not photo.files and not is_given_up(photo.own, PHOTO, wanted, today)


def missing_gear_items(
    gear_id: str,
    summary: Record | None,
    stored: Stored | None,
    source: str,
    wanted: Wanted,
    today: date,
) -> tuple[str, ...]:
    """The items of a bike or a pair of shoes that have to be fetched.

    Gear is fetched when the athlete's summary of it changed; retired gear has none and is fetched
    once more after it vanished from there. What comes after the gear itself is left to that.
    """
    own = stored.own if stored else {}
    # The website's record is filled up when the API can be asked.
    known_states = (SUMMARY_STATE, DETAIL_STATE) if source == "website" else (DETAIL_STATE,)
    is_known = stored is not None and stored.resource_state in known_states
    before = stored.listed.get(source) if stored else None
    now = fingerprint(summary) if summary is not None else None
    if wanted.full or not is_known or before != now:
        items = [GEAR]
    elif lacks_components(gear_id, own, wanted, today):
        items = [COMPONENTS]
    else:
        items = []
    return tuple(item for item in items if not is_given_up(own, item, wanted, today))


def lacks_components(gear_id: str, own: Record, wanted: Wanted, today: date) -> bool:
    """Whether a bike's page, which costs a request of the website, has to be asked for."""
    if not (gear_id.startswith("b") and wanted.originals) or "components_at" in own:
        return False
    return not is_given_up(own, COMPONENTS, wanted, today)


def lasting_reason(item: str, error: ItemError) -> str | None:
    """The reason to note beside an item, if the error is one that Strava may mean to last.

    Anything that a photo host answers is its answer; of Strava itself only a clear refusal is.
    """
    return error.why if isinstance(error, Refused) or item == PHOTO else None


def is_gone(own: Record) -> bool:
    """Whether Strava no longer had an activity when it was last listed whole."""
    return "gone_since" in own


def is_due(last: str | None, now: datetime) -> bool:
    """Whether the last look at all of a list is so long ago that the next one is due."""
    try:
        return last is None or now - datetime.fromisoformat(last) > _FULL_LISTING_EVERY
    except (TypeError, ValueError):
        return True


def are_too_many(gone: int, stored: int) -> bool:
    """Whether more activities vanished from Strava's list at once than people delete.

    Then a list that is not all of it is likelier. In a small archive a single one is more than any
    share, so a few are believed everywhere.
    """
    return gone > min(_MOST_GONE, max(_FEW_GONE, stored // _SHARE_GONE))


def is_given_up(own: Record, item: str, wanted: Wanted, today: date) -> bool:
    """Whether an item is not available, and not to be tried again yet.

    That is the case after the same refusal on three different days, and from then on for 30, 90
    and then every 180 days.
    """
    refusal = own.get("refused", {}).get(item, {})
    is_proven = item not in wanted.unproven or refusal.get("why") in records.NEVER_OFFERED
    if wanted.full or not is_proven:
        return False
    days = refusal.get("on", [])
    if len(days) < _DAYS_UNTIL_GIVEN_UP:
        return False
    return not _is_due_again(days[_DAYS_UNTIL_GIVEN_UP - 1 :], _RETRY_AFTER, today)


def is_absent(own: Record, item: str) -> bool:
    """Whether Strava has nothing of that kind for an activity, which is no failure."""
    return {ORIGINAL: "absent", GPX: "no_gpx"}.get(item) in own.get("original", {})


def _is_due_again(days: list[str], waits: tuple[int, ...], today: date) -> bool:
    """Whether an item that was refused on these days is to be tried again today.

    It is if a day cannot be read or lies in the future: a clock may have been wrong.
    """
    try:
        passed = (today - date.fromisoformat(days[-1])).days
    except (IndexError, ValueError):
        return True
    return not 0 <= passed < waits[min(len(days), len(waits)) - 1]


def evidence_kind(item: str) -> str:
    """The kind of item that proves that a host gives items like this one.

    A GPX is made of an original that has just come from the same host, and by far not of each.
    """
    return ORIGINAL if item == GPX else item


def unproven_items(inventory: Inventory) -> frozenset[str]:
    """The items of which the archive has none."""
    activities = [one for one in inventory.activities.values() if not is_gone(one.own)]
    gear = inventory.gear.values()
    proofs = {
        ORIGINAL: any(one.files for one in activities),
        DETAIL: any(one.resource_state == DETAIL_STATE for one in activities),
        PHOTO_LIST: any(one.own.get("photos", {}).get("count") for one in activities),
        PHOTO: any(one.files for one in inventory.photos.values()),
        GEAR: any(one.resource_state is not None for one in gear),
        COMPONENTS: any("components_at" in one.own for one in gear),
    }
    return frozenset(item for item, is_proven in proofs.items() if not is_proven)


def asked_items(wanted: Wanted, *, has_details: bool) -> frozenset[str]:
    """The items that a run asks a source for that has details, or has none."""
    items = {
        ORIGINAL: wanted.originals,
        GPX: wanted.originals,
        DETAIL: wanted.details and has_details,
        PHOTO: wanted.photos,
        PHOTO_LIST: wanted.photos and has_details,
        GEAR: wanted.gear and has_details,
        COMPONENTS: wanted.gear and wanted.originals,
    }
    return frozenset(item for item, is_asked in items.items() if is_asked)


def count_given_up(stored: Stored, items: Collection[str], wanted: Wanted, today: date) -> int:
    """How many of these items of an activity, a photo or gear are not stored and not available."""
    if "refused" not in stored.own:
        return 0
    return sum(
        is_given_up(stored.own, item, wanted, today)
        and not (stored.files and item in (ORIGINAL, PHOTO))
        for item in items
    )


def _lacks_photo_list(activity: Activity, own: Record, wanted: Wanted, today: date) -> bool:
    """Whether the photo list has to be fetched: for another count than the one it was last asked
    for, or since it was refused."""
    count = activity.record.get("total_photo_count")
    if not isinstance(count, int):
        return False
    if wanted.full:
        return bool(count)
    if count != own.get("photos", {}).get("count", 0):
        return True
    was_refused = PHOTO_LIST in own.get("refused", {})
    return was_refused and not is_given_up(own, PHOTO_LIST, wanted, today)
