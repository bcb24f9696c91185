"""An export has all of the archive that other programs read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from strava_backup import cli, errors
from strava_backup.bulk_export import exporting, importing
from strava_backup.bulk_export.columns import HEADER
from strava_backup.demo.account import Account
from strava_backup.report import Report
from tests.conftest import NOW, Rig, read_files

JSON, JSON_WITHOUT_GPX = 1_000_001, 1_000_002
ZIPPED_GPX = 11_000_000_005
FIT = 15_210_998_871
MANUAL = 13_000_000_002
ACCOUNT = Account.sample()
DETAILS = {one.id: one.detail for one in ACCOUNT.activities}
ORIGINAL = next(one.original for one in ACCOUNT.activities if one.id == FIT) or b""


def export(root: Path, path: Path, **options: Any) -> Report:
    report = Report()
    exporting.export_folder(root, path, exporting.Options(**options), report)
    return report


def import_into(root: Path, path: Path) -> Report:
    report = Report()
    importing.import_export(
        path,
        root,
        importing.Options(),
        report,
        with_parents=False,
        out=lambda _: None,
        clock=NOW.timestamp,
    )
    return report


def table(path: Path) -> dict[int, dict[str, str]]:
    """The rows of an exported table by id; the columns of the second block have a `2`."""
    rows = csv.reader(
        io.StringIO((path / "activities.csv").read_text(encoding="utf-8"), newline="")
    )
    header = next(rows)
    assert tuple(header) == HEADER
    titles = [*header[:15], *(f"{title} 2" for title in header[15:])]
    return {int(row[0]): dict(zip(titles, row, strict=True)) for row in rows}


@pytest.fixture
def archive(rig: Rig) -> Rig:
    """An archive of the sample account, in the API's records."""
    rig.run()
    return rig


@pytest.fixture
def exported(archive: Rig, tmp_path: Path) -> Path:
    path = tmp_path / "export"
    report = export(archive.root, path)
    assert report.exit_code == 0
    assert report.listed == len(archive.account.activities)
    return path


class Small:
    """An archive of two activities, one of them without an original, written by hand."""

    def __init__(self, folder: Path) -> None:
        self.root, self.path = folder / "archive", folder / "export"
        for name in ("activities/2026", "photos", "routes"):
            (self.root / name).mkdir(parents=True)
        for activity_id in (FIT, MANUAL):
            record = {**DETAILS[activity_id], "gear_id": None, "gear": None}
            self.metadata(activity_id).write_text(json.dumps(record))
        self.original.write_bytes(ORIGINAL)

    @property
    def original(self) -> Path:
        return self.root / f"activities/2026/2026-07-03T05-15-42Z_{FIT}.fit"

    def metadata(self, activity_id: int) -> Path:
        start = DETAILS[activity_id]["start_date"].replace(":", "-")
        return self.root / f"activities/2026/{start}_{activity_id}.meta.json"

    def export(self, *failed: str) -> dict[int, dict[str, str]]:
        """Export it, and return the table; expect these items to fail."""
        report = export(self.root, self.path)
        assert [failure.what for failure in report.failures] == list(failed)
        assert report.exit_code == (3 if failed else 0)
        return table(self.path)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


def test_originals_are_packed_as_in_exports_of_strava(archive: Rig, exported: Path) -> None:
    found = {path.name: path.read_bytes() for path in (exported / "activities").iterdir()}
    for activity in archive.account.activities:
        if activity.original is None or activity.id == JSON:
            continue
        suffix = activity.original_suffix
        if suffix in (".gpx", ".gpx.gz", ".fit.gz"):
            assert found.pop(f"{activity.id}{suffix}") == activity.original
        else:
            assert gzip.decompress(found.pop(f"{activity.id}{suffix}.gz")) == activity.original
    assert found == {f"{JSON}.gpx": archive.account.activity(JSON).gpx}  # type: ignore[union-attr]


def test_without_gzip_originals_stay_as_they_are_stored(archive: Rig, tmp_path: Path) -> None:
    export(archive.root, tmp_path / "export", packs=False)
    found = {path.name: path.read_bytes() for path in (tmp_path / "export/activities").iterdir()}
    originals = {
        f"{one.id}{one.original_suffix}": one.original
        for one in archive.account.activities
        if one.original is not None and one.id != JSON
    }
    assert found == {**originals, f"{JSON}.gpx": archive.account.activity(JSON).gpx}  # type: ignore[union-attr]


def test_a_row_names_the_files_and_the_gear_of_its_activity(exported: Path) -> None:
    row = table(exported)[FIT]
    assert row["Filename"] == f"activities/{FIT}.fit.gz"
    assert (row["Activity Gear"], row["Gear 2"], row["Bike 2"]) == (
        "Brooks Ghost 16",
        "9000001.0",
        "",
    )
    media = row["Media 2"].split("|")
    assert len(media) == 4  # two photos, a poster and its video
    assert all((exported / name).is_file() for name in media)
    assert table(exported)[MANUAL]["Filename"] == ""


def test_the_export_changes_nothing_in_the_archive(archive: Rig, tmp_path: Path) -> None:
    before = archive.files()
    (archive.root / ".lock").unlink()
    export(archive.root, tmp_path / "export")
    assert archive.files() == before
    assert not (archive.root / ".lock").exists()


def test_a_second_export_writes_nothing(archive: Rig, exported: Path) -> None:
    before = {path: path.stat() for path in exported.rglob("*") if path.is_file()}
    report = export(archive.root, exported)
    assert not report.saved
    changed = {path.name for path, status in before.items() if path.stat().st_ino != status.st_ino}
    assert changed <= {".strava-backup-export.json"}


def test_a_later_export_adds_what_is_new(archive: Rig, exported: Path, tmp_path: Path) -> None:
    table_before = (exported / "activities.csv").read_bytes()
    archive.account.edit(FIT, name="Renamed")
    archive.run()
    report = export(archive.root, exported)
    assert report.saved == {"file": 1}
    assert table(exported)[FIT]["Activity Name"] == "Renamed"
    assert (exported / "activities.csv").read_bytes() != table_before


def test_since_exports_only_activities_from_that_day_on(archive: Rig, tmp_path: Path) -> None:
    path = tmp_path / "export"
    report = export(archive.root, path, since=date(2026, 10, 25))
    assert table(path).keys() == {16_600_000_000, 99_999_999_999, 16_480_211_034}
    assert report.listed == 3
    assert {one.name.split(".")[0] for one in (path / "activities").iterdir()} == {
        "16600000000", "99999999999", "16480211034",
    }  # fmt: skip
    assert len(list((path / "media").iterdir())) == 5


def test_without_photos_there_is_no_media(archive: Rig, tmp_path: Path) -> None:
    export(archive.root, tmp_path / "export", photos=False)
    assert list((tmp_path / "export/media").iterdir()) == []
    assert not any(row["Media 2"] for row in table(tmp_path / "export").values())


def test_deleted_activities_are_exported(archive: Rig, tmp_path: Path) -> None:
    archive.account.remove(FIT)
    archive.run()
    export(archive.root, tmp_path / "export")
    assert table(tmp_path / "export")[FIT]["Filename"]


def test_damaged_files_are_not_exported(small: Small) -> None:
    moved = small.root / "damaged/activities/2026" / small.original.name
    moved.parent.mkdir(parents=True)
    small.original.rename(moved)
    assert small.export()[FIT]["Filename"] == ""
    assert list((small.path / "activities").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"garbled", b"[]", None])
def test_unreadable_metadata_is_named_and_the_rest_is_exported(
    content: bytes | None, small: Small
) -> None:
    path = small.metadata(FIT)
    path.unlink() if content is None else path.write_bytes(content)
    rows = small.export(f"activity {FIT}, metadata")
    assert rows.keys() == {FIT, MANUAL}
    # The original notes its start.
    assert rows[FIT]["Activity Date"] == "Jul 3, 2026, 5:15:42 AM"
    assert rows[FIT]["Filename"] == f"activities/{FIT}.fit.gz"


def test_dates_of_version_0_4_are_not_used(small: Small, caplog: pytest.LogCaptureFixture) -> None:
    record = {"name": "Old", "start_date": "2026-07-03T05:07:42Z"}
    small.metadata(FIT).write_text(json.dumps(record))
    row = small.export()[FIT]
    assert (row["Activity Name"], row["Activity Date"]) == ("Old", "Jul 3, 2026, 5:15:42 AM")
    assert "1 activity is of version 0.4" in caplog.text


def test_an_original_that_version_0_4_named_gz_gets_its_suffix(small: Small) -> None:
    small.metadata(FIT).write_text("{}")
    small.original.unlink()
    small.original.with_suffix(".gz").write_bytes(gzip.compress(ORIGINAL))
    row = small.export()[FIT]
    assert gzip.decompress((small.path / row["Filename"]).read_bytes()) == ORIGINAL
    assert row["Filename"] == f"activities/{FIT}.fit.gz"
    assert row["Activity Date"] == "Jul 3, 2026, 5:15:42 AM"


def test_an_activity_without_a_start_is_reported(small: Small) -> None:
    small.metadata(MANUAL).write_text('{"name": "Diary", "resource_state": 2}')
    assert small.export(f"activity {MANUAL} Diary")[MANUAL]["Activity Date"] == ""


def test_a_record_of_wrong_types_is_exported_without_them(small: Small) -> None:
    wrong = {name: [{"x": 1}] for name in DETAILS[FIT]} | {"name": "\ud83d\0x"}
    record = {**wrong, "resource_state": 2, "strava_backup": []}
    small.metadata(FIT).write_text(json.dumps(record))
    row = small.export()[FIT]
    assert row["Activity Name"] == "\ufffd\ufffdx"
    assert row["Distance"] == ""


def test_a_broken_link_is_named_and_its_row_names_no_file(small: Small) -> None:
    small.original.unlink()
    small.original.symlink_to("/nowhere")
    assert small.export(f"activity {FIT} Lunch Run, original")[FIT]["Filename"] == ""


def test_routes_are_exported_with_their_names(small: Small) -> None:
    routes = small.root / "routes"
    (routes / "3100000000000000000.gpx").write_bytes(b"<gpx/>")
    (routes / "3100000000000000000.meta.json").write_text('{"name": "Round, \\"the\\" lake"}')
    (routes / "3100000000000000001.gpx").write_bytes(b"<gpx/>")
    (routes / "notes.txt").touch()
    small.export("routes/3100000000000000001.gpx, metadata")
    assert (small.path / "routes.csv").read_text().splitlines() == [
        "Route Name,Route Filename",
        '"Round, ""the"" lake",routes/3100000000000000000.gpx',
        ",routes/3100000000000000001.gpx",
    ]
    assert (small.path / "routes/3100000000000000000.gpx").read_bytes() == b"<gpx/>"
    assert len(list((small.path / "routes").iterdir())) == 2


def test_two_photos_of_one_name_have_different_names_in_the_export(small: Small) -> None:
    for activity_id in (MANUAL, FIT):
        (small.root / f"photos/{activity_id}_SAME.jpg").write_bytes(str(activity_id).encode())
        (small.root / f"photos/{activity_id}_SAME.meta.json").write_text('{"caption": "x"}')
    for activity_id, row in small.export().items():
        assert (small.path / row["Media 2"]).read_bytes() == str(activity_id).encode()
    captions = (small.path / "media.csv").read_text().splitlines()
    assert captions == [
        "Media Filename,Media Caption",
        "media/SAME.jpg,x",
        f"media/{FIT}_SAME.jpg,x",
    ]


def test_a_zip_has_the_same_files_as_the_folder(
    archive: Rig, exported: Path, tmp_path: Path
) -> None:
    report = Report()
    path = tmp_path / "export.zip"
    exporting.export_zip(archive.root, path, exporting.Options(), report, NOW.timestamp())
    with zipfile.ZipFile(path) as file:
        packed = {name: file.read(name) for name in file.namelist()}
    files = read_files(exported)
    del files[".strava-backup-export.json"]
    assert packed == files
    assert report.lines() == [
        f"28 activities in the export: saved 26 originals, 10 photos, 1 video, 10 other files "
        f"({report.lines()[0].partition('(')[2]}"
    ]
    assert import_into(tmp_path / "again", path).exit_code == 0


@pytest.mark.parametrize(
    ("chosen", "suffixes"),
    [
        ({"videos": False}, {".jpg", ".png", ".gif", ".webp", ".heic"}),
        ({"photos": False}, set()),
    ],
)
def test_videos_can_be_left_out_and_go_with_the_photos(
    archive: Rig, tmp_path: Path, chosen: dict[str, bool], suffixes: set[str]
) -> None:
    export(archive.root, tmp_path / "export", **chosen)
    assert {path.suffix for path in (tmp_path / "export").glob("media/*")} == suffixes


@pytest.mark.parametrize("place", ["", "export", "activities/export"])
def test_an_export_into_the_archive_is_refused(place: str, small: Small) -> None:
    before = read_files(small.root)
    with pytest.raises(errors.ConfigError, match="inside the archive"):
        export(small.root, small.root / place)
    assert read_files(small.root) == before


def test_without_an_archive_nothing_is_exported(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.ConfigError, match="no archive"):
        export(tmp_path / "empty", tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_an_export_without_activities_says_why(
    small: Small, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "strava_backup")
    assert export(small.root, small.path, since=date(2027, 1, 1)).exit_code == 0
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "SHA256SUMS").touch()
    assert export(empty, tmp_path / "nothing").exit_code == 0
    assert caplog.messages == [
        "no activity starts on 2027-01-01 or later",
        f"the archive in {empty} is empty: it has no activities",
    ]


def test_the_command_line_exports_a_folder_and_a_zip(
    archive: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["--output-dir", str(archive.root)]
    path, file = tmp_path / "out", tmp_path / "out.zip"
    assert cli.main([*base, "--export", str(path), "--since", "2026-11-01", "--no-gzip"]) == 0
    assert {one.name for one in (path / "activities").iterdir()} == {
        "16600000000.fit", "99999999999.fit",
    }  # fmt: skip
    assert "2 activities in the export: saved 2 originals" in capsys.readouterr().err
    assert cli.main([*base, "--zip", str(file), "--quiet"]) == 0
    assert zipfile.is_zipfile(file)
    assert capsys.readouterr().err == ""
    assert cli.main([*base, "--export", str(tmp_path)]) == 2
    assert "choose another place" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--since", "2026-01-01"],
        ["--no-gzip"],
        ["--export", "x", "--since", "yesterday"],
        ["--export", "x", "--zip", "y"],
        ["--export", "x", "--verify"],
        ["--zip", "x", "--dry-run"],
        ["--export", "x", "--import", "y"],
    ],
)
def test_options_that_do_not_fit_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
