"""Compares Strava's listing with the archive: complete, missing and deleted activities.

Does no I/O, and draws no conclusions from a listing that may be incomplete.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from strava_backup.archive.directory import Inventory
from strava_backup.records import plan
from strava_backup.report import Completeness
from strava_backup.strava.records import ListingResult, record_id


class CompletenessCheck:
    """The activities of one run's listing; `known` are the ids that the listing may leave out.

    `incomplete` are the activities with missing items before the run, `broken` those with a file
    or record that this run cannot replace.
    """

    def __init__(self, inventory: Inventory, known: frozenset[int]) -> None:
        self.listed: set[int] = set()
        self.incomplete: set[int] = set()
        self.broken: set[int | None] = set()
        self._nameless = 0
        self._inventory = inventory
        self._known = known

    def add(self, record: Any) -> None:
        """Add a record of the listing, valid or not."""
        activity_id = record_id(record)
        if activity_id is None:
            self._nameless += 1
        else:
            self.listed.add(activity_id)

    def add_invalid(self, record: Any) -> None:
        """Mark the activity of a record that cannot be saved as broken."""
        self.broken.add(record_id(record))

    def unlisted(self, listing_result: ListingResult | None) -> frozenset[int] | None:
        """Return the stored activities that Strava no longer lists, except those marked as deleted.

        None if that is unknown: the listing is incomplete, or has a record without an id, which
        could be any activity.
        """
        if listing_result is None or not listing_result.is_whole or self._nameless:
            return None
        return frozenset(
            activity_id
            for activity_id, stored in self._inventory.activities.items()
            if activity_id not in self.listed and not plan.is_gone(stored.own)
        )

    def count_hidden(self, listing_result: ListingResult) -> int | None:
        """Return how many activities the source counts but does not list; None without a count."""
        return (
            None
            if listing_result.surplus is None
            else listing_result.surplus + len(self._known - self.listed)
        )

    def completeness(
        self,
        listing_result: ListingResult | None,
        missing: Collection[int | None],
        asked: Collection[str],
        wanted: plan.Wanted,
        today: date,
    ) -> Completeness:
        """Return how the archive compares with Strava; `missing` are the incomplete activities.

        A listing that ends early, because the other activities add up to Strava's total, leaves out
        activities that are on Strava as well. `asked` are the items to count as not available.
        """
        ids, hidden = self.listed, 0
        is_sure = listing_result is not None and (
            listing_result.is_whole or listing_result.surplus is not None
        )
        if (
            listing_result is not None
            and listing_result.surplus is not None
            and not listing_result.is_whole
        ):
            # A lower total means deletions, which were too many at once to be marked.
            ids, hidden = self.listed | self._known, min(0, listing_result.surplus)
        return Completeness(
            len(ids) + self._nameless + hidden,
            tuple(sorted(ids & {*missing, *self.broken})),
            nameless=self._nameless,
            not_available=self._count_unavailable(ids, asked, wanted, today),
            is_whole=is_sure,
        )

    def _count_unavailable(
        self, ids: Collection[int], asked: Collection[str], wanted: plan.Wanted, today: date
    ) -> int:
        stored = [
            *(one for key, one in self._inventory.activities.items() if key in ids),
            *(one for key, one in self._inventory.photos.items() if key[0] in ids),
            *self._inventory.gear.values(),
            *self._inventory.routes.values(),
        ]
        return sum(plan.count_unavailable(one, asked, wanted, today) for one in stored)
