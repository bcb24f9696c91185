"""Files of other programs in the archive never count as ours, and stay unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.archive import layout
from strava_backup.archive.metadata import is_stored, lacks_original
from strava_backup.demo import files
from strava_backup.demo.activity import Activity
from strava_backup.verify import verify
from tests.conftest import Rig
from tests.expected import stem_of, stored_files

START = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
MakeRig = Callable[..., Rig]

# Appended to the stem of an original or a picture.
SUFFIXES = [
    ".txt",
    ".csv",
    ".fit.bak",
    ".fit.tmp",
    ".fit.old",
    ".fit~",
    ".fit.part",
    ".sync-conflict-20261101-101112-ABCDEFG.fit",
    " (1).fit",
    " - Copy.fit",
    ".jpg.xmp",
    ".sync-conflict-20261101-101112-ABCDEFG.jpg",
    "~20261101-101112.fit",
    "@SynoEAStream",
    ".fit@SynoEAStream",
]
# Folders of other programs with files that have the same names as ours.
FOLDERS = ["@eaDir", ".stversions", "#recycle", "lost+found", "old/2026", "2026/@eaDir/x.fit"]


def victim(rig: Rig, suffix: str = ".fit") -> Activity:
    return next(one for one in rig.account.activities if one.original_suffix == suffix)


def check(root: Path, **options: bool) -> tuple[int, list[str]]:
    lines: list[str] = []
    return verify(root, lines.append, **options), lines


def put(root: Path, path: str, content: bytes = b"mine") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)


@pytest.fixture
def full(make_rig: MakeRig) -> Rig:
    rig = make_rig(shares_first_run=True)
    assert rig.run().exit_code == 0
    return rig


def forget_files(rig: Rig) -> None:
    """Remove the noted file names, which older archives do not have."""
    for path in rig.root.rglob("*.meta.json"):
        record = json.loads(path.read_bytes())
        for item in ("original", "picture"):
            record["strava_backup"].get(item, {}).pop("file", None)
        path.write_text(json.dumps(record))


@pytest.mark.parametrize("is_old", [True, False])
def test_no_foreign_file_counts_as_a_file_of_the_archive(full: Rig, is_old: bool) -> None:
    originals = [one for one in full.account.activities if one.original is not None]
    lost = {path for path in stored_files(full.files()) if (full.root / path).exists()}
    if is_old:
        forget_files(full)
    expected = full.files()
    foreign: dict[str, bytes] = {}
    for path in lost:
        folder, _, name = path.rpartition("/")
        stem = name.partition(".")[0]
        foreign |= {f"{folder}/{stem}{suffix}": b"mine" for suffix in SUFFIXES}
        foreign |= {f"{folder}/{other}/{name}": b"mine" for other in FOLDERS if other[0] != "2"}
        (full.root / path).unlink()
    for path, content in foreign.items():
        put(full.root, path, content)

    report = full.run()

    assert report.exit_code == 0, report.problem_lines()
    assert report.saved["original"] == len(originals)
    after = full.files()
    assert {path: after[path] for path in lost} == {path: expected[path] for path in lost}
    assert {path: after[path] for path in foreign} == foreign
    listed = {line.split("  ")[1] for line in after["SHA256SUMS"].decode().splitlines()}
    assert listed == lost
    code, lines = check(full.root)
    assert code == 0
    assert all(line.startswith("notice") for line in lines[:-1])
    assert check(full.root, repairs=True)[0] == 0
    assert foreign.items() <= full.files().items()


@pytest.mark.parametrize("other", [".txt", ".fit.gz", ".gpx", ".fit.bak"])
@pytest.mark.parametrize("is_old", [True, False])
@pytest.mark.parametrize("is_missing", [True, False])
@pytest.mark.every(5)
def test_a_repair_works_in_spite_of_foreign_files(
    full: Rig, other: str, is_old: bool, is_missing: bool
) -> None:
    if is_old:
        forget_files(full)
    path = f"{stem_of(victim(full))}.fit"
    beside = f"{stem_of(victim(full))}{other}"
    whole = (full.root / path).read_bytes()
    if is_missing:
        (full.root / path).unlink()
    else:
        (full.root / path).write_bytes(whole[:-9])
    content = files.gzipped(files.fit(START)) if other == ".fit.gz" else files.gpx(START)
    put(full.root, beside, content)

    code, lines = check(full.root, repairs=True)

    assert code == 6
    assert [line.split(": ")[1] for line in lines if line.startswith("damaged")] == [path]
    assert full.run().exit_code == 0
    assert (full.root / path).read_bytes() == whole
    assert (full.root / beside).read_bytes() == content


def test_a_file_at_the_path_of_a_damaged_original_is_named_and_stays(full: Rig) -> None:
    path = f"{stem_of(victim(full))}.fit"
    (full.root / path).write_bytes(b"spoilt")
    assert check(full.root, repairs=True)[0] == 6
    put(full.root, path, b"mine")
    for _ in range(2):
        report = full.run()
        assert report.exit_code == 3
        assert [failure.what for failure in report.failures] == [path]
        assert (full.root / path).read_bytes() == b"mine"


@pytest.mark.parametrize("is_old", [True, False])
@pytest.mark.parametrize("source", ["api", "website"])
@pytest.mark.every(3)
def test_a_gpx_alone_does_not_count_as_a_json_original_that_was_stored(
    make_rig: MakeRig, is_old: bool, source: str
) -> None:
    rig = make_rig()
    rig.config = replace(rig.config, source=source)
    assert rig.run().exit_code == 0
    one = next(x for x in rig.account.activities if x.original_suffix == ".json" and x.gpx)
    if is_old:
        forget_files(rig)
    path = rig.root / f"{stem_of(one)}.json"
    content = path.read_bytes()
    path.unlink()

    report = rig.run()

    assert report.exit_code == 0, report.problem_lines()
    assert path.read_bytes() == content
    assert rig.asked.count("gpx") == 0
    assert (rig.root / f"{stem_of(one)}.gpx").read_bytes() == one.gpx


def test_a_gpx_without_that_note_counts_as_the_original_as_in_version_0_4(full: Rig) -> None:
    one = next(x for x in full.account.activities if x.original_suffix == ".json" and x.gpx)
    metadata = full.root / f"{stem_of(one)}.meta.json"
    record = json.loads(metadata.read_bytes())
    del record["strava_backup"]["original"]
    metadata.write_text(json.dumps(record))
    (full.root / f"{stem_of(one)}.json").unlink()
    assert full.run().exit_code == 0
    assert "original" not in full.asked


@pytest.mark.parametrize("is_old", [True, False])
def test_an_original_of_an_unknown_type_counts_by_its_note(make_rig: MakeRig, is_old: bool) -> None:
    rig = make_rig()
    one = victim(rig)
    one.original, one.original_suffix = b"who knows", ".bin"
    rig.run()
    path = rig.root / f"{stem_of(one)}.bin"
    assert path.read_bytes() == b"who knows"
    if is_old:
        forget_files(rig)
    assert rig.run().exit_code == 0
    assert "original" not in rig.asked
    code, lines = check(rig.root)
    assert (code, len(lines)) == (0, 1)
    path.write_bytes(b"who knew")
    assert check(rig.root)[0] == 6


def test_a_file_without_a_note_is_fetched_once_and_then_noted(make_rig: MakeRig) -> None:
    rig = make_rig()
    one = victim(rig)
    one.original, one.original_suffix = b"who knows", ".bin"
    rig.run()
    metadata = rig.root / f"{stem_of(one)}.meta.json"
    record = json.loads(metadata.read_bytes())
    del record["strava_backup"]["original"]
    metadata.write_text(json.dumps(record))
    before = (rig.root / f"{stem_of(one)}.bin").stat()

    assert rig.run().exit_code == 0
    assert rig.asked.count("original") == 1
    assert rig.run().exit_code == 0
    assert "original" not in rig.asked
    after = (rig.root / f"{stem_of(one)}.bin").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


# By name


@pytest.mark.parametrize(
    ("suffix", "own", "expected"),
    [
        (".fit", {}, True),
        (".FIT", {}, True),
        (".gz", {}, True),
        (".tcx.gz", {}, True),
        (".dat", {}, True),
        (".json", {}, True),
        (".bin", {}, False),
        (".bin", {"original": {"name": "Ride.bin", "saved_at": "2026"}}, True),
        (".bin", {"original": {"name": "activities/1.bin.gz", "saved_at": "2026"}}, True),
        (".bin", {"original": {"name": "Ride.bin"}}, False),
        (".bin", {"original": {"name": "Ride.fit", "saved_at": "2026"}}, False),
        (".bin", {"original": {"file": "x_5.bin", "saved_at": "2026"}}, True),
        (".fit", {"original": {"file": "x_5.bin", "saved_at": "2026"}}, False),
        (".fit.gz", {"original": {"file": "x_5.fit", "saved_at": "2026"}}, False),
        (".gpx", {"original": {"file": "x_5.fit", "saved_at": "2026"}}, False),
        (".gpx", {"original": {"file": "x_5.json", "saved_at": "2026"}}, True),
        (".gpx", {"original": {"file": "x_5.json.gz", "saved_at": "2026"}}, True),
        (".fit", {"original": {"file": "", "saved_at": "2026"}}, True),
        (".jpg", {}, False),
        (".meta.json", {}, False),
    ],
)
def test_an_original_is_recognized_by_its_suffix_or_its_note(suffix, own, expected):
    assert is_stored(layout.FileName(5, "x_5", suffix), own) is expected


@pytest.mark.parametrize(
    ("suffix", "own", "expected"),
    [
        (".jpg", {}, True),
        (".HEIC", {}, True),
        # videos, which have the same stem as their picture
        (".mp4", {}, True),
        (".MP4", {}, False),
        (".fit", {}, False),
        (".mp4", {"picture": {"file": "5_a.jpg", "saved_at": "2026"}}, True),
        (".ts", {"video": {"file": "5_a.ts", "saved_at": "2026"}}, True),
        (".mp4", {"video": {"file": "5_a.ts", "saved_at": "2026"}}, False),
        (".jpg", {"video": {"file": "5_a.ts", "saved_at": "2026"}}, True),
        (".jpg", {"picture": {"file": "5_a.webp", "saved_at": "2026"}}, False),
        (".bmp", {"picture": {"file": "5_a.bmp", "saved_at": "2026"}}, True),
        (".bmp", {"picture": {"saved_at": "2026"}, "bulk_export": {"name": "media/a.bmp"}}, True),
        (".bmp", {"bulk_export": {"name": "media/a.bmp"}}, False),
        (".xmp", {"picture": {"saved_at": "2026"}, "bulk_export": {"name": "media/a.mp4"}}, False),
    ],
)
def test_a_picture_is_recognized_by_its_suffix_or_its_note(suffix, own, expected):
    assert is_stored(layout.FileName((5, "a"), "5_a", suffix), own) is expected


@pytest.mark.parametrize(
    ("suffixes", "note", "lacks"),
    [
        ((), {}, True),
        ((".gpx",), {}, False),
        ((".gpx",), {"name": "Ride.json", "saved_at": "2026"}, True),
        ((".gpx",), {"file": "5.json", "saved_at": "2026"}, True),
        ((".gpx", ".json"), {"file": "5.json", "saved_at": "2026"}, False),
        ((".gpx", ".json.gz"), {"file": "5.json.gz", "saved_at": "2026"}, False),
        ((".gpx",), {"absent": "redirect"}, False),
        ((".gpx",), {"name": "Ride.json"}, False),
        ((".gpx",), {"name": "R.json", "saved_at": "2026", "odd": "named .json, but"}, False),
        ((".gpx",), {"name": "Ride.gpx", "file": "5.gpx", "saved_at": "2026"}, False),
    ],
)
def test_a_gpx_is_the_original_unless_a_json_was(suffixes, note, lacks):
    assert lacks_original(suffixes, {"original": note}) is lacks


@given(st.text(max_size=30))
def test_without_a_note_only_the_names_of_the_contract_count(suffix: str) -> None:
    allowed = {
        f".{kind}{gz}" for kind in ("fit", "tcx", "gpx", "json", "dat") for gz in ("", ".gz")
    }
    counts = is_stored(layout.FileName(5, "_5", suffix), {})
    assert counts == (suffix.lower() in allowed | {".gz"})
