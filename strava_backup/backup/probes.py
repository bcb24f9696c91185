"""Requests stored items once more, to find out if a host still serves any. Saves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import islice
from typing import Any, Protocol

from strava_backup import errors
from strava_backup.archive.directory import Archive, Inventory, Stored
from strava_backup.backup.activities import Originals
from strava_backup.backup.files import Answer
from strava_backup.backup.gear import BikePages
from strava_backup.backup.photos import Pictures
from strava_backup.backup.private_notes import EditPages
from strava_backup.backup.routes import RouteFiles
from strava_backup.items import (
    COMMENTS,
    COMPONENTS,
    DETAIL,
    GEAR,
    ORIGINAL,
    PHOTO,
    PHOTO_LIST,
    PRIVATE_NOTE,
    ROUTE,
)
from strava_backup.records import plan
from strava_backup.strava.records import DETAIL_STATE, Activity, Source, parse_activity, parse_photo

# More than one, because a single item may have been deleted on Strava since.
_MOST_PROBES = 3

Probe = Callable[[], object]


class Website(Originals, BikePages, EditPages, RouteFiles, Protocol):
    """The requests to the website that a probe makes."""


class Probes:
    """The probes of one run; `website` is None if it is not available."""

    def __init__(
        self,
        source: Source,
        website: Website | None,
        pictures: Pictures,
        archive: Archive,
        inventory: Inventory,
    ) -> None:
        self._source = source
        self._website = website
        self._pictures = pictures
        self._archive = archive
        self._inventory = inventory

    def is_still_served(self, item: str) -> bool:
        """Whether the host still serves one of up to three stored items of that kind.

        Raises DiskError.
        """
        for probe in islice(self._probes(plan.evidence_kind(item)), _MOST_PROBES):
            try:
                probe()
            except errors.ItemError:
                continue
            except (errors.HumanNeeded, errors.TryLater):
                return False
            return True
        return False

    def _probes(self, kind: str) -> Iterator[Probe]:
        """Yield the probes of a kind, newest items first."""
        if kind == PHOTO:
            yield from self._picture_probes()
        elif kind in (GEAR, COMPONENTS):
            yield from self._gear_probes(kind)
        elif kind == ROUTE:
            yield from self._route_probes()
        else:
            yield from self._activity_probes(kind)

    def _activity_probes(self, kind: str) -> Iterator[Probe]:
        for activity_id, stored in sorted(self._inventory.activities.items(), reverse=True):
            if plan.is_gone(stored.own):
                continue
            if kind == ORIGINAL and stored.files and self._website is not None:
                yield partial(self._download, self._website.download_original, activity_id)
            elif kind == DETAIL and stored.resource_state == DETAIL_STATE:
                yield partial(self._source.fetch_activity, activity_id)
            elif kind == PHOTO_LIST and stored.own.get("photos", {}).get("count"):
                yield partial(self._fetch_photo_list, stored)
            elif kind == PRIVATE_NOTE and "private_note_at" in stored.own and self._website:
                yield partial(self._fetch_private_note, self._website, activity_id)
            elif kind == COMMENTS and stored.comments is not None:
                yield partial(self._fetch_comments, activity_id)

    def _gear_probes(self, kind: str) -> Iterator[Probe]:
        for gear_id, stored in self._inventory.gear.items():
            if kind == GEAR and stored.resource_state is not None:
                yield partial(self._source.fetch_gear, gear_id)
            elif kind == COMPONENTS and "components_at" in stored.own and self._website:
                yield partial(self._fetch_components, self._website, gear_id)

    def _route_probes(self) -> Iterator[Probe]:
        source, website = self._source, self._website
        downloads: RouteFiles = website if website and not source.has_details else source
        for route_id, stored in sorted(self._inventory.routes.items(), reverse=True):
            if stored.files and not plan.is_gone(stored.own):
                yield partial(self._download, downloads.download_route, route_id)

    def _picture_probes(self) -> Iterator[Probe]:
        for (activity_id, _), stored in sorted(self._inventory.photos.items(), reverse=True):
            activity = self._inventory.activities.get(activity_id)
            is_gone = activity is not None and plan.is_gone(activity.own)
            if stored.files and stored.metadata is not None and not is_gone:
                record = self._archive.read_record(stored.metadata)
                url = parse_photo(activity_id, record).url
                if url is not None:
                    yield partial(self._download, self._pictures.download, url)

    def _download(
        self, download: Callable[[Any], AbstractContextManager[Answer]], address: int | str
    ) -> None:
        """Read the start of a file. Raises the download's errors, and ItemError for a web page."""
        with download(address) as answer:
            self._archive.refuse_page(next(answer.chunks, b""))

    def _fetch_photo_list(self, stored: Stored) -> None:
        record = self._archive.read_record(stored.metadata) if stored.metadata else None
        activity: Activity = parse_activity(record)
        if not self._source.fetch_photos(activity):
            raise errors.ItemError("the photo list is empty")

    def _fetch_private_note(self, website: Website, activity_id: int) -> None:
        website.fetch_private_note(activity_id)()

    def _fetch_comments(self, activity_id: int) -> None:
        self._source.fetch_comments(activity_id, 1)
        self._source.fetch_kudos(activity_id, 1)

    def _fetch_components(self, website: Website, gear_id: str) -> None:
        website.fetch_components(gear_id)()
