"""The archive is checked offline, and damaged files move aside until a run fetches them again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.archive.directory import Archive, DiskError
from strava_backup.demo.account import Account
from strava_backup.verify import verify
from tests.conftest import Clock, Rig, keep_few, read_files
from tests.expected import (
    assert_complete,
    expected_checksums,
    stem_of,
    stored_files,
)
from tests.faults import Fault
from tests.limits import without_root

FETCHED = "; the next run fetches missing files that Strava still has"
HTML = b"<!DOCTYPE html>\n<html><body>Log in</body></html>"


def check(root: Path, **options: bool) -> tuple[int, list[str]]:
    """Return the exit code and the lines of --verify."""
    lines: list[str] = []
    code = verify(root, lines.append, **options)
    return code, lines


def damaged(lines: list[str]) -> set[str]:
    """Return the paths that are reported as damaged."""
    return {line.split(": ")[1] for line in lines if line.startswith("damaged: ")}


def notices(lines: list[str]) -> set[str]:
    return {line.split(": ")[1] for line in lines if line.startswith("notice: ")}


def stored(root: Path) -> list[str]:
    files = read_files(root)
    return sorted(stored_files(files))


def assert_sha256sum_passes(root: Path) -> None:
    result = subprocess.run(
        ["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=root, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def change_metadata(root: Path, path: str, **own: Any) -> None:
    record = json.loads((root / path).read_bytes())
    record["strava_backup"] |= own
    (root / path).write_text(json.dumps(record))


@pytest.fixture
def full(make_rig: Callable[..., Rig]) -> Rig:
    """An archive with everything that the sample account has."""
    rig = make_rig(shares_first_run=True)
    assert rig.run().exit_code == 0
    return rig


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whole archive for all tests that undo their changes."""
    account = Account.sample(Clock())
    keep_few(account)
    rig = Rig(account, tmp_path_factory.mktemp("verify"), Clock())
    assert rig.run().exit_code == 0
    return rig.root


# Nothing is wrong


def test_a_whole_archive_has_no_damage_and_is_left_as_it_is(full: Rig) -> None:
    before = {path: path.stat().st_mtime_ns for path in full.root.rglob("*")}
    code, [summary] = check(full.root)
    assert code == 0
    files = full.files()
    count = len(stored_files(files))
    records = sum(path.endswith(".meta.json") for path in files if not path.startswith("history"))
    assert summary == f"checked {count} files and {records} metadata files: no damage"
    assert check(full.root, quiet=True) == (0, [])
    assert check(full.root, repairs=True) == (0, [summary])
    lock = full.root / ".lock"
    assert before == {p: p.stat().st_mtime_ns for p in full.root.rglob("*")} | {lock: before[lock]}


@pytest.mark.parametrize("source", ["api", "website"])
def test_sha256sum_passes_after_a_run_and_after_one_that_brings_nothing(
    rig: Rig, source: str
) -> None:
    rig.config = replace(rig.config, source=source)
    rig.run()
    assert_sha256sum_passes(rig.root)
    before = rig.files()["SHA256SUMS"]
    assert sorted(before.decode().splitlines()) == expected_checksums(rig.files())
    rig.run()
    assert rig.files()["SHA256SUMS"] == before


def test_a_run_that_brings_nothing_reads_no_original_and_no_picture(
    full: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> str:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("strava_backup.archive.directory.hash_file", refuse)
    assert full.run().exit_code == 0


@pytest.mark.parametrize("make", [lambda _: None, Path.mkdir, lambda root: root.write_text("")])
def test_where_no_archive_is_that_is_said_and_nothing_is_made(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    root = tmp_path / "archive"
    make(root)
    for repairs in (False, True):
        with pytest.raises(errors.ConfigError, match="there is no archive in") as caught:
            check(root, repairs=repairs)
        assert caught.value.exit_code == 2
    assert not root.is_dir() or not list(root.iterdir())


def test_an_archive_of_a_newer_format_is_not_judged(full: Rig) -> None:
    (full.root / ".strava-backup.json").write_text('{"format": 2}')
    with pytest.raises(errors.ConfigError, match="newer strava-backup"):
        check(full.root)


def test_an_archive_of_earlier_versions_is_checked_without_marker_and_list(full: Rig) -> None:
    for name in (".strava-backup.json", "SHA256SUMS", ".lock"):
        (full.root / name).unlink()
    code, [summary] = check(full.root)
    assert code == 0
    assert f"{len(stored(full.root))} without a checksum, the next run adds it" in summary
    assert not (full.root / "SHA256SUMS").exists()
    assert not (full.root / ".lock").exists()


def test_a_run_at_work_is_let_finish(full: Rig) -> None:
    with Archive(full.root).locked():
        for repairs in (False, True):
            with pytest.raises(errors.AnotherRun):
                check(full.root, repairs=repairs)


def test_a_folder_that_cannot_be_written_is_verified_all_the_same(full: Rig) -> None:
    # Not below `tmp_path`, which other users cannot reach.
    with tempfile.TemporaryDirectory() as public:
        root = Path(public) / "archive"
        shutil.copytree(full.root, root)
        Path(public).chmod(0o755)
        root.chmod(0o555)
        (root / ".lock").chmod(0o444)
        with without_root():
            assert check(root)[0] == 0
            with pytest.raises(DiskError, match="cannot write into"):
                check(root, repairs=True)
        root.chmod(0o755)


# Damage


@settings(
    max_examples=2 * settings.default.max_examples,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_flipped_byte_of_any_file_is_named(archive: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(stored(archive)))
    before = (archive / path).read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    bits = data.draw(st.integers(1, 255))
    (archive / path).write_bytes(before[:at] + bytes([before[at] ^ bits]) + before[at + 1 :])
    try:
        code, lines = check(archive)
    finally:
        (archive / path).write_bytes(before)
    assert code == 6
    assert damaged(lines) == {path}
    assert "1 damaged" in lines[-1]


def test_every_file_is_compared_with_its_checksum(archive: Path) -> None:
    before = {path: (archive / path).read_bytes() for path in stored(archive)}
    for path, content in before.items():
        (archive / path).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        code, lines = check(archive)
    finally:
        for path, content in before.items():
            (archive / path).write_bytes(content)
    assert code == 6
    assert damaged(lines) == before.keys()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda content: b"", "an empty file"),
        (lambda content: HTML, "a web page"),
        pytest.param(
            lambda content: HTML.replace(b"\n", b"") + b"\n",
            "a web page",
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            lambda content: content.rstrip()[: len(content) // 2], "", marks=pytest.mark.thorough
        ),
        (lambda content: content.rstrip()[:-1], ""),
        (lambda content: b'{"message": "Authorization Error"}', ""),
        pytest.param(lambda content: b"AccessDenied", "", marks=pytest.mark.thorough),
    ],
)
@pytest.mark.every(2)
def test_a_file_that_is_broken_and_has_no_checksum_is_named_by_a_run_and_by_verify(
    full: Rig, spoil: Callable[[bytes], bytes], why: str
) -> None:
    rig = full
    (rig.root / "SHA256SUMS").unlink()
    # JSON is whole in any form of record, and a gzip file may contain anything.
    victims = [p for p in stored(rig.root) if not p.endswith((".json", ".dat"))]
    for path in victims:
        (rig.root / path).write_bytes(spoil((rig.root / path).read_bytes()))

    code, lines = check(rig.root)

    assert code == 6
    assert damaged(lines) == set(victims)
    assert all(why in line for line in lines if line.startswith("damaged"))
    for _ in range(2):
        report = rig.run()
        assert report.exit_code == 3
        assert {failure.what for failure in report.failures} == set(victims)
        listed = rig.files()["SHA256SUMS"].decode()
        assert not [path for path in victims if path in listed]
    assert check(rig.root)[0] == 6

    assert check(rig.root, repairs=True)[0] == 6
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())
    assert check(rig.root)[0] == 0


def test_files_without_a_checksum_that_are_whole_get_one(full: Rig) -> None:
    lines = full.files()["SHA256SUMS"].splitlines(keepends=True)
    (full.root / "SHA256SUMS").write_bytes(b"".join(lines[::2]))
    assert full.run().exit_code == 0
    assert_complete(full.account, full.files())


def test_a_listed_file_that_is_missing_is_named_and_the_line_stays_until_it_is_fetched(
    full: Rig,
) -> None:
    [path, other] = [path for path in stored(full.root) if path.endswith(".jpg")][:2]
    (full.root / path).unlink()
    before = full.files()["SHA256SUMS"]
    for _ in range(2):
        code, lines = check(full.root)
        assert code == 6
        assert damaged(lines) == {path}
        assert notices(lines) == set()
        assert lines[-1].endswith(f": 1 missing{FETCHED}")
    full.run(photos=False)
    assert full.files()["SHA256SUMS"] == before

    assert full.run().exit_code == 0
    assert full.files()["SHA256SUMS"] == before
    assert check(full.root)[0] == 0

    (full.root / other).unlink()
    lines = check(full.root, repairs=True)[1]
    assert damaged(lines) == {other}
    assert lines[-1].endswith(f": 1 missing{FETCHED}")
    assert other not in full.files()["SHA256SUMS"].decode()
    code, (notice, _) = check(full.root)
    assert code == 0
    assert notice.endswith(".meta.json: its file is missing; the next run fetches it")


def test_a_missing_file_that_is_fetched_again_with_another_content_has_one_line(full: Rig) -> None:
    victim = next(one for one in full.account.activities if one.original_suffix == ".gpx")
    path = stem_of(victim) + ".gpx"
    (full.root / path).unlink()
    assert victim.original is not None
    victim.original = victim.original.replace(b"</gpx>", b"<!-- anew --></gpx>")
    assert full.run().exit_code == 0
    assert_complete(full.account, full.files())
    assert_sha256sum_passes(full.root)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_metadata_that_cannot_be_read_is_damage(full: Rig, content: bytes) -> None:
    paths = [path for path in full.files() if path.endswith(".meta.json")]
    victims = {
        next(path for path in paths if path.startswith(section)) for section in ("a", "p", "g")
    }
    for path in victims:
        (full.root / path).write_bytes(content)
    code, lines = check(full.root)
    assert code == 6
    assert damaged(lines) == victims


def test_a_disk_that_cannot_read_one_file_does_not_stop_the_rest(
    full: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replace the read, since no disk here fails."""
    from strava_backup.archive import directory

    path = stored(full.root)[0]
    hash_file = directory.hash_file

    def fail(file: Path) -> str:
        if file == full.root / path:
            raise OSError(5, "Input/output error")
        return hash_file(file)

    monkeypatch.setattr(directory, "hash_file", fail)
    code, lines = check(full.root)
    assert code == 6
    assert damaged(lines) == {path}
    assert "unreadable: Input/output error" in lines[0]


def test_a_file_that_may_not_be_read_is_named_and_left_where_it_is(
    full: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: Path) -> str:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr("strava_backup.archive.directory.hash_file", refuse)
    before = full.files()
    code, lines = check(full.root, repairs=True)
    assert code == 6
    assert damaged(lines) == set(stored(full.root))
    assert all("Permission denied" in line for line in lines[:-1])
    assert full.files() == before


# Suspicious files that are not damaged


def test_what_strava_holds_broken_is_no_damage(rig: Rig) -> None:
    victim = next(one for one in rig.account.activities if one.original_suffix == ".fit")
    assert victim.original is not None
    victim.original = victim.original[:-50]
    rig.run()
    path = stem_of(victim) + ".fit"
    assert (rig.root / path).read_bytes() == victim.original
    assert check(rig.root)[0] == 0

    # Without its line: the metadata notes that Strava sent it so.
    (rig.root / "SHA256SUMS").unlink()
    assert check(rig.root)[0] == 0
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())

    # Another fault is damage.
    (rig.root / "SHA256SUMS").unlink()
    (rig.root / path).write_bytes(victim.original[:-1])
    assert damaged(check(rig.root)[1]) == {path}
    assert rig.run().exit_code == 3


# Notices


@pytest.mark.parametrize(
    "path",
    [
        ".SHA256SUMS.part",
        "..strava-backup.json.part",
        "activities/2026/.2026-05-06T07-08-09Z_5.part",
        "photos/.5_a.part",
        "history/gear/.b1.meta.json.2026-11-22T10-00-00Z.json.part",
        "activities/notes.txt",
        "photos/5_a.jpg.part",
    ],
)
def test_what_does_not_belong_there_is_a_notice(full: Rig, path: str) -> None:
    (full.root / path).parent.mkdir(parents=True, exist_ok=True)
    (full.root / path).write_bytes(b"x")
    code, lines = check(full.root)
    assert code == 0
    assert notices(lines) == {path}
    assert lines[-1].endswith("no damage, 1 notice")
    assert check(full.root, quiet=True) == (0, [])


def test_a_file_without_metadata_and_metadata_without_its_file_are_notices(full: Rig) -> None:
    original, other, *_ = [path for path in stored(full.root) if path.endswith(".fit")]
    picture = next(path for path in stored(full.root) if path.endswith(".jpg"))
    metadata = original.replace(".fit", ".meta.json")
    (full.root / metadata).unlink()
    for path in (other, picture):
        (full.root / path).unlink()
    (full.root / "SHA256SUMS").unlink()
    code, lines = check(full.root)
    assert code == 0
    assert notices(lines) == {
        original,
        other.replace(".fit", ".meta.json"),
        picture.replace(".jpg", ".meta.json"),
    }


def test_a_list_that_somebody_edited_is_understood(full: Rig) -> None:
    before = full.files()["SHA256SUMS"]
    lines = before.decode().splitlines()
    edited = [
        "# my archive",
        "",
        lines[0].upper()[:64] + lines[0][64:],
        lines[1].replace("  ", " *"),
        lines[2].replace("  ", "  ./"),
        *lines[2:],
        lines[4],
        "who knows",
        f"{'0' * 64}  ../secrets",
        f"{'0' * 64}  /etc/passwd",
        f"{'0' * 64}  activities/../../secrets_1.fit",
        f"{'0' * 64}  notes.txt",
        f"{'0' * 64}  {stem_of(full.account.activities[0])}.meta.json",
    ]
    (full.root / "SHA256SUMS").write_text("\r\n".join(edited) + "\r\n")
    (full.root.parent / "secrets").write_text("mine")
    (full.root.parent / "secrets_1.fit").write_text("mine")

    for repairs in (False, True):
        code, found = check(full.root, repairs=repairs)
        assert code == 0
        assert notices(found) == {"SHA256SUMS"}
    assert full.run().exit_code == 0
    assert full.files()["SHA256SUMS"].decode().splitlines() == edited
    assert (full.root.parent / "secrets_1.fit").read_text() == "mine"


def test_of_two_checksums_the_file_tells_which_is_right(full: Rig) -> None:
    before = full.files()["SHA256SUMS"]
    path = stored(full.root)[0]
    wrong = f"{'0' * 64}  {path}\n".encode()
    for text in (wrong + before, before + wrong):
        (full.root / "SHA256SUMS").write_bytes(text)
        code, lines = check(full.root)
        assert (code, notices(lines)) == (0, {path})
        assert full.run().exit_code == 0
        assert sorted(full.files()["SHA256SUMS"].splitlines()) == sorted(before.splitlines())

    (full.root / "SHA256SUMS").write_bytes(before + wrong)
    (full.root / path).write_bytes((full.root / path).read_bytes() + b"\n")
    assert full.run().exit_code == 3
    assert damaged(check(full.root)[1]) == {path}
    assert full.files()["SHA256SUMS"] == before + wrong


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.binary(max_size=80)
        | st.text(max_size=90).map(lambda text: ("0" * 64 + "  activities/" + text).encode())
        | st.text(max_size=9).map(lambda text: f"{'0' * 64}  photos/1_a.{text}".encode()),
        max_size=5,
    ),
    st.booleans(),
)
@example([b"0" * 64 + b"  photos/" + b"1_a." + b"x" * 5000], True)
@example([b"0" * 64 + b"  photos/1_a.x/" + b"../" * 50 + b"etc/1_a.x"], True)
@example([b"0" * 64 + b"  photos"], True)
def test_no_list_whatever_makes_a_crash_or_harms_a_file(
    archive: Path, lines: list[bytes], repairs: bool
) -> None:
    before = (archive / "SHA256SUMS").read_bytes()
    files = {path: (archive / path).read_bytes() for path in stored(archive)}
    (archive / "SHA256SUMS").write_bytes(before + b"\n".join([*lines, b""]))
    try:
        code, found = check(archive, repairs=repairs)
        after = (archive / "SHA256SUMS").read_bytes()
    finally:
        (archive / "SHA256SUMS").write_bytes(before)
    assert code in (0, 6)
    assert damaged(found).isdisjoint(files)
    assert not {"\n", "\r", "\x1b", "\x9b"} & {char for line in found for char in line}
    assert files == {path: (archive / path).read_bytes() for path in stored(archive)}
    assert set(before.splitlines()) <= set(after.splitlines())
    assert not (archive / "damaged").exists()


# Repair


@pytest.mark.parametrize("source", ["api", "website"])
def test_what_is_repaired_comes_back_with_the_next_run(
    make_rig: Callable[..., Rig], source: str
) -> None:
    rig = make_rig()
    rig.config = replace(rig.config, source=source)
    rig.run()
    before = rig.files()
    victims = {
        path: data[: len(data) // 2]
        for number, (path, data) in enumerate(before.items())
        if path.startswith(("activities", "photos", "gear")) and number % 2
    }
    assert {path.split("/")[0] for path in victims} == {"activities", "photos", "gear"}
    for path, data in victims.items():
        (rig.root / path).write_bytes(data)

    code, lines = check(rig.root, repairs=True)

    assert code == 6
    assert damaged(lines) == victims.keys()
    after = rig.files()
    assert {path: after[f"damaged/{path}"] for path in victims} == victims
    assert not victims.keys() & after.keys()
    assert_sha256sum_passes(rig.root)
    # Nothing else changes, except the notes that make the next run ask for photos.
    assert check(rig.root)[0] == 0

    report = rig.run()

    assert report.exit_code == 0, report.problem_lines()
    comes = rig.files()
    assert comes.keys() >= before.keys()
    if source == "api":
        assert_complete(rig.account, comes)
    assert stored_files(comes) == stored_files(before)
    assert_sha256sum_passes(rig.root)
    assert check(rig.root)[0] == 0
    assert rig.run().saved == {}


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_json_original_comes_back_though_a_gpx_lies_beside_it(
    full: Rig, is_missing: bool
) -> None:
    victim = next(
        one for one in full.account.activities if one.original_suffix == ".json" and one.gpx
    )
    path = f"{stem_of(victim)}.json"
    if is_missing:
        (full.root / path).unlink()
    else:
        (full.root / path).write_bytes(b"{")
    code, lines = check(full.root, repairs=True)
    assert code == 6
    assert damaged(lines) == {path}
    assert full.files()[f"damaged/{stem_of(victim)}.gpx"] == victim.gpx
    assert check(full.root)[0] == 0
    assert full.run().exit_code == 0
    assert_complete(full.account, full.files())


def test_nothing_in_damaged_is_overwritten(full: Rig) -> None:
    path = stored(full.root)[0]
    for content in (b"first", b"second", b"third"):
        (full.root / path).write_bytes(content)
        assert damaged(check(full.root, repairs=True)[1]) == {path}
        assert full.run().exit_code == 0
    files = full.files()
    assert files[f"damaged/{path}"] == b"first"
    assert files[f"damaged/{path}.2"] == b"second"
    assert files[f"damaged/{path}.3"] == b"third"
    assert_complete(full.account, files)


def test_the_summary_and_one_logged_line_count_damaged_and_missing_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/5_a.jpg").write_bytes(b"x")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  photos/5_b.jpg\n")
    *_, summary = check(tmp_path, quiet=True)[1]
    counts = "1 damaged, 1 missing"
    repair = "; --repair moves damaged files to damaged/"
    assert summary == f"checked 1 file and 0 metadata files: {counts}, 1 notice{repair}{FETCHED}"
    assert caplog.messages == [f"{counts} in {tmp_path}"]
    *_, summary = check(tmp_path, repairs=True, quiet=True)[1]
    assert summary.endswith(f"{counts}, 1 notice; 1 moved to damaged/{FETCHED}")


def test_what_strava_no_longer_has_stays_where_it_is(full: Rig) -> None:
    victim = next(one for one in full.account.activities if one.original and one.photos)
    paths = [path for path in stored(full.root) if f"{victim.id}" in path]
    assert {path.split("/")[0] for path in paths} == {"activities", "photos"}
    change_metadata(full.root, f"{stem_of(victim)}.meta.json", gone_since="2026-11-01T00:00:00Z")
    for path in paths:
        (full.root / path).write_bytes(b"spoilt")
    before = full.files()

    code, lines = check(full.root, repairs=True)

    assert code == 6
    assert damaged(lines) == set(paths)
    assert sum("not moved, since Strava no longer has the activity" in x for x in lines) > 1
    assert full.files() == before
    assert damaged(check(full.root)[1]) == set(paths)


def test_a_repair_that_dies_before_it_writes_the_list_does_no_harm(
    full: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = next(path for path in stored(full.root) if path.endswith(".gpx"))
    content = (full.root / path).read_bytes()
    (full.root / path).write_bytes(content.replace(b"lat", b"lot"))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("strava_backup.archive.checksums.Checksums.remove", die)
        with pytest.raises(KeyboardInterrupt):
            check(full.root, repairs=True)
    assert damaged(check(full.root)[1]) == {path}
    assert full.run().exit_code == 0
    assert_complete(full.account, full.files())
    assert check(full.root)[0] == 0


def test_a_year_on_a_disk_that_is_not_mounted_keeps_its_lines(full: Rig) -> None:
    year = next(path for path in (full.root / "activities").iterdir())
    paths = stored(full.root)
    year.rename(full.root.parent / year.name)
    year.symlink_to(full.root.parent / "not mounted")
    before = full.files()["SHA256SUMS"]
    code, lines = check(full.root, repairs=True)
    assert code == 6
    assert damaged(lines) == {path for path in paths if path.startswith(f"activities/{year.name}")}
    assert all("broken link" in line for line in lines if line.startswith("damaged"))
    assert full.files()["SHA256SUMS"] == before
    year.unlink()
    year.symlink_to(full.root.parent / year.name)
    assert check(full.root)[0] == 0


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_damage_on_another_disk_is_moved_as_well(full: Rig) -> None:
    year = next(path for path in (full.root / "activities").iterdir())
    path = next(path for path in stored(full.root) if f"/{year.name}/" in path)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        if os.stat(folder).st_dev == os.stat(full.root).st_dev:
            pytest.skip("needs a second file system")
        shutil.copytree(year, Path(folder, "year"))
        shutil.rmtree(year)
        year.symlink_to(Path(folder, "year"))
        (full.root / path).write_bytes(b"spoilt")
        check(full.root, repairs=True)
        assert not (full.root / path).exists()
        assert (full.root / "damaged" / path).read_bytes() == b"spoilt"


def test_a_link_that_leads_nowhere_is_damage_and_moved(full: Rig) -> None:
    path = stored(full.root)[0]
    (full.root / path).unlink()
    (full.root / path).symlink_to("nowhere")
    code, lines = check(full.root, repairs=True)
    assert code == 6
    assert damaged(lines) == {path}
    assert full.run().exit_code == 0
    assert_complete(full.account, {**full.files()})


def test_a_run_that_breaks_off_at_any_original_leaves_nothing_damaged(rig: Rig) -> None:
    rig.account.faults.append(Fault("original", "truncated", times=4))
    rig.run()
    assert check(rig.root)[0] == 0
    assert rig.run().exit_code == 0
    assert check(rig.root)[0] == 0
    assert_complete(rig.account, rig.files())
