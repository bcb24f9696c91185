"""Pure: merge new records of a source into stored ones. Does no I/O.

A stored record is Strava's own object plus our key, `strava_backup`, which docs/format.md
specifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from strava_backup.items import (
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
from strava_backup.timestamps import utc_timestamp

# The source of records that only the bulk export has, and our key for data from the export.
EXPORT_SOURCE = "bulk export"
BULK_EXPORT = "bulk_export"

# Kudos, ranks and similar fields, which change without an edit of the activity.
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
# Fields that an effort loses if another athlete is faster.
_RANK_FIELDS = {"achievements", "kom_rank", "pr_rank"}
# The fields of activities and photos that athletes edit.
_EDITED_FIELDS = {
    "name",
    "description",
    "sport_type",
    "visibility",
    "commute",
    "trainer",
    "caption",
}
# The fields of the website's form to edit an activity that we store.
FORM_FIELDS = ("private_note", "perceived_exertion")
# The website's values of the first fields replace the API's; those of the others only fill gaps.
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
    """Return the fields of an activity or photo whose changes are stored in the history."""
    return {name: value for name, value in strava_part(record).items() if name not in _COUNTERS}


def listed_record(activity: Activity, stored: Record | None, source: str, now: datetime) -> Record:
    """Return the stored record merged with a listed one that is new, changed or restored.

    No stored field is lost. If the stored record is a detail, it only gets the fields that changed
    in the list, and becomes a summary again, so that the detail is fetched anew. The website's
    record never replaces the API's, which has more fields. Stored metadata without
    `resource_state` is not used.
    """
    incoming = strava_part(activity.record)
    base = stored if stored and stored.get("resource_state") is not None else {}
    own = dict((stored or {}).get(OWN_KEY) or {})
    before = own.get("listed", {}).get(source)
    listed = {**own.get("listed", {}), source: records.compared_fields(incoming)}
    own |= {**_sent_own(activity.record, own), "listed": listed}
    own.pop("gone_since", None)
    if before not in (None, listed[source]):
        # An athlete who edits an activity may have edited its private note as well.
        own.pop("private_note_at", None)
    why = records.reason_for_no_original(incoming)
    if why is not None and not own.get("original"):
        own["original"] = {"absent": why, "since": utc_timestamp(now)}
    if base and before == listed[source]:
        return {**base, OWN_KEY: own}
    if base and better_source(base, source) != source:
        return {**base, **_web_changes(base, incoming, before), OWN_KEY: own}
    own |= {"source": source, "fetched_at": utc_timestamp(now)}
    if base.get("resource_state") == DETAIL_STATE and before is not None:
        incoming = {
            name: value
            for name, value in incoming.items()
            if before.get(name) != value and name in listed[source]
        }
        return {**base, **incoming, "resource_state": SUMMARY_STATE, OWN_KEY: own}
    return {**base, "resource_state": SUMMARY_STATE, **incoming, OWN_KEY: own}


def imported_record(
    record: Record, export_data: Record, stored: Record | None, now: datetime
) -> Record:
    """Return the stored record merged with one of Strava's bulk export, and `export_data`.

    An export is older than the records of the API and the website, and has fewer fields: a stored
    record keeps all values, and our key only gets `export_data`, if it has none. A new record
    counts as a summary, so that its detail is fetched. Stored metadata without `resource_state` is
    not used.
    """
    own = dict((stored or {}).get(OWN_KEY) or {})
    if stored and stored.get("resource_state") is not None:
        return {**stored, OWN_KEY: {BULK_EXPORT: export_data, **own}}
    own |= {"source": EXPORT_SOURCE, "fetched_at": utc_timestamp(now), BULK_EXPORT: export_data}
    return {**record, "resource_state": SUMMARY_STATE, OWN_KEY: own}


def better_source(stored: Record, source: str) -> str:
    """Return the source of a stored record after a merge with a record of `source`."""
    is_api = source == "website" and stored.get(OWN_KEY, {}).get("source") == "api"
    return "api" if is_api else source


def gear_record(gear: Record, stored: Record, source: str) -> Record:
    """Return Strava's part of fetched gear; the website only fills gaps in the API's record."""
    if better_source(stored, source) == source:
        return strava_part(gear)
    return {**strava_part(stored), **_gaps(stored, strava_part(gear), gear)}


def route_record(route: Route, stored: Record | None, source: str, now: datetime) -> Record:
    """Return the stored record merged with a listed one that is new, changed or restored.

    No stored field is lost. If the track may have changed, the note of the stored GPX is removed,
    so that it is fetched again. The website only fills gaps in the API's record, and adds edits.
    """
    incoming, base = strava_part(route.record), strava_part(stored or {})
    own = dict((stored or {}).get(OWN_KEY) or {})
    before = own.get("listed", {}).get(source)
    listed = routes.compared_fields(incoming)
    own |= {**route.record.get(OWN_KEY, {}), "listed": {**own.get("listed", {}), source: listed}}
    own.pop("gone_since", None)
    if before is not None and routes.has_other_track(before, listed):
        own.pop("gpx", None)
    if better_source(stored or {}, source) != source:
        old = listed if before is None else before
        edits = {name: value for name, value in listed.items() if old.get(name) != value}
        return {**base, **_gaps(base, incoming, incoming), **edits, OWN_KEY: own}
    own |= {"source": source, "fetched_at": utc_timestamp(now)}
    return {"resource_state": SUMMARY_STATE, **base, **incoming, OWN_KEY: own}


def route_history_fields(record: Record) -> Record:
    """Return the fields of a route whose changes are stored in the history.

    The addresses of its map's pictures are not among them.
    """
    return {name: value for name, value in strava_part(record).items() if name != "map_urls"}


def without_original(own: Record, why: str, now: datetime) -> Record:
    """Return our key after a redirect instead of an original, with the days of all redirects."""
    before = own.get("original", {})
    before = before if "absent" in before else {}
    original = {
        "absent": why,
        "since": before.get("since", utc_timestamp(now)),
        "on": _with_day(before.get("on", []), now),
    }
    return without_refusal({**own, "original": original}, ORIGINAL)


def fetched_record(record: Record, own: Record, source: str, now: datetime) -> Record:
    """Return a fetched record with our key, to replace the stored record."""
    sent = record.get(OWN_KEY, {})
    return {**record, OWN_KEY: {**own, **sent, "source": source, "fetched_at": utc_timestamp(now)}}


def strava_part(record: Record) -> Record:
    """Return a record without our key."""
    return {name: value for name, value in record.items() if name != OWN_KEY}


def gear_history_fields(record: Record) -> Record:
    """Return the fields of gear whose changes are stored in the history.

    Distances are not among them: they grow with every ride.
    """
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
    """Return whether the old record has to be copied to `history/` before it is replaced.

    It has to if a value of its `history_fields` has changed, or if any value is missing in a new
    record of the same source. It has not if values are only added, or if a detail replaces its
    summary. Only the fields that athletes edit are compared between two sources, which round
    numbers differently. Metadata of version 0.4 is copied if it differs at all.
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
        names &= _EDITED_FIELDS
    elif before is not None and is_poorer(strava_part(new), strava_part(old)):
        return True
    return any(before[name] not in (None, after.get(name)) for name in names)


def is_poorer(new: Any, old: Any) -> bool:
    """Return whether a JSON value lost a key or list entries, or a text became empty.

    A changed number is no loss.
    """
    if isinstance(old, dict):
        return not isinstance(new, dict) or any(
            value is not None and (name not in new or is_poorer(new[name], value))
            for name, value in old.items()
            if name not in _RANK_FIELDS
        )
    if isinstance(old, list):
        return not isinstance(new, list) or len(new) < len(old) or any(map(is_poorer, new, old))
    return bool(old) and isinstance(old, str) and not new


def with_gone(own: Record, now: datetime) -> Record:
    """Return our key after a complete listing without the activity or the route."""
    return {**own, "gone_since": utc_timestamp(now)}


def is_same(old: Record | None, new: Record) -> bool:
    """Return whether two records are equal except for the time of fetching."""
    return old is not None and _without_moment(old) == _without_moment(new)


def with_original(
    own: Record, sent_name: str, suspicion: str | None, file: str, now: datetime
) -> Record:
    """Return our key after an original was saved as `file`."""
    original = {"name": sent_name, "file": file, "saved_at": utc_timestamp(now)}
    if suspicion:
        original["odd"] = suspicion
    return without_refusal({**own, "original": original}, ORIGINAL)


def without_gpx(own: Record, why: str, now: datetime) -> Record:
    """Return our key after Strava made no GPX of a JSON original, with the days of all attempts."""
    original = own.get("original", {})
    days = _with_day(original.get("no_gpx_on", []), now)
    original = {**original, "no_gpx": why, "no_gpx_on": days}
    return without_refusal({**own, "original": original}, GPX)


def without_photo_list(own: Record, why: str, now: datetime, count: Any) -> Record:
    """Return our key after Strava sent no complete photo list for a photo count."""
    return with_refusal({**own, "photos": {"count": count}}, PHOTO_LIST, why, now)


def with_photo_list(own: Record, count: Any) -> Record:
    """Return our key after the photo list for a photo count was fetched."""
    return without_refusal({**own, "photos": {"count": count}}, PHOTO_LIST)


def with_picture(own: Record, suspicion: str | None, file: str | None, now: datetime) -> Record:
    """Return our key after a picture was saved as `file`, None for the file of another photo."""
    picture = {"saved_at": utc_timestamp(now)}
    picture |= {"file": file} if file else {}
    picture |= {"odd": suspicion} if suspicion else {}
    return without_refusal({**own, "picture": picture}, PHOTO)


def with_same_picture(own: Record, photo_id: str, now: datetime) -> Record:
    """Return our key after a picture was found to be stored already, for another photo."""
    own = with_picture(own, None, None, now)
    return {**own, "picture": {**own["picture"], "same_as": photo_id}}


def with_video(own: Record, suspicion: str | None, file: str, now: datetime) -> Record:
    """Return our key after a video was saved as `file`."""
    video = {"saved_at": utc_timestamp(now), "file": file}
    video |= {"odd": suspicion} if suspicion else {}
    return without_refusal({**own, "video": video}, VIDEO)


def with_route_gpx(
    own: Record, sent_name: str, suspicion: str | None, file: str, now: datetime
) -> Record:
    """Return our key after the GPX of a route was saved as `file`."""
    gpx = {"name": sent_name, "file": file, "saved_at": utc_timestamp(now)}
    gpx |= {"odd": suspicion} if suspicion else {}
    return without_refusal({**own, "gpx": gpx}, ROUTE)


def with_gear_summary(own: Record, summary: Record | None, source: str) -> Record:
    """Return our key after gear was fetched, with the athlete's summary of it.

    Its components are to be fetched next.
    """
    listed = {name: value for name, value in own.get("listed", {}).items() if name != source}
    if summary is not None:
        listed[source] = summary
    rest = {name: value for name, value in own.items() if name != "components_at"}
    return {**rest, "listed": listed}


def with_components(own: Record, now: datetime) -> Record:
    """Return our key after a bike's components were fetched."""
    return {**own, "components_at": utc_timestamp(now)}


def with_private_note(own: Record, values: Record, now: datetime) -> Record:
    """Return our key after an activity's edit page was read; `values` are those of its form."""
    website = {**own.get("website", {}), **values}
    own = {**own, "website": website, "private_note_at": utc_timestamp(now)}
    return without_refusal(own, PRIVATE_NOTE)


def private_note_history_fields(record: Record) -> Record:
    """Return the values of an activity's edit page, whose changes are stored in the history."""
    website = record.get(OWN_KEY, {}).get("website", {})
    return {name: website[name] for name in FORM_FIELDS if website.get(name) not in (None, "")}


def comments_record(comments: list[Any], kudos: list[Any], counts: Record, now: datetime) -> Record:
    """Return the record of an activity's comments and kudos; `counts` are those of its listing."""
    own = {**counts, "fetched_at": utc_timestamp(now)}
    return {"comments": comments, "kudos": kudos, OWN_KEY: own}


def with_refusal(own: Record, item: str, why: str, now: datetime) -> Record:
    """Return our key after Strava refused an item, with the days of the same answer."""
    refused = dict(own.get("refused", {}))
    before = refused.get(item, {})
    days = before.get("on", []) if before.get("why") == why else []
    refused[item] = {"why": why, "on": _with_day(days, now)}
    return {**own, "refused": refused}


def without_refusal(own: Record, item: str) -> Record:
    """Return our key without earlier refusals of an item."""
    refused = {name: value for name, value in own.get("refused", {}).items() if name != item}
    rest = {name: value for name, value in own.items() if name != "refused"}
    return {**rest, "refused": refused} if refused else rest


def _sent_own(record: Record, own: Record) -> Record:
    """Return the values of our key that a listed record brings, with stored ones of the edit page,
    which the website's list does not have."""
    sent: Record = record.get(OWN_KEY, {})
    stored = own.get("website", {})
    form = {name: stored[name] for name in FORM_FIELDS if name in stored}
    return {**sent, "website": {**sent["website"], **form}} if "website" in sent and form else sent


def _web_changes(base: Record, incoming: Record, before: Record | None) -> Record:
    """Return the website's values for the API's record: edited fields and filled gaps.

    Edits are found by comparison with the website's previous listing, if there is one, since the
    website may phrase values differently.
    """
    reference = base if before is None else before
    edited = {
        name: incoming[name]
        for name in _WEB_WINS
        # An empty description is null in one source and an empty text in the other.
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
