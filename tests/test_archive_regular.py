from __future__ import annotations

import os
import socket

import pytest

from strava_backup.archive import regular

OPENERS = [regular.follow_link, regular.refuse_link]


@pytest.fixture(params=["folder", "pipe", "socket", "device", "link to a pipe"])
def other(request, tmp_path, monkeypatch):
    """Something that is not a file, and the name of its type."""
    path = tmp_path / "x"
    if request.param == "folder":
        path.mkdir()
    elif request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "socket":
        # The address of a socket must be short, and the paths of temporary folders are long.
        monkeypatch.chdir(tmp_path)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("x")
    elif request.param == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to("pipe")
    return path, request.param.removeprefix("link to a ")


@pytest.mark.parametrize("mode", ["rb", "ab"])
def test_only_files_are_opened(other, mode):
    path, kind = other
    with pytest.raises(regular.NotAFile) as caught, open(path, mode, opener=regular.follow_link):
        pytest.fail("it was opened")
    assert caught.value.strerror == f"a {kind}, not a file"
    assert regular.obstacle(path) == f"a {kind}, not a file"


@pytest.mark.parametrize("opener", OPENERS)
def test_a_file_is_opened(tmp_path, opener):
    path = tmp_path / "x"
    path.write_bytes(b"content")
    with open(path, "rb", opener=opener) as file:
        assert file.read() == b"content"
    assert regular.obstacle(path) is None


@pytest.mark.parametrize("mode", ["rb", "ab"])
@pytest.mark.parametrize("target", ["file", "nowhere", "x"])
def test_a_link_is_opened_only_if_that_is_allowed(tmp_path, mode, target):
    path = tmp_path / "x"
    (tmp_path / "file").write_bytes(b"content")
    path.symlink_to(target)
    with pytest.raises(regular.NotAFile) as caught, open(path, mode, opener=regular.refuse_link):
        pytest.fail("it was opened")
    assert caught.value.strerror == "a link, not a file"
    assert not (tmp_path / "nowhere").exists()
    if target == "file":
        with open(path, "rb", opener=regular.follow_link) as file:
            assert file.read() == b"content"


@pytest.mark.parametrize("size", [0, 1, 20_000])
def test_a_file_is_read_to_its_end(tmp_path, size):
    path = tmp_path / "x"
    path.write_bytes(b"a" * size)
    assert regular.read_whole(path, follows_link=False) == b"a" * size
    (tmp_path / "link").symlink_to(path)
    assert regular.read_whole(tmp_path / "link", follows_link=True) == b"a" * size
    with pytest.raises(regular.NotAFile):
        regular.read_whole(tmp_path / "link", follows_link=False)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with open(tmp_path / "x", "wb") as file:
        file.truncate((1 << 27) + 1)
    with pytest.raises(regular.NotAFile, match="too large"):
        regular.read_whole(tmp_path / "x", follows_link=True)


@pytest.mark.parametrize("opener", OPENERS)
def test_a_file_that_is_missing_is_missing(tmp_path, opener):
    with pytest.raises(FileNotFoundError), open(tmp_path / "x", "rb", opener=opener):
        pytest.fail("it was opened")
    assert regular.obstacle(tmp_path / "x") is None


def test_no_descriptor_stays_open(tmp_path):
    (tmp_path / "x").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(regular.NotAFile), open(tmp_path / "x", opener=regular.follow_link):
            pass
        with pytest.raises(regular.NotAFile):
            regular.read_whole(tmp_path / "x", follows_link=True)
    assert len(os.listdir("/proc/self/fd")) == before
