"""Atomic saving: a file under its final name is complete. Independent of the files' contents.

The steps are those of other backup programs: write a hidden temporary file in the same folder,
fsync, close and rename it, then fsync the folder, which commits the rename
(https://man7.org/linux/man-pages/man2/fsync.2.html).
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from io import FileIO
from pathlib import Path
from types import TracebackType

from strava_backup.archive.regular import NotAFile

_log = logging.getLogger(__name__)

HEAD_SIZE = 1 << 10

# The errors of a file system without fsync. Any other error means that fsync failed.
_NO_FSYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)

# The devices for which each warning has been logged.
_warned: dict[str, set[int]] = {}


class PartialFile:
    """A file that is written as `.STEM.part`, and removed on exit unless it was saved.

    The name is fixed, so that the next run replaces the partial file of a run that died. It is
    hidden, so that no scan, including those of older versions, counts it as a stored file.
    """

    def __init__(self, folder: str | Path, stem: str, mode: int = 0o666) -> None:
        self.size = 0
        # The first bytes show the file type. Keeping them avoids opening the file once more.
        self.head = b""
        self._folder = folder
        # A string, since a Path takes ten times as long to build.
        self._place = os.path.join(folder, f".{stem}.part")
        self._mode = mode
        # The content, if it was written as a single chunk: it can be checked without a read.
        self.content: bytes | None = None
        self._hash = hashlib.sha256()
        self._file: FileIO | None = None
        self._is_saved = False

    @cached_property
    def path(self) -> Path:
        """The path of the partial file."""
        return Path(self._place)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes written so far, in hex."""
        return self._hash.hexdigest()

    def __enter__(self) -> PartialFile:
        # Not mkstemp, which ignores the umask and makes files with mode 0600.
        try:
            self._file = self._create()
        except FileExistsError:
            if self.path.is_dir() and not self.path.is_symlink():
                text = "a folder, not a file"
                raise NotAFile(errno.EISDIR, text, self._place) from None
            os.unlink(self._place)
            self._file = self._create()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._close()
        finally:
            if not self._is_saved:
                with suppress(FileNotFoundError):
                    os.unlink(self._place)

    def write(self, chunks: Iterable[bytes]) -> None:
        """Append the chunks. Raises OSError, and any error of the iterable."""
        assert self._file is not None
        for chunk in chunks:
            left = memoryview(chunk)
            while left:
                left = left[self._file.write(left) :]
            self._hash.update(chunk)
            self.content = None if self.size else chunk
            if len(self.head) < HEAD_SIZE:
                self.head += chunk[: HEAD_SIZE - len(self.head)]
            self.size += len(chunk)

    def finish(self) -> None:
        """Fsync and close the file; nothing can be written afterwards. Raises OSError."""
        if self._file is not None:
            sync_file(self._file.fileno(), self._folder)
            self._close()

    def set_modified(self, moment: datetime) -> None:
        """Set the modification time of a finished file, if the file system can store it.

        Errors are ignored, since the time only helps other programs to sort files. Before
        `finish`, it would be lost: some network file systems set the time when a file is closed.
        """
        seconds = moment.timestamp()
        with suppress(OSError, OverflowError, ValueError):
            os.utime(self._place, (seconds, seconds))

    def save_as(self, path: str | Path, *, syncs_folder: bool = True) -> None:
        """Rename the partial file to `path`, replacing any file there. Raises OSError.

        A power failure can undo the rename until the folder is fsynced, by this method or by its
        caller.
        """
        self.finish()
        os.replace(self._place, path)
        self._is_saved = True
        if syncs_folder:
            sync_folder(Path(path).parent)

    def _create(self) -> FileIO:
        # Unbuffered: the chunks are large, and a buffer takes six more system calls per file.
        return open(self._place, "xb", buffering=0, opener=self._open)

    def _open(self, name: str, flags: int) -> int:
        return os.open(name, flags, self._mode)

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


def exists(path: str | Path) -> bool:
    """Return whether there is a file or folder at `path`. Raises OSError if that is unknown.

    Path.exists is no help. In a folder without permission it raises or returns False, depending on
    the version of Python; for a loop of links or an invalid name it returns False.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    return True


def save_bytes(
    path: str | Path, data: bytes, mode: int = 0o666, *, syncs_folder: bool = True
) -> None:
    """Save `data` as `path` atomically. Raises OSError."""
    with PartialFile(*os.path.split(path), mode) as partial_file:
        partial_file.write([data])
        partial_file.save_as(path, syncs_folder=syncs_folder)


def sync_file(descriptor: int, folder: str | Path) -> None:
    """Fsync an open file in `folder`, or the folder itself. Raises OSError.

    A file system without fsync is no error: a warning is logged once.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise
        warn_once(descriptor, "%s: this file system has no fsync, continuing without", folder)


def sync_folder(folder: str | Path) -> None:
    """Commit the renames in `folder`, except on Windows, which cannot open folders.

    Raises OSError.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        if os.name == "nt":
            return
        raise
    try:
        sync_file(descriptor, folder)
    finally:
        os.close(descriptor)


def copy_stat(source: Path, target: Path) -> None:
    """Copy mode and times. If that is not permitted or not supported, log a warning once."""
    try:
        shutil.copystat(source, target)
    except OSError:
        text = "%s: the modes and times of files cannot be copied, continuing without"
        warn_once(target, text, target.parent)


def warn_once(file: int | Path, text: str, folder: str | Path) -> None:
    """Log a warning about a folder once per device. Raises OSError."""
    device = os.stat(file).st_dev
    devices = _warned.setdefault(text, set())
    if device not in devices:
        devices.add(device)
        _log.warning(text, folder)
