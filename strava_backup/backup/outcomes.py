"""Reports saved, failed and refused items, and records refusals. Thread-safe.

A host with an outage may refuse everything. A refusal therefore counts only if the host served
another item of that kind in the same run, or still serves an item that is already stored.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial

from strava_backup import errors
from strava_backup.backup.tasks import Entry, Result, Task
from strava_backup.items import ORIGINAL, VIDEO, shown_name
from strava_backup.records import merge, plan
from strava_backup.records.store import RecordStore
from strava_backup.report import Report, count_of_items, first_of, printable
from strava_backup.strava.records import Record


class Outcomes:
    """The outcomes of one run; `skipped_ids` are the activities with items not requested."""

    def __init__(self, store: RecordStore, report: Report) -> None:
        self.skipped_ids: set[int | None] = set()
        self._store = store
        self._report = report
        self._lock = threading.Lock()
        # Failures that the host may have caused: decided at the end of the run.
        self._doubtful: list[tuple[Entry, errors.ItemError]] = []
        # The kinds of items that were served in this run, and the kinds that are refused even for
        # stored items.
        self._served_kinds: set[str] = set()
        self._refused_kinds: set[str] = set()

    def saved(self, entry: Entry, result: Result) -> str:
        """Accept a saved item as evidence that its host serves items of that kind."""
        if result.refusal is not None:
            return self._refused(entry, result.refusal) or result.text
        # A video is no evidence for pictures: those of photos are on another host.
        if entry.task.host is not None and entry.task.item != VIDEO:
            self._served_kinds.add(plan.evidence_kind(entry.task.item))
        return result.text

    def failed(self, entry: Entry, error: errors.ItemError) -> str:
        """Report a failed item, and return the text for its job."""
        return self._refused(entry, error)

    def skipped(self, entry: Entry) -> None:
        """Count an item that was not requested because its host is closed."""
        self._skip(entry.task)

    def bug(self, entry: Entry, error: Exception) -> None:
        """Report an unexpected exception while an item was handled."""
        task = entry.task
        self._report.fail_with_bug(_name(task), error, task.activity_id, entry.place)

    def closed(self, error: errors.Error) -> None:
        """Report the error that closed a host."""
        self._report.fatal.append(error)

    def settle(self, is_still_served: Callable[[str], bool]) -> None:
        """Record or skip the refusals that were not proven during the run.

        `is_still_served` requests a stored item of that kind once more. If the host served neither
        an item of the kind in this run nor the stored one, the host is at fault: no refusal is
        recorded, and the run ends with TryLater.
        """
        doubtful, self._doubtful = sorted(self._doubtful, key=lambda doubt: doubt[0].place), []
        unproven: dict[str, list[tuple[Task, errors.ItemError]]] = {}
        for entry, error in doubtful:
            task = entry.task
            if _is_closed(task) and error.closes_host_when_repeated:
                # The host failed, not the item.
                self._fail(entry, error)
            elif self._is_proven(task, error, is_still_served):
                self._note_refusal(entry, error)
            else:
                if not _is_closed(task):
                    unproven.setdefault(task.item, []).append((task, error))
                self._skip(task)
        for item, refusals in unproven.items():
            self._report.fatal.append(_refused_everything(item, refusals))

    def _refused(self, entry: Entry, error: errors.ItemError) -> str:
        if isinstance(error, errors.NotPermitted):
            return ""
        item = entry.task.item
        is_proven = plan.evidence_kind(item) in self._served_kinds or not error.needs_evidence
        has_reason = plan.lasting_reason(item, error) is not None
        if error.closes_host_when_repeated or (has_reason and not is_proven):
            self._doubtful.append((entry, error))
            return ""
        return self._note_refusal(entry, error)

    def _is_proven(
        self, task: Task, error: errors.ItemError, is_still_served: Callable[[str], bool]
    ) -> bool:
        """Whether a refusal counts against the item; one that is not recorded needs no proof."""
        kind = plan.evidence_kind(task.item)
        if kind in self._served_kinds or plan.lasting_reason(task.item, error) is None:
            return True
        if _is_closed(task) or kind in self._refused_kinds:
            return False
        if is_still_served(task.item):
            self._served_kinds.add(kind)
            return True
        self._refused_kinds.add(kind)
        return False

    def _note_refusal(self, entry: Entry, error: errors.ItemError) -> str:
        """Record a refused item, report it as failed or unavailable, and return its job's text."""
        task = entry.task
        why = plan.lasting_reason(task.item, error)
        if why is not None:
            now = self._store.now()
            change = task.note_refusal or partial(_with_refusal, task.item)
            try:
                own = self._store.note(task.metadata, lambda own: change(own, why, now))
            except errors.ItemError as problem:
                self._fail(entry, problem)
                return ""
            if plan.is_absent(own, task.item):
                return f"no {task.item}" if task.item == ORIGINAL else ""
            if plan.is_unavailable(own, task.item, plan.Wanted(), now.date()):
                self._report.add_unavailable(_name(task), error, entry.place)
                return ""
        self._fail(entry, error)
        return ""

    def _fail(self, entry: Entry, error: errors.ItemError) -> None:
        self._report.fail(_name(entry.task), error, entry.task.activity_id, entry.place)

    def _skip(self, task: Task) -> None:
        with self._lock:
            self._report.left[task.item] += 1
            self.skipped_ids.add(task.activity_id)


def _name(task: Task) -> str:
    return f"{task.title}, {shown_name(task.item)}"


def _is_closed(task: Task) -> bool:
    return task.host is not None and task.host.is_closed


def _with_refusal(item: str, own: Record, why: str, now: datetime) -> Record:
    return merge.with_refusal(own, item, why, now)


def _refused_everything(
    item: str, refusals: list[tuple[Task, errors.ItemError]]
) -> errors.TryLater:
    host = refusals[0][0].host
    reasons = dict.fromkeys(str(error.why) for _, error in refusals)
    why = printable(first_of(reasons), limit=300)
    return errors.TryLater(
        f"the {host.name if host else 'disk'} refused every item of a kind: "
        f"{count_of_items(len(refusals), item)} ({why}). The cause is more likely an outage at "
        "Strava than the items, so no refusal was recorded: try again later"
    )
