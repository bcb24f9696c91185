"""An import saves the items that the archive lacks; a backup run downloads only the others."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.archive.directory import Archive
from strava_backup.bulk_export import export_file, importing
from strava_backup.demo import files
from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity
from strava_backup.report import Report
from tests import account_export
from tests.conftest import DAY, NOW, Rig, read_files
from tests.expected import (
    expected_activity_metadata,
    expected_originals,
    expected_photo_metadata,
    expected_pictures,
    expected_times,
    own_key,
    photo_stem,
    stem_of,
    stored_metadata,
    stored_originals,
    stored_pictures,
    stored_videos,
)
from tests.first_backups import copied_account

# The short form is in English everywhere.
TABLES = [
    pytest.param(
        *(language, columns),
        marks=() if language == "en" or columns in (72, 103) else pytest.mark.thorough,
    )
    for columns in (*account_export.WIDTHS, 104)
    for language in account_export.LANGUAGES
    if language == "en" or columns > 11
]
FIT = 15_210_998_871
MANUAL = 13_000_000_001


class Setting:
    """An export, and an archive to import it into."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "export.zip"
        self.root = folder / "archive"
        self.printed: list[str] = []

    def write(self, contents: Mapping[str, bytes]) -> None:
        account_export.write_zip(contents, self.path)

    def run(self, limit: int | None = None, **options: Any) -> Report:
        report = Report()
        self.printed.clear()
        importing.import_export(
            self.path,
            self.root,
            importing.Options(limit, **options),
            report,
            with_parents=False,
            out=self.printed.append,
            clock=NOW.timestamp,
        )
        return report

    def files(self) -> dict[str, bytes]:
        return read_files(self.root)

    def record(self, activity: Activity) -> dict[str, Any]:
        path = self.root / f"{stem_of(activity)}.meta.json"
        record: dict[str, Any] = json.loads(path.read_bytes())
        return record


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


@pytest.fixture
def account() -> Account:
    return copied_account(None, NOW.timestamp)


def find(account: Account, activity_id: int) -> Activity:
    activity = account.activity(activity_id)
    assert activity is not None
    return activity


def exported_originals(account: Account) -> dict[str, bytes]:
    """Every original, decompressed if it was uploaded as gzip: an export compresses all alike."""
    originals = {}
    for activity in account.activities:
        if activity.original is not None:
            suffix, content = activity.original_suffix, activity.original
            if suffix.endswith(".gz"):
                suffix, content = suffix.removesuffix(".gz"), gzip.decompress(content)
            originals[stem_of(activity) + suffix] = content
    return originals


def exported_pictures(account: Account) -> dict[str, bytes]:
    return {
        f"{photo_stem(activity, photo)}.{photo.kind}": photo.content
        for activity in account.activities
        for photo in activity.photos
        if photo.kind != "video"
    }


def expected_record(activity: Activity, language: str, columns: int) -> dict[str, Any]:
    """The fields of an activity in a table, by the API's field names."""
    detail = activity.detail
    names = ["id", "name", "start_date", "elapsed_time", "distance", "commute"]
    if columns > 11:
        names += ["moving_time", "total_elevation_gain", "elev_low", "elev_high"]
    words = account_export.LANGUAGES[language]
    is_translated = detail["sport_type"] in words.types
    names += ["sport_type"] * (not is_translated and detail["sport_type"] != "Padel2")
    names += ["description"] * bool(detail["description"])
    record = {name: detail[name] for name in names if name in detail} | {"resource_state": 2}
    # The short form is older than sport types.
    return record | {"sport_type": detail["type"]} if columns <= 11 else record


@pytest.mark.parametrize(("language", "columns"), TABLES)
@pytest.mark.every(2)
def test_an_export_of_any_language_and_year_makes_the_right_archive(
    language: str, columns: int, setting: Setting, account: Account
) -> None:
    account.edit(FIT, commute=True, description="Over\nthe hills; and, far\taway")
    account.edit(15_000_000_005, sport_type="EBikeRide", type="EBikeRide")
    account.edit(15_000_000_001, sport_type="Soccer", type="Soccer")
    contents = account_export.export_files(account, language, columns, videos=True)
    setting.write(contents)
    report = setting.run()
    assert report.exit_code == 0
    assert report.listed == len(account.activities)
    stored = setting.files()
    assert stored_originals(stored) == exported_originals(account)
    for activity in account.activities:
        record = setting.record(activity)
        own = record.pop("strava_backup")
        assert record == expected_record(activity, language, columns)
        assert len(own["bulk_export"]["columns"]) == columns
    if columns >= 87:  # other tables do not assign photos to activities
        assert stored_pictures(stored) == exported_pictures(account)
        assert stored_videos(stored) == exported_videos(account)
    else:
        rest = {path: data for path, data in stored.items() if "/media/" in path}
        assert len(rest) == len([name for name in contents if name.startswith("media/")])
    assert json.loads(stored[".strava-backup.json"])["athlete_id"] == account.athlete_id
    assert not setting.run().saved


def exported_videos(account: Account) -> dict[str, bytes]:
    return {
        f"{photo_stem(activity, photo)}.mp4": account_export.media(photo)
        for activity in account.activities
        for photo in activity.photos
        if photo.kind == "video"
    }


def test_metadata_has_the_names_of_the_api_and_every_column(
    setting: Setting, account: Account
) -> None:
    setting.write(account_export.export_files(account, "de"))
    setting.run()
    activity = find(account, FIT)
    record = setting.record(activity)
    own = record.pop("strava_backup")
    detail = activity.detail
    names = (
        "id name start_date distance elapsed_time moving_time total_elevation_gain elev_low "
        "elev_high commute"
    )
    assert record == {name: detail[name] for name in names.split()} | {"resource_state": 2}
    columns = own.pop("bulk_export")["columns"]
    assert columns["Aktivitätsart"] == "Lauf"
    assert (columns["Distanz"], columns["Distanz (2)"]) == ("20,00", "20000.0")
    assert own == {
        "source": "bulk export",
        "fetched_at": "2026-11-22T10:00:00Z",
        "original": {
            "name": f"activities/{detail['upload_id']}.fit.gz",
            "file": f"2026-07-03T05-15-42Z_{detail['id']}.fit",
            "saved_at": "2026-11-22T10:00:00Z",
        },
    }


def test_photos_have_their_ids_and_captions(setting: Setting, account: Account) -> None:
    setting.write(account_export.export_files(account))
    setting.run()
    activity = find(account, 16_600_000_000)
    photo = activity.photos[0]
    record = json.loads(setting.files()[f"{photo_stem(activity, photo)}.meta.json"])
    own = record.pop("strava_backup")
    assert record == {
        "unique_id": photo.unique_id,
        "activity_id": activity.id,
        "caption": photo.caption,
        "resource_state": 2,
    }
    assert own["bulk_export"]["name"] == f"media/{photo.unique_id}.jpg"
    assert own["source"] == "bulk export"


def test_of_two_photos_with_one_name_the_second_is_kept_with_the_rest(
    setting: Setting, account: Account
) -> None:
    name = f"media/{find(account, 15_000_000_005).photos[0].unique_id}.jpg"
    other = name.replace(".jpg", ".png")
    contents = account_export.export_files(account)
    contents[other] = contents[name]
    setting.write(with_cells(contents, {f",{name}\n": f",{name}|{other}\n"}))
    assert setting.run().exit_code == 0
    assert setting.files()[f"bulk_export/2026-11-20/{other}"] == contents[name]
    assert stored_pictures(setting.files()) == exported_pictures(account)


def test_all_other_files_are_stored_unchanged(setting: Setting, account: Account) -> None:
    contents = account_export.export_files(account)
    unusual = {
        "activities/777.fit.gz": b"nobody's",
        "media/unknown.jpg": b"nobody's",
        "a folder/.hidden?.txt": b"",
        "clubs/C O N.csv": "é\n".encode(),
    }
    setting.write({**contents, **unusual})
    setting.run()
    rest = {
        path.removeprefix("bulk_export/2026-11-20/"): data
        for path, data in setting.files().items()
        if path.startswith("bulk_export/")
    }
    named = {name for name in contents if name.startswith(("activities/", "media/"))}
    expected = {name: data for name, data in contents.items() if name not in named}
    del unusual["a folder/.hidden?.txt"]  # operating systems leave hidden files
    assert rest == {**expected, **unusual}


@pytest.mark.parametrize("write", [account_export.write_zip, account_export.write_folder])
def test_a_second_import_changes_nothing(
    write: Callable[[Mapping[str, bytes], Path], None], setting: Setting, account: Account
) -> None:
    write(account_export.export_files(account), setting.path)
    setting.run()
    before = setting.files()
    report = setting.run()
    assert not report.saved
    assert report.exit_code == 0
    assert setting.files() == before


def test_a_newer_export_adds_what_is_new(setting: Setting, account: Account) -> None:
    new = find(account, 16_600_000_000)
    account.remove(new.id)
    setting.write(account_export.export_files(account))
    setting.run()
    before = setting.files()
    account.add(new)
    account.edit(FIT, name="Renamed since")
    setting.write(account_export.export_files(account, "fr"))
    report = setting.run()
    assert report.saved["original"] == 1
    assert report.saved["photo"] == 3
    after = setting.files()
    assert after["SHA256SUMS"].startswith(before.pop("SHA256SUMS"))
    assert {path: after[path] for path in before} == before
    assert stored_originals(after) == exported_originals(account)
    # The same day, but another table: both are stored.
    assert b"Renamed since" in after["bulk_export/2026-11-20.2/activities.csv"]
    assert "bulk_export/2026-11-20.2/bikes.csv" not in after


def test_files_that_the_export_lacks_are_reported_and_affect_nothing_else(
    setting: Setting, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    lost, missing = 15_000_000_001, 15_000_000_002
    setting.write(account_export.export_files(account, lost=[lost], missing=[missing]))
    report = setting.run()
    assert report.exit_code == 3
    why = {int(failure.what.split()[1]): failure.why for failure in report.failures}
    assert why.keys() == {lost, missing}
    assert "#error#" in why[lost]
    assert f"lacks activities/{missing + 1_000_000_000}.gpx" in why[missing]
    assert "2 activities without a file in the export" in caplog.text
    expected = exported_originals(account)
    for activity_id in (lost, missing):
        activity = find(account, activity_id)
        assert setting.record(activity)["name"] == activity.detail["name"]
        del expected[stem_of(activity) + activity.original_suffix]
    assert stored_originals(setting.files()) == expected


def test_descriptions_with_line_breaks_and_quotes_come_as_they_are(
    setting: Setting, account: Account
) -> None:
    description = 'One\n2,"two",\r\n"three"\n\n12345,\\ four'
    account.edit(FIT, description=description)
    setting.write(account_export.export_files(account))
    assert setting.run().exit_code == 0
    assert setting.record(find(account, FIT))["description"] == description


def with_cells(contents: dict[str, bytes], changes: Mapping[str, str]) -> dict[str, bytes]:
    text = contents["activities.csv"].decode()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return {**contents, "activities.csv": b"\xef\xbb\xbf" + text.encode()}


def test_where_the_date_cannot_be_read_the_original_tells_the_start(
    setting: Setting, account: Account
) -> None:
    dates = {
        f'"{account_export.LANGUAGES["en"].date(account_export._start(activity))}"': "toissapäivänä"
        for activity in account.activities
    }
    setting.write(with_cells(account_export.export_files(account), dates))
    report = setting.run()
    # Missing originals, and those of rare formats, have no readable start.
    without_start = {one.id for one in account.activities if one.original_suffix == ".json"}
    without_start |= {one.id for one in account.activities if one.original is None}
    assert {int(failure.what.split()[1]) for failure in report.failures} == without_start
    stored = setting.files()
    originals = exported_originals(account)
    expected = {
        path for path in originals if int(path.rsplit("_")[-1].split(".")[0]) not in without_start
    }
    assert stored_originals(stored) == {path: originals[path] for path in expected}
    activity = find(account, FIT)
    assert setting.record(activity)["start_date"] == activity.detail["start_date"]
    # Their originals are stored all the same.
    kept = [path for path in stored if path.startswith("bulk_export/2026-11-20/activities/")]
    assert len(kept) == 2


def test_an_unreadable_row_is_reported_and_its_file_is_stored(
    setting: Setting, account: Account
) -> None:
    activity = find(account, FIT)
    contents = account_export.export_files(account)
    setting.write(with_cells(contents, {f"\n{FIT},": "\nwhat,"}))
    report = setting.run()
    name = account_export.original_name(activity)
    stored = setting.files()
    assert stem_of(activity) + ".fit" not in stored
    assert stored[f"bulk_export/2026-11-20/{name}"] == contents[name]
    assert report.exit_code == 3
    assert report.failures[0].what.startswith("activities.csv, line ")
    assert "(what, Jul 3, 2026, 5:15:42 AM, Lunch Run)" in report.failures[0].why


def resaved(
    contents: Mapping[str, bytes], encoding: str = "utf-8", separator: str = ",", ids: str = "{}"
) -> dict[str, bytes]:
    """The export after a spreadsheet program has saved its table."""
    read = csv.reader(io.StringIO(contents["activities.csv"].decode(), newline=""))
    (header, *rows), text = list(read), io.StringIO(newline="")
    written = [header, *([ids.format(row[0]), *row[1:]] for row in rows)]
    csv.writer(text, delimiter=separator).writerows(written)
    return {**contents, "activities.csv": text.getvalue().encode(encoding, "replace")}


@pytest.mark.parametrize(
    "how",
    [
        {"separator": ";"},
        {"separator": "\t"},
        {"separator": ";", "encoding": "utf-8-sig"},
        {"separator": "\t", "encoding": "utf-16"},
        {"encoding": "utf-16"},
        {"encoding": "utf-16-le"},
        {"encoding": "utf-16-be"},
        {"ids": "{}.0"},
        {"ids": "'{}"},
        {"ids": " {} "},
        {"ids": "{},0", "separator": ";"},
    ],
)
@pytest.mark.parametrize("language", ["en", pytest.param("cs", marks=pytest.mark.thorough)])
@pytest.mark.every(3)
def test_a_table_that_a_spreadsheet_saved_is_read_where_nothing_is_lost(
    how: dict[str, str], language: str, setting: Setting, account: Account
) -> None:
    account.edit(FIT, name="Běh; 跑步, 🏃")
    setting.write(resaved(account_export.export_files(account, language), **how))
    assert setting.run().exit_code == 0
    assert stored_originals(setting.files()) == exported_originals(account)
    for activity in account.activities:
        record = setting.record(activity)
        del record["strava_backup"]
        assert record == expected_record(activity, language, 94)


TO_REFUSE: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "is empty": lambda contents: {**contents, "activities.csv": b""},
    "is empty ": lambda contents: {**contents, "activities.csv": b"\xff\xfe"},
    "is not in UTF-8": lambda contents: resaved(contents, "cp1252", ";"),
    "has no row that begins with the id": lambda contents: resaved(contents, ids="1.8E+10"),
    "has no row that begins with the id ": lambda contents: {
        **contents,
        "activities.csv": b"<!DOCTYPE html>\n<html><body>\nLog in, please, or sign up\n</html>",
    },
    "has no row, but activities/ contains": lambda contents: {
        **contents,
        "activities.csv": contents["activities.csv"].partition(b"\n")[0],
    },
    "is no table of activities": lambda contents: {**contents, "activities.csv": b"Activity ID"},
    "has no header in its first line": lambda contents: {
        **contents,
        "activities.csv": contents["activities.csv"].partition(b"\n")[2],
    },
    "more than one export": lambda contents: {
        f"{top}{name}": data for top in ("a/", "b/") for name, data in contents.items()
    },
}


@pytest.mark.parametrize("words", TO_REFUSE)
@pytest.mark.parametrize("dry_run", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_a_table_that_cannot_be_read_for_certain_is_refused_and_nothing_is_written(
    words: str, dry_run: bool, setting: Setting, account: Account
) -> None:
    setting.write(TO_REFUSE[words](account_export.export_files(account, "es")))
    report = setting.run(dry_run=dry_run)
    assert report.exit_code == 2
    (error,) = report.fatal
    assert words.strip() in str(error)
    assert not setting.root.exists()


def test_imported_files_have_the_time_of_their_activity(setting: Setting, account: Account) -> None:
    setting.write(account_export.export_files(account))
    setting.run()
    files = stored_originals(setting.files()) | exported_pictures(account)
    times = {path: time for path, time in expected_times(account).items() if path in files}
    assert any(path.startswith("photos/") for path in times)
    assert {path: (setting.root / path).stat().st_mtime for path in times} == times


def test_an_account_without_activities_may_have_an_export(setting: Setting) -> None:
    empty = Account(athlete_id=5)
    setting.write(account_export.export_files(empty))
    report = setting.run()
    assert report.exit_code == 0
    assert report.lines()[0].startswith("0 activities in the export: saved 10 other files")


def test_an_id_that_lost_its_digits_is_named_and_its_file_too(
    setting: Setting, account: Account
) -> None:
    activity = find(account, FIT)
    contents = account_export.export_files(account)
    setting.write(with_cells(contents, {f"\n{FIT},": "\n1.52E+10,"}))
    report = setting.run()
    assert report.exit_code == 3
    row, files = report.failures
    line = 1 + contents["activities.csv"].decode().split(f"\n{FIT},")[0].count("\n") + 1
    assert row.what == f"activities.csv, line {line}"
    assert "(1.52E+10, Jul 3, 2026, 5:15:42 AM, Lunch Run)" in row.why
    assert files.what == "1 file of unknown activities"
    assert account_export.original_name(activity) in files.why
    assert ", 1 file of unknown activities: saved" in report.lines()[0]
    expected = exported_originals(account)
    del expected[f"{stem_of(activity)}.fit"]
    assert stored_originals(setting.files()) == expected
    assert setting.run().exit_code == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@given(data=st.data())
def test_of_a_table_that_is_cut_off_nothing_is_lost_silently(
    encoding: str, data: st.DataObject
) -> None:
    # None is manual: without its row, nothing would show that such an activity is lost.
    account = copied_account(3, NOW.timestamp)
    contents = resaved(account_export.export_files(account), encoding)
    whole = contents["activities.csv"]
    end = data.draw(st.integers(0, len(whole.rstrip(b"\0\r\n")) - 2))
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(Path(folder))
        setting.write({**contents, "activities.csv": whole[:end]})
        report = setting.run()
        stored = setting.files()
    assert report.exit_code in (2, 3)
    if report.exit_code == 2:
        assert stored == {}
    else:
        kept = [path for path in stored if path.startswith("bulk_export/2026-11-20/activities/")]
        assert len(stored_originals(stored)) + len(kept) == len(exported_originals(account))
        ids = {int(path.split("_")[1].split(".")[0]) for path in stored if "/20" in path[:13]}
        assert ids <= {activity.id for activity in account.activities}
        assert stored_originals(stored).items() <= exported_originals(account).items()


def test_many_files_without_a_row_are_counted_and_some_named(
    setting: Setting, account: Account
) -> None:
    contents = account_export.export_files(account)
    more = {f"activities/{number}.gpx": b"<gpx/>" for number in range(100, 1110)}
    setting.write({**contents, **more})
    dry = setting.run(dry_run=True)
    report = setting.run()
    (failure,) = report.failures
    assert failure.what == "1,010 files of unknown activities"
    assert "activities/1000.gpx" in failure.why
    assert "and 1,000 more" in failure.why
    assert "1,010 files of unknown activities: saved" in report.lines()[0]
    assert dry.failures == report.failures
    assert report.exit_code == 3
    assert setting.files()["bulk_export/2026-11-20/activities/1109.gpx"] == b"<gpx/>"


def with_raw_names(contents: Mapping[str, bytes], change: Callable[[str], str]) -> dict[str, bytes]:
    """The export with other names of files, that are not in the table."""
    return {
        change(name) if name.startswith(("activities/", "media/")) else name: data
        for name, data in contents.items()
    }


def unpacked_by_hand(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    return {
        name.removesuffix(".gz"): gzip.decompress(data) if name.endswith(".gz") else data
        for name, data in contents.items()
    }


@pytest.mark.parametrize(
    "change",
    [
        unpacked_by_hand,
        lambda contents: with_raw_names(contents, lambda name: name.replace(".fit", ".FIT")),
        lambda contents: with_raw_names(contents, lambda name: name.replace(".jpg", ".JPG")),
        lambda contents: with_raw_names(contents, lambda name: name.replace(".gz", ".GZ")),
        lambda contents: with_raw_names(contents, lambda name: name.replace("/", "\\")),
        lambda contents: {name.replace("/", "\\"): data for name, data in contents.items()},
        lambda contents: {**contents, "activities/1.fit": b"", "activities/1.FIT": b""},
    ],
)
@pytest.mark.parametrize("write", [account_export.write_zip, account_export.write_folder])
@pytest.mark.every(3)
def test_files_are_found_under_names_that_differ_little(
    change: Callable[[Mapping[str, bytes]], Mapping[str, bytes]],
    write: Callable[[Mapping[str, bytes], Path], None],
    setting: Setting,
    account: Account,
) -> None:
    contents = change(account_export.export_files(account))
    write(contents, setting.path)
    report = setting.run()
    assert report.exit_code == (3 if "activities/1.fit" in contents else 0)
    stored = setting.files()
    assert stored_originals(stored) == exported_originals(account)
    assert stored_pictures(stored) == exported_pictures(account)
    name = setting.record(find(account, FIT))["strava_backup"]["original"]["name"]
    assert name == account_export.original_name(find(account, FIT))
    assert not setting.run().saved


@pytest.mark.parametrize("other", ["profile.csv", "activities.csv", "media/1.jpg"])
def test_no_other_file_of_the_export_is_an_original(
    other: str, setting: Setting, account: Account
) -> None:
    name = account_export.original_name(find(account, FIT))
    contents = with_cells(account_export.export_files(account), {name: other})
    setting.write({**contents, "media/1.jpg": b"1"})
    report = setting.run()
    assert report.exit_code == 3
    assert f"the export lacks {other} (" in report.failures[0].why
    assert f"bulk_export/2026-11-20/{other}" in setting.files()
    assert not [path for path in stored_originals(setting.files()) if f"_{FIT}." in path]


def test_two_activities_may_have_one_file(setting: Setting, account: Account) -> None:
    one, other = find(account, FIT), find(account, 15_000_000_001)
    contents = account_export.export_files(account)
    name = account_export.original_name(one)
    del contents[account_export.original_name(other)]
    setting.write(with_cells(contents, {account_export.original_name(other): name}))
    assert setting.run().exit_code == 0
    stored = setting.files()
    assert stored[f"{stem_of(one)}.fit"] == stored[f"{stem_of(other)}.fit"] == one.original


def test_of_several_files_like_the_one_in_the_table_none_is_taken(
    setting: Setting, account: Account
) -> None:
    activity = find(account, FIT)
    name = account_export.original_name(activity)
    contents = account_export.export_files(account)
    packed = contents.pop(name)
    others = {name.replace(".fit.gz", ".FIT"): b"1", name.replace(".fit", ".FIT"): packed}
    setting.write({**contents, **others})
    report = setting.run()
    (failure,) = report.failures
    assert str(FIT) in failure.what
    assert all(other in failure.why for other in others)
    assert report.exit_code == 3
    # The exact name decides.
    setting.write({**contents, **others, name: packed})
    setting.run()
    assert stored_originals(setting.files()) == exported_originals(account)


def test_an_original_of_an_unusual_kind_belongs_to_its_activity(
    setting: Setting, account: Account
) -> None:
    activity = find(account, FIT)
    name = account_export.original_name(activity)
    other = name.replace(".fit.gz", ".bin.gz")
    contents = with_cells(account_export.export_files(account, columns=77), {name: other})
    del contents[name]
    setting.write({**contents, other: gzip.compress(b"of some device")})
    assert setting.run().exit_code == 0
    assert setting.files()[f"{stem_of(activity)}.bin"] == b"of some device"


@pytest.mark.parametrize("columns", [2, 3, 4, 5, 7])
def test_of_a_table_of_few_columns_what_is_certain_is_read(
    columns: int, setting: Setting, account: Account
) -> None:
    contents = account_export.export_files(account)
    text = io.StringIO(contents["activities.csv"].decode(), newline="")
    cut = io.StringIO(newline="")
    csv.writer(cut).writerows(row[:columns] for row in csv.reader(text))
    setting.write({"activities.csv": cut.getvalue().encode()})
    assert setting.run().exit_code == 0
    for activity in account.activities:
        record = setting.record(activity)
        assert record["start_date"] == activity.detail["start_date"]
        assert record["name"] == (activity.detail["name"] if columns > 2 else "")
        assert "distance" not in record


def test_where_the_raw_elapsed_time_is_blank_the_other_one_is_taken(
    setting: Setting, account: Account
) -> None:
    contents = account_export.export_files(account, "es", 103)
    read = csv.reader(io.StringIO(contents["activities.csv"].decode(), newline=""))
    text = io.StringIO(newline="")
    header, *rows = read
    csv.writer(text).writerows([header, *([*row[:15], "", *row[16:]] for row in rows)])
    setting.write({**contents, "activities.csv": text.getvalue().encode()})
    assert setting.run().exit_code == 0
    for activity in account.activities:
        record = setting.record(activity)
        del record["strava_backup"]
        assert record == expected_record(activity, "es", 103)


def test_names_too_long_for_a_disk_and_files_beside_folders_are_kept(
    setting: Setting, account: Account
) -> None:
    contents = account_export.export_files(account)
    more = {
        f"media/{'é' * 300}.jpg": b"1",
        f"{'long/' * 300}x": b"2",
        "clubs": b"3",
        "clubs/one.csv": b"4",
        "profile.csv/x/y.csv": b"5",
    }
    setting.write({**contents, **more})
    report = setting.run()
    assert report.exit_code == 0
    kept = [data for path, data in setting.files().items() if path.startswith("bulk_export/")]
    assert set(more.values()) <= set(kept)
    assert not setting.run().saved
    assert setting.run().exit_code == 0


def test_a_photo_that_strava_failed_to_find_is_reported(setting: Setting, account: Account) -> None:
    photo = f"media/{find(account, 15_000_000_005).photos[0].unique_id}.jpg"
    contents = with_cells(account_export.export_files(account), {f",{photo}": f",{photo}|#error#"})
    setting.write(contents)
    report = setting.run()
    (failure,) = report.failures
    assert "the export has #error# for one of its photos" in failure.why
    assert stored_pictures(setting.files()) == exported_pictures(account)


def test_a_video_comes_beside_its_poster(setting: Setting, account: Account) -> None:
    (video,) = exported_videos(account)
    poster = setting.root / video.replace(".mp4", ".jpg")
    poster.parent.mkdir(parents=True)
    poster.write_bytes(b"poster")
    (setting.root / ".strava-backup.json").write_text(
        json.dumps({"format": 1, "athlete_id": account.athlete_id})
    )
    setting.write(account_export.export_files(account, videos=True))
    assert setting.run().exit_code == 0
    assert setting.files()[video] == exported_videos(account)[video]
    assert poster.read_bytes() == b"poster"
    record = json.loads(setting.files()[video.replace(".mp4", ".meta.json")])
    assert record["strava_backup"]["bulk_export"]["name"].endswith(".mp4")
    assert not setting.run().saved


def test_an_activity_that_stands_twice_is_taken_once(setting: Setting, account: Account) -> None:
    contents = account_export.export_files(account)
    _, _, rows = contents["activities.csv"].partition(b"\n")
    setting.write({**contents, "activities.csv": contents["activities.csv"] + rows})
    report = setting.run()
    assert report.listed == len(account.activities)
    assert report.exit_code == 0


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html><html></html>", gzip.compress(b"", mtime=0)]
)
def test_what_is_no_original_is_not_taken_for_one(
    content: bytes, setting: Setting, account: Account
) -> None:
    activity = find(account, FIT)
    contents = account_export.export_files(account)
    setting.write({**contents, account_export.original_name(activity): content})
    assert setting.run().exit_code == 3
    assert stem_of(activity) + ".fit" not in setting.files()
    assert not [path for path in setting.files() if path.endswith(".part")]
    # It is tried again.
    setting.write(contents)
    assert setting.run().saved == {"original": 1}
    assert stored_originals(setting.files()) == exported_originals(account)
    assert "original" in setting.record(activity)["strava_backup"]


def test_a_damaged_original_fails_alone(setting: Setting, account: Account) -> None:
    activity = find(account, FIT)
    name = account_export.original_name(activity)
    contents = account_export.export_files(account)
    setting.write(contents)
    packed = setting.path.read_bytes()
    assert contents[name] in packed
    broken = contents[name][:-20] + bytes(20)
    setting.path.write_bytes(packed.replace(contents[name], broken))
    report = setting.run()
    assert len(report.failures) == 1
    assert "damaged in the export" in report.failures[0].why
    expected = exported_originals(account)
    del expected[f"{stem_of(activity)}.fit"]
    assert stored_originals(setting.files()) == expected


def test_a_damaged_table_ends_the_import_before_it_begins(
    setting: Setting, account: Account
) -> None:
    setting.write(account_export.export_files(account))
    packed = bytearray(setting.path.read_bytes())
    # Into the packed table, which is the first file.
    packed[200:260] = bytes(60)
    setting.path.write_bytes(packed)
    report = setting.run()
    assert report.exit_code == 2
    assert "activities.csv is damaged" in str(report.fatal[0])
    assert setting.files() == {}


def with_half(contents: dict[str, bytes], *names: str) -> dict[str, bytes]:
    """The export with the first half of these originals and photos in place of all of them."""
    halves = {}
    for name in names:
        whole = contents[name]
        if name.endswith(".gz"):
            whole = gzip.decompress(whole)
            halves[name] = gzip.compress(whole[: len(whole) // 2], mtime=0)
        else:
            halves[name] = whole[: len(whole) // 2]
    return {**contents, **halves}


def halved_names(account: Account) -> list[str]:
    """An original of each kind, and a photo of each kind."""
    originals = {one.original_suffix: one for one in account.activities if one.original}
    photos = {photo.kind: photo for one in account.activities for photo in one.photos}
    photos.pop("video", None)
    media = [f"media/{photo.unique_id}.jpg" for photo in photos.values()]
    return [*map(account_export.original_name, originals.values()), *media]


def stored_path(account: Account, name: str) -> str:
    """The path of a file of the export in the archive."""
    for activity in account.activities:
        if activity.original and account_export.original_name(activity) == name:
            suffix = activity.original_suffix.removesuffix(".gz")
            return stem_of(activity) + suffix
        for photo in activity.photos:
            if name == f"media/{photo.unique_id}.jpg":
                return f"{photo_stem(activity, photo)}.{photo.kind}"
    raise AssertionError


def test_half_originals_and_photos_are_set_aside_and_named(
    setting: Setting, account: Account
) -> None:
    contents = account_export.export_files(account)
    names = halved_names(account)
    assert {Path(name.removesuffix(".gz")).suffix for name in names} >= {
        ".fit", ".gpx", ".tcx", ".json", ".jpg"
    }  # fmt: skip
    paths = {stored_path(account, name) for name in names}
    setting.write(with_half(contents, *names))
    report = setting.run()
    assert report.exit_code == 3
    stored = setting.files()
    assert {path for path in stored if path.startswith("damaged/")} == {
        f"damaged/{path}" for path in paths
    }
    assert not paths & stored.keys()
    assert not [path for path in paths if path.encode() in stored["SHA256SUMS"]]
    reasons = "\n".join(failure.why for failure in report.failures)
    assert len(report.failures) == len(paths)
    for name, path in zip(names, map(partial(stored_path, account), names), strict=True):
        assert name in reasons
        assert f"damaged/{path}" in reasons
        metadata = stored.get(path.partition(".")[0] + ".meta.json", b"{}")
        assert not {"original", "picture"} & json.loads(metadata).get("strava_backup", {}).keys()
    expected = {**exported_originals(account), **exported_pictures(account)}
    whole = {**stored_originals(stored), **stored_pictures(stored)}
    assert whole == {path: data for path, data in expected.items() if path not in paths}


def test_half_a_file_is_set_aside_once_and_another_half_beside_it(
    setting: Setting, account: Account
) -> None:
    contents = account_export.export_files(account)
    names = halved_names(account)
    setting.write(with_half(contents, *names))
    setting.run()
    before = setting.files()
    again = setting.run()
    assert again.exit_code == 3
    assert not again.saved
    assert setting.files() == before

    quarter = with_half(with_half(contents, *names), *names)
    setting.write(quarter)
    assert setting.run().exit_code == 3
    after = setting.files()
    damaged = {path for path in before if path.startswith("damaged/")}
    new = {path for path in after if path.startswith("damaged/")} - damaged
    assert new == {f"{path}.2" for path in damaged}
    assert {path: after[path] for path in before} == before

    setting.write(contents)
    assert setting.run().exit_code == 0
    expected = {**exported_originals(account), **exported_pictures(account)}
    assert setting.files().items() >= expected.items()


def test_half_an_original_of_an_activity_that_has_a_whole_one_is_left_alone(
    setting: Setting, account: Account
) -> None:
    contents = account_export.export_files(account)
    setting.write(contents)
    setting.run()
    before = setting.files()
    setting.write(with_half(contents, *halved_names(account)))
    assert setting.run().exit_code == 0
    assert setting.files() == before


def test_half_a_file_under_the_name_of_another_kind_is_set_aside(
    setting: Setting, account: Account
) -> None:
    activity = find(account, FIT)
    track = files.gpx(account_export._start(activity), 30)[:-20]
    contents = account_export.export_files(account)
    setting.write({**contents, account_export.original_name(activity): files.gzipped(track)})
    assert setting.run().exit_code == 3
    assert setting.files()[f"damaged/{stem_of(activity)}.gpx"] == track


def test_a_file_of_an_unknown_kind_is_stored(setting: Setting, account: Account) -> None:
    activity = find(account, FIT)
    contents = account_export.export_files(account)
    name = account_export.original_name(activity)
    other = name.replace(".fit.gz", ".sml")
    contents[other] = b"nobody knows this kind"
    del contents[name]
    setting.write(with_cells(contents, {name: other}))
    assert setting.run().exit_code == 0
    assert setting.files()[f"{stem_of(activity)}.sml"] == b"nobody knows this kind"


def test_names_with_a_wrong_suffix_are_reported(
    setting: Setting, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    activity = find(account, FIT)
    track = files.gpx(account_export._start(activity), 30)
    contents = account_export.export_files(account)
    setting.write({**contents, account_export.original_name(activity): files.gzipped(track)})
    assert setting.run().exit_code == 0
    assert setting.files()[f"{stem_of(activity)}.gpx"] == track
    suspicion = setting.record(activity)["strava_backup"]["original"]["odd"]
    assert suspicion == "named .fit, but the content is .gpx"
    assert suspicion in caplog.text


def test_what_is_called_gzip_and_is_none_is_taken_as_it_is(
    setting: Setting, account: Account
) -> None:
    activity = find(account, FIT)
    contents = account_export.export_files(account)
    setting.write({**contents, account_export.original_name(activity): activity.original or b""})
    assert setting.run().exit_code == 0
    assert stored_originals(setting.files()) == exported_originals(account)


def test_the_limit_counts_activities_that_miss_something(
    setting: Setting, account: Account
) -> None:
    setting.write(account_export.export_files(account))
    setting.run(limit=3)
    stored = setting.files()
    assert len(stored_metadata(stored, "activities")) == 3
    assert not [path for path in stored if "bulk_export" in path and "/activities/" in path]
    setting.run(limit=3)
    assert len(stored_metadata(setting.files(), "activities")) == 6
    setting.run()
    assert stored_originals(setting.files()) == exported_originals(account)


def test_photos_can_be_left_out(setting: Setting, account: Account) -> None:
    setting.write(account_export.export_files(account))
    setting.run(photos=False)
    assert not [path for path in setting.files() if path.startswith("photos/") or "media/" in path]
    assert setting.run().saved["photo"] == len(exported_pictures(account))
    assert stored_pictures(setting.files()) == exported_pictures(account)


def test_videos_can_be_left_out_and_are_counted_apart(setting: Setting, account: Account) -> None:
    setting.write(account_export.export_files(account, videos=True))
    report = setting.run(videos=False)
    assert (report.exit_code, report.saved["video"]) == (0, 0)
    assert stored_pictures(setting.files()) == exported_pictures(account)
    assert not [path for path in setting.files() if path.endswith(".mp4")]
    assert setting.run(dry_run=True).saved == {"video": 1}
    assert setting.run().saved == {"video": 1}
    assert stored_videos(setting.files()) == exported_videos(account)
    (path,) = exported_videos(account)
    own = json.loads(setting.files()[path.replace(".mp4", ".meta.json")])["strava_backup"]
    assert own["video"]["file"] == path.removeprefix("photos/")
    assert "picture" not in own


def test_a_damaged_video_of_an_export_is_set_aside(setting: Setting, account: Account) -> None:
    contents = account_export.export_files(account, videos=True)
    (name,) = (name for name in contents if name.endswith(".mp4"))
    setting.write({**contents, name: contents[name][:-1]})
    report = setting.run()
    assert report.exit_code == 3
    assert "the .mp4 video has no end" in report.failures[0].why
    assert stored_videos(setting.files()) == {}
    (path,) = exported_videos(account)
    assert f"damaged/{path}" in setting.files()


def test_a_dry_run_lists_what_an_import_saves_and_writes_nothing(
    setting: Setting, account: Account
) -> None:
    setting.write(account_export.export_files(account))
    dry = setting.run(dry_run=True)
    assert not setting.root.exists()
    printed = setting.printed[:]
    assert "2026-07-03 15210998871 Lunch Run: original, metadata, photo, photo" in printed
    assert "bikes.csv" in printed
    assert dry.saved == setting.run().saved
    assert not setting.run(dry_run=True).saved
    assert setting.printed == []


def test_another_run_keeps_an_import_out(setting: Setting, account: Account) -> None:
    setting.write(account_export.export_files(account))
    setting.root.mkdir()
    with Archive(setting.root).locked():
        assert setting.run().exit_code == 5
        assert setting.run(dry_run=True).exit_code == 5
    assert setting.files() == {}


def test_the_export_of_another_athlete_is_refused(setting: Setting, account: Account) -> None:
    setting.write(account_export.export_files(account))
    setting.run()
    before = setting.files()
    other = Account(athlete_id=5, activities=Account.of(3).activities)
    setting.write(account_export.export_files(other))
    report = setting.run()
    assert report.exit_code == 4
    assert "but the export belongs to athlete 5" in str(report.fatal[0])
    assert setting.files() == before


@pytest.mark.parametrize("profile", [None, b"", b"Athlete ID\n", b"Athlete ID\nAda\n"])
def test_without_a_profile_a_common_activity_has_to_tell(
    profile: bytes | None, setting: Setting, account: Account
) -> None:
    def without_profile(account: Account) -> dict[str, bytes]:
        contents = account_export.export_files(account)
        del contents["profile.csv"]
        return contents if profile is None else {**contents, "profile.csv": profile}

    setting.write(without_profile(account))
    assert setting.run().exit_code == 0
    assert ".strava-backup.json" not in setting.files()
    assert setting.run().exit_code == 0
    other = Account.of(4)
    other.remove(16_600_000_000)
    setting.write(without_profile(other))
    report = setting.run()
    assert report.exit_code == 4
    assert "no activity in common" in str(report.fatal[0])


def test_an_archive_of_version_0_4_keeps_its_files_and_its_old_metadata(
    setting: Setting, account: Account
) -> None:
    # Its names and dates had the month in place of the minute.
    stem = f"activities/2026/2026-07-03T05-07-42Z_{FIT}"
    (setting.root / stem).parent.mkdir(parents=True)
    (setting.root / f"{stem}.fit").write_bytes(find(account, FIT).original or b"")
    old = {"id": FIT, "start_date": "2026-07-03T05:07:42+00:00"}
    (setting.root / f"{stem}.meta.json").write_text(json.dumps(old))
    setting.write(account_export.export_files(account))
    assert setting.run().exit_code == 0
    stored = setting.files()
    assert len([path for path in stored if f"_{FIT}.fit" in path]) == 1
    record = json.loads(stored[f"{stem}.meta.json"])
    assert record["start_date"] == find(account, FIT).detail["start_date"]
    (history,) = (path for path in stored if path.startswith("history/"))
    assert json.loads(stored[history]) == old
    # The first backup run sets the owner after it has checked the archive.
    assert ".strava-backup.json" not in stored


def test_a_missing_parent_is_not_made(setting: Setting, account: Account) -> None:
    setting.write(account_export.export_files(account))
    setting.root = setting.root / "unmounted" / "archive"
    assert setting.run().exit_code == 1
    assert not setting.root.parent.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [("../../evil", "a path outside of it"), ("/tmp/evil", "a path outside of it")],
)
def test_a_hostile_zip_makes_no_archive(
    name: str, words: str, setting: Setting, account: Account
) -> None:
    setting.write({**account_export.export_files(account), name: b"evil"})
    report = setting.run()
    assert report.exit_code == 2
    assert words in str(report.fatal[0])
    assert sorted(
        path.name for path in setting.path.parent.rglob("*") if "home" not in str(path)
    ) == ["export.zip"]


def test_a_table_that_names_files_elsewhere_reaches_none(
    setting: Setting, account: Account
) -> None:
    name = account_export.original_name(find(account, FIT))
    contents = account_export.export_files(account)
    setting.write(with_cells(contents, {name: "activities/../../../../etc/passwd"}))
    report = setting.run()
    assert report.exit_code == 3
    assert "the export lacks activities/../../../../etc/passwd" in report.failures[0].why
    assert not [
        path
        for path, data in setting.files().items()
        if b"root:" in data and not path.endswith((".json", ".csv"))
    ]


def test_a_bomb_in_gzip_leaves_nothing(
    setting: Setting, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_file, "_HARMLESS", 5_000_000)
    activity = find(account, FIT)
    contents = account_export.export_files(account)
    bomb = gzip.compress(bytes(6_000_000), 9)
    setting.write({**contents, account_export.original_name(activity): bomb})
    report = setting.run()
    assert report.exit_code == 3
    assert "200 times" in report.failures[0].why
    assert stem_of(activity) not in "".join(stored_originals(setting.files()))
    assert not list(setting.root.rglob(".*.part"))


class ThenOnline:
    """An import, and then runs with Strava; `prepare` makes a rig use one of the sources."""

    @staticmethod
    def prepare(rig: Rig) -> Rig:
        raise NotImplementedError

    @pytest.fixture
    def rig(self, small_rig: Rig) -> Rig:
        return self.prepare(small_rig)

    @staticmethod
    def import_files(rig: Rig, contents: Mapping[str, bytes]) -> Report:
        setting = Setting(rig.root.parent)
        setting.root = rig.root
        setting.write(contents)
        return setting.run()

    def test_a_run_fetches_only_what_the_export_lacked(self, rig: Rig) -> None:
        lost = 15_000_000_003
        self.import_files(rig, account_export.export_files(rig.account, "cs", lost=[lost]))
        assert rig.run().exit_code == 0
        asked = Counter(request.kind for request in rig.account.requests)
        asked_originals = {one.id for one in rig.account.requests if one.kind == "original"}
        manual = {one.id for one in rig.account.activities if one.original is None}
        # The listing of the website does not show that a manual activity has no original.
        assert lost in asked_originals
        assert asked_originals <= {lost, *manual}
        # The poster of a video, of which the export has nothing.
        assert asked["photo"] == 1
        files = rig.files()
        expected = exported_originals(rig.account)
        beside = {
            path: data
            for path, data in expected_originals(rig.account).items()
            if path.endswith(".gpx")
        }
        assert stored_originals(files) == {**beside, **expected}
        assert stored_pictures(files) == expected_pictures(rig.account)
        assert not [path for path in files if path.startswith("history/")]

    def test_a_run_fetches_what_was_half_in_the_export_and_nothing_else(self, rig: Rig) -> None:
        names = halved_names(rig.account)
        damaged = {stored_path(rig.account, name) for name in names}
        contents = with_half(account_export.export_files(rig.account), *names)
        assert self.import_files(rig, contents).exit_code == 3
        aside = {path for path in rig.files() if path.startswith("damaged/")}
        assert rig.run().exit_code == 0
        requests = [request for request in rig.account.requests if request.kind == "original"]
        asked = {request.id for request in requests}
        ids = {
            int(path.rsplit("_")[-1].split(".")[0])
            for path in damaged
            if path.startswith("activities/")
        }
        manual = {one.id for one in rig.account.activities if one.original is None}
        # The listing of the website does not show that a manual activity has no original.
        assert ids <= asked <= ids | manual
        photos = [path for path in damaged if path.startswith("photos/")]
        # The poster of a video, of which the export has nothing.
        assert Counter(rig.asked)["photo"] == len(photos) + 1
        after = rig.files()
        assert stored_pictures(after) == expected_pictures(rig.account)
        expected = expected_originals(rig.account)
        fetched = {
            path: data for path, data in after.items() if any(f"_{one}." in path for one in ids)
        }
        for activity_id in ids:
            assert any(
                f"_{activity_id}." in path and fetched.get(path) == data
                for path, data in expected.items()
            )
        assert {path for path in after if path.startswith("damaged/")} == aside

    def test_metadata_is_filled_up_and_what_only_the_export_knew_stays(self, rig: Rig) -> None:
        self.import_files(rig, account_export.export_files(rig.account))
        columns = {
            path: json.loads(data)["strava_backup"]["bulk_export"]
            for path, data in rig.files().items()
            if path.endswith(".meta.json")
        }
        for name in ("Edited", "Edited again"):
            assert rig.run().exit_code == 0
            rig.account.edit(FIT, name=name)
            rig.clock.now += DAY
        rig.run()
        files = rig.files()
        for path, export_data in columns.items():
            own = json.loads(files[path])["strava_backup"]
            assert own["bulk_export"] == export_data
            assert own["source"] in ("api", "website")
        record = json.loads(files[f"{stem_of(find(rig.account, FIT))}.meta.json"])
        assert record["name"] == "Edited again"
        assert record["sport_type"] == "Run"

    def test_a_later_run_finds_nothing_to_do(self, rig: Rig) -> None:
        self.import_files(rig, account_export.export_files(rig.account))
        for _ in range(3):
            rig.run()
            rig.clock.now += DAY
        report = rig.run()
        assert not report.saved
        assert not {"original", "gpx", "photo", "detail", "bike"} & set(rig.asked)

    def test_an_import_after_a_run_brings_nothing_twice(self, rig: Rig) -> None:
        rig.run()
        before = rig.files()
        report = self.import_files(rig, account_export.export_files(rig.account))
        assert report.exit_code == 0
        assert set(report.saved) == {"metadata", "file"}
        after = rig.files()
        for path, data in before.items():
            if path.endswith(".meta.json") and path.startswith("activities/"):
                record = json.loads(after[path])
                assert record["strava_backup"].pop("bulk_export")["columns"]
                assert record == json.loads(data)
            else:
                assert after[path] == data
        rig.clock.now += DAY
        assert not rig.run().saved

    def test_what_an_import_brings_in_between_is_listed_by_the_next_run(self, rig: Rig) -> None:
        oldest = rig.account.activities[-1]
        rig.account.remove(oldest.id)
        rig.run()
        rig.clock.now += DAY
        rig.account.add(oldest)
        self.import_files(rig, account_export.export_files(rig.account))
        rig.run()
        own = own_key(rig.files(), oldest)
        assert own["source"] in ("api", "website")
        asked = {request.id for request in rig.account.requests if request.kind == "original"}
        assert oldest.id not in asked

    @pytest.mark.parametrize("rename", [str.lower, lambda name: name.replace("-", "").lower()])
    def test_photos_are_known_again_by_their_ids(
        self, rename: Callable[[str], str], rig: Rig
    ) -> None:
        self.import_files(rig, account_export.export_files(rig.account, rename_photo=rename))
        rig.run()
        assert Counter(rig.asked)["photo"] == 1  # the poster of a video
        pictures = Counter(stored_pictures(rig.files()).values())
        assert pictures == Counter(expected_pictures(rig.account).values())

    def test_photos_are_known_again_by_their_content(self, rig: Rig) -> None:
        def rename(name: str) -> str:
            return str(uuid.uuid5(uuid.NAMESPACE_URL, name))

        self.import_files(rig, account_export.export_files(rig.account, rename_photo=rename))
        before = stored_pictures(rig.files())
        assert rig.run().exit_code == 0
        after = stored_pictures(rig.files())
        assert after.items() >= before.items()
        expected = expected_pictures(rig.account)
        assert Counter(after.values()) == Counter(expected.values())
        # The metadata that Strava gives is there, and nothing is fetched another time.
        records = stored_metadata(rig.files(), "photos")
        assert records.keys() >= expected_photo_metadata(rig.account).keys()
        rig.clock.now += DAY
        rig.run()
        assert "photo" not in rig.asked
        # It is if the file was removed.
        lost = next(path for path in before if path not in expected)
        (rig.root / lost).unlink()
        rig.run()
        assert Counter(rig.asked)["photo"] == 1

    def test_photos_that_nothing_tells_to_be_the_same_both_stay(self, rig: Rig) -> None:
        activity = find(rig.account, 15_000_000_005)
        photo = activity.photos[0]
        contents = account_export.export_files(rig.account, rename_photo=lambda name: f"x{name}")
        contents[f"media/x{photo.unique_id}.jpg"] = photo.content + b"smaller, or larger"
        self.import_files(rig, contents)
        rig.run()
        stored = {path for path in rig.files() if path.startswith(f"photos/{activity.id}_")}
        assert stored >= {
            f"photos/{activity.id}_{photo.unique_id}.jpg",
            f"photos/{activity.id}_x{photo.unique_id}.jpg",
        }


class TestTheApi(ThenOnline):
    @staticmethod
    def prepare(rig: Rig) -> Rig:
        return rig

    def test_every_detail_is_fetched(self, rig: Rig) -> None:
        self.import_files(rig, account_export.export_files(rig.account))
        rig.run()
        expected = expected_activity_metadata(rig.account)
        assert stored_metadata(rig.files(), "activities") == expected


class TestTheWebsite(ThenOnline):
    @staticmethod
    def prepare(rig: Rig) -> Rig:
        rig.config = replace(rig.config, api=None, source="website")
        return rig


def test_files_of_other_programs_do_not_stand_for_originals_and_photos(
    setting: Setting, account: Account
) -> None:
    setting.write(account_export.export_files(account))
    setting.run()
    paths = [*exported_originals(account), *exported_pictures(account)]
    foreign = {}
    for path in paths:
        (setting.root / path).unlink()
        stem = path.partition(".")[0]
        foreign |= {f"{stem}{suffix}": b"mine" for suffix in (".txt", ".jpg.xmp", ".fit.bak")}
    for path, content in foreign.items():
        (setting.root / path).write_bytes(content)

    report = setting.run()

    assert report.exit_code == 0, report.problem_lines()
    stored = setting.files()
    assert stored.items() >= {**exported_originals(account), **exported_pictures(account)}.items()
    assert stored.items() >= foreign.items()
    assert setting.run().saved == {}


@pytest.mark.parametrize("is_partial", [True, False])
def test_metadata_that_cannot_be_written_is_one_failure(
    setting: Setting, account: Account, is_partial: bool
) -> None:
    setting.write(account_export.export_files(account))
    metadata = setting.root / f"{stem_of(find(account, FIT))}.meta.json"
    metadata.parent.mkdir(parents=True)
    path = metadata.with_name(f".{metadata.name}.part") if is_partial else metadata
    path.mkdir()
    # An archive that holds something needs an owner.
    marker = {"format": 1, "athlete_id": account.athlete_id}
    (setting.root / ".strava-backup.json").write_text(json.dumps(marker))

    report = setting.run()

    assert report.exit_code == 3
    assert len(report.failures) == 1
    assert metadata.name in report.failures[0].what + report.failures[0].why
    stored = setting.files()
    assert sum(name.endswith(".meta.json") for name in stored if name.startswith("act")) == (
        len(account.activities) - 1
    )
    assert not [name for name in stored if name.startswith("bulk_export") and "activities/" in name]
    path.rmdir()
    assert setting.run().exit_code == 0
    assert stored_originals(setting.files()) == exported_originals(account)


def test_a_list_that_is_a_link_is_one_failure_of_an_import(
    setting: Setting, account: Account
) -> None:
    outside = setting.root.parent / "outside"
    outside.write_text("mine\n")
    setting.root.mkdir()
    (setting.root / "SHA256SUMS").symlink_to(outside)
    setting.write(account_export.export_files(account))
    report = setting.run()
    assert [failure.what for failure in report.failures] == ["SHA256SUMS"]
    assert outside.read_text() == "mine\n"
    assert stored_originals(setting.files()) == exported_originals(account)
