"""The manifest `SHA256SUMS`: checksums of originals and photos, in the format of `sha256sum -c`.

Reads and writes only the manifest. The callers decide which files are listed.
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

# https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html: an asterisk
# marks binary mode, a backslash a name with escape sequences.
_LINE = re.compile(rb"(?P<escaped>\\?)(?P<digest>[0-9a-fA-F]{64}) [ *](?P<name>[^\0]+)")
_ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}
_ESCAPED = re.compile(rb"\\.?", re.DOTALL)
_TO_ESCAPE = re.compile(rb"[\\\n\r]")
_BOMS = re.compile(rb"(?:\xef\xbb\xbf)*")
# Without the lookbehind, a long run of CR without LF would take quadratic time.
_LINE_END = re.compile(rb"(?<!\r)\r+\n")

_BATCH = 256


class Manifest(NamedTuple):
    """The content of a manifest: digests (lower-case hex) by path, and the count of invalid lines.

    A path has several digests only if the manifest was edited by hand.
    """

    digests: dict[str, tuple[str, ...]]
    unknown: int = 0


def parse(text: bytes) -> Manifest:
    """Return the content of a manifest, which may have been edited by hand.

    A last line without a line feed is ignored.
    """
    # Dictionaries, since sets lose the order.
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


def format_line(path: PurePosixPath | str, digest: str) -> bytes:
    """Return a line as `sha256sum` prints it."""
    name = str(path).encode("utf-8", "surrogateescape")
    escaped = _TO_ESCAPE.sub(lambda match: _ESCAPE_OF[match[0]], name)
    return (b"\\" if escaped != name else b"") + digest.encode() + b"  " + escaped + b"\n"


def mended(text: bytes) -> bytes:
    """Return the manifest without an incomplete last line, byte order marks and CR line ends.

    A run that died or a full disk leaves an incomplete line. Editors on other systems add the marks
    and CRs, which `sha256sum` cannot read.
    """
    text = _LINE_END.sub(b"\n", _BOMS.sub(b"", text, count=1))
    return text[: text.rfind(b"\n") + 1]


def without(text: bytes, paths: Collection[str]) -> bytes:
    """Return the manifest without the lines of these paths; all other lines stay unchanged."""
    lines = mended(text).split(b"\n")
    return b"\n".join(line for line in lines if (_parse_line(line) or ("",))[0] not in paths)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hex. Raises OSError."""
    with open(path, "rb", buffering=0, opener=follow_link) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Checksums:
    """The manifest of one archive; several threads may add to it. Its methods raise OSError.

    If the manifest is not a regular file (a link, for example), it stays as it is, and `problem`
    says why.
    """

    def __init__(self, root: Path) -> None:
        self.problem: str | None = None
        self._root = root
        self._path = root / layout.CHECKSUMS
        self._known: dict[str, tuple[str, ...]] | None = None
        self._new: list[tuple[str, str]] = []
        self._added = 0
        self._adding = threading.Lock()
        self._batch = 1
        self._lock = threading.RLock()

    def read(self) -> Manifest:
        """Return the content of the manifest; an empty one if there is no file."""
        return parse(self._text())

    def mend(self) -> None:
        """Repair the manifest if the last run died while writing to it, and load it."""
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

    def digests(self, path: PurePosixPath | str) -> tuple[str, ...]:
        """Return the digests of a path: none if it has no line, several only after manual edits."""
        return self._lines().get(str(path), ())

    def make_room(
        self, path: PurePosixPath, digest: str, missing: Iterable[PurePosixPath | str] = ()
    ) -> None:
        """Remove the lines of `missing` files, and the one of `path` if its digest differs.

        Must be called before the new file gets its name. If the machine dies in between, a file
        lacks its line, which is harmless; a wrong line would make an intact file look damaged.
        """
        # Without the lock, which other threads keep during slow fsyncs. This is safe, since only
        # the thread that saves a file changes its line.
        stale = [str(one) for one in missing if self.digests(one)]
        stale += [str(path)] if self.digests(path) not in ((), (digest,)) else []
        if stale:
            self.remove(stale)

    def add(self, path: PurePosixPath, digest: str) -> None:
        """Add the line of a file that already has its final name."""
        with self._adding:
            self._new.append((str(path), digest))
            self._added += 1
            added, is_due = self._added, len(self._new) >= self._batch
        if is_due:
            self._list_first(added)

    @contextmanager
    def grouped(self) -> Iterator[None]:
        """Commit and list the files that are added in this context in batches."""
        self._batch = _BATCH
        try:
            yield
        finally:
            self._batch = 1
            self.flush()

    def flush(self) -> None:
        """Commit the names of the added files, and then append their lines."""
        self._list_first(self._added)

    def _list_first(self, count: int) -> None:
        """Commit and list at least the first `count` of all files that were ever added."""
        with self._lock:
            with self._adding:
                waiting = list(self._new)
                taken = len(waiting)
                is_done = self._added - taken >= count
            if is_done:
                return  # another thread has listed them
            for folder in sorted({os.path.dirname(path) for path, _ in waiting}):
                sync_folder(self._root / folder)
            known = self._lines()
            if self.problem is not None:
                waiting = []
            new = [one for one in dict.fromkeys(waiting) if known.get(one[0]) != (one[1],)]
            if new:
                self._append(b"".join(format_line(path, digest) for path, digest in new))
                known.update((path, (digest,)) for path, digest in new)
            with self._adding:
                del self._new[:taken]

    def remove(self, paths: Collection[str]) -> None:
        """Save the manifest without the lines of these paths."""
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
        # Unbuffered: after a failed write, closing the file would write the buffer again.
        with open(self._path, "ab", buffering=0, opener=refuse_link) as file:
            if os.fstat(file.fileno()).st_nlink > 1:
                # A hard link: the other name may belong to another program.
                save_bytes(self._path, self._text() + lines)
                return
            end = file.seek(0, os.SEEK_END)
            try:
                left = memoryview(lines)
                while left:
                    left = left[file.write(left) :]
                sync_file(file.fileno(), self._root)
            except BaseException:
                # The next line of this run would be joined to an incomplete line.
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
    # `find -exec sha256sum` prefixes every name with "./".
    return str(PurePosixPath(path)) if "./" in path else path, match["digest"].decode().lower()
