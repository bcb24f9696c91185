"""The files of imports are found by their names, the newest first."""

from __future__ import annotations

from pathlib import Path

import pytest

from strava_backup import errors
from strava_backup.bulk_export.imported_files import ImportedFiles


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / "bulk_export" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Title,File\n{name},routes/1.gpx\n")


def test_the_newest_file_of_a_name_counts(tmp_path: Path) -> None:
    days = ("2026-11-20.10", "2025-01-01", "2026-11-20", "2026-11-20.9")
    write(tmp_path, *(f"{day}/routes.csv" for day in days), "2025-01-01/routes/1.gpx")
    files = ImportedFiles(tmp_path)
    assert files.read_rows("routes.csv") == [["2026-11-20.10/routes.csv", "routes/1.gpx"]]
    assert files.find("routes/1.gpx") == tmp_path / "bulk_export/2025-01-01/routes/1.gpx"


def test_a_file_is_found_under_the_name_that_the_archive_gave_it(tmp_path: Path) -> None:
    write(tmp_path, "2026-11-20/routes/a_b.gpx")
    assert ImportedFiles(tmp_path).find("routes/a?b.gpx") is not None


def test_every_table_of_activities_has_its_header_read(tmp_path: Path) -> None:
    write(tmp_path, "2025-01-01/activities.csv", "2026-11-20/activities.csv")
    (tmp_path / "bulk_export/2026-11-20/activities.csv").write_bytes(b"\xe4,\n")
    (found,) = ImportedFiles(tmp_path).read_tables()
    assert found.header == ["Title", "File"]


def test_an_archive_without_imports_has_none(tmp_path: Path) -> None:
    files = ImportedFiles(tmp_path)
    assert (files.names, list(files.read_tables()), files.read_rows("x.csv")) == ({}, [], [])


def test_a_missing_file_is_reported_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(errors.ItemError, match=r"nothing\.gpx cannot be read"):
        list(ImportedFiles(tmp_path).read_chunks(str(tmp_path / "nothing.gpx")))
