"""The command line without network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from strava_backup import __version__, cli, process
from strava_backup.archive.metadata import to_json
from strava_backup.backup import run
from strava_backup.report import Report
from tests import in_process

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


def run_command(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return in_process.run(arguments, {"HOME": "/nowhere"}, folder)


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
        ["--export", "export.ZIP"],
        ["--list", "--verify"],
        ["--list", "--dry-run"],
        ["--list", "--check"],
        ["--list", "--zip", "x.zip"],
        ["--since", "2026-05-06"],
        ["--until", "2026-05-06"],
        ["--incomplete"],
        ["--json"],
        ["--list", "--since", "6 May"],
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


def test_a_bug_is_reported_as_one_with_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(run, "back_up", broken)
    result = run_command(["--demo"], tmp_path)
    assert result.returncode == 1
    assert "this is a bug in strava-backup" in result.stderr
    assert "ZeroDivisionError" in result.stderr


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("raise KeyboardInterrupt", marks=pytest.mark.thorough),
        "exec('raise KeyboardInterrupt')",
    ],
)
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
    result = run_command(["--config", str(config), "--source", source], tmp_path)
    assert result.returncode == 2
    missing, advised = {"api": ("api", "authorize"), "website": ("user", "login")}[source]
    assert (
        f"the source {source} needs the section [{missing}]: run strava-backup --config {config} "
        f"--{advised}, or use the source auto" in result.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "text", "shown"),
    [
        ([], "run strava-backup --login", "run strava-backup --login"),
        (["--config", "b"], "run strava-backup --login", "run strava-backup --config b --login"),
        (["--config", "my b"], "strava-backup --check", "strava-backup --config 'my b' --check"),
        (["--config", "\\1"], "strava-backup --check", "strava-backup --config '\\1' --check"),
        (["--config", "b"], "strava-backup --import: it is", "strava-backup --import: it is"),
        (["--config", "b"], "a strava-backup --logins", "a strava-backup --logins"),
    ],
)
def test_an_advised_command_names_the_config_in_use(
    arguments: list[str], text: str, shown: str
) -> None:
    assert cli._advice(cli._parse(arguments))(text) == shown


def test_the_help_fits_into_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_verify_needs_no_config_and_tells_by_its_exit_code(tmp_path: Path) -> None:
    verify = ["--verify", "--output-dir", str(tmp_path)]
    nothing = run_command(verify, tmp_path)
    assert nothing.returncode == 2
    assert nothing.stderr.startswith("strava-backup: error: there is no archive in")
    assert nothing.stdout == ""

    photo = tmp_path / "photos" / "5_a.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"\xff\xd8\xff\xe0\x00\x02\xff\xd9")
    whole = run_command(verify, tmp_path)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.splitlines() == [
        "notice: photos/5_a.jpg: has no metadata",
        "checked 1 file and 0 metadata files: no damage, 1 notice; "
        "1 without a checksum, the next run adds it",
    ]
    quiet = run_command([*verify, "--quiet"], tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")

    photo.write_bytes(b"x")
    broken = run_command([*verify, "--quiet"], tmp_path)
    assert broken.returncode == 6
    assert broken.stderr == f"strava-backup: error: 1 damaged in {tmp_path}\n"
    assert broken.stdout.startswith("damaged: photos/5_a.jpg: no .jpg picture")
    repaired = run_command([*verify, "--repair"], tmp_path)
    assert repaired.returncode == 6
    assert (tmp_path / "damaged/photos/5_a.jpg").read_bytes() == b"x"


def test_verify_finds_the_archive_by_the_config_and_asks_for_no_secret(tmp_path: Path) -> None:
    config = tmp_path / "strava-backup.conf"
    config.write_text("[global]\noutput_dir = mine\n[user]\njwt_command = touch ran; false\n")
    arguments = ["--verify", "--config", str(config)]
    assert f"there is no archive in {tmp_path}/mine" in run_command(arguments, tmp_path).stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "SHA256SUMS").write_text("")
    result = run_command(arguments, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert not list(tmp_path.rglob("ran"))


def list_archive(*arguments: str) -> int:
    """Run --list in this process, without the handling of interrupts around it."""
    report = Report()
    return cli._run(cli._parse(["--list", *arguments]), report) or report.exit_code


@pytest.fixture
def without_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "raise_interrupts", lambda: None)


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    """The arguments that name an archive of two activities."""
    for name, record in (("2026-05-06T07-08-09Z_5", RUN), ("2019-01-01T00-00-00Z_4", OLD)):
        path = tmp_path / "activities" / name[:4] / f"{name}.meta.json"
        path.parent.mkdir(parents=True)
        path.write_bytes(to_json(record))
    return ["--output-dir", str(tmp_path)]


RUN = {"name": "Zürich\t\x1b[2J\ud83d", "distance": 5000.4, "resource_state": 2}
OLD = {"name": "Ride", "manual": True, "resource_state": 3}
RUN_FIELDS = "2026-05-06T07:08:09Z\t5\t\t5000.4\t\tZürich ?[2J?\t\t0\toriginal"
OLD_FIELDS = "2019-01-01T00:00:00Z\t4\t\t\t\tRide\t\t0\t"


@pytest.mark.usefixtures("without_signals")
@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ([], [OLD_FIELDS, RUN_FIELDS]),
        (["--quiet"], [OLD_FIELDS, RUN_FIELDS]),
        (["zü"], [RUN_FIELDS]),
        (["--since", "2020-01-01"], [RUN_FIELDS]),
        (["--until", "2020-01-01"], [OLD_FIELDS]),
        (["--incomplete"], [RUN_FIELDS]),
    ],
)
def test_a_list_in_a_pipe_has_tabs_between_its_fields(
    small: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], lines: list[str]
) -> None:
    assert list_archive(*arguments, *small) == 0
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.usefixtures("without_signals")
def test_a_list_in_json_has_one_object_in_each_line(
    small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert list_archive("--json", *small) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["id"], one["name"]) for one in found] == [(4, "Ride"), (5, RUN["name"])]


@pytest.mark.usefixtures("without_signals")
def test_a_list_on_a_terminal_is_aligned(
    small: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    assert list_archive(*small) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2019-01-01 00:00Z  4          Ride",
        "2026-05-06 07:08Z  5  5.0 km  Zürich ?[2J?  original",
    ]


@pytest.mark.usefixtures("without_signals")
def test_a_list_without_a_match_says_so_and_exits_0(
    small: list[str],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "strava_backup")
    assert list_archive("nothing", *small) == 0
    assert capsys.readouterr().out == ""
    assert caplog.messages == [f"no activity in {small[1]} matches"]


def test_a_list_of_no_activities_is_one_line_and_one_of_no_archive_a_config_error(
    tmp_path: Path,
) -> None:
    arguments = ["--list", "--output-dir", str(tmp_path)]
    nothing = run_command(arguments, tmp_path)
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert nothing.stderr.startswith("strava-backup: error: there is no archive in")
    (tmp_path / "SHA256SUMS").write_text("")
    empty = run_command(arguments, tmp_path)
    assert (empty.returncode, empty.stdout) == (0, "")
    assert empty.stderr == f"no activity in {tmp_path}\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_list_whose_reader_wants_one_line_ends_quietly_in_any_encoding(
    tmp_path: Path, encoding: str
) -> None:
    # More than a pipe holds.
    record = to_json({**RUN, "name": "Run " * 200, "resource_state": 3})
    for number in range(200):
        path = tmp_path / "activities" / f"2026-05-06T07-08-09Z_{number}.meta.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(record)
    line = f"{sys.executable} -m strava_backup --list --output-dir {tmp_path} | head -1"
    result = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env={"HOME": "/nowhere", "PATH": "/usr/bin:/bin", "PYTHONIOENCODING": encoding},
    )
    assert (result.returncode, result.stderr) == (130, b"")
    assert result.stdout.count(b"\n") == 1
    assert result.stdout.startswith(b"2026-05-06T07:08:09Z\t0\t")
