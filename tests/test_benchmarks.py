"""The benchmarks run and print what they promise; the figures of such a run mean nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import accounts, old_version, table
from benchmarks.measurements import MEASUREMENTS
from strava_backup.archive import checks
from strava_backup.archive.metadata import to_json

ROOT = Path(__file__).parent.parent

ROWS = (
    "First backup of 10 activities, latency 2 ms",
    "  ours  ",
    "  0.4.0, without gear  ",
    "  the floor: curl, website requests only  ",
    "  website requests  ",
    "  ours / floor  ",
    "  0.4.0 / ours  ",
    "First backup of 10 activities, latency 2 ms, 1 ms more for every fsync",
    "  ours, the whole run  ",
    "  ours, first to last website request  ",
    "  the floor, first to last website request  ",
    "  ours / floor  ",
    "Nothing new, metadata of 20 kB each, latency 2 ms",
    *(
        f"  {row}  "
        for stored in (10, 20)
        for row in (
            f"ours at {stored}",
            f"0.4.0 at {stored}",
            f"ours / 0.4.0 at {stored}",
            f"ours at {stored}, an activity",
            f"ours at {stored}, API requests",
            f"0.4.0 at {stored}, API requests",
            f"ours at {stored}, peak memory",
            f"0.4.0 at {stored}, peak memory",
        )
    ),
    "  ours, time an activity at 20 / at 10  ",
    "List of 20 activities, metadata of 20 kB each",
    "  ours, --list  ",
    "  ours, a run that finds nothing new, no latency  ",
    "  the floor: wc reads the metadata  ",
    "  --list / a run that finds nothing new  ",
    "  --list / floor  ",
    "  ours, peak memory  ",
    "Start-up, 1 times",
    "  ours, --version  ",
    "  0.4.0, --help  ",
    "  ours / 0.4.0  ",
    "Peak memory of a first backup of 10 activities",
    "  with a photo of 2 MB and an original of 2 MB  ",
    "  without  ",
    "  with / without  ",
    *(
        row
        for kind in ("uploads of a device, gzipped FIT", "recordings of the app, plain GPX")
        for row in (
            f"Import of 20 activities, {kind}: ",
            "  ours  ",
            "  the floor: unzip, and gunzip of the originals  ",
            "  ours / floor  ",
            "  ours, peak memory  ",
        )
    ),
    "Export of 20 activities, FIT of a device",
    "  ours  ",
    "  the floor: cp -al, and gzip of the originals  ",
    "  ours / floor  ",
    "  ours, peak memory  ",
)


@pytest.fixture(scope="session")
def old_version_installed() -> None:
    """While the network may still be used; later invocations find it there."""
    old_version.install()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(
    None in (shutil.which("curl"), shutil.which("unzip")), reason="they are what it compares with"
)
@pytest.mark.usefixtures("old_version_installed")
@pytest.mark.thorough
def test_a_quick_run_prints_every_row() -> None:
    result = run("--quick")
    assert result.returncode == 0, result.stderr
    machine, _, _, *lines = result.stdout.splitlines()
    assert machine.startswith("Python ")
    lines = [line for line in lines if line]
    assert len(lines) == len(ROWS)
    for line, row in zip(lines, ROWS, strict=True):
        assert line.startswith(row)


@pytest.mark.usefixtures("old_version_installed")
def test_only_measures_what_it_names() -> None:
    result = run("--quick", "--only", "start")
    assert "Start-up" in result.stdout
    assert "First backup" not in result.stdout


def test_the_readme_names_all_that_is_measured() -> None:
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for name in MEASUREMENTS:
        assert f"`--only {name}`" in text


def test_a_row_tells_the_median_and_ratios_are_those_of_each_round() -> None:
    row = table.ratio("ours / floor", [2, 9, 4], [1, 3, 4], "<= 1.10")
    line = table.lines([row])[1].split()
    assert line == ["ours", "/", "floor", "ratio", "1", "2", "3", "<=", "1.10"]


def test_metadata_is_as_large_as_it_is_said_to_be() -> None:
    for activity in accounts.rich(10, 20_000).activities:
        assert 18_000 < len(to_json(activity.detail)) < 21_000


@pytest.mark.parametrize("suffix", [".fit", ".gpx"])
def test_an_export_is_as_large_as_it_is_said_to_be(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "export.zip"
    accounts.write_export(path, 100, 3_000_000, suffix)
    assert 2.5e6 < path.stat().st_size < 5e6


@pytest.mark.parametrize("suffix", [".fit", ".gpx"])
def test_the_originals_of_an_export_are_whole(tmp_path: Path, suffix: str) -> None:
    contents = accounts.export(20, 400_000, suffix)
    originals = {name: data for name, data in contents.items() if name.startswith("activities/")}
    assert len(originals) > 10
    for name, content in originals.items():
        path = tmp_path / Path(name).name
        path.write_bytes(content)
        assert checks.damage(path) is None


def test_what_is_large_is_whole(tmp_path: Path) -> None:
    activity = accounts.bulky(3, 1_000_000).activities[1]
    assert activity.original
    for name, content in (("a.gpx", activity.original), ("a.jpg", activity.photos[0].content)):
        path = tmp_path / name
        path.write_bytes(content)
        assert 0.9e6 < len(content) < 1.1e6
        assert checks.damage(path) is None
