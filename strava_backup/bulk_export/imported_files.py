"""Reads the files of imported bulk exports that the archive keeps in `bulk_export/`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from strava_backup import errors
from strava_backup.archive import layout
from strava_backup.archive.regular import follow_link
from strava_backup.bulk_export import export_file, rows

_CHUNK = 1 << 16


class ImportedFiles:
    """The files of all imports by their names, the newest of each name. Raises DiskError.

    The names are those in the archive, in which unsafe characters are replaced.
    """

    def __init__(self, root: Path) -> None:
        self.names: dict[str, Path] = {}
        self._tables: list[Path] = []
        for folder in _folders(root / layout.BULK_EXPORT):
            files = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
            self.names |= files
            if export_file.TABLE in files:
                self._tables.append(files[export_file.TABLE])

    def find(self, name: str) -> Path | None:
        """Return the path of a file of that name in an export; None if it is not stored."""
        stored = layout.export_path("", export_file.storable(name)).relative_to(layout.BULK_EXPORT)
        return self.names.get(stored.as_posix())

    def read_tables(self) -> Iterator[rows.Table]:
        """Yield all imported tables of activities; those without a readable header are skipped."""
        for path in self._tables:
            try:
                found = rows.parse_table(self._lines(path))
            except errors.ItemError:
                continue  # its cells are then not used
            yield found

    def read_rows(self, name: str) -> list[list[str]]:
        """Return the rows of a table, without its header. Raises ItemError."""
        path = self.names.get(name)
        if path is None:
            return []
        return [row.cells for row in rows.parse_table(self._lines(path)).rows]

    def read_chunks(self, name: str) -> Iterator[bytes]:
        """Yield the content of the file at a path. Raises ItemError."""
        try:
            with open(name, "rb", opener=follow_link) as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise errors.ItemError(f"{name} cannot be read ({error.strerror or error})") from error

    def _lines(self, path: Path) -> Iterator[str]:
        return export_file.read_lines(self, str(path))


def _folders(path: Path) -> list[Path]:
    """Return the folders of imports, oldest first: `2026-11-20`, `2026-11-20.2`, ..."""
    try:
        names = os.listdir(path)
    except OSError:
        return []
    return [path / name for name in sorted(names, key=_age)]


def _age(name: str) -> tuple[str, int, str]:
    day, _, number = name.partition(".")
    return day, int(number) if number.isascii() and number.isdecimal() else 0, name


def _files(folder: Path) -> Iterator[Path]:
    for path, _, names in os.walk(folder):
        for name in names:
            if not name.startswith("."):
                yield Path(path, name)
