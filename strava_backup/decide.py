"""Pure: what is missing of an activity, and what its kept record becomes. Does no I/O.

A kept record is Strava's own object plus one key of ours, `strava_backup`; docs/format.md lists
what stands in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from strava_backup.archive.directory import OURS, Held
from strava_backup.errors import ItemError, Refused
from strava_backup.strava import records
from strava_backup.strava.records import Activity, Record

ORIGINAL = "original"
GPX = "gpx"
DETAIL = "detail"
PHOTO_LIST = "photo list"
PHOTO = "photo"
GEAR = "gear"
COMPONENTS = "components"

SUMMARY_STATE = 2
DETAIL_STATE = 3

# The same refusal on so many different days is taken for Strava's last word.
_DAYS_UNTIL_GIVEN_UP = 3

# Kudos, ranks and the like, which change without anybody editing the activity.
_COUNTERS = {
    "achievement_count",
    "athlete_count",
    "best_efforts",
    "comment_count",
    "gear",
    "has_kudoed",
    "kudos_count",
    "pr_count",
    "segment_efforts",
    "similar_activities",
}
# What people write, in activities and photos.
_WORDS = {"name", "description", "sport_type", "visibility", "commute", "trainer", "caption"}
# Of the website's record the first change the API's, the others fill gaps in it.
_WEB_WINS = ("name", "description", "sport_type", "visibility", "commute", "trainer")
_WEB_FILLS = (
    "gear_id",
    "start_date",
    "start_date_local",
    "utc_offset",
    "distance",
    "moving_time",
    "elapsed_time",
    "total_elevation_gain",
)
# After that long Strava has worked up an upload.
_WORKED_UP = timedelta(days=7)


class Wanted(NamedTuple):
    """What a run is asked to bring."""

    originals: bool = True
    details: bool = True
    photos: bool = True
    gear: bool = True
    full: bool = False


def is_changed(activity: Activity, held: Held | None, source: str) -> bool:
    """Whether the listing tells something new: other than the last listing of the same source.

    Never compared with a detail, whose numbers are rounded differently. Metadata without
    `resource_state` is that of version 0.4 and earlier, and counts as not held.
    """
    if held is None or held.resource_state is None:
        return True
    return bool(held.ours.get("listed", {}).get(source) != records.compared_fields(activity.record))


def activity_essence(record: Record) -> Record:
    """What of an activity or photo is worth a history: not what others keep changing."""
    return {name: value for name, value in strava_part(record).items() if name not in _COUNTERS}


def listed_record(activity: Activity, kept: Record | None, source: str, now: datetime) -> Record:
    """What the kept record becomes by a listing that tells something new.

    Nothing that is kept gets lost by it: a summary marks a detail as a summary again, so that a
    new detail is fetched, and brings only what changed in the list; the poorer record of the
    website never replaces the API's. Metadata without `resource_state` is not built upon.
    """
    incoming = strava_part(activity.record)
    base = kept if kept and kept.get("resource_state") is not None else {}
    ours = dict((kept or {}).get(OURS) or {})
    before = ours.get("listed", {}).get(source)
    listed = {**ours.get("listed", {}), source: records.compared_fields(incoming)}
    ours |= {**activity.record.get(OURS, {}), "listed": listed}
    why = records.reason_for_no_original(incoming)
    if why is not None and not ours.get("original"):
        ours["original"] = {"absent": why, "since": _stamp(now)}
    if base and better_source(base, source) != source:
        return {**base, **_web_changes(base, incoming, before), OURS: ours}
    ours |= {"source": source, "fetched_at": _stamp(now)}
    if base.get("resource_state") == DETAIL_STATE and before is not None:
        incoming = {
            name: value
            for name, value in incoming.items()
            if before.get(name) != value and name in listed[source]
        }
        return {**base, **incoming, "resource_state": SUMMARY_STATE, OURS: ours}
    return {**base, "resource_state": SUMMARY_STATE, **incoming, OURS: ours}


def better_source(kept: Record, source: str) -> str:
    """The source that a record is said to be from after `source` gave it too."""
    is_api = source == "website" and kept.get(OURS, {}).get("source") == "api"
    return "api" if is_api else source


def gear_record(gear: Record, kept: Record, source: str) -> Record:
    """Strava's part of gear that was fetched; the website only fills gaps in the API's record."""
    if better_source(kept, source) == source:
        return strava_part(gear)
    return {**strava_part(kept), **_gaps(kept, strava_part(gear), gear)}


def missing_items(
    activity: Activity,
    resource_state: int | None,
    suffixes: tuple[str, ...],
    ours: Record,
    wanted: Wanted,
    today: date,
) -> tuple[str, ...]:
    """The items of an activity that have to be fetched.

    `resource_state` and `ours` are those of the record as it stands after the listing,
    `suffixes` those of the originals held.
    """
    items = []
    if wanted.originals:
        if not suffixes and may_have_original(activity.record, ours, wanted, today):
            items.append(ORIGINAL)
        if lacks_gpx(suffixes, ours, wanted):
            items.append(GPX)
    if wanted.photos and _photo_count_differs(activity, ours, wanted):
        items.append(PHOTO_LIST)
    if wanted.details and (wanted.full or resource_state != DETAIL_STATE):
        items.append(DETAIL)
    return tuple(item for item in items if wanted.full or not is_given_up(ours, item))


def may_have_original(record: Record, ours: Record, wanted: Wanted, today: date) -> bool:
    """Whether an activity whose original is not held can have one.

    That Strava has none, learnt from a redirect, is asked once more on a later day.
    """
    if records.reason_for_no_original(record) is not None:
        return False
    original = ours.get("original", {})
    if "absent" not in original or wanted.full:
        return True
    if record.get("upload_id") is not None and is_redirect(original["absent"]):
        return True  # learnt from the website, while the API knows of an upload
    return "to_confirm" in original and today.isoformat() > original["to_confirm"]


def is_redirect(why: str) -> bool:
    """Whether a reason is a redirect of the website's, its way to say that there is no file."""
    return why.startswith("redirect")


def tells_of_no_original(record: Record, start: datetime, now: datetime) -> bool:
    """Whether a redirect in place of an original may be believed at once.

    So it may where nothing tells beforehand, as on the website, and the activity is old enough
    for Strava to have worked it up.
    """
    return "upload_id" not in record and now - start > _WORKED_UP


def without_original(ours: Record, why: str, now: datetime) -> Record:
    """Our key after a redirect told that there is no original, for the first or the second time."""
    original = ours.get("original", {})
    if "to_confirm" in original:
        original = {name: value for name, value in original.items() if name != "to_confirm"}
    else:
        original = {"absent": why, "since": _stamp(now), "to_confirm": now.date().isoformat()}
    return without_refusal({**ours, "original": original}, ORIGINAL)


def lacks_gpx(suffixes: tuple[str, ...], ours: Record, wanted: Wanted) -> bool:
    """Whether a JSON original, which hardly a program reads, has no GPX beside it yet."""
    kinds = {suffix.removesuffix(".gz") for suffix in suffixes}
    if ".json" not in kinds or ".gpx" in kinds:
        return False
    return wanted.full or "no_gpx" not in ours.get("original", {})


def lacks_picture(photo: Held, wanted: Wanted) -> bool:
    """Whether the picture of a photo whose metadata is held has to be fetched."""
    return not photo.files and (wanted.full or not is_given_up(photo.ours, PHOTO))


def missing_gear_items(
    gear_id: str, summary: Record | None, held: Held | None, source: str, wanted: Wanted
) -> tuple[str, ...]:
    """The items of a bike or a pair of shoes that have to be fetched.

    Gear is fetched when the athlete's summary of it changed; retired gear has none and is fetched
    once more after it vanished from there. What comes after the gear itself is left to that.
    """
    ours = held.ours if held else {}
    # The website's record is filled up when the API can be asked.
    known_states = (SUMMARY_STATE, DETAIL_STATE) if source == "website" else (DETAIL_STATE,)
    is_known = held is not None and held.resource_state in known_states
    if wanted.full or not is_known or ours.get("listed", {}).get(source) != summary:
        items = [GEAR]
    elif lacks_components(gear_id, ours, wanted):
        items = [COMPONENTS]
    else:
        items = []
    return tuple(item for item in items if wanted.full or not is_given_up(ours, item))


def lacks_components(gear_id: str, ours: Record, wanted: Wanted) -> bool:
    """Whether a bike's page, which costs a request of the website, has to be asked for."""
    if not (gear_id.startswith("b") and wanted.originals) or "components_at" in ours:
        return False
    return wanted.full or not is_given_up(ours, COMPONENTS)


def fetched_record(record: Record, ours: Record, source: str, now: datetime) -> Record:
    """What is kept of a record that was fetched for its own sake; it replaces what was kept."""
    sent = record.get(OURS, {})
    return {**record, OURS: {**ours, **sent, "source": source, "fetched_at": _stamp(now)}}


def strava_part(record: Record) -> Record:
    """A record without our key."""
    return {name: value for name, value in record.items() if name != OURS}


def gear_essence(record: Record) -> Record:
    """What of gear is worth a history: not the distances, which grow with every ride."""
    distances = ("distance", "converted_distance", "distance_m")
    essence = {name: value for name, value in strava_part(record).items() if name not in distances}
    essence["components"] = [
        {name: value for name, value in component.items() if name not in distances}
        for component in essence.get("components") or []
        if isinstance(component, dict)
    ]
    return essence


def nothing(record: Record) -> None:
    """The essence of a record that is only being completed."""


def needs_history(
    old: Record | None, new: Record, essence: Callable[[Record], Any] = strava_part
) -> bool:
    """Whether metadata that is about to be replaced has to be kept beside.

    So it has where a value of its essence is lost, not where something is added, nor where a
    detail replaces its own summary. Between the sources only the words count: their numbers are
    rounded differently. Metadata of version 0.4 is always kept.
    """
    if old is None:
        return False
    old_state, new_state = old.get("resource_state"), new.get("resource_state")
    if old_state is None:
        return bool(strava_part(old)) and strava_part(old) != strava_part(new)
    if old_state == SUMMARY_STATE and new_state == DETAIL_STATE:
        return False
    before, after = essence(old), essence(new)
    names = set(before or ()) - {"resource_state"}
    if old.get(OURS, {}).get("source") != new.get(OURS, {}).get("source"):
        names &= _WORDS
    return any(before[name] not in (None, after.get(name)) for name in names)


def is_same(old: Record | None, new: Record) -> bool:
    """Whether nothing differs but the moment of fetching, so that nothing need be written."""
    return old is not None and _without_moment(old) == _without_moment(new)


def with_original(ours: Record, sent_name: str, odd: str | None, now: datetime) -> Record:
    """Our key after an original was saved."""
    original = {"name": sent_name, "saved_at": _stamp(now)}
    if odd:
        original["odd"] = odd
    return without_refusal({**ours, "original": original}, ORIGINAL)


def without_gpx(ours: Record, why: str) -> Record:
    """Our key after Strava made no GPX of a JSON original."""
    return {**ours, "original": {**ours.get("original", {}), "no_gpx": why}}


def with_photo_list(ours: Record, count: Any) -> Record:
    """Our key after the photo list came that belongs to a photo count."""
    return without_refusal({**ours, "photos": {"count": count}}, PHOTO_LIST)


def with_picture(ours: Record, odd: str | None, now: datetime) -> Record:
    """Our key after a picture was saved."""
    picture = {"saved_at": _stamp(now), **({"odd": odd} if odd else {})}
    return without_refusal({**ours, "picture": picture}, PHOTO)


def with_gear_summary(ours: Record, summary: Record | None, source: str) -> Record:
    """Our key after gear was fetched that the athlete lists so; its components are due now."""
    listed = {name: value for name, value in ours.get("listed", {}).items() if name != source}
    if summary is not None:
        listed[source] = summary
    rest = {name: value for name, value in ours.items() if name != "components_at"}
    return {**rest, "listed": listed}


def with_components(ours: Record, now: datetime) -> Record:
    """Our key after a bike's components came."""
    return {**ours, "components_at": _stamp(now)}


def lasting_reason(item: str, error: ItemError) -> str | None:
    """The reason to note beside an item, if the error is one that Strava may mean to last.

    Anything that a photo host answers is its answer; of Strava itself only a clear refusal is.
    """
    return error.why if isinstance(error, Refused) or item == PHOTO else None


def with_refusal(ours: Record, item: str, why: str, today: date) -> Record:
    """Our key after Strava refused an item: the days on which it gave the same answer."""
    refused = dict(ours.get("refused", {}))
    before = refused.get(item, {})
    days = before.get("on", []) if before.get("why") == why else []
    refused[item] = {"why": why, "on": sorted({*days, today.isoformat()})}
    return {**ours, "refused": refused}


def without_refusal(ours: Record, item: str) -> Record:
    """Our key after an item came that had been refused before."""
    refused = {name: value for name, value in ours.get("refused", {}).items() if name != item}
    rest = {name: value for name, value in ours.items() if name != "refused"}
    return {**rest, "refused": refused} if refused else rest


def is_given_up(ours: Record, item: str) -> bool:
    """Whether an item counts as not to be had: refused alike on three different days."""
    refusal = ours.get("refused", {}).get(item, {})
    return len(refusal.get("on", [])) >= _DAYS_UNTIL_GIVEN_UP


def _web_changes(base: Record, incoming: Record, before: Record | None) -> Record:
    """What the website's record changes in the API's: words that were edited, and gaps.

    Compared with the website's own last listing where there is one: it may word things otherwise.
    """
    reference = base if before is None else before
    edited = {
        name: incoming[name]
        for name in _WEB_WINS
        # No description is null in one place and empty in another.
        if name in incoming and (reference.get(name) or None) != (incoming[name] or None)
    }
    return {**edited, **_gaps(base, incoming, _WEB_FILLS)}


def _gaps(base: Record, incoming: Record, names: Iterable[str]) -> Record:
    return {
        name: incoming[name]
        for name in names
        if base.get(name) is None and incoming.get(name) is not None
    }


def _photo_count_differs(activity: Activity, ours: Record, wanted: Wanted) -> bool:
    count = activity.record.get("total_photo_count")
    if not isinstance(count, int):
        return False
    return bool(count) if wanted.full else count != ours.get("photos", {}).get("count", 0)


def _without_moment(record: Record) -> tuple[Record, Record]:
    ours = {name: value for name, value in record.get(OURS, {}).items() if name != "fetched_at"}
    return strava_part(record), ours


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
