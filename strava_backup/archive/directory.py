"""The archive on disk: lock, marker, scan, save. Never overwrites an original, and deletes nothing
but its own drafts.

Its layout is a contract, written down in docs/format.md.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import filelock

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
    OWN_KEY,
    Record,
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

_log = logging.getLogger(__name__)

_NO_FILE = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EINVAL,
)

FORMAT = 1

_MARKER_SHAPE = {
    "athlete_id": int,
    "failed": [int],
    "last_walk": str,
    "last_photo_walk": str,
    "surplus": int,
    "last_count": str,
    "uncounted": int,
    "last_complete_run": str,
    "login_refused_at": float,
}


class DiskError(errors.Error):
    """The output folder cannot be read or written."""


@dataclass(frozen=True)
class Marker:
    """What `.strava-backup.json` says. All but the owner may be lost without harm."""

    athlete_id: int | None = None
    failed: tuple[int, ...] = ()
    last_walk: str | None = None
    last_photo_walk: str | None = None
    surplus: int | None = None
    last_count: str | None = None
    uncounted: int | None = None
    last_complete_run: str | None = None
    login_refused_at: float | None = None


class Stored(NamedTuple):
    """What the archive has of one activity, photo or gear; paths are relative to the archive.

    `files` are the originals, or the picture; `videos` lie beside it. `listed` has the
    `fingerprint` of what each source listed last, `ours` the rest of our key but for the website's
    raw record: ten thousand records are held in memory. `problem` says why the metadata can be
    neither read nor replaced.
    """

    stem: PurePosixPath
    files: tuple[PurePosixPath, ...] = ()
    metadata: PurePosixPath | None = None
    resource_state: int | None = None
    own: Record = {}  # noqa: RUF012  # never changed in place
    listed: dict[str, int] = {}  # noqa: RUF012  # as above
    problem: str | None = None
    videos: tuple[PurePosixPath, ...] = ()

    @property
    def lacks_original(self) -> bool:
        """Whether no original of an activity is there."""
        return lacks_original(self.suffixes, self.own)

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes of an activity's held originals, such as `.fit` or `.fit.gz`."""
        # Not by our stem: an older version may have given the activity's files two.
        return tuple(layout.suffix_of(path.name) for path in self.files)


_NOTHING = Stored(PurePosixPath())


class Inventory(NamedTuple):
    """All that is held, by the keys of `layout`."""

    activities: dict[int, Stored]
    photos: dict[tuple[int, str], Stored]
    gear: dict[str, Stored]


class FileCheck(NamedTuple):
    """What a look at a held file shows: its SHA-256 in hex, and how it is damaged, if it is.

    Of a file that may not be read nothing is known but that.
    """

    digest: str
    damage: str | None = None
    is_denied: bool = False


class Folder(NamedTuple):
    """A folder of the archive: the names of its files, and of what is none.

    The files include links to files, and links that lead nowhere; the others are pipes and the
    like, and folders that are not the archive's.
    """

    path: PurePosixPath
    files: list[str]
    others: list[str]


class Archive:
    """One output folder. The constructor touches nothing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.marker = Marker()
        self.checksums = Checksums(root)
        self._marker_problem: str | None = None
        self._uncommitted: set[Path] | None = None
        self._is_locked = False

    def exists(self) -> bool:
        """Whether there is an archive. Raises DiskError."""
        with self._looking():
            if any(exists(self.root / name) for name in (layout.MARKER, layout.CHECKSUMS)):
                return True
        return os.path.isdir(self.root) and any(
            name is not None
            and (name.suffix == layout.META_SUFFIX or layout.has_usual_suffix(name))
            for section in layout.SECTIONS
            for name in map(layout.parse_name, self.paths(section))
        )

    def prepare(self, *, with_parents: bool) -> None:
        """Make the folder where it is missing. Raises DiskError.

        A configured folder is not made with its parents: where those are missing, a disk is most
        likely not mounted, and a backup must not go onto the mount point.
        """
        self._check_parent(with_parents)
        with _disk_errors(f"cannot make the output folder {self.root}"):
            self.root.mkdir(parents=with_parents, exist_ok=True)

    def check_usable(self, *, with_parents: bool) -> Path:
        """Whether `prepare` and saving will do, without writing anything. Raises DiskError.

        Returns the folder, or where it is missing the one in which it is to be made.
        """
        self._check_parent(with_parents)
        with self._looking():
            place = next(one for one in (self.root, *self.root.parents) if exists(one))
            if not place.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
                raise DiskError(f"cannot write into {place}: {os.strerror(errno.EACCES)}")
        return place

    def _check_parent(self, with_parents: bool) -> None:
        with self._looking():
            can_be_made = exists(self.root) or with_parents or exists(self.root.parent)
        if not can_be_made:
            raise DiskError(
                f"{self.root.parent} does not exist (is the disk mounted?): "
                f"cannot make {self.root.name} in it"
            )

    def has_lock(self) -> bool:
        """Whether there is a file to lock, so that locking writes nothing. Raises DiskError."""
        with self._looking():
            return exists(self.root / layout.LOCK)

    def _looking(self) -> AbstractContextManager[None]:
        return _disk_errors(f"cannot look at {self.root}")

    @contextmanager
    def locked(self, *, is_reader: bool = False) -> Iterator[None]:
        """Keep other runs out. Raises AnotherRun at once if one is at work, and DiskError.

        The operating system frees the lock when a run dies. Where it cannot lock (some network
        shares), the run goes on without; so does a reader where nothing can be written.
        """
        path = self.root / layout.LOCK
        problem = _lock_problem(path)
        if problem is not None:
            if not is_reader:
                text = "%s cannot be locked, going on without (%s is %s)"
                _log.warning(text, self.root, layout.LOCK, problem)
            yield
            return
        # A lock file that stays behind would need a human, so no fall-back to those.
        lock = filelock.FileLock(path, timeout=0, fallback_to_soft=False)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise errors.AnotherRun(
                f"another run is at work in {self.root}: let it finish"
            ) from error
        except PermissionError as error:
            if not is_reader:
                raise DiskError(f"cannot write into {self.root}: {error.strerror}") from error
        except (OSError, NotImplementedError) as error:
            if not is_reader:
                _log.warning("%s cannot be locked, going on without (%s)", self.root, error)
        self._is_locked = lock.is_locked
        try:
            yield
        finally:
            self._is_locked = False
            lock.release()

    def read_marker(self) -> None:
        """Take in the marker, if there is one. Raises ConfigError for a newer format, DiskError."""
        path = self.root / layout.MARKER
        with _disk_errors(f"cannot read {path}"):
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
                "update this one"
            )
        known = {name: values[name] for name in _MARKER_SHAPE.keys() & values.keys()}
        marker = fitting(known, _MARKER_SHAPE)
        for name in known.keys() - marker.keys():
            if known[name] is not None:
                _log.warning("%s: the value of %s is of a wrong type and is ignored", path, name)
        self.marker = Marker(**{**marker, "failed": tuple(marker.get("failed", ()))})

    def check_owner(self, athlete_id: int) -> None:
        """Raises AccountMismatch where the marker names another athlete than that of the config."""
        owner = self.marker.athlete_id
        if owner not in (None, athlete_id):
            raise errors.AccountMismatch(
                f"{self.root} is the archive of athlete {owner}, but the config belongs to athlete "
                f"{athlete_id}: choose another output_dir for that one"
            )

    def save_marker(self, marker: Marker) -> None:
        """Write the marker if it differs from the one there, and that is a file. Raises
        DiskError."""
        if marker == self.marker:
            return
        if self._marker_problem is not None:
            self.marker = marker
            return
        path = self.root / layout.MARKER
        self.marker = marker
        with _disk_errors(f"cannot write {path}"):
            try:
                save_bytes(path, to_json({"format": FORMAT, **asdict(marker)}))
            except NotAFile as error:
                self._marker_problem = f"not writable: {error.filename} is {error.strerror}"

    def scan(self) -> Inventory:
        """What is held. Raises DiskError.

        Of metadata only the few values that are needed are read, unless its form is another than
        ours; whether all of it is sound is for `--verify` to tell. Hidden names do not count.
        """
        with _disk_errors(f"cannot read {self.root}"):
            return Inventory(
                self._scan_section(layout.ACTIVITIES),
                self._scan_section(layout.PHOTOS),
                self._scan_section(layout.GEAR),
            )

    def problems(self, inventory: Inventory | None = None) -> list[tuple[PurePosixPath, str]]:
        """Files of our own that can be neither read nor replaced, and why.

        Without the inventory only those that say something of the whole archive.
        """
        tops = ((layout.MARKER, self._marker_problem), (layout.CHECKSUMS, self.checksums.problem))
        stored = (one for part in inventory or () for one in part.values())
        return [
            *((PurePosixPath(name), problem) for name, problem in tops if problem is not None),
            *((one.metadata, one.problem) for one in stored if one.metadata and one.problem),
        ]

    def paths(self, section: PurePosixPath) -> Iterator[PurePosixPath]:
        """All files of a room, whatever their names. Raises DiskError."""
        with _disk_errors(f"cannot read {self.root}"):
            for folder in self._folders(section):
                yield from map(folder.path.joinpath, folder.files)

    def obstacles(self, section: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
        """All in a room that is neither a file nor a folder of the archive, and what it is
        instead. Raises DiskError."""
        with _disk_errors(f"cannot read {self.root}"):
            for folder in self._folders(section):
                for path in map(folder.path.joinpath, folder.others):
                    yield path, obstacle(self.root / path) or "unreadable"

    def leftovers(self) -> Iterator[PurePosixPath]:
        """Drafts of runs that died, one at work aside. Raises DiskError."""
        with _disk_errors(f"cannot read {self.root}"):
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
        """Remove the drafts of runs that died. Raises DiskError.

        Where nothing could be locked they may be those of a run at work; and those in a folder
        without an owner may be no runs' of this program.
        """
        if not self._is_locked or self.marker.athlete_id is None:
            return
        for path in list(self.leftovers()):
            _log.debug("removing %s, left over by a run that died", path)
            with _disk_errors(f"cannot remove {self.root / path}"):
                (self.root / path).unlink(missing_ok=True)

    def is_cut_off(self, path: PurePosixPath) -> bool:
        """Whether a folder of the path is a link that leads nowhere, as to a disk not mounted."""
        folders = [self.root / folder for folder in path.parents]
        return any(folder.is_symlink() and not folder.exists() for folder in folders)

    def read_checksums(self) -> Manifest:
        """What SHA256SUMS says. Raises DiskError, and ItemError if it is no file."""
        with _item_errors(f"cannot read {self.root / layout.CHECKSUMS}"):
            return self.checksums.read()

    def remove_checksums(self, paths: Collection[str]) -> None:
        """Take lines out of SHA256SUMS. Raises DiskError."""
        with _disk_errors(f"cannot write {self.root / layout.CHECKSUMS}"):
            self.checksums.remove(paths)

    def check_stored(self, path: PurePosixPath, expected: Collection[str] = ()) -> FileCheck | None:
        """Read an original or a picture; None if there is none. Raises DiskError.

        By the rules of its kind it is checked only if its digest is not among those expected.
        """
        with _disk_errors(f"cannot read {self.root / path}"):
            try:
                digest = hash_file(self.root / path)
                damage = None if digest in expected else checks.damage(self.root / path)
                return FileCheck(digest, damage)
            except NotAFile as error:
                return FileCheck("", error.strerror)
            except PermissionError as error:
                return FileCheck("", f"unreadable: {error.strerror}", is_denied=True)
            except OSError as error:
                if error.errno in _NO_FILE:
                    return None
                if error.errno == errno.EIO:
                    # A disk that is going bad: all other files are worth reading more than ever.
                    return FileCheck("", f"unreadable: {error.strerror}")
                raise

    def add_checksums(self, inventory: Inventory) -> list[tuple[PurePosixPath, str]]:
        """Mend SHA256SUMS, and list the held files that have no line and are whole by their kind.

        Returns the others, and how each is damaged. Raises DiskError.
        """
        with _disk_errors(f"cannot write {self.root / layout.CHECKSUMS}"):
            self.checksums.mend()
            if self.checksums.problem is not None:
                return []
            stored = (*inventory.activities.values(), *inventory.photos.values())
            # More than one digest is somebody's edit: the file tells which of them is right.
            doubtful = [
                (path, one.own)
                for one in stored
                for path in (*one.files, *one.videos)
                if len(self.checksums.digests(path)) != 1
            ]
            if len(doubtful) > 1:
                _log.info("checking the %d held files that have no checksum yet", len(doubtful))
            with self.checksums.grouped():
                looks = [(path, self._damage_or_listed(path, own)) for path, own in doubtful]
        return [(path, damage) for path, damage in looks if damage is not None]

    def read_record(self, path: PurePosixPath) -> Record | None:
        """The metadata at `path`; None where there is none, or no JSON object.

        Raises ItemError if something is there that cannot be read.
        """
        try:
            return read_record(self.root / path)
        except OSError as error:
            why = error.strerror or error
            raise errors.ItemError(f"{self.root / path} cannot be read ({why})") from error

    def save_record(self, path: PurePosixPath, record: Record, *, history: datetime | None) -> None:
        """Write metadata; what was there is copied to `history/` if a moment is given for it.

        Raises DiskError, and ItemError as `draft`.
        """
        target = self.root / path
        with _item_errors(f"cannot write {target}"):
            self._make_folder(path.parent)
            if history is not None and target.exists():
                self._copy(path, self._free_history_path(path, history))
            save_bytes(target, to_json(record), syncs_folder=False)
            self._commit(target.parent)

    @contextmanager
    def partial_file(
        self, stem: PurePosixPath, chunks: Iterable[bytes] = ()
    ) -> Iterator[PartialFile]:
        """A draft of a file with that stem, into which the chunks are written.

        Raises DiskError, ItemError if something else stands in place of a file or a folder, and
        whatever the chunks raise.
        """
        with _item_errors(f"cannot write {self.root / stem}"):
            self._make_folder(stem.parent)
            with PartialFile(self.root / stem.parent, stem.name) as partial_file:
                partial_file.write(chunks)
                yield partial_file

    def find_suspicion(self, partial_file: PartialFile, sent: str) -> str | None:
        """What is odd about a complete draft whose name had the suffix `sent`, or None.

        The whole file is read. Raises as `refuse_page`.
        """
        self.refuse_page(partial_file.head)
        return checks.find_suspicion(partial_file.path, sent, partial_file.head)

    def find_wrong_suffix(self, partial_file: PartialFile, sent: str) -> str | None:
        """How the first bytes of a draft contradict the suffix `sent`; None if they do not."""
        return checks.find_wrong_suffix(partial_file.path, sent, partial_file.head)

    def damage(self, partial_file: PartialFile, sent: str) -> str | None:
        """How a complete draft breaks the rules of its kind; None if it does not.

        The whole file is read. Raises as `refuse_page`.
        """
        self.refuse_page(partial_file.head)
        suffix = checks.proper_suffix(partial_file.path, sent, partial_file.head)
        return checks.damage(partial_file.path, suffix, partial_file.content)

    def refuse_page(self, start: bytes) -> None:
        """Raises ItemError for a file that is never an original: one that starts with nothing at
        all, or is a web page."""
        if not start:
            raise errors.ItemError("Strava sent an empty file", why="empty")
        if checks.looks_like_html(start[:HEAD_SIZE]):
            raise errors.PageInstead("Strava sent a web page instead of the file", why="a web page")

    def prepare_file(
        self, partial_file: PartialFile, stem: PurePosixPath, sent: str, only: str = ""
    ) -> PurePosixPath:
        """Return the final path of a complete file, fsynced and ready for `place_file`.

        `sent` is the suffix of the name that Strava sent; the content's magic number corrects it.
        With `only`, no other suffix is accepted. Raises DiskError, and ItemError if another file
        has the path.
        """
        with _item_errors(f"cannot write {self.root / stem}"):
            suffix = checks.proper_suffix(partial_file.path, sent, partial_file.head)
            if only not in ("", suffix):
                raise errors.ItemError(f"Strava sent {suffix} in place of {only}")
            path = stem.with_name(stem.name + suffix)
            if not self._holds(path, partial_file.sha256):
                self._check_free(path)
            # A picture that is fetched again may come in another format.
            suffixes = set(pictures.SUFFIXES) - {suffix} if suffix in pictures.SUFFIXES else ()
            others = [stem.with_name(stem.name + other) for other in suffixes]
            gone = [other for other in others if not (self.root / other).exists()]
            self.checksums.make_room(path, partial_file.sha256, gone)
            partial_file.finish()
            return path

    def place_file(self, partial_file: PartialFile, path: PurePosixPath) -> None:
        """Rename a prepared file to its path. Raises DiskError, ItemError.

        An equal file that is already there stays. The file has a checksum after `add_checksum`.
        """
        with _item_errors(f"cannot write {self.root / path}"):
            if not self._holds(path, partial_file.sha256):
                partial_file.save_as(self.root / path, syncs_folder=False)

    def add_checksum(self, path: PurePosixPath, digest: str) -> None:
        """Add the line of a file to SHA256SUMS, and commit its rename. Raises DiskError."""
        with _disk_errors(f"cannot write {self.root / layout.CHECKSUMS}"):
            self.checksums.add(path, digest)

    def save_damaged(
        self, partial_file: PartialFile, stem: PurePosixPath, sent: str
    ) -> PurePosixPath:
        """Save a complete draft under `damaged/`, and return its path there. Raises DiskError.

        `stem` and `sent` are as for `save_file`. The same bytes are saved only once.
        """
        suffix = checks.proper_suffix(partial_file.path, sent, partial_file.head)
        path = layout.DAMAGED / stem.with_name(stem.name + suffix)
        with _item_errors(f"cannot write {self.root / path}"):
            target = next(
                one
                for one in _numbered(path)
                if not os.path.lexists(self.root / one) or self._holds(one, partial_file.sha256)
            )
            if not os.path.lexists(self.root / target):
                partial_file.finish()
                self._move(PurePosixPath(partial_file.path.relative_to(self.root)), target)
            return target

    def save_named(self, partial_file: PartialFile, path: PurePosixPath) -> None:
        """Give a complete draft this name, whatever it holds; it gets no checksum.

        Raises DiskError.
        """
        self._check_free(path)
        partial_file.save_as(self.root / path, syncs_folder=False)
        self._commit((self.root / path).parent)

    @contextmanager
    def saving_many(self) -> Iterator[None]:
        """Within it, what is saved is committed and listed many at a time. Raises DiskError.

        What a power cut undoes then has to be fetched again; nothing of it is half.
        """
        self._uncommitted = set()
        with _disk_errors(f"cannot write into {self.root}"):
            try:
                with self.checksums.grouped():
                    yield
            finally:
                folders, self._uncommitted = self._uncommitted, None
                for folder in sorted(folders):
                    sync_folder(folder)

    def set_aside(self, path: PurePosixPath) -> PurePosixPath:
        """Move a damaged file to `damaged/`, and return where it is now. Raises DiskError."""
        with _disk_errors(f"cannot move {self.root / path}"):
            numbered = _numbered(layout.DAMAGED / path)
            target = next(one for one in numbered if not os.path.lexists(self.root / one))
            self._move(path, target)
            return target

    def _damage_or_listed(self, path: PurePosixPath, own: Record) -> str | None:
        """The damage of a file without a sure checksum; where it has none it is listed."""
        digests = self.checksums.digests(path)
        file_check = self.check_stored(path, digests)
        if file_check is None:
            return None
        if not file_check.digest:
            return file_check.damage
        if file_check.digest not in digests and digests:
            return "it differs from its checksums"
        if file_check.damage is not None and not is_what_strava_holds(own, file_check.damage):
            return file_check.damage
        self.checksums.make_room(path, file_check.digest)
        self.checksums.add(path, file_check.digest)
        return None

    def sha256(self, path: PurePosixPath) -> str | None:
        """The SHA-256 of a held file, in hex, of anything else an empty text; None where there is
        nothing. Raises DiskError."""
        with _disk_errors(f"cannot read {path}"):
            try:
                return hash_file(self.root / path)
            except NotAFile:
                return ""
            except FileNotFoundError:
                return None

    def _holds(self, path: PurePosixPath, digest: str) -> bool:
        is_file = (self.root / path).is_file()
        return is_file and self.sha256(path) == digest

    def _check_free(self, path: PurePosixPath) -> None:
        """Raises ItemError if there is something at the path."""
        place = self.root / path
        if os.path.lexists(place):
            found = obstacle(place)
            what = f"is {found}" if found else "exists already and is not overwritten"
            raise errors.ItemError(f"{place} {what}: move it away")

    def _commit(self, folder: Path) -> None:
        """Commit the renames in a folder, now or with all others of `saving_many`."""
        if self._uncommitted is None:
            sync_folder(folder)
        else:
            self._uncommitted.add(folder)

    def _scan_section(self, section: PurePosixPath) -> dict[Any, Stored]:
        found: dict[layout.Key, list[tuple[PurePosixPath, layout.FileName]]] = {}
        parse = layout.PARSERS[section.name]
        for folder in self._folders(section):
            # Metadata counts as held though it is no file: nothing else can take its place.
            obstacles = [name for name in folder.others if name.endswith(layout.META_SUFFIX)]
            for name in map(parse, (*folder.files, *obstacles)):
                if name is not None:
                    found.setdefault(name.key, []).append((folder.path, name))
        # The parts of names take as much memory as what is made of them.
        stored = ((key, self._stored(found.pop(key))) for key in list(found))
        return {key: one for key, one in stored if one is not None}

    def _stored(self, files: list[tuple[PurePosixPath, layout.FileName]]) -> Stored | None:
        """What files of one key are, each with its folder; None if all are other programs'."""
        stored = _NOTHING
        for folder, name in files:
            if name.suffix == layout.META_SUFFIX:
                stored = self._with_metadata(stored, folder, name.stem + name.suffix)
        with_names = [
            (folder, name)
            for folder, name in files
            if name.suffix != layout.META_SUFFIX and is_stored(name, stored.own)
        ]
        if not with_names and stored.metadata is None:
            return None
        first = next(
            one for one in files if one[1].suffix == layout.META_SUFFIX or one in with_names
        )
        paths: dict[bool, list[PurePosixPath]] = {False: [], True: []}
        for folder, name in with_names:
            paths[layout.is_video(name)].append(folder / (name.stem + name.suffix))
        return stored._replace(
            stem=first[0] / first[1].stem, files=tuple(paths[False]), videos=tuple(paths[True])
        )

    def _folders(self, section: PurePosixPath) -> Iterator[Folder]:
        """A room's folders, with all names in order. Links are followed: years may have moved to
        another disk. A folder to which several links lead is entered once."""
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

    def _with_metadata(self, stored: Stored, folder: PurePosixPath, name: str) -> Stored:
        path = folder / name
        try:
            # Not by the path, which would keep its text.
            record = read_for_scan(f"{self.root}{os.sep}{folder}{os.sep}{name}")
        except OSError as error:
            return stored._replace(metadata=path, problem=error.strerror or str(error))
        if record is None:
            _log.warning("%s is unreadable and counts as missing", path)
            return stored if stored.metadata else stored._replace(metadata=path)
        own, listed = slimmed(record.get(OWN_KEY, {}))
        return stored._replace(
            metadata=path, resource_state=record.get("resource_state"), own=own, listed=listed
        )

    def _make_folder(self, folder: PurePosixPath) -> None:
        path = self.root / folder
        if not path.is_dir():
            # The root is not made here: where it vanished in the middle of a run, a disk did.
            for part in [*reversed(folder.parents), folder][1:]:
                if not (self.root / part).is_dir():
                    # Another lane may be as far.
                    (self.root / part).mkdir(exist_ok=True)
                    sync_folder((self.root / part).parent)

    def _free_history_path(self, path: PurePosixPath, moment: datetime) -> PurePosixPath:
        """Where history goes that overwrites none: two changes may fall into one second."""
        target = layout.history_path(path, moment)
        while (self.root / target).exists():
            moment += timedelta(seconds=1)
            target = layout.history_path(path, moment)
        return target

    def _move(self, source: PurePosixPath, target: PurePosixPath) -> None:
        """Give a file of the archive another path, where there is nothing yet."""
        self._make_folder(target.parent)
        try:
            os.rename(self.root / source, self.root / target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # Years may have moved to another disk and be links.
            self._copy(source, target)
            os.unlink(self.root / source)
        sync_folder((self.root / target).parent)
        sync_folder((self.root / source).parent)

    def _copy(self, source: PurePosixPath, target: PurePosixPath) -> None:
        self._make_folder(target.parent)
        with (
            open(self.root / source, "rb", opener=follow_link) as old,
            PartialFile((self.root / target).parent, target.name) as partial_file,
        ):
            partial_file.write(iter(lambda: old.read(1 << 16), b""))
            copy_stat(self.root / source, partial_file.path)
            partial_file.save_as(self.root / target)


def _numbered(path: PurePosixPath) -> Iterator[PurePosixPath]:
    """The path, and then those with `.2`, `.3` and so on behind the name."""
    names = itertools.chain([path.name], (f"{path.name}.{i}" for i in itertools.count(2)))
    return map(path.with_name, names)


def _sorted_out(
    path: PurePosixPath, entries: Iterable[os.DirEntry[str]]
) -> tuple[Folder, list[PurePosixPath]]:
    """A folder, and those in it that are the archive's, too."""
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
    """Whether it is a file, or a link that leads to one, or nowhere."""
    if entry.is_file(follow_symlinks=False):
        return True
    if not entry.is_symlink():
        return False
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return True


def _lock_problem(path: Path) -> str | None:
    """Why a file must not be opened for the lock, which would empty it."""
    try:
        links = os.lstat(path).st_nlink
    except OSError:
        return None
    found = obstacle(path, follows_link=False)
    return found or ("a file that has another name, too" if links > 1 else None)


@contextmanager
def _disk_errors(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(f"{doing}: {error.strerror or error}") from error


@contextmanager
def _item_errors(doing: str) -> Iterator[None]:
    """Raises ItemError if something else stands under a name that is needed, else DiskError."""
    with _disk_errors(doing):
        try:
            yield
        except (NotAFile, IsADirectoryError, FileExistsError) as error:
            where = error.filename2 or error.filename
            problem = error.strerror if isinstance(error, NotAFile) else "in the way"
            raise errors.ItemError(f"{where} is {problem}: move it away") from error
