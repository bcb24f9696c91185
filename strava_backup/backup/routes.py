"""Finds and fetches routes: their metadata and GPX. Marks those that Strava no longer lists."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Protocol

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.archive.directory import Stored
from strava_backup.backup.files import Answer, FetchedFile, Files
from strava_backup.backup.tasks import Ask, Hosts, Result, Task
from strava_backup.items import OWN_KEY, ROUTE
from strava_backup.records import merge, plan
from strava_backup.records.store import RecordStore
from strava_backup.report import Report, count_of, first_of, printable
from strava_backup.strava.records import Record, Source
from strava_backup.strava.routes import Route, parse_route

_log = logging.getLogger(__name__)

# The page size of both sources. After a page of this size without changes, the rest of the list is
# read only from time to time.
_FULL_PAGE = 200
_NO_SCOPE = (
    "private routes are not saved: [api] refresh_token lacks the scope read_all (run strava-backup "
    "--authorize and leave everything ticked; --no-routes silences this)"
)


class RouteFiles(Protocol):
    """Downloads of routes; see `strava.website` and `strava.api` for the errors."""

    def download_route(self, route_id: str) -> AbstractContextManager[Answer]: ...


class RouteWork(NamedTuple):
    """One listed route, its new metadata (None if unchanged), and its missing items."""

    route: Route
    stem: PurePosixPath
    metadata: PurePosixPath
    record: Record | None
    missing: tuple[str, ...]

    @property
    def title(self) -> str:
        """The route's id and name for messages."""
        return f"route {self.route.id} {printable(self.route.name)}".strip()


class Routes:
    """Plans and fetches routes; `stored` is the archive's inventory of routes.

    `is_whole` says whether the list of this run was read to its end, with an id in every record.
    """

    def __init__(
        self,
        source: Source,
        website: RouteFiles | None,
        files: Files,
        store: RecordStore,
        report: Report,
        hosts: Hosts,
        wanted: plan.Wanted,
        stored: dict[str, Stored],
    ) -> None:
        self._source = source
        self._downloads: RouteFiles = website if website and not source.has_details else source
        self._files = files
        self._store = store
        self._report = report
        self._hosts = hosts
        self._wanted = wanted
        self._stored = stored
        # The other source may not list the same routes: the API has no starred ones of others.
        self._known = {
            route_id: one
            for route_id, one in stored.items()
            if one.listed_by(source.name) is not None and not plan.is_gone(one.own)
        }
        self._listed: dict[str, Route] = {}
        self._has_nameless = False
        self._lacks_scope = False
        self.is_whole = False

    def plan(self, ask: Ask) -> list[RouteWork]:
        """Return the listed routes that are new, changed or incomplete. Raises DiskError.

        Usually this costs one page: if it has all routes that are known, or is full and has nothing
        new, the others are requested only from time to time.
        """
        if not self._wanted.routes:
            return []
        works: list[RouteWork] = []
        pages = iter(self._source.fetch_routes())
        while page := self._next_page(ask, pages):
            found = self._works(page)
            works += found
            is_settled = len(page) >= _FULL_PAGE and not found
            if not self._wants_whole_list and (
                is_settled or self._known.keys() <= self._listed.keys()
            ):
                break
        self.is_whole = page == [] and not self._has_nameless
        if self.is_whole and self._is_due:
            self._mention_scope()
        return sorted(works, key=lambda work: work.route.id)

    def tasks(self, work: RouteWork) -> list[Task]:
        """Return the task that saves the listed record, with the download as its follow-up."""
        follow_ups = tuple(self._task(work, item) for item in work.missing)
        save = partial(self._save_listed, work, follow_ups)
        return [Task("listing", work.title, None, work.metadata, save)]

    def conclude(self) -> None:
        """Mark the routes that are missing from a complete list. Deletes nothing.

        None is marked if so many are missing that another cause is more likely. Raises DiskError.
        """
        gone = self._unlisted() if self.is_whole else {}
        if not gone:
            return
        is_plausible = self._wanted.full or not plan.are_too_many(len(gone), len(self._known))
        if not (self._listed and is_plausible):
            self._warn_of_too_many(gone)
            return
        for route_id, stored in gone.items():
            with self._report.guarding(f"route {route_id}"):
                path = stored.metadata or layout.metadata_path(stored.stem)
                self._store.note(path, partial(merge.with_gone, now=self._store.now()))
        _log.info("routes that Strava no longer lists, kept here: %s", first_of(sorted(gone)))

    @property
    def _is_due(self) -> bool:
        last = self._store.archive.marker.last_route_walk
        return self._wanted.full or plan.is_due(last, self._store.now())

    @property
    def _wants_whole_list(self) -> bool:
        today = self._store.now().date()
        lacks_some = (
            plan.lacks_route(one.own, self._wanted, today, is_stored=bool(one.files))
            for one in self._known.values()
        )
        return self._is_due or not self._known or any(lacks_some)

    def _next_page(self, ask: Ask, pages: Iterator[list[Any]]) -> list[Any] | None:
        """Return the next page of the list, empty at its end; None if a request failed."""

        def fetch() -> list[Any] | None:
            try:
                return next(pages, [])
            except errors.NotPermitted:
                self._warn_of_scope()
                return None

        return ask(self._hosts.source, "list of routes", fetch)

    def _works(self, page: list[Any]) -> list[RouteWork]:
        works = []
        for record in page:
            with self._report.guarding("list of routes"):
                works.append(self._work(self._add(record)))
        return [work for work in works if work.record is not None or work.missing]

    def _add(self, record: Any) -> Route:
        """Return the route in a record of the list. Raises ItemError without an id."""
        route = parse_route(record)
        if route is None:
            self._has_nameless = True
            raise errors.ItemError("a record of Strava's list has no route id and was skipped")
        self._listed[route.id] = route
        return route

    def _work(self, route: Route) -> RouteWork:
        stored = self._stored.get(route.id)
        stem = layout.route_stem(route.id)
        metadata = layout.metadata_path(stem)
        if stored and stored.problem:
            return RouteWork(route, stem, metadata, None, ())
        record, own = None, stored.own if stored else {}
        if self._wanted.full or plan.is_route_changed(route, stored, self._source.name):
            old = self._store.read(metadata) if stored and stored.metadata else None
            record = merge.route_record(route, old, self._source.name, self._store.now())
            own = record[OWN_KEY]
        lacks_gpx = plan.lacks_route(
            own,
            self._wanted,
            self._store.now().date(),
            is_stored=bool(stored and stored.files),
        )
        return RouteWork(route, stem, metadata, record, (ROUTE,) if lacks_gpx else ())

    def _task(self, work: RouteWork, item: str) -> Task:
        fetch, save = partial(self._fetch, work), partial(self._save, work)
        return Task(item, work.title, self._hosts.source, work.metadata, save, fetch)

    def _save_listed(
        self, work: RouteWork, follow_ups: tuple[Task, ...], task: Task, answer: None
    ) -> Result:
        fields = merge.route_history_fields
        if work.record is not None and self._store.save(work.metadata, work.record, fields):
            self._report.count_listed()
        return Result("", follow_ups)

    def _fetch(self, work: RouteWork) -> FetchedFile:
        is_private = self._source.has_details and work.route.record.get("private") is True
        if is_private and self._lacks_scope:
            raise errors.NotPermitted(_NO_SCOPE)
        try:
            return self._files.fetch(
                work.stem, partial(self._downloads.download_route, work.route.id)
            )
        except (errors.Blocked, errors.NotPermitted) as error:
            if not is_private:
                raise
            self._warn_of_scope()
            raise errors.NotPermitted(_NO_SCOPE) from error

    def _save(self, work: RouteWork, task: Task, fetched: FetchedFile) -> Result:
        # A changed route replaces the old one, which is copied to `history/` first.
        saved = self._files.save(
            task, fetched, work.stem, self._with_gpx, only=layout.ROUTE_SUFFIX, replaces=True
        )
        return Result(str(saved))

    def _with_gpx(self, own: Record, sent_name: str, suspicion: str | None, file: str) -> Record:
        return merge.with_route_gpx(own, sent_name, suspicion, file, self._store.now())

    def _unlisted(self) -> dict[str, Stored]:
        """Return the known routes that the list lacks, without those that it may hide."""
        missing = {key: one for key, one in self._known.items() if key not in self._listed}
        if not self._may_hide_private:
            return missing
        hidden = {key for key, one in missing.items() if self._is_private(one)}
        if hidden:
            self._warn_of_scope()
        return {key: one for key, one in missing.items() if key not in hidden}

    @property
    def _may_hide_private(self) -> bool:
        """Whether the list is the API's, which has no private routes without the scope read_all."""
        lists_private = any(route.record.get("private") for route in self._listed.values())
        return self._source.has_details and not lists_private

    def _mention_scope(self) -> None:
        # Nothing else shows whether the token has the scope, since the list is merely shorter.
        if self._listed and self._may_hide_private:
            _log.info(
                "none of the listed routes is private: if you have private ones, [api] "
                "refresh_token lacks the scope read_all (run strava-backup --authorize)"
            )

    def _is_private(self, stored: Stored) -> bool:
        record = stored.metadata and self._store.read(stored.metadata)
        return bool(record and record.get("private"))

    def _warn_of_scope(self) -> None:
        if not self._lacks_scope:
            self._lacks_scope = True
            _log.warning(_NO_SCOPE)

    def _warn_of_too_many(self, gone: dict[str, Stored]) -> None:
        _log.warning(
            "Strava no longer lists %s of the archive (%s): too many at once, so none is marked%s",
            count_of(len(gone), "route"),
            first_of(sorted(gone)),
            "; if you did delete them, run it once with --full" if self._listed else "",
        )
