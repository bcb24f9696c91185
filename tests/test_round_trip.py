"""An archive that was exported and imported again has the same files and the same values."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from strava_backup import cli
from strava_backup.bulk_export import imported_cells
from strava_backup.bulk_export.activity_rows import Column
from strava_backup.bulk_export.columns import sport_name, sport_type
from strava_backup.bulk_export.rows import parse_table
from strava_backup.demo.account import Account
from tests import account_export, export_cases
from tests.conftest import Rig, read_files
from tests.expected import stored_originals, stored_pictures, stored_videos

Files = dict[str, bytes]

CASES = export_cases.cases()
# Damaged originals, and originals of rows that cannot be read, are not exported.
LEFT_OUT = {
    "half a FIT file": {"damaged/activities/2024/2024-05-02T06-30-00Z_5600000002.fit"},
    "table cut off": {f"bulk_export/activities/700000000{number}.fit.gz" for number in (2, 3)},
    "id in scientific form": {"bulk_export/activities/7000000002.fit.gz"},
}
# Files have the activities' ids as their names in an export, instead of the uploads' numbers.
NAMES: set[Column] = {(False, "Filename"), (True, "Media")}
# The fields of activities and photos that an import reads.
COMPARED = (
    *("id", "name", "start_date", "sport_type", "distance", "moving_time", "elapsed_time"),
    *("commute", "total_elevation_gain", "elev_low", "elev_high", "unique_id", "activity_id"),
)


class Trip(NamedTuple):
    """The files of an archive, its export, the archive imported from it, and the second export."""

    before: Files
    exported: Files
    after: Files
    exported_again: Files


def run(root: Path, *arguments: str | Path) -> int:
    return cli.main(["--output-dir", str(root), *map(str, arguments), "--quiet"])


def travel(root: Path, folder: Path) -> Trip:
    """Export the archive, import the export into an empty folder, and export that."""
    exported, again, exported_again = (
        folder / name for name in ("exported", "again", "exported-again")
    )
    assert run(root, "--export", exported) == 0
    assert run(again, "--import", exported) == 0
    assert run(again, "--export", exported_again) == 0
    return Trip(*map(read_files, (root, exported, again, exported_again)))


def import_files(contents: Files, folder: Path) -> tuple[int, Path]:
    """Import an export into an empty folder; return the exit code and the folder."""
    account_export.write_zip(contents, folder / "from-strava.zip")
    return run(folder / "archive", "--import", folder / "from-strava.zip"), folder / "archive"


def records(files: Files, folders: tuple[str, ...] = ("activities/", "photos/")) -> dict[str, Any]:
    """The metadata of activities and photos, by path."""
    return {
        path: json.loads(data)
        for path, data in files.items()
        if path.startswith(folders) and path.endswith(".meta.json")
    }


def fields(files: Files) -> dict[str, dict[str, Any]]:
    """All of Strava's fields in the metadata of activities and photos."""
    found = records(files)
    for record in found.values():
        del record["strava_backup"]
    return found


def cells(files: Files, table: bytes) -> dict[str, dict[Column, str]]:
    """The cells of all imported rows whose columns are certain, except names of files."""
    encoding = "utf-16" if table.startswith(b"\xff\xfe") else "utf-8"
    found = parse_table(io.StringIO(table.decode(encoding), newline=""))
    headers = imported_cells.headers_of([found])
    rows = {
        path: record["strava_backup"]["bulk_export"]["columns"]
        for path, record in records(files, ("activities/",)).items()
    }
    return {
        path: {
            column: cell
            for column, cell in imported_cells.cells_of(headers, row).items()
            if column not in NAMES
        }
        for path, row in rows.items()
    }


def without_days(files: Files) -> set[str]:
    """The paths of files, without the days of imports."""
    parts = [path.split("/") for path in files]
    return {"/".join(one[:1] + one[2:] if one[0] == "bulk_export" else one) for one in parts}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.every(3)
def test_an_import_comes_back_from_its_export(case: str, tmp_path: Path) -> None:
    exit_code, root = import_files(CASES[case], tmp_path)
    assert exit_code == (3 if case in LEFT_OUT else 0)
    trip = travel(root, tmp_path)
    assert stored_originals(trip.after) == stored_originals(trip.before)
    assert stored_pictures(trip.after) == stored_pictures(trip.before)
    assert fields(trip.after) == fields(trip.before)
    before = cells(trip.before, CASES[case]["activities.csv"])
    after = cells(trip.after, trip.exported["activities.csv"])
    # The second table has more columns: the commute, for example, is in both of its blocks.
    assert {path: {**row, **before[path]} for path, row in after.items()} == after
    assert without_days(trip.before) - without_days(trip.after) == LEFT_OUT.get(case, set())
    assert trip.exported_again == trip.exported


def without_gzip(files: Files) -> Files:
    """The files without gzip, which an import removes, since most is Strava's own and not the
    upload's; of a JSON and its GPX, only the GPX, which an export has for both.
    """
    return {
        path.removesuffix(".gz"): gzip.decompress(data) if path.endswith(".gz") else data
        for path, data in files.items()
        if not (path.endswith(".json") and path.replace(".json", ".gpx") in files)
    }


def compared(files: Files) -> dict[str, dict[str, Any]]:
    """The fields that an import reads; it does not know the newest sports."""
    return {
        path: {
            **{name: record[name] for name in COMPARED if name in record},
            "sport_type": sport_type(sport_name(record.get("sport_type", ""))),
            "description": record.get("description") or "",
            "caption": record.get("caption", ""),
        }
        for path, record in records(files).items()
    }


def assert_same(trip: Trip) -> None:
    """Assert that files and values after the trip are those before it."""
    expected = without_gzip(stored_originals(trip.before))
    assert without_gzip(stored_originals(trip.after)) == expected
    assert stored_pictures(trip.after) == stored_pictures(trip.before)
    assert stored_videos(trip.after) == stored_videos(trip.before)
    assert routes(trip.after) == routes(trip.before)
    assert compared(trip.after) == compared(trip.before)


def routes(files: Files) -> Files:
    """The tracks of routes, which an import stores in its own folder."""
    return {
        path.rpartition("/")[2]: data
        for path, data in files.items()
        if "routes/" in path and path.endswith(".gpx")
    }


@pytest.mark.parametrize("source", ["api", "website"])
def test_a_backup_comes_back_from_its_export(source: str, rig: Rig, tmp_path: Path) -> None:
    if source == "website":
        rig.config = replace(rig.config, api=None)
    assert rig.run().exit_code == 0
    trip = travel(rig.root, tmp_path)
    assert_same(trip)
    first, second = (without_gzip(one) for one in (trip.exported, trip.exported_again))
    # The name of an upload that had its own gzip, which the import removed.
    first["activities.csv"] = first["activities.csv"].replace(b".gpx.gz", b".gpx")
    assert second == first
    assert stored_videos(trip.before)
    assert routes(trip.before)
    tables = ("bikes.csv", "shoes.csv", "components.csv", "media.csv", "routes.csv")
    assert all(first[name].count(b"\n") > 1 for name in tables)  # rows, not only headers


@pytest.mark.parametrize(
    ("language", "columns"),
    [
        ("en", 10),
        ("en", 103),
        *(
            pytest.param(language, columns, marks=pytest.mark.thorough)
            for language in account_export.LANGUAGES
            for columns in (72, 84, 94, 103)
            if (language, columns) != ("en", 103)
        ),
    ],
)
def test_an_imported_account_comes_back(language: str, columns: int, tmp_path: Path) -> None:
    contents = account_export.export_files(Account.sample(), language, columns, videos=True)
    exit_code, root = import_files(contents, tmp_path)
    assert exit_code == 0
    trip = travel(root, tmp_path)
    assert_same(trip)
    assert trip.exported_again == trip.exported
    assert fields(trip.after) == fields(trip.before)
    before = cells(trip.before, contents["activities.csv"])
    after = cells(trip.after, trip.exported["activities.csv"])
    assert {path: {**row, **before[path]} for path, row in after.items()} == after
    for name in ("routes/1.gpx", "routes.csv", "bikes.csv", "shoes.csv", "components.csv"):
        assert trip.exported[name] == contents[name]
