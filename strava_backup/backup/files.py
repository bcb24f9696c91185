"""Fetches originals, pictures and routes, and saves each with a note in its metadata."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import chain, islice
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import NamedTuple, Protocol

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.archive.atomic import HEAD_SIZE, PartialFile
from strava_backup.archive.directory import Archive, DiskError
from strava_backup.backup.tasks import FetchAgain, Task
from strava_backup.items import OWN_KEY
from strava_backup.records.store import RecordStore
from strava_backup.report import Report, format_size
from strava_backup.strava.records import Record

_log = logging.getLogger(__name__)

_DOWNLOAD_ATTEMPTS = 3
# A chunk has at most 16 kB. A body of fewer chunks stays in memory until a writer saves it.
_CHUNKS_IN_MEMORY = 8


class Answer(Protocol):
    """A download: the file name sent by Strava, and the chunks of the body."""

    @property
    def sent_name(self) -> str: ...

    @property
    def chunks(self) -> Iterator[bytes]: ...


Download = Callable[[], AbstractContextManager[Answer]]


class Note(Protocol):
    """Returns our key for a saved file.

    `sent_name` is the name sent by Strava, `suspicion` the reason if the file is suspicious, and
    `file` the name in the archive.
    """

    def __call__(self, own: Record, sent_name: str, suspicion: str | None, file: str) -> Record: ...


class FetchedFile:
    """A complete download: a small file in memory, a large one in its partial file.

    A large body is written while it is fetched, so that memory stays bounded.
    """

    def __init__(
        self,
        sent_name: str,
        stem: PurePosixPath,
        body: list[bytes] | PartialFile,
        stack: ExitStack,
    ) -> None:
        self.sent_name = sent_name
        self._stem = stem
        self._body = body
        self._stack = stack

    @contextmanager
    def partial_file(self, archive: Archive) -> Iterator[PartialFile]:
        """Yield the complete file under its temporary name. Raises DiskError, ItemError."""
        if isinstance(self._body, PartialFile):
            yield self._body
        else:
            with archive.partial_file(self._stem, self._body) as partial_file:
                yield partial_file

    def close(self) -> None:
        """Remove the partial file of a large body, unless it was saved."""
        self._stack.close()


class SavedFile(NamedTuple):
    """A saved file; `same_as` is the id of a stored file that has the same content, if any."""

    suffix: str
    size: int
    same_as: str | None = None

    def __str__(self) -> str:
        return f"{self.suffix} {format_size(self.size)}"


class Files:
    """Fetches and saves the files of a run."""

    def __init__(self, store: RecordStore, report: Report) -> None:
        self._store = store
        self._archive = store.archive
        self._report = report

    def fetch(self, stem: PurePosixPath, download: Download) -> FetchedFile:
        """Return a complete download, after up to three attempts if its body is cut short.

        `stem` names its partial file, which no other download may use concurrently.
        Raises ItemError, also for a web page in place of a file, and the download's errors.
        """
        for _ in range(_DOWNLOAD_ATTEMPTS - 1):
            with suppress(errors.CutShort):
                return self._fetch_once(stem, download)
        return self._fetch_once(stem, download)

    def save(
        self,
        task: Task,
        fetched: FetchedFile,
        stem: PurePosixPath,
        note: Note,
        only: str = "",
        stored: Mapping[str, str] = MappingProxyType({}),
        *,
        replaces: bool = False,
    ) -> SavedFile:
        """Check a fetched file, record it in the task's metadata, and give it its final name.

        With `only`, a suffix, a file of another kind is refused. `stored` maps the SHA-256 of files
        that are not saved again to their ids. With `replaces`, an older file of that name is copied
        to `history/` and replaced. A suspicious file is saved only if a second download is
        identical. Raises FetchAgain for the first copy, DiskError and ItemError.
        """
        with fetched.partial_file(self._archive) as partial_file:
            digest = partial_file.sha256
            if digest in stored:
                return SavedFile("", partial_file.size, stored[digest])
            sent = layout.sent_suffix(fetched.sent_name)
            suspicion = self._archive.find_suspicion(partial_file, sent)
            if task.first_sha256 not in ("", digest):
                raise errors.ItemError("it was damaged, and differently in a second download")
            if suspicion is not None and not task.first_sha256:
                raise FetchAgain(digest)
            history = self._store.now() if replaces else None
            path = self._archive.prepare_file(partial_file, stem, sent, only, history)

            def add_note(own: Record) -> Record:
                return note(own, fetched.sent_name, suspicion, path.name)

            if replaces:
                # A note without its file would make the next run accept the older file.
                self._archive.place_file(partial_file, path, task.start)
                self._archive.add_checksum(path, digest)
                self._store.note(task.metadata, add_note)
            else:
                self._place(partial_file, path, task, add_note)
                self._archive.add_checksum(path, digest)
        self._report.count(task.item, partial_file.size)
        if suspicion:
            _log.warning("%s: the %s is suspicious: %s", task.title, task.item, suspicion)
        return SavedFile(path.name.removeprefix(stem.name), partial_file.size)

    def _fetch_once(self, stem: PurePosixPath, download: Download) -> FetchedFile:
        with ExitStack() as stack, download() as answer:
            start = list(islice(answer.chunks, _CHUNKS_IN_MEMORY))
            head = b"".join(chunk[:HEAD_SIZE] for chunk in start)
            body: list[bytes] | PartialFile = start
            if len(start) == _CHUNKS_IN_MEMORY:
                chunks = chain(start, answer.chunks)
                del start  # or it stays in memory during the whole download
                body = stack.enter_context(self._archive.partial_file(stem, chunks))
                head = body.head
            self._archive.refuse_page(head)
            return FetchedFile(answer.sent_name, stem, body, stack.pop_all())

    def _place(
        self,
        partial_file: PartialFile,
        path: PurePosixPath,
        task: Task,
        add_note: Callable[[Record], Record],
    ) -> None:
        """Record a file in its metadata, then rename it; undo the note if renaming fails.

        If the rename came first, a run that is killed in between would leave a suspicious file
        without a note that Strava's copy is the same. A note without a file only makes the next
        run fetch the file again.
        """
        metadata = task.metadata
        with self._store.editing(metadata):
            old = self._store.read(metadata)
            own = (old or {}).get(OWN_KEY, {})
            new = {**(old or {}), OWN_KEY: add_note(own)}
            self._store.replace(metadata, old, new)
            try:
                self._archive.place_file(partial_file, path, task.start)
            except BaseException:
                # This may fail too if the disk is full or disconnected.
                with suppress(DiskError, errors.ItemError):
                    self._store.replace(metadata, new, {**(old or {}), OWN_KEY: own})
                raise
