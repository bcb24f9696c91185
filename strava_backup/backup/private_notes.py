"""Fetches the private notes of activities from their edit pages on the website."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from strava_backup.backup.activities import Work
from strava_backup.backup.tasks import Host, Result, Task
from strava_backup.items import OWN_KEY, PRIVATE_NOTE
from strava_backup.records import merge
from strava_backup.records.store import RecordStore
from strava_backup.report import Report
from strava_backup.strava.records import Record


class EditPages(Protocol):
    """The website's pages to edit activities; see `strava.website` for the errors."""

    def fetch_private_note(self, activity_id: int) -> Callable[[], Record]: ...


class PrivateNotes:
    """Fetches private notes; `website` is its host, `pages` is None if it is not available."""

    def __init__(
        self, pages: EditPages | None, store: RecordStore, report: Report, website: Host
    ) -> None:
        self._pages = pages
        self._store = store
        self._report = report
        self._website = website

    def task(self, work: Work) -> Task:
        """Return the task that fetches the private note of an activity."""
        return Task(
            PRIVATE_NOTE,
            f"activity {work.title}",
            self._website,
            work.metadata,
            self._save,
            partial(self._fetch, work.activity.id),
            work.activity.id,
        )

    def _fetch(self, activity_id: int) -> Callable[[], Record]:
        assert self._pages is not None
        return self._pages.fetch_private_note(activity_id)

    def _save(self, task: Task, parse: Callable[[], Record]) -> Result:
        """Save the values of a page; an activity without any is not counted as a saved note."""
        values = parse()
        with self._store.editing(task.metadata):
            old = self._store.read(task.metadata) or {}
            own = merge.with_private_note(old.get(OWN_KEY, {}), values, self._store.now())
            record = {**old, OWN_KEY: own}
            self._store.save(task.metadata, record, merge.private_note_history_fields)
        if not any(values.values()):
            return Result()
        self._report.count(task.item)
        return Result(task.item)
