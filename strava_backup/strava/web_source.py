"""The website as a source of activities, photos, gear and routes, for users without API access.

Saves nothing. A listing stops as soon as the totals show that it has found all new activities.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from strava_backup import errors
from strava_backup.items import OWN_KEY
from strava_backup.secret_text import is_storable
from strava_backup.strava import web_records
from strava_backup.strava.records import (
    Activity,
    Checkpoint,
    Deduplicator,
    ListingResult,
    Record,
    has_photo_id,
)
from strava_backup.strava.routes import RouteDeduplicator
from strava_backup.strava.session import WebSession
from strava_backup.strava.transport import Download

_log = logging.getLogger(__name__)

# The period that every listing covers, because people edit recent activities.
_ALWAYS_SEEN = timedelta(days=30)
_PER_PAGE = 20
# Enough for 100,000 photos: 27 a day for ten years.
_MOST_PHOTO_PAGES = 5_000
_LONGEST_CURSOR = 1_000
# The largest page that https://github.com/mapliberator/extension has requested.
_ROUTES_PER_PAGE = 200
_MOST_ROUTE_PAGES = 500
_MINT_TOKEN, _ROUTES = "/api/next/mint-csrf-token", "/api/next/data/routes/my-routes"
# All routes: created and starred ones, of every type (`routeTypes` is left out) and length. The
# value "Me" of `createdBy` is answered with 500 (docs/phase0-findings.md of the same project).
_ALL_ROUTES = {
    "query": "",
    "onlyStarred": False,
    "createdBy": "Any",
    **dict.fromkeys(("elevGainMin", "elevGainMax", "distanceMin", "distanceMax")),
}
# More than can be listed; a number with hundreds of digits is not a total.
_LARGEST_TOTAL = 10_000_000


class WebSource:
    """Lists the signed-in athlete's records on the website. The constructor makes no request."""

    name = "website"
    has_details = False

    def __init__(self, web: WebSession, athlete_id: int) -> None:
        self._web = web
        self._athlete_id = athlete_id
        self._gear: dict[str, Record] = {}
        self.listing_result: ListingResult | None = None
        self.total: int | None = None

    def stop_waiting(self) -> None:
        """Do nothing: only the request that was refused waits for a limit of the website."""

    def fetch_activities(self, known: Checkpoint) -> Iterator[list[Any]]:
        """Records in the API's names, newest first, no id twice.

        The list reports a `total`. The listing ends early once the known ids and the new ones add
        up to it; after an upload with an old date they do not, so the listing continues to it. The
        difference that remains after a complete listing (hidden or double counted activities) is
        the `surplus` in `listing_result`. Raises SessionOver and TryLater if the list is
        incomplete.
        """
        self.listing_result = None
        unseen = Deduplicator("the website's list of activities")
        seen = unseen.ids
        totals: set[int | None] = set()
        page = 1
        while True:
            models, total = fetch_list_page(self._web, page)
            if not models and _is_far_off(seen, total):
                models, total = fetch_list_page(self._web, page)
            totals.add(total)
            self.total = total
            records = [web_records.activity_record(model) for model in models]
            if not records:
                break
            if new := unseen.of(records, page, total):
                yield new
            if len(seen) == total:
                break
            if not known.wants_full_listing and _adds_up(known, seen, total, records):
                self.listing_result = ListingResult(is_whole=False, surplus=known.surplus)
                return
            page += 1
        surplus = total - len(known.activity_ids | seen) if total is not None else None
        # If the total changed during the listing, or pages are missing, the next run lists again.
        is_sure = len(totals) == 1 and not _is_far_off(seen, total)
        self.listing_result = ListingResult(is_sure, surplus if is_sure else None)
        if _is_far_off(seen, total):
            _log.warning(
                "the website counts %s activities, but lists %d: the next run lists them again",
                total,
                len(seen),
            )

    def fetch_new_photos(self, known: Checkpoint) -> Iterator[list[Any]]:
        """Records of photos in the API's names, newest first: up to a page that holds only known
        ones, or all. Raises SessionOver, ItemError and TryLater; PageChanged if a page says that
        there is more, but does not lead on: the rest would be taken for listed."""
        cursor = ""
        cursors = {""}
        seen: set[str] = set()
        for number in range(1, _MOST_PHOTO_PAGES + 1):
            path = f"/athletes/{self._athlete_id}/photos?per_page={_PER_PAGE}"
            answer = self._web.get_json(path + (f"&cursor={_quoted(cursor)}" if cursor else ""))
            items = answer.get("items") if isinstance(answer, dict) else None
            if not isinstance(items, list):
                raise errors.PageChanged("the website's list of photos has another form")
            page = [web_records.photo_record(item) for item in items]
            if page:
                yield page
            if not items or not answer.get("has_more"):
                return
            if not known.wants_full_photo_listing and all(map(known.has_photo, page)):
                return
            before = len(seen)
            seen.update(str(one["unique_id"] or one.get("id")) for one in page if has_photo_id(one))
            cursor = str(answer.get("next_cursor") or "")
            if cursor in cursors or len(cursor) > _LONGEST_CURSOR or len(seen) == before:
                raise errors.PageChanged(
                    f"the website's list of photos does not lead on from page {number}, although "
                    "it says that there is more"
                )
            cursors.add(cursor)
        raise errors.PageChanged(
            f"the website's list of photos does not end: {_MOST_PHOTO_PAGES:,} pages"
        )

    def fetch_gear_summaries(self) -> dict[str, Record] | None:
        """Return the athlete's bikes and shoes by id. Raises SessionOver, ItemError, TryLater."""
        for kind, prefix in (("bikes", "b"), ("shoes", "g")):
            items = self._web.get_json(f"/athletes/{self._athlete_id}/gear/{kind}")
            if not isinstance(items, list):
                raise errors.PageChanged(f"the website's list of {kind} has another form")
            records = [web_records.gear_record(item, prefix) for item in items]
            self._gear |= {record["id"]: record for record in records if record is not None}
        return {gear_id: record[OWN_KEY]["website"] for gear_id, record in self._gear.items()}

    def fetch_gear(self, gear_id: str) -> Record:
        """Return one of the listed bikes or shoes; makes no request."""
        return self._gear[gear_id]

    def fetch_routes(self) -> Iterator[list[Any]]:
        """Records of created and starred routes in the API's names, no id twice.

        Costs one request more than there are pages, for the token that the others need. Raises
        SessionOver, ItemError and TryLater; PageChanged like `fetch_new_photos`.
        """
        token = self._mint_token()
        after, unseen = "0", RouteDeduplicator()
        for number in range(1, _MOST_ROUTE_PAGES + 1):
            nodes, after_this = self._fetch_route_page(token, after)
            before = unseen.count
            if new := unseen.of([web_records.route_record(node) for node in nodes]):
                yield new
            if after_this is None:
                return
            if after_this == after or unseen.count == before:
                raise errors.PageChanged(
                    f"the website's list of routes does not lead on from page {number}, although "
                    "it says that there is more"
                )
            after = after_this
        raise errors.PageChanged(
            f"the website's list of routes does not end: {_MOST_ROUTE_PAGES:,} pages"
        )

    def download_route(self, route_id: str) -> AbstractContextManager[Download]:
        """Raise NotImplementedError: `website` downloads files."""
        raise NotImplementedError

    def _mint_token(self) -> str:
        """Return a token for requests of scripts; that of the pages' forms is answered with 500."""
        answer = self._web.post_json(_MINT_TOKEN, {}, {})
        token = answer.get("token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not is_storable(token):
            raise errors.PageChanged("the website's token for the list of routes has another form")
        return token

    def _fetch_route_page(self, token: str, after: str) -> tuple[list[Any], str | None]:
        """Return the entries of a page, and the cursor of the next one, None for the last page."""
        wanted = {
            "pageSize": _ROUTES_PER_PAGE,
            "after": after,
            "searchArgs": _ALL_ROUTES,
            "resolutions": [],
        }
        found = self._web.post_json(_ROUTES, wanted, {"x-csrf-token": token})
        nodes = _value_at(found, "me", "searchRoutes", "nodes")
        info = _value_at(found, "me", "searchRoutes", "pageInfo")
        if not isinstance(nodes, list) or not isinstance(info, dict):
            raise errors.PageChanged("the website's list of routes has another form")
        has_more = info.get("hasNextPage")
        return nodes, str(info.get("endCursor"))[:_LONGEST_CURSOR] if has_more else None

    def fetch_activity(self, activity_id: int) -> Record:
        """Raise NotImplementedError: the website has no details."""
        raise NotImplementedError

    def fetch_photos(self, activity: Activity) -> list[Any]:
        """Raise NotImplementedError: the website lists the photos of all activities together."""
        raise NotImplementedError

    def fetch_comments(self, activity_id: int, count: int) -> list[Any]:
        """Raise NotImplementedError: only the API has comments."""
        raise NotImplementedError

    def fetch_kudos(self, activity_id: int, count: int) -> list[Any]:
        """Raise NotImplementedError: only the API has kudos."""
        raise NotImplementedError


def fetch_list_page(web: WebSession, page: int) -> tuple[list[Any], int | None]:
    """Return a page of the website's list of activities, unchanged, and the list's total if any.

    Raises SessionOver and TryLater.
    """
    path = (
        "/athlete/training_activities?keywords=&new_activity_only=false"
        f"&page={page}&per_page={_PER_PAGE}"
    )
    try:
        answer = web.get_json(path)
    except errors.ItemError as error:
        raise errors.TryLater(
            f"the website's list of activities broke off at page {page}: {error}"
        ) from error
    models = answer.get("models") if isinstance(answer, dict) else None
    if not isinstance(models, list):
        raise errors.TryLater("the website's list of activities has another form")
    total = answer.get("total")
    is_number = isinstance(total, int) and not isinstance(total, bool)
    return models, total if is_number and 0 <= total <= _LARGEST_TOTAL else None


def _value_at(value: Any, *names: str) -> Any:
    """Return the value below these names in nested objects; None if one of them is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _quoted(cursor: str) -> str:
    return quote(cursor, safe=",", errors="replace")


def _is_far_off(seen: set[int], total: int | None) -> bool:
    """Return whether the list ended more than a page before its total.

    Hidden activities explain only a smaller difference.
    """
    return total is not None and total - len(seen) > _PER_PAGE


def _adds_up(known: Checkpoint, seen: set[int], total: int | None, records: list[Any]) -> bool:
    """Return whether no new activity can follow this page, and the recent period is covered."""
    if total is None or known.surplus is None:
        return False
    if len(known.activity_ids | seen) + known.surplus != total:
        return False
    return any(_is_older(record, known.now - _ALWAYS_SEEN) for record in records)


def _is_older(record: Any, moment: datetime) -> bool:
    try:
        return datetime.fromisoformat(record["start_date"]) < moment
    except (KeyError, TypeError, ValueError):
        return False
