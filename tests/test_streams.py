"""No standard stream ends a backup or crashes another mode, whatever it leads to."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TextIO

import pytest

from strava_backup import streams
from strava_backup.backup import run
from strava_backup.demo.account import Account
from tests import in_process
from tests.conftest import read_files
from tests.expected import assert_complete

ROOT = Path(__file__).parent.parent
COMMAND = f"{sys.executable} -m strava_backup"
FULL = "strava-backup: error: cannot write to standard output: No space left on device\n"

# Redirections of a shell, behind a command or before it.
REDIRECTIONS = {
    "stdin closed": "{} 0<&-",
    "stdout closed": "{} >&-",
    "stderr closed": "{} 2>&-",
    "both closed": "{} >&- 2>&-",
    "all closed": "{} 0<&- >&- 2>&-",
    "stderr full": "{} 2>/dev/full",
    "stderr without reader": "{} 2>&1 >/dev/null | true; exit ${{PIPESTATUS[0]}}",
    "stdout and stderr without reader": "{} 2>&1 | true; exit ${{PIPESTATUS[0]}}",
    "ascii": "export PYTHONIOENCODING=ascii; {}",
    "cp1252": "export PYTHONIOENCODING=cp1252; {}",
    "C": "export PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=C; {}",
}
PRINTING = [["--demo", "--dry-run"], ["--demo", "--verify"], ["--check"], ["--help"], ["--version"]]


# The quick suite runs a few of them in a shell; all have their like in BROKEN_STREAMS.
IN_SHELL = ("all closed",)
# Of a whole backup, whose streams are all used alike.
IN_BACKUP = ("all closed", "stderr full", "stdout and stderr without reader", "ascii")


def without_reader() -> TextIO:
    reader, writer = os.pipe()
    os.close(reader)
    return open(writer, "w", buffering=1)


def full() -> TextIO:
    return open("/dev/full", "w", buffering=1)


def encoded(encoding: str) -> Callable[[], TextIO]:
    return lambda: io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def closed() -> None:
    return None


BROKEN_STREAMS: dict[str, dict[str, Callable[[], TextIO | None]]] = {
    "stdin closed": {"stdin": closed},
    "stdout closed": {"stdout": closed},
    "stderr closed": {"stderr": closed},
    "both closed": {"stdout": closed, "stderr": closed},
    "all closed": {"stdin": closed, "stdout": closed, "stderr": closed},
    "stderr full": {"stderr": full},
    "stderr without reader": {"stderr": without_reader},
    "stdout and stderr without reader": {"stdout": without_reader, "stderr": without_reader},
    "ascii": {"stdout": encoded("ascii"), "stderr": encoded("ascii")},
    "cp1252": {"stdout": encoded("cp1252"), "stderr": encoded("cp1252")},
}


def environment(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}


def shell(
    line: str, arguments: list[str], folder: Path, *, is_slow_to_start: bool = False
) -> subprocess.CompletedProcess[str]:
    command = f"{'sleep 0.3; ' * is_slow_to_start}{COMMAND} {' '.join(arguments)}"
    return subprocess.run(
        ["bash", "-c", line.format(f"{{ {command}; }}")],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="latin-1",
        timeout=120,
        check=False,
        env=environment(folder),
    )


def run_with(
    broken: dict[str, Callable[[], TextIO | None]], arguments: list[str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run in this process with some standard streams broken."""
    opened = {name: make() for name, make in broken.items()}
    result = in_process.run(arguments, environment(folder), folder, streams=opened)
    for name, stream in opened.items():
        if isinstance(stream, io.TextIOWrapper):
            if isinstance(stream.buffer, io.BytesIO):
                setattr(result, name, stream.buffer.getvalue().decode(stream.encoding))
            stream.close()
    return result


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a complete archive of the demo."""
    folder = tmp_path_factory.mktemp("archived")
    arguments = ["--demo", "--quiet"]
    assert in_process.run(arguments, environment(folder), folder).returncode == 0
    return folder


def assert_quiet(result: subprocess.CompletedProcess[str]) -> None:
    for text in ("Traceback", "this is a bug", "Exception ignored", "Logging error"):
        assert text not in result.stderr + result.stdout


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in IN_BACKUP else [pytest.mark.thorough])
        for name in BROKEN_STREAMS
    ],
)
def test_a_backup_is_complete_whatever_its_streams_lead_to(tmp_path: Path, name: str) -> None:
    result = run_with(BROKEN_STREAMS[name], ["--demo", "--debug"], tmp_path)
    assert result.returncode == 0, result
    assert_quiet(result)
    assert_complete(Account.sample(), read_files(tmp_path / "strava-backup-demo"))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in IN_SHELL else [pytest.mark.thorough])
        for name in REDIRECTIONS
    ],
)
def test_a_backup_in_a_shell_is_complete_whatever_its_streams_lead_to(
    tmp_path: Path, name: str
) -> None:
    result = shell(REDIRECTIONS[name], ["--demo", "--debug"], tmp_path, is_slow_to_start=True)
    assert result.returncode == 0, result
    assert_quiet(result)
    assert_complete(Account.sample(), read_files(tmp_path / "strava-backup-demo"))


@pytest.mark.parametrize("name", [name for name in BROKEN_STREAMS if "reader" not in name])
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_command_that_prints_ends_as_ever_where_it_is_not_heard(
    archived: Path, name: str, arguments: list[str]
) -> None:
    result = run_with(BROKEN_STREAMS[name], arguments, archived)
    assert result.returncode == (2 if arguments == ["--check"] else 0), result
    assert_quiet(result)


@pytest.mark.parametrize("name", [name for name in REDIRECTIONS if "reader" not in name])
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
@pytest.mark.thorough
def test_a_command_that_prints_in_a_shell_ends_as_ever_where_it_is_not_heard(
    archived: Path, name: str, arguments: list[str]
) -> None:
    result = shell(REDIRECTIONS[name], arguments, archived)
    assert result.returncode == (2 if arguments == ["--check"] else 0), result
    assert_quiet(result)


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_full_standard_output_is_one_line_and_exit_code_1(
    archived: Path, tmp_path: Path, arguments: list[str]
) -> None:
    # A dry run prints nothing if the archive is complete.
    folder = tmp_path if "--dry-run" in arguments else archived
    result = run_with({"stdout": full}, arguments, folder)
    assert (result.returncode, result.stderr) == (1, FULL)


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_closed_pipe_ends_a_command_that_prints_quietly(
    archived: Path, tmp_path: Path, arguments: list[str]
) -> None:
    folder = tmp_path if "--dry-run" in arguments else archived
    result = run_with({"stdout": without_reader}, arguments, folder)
    assert (result.returncode, result.stderr) == (130, "")


# Python writes what is left at its exit, and prints a traceback if it cannot.
AT_EXIT = [
    pytest.param(one, marks=[] if one == ["--version"] else [pytest.mark.thorough])
    for one in PRINTING
]


@pytest.mark.parametrize("arguments", AT_EXIT, ids=" ".join)
def test_a_full_standard_output_is_no_traceback_at_the_exit(
    archived: Path, tmp_path: Path, arguments: list[str]
) -> None:
    folder = tmp_path if "--dry-run" in arguments else archived
    result = shell("{} > /dev/full", arguments, folder)
    assert (result.returncode, result.stderr) == (1, FULL)


@pytest.mark.parametrize("arguments", AT_EXIT, ids=" ".join)
def test_a_closed_pipe_is_no_traceback_at_the_exit(
    archived: Path, tmp_path: Path, arguments: list[str]
) -> None:
    folder = tmp_path if "--dry-run" in arguments else archived
    line = "{} | true; exit ${{PIPESTATUS[0]}}"
    result = shell(line, arguments, folder, is_slow_to_start=True)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_the_reader_gets_what_it_waits_for(tmp_path: Path) -> None:
    result = shell("{} | head -1", ["--demo", "--dry-run"], tmp_path)
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 1
    assert_quiet(result)


def test_wrong_usage_is_told_in_any_encoding_and_without_control_characters(tmp_path: Path) -> None:
    ascii_only = {"stderr": encoded("ascii")}
    result = run_with(ascii_only, ["\x1b[2Jböse"], tmp_path)
    assert result.returncode == 2
    assert "error: unrecognized arguments: \\u001b[2Jb\\xf6se" in result.stderr


def test_a_config_with_control_characters_stays_text_on_several_lines(tmp_path: Path) -> None:
    config = tmp_path / "conf\u202e"
    config.write_text("[\x1b[31mred]\na = 1\n[api]\nb\x9b = 1\n")
    result = in_process.run(["--config", config.name], environment(tmp_path), tmp_path)
    assert result.returncode == 2
    lines = result.stderr.splitlines()
    assert len(lines) > 1
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith("strava-backup: error: ") for line in lines)
    assert "conf\\u202e: unknown section [" in lines[0]


@pytest.mark.parametrize("option", ["", "--debug"])
def test_neither_does_a_traceback_reach_the_terminal_with_control_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("\x1b[2J\u202e")

    monkeypatch.setattr(run, "back_up", broken)
    result = in_process.run(["--demo", *option.split()], environment(tmp_path), tmp_path)
    assert result.returncode == 1
    assert "ZeroDivisionError: \\u001b[2J\\u202e" in result.stderr
    assert all(line.isprintable() for line in result.stderr.splitlines())


def test_a_printed_line_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    streams.print_line("photos/5_\x1b[31m\n.jpg")
    assert capsys.readouterr().out == "photos/5_\\u001b[31m\\u000a.jpg\n"


@pytest.mark.parametrize(
    ("message", "arguments", "lines"),
    [
        ("one\ntwo", (), "one\ntwo\n"),
        ("one\ntwo\x1b%%", (), "one\ntwo\\u001b%%\n"),
        ("a name: %s", ("x\nforged\r\x07",), "a name: x\\u000aforged\\u000d\\u0007\n"),
        ("a path: %s", (PurePosixPath("a\nb"),), "a path: a\\u000ab\n"),
        ("an error: %s", (ValueError("a\nb"),), "an error: a\\u000ab\n"),
        ("%d of %.1f", (1, 2.5), "1 of 2.5\n"),
        ("%(name)s", ({"name": "\x1b"},), "\\u001b\n"),
    ],
)
def test_a_message_keeps_its_own_line_ends_and_no_others(
    monkeypatch: pytest.MonkeyPatch, message: str, arguments: tuple[object, ...], lines: str
) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    handler = streams.Handler(with_time=False)
    handler.handle(logging.LogRecord("", logging.INFO, "", 0, message, arguments, None))
    assert handler.stream.getvalue() == lines


def test_a_message_can_be_reworded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    handler = streams.Handler(with_time=False, reword=str.upper)
    handler.handle(logging.LogRecord("", logging.WARNING, "", 0, "a %s", ("b",), None))
    assert handler.stream.getvalue() == "strava-backup: warning: A B\n"
