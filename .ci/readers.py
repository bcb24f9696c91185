"""Lets other programs read an export of a made-up account: `python .ci/readers.py FOLDER`.

FOLDER is an environment with the programs. The pictures that the script makes there are for people
to look at; it only checks that they are drawn.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from strava_backup import cli  # noqa: E402
from strava_backup.backup import run  # noqa: E402
from strava_backup.bulk_export.columns import sport_name  # noqa: E402
from strava_backup.demo import setting  # noqa: E402
from strava_backup.demo.account import Account  # noqa: E402
from strava_backup.report import Report  # noqa: E402

# geo-activity-playground makes names of files of the names of activities.
_NAME_TOO_LONG_FOR_A_FILE = 14_000_000_005
_PLOTS = ("calendar", "dumbbell", "map")
_PNG = b"\x89PNG"


def main(folder: Path) -> None:
    """Back up the made-up account, export it, and start the programs."""
    account = Account.sample()
    account.edit(_NAME_TOO_LONG_FOR_A_FILE, name="Long")
    archive = folder / "archive"
    run.back_up(
        setting.config(account, archive),
        run.Options(),
        Report(),
        setting.environment(account, print),
    )
    export(archive, folder / "export")
    export(archive, folder / "unzipped", "--no-gzip")
    check_geo_activity_playground(account, folder)
    check_stravavis(folder)


def export(archive: Path, path: Path, *options: str) -> None:
    """Export the archive with the command line."""
    code = cli.main(["--output-dir", str(archive), "--export", str(path), *options])
    assert code == 0, code


def check_geo_activity_playground(account: Account, folder: Path) -> None:
    """Assert that each activity with a file is copied to the right kind and date."""
    program = installed(folder, "geo-activity-playground")
    target = folder / "playground"
    target.mkdir()
    start(folder, program, "convert-strava-checkout", folder / "export", target)
    found = {
        (path.relative_to(target).parts[1], path.name[: len("2026-05-06-07-08-09")])
        for path in target.rglob("*")
        if path.is_file()
    }
    expected = [
        (sport_name(one.detail["sport_type"]), date_of(one.detail["start_date"]))
        for one in account.activities
        if one.original is not None
    ]
    assert found == set(expected), found ^ set(expected)
    assert len(list(target.rglob("*.*"))) == len(expected)


def date_of(start: str) -> str:
    """Return the date in the name of a file of geo-activity-playground."""
    return datetime.fromisoformat(start).astimezone(UTC).strftime("%Y-%m-%d-%H-%M-%S")


def check_stravavis(folder: Path) -> None:
    """Assert that a picture of each kind is drawn. The program reads GPX and FIT, without gzip."""
    program = installed(folder, "stravavis")
    originals = folder / "unzipped/activities"
    table = folder / "unzipped/activities.csv"
    start(folder, program, originals, "--activities_path", table, "--plot", *_PLOTS)
    for plot in _PLOTS:
        content = (folder / f"strava-{plot}.png").read_bytes()
        assert content.startswith(_PNG), plot


def installed(folder: Path, package: str) -> Path:
    """Return the command of a package, which has its name."""
    return folder / "bin" / package


def start(folder: Path, *command: str | Path) -> None:
    """Run a command in the folder, which is also for its temporary files."""
    environment = {**os.environ, "TMPDIR": str(folder), "HOME": str(folder)}
    arguments: Sequence[str] = [str(one) for one in command]
    subprocess.run(arguments, check=True, cwd=folder, env=environment)  # noqa: S603


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
