"""Archives of version 0.4 are taken over; that very program makes them of the made-up Strava."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import old_version
from strava_backup.backup import tasks
from strava_backup.demo.account import Account
from tests.conftest import Rig, read_files
from tests.expected import expected_gear_metadata, expected_photo_metadata, stem_of, stored_metadata
from tests.strava_proxy import StravaProxy

# Version 0.4.0 ends with an error at a JSON original of which Strava makes no GPX.
WITHOUT_GPX = 1_000_002


@pytest.fixture(scope="session")
def old_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the sample account that version 0.4.0 from PyPI has made."""
    folder = tmp_path_factory.mktemp("old")
    account = Account.sample()
    account.remove(WITHOUT_GPX)
    config = folder / "old.conf"
    config.write_text(
        f"[global]\noutput_dir = {folder}/archive\n[api]\nclient_id = {account.client_id}\n"
        f"client_secret = {account.client_secret}\nrefresh_token = {account.refresh_token}\n"
        f"[user]\nemail = {account.email}\npassword = {account.password}\n"
    )
    with StravaProxy(account) as proxy:
        # It fails on bikes.
        subprocess.run(
            [old_version.install(), "--config", config, "--no-gear"],
            env={"HOME": str(folder), "PATH": os.environ["PATH"], **proxy.environment()},
            check=True,
            capture_output=True,
        )
    return folder / "archive"


@pytest.fixture(scope="session")
def old_files(old_archive: Path) -> dict[str, bytes]:
    return read_files(old_archive)


@pytest.fixture
def adopted(make_rig: Callable[..., Rig], old_archive: Path) -> Rig:
    """A folder that 0.4.0 has filled, for a run of this version."""
    rig = make_rig()
    rig.account.remove(WITHOUT_GPX)
    shutil.copytree(old_archive, rig.root)
    return rig


def assert_metadata_is_right(rig: Rig) -> None:
    """All metadata is Strava's own now, under the names that the old files had."""
    files = rig.files()
    by_id = {one.id: one.detail for one in rig.account.activities}
    records = [
        json.loads(data)
        for path, data in files.items()
        if path.startswith("activities/") and path.endswith(".meta.json")
    ]
    assert {record["id"] for record in records} == by_id.keys()
    for record in records:
        own = record.pop("strava_backup")
        assert record == by_id[record["id"]]
        assert own["source"] == "api"
    assert stored_metadata(files, "photos") == expected_photo_metadata(rig.account)
    assert stored_metadata(files, "gear") == expected_gear_metadata(rig.account)


def assert_old_metadata_is_in_history(rig: Rig, old_files: dict[str, bytes]) -> None:
    kept = {
        path.removeprefix("history/").rpartition(".meta.json.")[0]: data
        for path, data in rig.files().items()
        if path.startswith("history/")
    }
    old = {
        path.removesuffix(".meta.json"): data
        for path, data in old_files.items()
        if path.endswith(".meta.json")
    }
    assert kept == old


def test_an_old_archive_is_taken_over_without_fetching_any_original_or_photo_again(
    adopted: Rig, old_files: dict[str, bytes]
) -> None:
    # Most of its names have the month where the minute belongs.
    stale = [
        one for one in adopted.account.activities if f"{stem_of(one)}.meta.json" not in old_files
    ]
    assert len(stale) > 10
    kept = {path: data for path, data in old_files.items() if not path.endswith(".meta.json")}

    report = adopted.run()

    assert report.exit_code == 0, report.problem_lines()
    assert not {"original", "gpx", "photo"} & set(adopted.asked)
    assert kept.items() <= adopted.files().items()
    assert_metadata_is_right(adopted)
    assert_old_metadata_is_in_history(adopted, old_files)

    again = adopted.run()
    assert again.exit_code == 0
    assert again.lines()[0].endswith("nothing new")
    assert sorted(adopted.asked) == ["athlete", "list", "list", "me", "routes", "token"]


def test_a_file_that_was_cut_short_is_named_until_it_is_moved_away_and_then_fetched(
    adopted: Rig, old_files: dict[str, bytes]
) -> None:
    victim = next(one for one in adopted.account.activities if one.original_suffix == ".fit")
    [path] = [path for path in old_files if f"_{victim.id}.fit" in path]
    whole = old_files[path]
    (adopted.root / path).write_bytes(whole[:-100])

    for _ in range(2):
        report = adopted.run()
        assert report.exit_code == 3
        assert [one.what for one in report.failures] == [path]
        assert "the FIT data ends" in report.failures[0].why
        assert not {"original", "photo"} & set(adopted.asked)
        assert (adopted.root / path).read_bytes() == whole[:-100]
    assert_metadata_is_right(adopted)
    assert_old_metadata_is_in_history(adopted, old_files)

    (adopted.root / path).rename(adopted.root.with_name("broken.fit"))
    assert adopted.run().exit_code == 0
    assert adopted.asked.count("original") == 1
    assert (adopted.root / path).read_bytes() == whole


def test_old_metadata_is_replaced_after_everything_that_is_new(
    adopted: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Requests that are in flight at once may overtake one another.
    monkeypatch.setattr(tasks, "_IN_FLIGHT", 1)
    newcomer = Account.of(1).activities[0]
    newcomer.detail["id"] = 5
    newcomer.detail["start_date"] = "2009-01-02T03:04:05Z"
    adopted.account.add(newcomer)
    assert adopted.run().exit_code == 0
    details = adopted.asked_for("detail")
    assert len(details) > 8
    assert 5 in details[:4]


def test_a_gzipped_original_without_another_suffix_counts_as_stored(
    adopted: Rig, old_files: dict[str, bytes]
) -> None:
    victim = next(one for one in adopted.account.activities if one.original_suffix == ".fit.gz")
    [path] = [
        path for path in old_files if f"_{victim.id}." in path and not path.endswith(".meta.json")
    ]
    # 0.4 saved the last suffix only.
    assert path.endswith(f"_{victim.id}.gz")
    assert adopted.run().exit_code == 0
    assert "original" not in adopted.asked


def test_the_gpx_that_0_4_kept_of_a_json_activity_counts_as_its_original(
    adopted: Rig, old_files: dict[str, bytes]
) -> None:
    victim = next(
        one for one in adopted.account.activities if one.original_suffix == ".json" and one.gpx
    )
    names = {Path(path).suffix for path in old_files if f"_{victim.id}." in path}
    assert names == {".gpx", ".json"}  # the latter is the metadata
    assert adopted.run().exit_code == 0
    assert "gpx" not in adopted.asked


def test_another_athletes_old_archive_is_left_as_it_is(adopted: Rig) -> None:
    before = adopted.files()
    for activity in list(adopted.account.activities):
        adopted.account.remove(activity.id)
    stranger = Account.of(1).activities[0]
    stranger.detail["id"] = 5
    adopted.account.add(stranger)
    report = adopted.run()
    assert report.exit_code == 4
    assert "another athlete's archive?" in str(report.fatal[0])
    assert adopted.files() == before
