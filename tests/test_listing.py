"""The list has a row for each activity of an archive, with all that is known of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from strava_backup import errors, listing
from strava_backup.archive.metadata import to_json
from strava_backup.listing import Query, Row
from tests.conftest import Clock, Rig
from tests.expected import stem_of
from tests.made_up_json import RECORDS

STEM = "activities/2026/2026-05-06T07-08-09Z_5"
RECORD = {
    "id": 5,
    "resource_state": 3,
    "name": "Morning Run",
    "sport_type": "Run",
    "type": "Run",
    "start_date": "2026-05-06T07:08:09Z",
    "start_date_local": "2026-05-06T09:08:09Z",
    "distance": 5000.4,
    "moving_time": 1501,
    "elapsed_time": 1600,
    "manual": False,
    "upload_id": 7,
    "total_photo_count": 0,
}
THREE_DAYS = ["2026-11-19", "2026-11-20", "2026-11-21"]


def save(root: Path, path: str, content: bytes | dict[str, Any] = b"x") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(to_json(content) if isinstance(content, dict) else content)


def rows(root: Path) -> list[Row]:
    return listing.read_rows(root, Clock())


def row_of(root: Path, record: bytes | dict[str, Any], *suffixes: str) -> Row:
    save(root, f"{STEM}.meta.json", record)
    for suffix in suffixes:
        save(root, STEM + suffix)
    [row] = rows(root)
    return row


def test_every_activity_of_a_whole_archive_has_a_row(rig: Rig) -> None:
    rig.run()
    found = rows(rig.root)
    in_order = sorted(rig.account.activities, key=lambda one: (one.detail["start_date"], one.id))
    assert [row.id for row in found] == [one.id for one in in_order]
    for row, activity in zip(found, in_order, strict=True):
        detail = activity.detail
        assert row.start == detail["start_date"]
        assert row.start_local == detail["start_date_local"].rstrip("Z")
        for name in ("sport_type", "distance", "moving_time", "elapsed_time", "name"):
            assert getattr(row, name) == detail[name]
        assert str(row.metadata) == f"{stem_of(activity)}.meta.json"
        kinds = {photo.kind for photo in activity.photos}
        assert row.photos == len(activity.photos) or kinds & {"placeholder", "instagram"}
        assert (row.missing, row.refused) == ((), {})
        has_gpx = activity.original_suffix == ".json" and activity.gpx is not None
        assert len(row.files) == (activity.original is not None) + has_gpx


def test_a_list_changes_nothing_and_needs_no_lock(rig: Rig) -> None:
    rig.run()
    (rig.root / ".lock").unlink()
    before = {path: path.stat().st_mtime_ns for path in rig.root.rglob("*")}
    assert rows(rig.root)
    assert {path: path.stat().st_mtime_ns for path in rig.root.rglob("*")} == before


# Metadata that is missing, old or garbled


def test_a_row_without_metadata_has_the_day_of_the_files_name(tmp_path: Path) -> None:
    save(tmp_path, f"{STEM}.fit")
    assert rows(tmp_path) == [Row(5, "2026-05-06", files=(f"{STEM}.fit",))]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b'{"a": ' + b"[" * 9999, b"9" * 9999]
)
def test_unreadable_metadata_leaves_a_row_of_the_files(tmp_path: Path, content: bytes) -> None:
    row = row_of(tmp_path, content, ".fit")
    assert row == Row(
        5,
        "2026-05-06",
        files=(f"{STEM}.fit",),
        metadata=f"{STEM}.meta.json",
    )


def test_a_folder_in_place_of_metadata_leaves_a_row_of_the_files(tmp_path: Path) -> None:
    save(tmp_path, f"{STEM}.fit")
    (tmp_path / f"{STEM}.meta.json").mkdir()
    assert [row.id for row in rows(tmp_path)] == [5]


def test_metadata_of_version_0_4_has_only_the_day_since_its_minutes_are_wrong(
    tmp_path: Path,
) -> None:
    # As that version wrote it: the month in place of the minute, on one line.
    old = {name: RECORD[name] for name in ("id", "type", "distance", "moving_time")}
    old |= {"name": "Zürich", "start_date": "2026-05-06T07:05:09Z", "gear_id": None}
    row = row_of(tmp_path, json.dumps(old, sort_keys=True, ensure_ascii=False).encode(), ".fit")
    assert (row.start, row.start_local, row.sport_type) == ("2026-05-06", "", "Run")
    assert (row.name, row.distance, row.moving_time) == ("Zürich", 5000.4, 1501)


def test_a_record_of_a_bulk_export_has_the_start_of_its_files_name(tmp_path: Path) -> None:
    record = {"id": 5, "name": "Run", "resource_state": 2, "strava_backup": {"source": "x"}}
    row = row_of(tmp_path, record, ".fit")
    assert (row.start, row.shown_start) == ("2026-05-06T07:08:09Z", "2026-05-06T07:08:09Z")


NOT_TEXT = (None, True, 5, [], [["x"]], {})
NOT_NUMBERS = (None, True, "5", [], {}, -1, 10**400)
NOT_TIMES = (None, True, 5, [], {}, "", "x", "\ud83d", "2026-99-06T07:08:09Z")


@pytest.mark.parametrize(
    ("names", "wrong", "unknown"),
    [
        (("name",), NOT_TEXT, {"name": ""}),
        (("sport_type",), NOT_TEXT, {"sport_type": "Run"}),
        (("sport_type", "type"), NOT_TEXT, {"sport_type": ""}),
        (("distance",), NOT_NUMBERS, {"distance": None}),
        (("moving_time",), NOT_NUMBERS, {"moving_time": None}),
        (("elapsed_time",), NOT_NUMBERS, {"elapsed_time": None}),
        (("start_date",), NOT_TIMES, {}),  # the name of the files has it, too
        (("start_date_local",), NOT_TIMES, {"start_local": ""}),
        (("total_photo_count", "manual", "upload_id"), (None, "5", [], {}), {}),
        (("start_date",), ("0001-01-01T00:00:00+09:00",), {}),
    ],
)
def test_a_value_of_a_wrong_type_is_unknown_and_the_others_stay(
    tmp_path: Path, names: tuple[str, ...], wrong: tuple[object, ...], unknown: dict[str, Any]
) -> None:
    expected = row_of(tmp_path, RECORD, ".fit")._replace(**unknown)
    for value in wrong:
        assert row_of(tmp_path, {**RECORD, **dict.fromkeys(names, value)}, ".fit") == expected


@pytest.mark.parametrize(
    ("time", "start", "local"),
    [
        ("2026-05-06T07:08:09Z", "2026-05-06T07:08:09Z", "2026-05-06T07:08:09"),
        ("0999-05-06T23:59:59Z", "0999-05-06T23:59:59Z", "0999-05-06T23:59:59"),
        ("2026-05-06T09:08:09+02:00", "2026-05-06T07:08:09Z", "2026-05-06T09:08:09"),
        ("2026-05-06 07:08:09Z", "2026-05-06T07:08:09Z", "2026-05-06T07:08:09"),
        ("2026-W19-3T07:08:09Z", "2026-05-06T07:08:09Z", "2026-05-06T07:08:09"),
        ("2026-05-06T07:08:09.5Z", "2026-05-06T07:08:09Z", "2026-05-06T07:08:09"),
        ("2026-02-30T07:08:09Z", "", ""),
        ("2026-05-06T07:60:09Z", "", ""),
        ("0000-05-06T07:08:09Z", "", ""),
        ("2026-05-06T07:08:09Z\n", "", ""),
    ],
)
def test_times_of_every_form_are_shown_alike(
    tmp_path: Path, time: str, start: str, local: str
) -> None:
    save(
        tmp_path, "activities/_5.meta.json", RECORD | {"start_date": time, "start_date_local": time}
    )
    [row] = rows(tmp_path)
    assert (row.start, row.start_local) == (start, local)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1", "1e300", "1" + "0" * 400, "true"])
def test_a_number_that_cannot_be_one_is_unknown(tmp_path: Path, number: str) -> None:
    record = b'{"resource_state": 3, "distance": %s, "moving_time": 5}' % number.encode()
    row = row_of(tmp_path, record, ".fit")
    assert (row.distance, row.moving_time) == (None, 5)


@given(record=RECORDS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_record_breaks_the_list(tmp_path: Path, record: dict[str, Any]) -> None:
    assert row_of(tmp_path, record, ".fit").id == 5


@pytest.mark.parametrize("stem", ["_7", "T-Z_7", "0000-99-99T99-99-99Z_7", "2026-05-06_7"])
def test_a_file_whose_name_has_no_start_has_a_row(tmp_path: Path, stem: str) -> None:
    save(tmp_path, f"activities/{stem}.fit")
    assert [row.id for row in rows(tmp_path)] == [7]


def test_activities_are_in_the_order_of_their_starts_in_utc(tmp_path: Path) -> None:
    times = {5: "2026-05-06T07:08:09Z", 9: "2019-01-01T00:00:00Z", 7: "2026-05-06T07:08:10Z"}
    for number, start in times.items():
        record = {**RECORD, "id": number, "start_date": start}
        save(tmp_path, f"activities/2026/2026-05-06T07-08-09Z_{number}.meta.json", record)
    assert [row.id for row in rows(tmp_path)] == [9, 5, 7]


# What is missing


def own(**values: Any) -> dict[str, Any]:
    return {"strava_backup": values}


def refusal(item: str, *days: str) -> dict[str, Any]:
    return {"refused": {item: {"why": "404", "on": list(days)}}}


@pytest.mark.parametrize(
    ("changes", "suffixes", "missing", "refused"),
    [
        pytest.param({}, [".fit"], (), {}, id="nothing"),
        pytest.param({}, [], ("original",), {}, id="original"),
        pytest.param({}, [".json"], ("gpx",), {}, id="GPX of JSON"),
        pytest.param({"manual": True}, [], (), {}, id="a manual activity has none"),
        pytest.param({"upload_id": None}, [], (), {}, id="nor one without an upload"),
        pytest.param(
            own(original={"absent": "a manual activity"}), [], (), {}, id="it is known to be absent"
        ),
        pytest.param(
            own(**refusal("original", "2026-11-21")),
            [],
            ("original",),
            {"original": "404"},
            id="refused once",
        ),
        pytest.param(
            own(**refusal("original", *THREE_DAYS)),
            [],
            ("original",),
            {"original": "404"},
            id="refused so often that the next run does not request it",
        ),
        pytest.param(
            own(**refusal("original", *THREE_DAYS)), [".fit"], (), {}, id="refused, but stored"
        ),
        pytest.param(
            {**own(**refusal("original", *THREE_DAYS)), "manual": True},
            [],
            (),
            {},
            id="none to refuse",
        ),
        pytest.param(own(gone_since="2026-11-01T00:00:00Z"), [], (), {}, id="deleted on Strava"),
        pytest.param({"total_photo_count": 2}, [".fit"], ("photo list",), {}, id="photo list"),
        pytest.param(
            {"total_photo_count": 2, **own(photos={"count": 2})},
            [".fit"],
            (),
            {},
            id="photos listed",
        ),
    ],
)
def test_a_row_says_what_is_missing_and_may_exist(
    tmp_path: Path,
    changes: dict[str, Any],
    suffixes: list[str],
    missing: tuple[str, ...],
    refused: dict[str, str],
) -> None:
    # A refusal counts only if the archive has another original.
    save(tmp_path, "activities/2020/2020-05-06T07-08-09Z_1.fit")
    save(tmp_path, f"{STEM}.meta.json", {**RECORD, **changes})
    for suffix in suffixes:
        save(tmp_path, STEM + suffix)
    row = rows(tmp_path)[-1]
    assert (row.missing, row.refused) == (missing, refused)
    assert [one.id for one in listing.select([row], Query(only_incomplete=True))] == [5] * bool(
        missing
    )


@pytest.mark.parametrize(
    ("photo_own", "missing"),
    [
        ({}, ("photo",)),
        (refusal("photo", "2026-11-21"), ("photo",)),
        (refusal("photo", *THREE_DAYS), ()),
        ({"picture": {"same_as": "b"}}, ()),
        ({"picture": {"same_as": "c"}}, ("photo",)),
    ],
)
def test_a_listed_photo_without_a_picture_is_missing_unless_it_is_not_available(
    tmp_path: Path, photo_own: dict[str, Any], missing: tuple[str, ...]
) -> None:
    save(tmp_path, "photos/5_a.meta.json", {"unique_id": "a", "strava_backup": photo_own})
    save(tmp_path, "photos/5_b.jpg")
    row = row_of(tmp_path, RECORD, ".fit")
    assert (row.photos, row.missing) == (1, missing)


@pytest.mark.parametrize(
    ("stored", "photo_own", "missing"),
    [
        ((), {}, ("photo", "video")),
        ((".jpg",), {}, ("video",)),
        ((".ts",), {}, ("photo",)),
        ((".jpg", ".mp4"), {}, ()),
        ((".jpg",), refusal("video", *THREE_DAYS), ()),
    ],
)
def test_a_video_is_missing_unless_it_is_stored_or_not_available(
    tmp_path: Path, stored: tuple[str, ...], photo_own: dict[str, Any], missing: tuple[str, ...]
) -> None:
    url = "https://d1.cloudfront.net/a.m3u8"
    record = {"unique_id": "a", "video_url": url, "strava_backup": photo_own}
    save(tmp_path, "photos/5_a.meta.json", record)
    save(tmp_path, "photos/5_b.jpg")
    for suffix in stored:
        save(tmp_path, f"photos/5_a{suffix}")
    assert row_of(tmp_path, RECORD, ".fit").missing == missing


def test_photos_that_the_website_listed_need_no_list_of_the_api(tmp_path: Path) -> None:
    save(tmp_path, "photos/5_a.jpg")
    assert row_of(tmp_path, {**RECORD, "total_photo_count": 1}, ".fit").missing == ()


@pytest.mark.parametrize("source", ["api", "website"])
def test_incomplete_activities_are_those_that_the_next_run_would_work_on(
    rig: Rig, source: str
) -> None:
    rig.config = replace(rig.config, source=source)
    rig.run()
    for suffix in ("fit", "gpx", "jpg"):
        sorted(rig.root.rglob(f"*.{suffix}"))[0].unlink()
    rig.run(dry_run=True)
    planned = {int(line.split()[1]) for line in rig.printed}
    assert len(planned) == 3
    incomplete = listing.select(rows(rig.root), Query(only_incomplete=True))
    assert {row.id for row in incomplete} == planned


# Selection


def dated(start_local: str, start: str = "2026-05-06T07:08:09Z", name: str = "") -> Row:
    return Row(5, start, start_local, name=name)


@pytest.mark.parametrize(
    ("row", "since", "until", "is_listed"),
    [
        (dated("2026-05-06T09:08:09"), "2026-05-06", "2026-05-06", True),
        (dated("2026-05-06T23:59:59"), "2026-05-06", "2026-05-06", True),
        (dated("2026-05-07T00:00:00"), "2026-05-06", "2026-05-06", False),
        (dated("2026-05-06T09:08:09"), "2026-05-07", None, False),
        (dated("2026-05-06T09:08:09"), None, "2026-05-05", False),
        (dated("2026-05-05T21:08:09"), "2026-05-06", None, False),
        (dated(""), "2026-05-06", None, True),
        (dated("", "2026-05-06"), "2026-05-06", "2026-05-06", True),
        (dated("", ""), "2026-05-06", None, False),
        (dated("", ""), None, "2026-05-06", False),
        (dated("", ""), None, None, True),
    ],
)
def test_days_are_those_of_the_local_start_and_inclusive(
    row: Row, since: str | None, until: str | None, is_listed: bool
) -> None:
    days = [day and date.fromisoformat(day) for day in (since, until)]
    assert listing.select([row], Query("", *days)) == [row] * is_listed


@pytest.mark.parametrize(
    ("text", "name", "is_listed"),
    [
        ("", "", True),
        ("run", "Morning Run", True),
        ("RUN", "morning run", True),
        ("ride", "Morning Run", False),
        ("zürich", "ZU\u0308RICH", True),
        ("ZU\u0308RICH", "Zürich", True),
        ("strasse", "Große Straße", True),
        ("ﬁne", "Fine", True),
        ("\ud83d", "cut \ud83d", True),
        ("\udcff", "Run", False),
    ],
)
def test_a_text_is_found_in_titles_without_case_in_any_form_of_unicode(
    text: str, name: str, is_listed: bool
) -> None:
    row = dated("", name=name)
    assert listing.select([row], Query(text)) == [row] * is_listed


# Archives


@pytest.mark.parametrize("make", [lambda _: None, Path.mkdir, lambda root: root.write_text("")])
def test_without_an_archive_the_list_is_a_config_error(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "archive")
    with pytest.raises(errors.ConfigError, match="there is no archive in"):
        rows(tmp_path / "archive")


def test_an_archive_of_a_newer_format_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".strava-backup.json").write_text('{"format": 2}')
    with pytest.raises(errors.ConfigError, match="newer strava-backup"):
        rows(tmp_path)


def test_an_archive_may_have_no_activity(tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").write_text("")
    assert rows(tmp_path) == []
