from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import assume, example, given, settings

import strava_backup
from strava_backup import errors
from strava_backup.archive import directory
from strava_backup.archive.directory import Archive, DiskError, Marker, Stored
from strava_backup.archive.metadata import fingerprint, to_json
from strava_backup.demo import files
from strava_backup.demo.pictures import picture
from tests.limits import files_limited_to, without_root
from tests.made_up_json import RECORDS

REPOSITORY = Path(strava_backup.__file__).parents[1]
START = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
MOMENT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

YEAR = PurePosixPath("activities/2026")
STEM = YEAR / "2026-05-06T07-08-09Z_5"
META = YEAR / f"{STEM.name}.meta.json"


def save(archive, partial_file, stem, sent, start=None):
    """Give a complete file its name and its checksum."""
    path = archive.prepare_file(partial_file, stem, sent)
    archive.place_file(partial_file, path, start)
    archive.add_checksum(path, partial_file.sha256)
    return path


@pytest.fixture
def archive(tmp_path):
    root = tmp_path / "archive"
    root.mkdir()
    return Archive(root)


def put(archive, path, content=b"x"):
    file = archive.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def content_of(archive):
    return {
        path.relative_to(archive.root).as_posix(): path.read_bytes()
        for path in archive.root.rglob("*")
        if not path.is_dir()
    }


@pytest.fixture
def public_archive():
    """An archive that other users can access, unlike the ones in `tmp_path`."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    yield Archive(root)
    root.chmod(0o755)
    shutil.rmtree(root)


# The folder


def test_the_constructor_touches_nothing(tmp_path):
    Archive(tmp_path / "archive")
    assert not (tmp_path / "archive").exists()


def test_the_last_folder_of_a_configured_path_is_created(tmp_path):
    Archive(tmp_path / "archive").prepare(with_parents=False)
    assert (tmp_path / "archive").is_dir()


def test_a_missing_parent_may_be_a_disk_that_is_not_mounted(tmp_path):
    with pytest.raises(DiskError, match="Mount the disk") as caught:
        Archive(tmp_path / "disk" / "archive").prepare(with_parents=False)
    assert str(tmp_path / "disk") in str(caught.value)
    assert caught.value.exit_code == 1
    assert not (tmp_path / "disk").exists()


def test_the_default_folder_is_created_with_its_parents(tmp_path):
    Archive(tmp_path / "share" / "strava-backup").prepare(with_parents=True)
    assert (tmp_path / "share" / "strava-backup").is_dir()


@pytest.mark.parametrize("with_parents", [True, False])
def test_an_existing_folder_stays_unchanged(archive, with_parents):
    put(archive, META)
    archive.root.chmod(0o700)
    archive.prepare(with_parents=with_parents)
    assert content_of(archive) == {str(META): b"x"}
    assert stat.S_IMODE(archive.root.stat().st_mode) == 0o700


@pytest.mark.parametrize("with_parents", [True, False])
def test_a_file_in_place_of_the_folder_is_an_error_and_stays(tmp_path, with_parents):
    (tmp_path / "archive").write_text("mine")
    with pytest.raises(DiskError, match="cannot create the output folder"):
        Archive(tmp_path / "archive").prepare(with_parents=with_parents)
    assert (tmp_path / "archive").read_text() == "mine"


@pytest.mark.parametrize(
    ("root", "place"),
    [("archive", "archive"), ("new", "."), ("disk/archive", "."), ("a/b/archive", ".")],
)
def test_the_check_of_a_missing_folder_returns_its_parent_and_creates_nothing(
    tmp_path, root, place
):
    (tmp_path / "archive").mkdir()
    found = Archive(tmp_path / root).check_usable(with_parents=True)
    assert found == tmp_path / place
    assert [path.name for path in tmp_path.rglob("*") if path.name != "home"] == ["archive"]


def test_a_folder_whose_parent_is_missing_is_not_usable(tmp_path):
    with pytest.raises(DiskError, match="Mount the disk"):
        Archive(tmp_path / "disk" / "archive").check_usable(with_parents=False)


def test_a_file_is_no_usable_folder(tmp_path):
    (tmp_path / "archive").write_text("mine")
    with pytest.raises(DiskError, match="Not a directory"):
        Archive(tmp_path / "archive").check_usable(with_parents=False)


# One run at a time

HOLD = """
import sys, time
from pathlib import Path
from strava_backup.archive import directory
from strava_backup.archive.directory import Archive

with Archive(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other_run(archive):
    """Another process that has the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(archive.root)], cwd=REPOSITORY, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"locked\n"
        yield process
        process.kill()


def test_a_second_run_is_refused_at_once(archive, other_run):
    started = time.monotonic()
    with (
        pytest.raises(errors.AnotherRun, match="another run is active") as caught,
        archive.locked(),
    ):
        pytest.fail("both got in")
    assert time.monotonic() - started < 2
    assert caught.value.exit_code == 5
    assert str(archive.root) in str(caught.value)
    assert other_run.poll() is None


def test_a_refused_run_does_not_free_the_lock_of_the_other(archive, other_run):
    for _ in range(2):
        with pytest.raises(errors.AnotherRun), archive.locked():
            pytest.fail("both got in")


def test_the_lock_of_a_killed_run_is_released(archive, other_run):
    other_run.send_signal(signal.SIGKILL)
    assert other_run.wait(30) == -signal.SIGKILL
    assert (archive.root / ".lock").exists()
    with archive.locked():
        pass


def test_the_lock_is_free_after_a_run_and_after_one_that_failed(archive):
    with archive.locked():
        pass
    with pytest.raises(KeyError), archive.locked():
        raise KeyError
    with archive.locked(), pytest.raises(errors.AnotherRun), Archive(archive.root).locked():
        pytest.fail("both got in")


def test_a_folder_that_cannot_be_locked_is_warned_of_and_used(archive, caplog):
    (archive.root / ".lock").mkdir()
    worked = []
    with archive.locked():
        worked.append(True)
    assert worked
    [message] = caplog.messages
    assert message.startswith(f"{archive.root} cannot be locked, continuing without")


def test_a_folder_that_may_not_be_written_is_an_error(public_archive):
    public_archive.root.chmod(0o555)
    refused = pytest.raises(DiskError, match=r"cannot write into .*: Permission denied")
    with without_root(), refused, public_archive.locked():
        pytest.fail("it went on")


def test_a_folder_that_may_not_be_entered_is_an_error(public_archive):
    put(public_archive, ".lock")
    public_archive.root.chmod(0o600)
    refused = pytest.raises(DiskError, match=r"cannot write into .*: Permission denied")
    with without_root(), refused, public_archive.locked():
        pytest.fail("it went on")


# Partial files of dead runs

LEFT = (
    ".SHA256SUMS.part",
    "activities/2026/.2026-05-06T07-08-09Z_5.part",
    "gear/.b1.meta.json.part",
    "history/gear/.b1.meta.json.2026-11-22T10-00-00Z.json.part",
)


def test_partial_files_of_dead_runs_are_removed_and_nothing_else(archive):
    archive.save_marker(Marker(7))
    kept = ("photos/.mine.part", ".mine.part", "activities/2026/.5.tmp", "photos/5_a.jpg.part")
    for path in (*LEFT, *kept):
        put(archive, path)
    (archive.root / "photos" / ".5_a.part").symlink_to(archive.root / "photos" / "5_a.jpg.part")
    with archive.locked():
        archive.remove_leftovers()
    assert content_of(archive).keys() == {*kept, ".lock", ".strava-backup.json"}


def test_partial_files_that_may_belong_to_an_active_run_stay(archive):
    archive.save_marker(Marker(7))
    (archive.root / ".lock").mkdir()
    for path in LEFT:
        put(archive, path)
    with archive.locked():
        archive.remove_leftovers()
    assert set(LEFT) < content_of(archive).keys()


def test_partial_files_in_a_folder_without_an_owner_stay(archive):
    for path in LEFT:
        put(archive, path)
    with archive.locked():
        archive.remove_leftovers()
    assert set(LEFT) < content_of(archive).keys()


def test_a_partial_file_that_cannot_be_removed_is_named(public_archive):
    public_archive.save_marker(Marker(7))
    put(public_archive, LEFT[-1])
    folder = (public_archive.root / LEFT[-1]).parent
    folder.chmod(0o555)
    refused = pytest.raises(DiskError, match=r"cannot remove .*: Permission denied")
    with public_archive.locked(), without_root(), refused:
        public_archive.remove_leftovers()
    folder.chmod(0o755)


# The marker


def test_a_marker_is_read_back_as_it_was_saved(archive):
    marker = Marker(
        athlete_id=7,
        failed=(5, 6),
        last_walk="2026-11-22T10:00:00Z",
        last_complete_run="2026-11-21T10:00:00Z",
        login_refused_at=1.5,
    )
    archive.save_marker(marker)
    again = Archive(archive.root)
    again.read_marker()
    assert again.marker == archive.marker == marker
    assert json.loads((archive.root / ".strava-backup.json").read_bytes())["format"] == 1


def test_an_archive_without_a_marker_has_no_owner(archive):
    archive.read_marker()
    assert archive.marker == Marker(athlete_id=None)


def test_an_unchanged_marker_is_not_written_again(archive):
    archive.save_marker(Marker(athlete_id=7))
    before = (archive.root / ".strava-backup.json").stat()
    archive.save_marker(Marker(athlete_id=7))
    after = (archive.root / ".strava-backup.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("version", [2, 10**9, "2026 beta"])
def test_an_archive_of_a_newer_format_is_refused_and_left_alone(archive, version):
    file = put(archive, ".strava-backup.json", json.dumps({"format": version}).encode())
    before = file.read_bytes()
    with pytest.raises(errors.ConfigError, match="written by a newer strava-backup") as caught:
        archive.read_marker()
    assert caught.value.exit_code == 2
    assert content_of(archive) == {".strava-backup.json": before}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": 1', b"[" * 100_000]
)
def test_a_marker_that_cannot_be_read_counts_as_missing(archive, caplog, content):
    put(archive, ".strava-backup.json", content)
    archive.read_marker()
    assert archive.marker == Marker()
    assert "is unreadable and counts as missing" in caplog.text


def test_unknown_keys_of_a_marker_are_ignored(archive):
    put(archive, ".strava-backup.json", b'{"format": 1, "athlete_id": 7, "mood": "fine"}')
    archive.read_marker()
    assert archive.marker == Marker(athlete_id=7)


@pytest.mark.parametrize("failed", [None, 5, "5", {"5": 1}, True, [{}, "5"]])
def test_a_marker_with_an_invalid_list_of_failures_keeps_the_owner(archive, failed):
    content = {"format": 1, "athlete_id": 7, "failed": failed}
    put(archive, ".strava-backup.json", json.dumps(content).encode())
    archive.read_marker()
    assert archive.marker == Marker(athlete_id=7)


# Scans


def test_an_empty_archive_has_an_empty_inventory(archive):
    assert archive.scan().activities == {}


def test_a_scan_returns_the_stored_files_of_each_activity(archive):
    own = {"source": "api", "listed": {"api": {"name": "Run"}}, "website": {"id": 5}}
    put(archive, META, to_json({"id": 5, "resource_state": 3, "strava_backup": own}))
    put(archive, f"{STEM}.json")
    put(archive, f"{STEM}.gpx")
    put(archive, "activities/2025/2025-01-01T00-00-00Z_6.meta.json", b'{"resource_state": 2}')
    put(archive, "activities/2025/2025-01-02T00-00-00Z_7.fit.gz")

    inventory = archive.scan().activities

    assert set(inventory) == {5, 6, 7}
    files = (YEAR / f"{STEM.name}.gpx", YEAR / f"{STEM.name}.json")
    listed = (("api", fingerprint({"name": "Run"})),)
    assert inventory[5] == Stored(
        str(STEM), tuple(map(str, files)), str(META), 3, {"source": "api"}, listed
    )
    assert (inventory[5].stem, inventory[5].files, inventory[5].metadata) == (STEM, files, META)
    assert inventory[5].suffixes == (".gpx", ".json")
    assert inventory[6].resource_state == 2
    assert inventory[6].files == ()
    assert inventory[7].suffixes == (".fit.gz",)
    assert inventory[7].metadata is None
    assert archive.scan(with_listed=False).activities[5] == inventory[5]._replace(listed=())


@pytest.mark.parametrize(
    ("path", "suffix"),
    [
        ("activities/2019/2019-07-31T18-07-09Z_5.tcx", ".tcx"),
        ("activities/2019/_5.gz", ".gz"),
        ("activities/2019-07-31T18-07-09Z_5.GPX", ".GPX"),
    ],
)
def test_an_original_of_earlier_versions_counts_as_stored(archive, path, suffix):
    put(archive, path)
    assert archive.scan().activities[5].files == (PurePosixPath(path),)
    assert archive.scan().activities[5].suffixes == (suffix,)


def test_files_of_one_activity_under_two_stems_are_one_activity(archive):
    put(archive, YEAR / "2026-05-06T07-05-09Z_5.json")
    put(archive, YEAR / "2026-05-06T07-08-09Z_5.gpx")
    put(archive, YEAR / "2026-05-06T07-08-09Z_5.meta.json", b'{"resource_state": 3}')
    [(activity_id, stored)] = archive.scan().activities.items()
    assert activity_id == 5
    assert stored.suffixes == (".json", ".gpx")
    assert stored.resource_state == 3


@pytest.mark.parametrize(
    "path",
    [
        f"{YEAR}/.{STEM.name}.part",
        f"{YEAR}/.{STEM.name}.meta.json.part",
        f"{YEAR}/.DS_Store",
        f"{YEAR}/notes.txt",
        "2026-05-06T07-08-09Z_5.fit",
        "history/activities/2026/2026-05-06T07-08-09Z_5.meta.json",
        "photos/5_1.jpg",
    ],
)
def test_other_files_do_not_count_as_stored(archive, path):
    put(archive, path)
    assert archive.scan().activities == {}


@pytest.mark.parametrize("name", [f"{META.name}~", f"{META.name}.bak", f"{META.name}.orig"])
def test_a_copy_of_the_metadata_that_an_editor_left_is_no_original(archive, name):
    put(archive, META, b'{"resource_state": 3}')
    put(archive, YEAR / name)
    assert archive.scan().activities[5].files == ()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'"text"', b'{"a":' * 50_000]
)
def test_metadata_that_cannot_be_read_counts_as_missing(archive, caplog, content):
    put(archive, META, content)
    put(archive, f"{STEM}.fit")
    stored = archive.scan().activities[5]
    assert (stored.resource_state, stored.own) == (None, {})
    assert stored.metadata == META
    assert stored.suffixes == (".fit",)
    assert caplog.messages == [f"{META} is unreadable and counts as missing"]


@pytest.mark.parametrize("own", [None, [], "x", 5])
def test_our_key_with_a_value_of_another_type_counts_as_empty(archive, own):
    put(archive, META, to_json({"resource_state": 3, "strava_backup": own}))
    assert archive.scan().activities[5].own == {}
    assert archive.read_record(META) == {"resource_state": 3}


def test_a_broken_link_does_not_stop_a_scan(archive):
    put(archive, f"{STEM}.fit")
    (archive.root / META).symlink_to("nowhere")
    assert archive.scan().activities[5].suffixes == (".fit",)


def test_a_file_in_place_of_a_folder_stops_a_scan(archive):
    put(archive, "activities")
    with pytest.raises(DiskError, match="cannot read"):
        archive.scan()


def test_a_folder_that_may_not_be_read_stops_a_scan(public_archive):
    put(public_archive, f"{STEM}.fit")
    (public_archive.root / YEAR).chmod(0o700)
    if os.geteuid() != 0:
        (public_archive.root / YEAR).chmod(0)
    try:
        with without_root(), pytest.raises(DiskError, match="Permission denied"):
            public_archive.scan()
    finally:
        (public_archive.root / YEAR).chmod(0o755)


# Metadata


def test_metadata_is_utf_8_with_sorted_keys_and_an_indent_of_2(archive):
    archive.save_record(
        META, {"name": "Zum Münster", "id": 5, "map": {"z": 1, "a": []}}, history=None
    )
    assert content_of(archive) == {
        str(META): """\
{
  "id": 5,
  "map": {
    "a": [],
    "z": 1
  },
  "name": "Zum Münster"
}
""".encode()
    }


@given(RECORDS)
@example({"name": "half an emoji \ud83d", "ü": "ü"})
@settings(deadline=None)
def test_every_json_record_is_read_back(record):
    # Values of another type under these keys are left out.
    assume(isinstance(record.get("strava_backup", {}), dict))
    assume(type(record.get("resource_state", 0)) is int)
    with tempfile.TemporaryDirectory() as root:
        archive = Archive(Path(root))
        archive.save_record(META, record, history=None)
        assert archive.read_record(META) == record
        content = (archive.root / META).read_bytes()
    content.decode()
    assert content.endswith(b"}\n")


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{", b"\xff"])
def test_an_invalid_record_is_read_as_none(archive, content):
    if content is not None:
        put(archive, META, content)
    assert archive.read_record(META) is None


def test_metadata_that_the_disk_cannot_read_is_an_error(archive):
    (archive.root / META).mkdir(parents=True)
    with pytest.raises(errors.ItemError, match=r"cannot be read \(a folder, not a file\)"):
        archive.read_record(META)


def test_metadata_is_replaced_without_history_if_none_is_requested(archive):
    archive.save_record(META, {"id": 5}, history=None)
    archive.save_record(META, {"id": 5, "name": "Run"}, history=None)
    assert archive.read_record(META) == {"id": 5, "name": "Run"}
    assert set(content_of(archive)) == {str(META)}


def test_the_first_metadata_makes_no_history(archive):
    archive.save_record(META, {"id": 5}, history=MOMENT)
    assert set(content_of(archive)) == {str(META)}


def test_history_keeps_the_old_file_byte_for_byte_and_its_time(archive):
    old = b'{ "written" : "by hand" }'
    os.utime(put(archive, META, old), (1_000_000_000, 1_000_000_000))
    archive.save_record(META, {"id": 5}, history=MOMENT)
    copy = f"history/{META}.2026-11-22T10-00-00Z.json"
    assert set(content_of(archive)) == {str(META), copy}
    assert content_of(archive)[copy] == old
    assert (archive.root / copy).stat().st_mtime == 1_000_000_000
    assert archive.read_record(META) == {"id": 5}


def test_history_is_saved_if_mode_and_time_cannot_be_copied(archive, monkeypatch, caplog):
    def refuse(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    put(archive, META, b"{}")
    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(os, "chmod", refuse)
    archive.save_record(META, {"id": 5}, history=MOMENT)
    assert content_of(archive)[f"history/{META}.2026-11-22T10-00-00Z.json"] == b"{}"
    assert archive.read_record(META) == {"id": 5}
    assert all("cannot be copied" in message for message in caplog.messages)


def test_a_folder_that_cannot_be_fsynced_ends_the_run(archive, monkeypatch):
    fsync = os.fsync

    def failing_fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    put(archive, META, b"{}")
    monkeypatch.setattr(os, "fsync", failing_fsync)
    with pytest.raises(DiskError, match="Input/output error"):
        archive.save_record(META, {"id": 5}, history=None)


def test_history_is_on_disk_before_the_metadata_is_replaced(archive, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def noting_fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            calls.append("fsync folder")
        fsync(descriptor)

    def noting_replace(source, target):
        calls.append(Path(target).relative_to(archive.root).parts[0])
        replace(source, target)

    put(archive, META, b"{}")
    (archive.root / "history" / YEAR).mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "replace", noting_replace)
    archive.save_record(META, {"id": 5}, history=MOMENT)
    assert calls == ["history", "fsync folder", "activities", "fsync folder"]


def test_two_changes_within_a_second_are_both_kept(archive):
    for name in ("first", "second", "third"):
        archive.save_record(META, {"name": name}, history=MOMENT)
    kept = content_of(archive)
    del kept[str(META)]
    assert sorted(json.loads(content)["name"] for content in kept.values()) == ["first", "second"]
    assert all(path.startswith(f"history/{META}.2026-11-22T10-00-0") for path in kept)


def test_metadata_on_a_full_disk_is_an_error_and_leaves_the_old(archive):
    archive.save_record(META, {"id": 5}, history=None)
    with files_limited_to(1000), pytest.raises(DiskError, match="cannot write"):
        archive.save_record(META, {"name": "x" * 2000}, history=None)
    assert archive.read_record(META) == {"id": 5}
    assert set(content_of(archive)) == {str(META)}


def test_an_archive_that_vanishes_during_a_run_is_not_created_again(archive):
    archive.root.rmdir()
    with pytest.raises(DiskError, match="cannot write"):
        archive.save_record(META, {"id": 5}, history=None)
    with pytest.raises(DiskError, match="cannot write"), archive.partial_file(STEM):
        pytest.fail("it went on")
    assert not archive.root.exists()


# Originals


@pytest.mark.parametrize(
    ("content", "sent", "suffix"),
    [
        (files.fit(START, 5), ".fit", ".fit"),
        (files.fit(START, 5), ".gpx", ".fit"),
        (files.gzipped(files.fit(START, 5)), ".gz", ".fit.gz"),
        (b"who knows", ".sml", ".sml"),
        (b"who knows", "", ".dat"),
    ],
)
def test_an_original_is_saved_byte_for_byte_under_the_suffix_of_its_content(
    archive, content, sent, suffix
):
    with archive.partial_file(STEM) as partial_file:
        partial_file.write([content[:3], content[3:]])
        path = save(archive, partial_file, STEM, sent)
    assert path == PurePosixPath(f"{STEM}{suffix}")
    line = f"{hashlib.sha256(content).hexdigest()}  {path}\n".encode()
    assert content_of(archive) == {str(path): content, "SHA256SUMS": line}
    note = {"name": f"Run{sent}", "file": path.name, "saved_at": "2026-11-22T10:00:00Z"}
    archive.save_record(META, {"strava_backup": {"original": note}}, history=None)
    assert archive.scan().activities[5].suffixes == (suffix,)


def save_original(archive, content, sent, start=None):
    with archive.partial_file(STEM) as partial_file:
        partial_file.write([content])
        return save(archive, partial_file, STEM, sent, start)


def test_a_new_file_has_the_start_as_its_modification_time_and_a_stored_one_keeps_its_own(archive):
    path = archive.root / save_original(archive, files.fit(START, 5), ".fit", START)
    assert path.stat().st_mtime == START.timestamp()
    save_original(archive, files.fit(START, 5), ".fit", START + timedelta(hours=1))
    assert path.stat().st_mtime == START.timestamp()


def test_an_original_is_never_overwritten(archive):
    put(archive, f"{STEM}.fit", b"stored")
    with pytest.raises(errors.ItemError, match="exists already and is not overwritten"):
        save_original(archive, files.fit(START, 5), ".fit")
    assert content_of(archive) == {f"{STEM}.fit": b"stored"}


@pytest.mark.parametrize("error", [errors.CutShort("cut short"), KeyboardInterrupt()])
def test_a_download_cut_short_leaves_no_original(archive, error):
    def chunks():
        yield files.fit(START, 5)
        raise error

    with pytest.raises(type(error)), archive.partial_file(STEM) as partial_file:
        partial_file.write(chunks())
    assert content_of(archive) == {}


def test_a_disk_that_runs_full_leaves_no_original(archive):
    with (
        pytest.raises(DiskError, match=r"cannot write .*2026-05-06T07-08-09Z_5"),
        archive.partial_file(STEM) as partial_file,
        files_limited_to(100_000),
    ):
        partial_file.write([b"x" * 60_000] * 2)
    assert content_of(archive) == {}


def test_an_incomplete_original_does_not_count_as_stored(archive):
    with archive.partial_file(STEM) as partial_file:
        partial_file.write([files.fit(START, 5)])
        assert archive.scan().activities == {}


def suspicion_of_partial_file(archive, content):
    with archive.partial_file(STEM) as partial_file:
        partial_file.write([content])
        return archive.find_suspicion(partial_file, ".fit")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", errors.ItemError),
        (b"<!DOCTYPE html><html>Log In</html>", errors.PageInstead),
        (b"\n<html>", errors.PageInstead),
    ],
)
def test_a_file_that_is_never_an_original_is_refused(archive, content, kind):
    with pytest.raises(kind):
        suspicion_of_partial_file(archive, content)
    assert content_of(archive) == {}


@pytest.mark.parametrize(
    ("content", "suspicion"),
    [
        (files.fit(START, 5), None),
        (files.fit(START, 5)[:-1], "the FIT checksum is missing"),
        (files.gpx(START, 5), "named .fit, but the content is .gpx"),
    ],
)
def test_a_suspicious_partial_file_is_recognized(archive, content, suspicion):
    assert suspicion_of_partial_file(archive, content) == suspicion


# Checksums


def lines_of(archive):
    path = archive.root / "SHA256SUMS"
    return path.read_text().splitlines() if path.exists() else []


def save_photo(archive, number):
    stem = PurePosixPath(f"photos/5_{number}")
    with archive.partial_file(stem) as partial_file:
        partial_file.write([picture("jpg", str(number), 48, 64)])
        return save(archive, partial_file, stem, ".jpg")


def listed_paths(archive):
    return {line.split("  ")[1] for line in lines_of(archive)}


@pytest.mark.parametrize(("count", "is_grouped"), [(30, False), (300, True)])
def test_a_line_is_never_added_before_its_file_is_committed(
    archive, monkeypatch, count, is_grouped
):
    fsync = os.fsync
    committed = set()

    def watch(descriptor):
        folder = os.readlink(f"/proc/self/fd/{descriptor}")
        stored = {f"photos/{path.name}" for path in (archive.root / "photos").iterdir()}
        assert listed_paths(archive) <= stored
        if folder == str(archive.root / "photos"):
            committed.update(stored)
        assert listed_paths(archive) <= committed
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    with archive.saving_many() if is_grouped else nullcontext():
        for number in range(count):
            save_photo(archive, number)
    assert len(listed_paths(archive)) == count


def test_threads_that_save_concurrently_lose_nothing(archive):
    ready = threading.Barrier(4)

    def work(worker):
        ready.wait()
        return [save_photo(archive, f"{worker}-{number}") for number in range(25)]

    with ThreadPoolExecutor(4) as pool:
        paths = [str(path) for some in pool.map(work, range(4)) for path in some]
    assert len(paths) == 100
    files = content_of(archive)
    listed = sorted(files.pop("SHA256SUMS").decode().splitlines())
    assert set(files) == set(paths)
    assert listed == sorted(f"{hashlib.sha256(d).hexdigest()}  {p}" for p, d in files.items())


SAVE = """
import sys
from pathlib import Path, PurePosixPath
from strava_backup.archive.directory import Archive

archive = Archive(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(100_000):
    stem = PurePosixPath(f"photos/5_{number}")
    with archive.partial_file(stem) as draft:
        draft.write([b"x%d" % number])
        path = archive.prepare_file(draft, stem, ".jpg")
        archive.place_file(draft, path)
        archive.add_checksum(path, draft.sha256)
"""


def test_a_killed_run_leaves_no_line_without_its_file(archive):
    with subprocess.Popen(
        [sys.executable, "-c", SAVE, archive.root], cwd=REPOSITORY, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        while len(lines_of(archive)) < 20:
            assert process.poll() is None
        process.kill()
    archive.checksums.mend()
    files = content_of(archive)
    for line in lines_of(archive):
        digest, path = line.split("  ")
        assert hashlib.sha256(files[path]).hexdigest() == digest
    assert len(lines_of(archive)) >= 20


def test_a_picture_fetched_again_in_another_format_replaces_the_old_line(archive):
    stem = PurePosixPath("photos/5_a")
    for suffix in (".png", ".webp"):
        put(archive, f"{stem}{suffix}", b"stored")
    zeros = [f"{'0' * 64}  {stem}{suffix}" for suffix in (".jpg", ".png", ".webp", ".gif")]
    put(archive, "SHA256SUMS", "".join(f"{line}\n" for line in zeros).encode())
    content = picture("heic", "a", 48, 64)
    with archive.partial_file(stem) as partial_file:
        partial_file.write([content])
        save(archive, partial_file, stem, ".jpg")
    # existing ones keep theirs
    new = f"{hashlib.sha256(content).hexdigest()}  {stem}.heic"
    assert lines_of(archive) == [zeros[1], zeros[2], new]


def test_stored_files_are_listed_if_they_are_intact(archive):
    fit = files.fit(START, 5)
    put(archive, f"{STEM}.fit", fit)
    put(archive, "photos/5_a.jpg", b"x")
    put(archive, META, b"{}")
    put(archive, "activities/notes.txt")
    damaged = archive.add_checksums(archive.scan())
    assert damaged == [(PurePosixPath("photos/5_a.jpg"), "no .jpg picture")]
    assert lines_of(archive) == [f"{hashlib.sha256(fit).hexdigest()}  {STEM}.fit"]


def test_listed_files_are_not_read_again(archive):
    put(archive, "photos/5_a.jpg", b"x")
    put(archive, "SHA256SUMS", b"0" * 64 + b"  photos/5_a.jpg\n")
    assert archive.add_checksums(archive.scan()) == []


def test_damage_that_the_metadata_notes_came_from_strava(archive):
    put(archive, f"{STEM}.fit", b"x")
    for own, count in [
        ({"odd": "no FIT header"}, 0),
        ({"odd": "an empty file"}, 1),
        (5, 1),
        ({}, 1),
    ]:
        (archive.root / "SHA256SUMS").unlink(missing_ok=True)
        put(archive, META, to_json({"strava_backup": {"original": own}}))
        assert len(archive.add_checksums(archive.scan())) == count


def test_an_empty_archive_gets_no_manifest(archive):
    assert archive.add_checksums(archive.scan()) == []
    assert content_of(archive) == {}


@pytest.mark.parametrize(
    ("path", "is_there"),
    [
        (None, False),
        (".lock", False),
        ("notes.txt", False),
        ("photos/holiday.jpg", False),
        ("activities/.x_5.part", False),
        (".strava-backup.json", True),
        ("SHA256SUMS", True),
        ("activities/x/2026-05-06T07-08-09Z_5.fit", False),
        ("activities/2026/2026-05-06T07-08-09Z_5.txt", False),
        ("photos/5_a.jpg.xmp", False),
        ("activities/2026/2026-05-06T07-08-09Z_5.fit", True),
        ("photos/5_a.jpg", True),
        ("gear/b1.meta.json", True),
    ],
)
def test_an_archive_is_recognized_by_its_files(archive, path, is_there):
    if path is not None:
        put(archive, path)
    assert archive.exists() is is_there


def test_a_reader_needs_no_lock_in_a_read_only_folder(public_archive, caplog):
    lock = put(public_archive, ".lock")
    lock.chmod(0o444)
    public_archive.root.chmod(0o555)
    with without_root(), public_archive.locked(is_reader=True):
        pass
    assert caplog.messages == []


def test_a_file_set_aside_keeps_its_path_and_replaces_nothing(archive):
    moved = []
    for content in (b"one", b"two", b"three"):
        put(archive, f"{STEM}.fit", content)
        moved.append(str(archive.set_aside(PurePosixPath(f"{STEM}.fit"))))
    where = f"damaged/{STEM}.fit"
    assert moved == [where, f"{where}.2", f"{where}.3"]
    assert content_of(archive) == dict(zip(moved, (b"one", b"two", b"three"), strict=True))
    assert archive.scan().activities == {}


def test_a_file_that_cannot_be_set_aside_is_named(archive):
    with pytest.raises(DiskError, match=r"cannot move .*_5\.fit: No such file"):
        archive.set_aside(PurePosixPath(f"{STEM}.fit"))


def test_a_damaged_partial_file_is_saved_once_under_damaged(archive):
    put(archive, f"damaged/{STEM}.fit", b"an older one")
    paths = []
    half = files.fit(START)[:-1]
    for content in (half, half, half[:-1], half):
        with archive.partial_file(STEM) as partial_file:
            partial_file.write([content])
            paths.append(str(archive.save_damaged(partial_file, STEM, ".fit")))
    where = f"damaged/{STEM}.fit"
    assert paths == [f"{where}.2", f"{where}.2", f"{where}.3", f"{where}.2"]
    expected = {where: b"an older one", f"{where}.2": half, f"{where}.3": half[:-1]}
    assert content_of(archive) == expected
    assert list(archive.leftovers()) == []


def test_a_link_or_a_folder_under_damaged_is_not_replaced(archive):
    link = archive.root / f"damaged/{STEM}.fit"
    (link.parent / f"{link.name}.2").mkdir(parents=True)
    link.symlink_to("nowhere")
    with archive.partial_file(STEM) as partial_file:
        partial_file.write([b"half"])
        assert str(archive.save_damaged(partial_file, STEM, ".fit")) == f"damaged/{STEM}.fit.3"
    assert link.is_symlink()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_a_damaged_partial_file_of_a_year_on_another_disk_is_saved(archive):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        (archive.root / YEAR).parent.mkdir(parents=True)
        (archive.root / YEAR).symlink_to(other)
        if os.stat(other).st_dev == os.stat(archive.root).st_dev:
            pytest.skip("needs a second file system")
        with archive.partial_file(STEM) as partial_file:
            partial_file.write([b"half"])
            archive.save_damaged(partial_file, STEM, ".fit")
        assert (archive.root / f"damaged/{STEM}.fit").read_bytes() == b"half"
        assert os.listdir(other) == []


@pytest.mark.parametrize(
    ("content", "sent", "expected"),
    [
        (files.fit(START), ".fit", None),
        (files.fit(START)[:-1], ".fit", "the FIT checksum is missing"),
        # The content decides the type, and the name does not matter.
        (files.gpx(START), ".fit", None),
        (files.gpx(START)[:-9], ".fit", "not well-formed XML"),
        (b"nobody knows this kind", ".sml", None),
    ],
)
def test_a_partial_file_is_checked_by_the_rules_of_its_type(archive, content, sent, expected):
    with archive.partial_file(STEM) as partial_file:
        partial_file.write([content])
        found = archive.damage(partial_file, sent)
    assert found == expected if expected is None else (found or "").startswith(expected)


def test_grouped_files_are_fsynced_one_by_one_and_their_folders_once(archive, monkeypatch):
    synced = []
    fsync = os.fsync

    def noting_fsync(descriptor):
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    (archive.root / YEAR).mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", noting_fsync)
    with archive.saving_many():
        for number in range(3):
            path = YEAR / f"2026-05-06T07-08-09Z_{number}.meta.json"
            archive.save_record(path, {"id": number}, history=None)
        with archive.partial_file(STEM) as partial_file:
            partial_file.write([files.fit(START)])
            save(archive, partial_file, STEM, ".fit")
        assert synced == [False] * 4
    # the folder of the file, the manifest, its folder if it is new, and the folder of metadata
    assert synced[4:] == [True, False, True, True]
    archive.save_record(META, {"id": 5}, history=None)
    assert synced[8:] == [False, True]


def test_a_group_that_fails_commits_its_saved_files(archive, monkeypatch):
    synced = []
    monkeypatch.setattr(directory, "sync_folder", synced.append)
    (archive.root / YEAR).mkdir(parents=True)
    with suppress(ZeroDivisionError), archive.saving_many():
        archive.save_record(META, {"id": 5}, history=None)
        raise ZeroDivisionError
    assert synced == [str(archive.root / YEAR)]


def test_a_stored_file_has_a_checksum_and_a_missing_one_has_none(archive):
    put(archive, META, b"{}")
    assert archive.sha256(META) == hashlib.sha256(b"{}").hexdigest()
    assert archive.sha256(STEM) is None


def test_a_file_is_saved_under_any_name_but_never_over_another(archive):
    path = PurePosixPath("bulk_export/2026-11-20/bikes.csv")
    for content in (b"first", b"second"):
        with suppress(errors.ItemError), archive.partial_file(path) as partial_file:
            partial_file.write([content])
            archive.save_named(partial_file, path)
    assert content_of(archive) == {str(path): b"first"}


@pytest.mark.parametrize(
    ("content", "sent", "expected"),
    [
        (files.fit(START), ".fit", None),
        (files.fit(START)[:-1], ".fit", None),  # only its first bytes are checked
        (files.gpx(START), ".fit", "named .fit, but the content is .gpx"),
    ],
)
def test_the_first_bytes_show_a_wrong_suffix(archive, content, sent, expected):
    with archive.partial_file(STEM) as partial_file:
        partial_file.write([content])
        assert archive.find_wrong_suffix(partial_file, sent) == expected
