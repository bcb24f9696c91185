"""The archive on disk: locks, scans and saves. Never overwrites an original, and deletes only its
own partial files. A route is replaced only after the old one was copied to `history/`.

The layout is a contract; docs/format.md specifies it.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, NamedTuple

from strava_backup import errors
from strava_backup.archive import checks, layout, pictures
from strava_backup.archive.atomic import (
    HEAD_SIZE,
    PartialFile,
    copy_stat,
    exists,
    save_bytes,
    sync_folder,
)
from strava_backup.archive.checksums import Checksums, Manifest, hash_file
from strava_backup.archive.metadata import (
    Fingerprints,
    Record,
    fingerprints,
    fitting,
    is_stored,
    is_what_strava_holds,
    lacks_original,
    read_for_scan,
    read_json,
    read_record,
    slimmed,
    to_json,
)
from strava_backup.archive.regular import NotAFile, follow_link, obstacle
from strava_backup.items import OWN_KEY

_log = logging.getLogger(__name__)

_NO_FILE = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EINVAL,
)

FORMAT = 1

# The values of photos that every scan reads.
_PHOTO_FIELDS = ("video_url",)

_MARKER_SHAPE = {
    "athlete_id": int,
    "failed": [int],
    "last_walk": str,
    "last_photo_walk": str,
    "last_route_walk": str,
    "surplus": int,
    "last_count": str,
    "uncounted": int,
    "last_complete_run": str,
    "delayed_since": str,
    "login_refused_at": float,
}


class DiskError(errors.Error):
    """The output folder cannot be read or written."""


@dataclass(frozen=True)
class Marker:
    """The content of `.strava-backup.json`. Losing it is harmless, except for the owner."""

    athlete_id: int | None = None
    failed: tuple[int, ...] = ()
    last_walk: str | None = None
    last_photo_walk: str | None = None
    last_route_walk: str | None = None
    surplus: int | None = None
    last_count: str | None = None
    uncounted: int | None = None
    last_complete_run: str | None = None
    delayed_since: str | None = None
    login_refused_at: float | None = None


class Stored(NamedTuple):
    """The stored files and metadata of one item, with paths relative to the root.

    The paths are text, since a `PurePosixPath` takes three times the memory and a scan would spend
    a tenth of its time on them; the properties `stem`, `files` and so on make paths of them.
    `file_texts` has the originals, the picture or the route; `video_texts` has the videos of a
    photo.
    `listed` has the `fingerprint` of the last listing record of each source, and `own` the values
    of our key as `slimmed` returns them, since ten thousand records are in memory. `problem` says
    why the metadata can be neither read nor replaced. `comments_text` is the file with an
    activity's comments and kudos. `fields` has the values of Strava's that the scan was asked for,
    and the address of the video of a photo.
    """

    stem_text: str = ""
    file_texts: tuple[str, ...] = ()
    metadata_text: str | None = None
    resource_state: int | None = None
    own: Record = {}  # noqa: RUF012  # never modified
    listed: Fingerprints = ()
    problem: str | None = None
    video_texts: tuple[str, ...] = ()
    comments_text: str | None = None
    fields: Record = {}  # noqa: RUF012  # never modified

    @property
    def stem(self) -> PurePosixPath:
        """The path of the item's files without their suffix."""
        return PurePosixPath(self.stem_text)

    @property
    def files(self) -> tuple[PurePosixPath, ...]:
        """The paths of the originals, the picture or the route."""
        return tuple(map(PurePosixPath, self.file_texts))

    @property
    def metadata(self) -> PurePosixPath | None:
        """The path of the metadata."""
        return None if self.metadata_text is None else PurePosixPath(self.metadata_text)

    @property
    def videos(self) -> tuple[PurePosixPath, ...]:
        """The paths of the videos of a photo."""
        return tuple(map(PurePosixPath, self.video_texts))

    @property
    def comments(self) -> PurePosixPath | None:
        """The path of an activity's comments and kudos."""
        return None if self.comments_text is None else PurePosixPath(self.comments_text)

    def listed_by(self, source: str) -> int | None:
        """The `fingerprint` of the last listing record of a source, None if there is none."""
        return dict(self.listed).get(source)

    @property
    def has_video_url(self) -> bool:
        """Whether the metadata of a photo has the address of a video."""
        url = self.fields.get("video_url")
        return isinstance(url, str) and url != ""

    @property
    def lacks_original(self) -> bool:
        """Whether the archive has no original of an activity."""
        return lacks_original(self.suffixes, self.own)

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes of an activity's stored originals, such as `.fit` or `.fit.gz`."""
        # Not by our stem: an older version may have given the activity's files two.
        return tuple(map(layout.suffix_of, self.file_texts))


_NOTHING = Stored()


class Inventory(NamedTuple):
    """All stored items by their keys, as `layout` defines them."""

    activities: dict[int, Stored]
    photos: dict[tuple[int, str], Stored]
    gear: dict[str, Stored]
    routes: dict[str, Stored] = {}  # noqa: RUF012  # never modified


class FileCheck(NamedTuple):
    """The result of checking a stored file: its SHA-256 in hex, and its damage if there is any.

    `digest` is empty if the file cannot be read, and `is_denied` is set if the permission is
    missing.
    """

    digest: str
    damage: str | None = None
    is_denied: bool = False


class Folder(NamedTuple):
    """A folder of the archive: the names of its files and of its other entries.

    `files` includes links to files and broken links. `others` has devices, pipes and sockets, and
    folders that are not part of the archive.
    """

    path: PurePosixPath
    files: list[str]
    others: list[str]


class Archive:
    """One output folder. The constructor does no I/O."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.marker = Marker()
        self.checksums = Checksums(root)
        self._marker_problem: str | None = None
        self._uncommitted: set[str] | None = None
        self._is_locked = False
        self._prefix = os.path.join(root, "")

    def check_exists(self) -> None:
        """Raise ConfigError unless there is an archive. Raises DiskError."""
        if not self.exists():
            raise errors.ConfigError(
                f"there is no archive in {self.root}: name the right folder with --output-dir; "
                "strava-backup makes one"
            )

    def exists(self) -> bool:
        """Return whether there is an archive. Raises DiskError."""
        with self._access_errors():
            if any(exists(self.root / name) for name in (layout.MARKER, layout.CHECKSUMS)):
                return True
        return os.path.isdir(self.root) and any(
            name is not None
            and (name.suffix == layout.META_SUFFIX or layout.has_usual_suffix(name))
            for section in layout.SECTIONS
            for name in map(layout.parse_name, self.paths(section))
        )

    def prepare(self, *, with_parents: bool) -> None:
        """Create the folder if it is missing. Raises DiskError.

        A configured folder is created without its parents: if they are missing, the disk is
        probably not mounted, and a backup must not be written to the mount point.
        """
        self._check_parent(with_parents)
        with _DiskErrors(f"cannot create the output folder {self.root}"):
            self.root.mkdir(parents=with_parents, exist_ok=True)

    def check_usable(self, *, with_parents: bool) -> Path:
        """Check, without writing anything, that `prepare` and saving can work. Raises DiskError.

        Returns the folder, or its first existing parent if it is missing.
        """
        self._check_parent(with_parents)
        with self._access_errors():
            place = next(one for one in (self.root, *self.root.parents) if exists(one))
            if not place.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
                raise DiskError(f"cannot write into {place}: {os.strerror(errno.EACCES)}")
        return place

    def _check_parent(self, with_parents: bool) -> None:
        with self._access_errors():
            can_be_made = exists(self.root) or with_parents or exists(self.root.parent)
        if not can_be_made:
            raise DiskError(
                f"cannot create {self.root}: {self.root.parent} does not exist. "
                "Mount the disk, or create the folder"
            )

    def _has_lock(self) -> bool:
        """Return whether the lock file exists, so that locking creates none. Raises DiskError."""
        with self._access_errors():
            return exists(self.root / layout.LOCK)

    def _access_errors(self) -> AbstractContextManager[None]:
        return _DiskErrors(f"cannot access {self.root}")

    @contextmanager
    def locked(self, *, is_reader: bool = False, creates: bool = True) -> Iterator[None]:
        """Lock the archive against other runs. Raises AnotherRun without waiting, DiskError.

        Without `creates`, an archive that has no lock file is not locked, so that nothing is
        written; no run is active in it.

        The operating system releases the lock when a run dies. If the file system has no locks
        (some network shares), the run continues without one. A reader also continues if it may not
        write to the folder.
        """
        path = self.root / layout.LOCK
        if not (creates or self._has_lock()):
            yield
            return
        problem = _lock_problem(path)
        if problem is not None:
            if not is_reader:
                text = "%s cannot be locked, continuing without a lock (%s is %s)"
                _log.warning(text, self.root, layout.LOCK, problem)
            yield
            return
        # Not at the top: --list needs no lock, and importing this would take 2 % of its time.
        import filelock

        # A soft lock (a file that exists) would have to be removed by hand after a crash.
        lock = filelock.FileLock(path, timeout=0, fallback_to_soft=False)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise errors.AnotherRun(
                f"another run is active in {self.root}: let it finish"
            ) from error
        except PermissionError as error:
            if not is_reader:
                raise DiskError(f"cannot write into {self.root}: {error.strerror}") from error
        except (OSError, NotImplementedError) as error:
            if not is_reader:
                text = "%s cannot be locked, continuing without a lock (%s)"
                _log.warning(text, self.root, error)
        self._is_locked = lock.is_locked
        try:
            yield
        finally:
            self._is_locked = False
            lock.release()

    def read_marker(self) -> None:
        """Read the marker, if there is one. Raises ConfigError for a newer format, DiskError."""
        path = self.root / layout.MARKER
        with _DiskErrors(f"cannot read {path}"):
            if not os.path.islink(path) and not exists(path):
                return
            try:
                values = read_json(path)
            except NotAFile as error:
                self._marker_problem = error.strerror
                return
        if values is None:
            _log.warning("%s is unreadable and counts as missing", path)
            return
        version = values.get("format")
        if type(version) is not int or version > FORMAT:
            raise errors.ConfigError(
                f"{self.root} was written by a newer strava-backup (format {version}): "
                "update strava-backup"
            )
        known = {name: values[name] for name in _MARKER_SHAPE.keys() & values.keys()}
        marker = fitting(known, _MARKER_SHAPE)
        for name in known.keys() - marker.keys():
            if known[name] is not None:
                _log.warning("%s: the value of %s has a wrong type and is ignored", path, name)
        self.marker = Marker(**{**marker, "failed": tuple(marker.get("failed", ()))})

    def check_owner(self, athlete_id: int) -> None:
        """Raise AccountMismatch if the marker names another athlete than the config's."""
        owner = self.marker.athlete_id
        if owner not in (None, athlete_id):
            raise errors.AccountMismatch(
                f"{self.root} is the archive of athlete {owner}, but the config belongs to athlete "
                f"{athlete_id}: set another output_dir for that athlete"
            )

    def save_marker(self, marker: Marker) -> None:
        """Save the marker if it changed, unless something else has its name. Raises DiskError."""
        if marker == self.marker:
            return
        if self._marker_problem is not None:
            self.marker = marker
            return
        path = self.root / layout.MARKER
        self.marker = marker
        with _DiskErrors(f"cannot write {path}"):
            try:
                save_bytes(path, to_json({"format": FORMAT, **asdict(marker)}))
            except NotAFile as error:
                self._marker_problem = f"not writable: {error.filename} is {error.strerror}"

    def scan(self, fields: tuple[str, ...] = (), *, with_listed: bool = True) -> Inventory:
        """Return the inventory of all stored items. Raises DiskError.

        A scan parses only the few values of metadata that it needs, if the file has our form; only
        `--verify` checks all of it. `fields` are further values of activities to read. Without
        `with_listed`, `Stored.listed` stays empty. Hidden names are skipped.
        """
        read = partial(self._with_metadata, with_listed=with_listed)
        with _DiskErrors(f"cannot read {self.root}"):
            return Inventory(
                self._scan_section(layout.ACTIVITIES, partial(read, fields=fields)),
                self._scan_section(layout.PHOTOS, partial(read, fields=_PHOTO_FIELDS)),
                self._scan_section(layout.GEAR, read),
                self._scan_section(layout.ROUTES, read),
            )

    def problems(self, inventory: Inventory | None = None) -> list[tuple[PurePosixPath, str]]:
        """Return the files of the archive that can be neither read nor replaced, and why.

        Without an inventory, only marker and manifest are considered.
        """
        tops = ((layout.MARKER, self._marker_problem), (layout.CHECKSUMS, self.checksums.problem))
        stored = (one for part in inventory or () for one in part.values())
        return [
            *((PurePosixPath(name), problem) for name, problem in tops if problem is not None),
            *((one.metadata, one.problem) for one in stored if one.problem and one.metadata),
        ]

    def paths(self, section: PurePosixPath) -> Iterator[PurePosixPath]:
        """Yield the paths of all files of a section, whatever their names. Raises DiskError."""
        with _DiskErrors(f"cannot read {self.root}"):
            for folder in self._folders(section):
                yield from map(folder.path.joinpath, folder.files)

    def obstacles(self, section: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
        """Yield the entries of a section that are neither files nor folders of the archive, and
        their types. Raises DiskError."""
        with _DiskErrors(f"cannot read {self.root}"):
            for folder in self._folders(section):
                for path in map(folder.path.joinpath, folder.others):
                    yield path, obstacle(self.root / path) or "unreadable"

    def leftovers(self) -> Iterator[PurePosixPath]:
        """Yield the partial files of runs that died or are still active. Raises DiskError."""
        with _DiskErrors(f"cannot read {self.root}"):
            top = [
                PurePosixPath(path.name)
                for path in sorted(self.root.glob(".*.part"))
                if path.is_symlink() or not path.is_dir()
            ]
            hidden = [
                folder.path / name
                for section in (*layout.SECTIONS, layout.HISTORY, layout.DAMAGED)
                for folder in self._folders(section)
                for name in folder.files
                if name.startswith(".")
            ]
        yield from filter(layout.is_partial, (*top, *hidden))

    def remove_leftovers(self) -> None:
        """Remove the partial files of runs that died. Raises DiskError.

        Does nothing without a lock, since they may belong to an active run, or if the folder has no
        owner yet, since they may belong to another program.
        """
        if not self._is_locked or self.marker.athlete_id is None:
            return
        for path in list(self.leftovers()):
            _log.debug("removing %s, a partial file of a run that died", path)
            with _DiskErrors(f"cannot remove {self.root / path}"):
                (self.root / path).unlink(missing_ok=True)

    def is_cut_off(self, path: PurePosixPath) -> bool:
        """Return whether a folder in the path is a broken link, perhaps to an unmounted disk."""
        folders = [self.root / folder for folder in path.parents]
        return any(folder.is_symlink() and not folder.exists() for folder in folders)

    def read_checksums(self) -> Manifest:
        """Return the content of SHA256SUMS. Raises DiskError, and ItemError if it is no file."""
        with _ItemErrors(f"cannot read {self.root / layout.CHECKSUMS}"):
            return self.checksums.read()

    def remove_checksums(self, paths: Collection[str]) -> None:
        """Remove lines from SHA256SUMS. Raises DiskError."""
        with _DiskErrors(f"cannot write {self.root / layout.CHECKSUMS}"):
            self.checksums.remove(paths)

    def check_stored(
        self, path: PurePosixPath, expected: Collection[str], own: Record
    ) -> FileCheck | None:
        """Return the check of an original or a picture; None if it is missing. Raises DiskError.

        A digest among the expected ones is enough; otherwise the rules of the type are checked.
        Damage that our key `own` notes as Strava's own is none.
        """
        with _DiskErrors(f"cannot read {self.root / path}"):
            try:
                digest = hash_file(self.root / path)
                damage = None if digest in expected else checks.damage(self.root / path)
                is_noted = damage is not None and is_what_strava_holds(own, damage)
                return FileCheck(digest, None if is_noted else damage)
            except NotAFile as error:
                return FileCheck("", error.strerror)
            except PermissionError as error:
                return FileCheck("", f"unreadable: {error.strerror}", is_denied=True)
            except OSError as error:
                if error.errno in _NO_FILE:
                    return None
                if error.errno == errno.EIO:
                    # The disk may be failing: check all other files instead of stopping here.
                    return FileCheck("", f"unreadable: {error.strerror}")
                raise

    def add_checksums(self, inventory: Inventory) -> list[tuple[PurePosixPath, str]]:
        """Repair SHA256SUMS, and add lines for stored files that have none and are intact.

        Returns the damaged files without a line, each with its damage. Raises DiskError.
        """
        with _DiskErrors(f"cannot write {self.root / layout.CHECKSUMS}"):
            self.checksums.mend()
            if self.checksums.problem is not None:
                return []
            stored = [
                *inventory.activities.values(),
                *inventory.photos.values(),
                *inventory.routes.values(),
            ]
            # Several digests come from a manual edit: reading the file shows the right one.
            doubtful = [
                (PurePosixPath(path), one.own)
                for one in stored
                for path in (*one.file_texts, *one.video_texts)
                if len(self.checksums.digests(path)) != 1
            ]
            if len(doubtful) > 1:
                _log.info("checking the %d stored files that have no checksum yet", len(doubtful))
            with self.checksums.grouped():
                checked = [(path, self._damage_or_listed(path, own)) for path, own in doubtful]
        return [(path, damage) for path, damage in checked if damage is not None]

    def read_record(self, path: PurePosixPath) -> Record | None:
        """Return the metadata at `path`; None if there is none, or no JSON object.

        Raises ItemError if the file cannot be read.
        """
        try:
            return read_record(self._place(path))
        except OSError as error:
            why = error.strerror or error
            raise errors.ItemError(f"{self.root / path} cannot be read ({why})") from error

    def save_record(self, path: PurePosixPath, record: Record, *, history: datetime | None) -> None:
        """Save metadata. If `history` is given, first copy the old file to `history/`.

        Raises DiskError, and ItemError like `partial_file`.
        """
        target = self._place(path)
        with _ItemErrors(f"cannot write {target}"):
            folder = self._make_folder(path)
            if history is not None and self._exists(path):
                self._copy(path, self._free_history_path(path, history))
            save_bytes(target, to_json(record), syncs_folder=False)
            self._commit(folder)

    @contextmanager
    def partial_file(
        self, stem: PurePosixPath, chunks: Iterable[bytes] = ()
    ) -> Iterator[PartialFile]:
        """Yield a partial file for that stem, with the chunks written to it.

        Raises DiskError, ItemError if something else is in place of a file or a folder, and any
        error of the iterable.
        """
        with (
            _ItemErrors(f"cannot write {self._place(stem)}"),
            PartialFile(self._make_folder(stem), stem.name) as partial_file,
        ):
            partial_file.write(chunks)
            yield partial_file

    def find_suspicion(self, partial_file: PartialFile, sent: str) -> str | None:
        """Return why a complete partial file, sent with the suffix `sent`, is suspicious, or None.

        Reads the whole file. Raises like `refuse_page`.
        """
        self.refuse_page(partial_file.head)
        return checks.find_suspicion(partial_file.path, sent, partial_file.head)

    def find_wrong_suffix(self, partial_file: PartialFile, sent: str) -> str | None:
        """Return how the first bytes of a partial file contradict the suffix `sent`, or None."""
        return checks.find_wrong_suffix(partial_file.path, sent, partial_file.head)

    def damage(self, partial_file: PartialFile, sent: str) -> str | None:
        """Return the rule of its type that a complete partial file breaks; None if it is intact.

        Reads the whole file. Raises like `refuse_page`.
        """
        self.refuse_page(partial_file.head)
        suffix = checks.proper_suffix(partial_file.path, sent, partial_file.head)
        return checks.damage(partial_file.path, suffix, partial_file.content)

    def refuse_page(self, start: bytes) -> None:
        """Raise ItemError for an empty file or a web page, which are never an original."""
        if not start:
            raise errors.ItemError("Strava sent an empty file", why="empty")
        if checks.looks_like_html(start[:HEAD_SIZE]):
            raise errors.PageInstead("Strava sent a web page instead of the file", why="a web page")

    def prepare_file(
        self,
        partial_file: PartialFile,
        stem: PurePosixPath,
        sent: str,
        only: str = "",
        history: datetime | None = None,
    ) -> PurePosixPath:
        """Return the final path of a complete file, fsynced and ready for `place_file`.

        `sent` is the suffix of the name that Strava sent; the content's magic number corrects it.
        With `only`, no other suffix is accepted. With `history`, a file that has the path is copied
        to `history/`, so that it can be replaced. Raises DiskError, and ItemError if another file
        has the path and may not be replaced.
        """
        with _ItemErrors(f"cannot write {self._place(stem)}"):
            suffix = checks.proper_suffix(partial_file.path, sent, partial_file.head)
            if only not in ("", suffix):
                raise errors.ItemError(f"Strava sent {suffix} in place of {only}")
            path, digest = stem.with_name(stem.name + suffix), partial_file.sha256
            if self._has_other_content(path, digest):
                if history is not None and (self.root / path).is_file():
                    self._copy(path, self._free_history_path(path, history))
                else:
                    self._check_free(path)
            # A picture or video that is fetched again may come in another format.
            kinds = (pictures.SUFFIXES, layout.VIDEO_SUFFIXES)
            suffixes = {one for kind in kinds if suffix in kind for one in kind} - {suffix}
            others = filter(self.checksums.digests, (f"{stem}{other}" for other in suffixes))
            self.checksums.make_room(path, digest, [one for one in others if not self._exists(one)])
            partial_file.finish()
            return path

    def place_file(
        self, partial_file: PartialFile, path: PurePosixPath, start: datetime | None = None
    ) -> None:
        """Rename a prepared file to its path. Raises DiskError, ItemError.

        An equal file that is already there stays. The file has a checksum after `add_checksum`. Its
        modification time is the `start` of its activity, if that is known.
        """
        place = self._place(path)
        with _ItemErrors(f"cannot write {place}"):
            if not self._has_content(path, partial_file.sha256):
                if start is not None:
                    partial_file.set_modified(start)
                partial_file.save_as(place, syncs_folder=False)

    def add_checksum(self, path: PurePosixPath, digest: str) -> None:
        """Add the line of a file to SHA256SUMS, and commit its rename. Raises DiskError."""
        with _DiskErrors(f"cannot write {self._place(layout.CHECKSUMS)}"):
            self.checksums.add(path, digest)

    def save_damaged(
        self, partial_file: PartialFile, stem: PurePosixPath, sent: str
    ) -> PurePosixPath:
        """Save a complete partial file in `damaged/`, and return its path. Raises DiskError.

        `stem` and `sent` are as for `save_file`. Equal bytes are saved only once.
        """
        suffix = checks.proper_suffix(partial_file.path, sent, partial_file.head)
        path = layout.DAMAGED / stem.with_name(stem.name + suffix)
        with _ItemErrors(f"cannot write {self.root / path}"):
            target = next(
                one
                for one in _numbered(path)
                if not os.path.lexists(self.root / one)
                or self._has_content(one, partial_file.sha256)
            )
            if not os.path.lexists(self.root / target):
                partial_file.finish()
                self._move(PurePosixPath(partial_file.path.relative_to(self.root)), target)
            return target

    def save_named(self, partial_file: PartialFile, path: PurePosixPath) -> None:
        """Give a complete partial file this name, without a check of its content or a checksum.

        Raises DiskError, ItemError.
        """
        self._check_free(path)
        partial_file.save_as(self._place(path), syncs_folder=False)
        self._commit(self._place(path.parent))

    @contextmanager
    def saving_many(self) -> Iterator[None]:
        """Commit and list the files that are saved in this context in batches. Raises DiskError.

        A power failure can undo the saves of a batch, which are then fetched again. No file is
        incomplete.
        """
        self._uncommitted = set()
        with _DiskErrors(f"cannot write into {self.root}"):
            try:
                with self.checksums.grouped():
                    yield
            finally:
                folders, self._uncommitted = self._uncommitted, None
                for folder in sorted(folders):
                    sync_folder(folder)

    def set_aside(self, path: PurePosixPath) -> PurePosixPath:
        """Move a damaged file to `damaged/`, and return its new path. Raises DiskError."""
        with _DiskErrors(f"cannot move {self.root / path}"):
            numbered = _numbered(layout.DAMAGED / path)
            target = next(one for one in numbered if not os.path.lexists(self.root / one))
            self._move(path, target)
            return target

    def _damage_or_listed(self, path: PurePosixPath, own: Record) -> str | None:
        """Check a file without exactly one checksum: return its damage, or add its line."""
        digests = self.checksums.digests(path)
        file_check = self.check_stored(path, digests, own)
        if file_check is None:
            return None
        if not file_check.digest:
            return file_check.damage
        if file_check.digest not in digests and digests:
            return "it differs from its checksums"
        if file_check.damage is not None:
            return file_check.damage
        self.checksums.make_room(path, file_check.digest)
        self.checksums.add(path, file_check.digest)
        return None

    def sha256(self, path: PurePosixPath) -> str | None:
        """Return the SHA-256 of a stored file, in hex; "" if it is not a regular file, and None if
        it is missing. Raises DiskError."""
        with _DiskErrors(f"cannot read {path}"):
            try:
                return hash_file(self.root / path)
            except NotAFile:
                return ""
            except FileNotFoundError:
                return None

    def _place(self, path: PurePosixPath | str) -> str:
        """Return the whole path as a string, since a Path takes ten times as long to build."""
        return f"{self._prefix}{path}"

    def _exists(self, path: PurePosixPath | str) -> bool:
        # Nearly always there is nothing. Otherwise the rules of pathlib for broken links hold.
        return os.path.lexists(self._place(path)) and (self.root / path).exists()

    def _has_content(self, path: PurePosixPath, digest: str) -> bool:
        is_file = os.path.lexists(self._place(path)) and (self.root / path).is_file()
        return is_file and self.sha256(path) == digest

    def _has_other_content(self, path: PurePosixPath, digest: str) -> bool:
        """Return whether a path is that of anything else than a file with this content."""
        return os.path.lexists(self._place(path)) and not self._has_content(path, digest)

    def _check_free(self, path: PurePosixPath) -> None:
        """Raise ItemError if the path exists."""
        place = self.root / path
        if os.path.lexists(place):
            found = obstacle(place)
            what = f"is {found}" if found else "exists already and is not overwritten"
            raise errors.ItemError(f"{place} {what}: move it away")

    def _commit(self, folder: str) -> None:
        """Commit the renames in a folder, now or at the end of `saving_many`."""
        if self._uncommitted is None:
            sync_folder(folder)
        else:
            self._uncommitted.add(folder)

    def _scan_section(
        self, section: PurePosixPath, read: Callable[[Stored, str], Stored]
    ) -> dict[Any, Stored]:
        found: dict[layout.Key, list[tuple[str, layout.FileName]]] = {}
        parse = layout.PARSERS[section.name]
        for folder in self._folders(section):
            # Anything under the name of metadata counts, since no metadata can be saved there.
            obstacles = [name for name in folder.others if name.endswith(layout.META_SUFFIX)]
            start = f"{folder.path}/"
            for file_name in (*folder.files, *obstacles):
                name = parse(file_name)
                if name is not None:
                    found.setdefault(name.key, []).append((start + file_name, name))
        # Popped one by one, since the parsed names take as much memory as the result.
        stored = ((key, _stored(found.pop(key), read)) for key in list(found))
        return {key: one for key, one in stored if one is not None}

    def _folders(self, section: PurePosixPath) -> Iterator[Folder]:
        """Yield the folders of a section, with sorted names.

        Links are followed, since years may be on another disk. A folder with several links to it is
        entered once.
        """
        entered: set[tuple[int, int]] = set()
        waiting = [section]
        while waiting:
            path = waiting.pop(0)
            try:
                status = os.stat(self.root / path)
                entries = os.scandir(self.root / path)
            except FileNotFoundError:
                continue
            with entries:
                if (status.st_dev, status.st_ino) not in entered:
                    entered.add((status.st_dev, status.st_ino))
                    folder, subfolders = _sorted_out(path, entries)
                    yield folder
                    waiting[:0] = subfolders

    def _with_metadata(
        self, stored: Stored, path: str, *, fields: tuple[str, ...] = (), with_listed: bool
    ) -> Stored:
        """Return an item with the values of this metadata in place of those it has."""
        try:
            place = f"{self.root}{os.sep}{path}"
            record = read_for_scan(place, fields, with_listed=with_listed)
        except OSError as error:
            return stored._replace(metadata_text=path, problem=error.strerror or str(error))
        if record is None:
            _log.warning("%s is unreadable and counts as missing", path)
            return stored if stored.metadata_text else stored._replace(metadata_text=path)
        own = record.get(OWN_KEY, {})
        return Stored(
            metadata_text=path,
            resource_state=record.get("resource_state"),
            own=slimmed(own),
            listed=fingerprints(own) if with_listed else (),
            problem=stored.problem,
            fields={name: record[name] for name in fields if name in record} or _NOTHING.fields,
        )

    def _make_folder(self, path: PurePosixPath) -> str:
        """Create the folder of a path if it is missing, and return its whole path."""
        folder = path.parent
        place = self._place(folder)
        if not os.path.isdir(place):
            # Not the root: if it vanished during a run, its disk was unmounted.
            for part in [*reversed(folder.parents), folder][1:]:
                if not (self.root / part).is_dir():
                    # Another thread may create it concurrently.
                    (self.root / part).mkdir(exist_ok=True)
                    sync_folder((self.root / part).parent)
        return place

    def _free_history_path(self, path: PurePosixPath, moment: datetime) -> PurePosixPath:
        """Return an unused path in `history/`: two changes can happen within one second."""
        target = layout.history_path(path, moment)
        while (self.root / target).exists():
            moment += timedelta(seconds=1)
            target = layout.history_path(path, moment)
        return target

    def _move(self, source: PurePosixPath, target: PurePosixPath) -> None:
        """Move a file of the archive to a path that does not exist yet."""
        self._make_folder(target)
        try:
            os.rename(self.root / source, self.root / target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # The years may be links to another disk.
            self._copy(source, target)
            os.unlink(self.root / source)
        sync_folder((self.root / target).parent)
        sync_folder((self.root / source).parent)

    def _copy(self, source: PurePosixPath, target: PurePosixPath) -> None:
        folder = self._make_folder(target)
        with (
            open(self.root / source, "rb", opener=follow_link) as old,
            PartialFile(folder, target.name) as partial_file,
        ):
            partial_file.write(iter(lambda: old.read(1 << 16), b""))
            copy_stat(self.root / source, partial_file.path)
            partial_file.save_as(self.root / target)


def _numbered(path: PurePosixPath) -> Iterator[PurePosixPath]:
    """Yield the path, and then the same path with `.2`, `.3` and so on appended."""
    names = itertools.chain([path.name], (f"{path.name}.{i}" for i in itertools.count(2)))
    return map(path.with_name, names)


def _stored(
    found: list[tuple[str, layout.FileName]], read: Callable[[Stored, str], Stored]
) -> Stored | None:
    """Return the item with these files, each with its path; None if all are other programs'."""
    stored = _NOTHING
    for path, name in found:
        if name.suffix == layout.META_SUFFIX:
            stored = read(stored, path)
    stem, comments = "", None
    files: list[str] = []
    videos: list[str] = []
    for path, name in found:
        is_metadata = name.suffix == layout.META_SUFFIX
        if layout.has_record_suffix(name) and not is_metadata:
            comments = path
        elif is_metadata or is_stored(name, stored.own):
            stem = stem or path.removesuffix(name.suffix)
            if not is_metadata:
                (videos if layout.is_video(name) else files).append(path)
    if not stem:
        return None
    return stored._replace(
        stem_text=stem,
        file_texts=tuple(files),
        video_texts=tuple(videos),
        comments_text=comments,
    )


def _sorted_out(
    path: PurePosixPath, entries: Iterable[os.DirEntry[str]]
) -> tuple[Folder, list[PurePosixPath]]:
    """Return a folder, and the paths of its subfolders that are part of the archive."""
    folder = Folder(path, [], [])
    subfolders = []
    for entry in sorted(entries, key=lambda entry: entry.name):
        if _may_be_file(entry):
            folder.files.append(entry.name)
        elif entry.is_dir() and layout.is_archive_folder(path / entry.name):
            subfolders.append(path / entry.name)
        else:
            folder.others.append(entry.name)
    return folder, subfolders


def _may_be_file(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a file, a link to one, or a broken link."""
    if entry.is_file(follow_symlinks=False):
        return True
    if not entry.is_symlink():
        return False
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return True


def _lock_problem(path: Path) -> str | None:
    """Return why a file must not be opened for the lock, which would truncate it, or None."""
    try:
        links = os.lstat(path).st_nlink
    except OSError:
        return None
    found = obstacle(path, follows_link=False)
    return found or ("a hard link" if links > 1 else None)


class _DiskErrors(AbstractContextManager[None]):
    """Raises DiskError instead of OSError. A class, since every file is saved in several of these,
    and a generator takes four times as long."""

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            raise DiskError(f"{self._doing}: {error.strerror or error}") from error


class _ItemErrors(_DiskErrors):
    """Raises ItemError if something else is in place of a file or a folder, else DiskError."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, NotAFile | IsADirectoryError | FileExistsError):
            path = error.filename2 or error.filename
            problem = error.strerror if isinstance(error, NotAFile) else "in the way"
            raise errors.ItemError(f"{path} is {problem}: move it away") from error
        super().__exit__(kind, error, traceback)
