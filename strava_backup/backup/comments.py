"""Fetches the comments and kudos of activities from the API."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.archive.directory import Stored
from strava_backup.backup.activities import Work
from strava_backup.backup.tasks import Host, Result, Task
from strava_backup.items import COMMENTS
from strava_backup.records import merge, plan
from strava_backup.records.plan import Wanted
from strava_backup.records.store import RecordStore
from strava_backup.report import Report, count_of
from strava_backup.strava.records import Record, Source


class Lists(NamedTuple):
    """The comments and kudos of an activity."""

    comments: list[Any]
    kudos: list[Any]


class Comments:
    """Plans and fetches comments and kudos; `host` is that of the source."""

    def __init__(
        self, source: Source, store: RecordStore, report: Report, host: Host, wanted: Wanted
    ) -> None:
        self._source = source
        self._store = store
        self._report = report
        self._host = host
        self._wanted = wanted

    def added_to(self, work: Work, stored: Stored | None) -> Work:
        """Return the work with the comments among the missing items, if they are."""
        if not self._wanted.comments or (stored and stored.problem):
            return work
        own = stored.own if stored else {}
        counts = plan.listed_counts(work.activity.record)
        old = self._read(stored.comments) if stored and stored.comments else None
        today = self._store.now().date()
        if not plan.lacks_comments(counts, old, own, self._wanted, today):
            return work
        return work._replace(missing=(*work.missing, COMMENTS))

    def task(self, work: Work, stored: Stored | None) -> Task:
        """Return the task that fetches the comments and kudos of an activity."""
        path = (stored and stored.comments) or layout.comments_path(work.metadata)
        return Task(
            COMMENTS,
            f"activity {work.title}",
            self._host,
            work.metadata,
            partial(self._save, work, path),
            partial(self._fetch, work),
            work.activity.id,
        )

    def _read(self, path: PurePosixPath) -> Record:
        """Return the stored comments; {} if they are unreadable, so that they are fetched again."""
        with suppress(errors.ItemError):
            return self._store.read(path) or {}
        return {}

    def _fetch(self, work: Work) -> Lists:
        """Return both lists; one that is empty by the listing costs no request."""
        activity_id, counts = work.activity.id, plan.listed_counts(work.activity.record)
        comments, kudos = (counts[name] for name in plan.COUNTS)
        return Lists(
            self._source.fetch_comments(activity_id, comments) if comments else [],
            self._source.fetch_kudos(activity_id, kudos) if kudos else [],
        )

    def _save(self, work: Work, path: PurePosixPath, task: Task, lists: Lists) -> Result:
        counts = plan.listed_counts(work.activity.record)
        record = merge.comments_record(*lists, counts, self._store.now())
        self._store.save(path, record, merge.strava_part)
        self._store.note(task.metadata, lambda own: merge.without_refusal(own, task.item))
        self._report.count(task.item)
        counts_of_lists = zip(("comment", "kudos"), ("comments", "kudos"), lists, strict=True)
        texts = [count_of(len(one), *nouns) for *nouns, one in counts_of_lists if one]
        return Result(", ".join(texts))
