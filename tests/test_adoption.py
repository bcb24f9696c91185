"""Archives of version 0.4 are taken over; that very program makes them of the made-up Strava."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from strava_backup.demo.account import Account
from tests.conftest import Command, read_files
from tests.expected import expected_gear_metadata, expected_photo_metadata, stem_of, stored_metadata
from tests.strava_proxy import StravaProxy

OLD = "strava-backup==0.4.0"


@pytest.fixture(scope="session")
def old_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 0.4.0 from PyPI in an environment of its own; made once by all workers together."""
    folder = tmp_path_factory.mktemp("old") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin/pip", "install", "-q", OLD], check=True)
    return folder / "bin/strava-backup"


def run_old(old_command: Path, proxy: StravaProxy, folder: Path) -> dict[str, bytes]:
    """Make an archive with 0.4.0, and return its files."""
    account = proxy.account
    config = folder / "old.conf"
    config.write_text(
        f"[global]\noutput_dir = {folder}/archive\n[api]\nclient_id = {account.client_id}\n"
        f"client_secret = {account.client_secret}\nrefresh_token = {account.refresh_token}\n"
        f"[user]\nemail = {account.email}\npassword = {account.password}\n"
    )
    # It fails on bikes.
    subprocess.run(
        [old_command, "--config", config, "--no-gear"],
        env={"HOME": str(folder), "PATH": os.environ["PATH"], **proxy.environment()},
        check=True,
        capture_output=True,
    )
    account.requests.clear()
    return read_files(folder / "archive")


@pytest.fixture
def adopted(command: Command, old_command: Path) -> Command:
    """A folder that 0.4.0 has filled, and our command about to be run on it."""
    # It ends with an error at a JSON original of which Strava makes no GPX.
    command.account.remove(1_000_002)
    command.old_files = run_old(old_command, command.proxy, command.folder)  # type: ignore[attr-defined]
    command.write_config()
    return command


def old_files(command: Command) -> dict[str, bytes]:
    return command.old_files  # type: ignore[attr-defined,no-any-return]


def ids_with_stale_names(command: Command) -> int:
    """How many names have the month where the minute belongs."""
    return sum(
        stem_of(one) + ".meta.json" not in old_files(command) for one in command.account.activities
    )


def assert_metadata_is_right(command: Command) -> None:
    """All metadata is Strava's own now, under the names that the old files had."""
    files = command.files()
    by_id = {one.id: one.detail for one in command.account.activities}
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
    assert stored_metadata(files, "photos") == expected_photo_metadata(command.account)
    assert stored_metadata(files, "gear") == expected_gear_metadata(command.account)


def assert_old_metadata_is_in_history(command: Command) -> None:
    files = command.files()
    kept = {
        path.removeprefix("history/").rpartition(".meta.json.")[0]: data
        for path, data in files.items()
        if path.startswith("history/")
    }
    old = {
        path.removesuffix(".meta.json"): data
        for path, data in old_files(command).items()
        if path.endswith(".meta.json")
    }
    assert kept == old


def test_an_old_archive_is_taken_over_without_fetching_any_original_or_photo_again(
    adopted: Command,
) -> None:
    assert ids_with_stale_names(adopted) > 10
    kept = {
        path: data for path, data in old_files(adopted).items() if not path.endswith(".meta.json")
    }

    result = adopted.run()

    assert result.returncode == 0, result.stderr
    assert "original" not in adopted.asked
    assert "gpx" not in adopted.asked
    assert "photo" not in adopted.asked
    assert kept.items() <= adopted.files().items()
    assert_metadata_is_right(adopted)
    assert_old_metadata_is_in_history(adopted)

    again = adopted.run()
    assert again.returncode == 0
    assert "nothing new" in again.stderr
    assert sorted(adopted.asked) == ["athlete", "list", "list", "me", "token"]


def test_a_file_that_was_cut_short_is_named_until_it_is_moved_away_and_then_fetched(
    adopted: Command,
) -> None:
    victim = next(one for one in adopted.account.activities if one.original_suffix == ".fit")
    [path] = [path for path in old_files(adopted) if f"_{victim.id}.fit" in path]
    whole = old_files(adopted)[path]
    (adopted.root / path).write_bytes(whole[:-100])

    for _ in range(2):
        result = adopted.run("--quiet")
        assert result.returncode == 3
        assert path in result.stderr
        assert "the FIT data ends" in result.stderr
        assert "original" not in adopted.asked
        assert "photo" not in adopted.asked
        assert (adopted.root / path).read_bytes() == whole[:-100]
    assert_metadata_is_right(adopted)
    assert_old_metadata_is_in_history(adopted)

    (adopted.root / path).rename(adopted.folder / "broken.fit")
    assert adopted.run().returncode == 0
    assert adopted.asked.count("original") == 1
    assert (adopted.root / path).read_bytes() == whole


def test_old_metadata_is_replaced_after_everything_that_is_new(adopted: Command) -> None:
    newcomer = Account.of(1).activities[0]
    newcomer.detail["id"] = 5
    newcomer.detail["start_date"] = "2009-01-02T03:04:05Z"
    adopted.account.add(newcomer)
    assert adopted.run().returncode == 0
    details = [request.id for request in adopted.account.requests if request.kind == "detail"]
    # four are under way at once
    assert 5 in details[:4]
    assert len(details) > 8


def test_a_gzipped_original_without_another_suffix_counts_as_held(adopted: Command) -> None:
    victim = next(one for one in adopted.account.activities if one.original_suffix == ".fit.gz")
    [path] = [
        path
        for path in old_files(adopted)
        if f"_{victim.id}." in path and not path.endswith(".meta.json")
    ]
    # 0.4 took the last suffix for the whole of it.
    assert path.endswith(f"_{victim.id}.gz")
    assert adopted.run().returncode == 0
    assert "original" not in adopted.asked


def test_the_gpx_that_0_4_kept_of_a_json_activity_counts_as_its_original(
    adopted: Command,
) -> None:
    victim = next(
        one for one in adopted.account.activities if one.original_suffix == ".json" and one.gpx
    )
    names = {Path(path).suffix for path in old_files(adopted) if f"_{victim.id}." in path}
    assert names == {".gpx", ".json"}  # the latter is the metadata
    assert adopted.run().returncode == 0
    assert not [request for request in adopted.account.requests if request.kind == "gpx"]


def test_another_athletes_old_archive_is_left_as_it_is(
    adopted: Command, make_command: object
) -> None:
    before = adopted.files()
    for activity in list(adopted.account.activities):
        adopted.account.remove(activity.id)
    stranger = Account.of(1).activities[0]
    stranger.detail["id"] = 5
    adopted.account.add(stranger)
    result = adopted.run()
    assert result.returncode == 4
    assert "another athlete's archive?" in result.stderr
    assert adopted.files() == before


def test_percent_signs_that_0_4_wanted_doubled_are_warned_of(adopted: Command) -> None:
    text = adopted.config.read_text()
    adopted.config.write_text(
        text.replace("[user]\n", "[user]\nemail = a%%b@example.org\npassword = x\n")
    )
    result = adopted.run("--limit", "1", "--quiet")
    assert "[user] email contains %%" in result.stderr
