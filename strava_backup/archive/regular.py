"""Opens regular files only. Opening a pipe blocks, and reading from a device may never end."""

from __future__ import annotations

import errno
import os
import stat

_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)

# Far more than manifests and metadata need, and still small enough for memory.
_MOST_BYTES = 1 << 27

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotAFile(OSError):
    """A path is not that of a regular file; `strerror` names its type."""


def follow_link(name: str, flags: int) -> int:
    """An opener for `open` that also opens the file a link leads to. Raises NotAFile, OSError."""
    return _open(name, flags, follows_link=True)[0]


def refuse_link(name: str, flags: int) -> int:
    """An opener for `open` that opens no links. Raises NotAFile, OSError."""
    return _open(name, flags, follows_link=False)[0]


def read_whole(path: str | os.PathLike[str], *, follows_link: bool) -> bytes:
    """Return the content of a small file of ours. Raises NotAFile, also if it is large, OSError."""
    # `open` would make ten system calls instead of four, and a scan reads ten thousand files.
    descriptor, status = _open(os.fspath(path), os.O_RDONLY | _BINARY, follows_link=follows_link)
    try:
        if status.st_size > _MOST_BYTES:
            raise NotAFile(errno.EFBIG, "too large", os.fspath(path))
        content = os.read(descriptor, status.st_size + 1)
        while len(content) < status.st_size and (more := os.read(descriptor, status.st_size)):
            content += more
        return content
    finally:
        os.close(descriptor)


def obstacle(path: str | os.PathLike[str], *, follows_link: bool = True) -> str | None:
    """Return the type of anything at the path that is not a file; None if it is one or missing."""
    try:
        return _obstacle(os.stat(path, follow_symlinks=follows_link).st_mode)
    except OSError:
        return None


def _open(name: str, flags: int, *, follows_link: bool) -> tuple[int, os.stat_result]:
    try:
        descriptor = os.open(name, flags | _FLAGS | (0 if follows_link else _NO_LINK), 0o666)
    except OSError as error:
        found = obstacle(name, follows_link=follows_link)
        if found is not None:
            raise NotAFile(error.errno, found, name) from error
        raise
    status = os.fstat(descriptor)
    found = _obstacle(status.st_mode)
    if found is not None:
        os.close(descriptor)
        raise NotAFile(0, found, name)
    return descriptor, status


def _obstacle(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    return f"{_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a file"
