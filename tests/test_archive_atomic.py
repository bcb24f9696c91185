from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import strava_backup
from strava_backup.archive import atomic
from strava_backup.archive.atomic import PartialFile, save_bytes
from tests.limits import files_limited_to

REPOSITORY = Path(strava_backup.__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    return path


@pytest.fixture
def target(folder):
    """The only file of the folder, saved by an earlier run."""
    path = folder / "original.fit"
    path.write_bytes(b"old")
    return path


def content_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def chunks_that_end_with(error):
    yield b"first"
    yield b"second"
    raise error


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )


# Saved files


def test_a_saved_partial_file_is_the_only_file_left(folder):
    with PartialFile(folder, "original") as partial_file:
        partial_file.write([b"first", b"", b"second"])
        partial_file.save_as(folder / "original.fit")
    assert content_of(folder) == {"original.fit": b"firstsecond"}


def test_a_partial_file_has_the_size_and_checksum_of_the_bytes_written_so_far(folder):
    with PartialFile(folder, "original") as partial_file:
        assert (partial_file.size, partial_file.sha256) == (0, hashlib.sha256(b"").hexdigest())
        partial_file.write([b"first"])
        partial_file.write(iter([b"sec", b"ond"]))
        assert (partial_file.size, partial_file.sha256) == (
            11,
            hashlib.sha256(b"firstsecond").hexdigest(),
        )
        partial_file.save_as(folder / "original.fit")
        assert partial_file.sha256 == hashlib.sha256(b"firstsecond").hexdigest()


def test_a_partial_file_can_be_read_before_it_is_saved(folder):
    with PartialFile(folder, "original") as partial_file:
        partial_file.write([b"first"])
        assert partial_file.path.read_bytes() == b"first"


def test_a_finished_partial_file_is_on_disk_without_its_final_name(folder, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    with PartialFile(folder, "original") as partial_file:
        partial_file.write([b"first"])
        partial_file.finish()
        assert synced == [5]
        assert content_of(folder) == {".original.part": b"first"}
        partial_file.save_as(folder / "original.fit", syncs_folder=False)
    assert synced == [5]
    assert content_of(folder) == {"original.fit": b"first"}


def test_a_partial_file_has_a_hidden_name_in_the_folder_of_the_final_file(folder):
    with PartialFile(folder, "original") as partial_file:
        assert partial_file.path == folder / ".original.part"
        assert content_of(folder) == {".original.part": b""}


def test_the_old_content_stays_until_the_new_one_is_complete(folder, target):
    with PartialFile(folder, target.name) as partial_file:
        partial_file.write([b"new"])
        assert target.read_bytes() == b"old"
        partial_file.save_as(target)
        assert target.read_bytes() == b"new"
    assert content_of(folder) == {target.name: b"new"}


def test_bytes_replace_a_file_atomically(folder, target):
    save_bytes(target, b"new")
    assert content_of(folder) == {target.name: b"new"}


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_a_new_file_has_the_mode_that_the_umask_allows(folder, mask, mode):
    before = os.umask(mask)
    try:
        save_bytes(folder / "a", b"a")
        with PartialFile(folder, "b") as partial_file:
            partial_file.save_as(folder / "b")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {mode}


def test_other_users_can_never_read_a_secret_while_it_is_written(folder):
    before = os.umask(0)
    try:
        with PartialFile(folder, "secret", 0o600) as partial_file:
            assert stat.S_IMODE(partial_file.path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


# Failures


@pytest.mark.parametrize(
    "error",
    [ValueError("cut short"), OSError(errno.EIO, "broken"), KeyboardInterrupt(), SystemExit(3)],
)
def test_a_download_cut_short_leaves_no_file(folder, error):
    with pytest.raises(type(error)), PartialFile(folder, "original") as partial_file:
        partial_file.write(chunks_that_end_with(error))
    assert content_of(folder) == {}


@pytest.mark.parametrize("error", [ValueError("cut short"), KeyboardInterrupt()])
def test_a_download_cut_short_leaves_the_old_file(folder, target, error):
    with pytest.raises(type(error)), PartialFile(folder, target.name) as partial_file:
        partial_file.write(chunks_that_end_with(error))
    assert content_of(folder) == {target.name: b"old"}


def test_an_unsaved_partial_file_is_removed(folder):
    with PartialFile(folder, "original") as partial_file:
        partial_file.write([b"found to be a web page"])
    assert content_of(folder) == {}


def test_a_full_disk_leaves_no_file(folder, target):
    with (
        pytest.raises(OSError, match="too large") as caught,
        PartialFile(folder, target.name) as partial_file,
        files_limited_to(100_000),
    ):
        partial_file.write([b"x" * 60_000] * 2)
    assert caught.value.errno == errno.EFBIG
    assert content_of(folder) == {target.name: b"old"}


def test_a_failed_rename_leaves_no_partial_file(folder):
    in_the_way = folder / "original.fit"
    in_the_way.mkdir()
    with pytest.raises(IsADirectoryError):
        save_bytes(in_the_way, b"new")
    assert list(folder.iterdir()) == [in_the_way]
    assert in_the_way.is_dir()


def test_a_missing_folder_is_not_created(folder):
    with pytest.raises(FileNotFoundError):
        save_bytes(folder / "gone" / "a", b"a")
    assert content_of(folder) == {}


# Modification times


@pytest.mark.parametrize("year", [1, 1965, 2026, 9999])
def test_a_file_is_saved_whatever_its_modification_time(folder, year):
    moment = datetime(year, 5, 6, 7, 8, 9, tzinfo=UTC)
    with PartialFile(folder, "original") as partial_file:
        partial_file.write([b"new"])
        partial_file.finish()
        partial_file.set_modified(moment)
        partial_file.save_as(folder / "original.fit")
    assert content_of(folder) == {"original.fit": b"new"}
    if year in (1965, 2026):
        assert (folder / "original.fit").stat().st_mtime == moment.timestamp()


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EPERM, "no"), OSError(errno.EINVAL, "no"), OverflowError()]
)
def test_a_file_system_without_such_times_is_no_error(folder, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(os, "utime", refuse)
    with PartialFile(folder, "original") as partial_file:
        partial_file.finish()
        partial_file.set_modified(datetime(2026, 5, 6, tzinfo=UTC))
        partial_file.save_as(folder / "original.fit")
    assert content_of(folder) == {"original.fit": b""}


# Partial files of runs that died


def test_the_partial_file_of_a_dead_run_is_replaced(folder):
    (folder / ".a.part").write_bytes(b"longer than what comes now")
    (folder / ".a.part").chmod(0o400)
    save_bytes(folder / "a", b"new")
    assert content_of(folder) == {"a": b"new"}
    assert stat.S_IMODE((folder / "a").stat().st_mode) & 0o200


def test_a_link_under_the_name_of_the_partial_file_is_replaced_and_its_target_kept(folder):
    elsewhere = folder / "elsewhere"
    elsewhere.write_bytes(b"not ours")
    (folder / ".a.part").symlink_to(elsewhere)
    save_bytes(folder / "a", b"new")
    assert content_of(folder) == {"a": b"new", "elsewhere": b"not ours"}


SAVE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from strava_backup.archive.atomic import PartialFile

def chunks():
    yield b"half of it"
    os.kill(os.getpid(), int(sys.argv[2]))
    yield b"the rest"

path = Path(sys.argv[1])
with PartialFile(path.parent, path.name) as partial_file:
    partial_file.write(chunks())
    partial_file.save_as(path)
"""


def test_a_killed_run_leaves_the_old_file_and_the_next_one_cleans_up(folder, target):
    killed = run_python(SAVE_AND_DIE, target, int(signal.SIGKILL))
    assert killed.returncode == -signal.SIGKILL
    left = content_of(folder)
    assert left.pop(target.name) == b"old"
    assert set(left) == {f".{target.name}.part"}

    save_bytes(target, b"new")
    assert content_of(folder) == {target.name: b"new"}


def test_an_interrupted_run_leaves_the_old_file_alone(folder, target):
    interrupted = run_python(SAVE_AND_DIE, target, int(signal.SIGINT))
    assert "KeyboardInterrupt" in interrupted.stderr
    assert content_of(folder) == {target.name: b"old"}


# Durability


@pytest.fixture
def order(monkeypatch):
    """The calls that make a file durable, in their order; they still take effect."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def noting_fsync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        calls.append("fsync folder" if is_folder else f"fsync {os.fstat(descriptor).st_size} bytes")
        fsync(descriptor)

    def noting_replace(source, target):
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "replace", noting_replace)
    return calls


def test_the_content_is_fsynced_before_the_rename_and_the_folder_after_it(folder, order):
    save_bytes(folder / "a", b"12345")
    assert order == ["fsync 5 bytes", "rename", "fsync folder"]


def test_a_caller_may_fsync_the_folder_once_for_many_files(folder, monkeypatch):
    synced = []
    monkeypatch.setattr(atomic, "sync_folder", synced.append)
    with PartialFile(folder, "original") as partial_file:
        partial_file.write([b"new"])
        partial_file.save_as(folder / "original.fit", syncs_folder=False)
    assert synced == []
    assert content_of(folder) == {"original.fit": b"new"}


def test_a_file_that_cannot_be_fsynced_gets_no_final_name(folder, target, monkeypatch):
    def failing_fsync(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing_fsync)
    with pytest.raises(OSError, match="Input/output error"):
        save_bytes(target, b"new")
    assert content_of(folder) == {target.name: b"old"}


@pytest.fixture
def warned(monkeypatch):
    monkeypatch.setattr(atomic, "_warned", {})


@pytest.mark.usefixtures("warned")
@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
@pytest.mark.parametrize("refuses_files", [True, False])
def test_a_file_system_without_fsync_is_warned_of_once_and_used(
    folder, monkeypatch, caplog, error, refuses_files
):
    fsync = os.fsync

    def fsync_of_a_network_share(descriptor):
        if refuses_files or stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(error, os.strerror(error))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync_of_a_network_share)
    save_bytes(folder / "a", b"a")
    save_bytes(folder / "b", b"b")
    assert content_of(folder) == {"a": b"a", "b": b"b"}
    assert caplog.messages == [f"{folder}: this file system has no fsync, continuing without"]


@pytest.mark.usefixtures("warned")
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_folder_that_cannot_be_fsynced_is_an_error(folder, monkeypatch, caplog, error):
    fsync = os.fsync

    def failing_fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(error, os.strerror(error))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing_fsync)
    with pytest.raises(OSError, match=os.strerror(error)):
        save_bytes(folder / "a", b"a")
    assert caplog.messages == []


@pytest.mark.usefixtures("warned")
@pytest.mark.parametrize("call", ["utime", "chmod", "setxattr"])
def test_modes_and_times_that_cannot_be_copied_are_no_error(folder, monkeypatch, caplog, call):
    def refuse(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    for name in ("a", "b"):
        save_bytes(folder / name, b"x")
    if call == "setxattr":
        monkeypatch.setattr(os, "listxattr", lambda *_, **__: ["user.x"], raising=False)
        monkeypatch.setattr(os, "getxattr", lambda *_, **__: b"", raising=False)
    monkeypatch.setattr(os, call, refuse, raising=False)
    for _ in range(2):
        atomic.copy_stat(folder / "a", folder / "b")
    # Python itself ignores extended attributes that are refused.
    assert len(caplog.messages) == (call != "setxattr")
    assert all("cannot be copied" in message for message in caplog.messages)
