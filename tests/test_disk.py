"""Complete runs on a disk that becomes full, and in a folder that vanishes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strava_backup import errors, verify
from strava_backup.demo.account import Account
from tests.conftest import Command
from tests.expected import assert_complete
from tests.strava_proxy import Hold

MakeCommand = Callable[..., Command]


def mount(*arguments: str) -> None:
    result = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip(f"no disk can be mounted here: {result.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root mounts disks")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def assert_complete_files_only(root: Path) -> None:
    assert not list(root.rglob("*.part"))
    lines: list[str] = []
    assert verify.verify(root, lines.append) == errors.OK, lines
    assert "notice" not in lines[-1], lines


def test_a_full_disk_is_named_and_has_complete_files_only(
    make_command: MakeCommand, small_disk: Path
) -> None:
    command = make_command(Account.of(60))
    command.root = small_disk / "archive"
    command.write_config()
    for _ in range(2):
        result = command.run("--quiet")

        assert result.returncode == 1, result.stderr
        (line,) = [one for one in result.stderr.splitlines() if "No space left" in one]
        assert line.startswith(f"strava-backup: error: cannot write {command.root}/")
        assert "Traceback" not in result.stderr
        assert_complete_files_only(command.root)

    mount("-o", "remount,size=16m", str(small_disk))
    assert command.run().returncode == errors.OK
    assert_complete(command.account, command.files())


@pytest.mark.parametrize(
    "kind",
    [
        "original",
        pytest.param("detail", marks=pytest.mark.thorough),
        pytest.param("list", marks=pytest.mark.thorough),
        pytest.param("photo", marks=pytest.mark.thorough),
    ],
)
def test_a_folder_that_vanishes_ends_the_run_and_is_not_created_again(
    make_command: MakeCommand, kind: str
) -> None:
    command = make_command(Account.of(12))
    assert command.run("--limit", "1").returncode == errors.OK
    elsewhere = command.folder / "unmounted"
    hold = command.proxy.hold = Hold(kind, after_bytes=500)
    process = command.start("--quiet")
    assert hold.reached.wait(60)
    command.root.rename(elsewhere)
    command.proxy.hold = None
    hold.release.set()

    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 1, stderr
    assert "No such file or directory" in stderr
    assert "Traceback" not in stderr
    assert not command.root.exists()
    elsewhere.rename(command.root)
    lines: list[str] = []
    assert verify.verify(command.root, lines.append) == errors.OK, lines
    assert command.run().returncode == errors.OK
    assert_complete(command.account, command.files())
