"""The made-up account's bulk export has the form of Strava's."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from pathlib import Path

import pytest

from strava_backup.demo.account import Account
from tests import account_export

ACCOUNT = Account.sample()


def rows(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


@pytest.mark.parametrize("language", account_export.LANGUAGES)
@pytest.mark.parametrize("columns", [*account_export.WIDTHS, 104])
def test_every_row_has_all_columns(language: str, columns: int) -> None:
    table = rows(account_export.table(ACCOUNT, language, columns))
    assert len(table) == len(ACCOUNT.activities) + 1
    assert {len(row) for row in table} == {columns}
    assert (table[0][-1] == "Media") is (columns >= 87)


@pytest.mark.parametrize(
    ("columns", "raw"), [(72, 13), (77, 13), (80, 13), (83, 14), (84, 14), (87, 15), (103, 15)]
)
def test_the_second_block_begins_at_the_column_of_that_year(columns: int, raw: int) -> None:
    header = rows(account_export.table(ACCOUNT, columns=columns))[0]
    assert header[raw - 3 : raw] == ["Filename", "Athlete Weight", "Bike Weight"]
    assert header[raw : raw + 3] == ["Elapsed Time", "Moving Time", "Distance"]
    assert header[raw + 35] == "Commute"
    assert ("translation missing" in "".join(header)) is (columns <= 84)


def test_the_header_of_2026_is_as_it_was() -> None:
    header = rows(account_export.table(ACCOUNT, columns=103))[0]
    assert ",".join(header[93:]) == (
        "Recovery,With Pet,Competition,Long Run,For a Cause,With Kid,Downhill Distance,"
        "Total Sets,Total Reps,Media"
    )


def test_the_header_of_2024_is_as_it_was() -> None:
    header = rows(account_export.table(ACCOUNT))[0]
    assert len(header) == 94
    assert header[12:18] == [
        "Filename", "Athlete Weight", "Bike Weight", "Elapsed Time", "Moving Time", "Distance",
    ]  # fmt: skip
    repeated = {title for title in header if header.count(title) > 1}
    assert repeated == {
        "Elapsed Time", "Distance", "Max Heart Rate", "Relative Effort", "Commute",
    }  # fmt: skip


def test_a_row_of_2018_is_as_it_was() -> None:
    header, row, *_ = rows(account_export.table(ACCOUNT, columns=account_export.SHORT))
    assert ",".join(header) == (
        "id,date,name,type,description,elapsed_time,distance,commute,gear,filename"
    )
    assert row[1] == "2026-11-14 07:08:09"
    assert row[-1] == "activities/17600000000.fit.gz"


@pytest.mark.parametrize(
    ("language", "date", "distance"),
    [
        ("en", "Jul 3, 2026, 5:15:42 AM", "20.00"),
        ("de", "03.07.2026, 05:15:42", "20,00"),
        ("fr", "3 juil. 2026 à 05:15:42", "20,00"),
        ("cs", "3. 7. 2026 5:15:42", "20,00"),
        ("nl", "3 jul 2026, 05:15:42", "20,00"),
        ("es", "3 jul 2026, 5:15:42\u202fa.m.", "20.00"),
    ],
)
def test_dates_and_numbers_are_those_of_the_language(
    language: str, date: str, distance: str
) -> None:
    row = next(
        row for row in rows(account_export.table(ACCOUNT, language)) if row[0] == "15210998871"
    )
    assert (row[1], row[6], row[17]) == (date, distance, "20000.0")


def test_originals_are_numbered_by_their_uploads_and_packed_but_for_gpx() -> None:
    contents = account_export.export_files(ACCOUNT)
    for activity in ACCOUNT.activities:
        name = account_export.original_name(activity)
        if activity.original is None:
            assert name == ""
        elif activity.original_suffix == ".gpx":
            assert contents[name] == activity.original
        else:
            assert str(activity.detail["upload_id"]) in name
            inside = activity.original
            if activity.original_suffix.endswith(".gz"):
                inside = gzip.decompress(inside)
            assert gzip.decompress(contents[name]) == inside


def test_lost_and_missing_originals_have_no_file() -> None:
    lost, missing = 15_000_000_001, 15_000_000_002
    contents = account_export.export_files(ACCOUNT, lost=[lost], missing=[missing])
    names = {row[0]: row[12] for row in rows(contents["activities.csv"])}
    assert names[str(lost)] == "#error#"
    assert names[str(missing)] not in contents
    assert contents.keys() < account_export.export_files(ACCOUNT).keys()


@pytest.mark.parametrize("videos", [False, True])
def test_photos_are_named_in_both_tables(videos: bool) -> None:
    contents = account_export.export_files(ACCOUNT, videos=videos)
    photos = {name for name in contents if name.startswith("media/")}
    assert photos
    assert {row[0] for row in rows(contents["media.csv"])[1:]} == photos
    listed = [row[-1] for row in rows(contents["activities.csv"])[1:] if row[-1]]
    assert set("|".join(listed).split("|")) == {*photos, ""}
    assert any(cell.startswith("||media/") for cell in listed)
    assert any(name.endswith(".mp4") for name in photos) is videos


def test_a_zip_and_a_folder_have_the_same_files(tmp_path: Path) -> None:
    contents = account_export.export_files(ACCOUNT)
    account_export.write_zip(contents, tmp_path / "export.zip")
    with zipfile.ZipFile(tmp_path / "export.zip") as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == contents
        assert packed.testzip() is None
    account_export.write_folder(contents, tmp_path / "export")
    for name, content in contents.items():
        assert (tmp_path / "export" / name).read_bytes() == content
