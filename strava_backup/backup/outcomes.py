"""Attempts tasks, and decides which refusals count against an item. For many threads at once.

A host in trouble may refuse everything. So a refusal counts only if the host gave something else of
the kind in the same run, or still gives what is already stored.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from strava_backup import errors
from strava_backup.backup.pipeline import Done, Task, count_answer, place, standing
from strava_backup.records import merge, plan
from strava_backup.records.store import Keeper
from strava_backup.report import count_of_items, first_of, printable
from strava_backup.strava.records import Record


class Doubtful(NamedTuple):
    """A failure that may be the host's: its place among the tasks, its task, and the error."""

    place: tuple[int, ...]
    task: Task
    error: errors.ItemError


class Attempts:
    """The attempts of one run; `left_ids` are the activities of items that were not asked for."""

    def __init__(self, keeper: Keeper) -> None:
        self.left_ids: set[int | None] = set()
        self._keeper = keeper
        self._report = keeper.report
        self._counting = threading.Lock()
        self._doubtful: list[Doubtful] = []
        # The kinds of items of which one came in this run, and of which not even a stored one does.
        self._came: set[str] = set()
        self._refused_kinds: set[str] = set()

    def attempt(self, task: Task) -> Done:
        """Fetch one item; its error is counted, a fatal one ends its lane and nothing else.

        Raises DiskError.
        """
        lane = task.lane
        if lane.is_over:
            self._count_left(task)
            return Done()
        try:
            done = task.fetch()
        except errors.ItemError as error:
            return Done(self._failed(task, error))
        except (errors.HumanNeeded, errors.TryLater) as error:
            lane.end(error)
            # An interrupt ends the waiting for a limit in the same way, and counts as nothing.
            if not lane.is_abandoned:
                self._count_left(task)
        except errors.Error:
            raise
        except Exception as error:
            if not lane.is_abandoned:
                self._keeper.report_bug(f"{task.what}, {task.item}", error, task.activity_id)
        else:
            # The turn lasts until what the task leads to is in line: that comes before the next.
            count_answer()
            if done.lack is not None:
                return done._replace(text=self._refused(task, done.lack) or done.text)
            self._came.add(plan.evidence_kind(task.item))
            return done
        return Done()

    def settle(self, still_comes: Callable[[str], bool]) -> None:
        """Decide on the refusals that were left in doubt.

        `still_comes` asks for an item of a kind that is already stored. If nothing of a kind came
        in the run and that one does not either, the host is at fault: nothing is noted, and the
        run ends with TryLater.
        """
        doubtful, self._doubtful = self._doubtful, []
        unproven: dict[str, list[Doubtful]] = {}
        for doubt in doubtful:
            task, error = doubt.task, doubt.error
            with standing(doubt.place):
                if task.lane.is_over and error.ends_lane_when_repeated:
                    # The end of the lane has shown that the way failed, and not the item.
                    self._keeper.fail(f"{task.what}, {task.item}", error, task.activity_id)
                elif self._is_proven(task, error, still_comes):
                    self._note_refusal(task, error)
                elif task.lane.is_over:
                    self._count_left(task)
                else:
                    unproven.setdefault(task.item, []).append(doubt)
                    self._count_left(task)
        for item, doubts in unproven.items():
            self._report.fatal.append(_refused_everything(item, doubts))

    def _failed(self, task: Task, error: errors.ItemError) -> str:
        """Count an item that failed; returns what is to be said of it with its activity."""
        if task.lane.is_abandoned:
            return ""
        # Before anything is saved: the next request must know of it.
        if not task.lane.failed(error):
            self._count_left(task)
            return ""
        return self._refused(task, error)

    def _refused(self, task: Task, error: errors.ItemError) -> str:
        is_proven = plan.evidence_kind(task.item) in self._came or not error.needs_evidence
        has_reason = plan.lasting_reason(task.item, error) is not None
        if error.ends_lane_when_repeated or (has_reason and not is_proven):
            self._doubtful.append(Doubtful(place(), task, error))
            return ""
        return self._note_refusal(task, error)

    def _is_proven(
        self, task: Task, error: errors.ItemError, still_comes: Callable[[str], bool]
    ) -> bool:
        """Whether a refusal counts against the item; one that is not noted need not be proven."""
        kind = plan.evidence_kind(task.item)
        if kind in self._came or plan.lasting_reason(task.item, error) is None:
            return True
        if task.lane.is_over or kind in self._refused_kinds:
            return False
        if still_comes(task.item):
            self._came.add(kind)
            return True
        self._refused_kinds.add(kind)
        return False

    def _note_refusal(self, task: Task, error: errors.ItemError) -> str:
        """Note that Strava refuses an item, and count it as failed, unless it is not available.

        Returns what is to be said of it with its activity.
        """
        why = plan.lasting_reason(task.item, error)
        if why is not None:
            now = self._keeper.now()
            change = task.note_refusal or partial(_with_refusal, task.item)
            try:
                own = self._keeper.note(task.metadata, lambda own: change(own, why, now))
            except errors.ItemError as problem:
                self._keeper.fail(f"{task.what}, {task.item}", problem, task.activity_id)
                return ""
            if plan.is_absent(own, task.item):
                return f"no {task.item}" if task.item == plan.ORIGINAL else ""
            if plan.is_given_up(own, task.item, plan.Wanted(), now.date()):
                self._keeper.give_up(f"{task.what}, {task.item}", error)
                return ""
        self._keeper.fail(f"{task.what}, {task.item}", error, task.activity_id)
        return ""

    def _count_left(self, task: Task) -> None:
        with self._counting:
            self._report.left[task.item] += 1
            self.left_ids.add(task.activity_id)


def _with_refusal(item: str, own: Record, why: str, now: datetime) -> Record:
    return merge.with_refusal(own, item, why, now)


def _refused_everything(item: str, doubts: list[Doubtful]) -> errors.TryLater:
    reasons = dict.fromkeys(str(doubt.error.why) for doubt in doubts)
    why = printable(first_of(reasons), limit=300)
    return errors.TryLater(
        f"the {doubts[0].task.lane.name} refused every item of a kind: "
        f"{count_of_items(len(doubts), item)} ({why}). That looks like trouble at Strava and not "
        "with the items, so nothing was noted of them: try again later"
    )
