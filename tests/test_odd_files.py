"""Anything in place of the archive's own files is one reported problem and does not end a run."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.archive.directory import Archive, Marker
from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity
from strava_backup.demo.gear import Bike, Component
from strava_backup.demo.photos import photo_of
from strava_backup.verify import verify
from tests.conftest import Clock, Rig, keep_few, read_files
from tests.expected import assert_complete, stem_of, stored_pictures
from tests.faults import Fault
from tests.limits import without_root

Obstacle = Callable[[Path], None]


def folder(path: Path) -> None:
    path.mkdir()


def full_folder(path: Path) -> None:
    path.mkdir()
    (path / "mine").write_text("mine")


def unix_socket(path: Path) -> None:
    before = Path.cwd()
    # The address of a socket must be short, and the paths of temporary folders are long.
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("s")
        os.rename("s", path)
    finally:
        os.chdir(before)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(1 << 40)


OBSTACLES = {
    "folder": folder,
    "full folder": full_folder,
    "pipe": os.mkfifo,
    "socket": unix_socket,
    "device": device,
}


def check(root: Path, **options: bool) -> tuple[int, list[str]]:
    lines: list[str] = []
    return verify(root, lines.append, **options), lines


def damaged(lines: list[str]) -> list[str]:
    return [line.split(": ")[1] for line in lines if line.startswith("damaged: ")]


@pytest.fixture
def full(make_rig: Callable[..., Rig]) -> Rig:
    rig = make_rig(shares_first_run=True)
    keep_few(rig.account)
    assert rig.run().exit_code == 0
    return rig


def ride(rig: Rig) -> Activity:
    return next(
        one for one in rig.account.activities if one.original_suffix == ".fit" and one.photos
    )


def newcomer(rig: Rig) -> str:
    """The stem of an activity that is new on Strava and must be saved in spite of the problem."""
    one = Account.of(1, rig.clock).activities[0]
    one.detail["id"] = 5
    rig.account.add(one)
    return stem_of(one)


def replaced(path: Path, put: Obstacle) -> None:
    path.unlink(missing_ok=True)
    put(path)


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        *(("activities", kind) for kind in (*OBSTACLES, "huge")),
        *(("photos", "pipe"), ("gear", "folder")),
        *(
            pytest.param(section, kind, marks=pytest.mark.thorough)
            for section, chosen in (("photos", "pipe"), ("gear", "folder"))
            for kind in (*OBSTACLES, "huge")
            if kind != chosen
        ),
    ],
)
@pytest.mark.every(2)
def test_metadata_that_is_no_file_is_one_problem_and_the_rest_is_saved(
    full: Rig, kind: str, section: str
) -> None:
    path = next(
        path
        for path in sorted(full.files())
        if path.startswith(section) and path.endswith(".meta.json")
    )
    replaced(full.root / path, {**OBSTACLES, "huge": huge}[kind])
    stem = newcomer(full)

    report = full.run()

    assert report.exit_code == 3
    assert [failure.what for failure in report.failures] == [path]
    assert f"{stem}.meta.json" in full_files(full)
    if section == "activities":
        assert full.run(dry_run=True).exit_code == 3
    code, lines = check(full.root)
    assert code == 6
    assert damaged(lines) == [path]

    assert check(full.root, repairs=True)[0] == 6
    assert full.run().exit_code == 0
    assert json.loads((full.root / path).read_bytes())


def full_files(rig: Rig) -> set[str]:
    """The paths of all files, without reading them."""
    return {
        Path(folder, name).relative_to(rig.root).as_posix()
        for folder, _, names in os.walk(rig.root)
        for name in names
    }


CHOSEN = [
    *((True, "activities", kind) for kind in OBSTACLES),
    *((False, "activities", kind) for kind in ("folder", "device")),
    *((True, "photos", "pipe"), (False, "photos", "full folder")),
]


@pytest.mark.parametrize(
    ("is_listed", "section", "kind"),
    [
        pytest.param(*row, marks=[] if row in CHOSEN else [pytest.mark.thorough])
        for row in product((True, False), ("activities", "photos"), OBSTACLES)
    ],
)
@pytest.mark.every(3)
def test_anything_in_place_of_an_original_or_a_picture_is_one_problem(
    full: Rig, kind: str, section: str, is_listed: bool
) -> None:
    one = ride(full)
    path = (
        f"{stem_of(one)}.fit"
        if section == "activities"
        else next(path for path in stored_pictures(full.files()) if f"{one.id}_" in path)
    )
    whole = (full.root / path).read_bytes()
    replaced(full.root / path, OBSTACLES[kind])
    if not is_listed:
        (full.root / "SHA256SUMS").unlink()
    stem = newcomer(full)

    report = full.run()

    assert report.exit_code == 3
    assert len(report.failures) == 1
    assert path in report.failures[0].why
    assert f"{stem}.meta.json" in full_files(full)
    code, lines = check(full.root)
    assert code == 6
    assert damaged(lines) == [path]

    assert check(full.root, repairs=True)[0] == 6
    assert full.run().exit_code == 0
    assert (full.root / path).read_bytes() == whole


@pytest.mark.parametrize("kind", OBSTACLES)
def test_a_pipe_or_a_folder_next_to_our_files_is_at_most_a_notice(full: Rig, kind: str) -> None:
    for path in (f"{stem_of(ride(full))}.fifo", "photos/notes", "gear/x", "activities/2026/y"):
        OBSTACLES[kind](full.root / path)
    assert full.run().exit_code == 0
    code, lines = check(full.root)
    assert code == 0
    assert len(lines) == 5


@pytest.mark.parametrize("target", [".", "..", "2026", "../activities", "../photos", "/"])
def test_links_in_a_circle_are_not_followed(full: Rig, target: str) -> None:
    for name in ("1998", "1999", "x"):
        (full.root / "activities" / name).symlink_to(target)
    (full.root / "photos" / "y").symlink_to(target)
    before = {path: one.files for path, one in Archive(full.root).scan().activities.items()}
    assert full.run().exit_code == 0
    assert check(full.root)[0] == 0
    assert {path: one.files for path, one in Archive(full.root).scan().activities.items()} == before
    assert all(len(files) <= 2 for files in before.values())


def test_a_year_with_two_links_to_it_is_entered_once(full: Rig) -> None:
    year = full.root / "activities" / "2026"
    year.rename(full.root.parent / "elsewhere")
    for name in ("2026", "2027"):
        (full.root / "activities" / name).symlink_to(full.root.parent / "elsewhere")
    assert full.run().saved == {}
    assert check(full.root)[0] == 0


# The manifest


@pytest.mark.parametrize("kind", [*OBSTACLES, "huge", "link", "link to nowhere"])
@pytest.mark.every(2)
def test_a_manifest_that_is_no_file_is_one_problem_and_is_not_written(full: Rig, kind: str) -> None:
    outside = full.root.parent / "outside"
    outside.write_text("mine\n")
    path = full.root / "SHA256SUMS"
    links = {
        "huge": huge,
        "link": lambda path: path.symlink_to(outside),
        "link to nowhere": lambda path: path.symlink_to(full.root.parent / "nowhere"),
    }
    replaced(path, {**OBSTACLES, **links}[kind])
    before = path.lstat()
    stem = newcomer(full)

    report = full.run()

    assert report.exit_code == 3
    assert [failure.what for failure in report.failures] == ["SHA256SUMS"]
    assert f"{stem}.meta.json" in full_files(full)
    code, lines = check(full.root, repairs=True)
    assert code == 6
    assert damaged(lines) == ["SHA256SUMS"]
    assert (path.lstat().st_ino, path.lstat().st_mtime) == (before.st_ino, before.st_mtime)
    assert outside.read_text() == "mine\n"
    assert not (full.root.parent / "nowhere").exists()


def test_a_manifest_with_a_hard_link_outside_is_replaced(full: Rig) -> None:
    path, outside = full.root / "SHA256SUMS", full.root.parent / "outside"
    os.link(path, outside)
    before = outside.read_bytes()
    newcomer(full)
    assert full.run().exit_code == 0
    assert outside.read_bytes() == before
    assert path.read_bytes().startswith(before)
    assert_complete(full.account, full.files())


def test_a_folder_in_place_of_the_partial_manifest_is_one_problem(full: Rig) -> None:
    path = full.root / "SHA256SUMS"
    path.write_bytes(path.read_bytes() + b"half a line")
    (full.root / ".SHA256SUMS.part").mkdir()
    report = full.run()
    assert report.exit_code == 3
    assert [failure.what for failure in report.failures] == ["SHA256SUMS"]
    assert check(full.root)[0] == 0


# Marker and lock


@pytest.mark.parametrize("kind", [*OBSTACLES, "link"])
def test_a_marker_that_is_no_file_is_one_problem_and_stays(full: Rig, kind: str) -> None:
    path, outside = full.root / ".strava-backup.json", full.root.parent / "outside"
    outside.write_bytes(path.read_bytes())
    replaced(path, {**OBSTACLES, "link": lambda path: path.symlink_to(outside)}[kind])
    before, content = path.lstat().st_ino, outside.read_bytes()
    stem = newcomer(full)

    report = full.run()

    assert report.exit_code == 3
    assert [failure.what for failure in report.failures] == [".strava-backup.json"]
    assert f"{stem}.meta.json" in full_files(full)
    code, lines = check(full.root)
    assert code == 6
    assert damaged(lines) == [".strava-backup.json"]
    assert path.lstat().st_ino == before
    assert outside.read_bytes() == content


@pytest.mark.parametrize("kind", [*OBSTACLES, "link", "another name"])
def test_a_lock_that_is_no_regular_file_is_not_opened(
    full: Rig, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, outside = full.root / ".lock", full.root.parent / "outside"
    outside.write_text("mine")
    more = {
        "link": lambda path: path.symlink_to(outside),
        "another name": lambda path: path.hardlink_to(outside),
    }
    replaced(path, {**OBSTACLES, **more}[kind])
    newcomer(full)
    assert full.run().exit_code == 0
    assert "cannot be locked, continuing without" in caplog.text
    assert check(full.root)[0] == 0
    assert outside.read_text() == "mine"


# Partial files


@pytest.mark.parametrize("source", ["api", "website"])
def test_folders_under_the_names_of_all_partial_files_end_no_run(full: Rig, source: str) -> None:
    """All metadata would change: of gear, photos, and refused or deleted activities."""
    full.config = replace(full.config, source=source)
    one, *others = full.account.activities
    full.account.edit(one.id, name="Changed")
    full.account.remove(others[0].id)
    full.account.faults.append(Fault("original", "404"))
    for path in sorted(full.files()):
        if path.startswith("act") and not path.endswith(".meta.json"):
            (full.root / path).unlink()
        if path.startswith("photos") and path.endswith(".meta.json"):
            (full.root / path).unlink()
        if path.endswith(".meta.json") and "history" not in path:
            folder, _, name = path.rpartition("/")
            (full.root / folder / f".{name}.part").mkdir()

    report = full.run()

    # If originals are requested, none is delivered, so that the website counts as failing.
    assert report.exit_code == (5 if source == "api" else 3), report.fatal
    others = [failure for failure in report.failures if ".part is a folder" not in failure.why]
    assert others == []
    newcomer_stem = newcomer(full)
    assert full.run().exit_code == 5
    assert f"{newcomer_stem}.meta.json" in full_files(full)


@pytest.mark.parametrize("name", ["STEM", "STEM.meta.json"])
def test_a_folder_under_the_name_of_a_partial_file_fails_one_item(full: Rig, name: str) -> None:
    stem = newcomer(full)
    place, _, base = stem.rpartition("/")
    partial_file = full.root / place / f".{name.replace('STEM', base)}.part"
    partial_file.mkdir(parents=True)
    other = Account.of(2, full.clock).activities[1]
    other.detail["id"] = 6
    full.account.add(other)

    report = full.run()

    assert report.exit_code == 3
    assert all(str(partial_file) in failure.why for failure in report.failures)
    assert f"{stem_of(other)}.meta.json" in full_files(full)
    assert partial_file.is_dir()
    partial_file.rmdir()
    assert full.run().exit_code == 0
    assert_complete(full.account, full.files())


def test_a_link_under_the_name_of_a_partial_file_is_replaced(full: Rig) -> None:
    outside = full.root.parent / "outside"
    outside.write_text("mine")
    place, _, base = newcomer(full).rpartition("/")
    for name in (base, f"{base}.meta.json"):
        (full.root / place).mkdir(exist_ok=True)
        (full.root / place / f".{name}.part").symlink_to(outside)
    assert full.run().exit_code == 0
    assert outside.read_text() == "mine"
    assert_complete(full.account, full.files())


def test_metadata_that_may_not_be_read_is_one_problem(full: Rig) -> None:
    path = f"{stem_of(ride(full))}.meta.json"
    (full.root / path).chmod(0)
    for one in (*full.root.parents, full.root):
        if one.stat().st_uid == os.geteuid() and one.is_relative_to("/tmp"):
            one.chmod(0o755)
    with without_root():
        code, lines = check(full.root)
    (full.root / path).chmod(0o644)
    assert code == 6
    assert damaged(lines) == [path]
    assert "Permission denied" in lines[0]


# Values of a wrong type

WRONG = [None, True, 5, 1.5, "x", [], [5], ["x"], {}, {"x": 5}, {"original": 5}, {"api": "x"}]
OUR_KEYS = [
    *("source", "fetched_at", "listed", "original", "website", "photos", "picture", "bulk_export"),
    *("frame_type", "components_at", "gone_since", "refused"),
]
NESTED = [
    {"refused": {"original": {"on": 5, "why": "404"}}},
    {"refused": {"original": {"on": [5, None], "why": ["x"]}}},
    {"original": {"absent": 5, "on": 7}},
    {"original": {"name": 5, "file": [], "saved_at": {}}},
    {"picture": {"same_as": [], "odd": 5, "file": {}, "saved_at": 5}},
    {"photos": {"count": "3"}},
    {"listed": {"api": {"name": [1, {"x": []}]}}},
    {"source": "bulk export", "bulk_export": {"sha256": 5, "name": []}},
]


@pytest.mark.parametrize(
    "owns",
    [*([{key: value} for value in WRONG] for key in OUR_KEYS), NESTED, WRONG],
    ids=[*OUR_KEYS, "nested", "no object"],
)
@pytest.mark.every(3)
def test_values_of_a_wrong_type_under_our_key_harm_nothing(
    large_archive: Rig, owns: list[Any]
) -> None:
    """Each value is in metadata of each kind, and runs and verifications ignore it."""
    archive = large_archive
    before = read_files(archive.root)
    for section in ("activities", "photos", "gear"):
        paths = [path for path in before if path.startswith(section) and ".meta" in path]
        assert len(paths) >= len(owns)
        for path, own in zip(paths, owns, strict=False):
            record = json.loads(before[path])
            more = own if isinstance(own, dict) else {}
            record["strava_backup"] = {**record["strava_backup"], **more} if more else own
            (archive.root / path).write_text(json.dumps(record))
    try:
        assert archive.run().exit_code in (0, 3)
        assert archive.run().exit_code == 0
        assert check(archive.root)[0] == 0
    finally:
        restore(archive, before)


@pytest.mark.parametrize("state", ["3", True, [], {}, None, 2.5])
@pytest.mark.every(2)
def test_metadata_with_an_invalid_state_is_replaced(archive: Rig, state: Any) -> None:
    before = read_files(archive.root)
    for path in [path for path in before if path.endswith(".meta.json") and "history" not in path]:
        record = json.loads(before[path])
        (archive.root / path).write_text(json.dumps({**record, "resource_state": state}))
    try:
        assert archive.run().exit_code == 0
        for path in [one for one in before if one.startswith("act") and one.endswith("meta.json")]:
            assert json.loads((archive.root / path).read_bytes())["resource_state"] == 3
    finally:
        restore(archive, before)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """One complete archive for all tests that undo their changes."""
    return complete(Account.of(4, Clock()), tmp_path_factory)


@pytest.fixture(scope="module")
def large_archive(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Another one, with an activity, a photo and a bike for each wrong value."""
    account = Account.of(len(WRONG), Clock())
    for number, activity in enumerate(account.activities):
        activity.photos[:] = [photo_of(activity.detail, number)]
        activity.detail["gear_id"] = None
        bike = Bike(f"b{number + 1}", f"Bike {number}", components=[Component(1, "Chain")])
        account.gear[bike.id] = bike
    return complete(account, tmp_path_factory)


def complete(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    clock = account.clock
    assert isinstance(clock, Clock)
    rig = Rig(account, tmp_path_factory.mktemp("odd"), clock)
    assert rig.run().exit_code == 0
    return rig


def restore(rig: Rig, files: dict[str, bytes]) -> None:
    for path in read_files(rig.root).keys() - files.keys():
        (rig.root / path).unlink()
    for path, content in files.items():
        (rig.root / path).write_bytes(content)
    # All tests together send more requests than Strava allows in 15 minutes.
    rig.clock.now += 3600


MARKER_KEYS = [
    *("athlete_id", "failed", "last_walk", "last_photo_walk", "surplus", "last_count"),
    *("uncounted", "last_complete_run", "login_refused_at"),
]


# The only value of a right type, except texts for times.
RIGHT = ("login_refused_at", 1.5)
MARKER_VALUES = [None, True, "5", "x", 1.5, [], ["x", True], {}, [{}]]


@pytest.mark.parametrize("key", MARKER_KEYS)
def test_a_value_of_a_wrong_type_in_the_marker_is_ignored(archive: Rig, key: str) -> None:
    path = archive.root / ".strava-backup.json"
    before = path.read_bytes()
    marker = json.loads(before)
    others = {name: one for name, one in marker.items() if name not in ("format", key)}
    if "failed" in others:
        others["failed"] = tuple(others["failed"])
    try:
        for value in MARKER_VALUES:
            path.write_text(json.dumps({**marker, key: value}))
            kept = Archive(archive.root)
            kept.read_marker()
            assert {name: getattr(kept.marker, name) for name in others} == others
            right = type(value) is str if "last" in key else (key, value) == RIGHT
            assert getattr(kept.marker, key) == (value if right else getattr(Marker(), key)), value
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("value", MARKER_VALUES, ids=repr)
def test_a_marker_with_values_of_a_wrong_type_harms_no_run(archive: Rig, value: Any) -> None:
    before = read_files(archive.root)
    marker = {"format": 1, **dict.fromkeys(MARKER_KEYS, value)}
    (archive.root / ".strava-backup.json").write_text(json.dumps(marker))
    try:
        assert archive.run().exit_code == 0
        assert check(archive.root)[0] == 0
    finally:
        restore(archive, before)


@pytest.mark.parametrize("value", [True, "1", 2, 1.0, None, [], {}])
def test_an_unknown_format_is_refused(archive: Rig, value: Any) -> None:
    before = read_files(archive.root)
    (archive.root / ".strava-backup.json").write_text(json.dumps({"format": value}))
    try:
        with pytest.raises(errors.ConfigError, match="newer"):
            Archive(archive.root).read_marker()
    finally:
        restore(archive, before)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*OUR_KEYS, "why", "on", "api", "count", "name"]), inner)
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(own=JSON, marker=st.dictionaries(st.sampled_from(MARKER_KEYS), JSON))
def test_no_value_stops_a_scan_or_a_verification(
    archive: Rig, own: Any, marker: dict[str, Any]
) -> None:
    before = read_files(archive.root)
    path = next(path for path in before if path.startswith("act") and path.endswith(".meta.json"))
    record = {**json.loads(before[path]), "strava_backup": own}
    (archive.root / path).write_text(json.dumps(record))
    (archive.root / ".strava-backup.json").write_text(json.dumps({"format": 1, **marker}))
    try:
        kept = Archive(archive.root)
        kept.read_marker()
        hash(kept.marker)
        assert len(kept.scan().activities) == 4
        assert check(archive.root)[0] == 0
    finally:
        restore(archive, before)


@pytest.mark.parametrize("depth", [101, 900, 100_000])
def test_metadata_that_is_nested_deep_is_replaced_and_kept(full: Rig, depth: int) -> None:
    path = f"{stem_of(ride(full))}.meta.json"
    deep = b'{\n  "strava_backup": ' + b'{"x":' * depth + b"1" + b"}" * depth + b"\n}\n"
    (full.root / path).write_bytes(deep)
    assert check(full.root)[0] == 6
    assert full.run().exit_code == 0
    assert deep in full.files().values()
    assert_complete(full.account, full.files())
