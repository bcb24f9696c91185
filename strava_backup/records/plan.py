"""Pure: the missing items of activities, photos, gear and routes, and when to try them again.

Does no I/O. The plan compares stored records with listed ones. `own` is the value of our key,
`strava_backup`, in a stored record; docs/format.md specifies it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from strava_backup.archive import layout
from strava_backup.archive.directory import Inventory, Stored
from strava_backup.archive.metadata import fingerprint, lacks_original
from strava_backup.errors import ItemError, Refused, Unreachable
from strava_backup.items import (
    COMMENTS,
    COMPONENTS,
    DETAIL,
    GEAR,
    GPX,
    ORIGINAL,
    OWN_KEY,
    PHOTO,
    PHOTO_LIST,
    PRIVATE_NOTE,
    ROUTE,
    VIDEO,
)
from strava_backup.strava import records, routes
from strava_backup.strava.records import DETAIL_STATE, SUMMARY_STATE, Activity, Record
from strava_backup.strava.routes import Route

# After the same refusal on this many days, an item is not available.
_DAYS_UNTIL_NOT_AVAILABLE = 3
# The days after which an item that is not available is tried again, each time it was refused; the
# last number holds for all later times.
_RETRY_AFTER = (30, 90, 180)
# A redirect instead of an original is confirmed on a later day first.
_CONFIRM_AFTER = (1, *_RETRY_AFTER)

# Strava has processed an upload after this time.
_PROCESSING_TIME = timedelta(days=7)

# The items that are fetched after all others of their hosts.
LAST_ITEMS = (PRIVATE_NOTE, COMMENTS)
# The counts in a listing record that say how long the lists of comments and kudos are.
COUNTS = ("comment_count", "kudos_count")

# Interval of complete listings if partial ones are sufficient between them.
_FULL_LISTING_INTERVAL = timedelta(days=30)

# Plausible numbers of activities deleted at once: a total, one in this many, and in any archive.
_MOST_DELETED = 20
_SHARE_DELETED = 20
_FEW_DELETED = 3


class Wanted(NamedTuple):
    """The items that a run is to fetch.

    The archive has no item of the kinds in `unproven`. Their refusals do not count, since the
    host may be the cause.
    """

    originals: bool = True
    details: bool = True
    photos: bool = True
    videos: bool = True
    gear: bool = True
    private_notes: bool = False
    comments: bool = False
    routes: bool = True
    full: bool = False
    unproven: frozenset[str] = frozenset()


def is_changed(activity: Activity, stored: Stored | None, source: str) -> bool:
    """Return whether a listed activity is new, changed or restored since the last listing of the
    same source.

    It is never compared with a detail, whose numbers are rounded differently. Metadata without
    `resource_state` comes from version 0.4 or earlier, and counts as missing.
    """
    if stored is None or stored.resource_state is None or is_gone(stored.own):
        return True
    return stored.listed_by(source) != fingerprint(records.compared_fields(activity.record))


def missing_items(
    activity: Activity,
    resource_state: int | None,
    suffixes: tuple[str, ...],
    own: Record,
    wanted: Wanted,
    today: date,
) -> tuple[str, ...]:
    """Return the items of an activity that have to be fetched.

    `resource_state` and `own` are values of the record after the merge with the listing,
    `suffixes` those of the stored originals.
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
    if wanted.private_notes and (wanted.full or "private_note_at" not in own):
        items.append(PRIVATE_NOTE)
    return tuple(
        item for item in items if item == PHOTO_LIST or not is_unavailable(own, item, wanted, today)
    )


def may_have_original(record: Record, own: Record, wanted: Wanted, today: date) -> bool:
    """Return whether an activity without a stored original can have one.

    If Strava answered with a redirect, the original is requested again on a later day, and from
    time to time after that.
    """
    if records.reason_for_no_original(record) is not None:
        return False
    original = own.get("original", {})
    if "absent" not in original or wanted.full:
        return True
    if not is_redirect(original["absent"]):
        return False
    if ORIGINAL in wanted.unproven or record.get("upload_id") is not None:
        return True  # the API reports an upload, but the website sent no file
    return _is_due_again(original.get("on", []), _CONFIRM_AFTER, today)


def is_redirect(why: str) -> bool:
    """Return whether a reason is a redirect, the website's answer if there is no file."""
    return why.startswith("redirect")


def tells_of_no_original(record: Record, start: datetime, now: datetime) -> bool:
    """Return whether a redirect instead of an original is certain without confirmation.

    It is if the listing has no upload ids, like the website's, and Strava has had time to process
    the activity.
    """
    return "upload_id" not in record and now - start > _PROCESSING_TIME


def lacks_gpx(suffixes: tuple[str, ...], own: Record, wanted: Wanted, today: date) -> bool:
    """Return whether a JSON original needs a GPX, since few programs can read JSON."""
    kinds = {suffix.removesuffix(".gz") for suffix in suffixes}
    if ".json" not in kinds or ".gpx" in kinds:
        return False
    original = own.get("original", {})
    if "no_gpx" not in original or wanted.full:
        return True
    return _is_due_again(original.get("no_gpx_on", []), _RETRY_AFTER, today)


def listed_counts(record: Record) -> Record:
    """Return the numbers of comments and kudos in a listing record; 0 if it has none."""
    counts = {name: record.get(name) for name in COUNTS}
    return {name: count if records.is_id(count) else 0 for name, count in counts.items()}


def lacks_comments(
    counts: Record, stored: Record | None, own: Record, wanted: Wanted, today: date
) -> bool:
    """Return whether the comments and kudos of an activity have to be fetched.

    They have to if the `counts` of the listing are not those in our key of the `stored` record. An
    activity that never had any needs no request.
    """
    if not wanted.comments or (stored is None and not any(counts.values())):
        return False
    before = (stored or {}).get(OWN_KEY, {})
    is_changed = any(before.get(name) != count for name, count in counts.items())
    return (wanted.full or is_changed) and not is_unavailable(own, COMMENTS, wanted, today)


def lacks_picture(photo: Stored, wanted: Wanted, today: date) -> bool:
    """Return whether the picture of a photo with stored metadata has to be fetched."""
    return not photo.file_texts and not is_unavailable(photo.own, PHOTO, wanted, today)


def is_stored_as_other(
    activity_id: int, photo: Stored, photos: Mapping[tuple[int, str], Stored]
) -> bool:
    """Return whether a picture is stored as that of another photo, from a bulk export."""
    same = photo.own.get("picture", {}).get("same_as")
    other = photos.get(layout.photo_key(activity_id, str(same)))
    return other is not None and bool(other.file_texts)


def lacks_video(photo: Stored, wanted: Wanted, today: date, *, is_listed: bool = False) -> bool:
    """Return whether the video of a photo with stored metadata has to be fetched.

    `is_listed` says that Strava has just listed the photo as a video. Otherwise it is one if its
    metadata has an address, or lacked one in an earlier run.
    """
    is_video = is_listed or photo.has_video_url or VIDEO in photo.own.get("refused", {})
    is_wanted = wanted.photos and wanted.videos and is_video and not photo.video_texts
    return is_wanted and not is_unavailable(photo.own, VIDEO, wanted, today)


def missing_gear_items(
    gear_id: str,
    summary: Record | None,
    stored: Stored | None,
    source: str,
    wanted: Wanted,
    today: date,
) -> tuple[str, ...]:
    """Return the items of a bike or a pair of shoes that have to be fetched.

    Gear is fetched if the athlete's summary of it has changed. Retired gear has no summary, and
    is fetched once more after its summary disappeared. If gear has to be fetched, its components
    are checked after that.
    """
    own = stored.own if stored else {}
    # A record of the website is fetched again if the API is available.
    known_states = (SUMMARY_STATE, DETAIL_STATE) if source == "website" else (DETAIL_STATE,)
    is_known = stored is not None and stored.resource_state in known_states
    before = stored.listed_by(source) if stored else None
    now = fingerprint(summary) if summary is not None else None
    if wanted.full or not is_known or before != now:
        items = [GEAR]
    elif lacks_components(gear_id, own, wanted, today):
        items = [COMPONENTS]
    else:
        items = []
    return tuple(item for item in items if not is_unavailable(own, item, wanted, today))


def lacks_components(gear_id: str, own: Record, wanted: Wanted, today: date) -> bool:
    """Return whether a bike's page, an additional request to the website, has to be fetched."""
    if not (gear_id.startswith("b") and wanted.originals) or "components_at" in own:
        return False
    return not is_unavailable(own, COMPONENTS, wanted, today)


def is_route_changed(route: Route, stored: Stored | None, source: str) -> bool:
    """Return whether a listed route is new, changed or restored since the last listing of the same
    source."""
    if stored is None or stored.resource_state is None or is_gone(stored.own):
        return True
    return stored.listed_by(source) != fingerprint(routes.compared_fields(route.record))


def lacks_route(own: Record, wanted: Wanted, today: date, *, is_stored: bool) -> bool:
    """Return whether the GPX of a route has to be fetched: it is not stored, or it changed.

    `own` is the value after the merge with the listing, which removes the note of a changed GPX.
    """
    is_current = is_stored and "saved_at" in own.get("gpx", {})
    return not is_current and not is_unavailable(own, ROUTE, wanted, today)


def lasting_reason(item: str, error: ItemError) -> str | None:
    """Return the reason of an error to note with an item, or None if it may be temporary.

    Every error of a photo host is noted for a picture, but only explicit refusals of Strava itself.
    A video has many requests, of which one may fail for a moment; but a playlist stays as it is.
    """
    is_lasting = isinstance(error, Refused) or item == PHOTO
    is_of_playlist = item == VIDEO and not isinstance(error, Unreachable)
    return error.why if is_lasting or is_of_playlist else None


def is_gone(own: Record) -> bool:
    """Return whether an activity or a route was missing in the last complete listing."""
    return "gone_since" in own


def is_due(last: str | None, now: datetime) -> bool:
    """Return whether a complete listing is due, `last` being the time of the previous one."""
    try:
        return last is None or now - datetime.fromisoformat(last) > _FULL_LISTING_INTERVAL
    except (TypeError, ValueError):
        return True


def are_too_many(missing: int, stored: int) -> bool:
    """Return whether more activities are missing in Strava's list than an athlete deletes at once.

    An incomplete list is likelier then. A few deletions are plausible in any archive, since a
    single one exceeds every share of a small archive.
    """
    return missing > min(_MOST_DELETED, max(_FEW_DELETED, stored // _SHARE_DELETED))


def is_unavailable(own: Record, item: str, wanted: Wanted, today: date) -> bool:
    """Return whether an item is not available, and its next attempt is not due yet.

    An item is not available after the same refusal on three different days. It is tried again
    after 30 days, then after 90, and then every 180 days.
    """
    refusal = own.get("refused", {}).get(item, {})
    is_proven = item not in wanted.unproven or refusal.get("why") in records.NEVER_OFFERED
    if wanted.full or not is_proven:
        return False
    days = refusal.get("on", [])
    if len(days) < _DAYS_UNTIL_NOT_AVAILABLE:
        return False
    return not _is_due_again(days[_DAYS_UNTIL_NOT_AVAILABLE - 1 :], _RETRY_AFTER, today)


def is_absent(own: Record, item: str) -> bool:
    """Return whether Strava has no item of that kind for an activity, which is no failure."""
    return {ORIGINAL: "absent", GPX: "no_gpx"}.get(item) in own.get("original", {})


def _is_due_again(days: list[str], waits: tuple[int, ...], today: date) -> bool:
    """Return whether an item that was refused on these days is to be tried again today.

    It is if a day is malformed or in the future, since a clock may have been wrong.
    """
    try:
        passed = (today - date.fromisoformat(days[-1])).days
    except (IndexError, ValueError):
        return True
    return not 0 <= passed < waits[min(len(days), len(waits)) - 1]


def evidence_kind(item: str) -> str:
    """Return the kind of item that proves that a host can send this one.

    Strava generates a GPX only for some originals, and both come from the same host. Few accounts
    have a second video, but each video has a poster on its host.
    """
    return {GPX: ORIGINAL, VIDEO: PHOTO}.get(item, item)


def unproven_items(inventory: Inventory) -> frozenset[str]:
    """Return the kinds of items that the archive has none of."""
    activities = [one for one in inventory.activities.values() if not is_gone(one.own)]
    gear = inventory.gear.values()
    proofs = {
        ORIGINAL: any(one.file_texts for one in activities),
        DETAIL: any(one.resource_state == DETAIL_STATE for one in activities),
        PHOTO_LIST: any(one.own.get("photos", {}).get("count") for one in activities),
        PHOTO: any(one.file_texts for one in inventory.photos.values()),
        GEAR: any(one.resource_state is not None for one in gear),
        COMPONENTS: any("components_at" in one.own for one in gear),
        PRIVATE_NOTE: any("private_note_at" in one.own for one in activities),
        COMMENTS: any(one.comments_text for one in activities),
        ROUTE: any(one.file_texts for one in inventory.routes.values() if not is_gone(one.own)),
    }
    return frozenset(item for item, is_proven in proofs.items() if not is_proven)


def asked_items(wanted: Wanted, *, has_details: bool) -> frozenset[str]:
    """Return the kinds of items that a run requests from a source with or without details."""
    items = {
        ORIGINAL: wanted.originals,
        GPX: wanted.originals,
        DETAIL: wanted.details and has_details,
        PHOTO: wanted.photos,
        VIDEO: wanted.photos and wanted.videos,
        PHOTO_LIST: wanted.photos and has_details,
        GEAR: wanted.gear and has_details,
        COMPONENTS: wanted.gear and wanted.originals,
        PRIVATE_NOTE: wanted.private_notes,
        COMMENTS: wanted.comments and has_details,
        ROUTE: wanted.routes,
    }
    return frozenset(item for item, is_asked in items.items() if is_asked)


def count_unavailable(stored: Stored, items: Collection[str], wanted: Wanted, today: date) -> int:
    """Return the number of these items that are neither stored nor available."""
    if "refused" not in stored.own:
        return 0
    files = dict.fromkeys((ORIGINAL, PHOTO), stored.file_texts) | {VIDEO: stored.video_texts}
    return sum(
        is_unavailable(stored.own, item, wanted, today) and not files.get(item) for item in items
    )


def _lacks_photo_list(activity: Activity, own: Record, wanted: Wanted, today: date) -> bool:
    """Return whether the photo list has to be fetched: the photo count has changed since the last
    request, or that request was refused."""
    count = activity.record.get("total_photo_count")
    if not isinstance(count, int):
        return False
    if wanted.full:
        return bool(count)
    if count != own.get("photos", {}).get("count", 0):
        return True
    was_refused = PHOTO_LIST in own.get("refused", {})
    return was_refused and not is_unavailable(own, PHOTO_LIST, wanted, today)
