"""Finds out which held activities Strava no longer has, and marks them. Deletes nothing.

A mark is taken off by the next listing that has the activity again, so one that is wrong heals by
itself, as where a deletion shifts the API's pages while they are read.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Protocol

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.archive.directory import Inventory
from strava_backup.backup.completeness import CompletenessCheck
from strava_backup.backup.tasks import Ask, Host
from strava_backup.records import merge, plan
from strava_backup.records.store import RecordStore
from strava_backup.report import Report, count_of, first_of, printable
from strava_backup.strava.records import ListingResult, Source

_log = logging.getLogger(__name__)

_SCOPE = (
    "[api] refresh_token lacks the scope activity:read_all, without which private activities are "
    "not listed (run strava-backup --authorize and leave everything ticked)"
)


class Counts(Protocol):
    """What is asked of the website; see `strava.website` for what it raises."""

    def fetch_activity_count(self) -> int | None: ...


class Deletions:
    """Concludes what is gone; `website` is None where it cannot be asked for its total."""

    def __init__(
        self,
        source: Source,
        website: Counts | None,
        store: RecordStore,
        report: Report,
        host: Host,
        inventory: Inventory,
        *,
        believes_all: bool,
    ) -> None:
        self._source = source
        self._website = website
        self._store = store
        self._report = report
        self._host = host
        self._inventory = inventory
        self._believes_all = believes_all

    def conclude(self, completeness: CompletenessCheck, ask: Ask) -> frozenset[int]:
        """Mark what is newly gone after a whole listing, and return its ids. Raises DiskError.

        Nothing is marked where Strava counts activities that its list does not have, nor where
        there are so many that something else is likelier.
        """
        listing_result, gone = (
            self._source.listing_result,
            completeness.unlisted(self._source.listing_result),
        )
        if listing_result is None or gone is None:
            return frozenset()
        stored = self._inventory.activities
        gone = frozenset(activity_id for activity_id in gone if not stored[activity_id].problem)
        hides_some = self._hides_some(completeness, listing_result, gone, ask)
        if not gone or hides_some:
            return frozenset()
        if self._are_doubtful(gone, completeness.listed):
            self._doubt(gone, is_empty=not completeness.listed)
            return frozenset()
        for activity_id in gone:
            self._mark(activity_id)
        names = first_of(self._name(activity_id) for activity_id in sorted(gone))
        _log.info("gone from Strava, kept here: %s", names)
        self._report.gone = len(gone)
        return gone

    def _hides_some(
        self,
        completeness: CompletenessCheck,
        listing_result: ListingResult,
        gone: Collection[int],
        ask: Ask,
    ) -> bool:
        """Whether more is counted than is listed, beyond what always was so; any of it may be what
        is taken for gone."""
        marker = self._store.archive.marker
        if self._source.name == "website":
            unseen = completeness.unseen(listing_result)
            return unseen is None or unseen > max(0, marker.surplus or 0)
        now = self._store.now()
        # The count costs a request of the website, so a quiet day is without it.
        is_asked = self._website is not None and (gone or plan.is_due(marker.last_count, now))
        total = ask(self._host, "number of activities", self._fetch_count) if is_asked else None
        if total is None:
            return False
        unseen = total - len(completeness.listed)
        if unseen > 0:
            self._tell_of_unseen(total, len(completeness.listed))
        hides_some = unseen > max(0, marker.uncounted or 0)
        if not (gone and hides_some):
            marker = replace(marker, last_count=f"{now:%Y-%m-%dT%H:%M:%SZ}", uncounted=unseen)
            self._store.archive.save_marker(marker)
        return hides_some

    def _fetch_count(self) -> int | None:
        """Return the website's total, None if it is unknown: then the next run asks again."""
        assert self._website is not None
        try:
            return self._website.fetch_activity_count()
        except errors.TryLater as error:
            _log.info("%s", error)
            return None

    def _tell_of_unseen(self, total: int, listed: int) -> None:
        _log.warning(
            "the website counts %s, but the API lists %s: most likely %s",
            count_of(total, "activity", "activities"),
            f"{listed:,}",
            _SCOPE,
        )

    def _are_doubtful(self, gone: Collection[int], listed: Collection[int]) -> bool:
        stored = self._inventory.activities.values()
        kept = sum(not plan.is_gone(one.own) for one in stored)
        return not listed or (not self._believes_all and plan.are_too_many(len(gone), kept))

    def _doubt(self, gone: Collection[int], *, is_empty: bool) -> None:
        """Say that nothing is concluded, and what is likelier than that all were deleted."""
        another = "this is the list of another account, or not all of it"
        _log.warning(
            "Strava no longer lists %s that %s held (%s): too many at once, so nothing is marked "
            "as gone. Most likely %s%s",
            count_of(len(gone), "activity", "activities"),
            "is" if len(gone) == 1 else "are",
            first_of(map(str, sorted(gone))),
            another if self._source.name == "website" else f"{_SCOPE}, or {another}",
            "" if is_empty else "; if you did delete them, run it once with --full",
        )

    def _mark(self, activity_id: int) -> None:
        # Of an activity without metadata the mark is all that there is to say.
        stored = self._inventory.activities[activity_id]
        path = stored.metadata or layout.metadata_path(stored.stem)
        try:
            self._store.note(path, partial(merge.with_gone, now=self._store.now()))
        except errors.ItemError as error:
            self._report.fail(f"activity {activity_id}", error, activity_id)

    def _name(self, activity_id: int) -> str:
        path = self._inventory.activities[activity_id].metadata
        record = (path and self._store.read(path)) or {}
        return f"{activity_id} {printable(str(record.get('name') or ''))}".strip()
