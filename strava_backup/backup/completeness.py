"""Pure: counts what Strava lists against what is held: what is complete, and what is gone.

Does no I/O, and concludes nothing from a listing that may lack something.
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
    """What the listing of one run brings; `known` are the activities that it may leave out.

    `lacking` are those that missed something before the run, `broken` those of which something is
    of no use, whatever comes in the run.
    """

    def __init__(self, inventory: Inventory, known: frozenset[int]) -> None:
        self.listed: set[int] = set()
        self.lacking: set[int] = set()
        self.broken: set[int | None] = set()
        self._nameless = 0
        self._inventory = inventory
        self._known = known

    def see(self, record: Any) -> None:
        """Take down a record of the listing, sound or not."""
        activity_id = record_id(record)
        if activity_id is None:
            self._nameless += 1
        else:
            self.listed.add(activity_id)

    def cannot_keep(self, record: Any) -> None:
        """Take down that a record tells too little to be kept."""
        self.broken.add(record_id(record))

    def unlisted(self, listing_result: ListingResult | None) -> frozenset[int] | None:
        """The held activities that Strava lists no more, but for those known to be gone.

        None where that cannot be told: the listing was not seen whole, or one of its records could
        be that of any activity.
        """
        if listing_result is None or not listing_result.is_whole or self._nameless:
            return None
        return frozenset(
            activity_id
            for activity_id, stored in self._inventory.activities.items()
            if activity_id not in self.listed and not plan.is_gone(stored.own)
        )

    def unseen(self, listing_result: ListingResult) -> int | None:
        """How many activities the source counted and did not list; None where it did not count."""
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
        """How what is held compares with what is on Strava, where `missing` still miss something.

        What is left out of a listing that ends early, since all else adds up to Strava's total, is
        on Strava all the same. `asked` are the items that are counted if they are not available.
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
            # A total that is lower knows of deletions that were too many to be believed.
            ids, hidden = self.listed | self._known, min(0, listing_result.surplus)
        return Completeness(
            len(ids) + self._nameless + hidden,
            tuple(sorted(ids & {*missing, *self.broken})),
            nameless=self._nameless,
            not_to_be_had=self._given_up(ids, asked, wanted, today),
            is_whole=is_sure,
        )

    def _given_up(
        self, ids: Collection[int], asked: Collection[str], wanted: plan.Wanted, today: date
    ) -> int:
        stored = [
            *(one for key, one in self._inventory.activities.items() if key in ids),
            *(one for key, one in self._inventory.photos.items() if key[0] in ids),
            *self._inventory.gear.values(),
        ]
        return sum(plan.count_given_up(one, asked, wanted, today) for one in stored)
