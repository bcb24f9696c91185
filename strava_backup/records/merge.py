"""Pure: what a kept record becomes by what a source tells. Does no I/O.

A kept record is Strava's own object plus one key of ours, `strava_backup`; docs/format.md lists
what stands in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from strava_backup.archive.metadata import OWN_KEY
from strava_backup.records.plan import GPX, ORIGINAL, PHOTO, PHOTO_LIST
from strava_backup.strava import records
from strava_backup.strava.records import DETAIL_STATE, SUMMARY_STATE, Activity, Record

# What a record is from that no source has told yet; and our key for what only the export tells.
EXPORT_SOURCE = "bulk export"
BULK_EXPORT = "bulk_export"

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
# What a better time of somebody else's takes away from an effort.
_RANKS = {"achievements", "kom_rank", "pr_rank"}
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


def activity_history_fields(record: Record) -> Record:
    """What of an activity or photo is worth a history: not what others keep changing."""
    return {name: value for name, value in strava_part(record).items() if name not in _COUNTERS}


def listed_record(activity: Activity, kept: Record | None, source: str, now: datetime) -> Record:
    """What the kept record becomes by a listing that tells something new, be it only that Strava
    has the activity again.

    Nothing that is kept gets lost by it: a summary marks a detail as a summary again, so that a
    new detail is fetched, and brings only what changed in the list; the poorer record of the
    website never replaces the API's. Metadata without `resource_state` is not built upon.
    """
    incoming = strava_part(activity.record)
    base = kept if kept and kept.get("resource_state") is not None else {}
    own = dict((kept or {}).get(OWN_KEY) or {})
    before = own.get("listed", {}).get(source)
    listed = {**own.get("listed", {}), source: records.compared_fields(incoming)}
    own |= {**activity.record.get(OWN_KEY, {}), "listed": listed}
    own.pop("gone_since", None)
    why = records.reason_for_no_original(incoming)
    if why is not None and not own.get("original"):
        own["original"] = {"absent": why, "since": _stamp(now)}
    if base and before == listed[source]:
        return {**base, OWN_KEY: own}
    if base and better_source(base, source) != source:
        return {**base, **_web_changes(base, incoming, before), OWN_KEY: own}
    own |= {"source": source, "fetched_at": _stamp(now)}
    if base.get("resource_state") == DETAIL_STATE and before is not None:
        incoming = {
            name: value
            for name, value in incoming.items()
            if before.get(name) != value and name in listed[source]
        }
        return {**base, **incoming, "resource_state": SUMMARY_STATE, OWN_KEY: own}
    return {**base, "resource_state": SUMMARY_STATE, **incoming, OWN_KEY: own}


def imported_record(record: Record, told: Record, kept: Record | None, now: datetime) -> Record:
    """What is kept of a record from Strava's bulk export, and what else the export `told`.

    It is older than what a source has told, and poorer: of a record that is kept it changes
    nothing, and adds to our key what was not there. It counts as a summary, so that the sources
    fill it up. Metadata without `resource_state` is not built upon.
    """
    own = dict((kept or {}).get(OWN_KEY) or {})
    if kept and kept.get("resource_state") is not None:
        return {**kept, OWN_KEY: {BULK_EXPORT: told, **own}}
    own |= {"source": EXPORT_SOURCE, "fetched_at": _stamp(now), BULK_EXPORT: told}
    return {**record, "resource_state": SUMMARY_STATE, OWN_KEY: own}


def better_source(kept: Record, source: str) -> str:
    """The source that a record is said to be from after `source` gave it too."""
    is_api = source == "website" and kept.get(OWN_KEY, {}).get("source") == "api"
    return "api" if is_api else source


def gear_record(gear: Record, kept: Record, source: str) -> Record:
    """Strava's part of gear that was fetched; the website only fills gaps in the API's record."""
    if better_source(kept, source) == source:
        return strava_part(gear)
    return {**strava_part(kept), **_gaps(kept, strava_part(gear), gear)}


def without_original(own: Record, why: str, now: datetime) -> Record:
    """Our key after a redirect said that there is no original, with the days on which it did."""
    before = own.get("original", {})
    before = before if "absent" in before else {}
    original = {
        "absent": why,
        "since": before.get("since", _stamp(now)),
        "on": _with_day(before.get("on", []), now),
    }
    return without_refusal({**own, "original": original}, ORIGINAL)


def fetched_record(record: Record, own: Record, source: str, now: datetime) -> Record:
    """What is kept of a record that was fetched for its own sake; it replaces what was kept."""
    sent = record.get(OWN_KEY, {})
    return {**record, OWN_KEY: {**own, **sent, "source": source, "fetched_at": _stamp(now)}}


def strava_part(record: Record) -> Record:
    """A record without our key."""
    return {name: value for name, value in record.items() if name != OWN_KEY}


def gear_history_fields(record: Record) -> Record:
    """What of gear is worth a history: not the distances, which grow with every ride."""
    distances = ("distance", "converted_distance", "distance_m")
    history_fields = {
        name: value for name, value in strava_part(record).items() if name not in distances
    }
    history_fields["components"] = [
        {name: value for name, value in component.items() if name not in distances}
        for component in history_fields.get("components") or []
        if isinstance(component, dict)
    ]
    return history_fields


def needs_history(
    old: Record | None, new: Record, history_fields: Callable[[Record], Any] = strava_part
) -> bool:
    """Whether metadata that is about to be replaced has to be kept beside.

    So it has where a value of its essence is lost, not where something is added, nor where a
    detail replaces its own summary. Between the sources only the words count: their numbers are
    rounded differently. A record of the same source that is poorer, if only in what others keep
    changing, makes history as well. Metadata of version 0.4 is always kept.
    """
    if old is None:
        return False
    old_state, new_state = old.get("resource_state"), new.get("resource_state")
    if old_state is None:
        return bool(strava_part(old)) and strava_part(old) != strava_part(new)
    if old_state == SUMMARY_STATE and new_state == DETAIL_STATE:
        return False
    before, after = history_fields(old), history_fields(new)
    names = set(before or ()) - {"resource_state"}
    if old.get(OWN_KEY, {}).get("source") != new.get(OWN_KEY, {}).get("source"):
        names &= _WORDS
    elif before is not None and is_poorer(strava_part(new), strava_part(old)):
        return True
    return any(before[name] not in (None, after.get(name)) for name in names)


def is_poorer(new: Any, old: Any) -> bool:
    """Whether a JSON value lost something: a key vanished, or a list or text became shorter or
    empty. A number that changed is no loss."""
    if isinstance(old, dict):
        return not isinstance(new, dict) or any(
            value is not None and (name not in new or is_poorer(new[name], value))
            for name, value in old.items()
            if name not in _RANKS
        )
    if isinstance(old, list):
        return not isinstance(new, list) or len(new) < len(old) or any(map(is_poorer, new, old))
    return bool(old) and isinstance(old, str) and not new


def with_gone(own: Record, now: datetime) -> Record:
    """Our key after a whole listing was without the activity."""
    return {**own, "gone_since": _stamp(now)}


def is_same(old: Record | None, new: Record) -> bool:
    """Whether nothing differs but the moment of fetching, so that nothing need be written."""
    return old is not None and _without_moment(old) == _without_moment(new)


def with_original(
    own: Record, sent_name: str, suspicion: str | None, file: str, now: datetime
) -> Record:
    """Our key after an original was saved as `file`."""
    original = {"name": sent_name, "file": file, "saved_at": _stamp(now)}
    if suspicion:
        original["odd"] = suspicion
    return without_refusal({**own, "original": original}, ORIGINAL)


def without_gpx(own: Record, why: str, now: datetime) -> Record:
    """Our key after Strava made no GPX of a JSON original, with the days on which it did not."""
    original = own.get("original", {})
    days = _with_day(original.get("no_gpx_on", []), now)
    original = {**original, "no_gpx": why, "no_gpx_on": days}
    return without_refusal({**own, "original": original}, GPX)


def without_photo_list(own: Record, why: str, now: datetime, count: Any) -> Record:
    """Our key after Strava gave no whole photo list for a photo count."""
    return with_refusal({**own, "photos": {"count": count}}, PHOTO_LIST, why, now)


def with_photo_list(own: Record, count: Any) -> Record:
    """Our key after the photo list came that belongs to a photo count."""
    return without_refusal({**own, "photos": {"count": count}}, PHOTO_LIST)


def with_picture(own: Record, suspicion: str | None, file: str | None, now: datetime) -> Record:
    """Our key after a picture was saved as `file`; None if it is another photo's."""
    picture = {"saved_at": _stamp(now)}
    picture |= {"file": file} if file else {}
    picture |= {"odd": suspicion} if suspicion else {}
    return without_refusal({**own, "picture": picture}, PHOTO)


def with_same_picture(own: Record, photo_id: str, now: datetime) -> Record:
    """Our key after the picture turned out to be held already, as another photo's."""
    own = with_picture(own, None, None, now)
    return {**own, "picture": {**own["picture"], "same_as": photo_id}}


def with_gear_summary(own: Record, summary: Record | None, source: str) -> Record:
    """Our key after gear was fetched that the athlete lists so; its components are due now."""
    listed = {name: value for name, value in own.get("listed", {}).items() if name != source}
    if summary is not None:
        listed[source] = summary
    rest = {name: value for name, value in own.items() if name != "components_at"}
    return {**rest, "listed": listed}


def with_components(own: Record, now: datetime) -> Record:
    """Our key after a bike's components came."""
    return {**own, "components_at": _stamp(now)}


def with_refusal(own: Record, item: str, why: str, now: datetime) -> Record:
    """Our key after Strava refused an item: the days on which it gave the same answer."""
    refused = dict(own.get("refused", {}))
    before = refused.get(item, {})
    days = before.get("on", []) if before.get("why") == why else []
    refused[item] = {"why": why, "on": _with_day(days, now)}
    return {**own, "refused": refused}


def without_refusal(own: Record, item: str) -> Record:
    """Our key after an item came that had been refused before."""
    refused = {name: value for name, value in own.get("refused", {}).items() if name != item}
    rest = {name: value for name, value in own.items() if name != "refused"}
    return {**rest, "refused": refused} if refused else rest


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


def _without_moment(record: Record) -> tuple[Record, Record]:
    own = {name: value for name, value in record.get(OWN_KEY, {}).items() if name != "fetched_at"}
    return strava_part(record), own


def _with_day(days: list[str], now: datetime) -> list[str]:
    return sorted({*days, now.date().isoformat()})


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
