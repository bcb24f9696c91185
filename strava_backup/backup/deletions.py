"""Marks stored activities that were deleted on Strava. Deletes nothing.

The next listing that contains the activity again removes the mark. That corrects wrong marks, which
occur if a deletion shifts the API's pages while they are read.
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
from strava_backup.timestamps import utc_timestamp

_log = logging.getLogger(__name__)

_SCOPE = (
    "[api] refresh_token lacks the scope activity:read_all, without which private activities are "
    "not listed (run strava-backup --authorize and leave everything ticked)"
)


class Counts(Protocol):
    """The website's count of activities; see `strava.website` for the errors."""

    def fetch_activity_count(self) -> int | None: ...


class Deletions:
    """Finds and marks deleted activities; `website` is None if its total is not available.

    With `accepts_any_number` no number of deletions is too high to be marked.
    """

    def __init__(
        self,
        source: Source,
        website: Counts | None,
        store: RecordStore,
        report: Report,
        host: Host,
        inventory: Inventory,
        *,
        accepts_any_number: bool,
    ) -> None:
        self._source = source
        self._website = website
        self._store = store
        self._report = report
        self._host = host
        self._inventory = inventory
        self._accepts_any_number = accepts_any_number

    def conclude(self, completeness: CompletenessCheck, ask: Ask) -> frozenset[int]:
        """Mark newly deleted activities after a complete listing, and return their ids.

        None is marked if Strava counts activities that it does not list, or if so many are missing
        from the list that another cause is more likely. Raises DiskError.
        """
        listing_result, deleted = (
            self._source.listing_result,
            completeness.unlisted(self._source.listing_result),
        )
        if listing_result is None or deleted is None:
            return frozenset()
        stored = self._inventory.activities
        deleted = frozenset(
            activity_id for activity_id in deleted if not stored[activity_id].problem
        )
        hides_some = self._hides_some(completeness, listing_result, deleted, ask)
        if not deleted or hides_some:
            return frozenset()
        if self._are_too_many(deleted, completeness.listed):
            self._warn_of_too_many(deleted, is_empty=not completeness.listed)
            return frozenset()
        for activity_id in deleted:
            self._mark(activity_id)
        names = first_of(self._name(activity_id) for activity_id in sorted(deleted))
        _log.info("deleted on Strava, kept here: %s", names)
        self._report.gone = len(deleted)
        return deleted

    def _hides_some(
        self,
        completeness: CompletenessCheck,
        listing_result: ListingResult,
        deleted: Collection[int],
        ask: Ask,
    ) -> bool:
        """Whether Strava counts more unlisted activities than in earlier runs.

        Each of them may be one that seems to be deleted.
        """
        marker = self._store.archive.marker
        if self._source.name == "website":
            hidden = completeness.count_hidden(listing_result)
            return hidden is None or hidden > max(0, marker.surplus or 0)
        now = self._store.now()
        # The count costs a request to the website, so most runs without deletions do without it.
        is_asked = self._website is not None and (deleted or plan.is_due(marker.last_count, now))
        total = ask(self._host, "number of activities", self._fetch_count) if is_asked else None
        if total is None:
            return False
        hidden = total - len(completeness.listed)
        if hidden > 0:
            self._warn_of_hidden(total, len(completeness.listed))
        hides_some = hidden > max(0, marker.uncounted or 0)
        if not (deleted and hides_some):
            marker = replace(marker, last_count=utc_timestamp(now), uncounted=hidden)
            self._store.archive.save_marker(marker)
        return hides_some

    def _fetch_count(self) -> int | None:
        """Return the website's total, or None if it is unknown, so that the next run asks again."""
        assert self._website is not None
        try:
            return self._website.fetch_activity_count()
        except errors.TryLater as error:
            _log.info("%s", error)
            return None

    def _warn_of_hidden(self, total: int, listed: int) -> None:
        _log.warning(
            "the website counts %s, but the API lists %s: most likely %s",
            count_of(total, "activity", "activities"),
            f"{listed:,}",
            _SCOPE,
        )

    def _are_too_many(self, deleted: Collection[int], listed: Collection[int]) -> bool:
        stored = self._inventory.activities.values()
        present = sum(not plan.is_gone(one.own) for one in stored)
        return not listed or (
            not self._accepts_any_number and plan.are_too_many(len(deleted), present)
        )

    def _warn_of_too_many(self, deleted: Collection[int], *, is_empty: bool) -> None:
        """Log that no activity is marked, and the more likely causes."""
        another = "this is the list of another account, or not all of it"
        _log.warning(
            "Strava no longer lists %s of the archive (%s): too many at once, so none is marked as "
            "deleted. Most likely %s%s",
            count_of(len(deleted), "activity", "activities"),
            first_of(map(str, sorted(deleted))),
            another if self._source.name == "website" else f"{_SCOPE}, or {another}",
            "" if is_empty else "; if you did delete them, run it once with --full",
        )

    def _mark(self, activity_id: int) -> None:
        # An activity without metadata gets a metadata file that contains only the mark.
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
