"""Files of an export are written into a folder or a ZIP, and nothing else is touched."""

from __future__ import annotations

import contextlib
import gzip
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from strava_backup import errors
from strava_backup.archive.directory import DiskError
from strava_backup.bulk_export.places import MARKER, Folder, new_zip
from tests.conftest import NOW, read_files


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.gpx"
    path.write_bytes(b"<gpx/>" * 20_000)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    place = Folder(tmp_path / "export")
    place.prepare(7)
    return place


def test_a_file_that_stays_as_it_is_becomes_a_hard_link(
    tmp_path: Path, folder: Folder, source: Path
) -> None:
    assert folder.add("activities/1.gpx", source)
    assert (tmp_path / "export/activities/1.gpx").samefile(source)
    assert folder.has_links
    assert not folder.add("activities/1.gpx", source)


def refuse_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)


def test_a_file_is_copied_if_no_hard_link_can_be_made(
    tmp_path: Path, folder: Folder, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_links(monkeypatch)
    assert folder.add("activities/1.gpx", source)
    copy = tmp_path / "export/activities/1.gpx"
    assert not copy.samefile(source)
    assert copy.read_bytes() == source.read_bytes()
    assert not folder.has_links
    before = copy.stat()
    assert not folder.add("activities/1.gpx", source)
    assert copy.stat().st_ino == before.st_ino


def test_a_link_in_the_archive_leads_to_the_file_itself(
    tmp_path: Path, folder: Folder, source: Path
) -> None:
    link = tmp_path / "link.gpx"
    link.symlink_to(source)
    folder.add("activities/1.gpx", link)
    assert not (tmp_path / "export/activities/1.gpx").is_symlink()
    assert (tmp_path / "export/activities/1.gpx").samefile(source)


def test_equal_files_are_gzipped_to_equal_bytes_and_left_alone(
    tmp_path: Path, folder: Folder, source: Path
) -> None:
    assert folder.add("activities/1.fit.gz", source, packs=True)
    packed = tmp_path / "export/activities/1.fit.gz"
    assert gzip.decompress(packed.read_bytes()) == source.read_bytes()
    before = packed.stat()
    assert not folder.add("activities/1.fit.gz", source, packs=True)
    assert packed.stat().st_ino == before.st_ino
    assert packed.read_bytes()[4:8] == bytes(4)  # no time


@pytest.mark.parametrize("change", [b"", b"short", b"<gpx/>" * 20_001])
def test_a_file_with_another_content_is_replaced_and_not_written_to(
    change: bytes, tmp_path: Path, folder: Folder, source: Path
) -> None:
    old = tmp_path / "export/activities/1.gpx"
    other = tmp_path / "other"
    other.write_bytes(change)
    os.link(other, old)  # as after a repair of the archive
    assert folder.add("activities/1.gpx", source)
    assert old.read_bytes() == source.read_bytes()
    assert other.read_bytes() == change


def test_an_unreadable_file_is_an_error_of_that_file(
    tmp_path: Path, folder: Folder, source: Path
) -> None:
    with pytest.raises(errors.ItemError, match="cannot be read"):
        folder.add("activities/1.gpx", tmp_path / "missing.gpx")
    with pytest.raises(errors.ItemError, match="cannot be read"):
        folder.add("activities/1.fit.gz", tmp_path, packs=True)
    assert set(read_files(tmp_path / "export")) == {MARKER}


def test_files_of_an_earlier_export_are_named_at_the_end(
    tmp_path: Path, folder: Folder, source: Path
) -> None:
    folder.add("activities/1.gpx", source)
    folder.add_text("media.csv", b"")
    assert folder.finish() == []
    again = Folder(tmp_path / "export")
    again.prepare(None)
    again.add_text("media.csv", b"")
    (tmp_path / "export/.DS_Store").touch()
    assert again.finish() == ["activities/1.gpx"]


def make_foreign(path: Path) -> None:
    path.mkdir()
    (path / "thesis.txt").touch()


def make_other(path: Path) -> None:
    Folder(path).prepare(8)


def make_garbled(path: Path) -> None:
    path.mkdir()
    (path / MARKER).write_text("[1]")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (make_foreign, "neither empty nor an export"),
        (make_garbled, "neither empty nor an export"),
        (make_other, "the export of athlete 8"),
        (Path.touch, "not a folder"),
    ],
)
def test_a_folder_with_other_content_is_refused_and_stays_as_it_is(
    make: Callable[[Path], None], why: str, tmp_path: Path
) -> None:
    path = tmp_path / "export"
    make(path)
    before = read_files(tmp_path)
    with pytest.raises(errors.ConfigError, match=why):
        Folder(path).prepare(7)
    assert read_files(tmp_path) == before


def test_only_the_last_part_of_a_path_is_created(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="Mount the disk"):
        Folder(tmp_path / "disk/export").prepare(7)
    with (
        pytest.raises(errors.ConfigError, match="Mount the disk"),
        new_zip(tmp_path / "disk/a.zip", 0),
    ):
        pass


def test_a_zip_has_all_files_and_compresses_those_that_are_not(
    tmp_path: Path, source: Path
) -> None:
    path = tmp_path / "export.zip"
    with new_zip(path, NOW.timestamp()) as place:
        place.add("activities/1.gpx", source)
        place.add("activities/2.fit.gz", source, packs=True)
        place.add_text("media.csv", b"a,b\n")
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        assert file.read("activities/1.gpx") == source.read_bytes()
        assert gzip.decompress(file.read("activities/2.fit.gz")) == source.read_bytes()
        assert file.read("media.csv") == b"a,b\n"
        kinds = {info.filename: info.compress_type for info in file.infolist()}
    assert kinds["activities/1.gpx"] == zipfile.ZIP_DEFLATED
    assert kinds["activities/2.fit.gz"] == zipfile.ZIP_STORED


def test_a_zip_that_fails_leaves_the_one_before(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "export.zip"
    with new_zip(path, NOW.timestamp()) as place:
        place.add("activities/1.gpx", source)
    before = path.read_bytes()
    with contextlib.suppress(KeyboardInterrupt), new_zip(path, NOW.timestamp()) as place:
        place.add("activities/2.gpx", source)
        raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert sorted(read_files(tmp_path)) == ["export.zip", "source.gpx"]


def test_a_zip_replaces_only_an_earlier_export(tmp_path: Path, source: Path) -> None:
    path = tmp_path / "export.zip"
    for _ in range(2):
        with new_zip(path, NOW.timestamp()) as place:
            place.add("activities/1.gpx", source)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("thesis.txt", "")
    for content in (path.read_bytes(), b"", b"PK"):
        path.write_bytes(content)
        with pytest.raises(errors.ConfigError, match="is not an export"), new_zip(path, 0):
            pass
        assert path.read_bytes() == content


def test_an_unreadable_file_leaves_no_entry_in_a_zip(tmp_path: Path, source: Path) -> None:
    with new_zip(tmp_path / "export.zip", NOW.timestamp()) as place:
        with pytest.raises(errors.ItemError):
            place.add("activities/1.gpx", tmp_path / "missing.gpx")
        place.add("activities/2.gpx", source)
    with zipfile.ZipFile(tmp_path / "export.zip") as file:
        assert file.namelist() == ["activities/2.gpx"]


def test_a_disk_that_refuses_to_write_ends_the_export(
    tmp_path: Path, folder: Folder, source: Path
) -> None:
    blocker = tmp_path / "export/activities/.1.fit.gz.part"
    blocker.mkdir()
    with pytest.raises(DiskError, match=r"1\.fit\.gz"):
        folder.add("activities/1.fit.gz", source, packs=True)
