"""Opens regular files only, whatever stands under their names.

Opening a pipe would wait for its other end, and reading a device may never end.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)

# Far more than any list or metadata needs, and still not too much for the memory.
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
    """Something else stands in place of a regular file; `strerror` says what."""


def follow_link(name: str, flags: int) -> int:
    """An opener for `open` that also opens the file a link leads to. Raises NotAFile, OSError."""
    return _open(name, flags, follows_link=True)


def refuse_link(name: str, flags: int) -> int:
    """An opener for `open` that opens no links. Raises NotAFile, OSError."""
    return _open(name, flags, follows_link=False)


def read_whole(path: str | os.PathLike[str], opener: Callable[[str, int], int]) -> bytes:
    """The content of a file of ours that is small. Raises NotAFile, also if it is not, OSError."""
    with open(path, "rb", buffering=0, opener=opener) as file:
        if os.fstat(file.fileno()).st_size > _MOST_BYTES:
            raise NotAFile(errno.EFBIG, "too large", os.fspath(path))
        return file.read()


def obstacle(path: str | os.PathLike[str], *, follows_link: bool = True) -> str | None:
    """What stands at the path in place of a file; None if it is a file, or there is none."""
    try:
        return _obstacle(os.stat(path, follow_symlinks=follows_link).st_mode)
    except OSError:
        return None


def _open(name: str, flags: int, *, follows_link: bool) -> int:
    try:
        descriptor = os.open(name, flags | _FLAGS | (0 if follows_link else _NO_LINK), 0o666)
    except OSError as error:
        found = obstacle(name, follows_link=follows_link)
        if found is not None:
            raise NotAFile(error.errno, found, name) from error
        raise
    found = _obstacle(os.fstat(descriptor).st_mode)
    if found is not None:
        os.close(descriptor)
        raise NotAFile(0, found, name)
    return descriptor


def _obstacle(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    return f"{_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a file"
