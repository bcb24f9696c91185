"""`SHA256SUMS`, which `sha256sum -c` reads: the checksums of originals and photos.

Reads and writes that one file. Whether a file deserves a line is for its callers to know.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from strava_backup.archive import layout
from strava_backup.archive.atomic import save_bytes, sync_file, sync_folder
from strava_backup.archive.regular import NotAFile, follow_link, read_whole, refuse_link

# https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html: the asterisk
# marks binary mode, the backslash a name with escapes in it.
_LINE = re.compile(rb"(?P<escaped>\\?)(?P<digest>[0-9a-fA-F]{64}) [ *](?P<name>[^\0]+)")
_ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}
_ESCAPED = re.compile(rb"\\.?", re.DOTALL)
_TO_ESCAPE = re.compile(rb"[\\\n\r]")
_BOMS = re.compile(rb"(?:\xef\xbb\xbf)*")
# Without the look behind, a run of CR without LF would be scanned from each of its bytes.
_LINE_END = re.compile(rb"(?<!\r)\r+\n")

_BATCH = 256


class Manifest(NamedTuple):
    """What a list says: the digests (lower-case hex) by path, and how many lines say nothing.

    A path has several digests only where somebody edited the list.
    """

    digests: dict[str, tuple[str, ...]]
    unknown: int = 0


def parse(text: bytes) -> Manifest:
    """Read a list, also one that was edited by hand; a last line without its end does not count."""
    # Dictionaries in place of sets keep the order.
    digests: dict[str, dict[str, None]] = {}
    unknown = 0
    for line in mended(text).split(b"\n"):
        entry = _parse_line(line)
        if entry is not None:
            path, digest = entry
            digests.setdefault(path, {})[digest] = None
        elif line.strip() and not line.startswith(b"#"):
            unknown += 1
    return Manifest({path: tuple(found) for path, found in digests.items()}, unknown)


def format_line(path: PurePosixPath, digest: str) -> bytes:
    """A line as `sha256sum` prints it."""
    name = str(path).encode("utf-8", "surrogateescape")
    escaped = _TO_ESCAPE.sub(lambda match: _ESCAPE_OF[match[0]], name)
    return (b"\\" if escaped != name else b"") + digest.encode() + b"  " + escaped + b"\n"


def mended(text: bytes) -> bytes:
    """The list without its last line if that has no end: a run died over it, or the disk was full.

    What editors of other systems add is taken away, since `sha256sum` stumbles over it.
    """
    text = _LINE_END.sub(b"\n", _BOMS.sub(b"", text, count=1))
    return text[: text.rfind(b"\n") + 1]


def without(text: bytes, paths: Collection[str]) -> bytes:
    """The list without the lines of these paths; all others stay as they are."""
    lines = mended(text).split(b"\n")
    return b"\n".join(line for line in lines if (_parse_line(line) or ("",))[0] not in paths)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hex. Raises OSError."""
    with open(path, "rb", buffering=0, opener=follow_link) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Checksums:
    """The list of one archive; several threads may add to it. Its methods raise OSError.

    A list that is no file, such as a link, is left as it is, and `problem` says what it is.
    """

    def __init__(self, root: Path) -> None:
        self.problem: str | None = None
        self._root = root
        self._path = root / layout.CHECKSUMS
        self._known: dict[str, tuple[str, ...]] | None = None
        self._new: list[tuple[PurePosixPath, str]] = []
        self._added = 0
        self._adding = threading.Lock()
        self._batch = 1
        self._lock = threading.RLock()

    def read(self) -> Manifest:
        """What the list says; nothing where there is none."""
        return parse(self._text())

    def mend(self) -> None:
        """Make the list whole, should the last run have died over it, and remember what it says."""
        with self._lock:
            try:
                text = self._text()
                whole = mended(text)
                if whole != text:
                    save_bytes(self._path, whole)
            except NotAFile as error:
                self.problem, self._known = f"{error.filename} is {error.strerror}", {}
                return
            self._known = parse(whole).digests

    def digests(self, path: PurePosixPath) -> tuple[str, ...]:
        """The digests of a path: one, or none where it has no line yet."""
        return self._lines().get(str(path), ())

    def make_room(
        self, path: PurePosixPath, digest: str, gone: Iterable[PurePosixPath] = ()
    ) -> None:
        """Take out lines that a new file would not match or that it replaces: theirs is gone.

        Called before the new file gets its name: should the machine die in between, a file without
        a line is no harm, while a wrong line makes a sound file look damaged.
        """
        # Without the lock: only who saves a file touches its line, and others' fsyncs take long.
        stale = [str(one) for one in gone if self.digests(one)]
        stale += [str(path)] if self.digests(path) not in ((), (digest,)) else []
        if stale:
            self.remove(stale)

    def add(self, path: PurePosixPath, digest: str) -> None:
        """List a file that has its final name by now."""
        with self._adding:
            self._new.append((path, digest))
            self._added += 1
            added, is_due = self._added, len(self._new) >= self._batch
        if is_due:
            self._list_first(added)

    @contextmanager
    def grouped(self) -> Iterator[None]:
        """Within it, files are committed and listed many at a time."""
        self._batch = _BATCH
        try:
            yield
        finally:
            self._batch = 1
            self.flush()

    def flush(self) -> None:
        """Commit the names of the files that were added, and then append their lines."""
        self._list_first(self._added)

    def _list_first(self, count: int) -> None:
        """See to it that so many of all the files that were ever added are committed and listed."""
        with self._lock:
            with self._adding:
                waiting = list(self._new)
                taken = len(waiting)
                is_done = self._added - taken >= count
            if is_done:
                return  # another thread has taken them along
            for folder in sorted({path.parent for path, _ in waiting}):
                sync_folder(self._root / folder)
            known = self._lines()
            if self.problem is not None:
                waiting = []
            new = [one for one in dict.fromkeys(waiting) if known.get(str(one[0])) != (one[1],)]
            if new:
                self._append(b"".join(format_line(path, digest) for path, digest in new))
                known.update((str(path), (digest,)) for path, digest in new)
            with self._adding:
                del self._new[:taken]

    def remove(self, paths: Collection[str]) -> None:
        """Write the list without the lines of these paths."""
        with self._lock:
            known = self._lines()
            if self.problem is not None:
                return
            save_bytes(self._path, without(self._text(), frozenset(paths)))
            for path in paths:
                known.pop(path, None)

    def _lines(self) -> dict[str, tuple[str, ...]]:
        if self._known is None:
            self.mend()
        assert self._known is not None
        return self._known

    def _text(self) -> bytes:
        try:
            return read_whole(self._path, follows_link=False)
        except FileNotFoundError:
            return b""

    def _append(self, lines: bytes) -> None:
        is_first = not self._path.exists()
        # Unbuffered: what is buffered would be written once more when the file is closed.
        with open(self._path, "ab", buffering=0, opener=refuse_link) as file:
            if os.fstat(file.fileno()).st_nlink > 1:
                # Its other name may be that of somebody else's file.
                save_bytes(self._path, self._text() + lines)
                return
            end = file.seek(0, os.SEEK_END)
            try:
                left = memoryview(lines)
                while left:
                    left = left[file.write(left) :]
                sync_file(file.fileno(), self._root)
            except BaseException:
                # Half a line would spoil the next one of this run.
                file.truncate(end)
                raise
        if is_first:
            sync_folder(self._root)


_ESCAPE_OF = {char: escape for escape, char in _ESCAPES.items()}


def _parse_line(line: bytes) -> tuple[str, str] | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    name = match["name"]
    if match["escaped"]:
        if any(found not in _ESCAPES for found in _ESCAPED.findall(name)):
            return None
        name = _ESCAPED.sub(lambda found: _ESCAPES[found[0]], name)
    path = name.decode("utf-8", "surrogateescape")
    # `find -exec sha256sum` puts "./" before every name.
    return str(PurePosixPath(path)) if "./" in path else path, match["digest"].decode().lower()
