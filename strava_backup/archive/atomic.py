"""A whole file under its final name, or nothing. Does not know what the files mean.

The order is that of careful backup programs: a hidden temporary file in the same folder, written,
fsynced, closed, renamed, and then the folder fsynced, which commits the rename
(https://man7.org/linux/man-pages/man2/fsync.2.html).
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from strava_backup.archive.regular import NotAFile

_log = logging.getLogger(__name__)

HEAD_SIZE = 1 << 10

# The answers of a file system that has no fsync; any other means that it failed.
_NO_FSYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)

# By the warning, the devices for which it has been given.
_warned: dict[str, set[int]] = {}


class PartialFile:
    """A file being written under the hidden name `.STEM.part`; leaving it unsaved removes it.

    The name is fixed, so that the next run replaces what a run that died left over, and hidden, so
    that a scan (also that of older versions) does not take it for a held file."""

    def __init__(self, folder: Path, stem: str, mode: int = 0o666) -> None:
        self.path = folder / f".{stem}.part"
        self.size = 0
        # The first bytes, which tell the kind: files are many, and opening one takes its time.
        self.head = b""
        self._mode = mode
        # All that was written if it was a single chunk, so that it need not be read to be checked.
        self.content: bytes | None = None
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._is_saved = False

    @property
    def sha256(self) -> str:
        """The SHA-256 of what has been written so far, in hex."""
        return self._hash.hexdigest()

    def __enter__(self) -> PartialFile:
        # Not mkstemp: its files are 0600 whatever the umask says.
        try:
            self._file = open(self.path, "xb", opener=self._open)
        except FileExistsError:
            if self.path.is_dir() and not self.path.is_symlink():
                text = "a folder, not a file"
                raise NotAFile(errno.EISDIR, text, str(self.path)) from None
            self.path.unlink()
            self._file = open(self.path, "xb", opener=self._open)
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
                self.path.unlink(missing_ok=True)

    def write(self, chunks: Iterable[bytes]) -> None:
        """Append the chunks. Raises OSError, and whatever the chunks themselves raise."""
        assert self._file is not None
        for chunk in chunks:
            self._file.write(chunk)
            self._hash.update(chunk)
            self.content = None if self.size else chunk
            if len(self.head) < HEAD_SIZE:
                self.head += chunk[: HEAD_SIZE - len(self.head)]
            self.size += len(chunk)
        self._file.flush()

    def finish(self) -> None:
        """Commit what was written, to which nothing can be added any more. Raises OSError."""
        if self._file is not None:
            self._file.flush()
            sync_file(self._file.fileno(), self.path.parent)
            self._close()

    def save_as(self, path: Path, *, syncs_folder: bool = True) -> None:
        """Make the draft the file `path`, replacing what is there. Raises OSError.

        Until the folder is fsynced, which may be left to the caller, a power cut undoes it.
        """
        self.finish()
        os.replace(self.path, path)
        self._is_saved = True
        if syncs_folder:
            sync_folder(path.parent)

    def _open(self, name: str, flags: int) -> int:
        return os.open(name, flags, self._mode)

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


def exists(path: Path) -> bool:
    """Returns whether there is a file or folder at `path`. Raises OSError if nobody can know.

    Path.exists depends on the version of Python: for a folder that must not be entered it raises
    or returns False, and for a loop of links or an impossible name it returns False.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    return True


def save_bytes(path: Path, data: bytes, mode: int = 0o666, *, syncs_folder: bool = True) -> None:
    """Write `data` to `path`, whole or not at all. Raises OSError."""
    with PartialFile(path.parent, path.name, mode) as partial_file:
        partial_file.write([data])
        partial_file.save_as(path, syncs_folder=syncs_folder)


def sync_file(descriptor: int, folder: Path) -> None:
    """Commit an open file in `folder`, or the folder itself. Raises OSError.

    If the file system has no fsync, warns once and goes on.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise
        warn_once(descriptor, "%s: this file system cannot fsync, going on without", folder)


def sync_folder(folder: Path) -> None:
    """Commit the renames in `folder`, as `sync_file` does. Windows opens no folders."""
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
    """Copy mode and times, if the file system and the files' owner allow it; else warn once."""
    try:
        shutil.copystat(source, target)
    except OSError:
        text = "%s: modes and times of files cannot be copied here, going on without"
        warn_once(target, text, target.parent)


def warn_once(file: int | Path, text: str, folder: Path) -> None:
    """Log a warning about a folder, once for each device. Raises OSError."""
    device = os.stat(file).st_dev
    devices = _warned.setdefault(text, set())
    if device not in devices:
        devices.add(device)
        _log.warning(text, folder)
