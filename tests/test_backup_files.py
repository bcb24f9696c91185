from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from datetime import UTC

import pytest

from strava_backup import errors
from strava_backup.archive.atomic import PartialFile
from strava_backup.archive.checksums import Checksums
from strava_backup.archive.directory import DiskError
from strava_backup.strava.transport import Download
from tests.conftest import NOW, read_files
from tests.tasks import FIT, JPEG, NOTED, REFUSED, STEM, Rig, sending


@pytest.fixture
def rig(tmp_path, clock):
    return Rig(tmp_path / "archive", clock)


def test_a_file_is_saved_under_its_true_suffix_and_counted(rig):
    download, sent = sending(FIT)
    saved = rig.save(STEM, download)
    assert rig.files() == {f"{STEM}.fit": FIT}
    assert saved == (".fit", len(FIT), None)
    assert rig.note() == {"name": "Ride.fit", "odd": None}
    assert rig.report.saved == {"original": 1}
    assert rig.report.saved_bytes == len(FIT)
    assert len(sent) == 1


def test_a_picture_named_otherwise_is_fetched_once_only(rig):
    download, sent = sending(JPEG, name="/a.png")
    rig.save(STEM, download)
    assert rig.files() == {f"{STEM}.jpg": JPEG}
    assert rig.note()["odd"] is None
    assert len(sent) == 1


def test_a_body_that_breaks_off_is_fetched_three_times_at_most(rig):
    cut = errors.CutShort("cut")
    download, sent = sending(cut, cut, FIT)
    rig.save(STEM, download)
    assert rig.files() == {f"{STEM}.fit": FIT}
    assert len(sent) == 3

    download, sent = sending(cut)
    with pytest.raises(errors.CutShort):
        rig.save(STEM.with_name("2_8"), download)
    assert len(sent) == 3
    assert rig.files() == {f"{STEM}.fit": FIT}


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 40])
def test_a_body_is_saved_whole_in_however_many_chunks_it_comes(rig, count):
    size = -(-len(FIT) // count)
    chunks = [FIT[start : start + size] for start in range(0, len(FIT), size)]
    chunks += [b""] * (count - len(chunks))

    @contextmanager
    def download():
        yield Download("Ride.fit", iter(chunks))

    assert rig.save(STEM, download).size == len(FIT)
    assert rig.files() == {f"{STEM}.fit": FIT}


@pytest.mark.parametrize("chunk", [1, 10, 50])
def test_a_page_in_small_chunks_is_detected_before_the_next_request(rig, chunk):
    page = b"<!DOCTYPE html><html></html>"
    turns = []

    @contextmanager
    def download():
        yield Download("Ride.fit", (page[at : at + chunk] for at in range(0, len(page), chunk)))
        turns.append("no error within the turn")

    with pytest.raises(errors.PageInstead):
        rig.save(STEM, download)
    assert turns == []


@pytest.mark.parametrize(
    ("body", "error", "why"),
    [
        (b"", errors.ItemError, "empty"),
        (b"<!DOCTYPE html><html></html>", errors.PageInstead, "a web page"),
        (errors.ItemError("it is larger than 2 GiB", "too large"), errors.ItemError, "too large"),
        (REFUSED, errors.Refused, "404"),
    ],
)
def test_a_body_that_is_no_file_is_requested_once_and_leaves_nothing(rig, body, error, why):
    download, sent = sending(body)
    with pytest.raises(errors.ItemError) as caught:
        rig.save(STEM, download)
    assert type(caught.value) is error
    assert caught.value.why == why
    assert len(sent) == 1
    assert rig.files() == {}
    assert not rig.report.saved


def test_a_suspicious_file_is_fetched_twice_and_kept_if_both_are_identical(rig, caplog):
    download, sent = sending(FIT[:-1])
    rig.save(STEM, download)
    assert rig.note()["odd"] == "the FIT checksum is missing"
    assert rig.files() == {f"{STEM}.fit": FIT[:-1]}
    assert len(sent) == 2
    assert "activity 7 Ride: the original is suspicious: the FIT checksum" in caplog.text


@pytest.mark.parametrize("second", [FIT, FIT[:-2], b""])
def test_a_suspicious_file_that_comes_differently_is_not_kept(rig, second):
    download, _ = sending(FIT[:-1], second)
    with pytest.raises(errors.ItemError, match=r"differently|empty"):
        rig.save(STEM, download)
    assert rig.files() == {}


def test_a_second_body_that_breaks_off_is_fetched_again(rig):
    download, sent = sending(FIT[:-1], errors.CutShort("cut"), FIT[:-1])
    rig.save(STEM, download)
    assert rig.files() == {f"{STEM}.fit": FIT[:-1]}
    assert len(sent) == 3


def test_a_file_without_the_requested_suffix_is_refused(rig):
    download, _ = sending(FIT, name="Ride.gpx")
    with pytest.raises(errors.ItemError, match=r"\.fit in place of \.gpx"):
        rig.save(STEM, download, only=".gpx")
    assert read_files(rig.archive.root) == {}


def test_an_existing_file_is_never_overwritten(rig):
    rig.save(STEM, sending(FIT)[0])
    with pytest.raises(errors.ItemError, match="not overwritten"):
        rig.save(STEM, sending(FIT + FIT, name="Other.fit")[0])
    assert rig.files() == {f"{STEM}.fit": FIT}
    assert rig.note()["name"] == "Ride.fit"


def test_a_file_is_noted_before_it_has_its_name(rig, monkeypatch):
    noted = []
    save_as = PartialFile.save_as

    def watched(partial_file, path, **options):
        if str(path).endswith(".fit"):
            noted.append((rig.note(), os.path.exists(path)))
        save_as(partial_file, path, **options)

    monkeypatch.setattr(PartialFile, "save_as", watched)
    rig.save(STEM, sending(FIT)[0])
    assert noted == [({"name": "Ride.fit", "odd": None}, False)]
    assert rig.files() == {f"{STEM}.fit": FIT}


@pytest.mark.parametrize("before", [{"original": {"absent": "redirect"}}, {}])
def test_a_file_that_does_not_get_its_name_is_not_noted(rig, monkeypatch, before):
    rig.store.save(NOTED, {"id": 8, "resource_state": 3, "strava_backup": before})
    save_as = PartialFile.save_as

    def failing(partial_file, path, **options):
        if str(path).endswith(".fit"):
            raise OSError(errno.ENOSPC, "No space left on device")
        save_as(partial_file, path, **options)

    monkeypatch.setattr(PartialFile, "save_as", failing)
    with pytest.raises(DiskError, match="No space left"):
        rig.save(STEM, sending(FIT)[0])
    assert rig.note() == before
    assert rig.files() == {}
    assert not rig.report.saved


def test_a_file_that_has_its_name_but_no_line_yet_stays_noted(rig, monkeypatch):
    def full(sums, path, digest):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Checksums, "add", full)
    with pytest.raises(DiskError, match="No space left"):
        rig.save(STEM, sending(FIT)[0])
    assert rig.files() == {f"{STEM}.fit": FIT}
    assert rig.note()["name"] == "Ride.fit"


def test_a_moment_is_in_utc(rig):
    assert rig.store.now() == NOW
    assert rig.store.now().tzinfo is UTC
