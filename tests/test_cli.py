"""The command line in a process of its own, without network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from strava_backup import __version__, cli

API = "[api]\nclient_id = 1\nclient_secret = a\nrefresh_token = b\n"
ROOT = Path(__file__).parent.parent


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": "/nowhere", "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_neither_requests_nor_stravalib(option: str) -> None:
    result = run_python(
        "import sys\n"
        "from strava_backup.cli import main\n"
        "try:\n"
        f"    main(['{option}'])\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "heavy = {'requests', 'stravalib', 'bs4', 'filelock', 'dataclasses'}\n"
        "heavy |= {'importlib.metadata', 'inspect', 'tqdm'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    assert result.stderr.strip() == "[]"
    assert result.stdout


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"strava-backup {__version__}\n"


def test_checks_and_runs_read_the_browser_that_the_config_names(tmp_path: Path) -> None:
    config = tmp_path / "strava-backup.conf"
    config.write_text(
        f"[global]\noutput_dir = {tmp_path}/a\n[user]\ncookies_from_browser = Firefox\n"
    )
    result = run_python(
        "from strava_backup import cli\n"
        "for mode in ('--check', '--dry-run'):\n"
        f"    assert cli.main(['--config', {str(config)!r}, mode]) == 4\n"
    )
    assert result.returncode == 0, result.stderr
    # The home of this process has no Firefox.
    for shown in (result.stdout, result.stderr):
        assert "/nowhere/.mozilla" in shown
        assert "open www.strava.com in Firefox" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["--limit", "0"],
        ["--limit", "many"],
        ["--source", "both"],
        ["--quiet", "--debug"],
        ["--repair"],
        ["--verify", "--repair", "--dry-run"],
        ["--verify", "--authorize"],
        ["--verify", "--login"],
        ["--verify", "--check"],
        ["--verify", "--import", "export.zip"],
        ["somewhere"],
        ["--login", "--check"],
        ["--authorize", "--demo"],
        ["--cookies-from-browser", "firefox"],
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_wrong(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("short", "long"), [("-q", "--quiet"), ("-v", "--debug"), ("-n", "--dry-run")]
)
def test_a_short_option_is_the_long_one(short: str, long: str) -> None:
    assert cli._parse([short]) == cli._parse([long])


def test_a_bug_is_reported_as_one_with_exit_code_1() -> None:
    result = run_python(
        "from strava_backup import cli\nfrom strava_backup.backup import run\n"
        "def broken(*arguments): raise ZeroDivisionError('oops')\n"
        "run.back_up = broken\n"
        "raise SystemExit(cli.main(['--demo']))\n"
    )
    assert result.returncode == 1
    assert "this is a bug in strava-backup" in result.stderr
    assert "ZeroDivisionError" in result.stderr


@pytest.mark.parametrize("how", ["raise KeyboardInterrupt", "exec('raise KeyboardInterrupt')"])
def test_an_interrupt_is_told_by_the_exit_code_wherever_it_comes(tmp_path: Path, how: str) -> None:
    (tmp_path / "interrupted.py").write_text(
        "from strava_backup import cli\nfrom strava_backup.backup import run\n"
        f"def interrupted(*arguments): {how}\n"
        "run.back_up = interrupted\n"
        "raise SystemExit(cli.main(['--demo']))\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": "/nowhere", "PYTHONPATH": f"{tmp_path}:{ROOT}"},
    )
    assert result.returncode == 130
    assert result.stderr == "strava-backup: error: interrupted; nothing was changed\n"


@pytest.mark.parametrize(("source", "section"), [("api", "[user]\njwt = eyJ\n"), ("website", API)])
def test_a_source_without_its_section_is_a_config_error(
    tmp_path: Path, source: str, section: str
) -> None:
    config = tmp_path / "strava-backup.conf"
    config.write_text(section)
    arguments = ["--config", str(config), "--source", source]
    result = run_python(f"from strava_backup import cli; raise SystemExit(cli.main({arguments}))")
    assert result.returncode == 2
    assert f"the source {source} needs the section" in result.stderr


def test_verify_needs_no_config_and_tells_by_its_exit_code(tmp_path: Path) -> None:
    code = "from strava_backup import cli; raise SystemExit(cli.main({!r}))"
    verify = ["--verify", "--output-dir", str(tmp_path)]
    nothing = run_python(code.format(verify))
    assert nothing.returncode == 2
    assert nothing.stderr.startswith("strava-backup: error: there is no archive in")
    assert nothing.stdout == ""

    photo = tmp_path / "photos" / "5_a.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"\xff\xd8\xff\xe0\x00\x02\xff\xd9")
    whole = run_python(code.format(verify))
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.splitlines() == [
        "notice: photos/5_a.jpg: has no metadata",
        "checked 1 file and 0 metadata files: no damage, 1 notice; "
        "1 without a checksum, the next run adds it",
    ]
    quiet = run_python(code.format([*verify, "--quiet"]))
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")

    photo.write_bytes(b"x")
    broken = run_python(code.format([*verify, "--quiet"]))
    assert (broken.returncode, broken.stderr) == (6, "")
    assert broken.stdout.startswith("damaged: photos/5_a.jpg: no .jpg picture")
    repaired = run_python(code.format([*verify, "--repair"]))
    assert repaired.returncode == 6
    assert (tmp_path / "damaged/photos/5_a.jpg").read_bytes() == b"x"


def test_verify_finds_the_archive_by_the_config_and_asks_for_no_secret(tmp_path: Path) -> None:
    config = tmp_path / "strava-backup.conf"
    config.write_text("[global]\noutput_dir = mine\n[user]\njwt_command = touch ran; false\n")
    arguments = ["--verify", "--config", str(config)]
    code = f"from strava_backup import cli; raise SystemExit(cli.main({arguments}))"
    assert f"there is no archive in {tmp_path}/mine" in run_python(code).stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "SHA256SUMS").write_text("")
    result = run_python(code)
    assert (result.returncode, result.stderr) == (0, "")
    assert not list(tmp_path.rglob("ran"))
    assert not (ROOT / "ran").exists()
