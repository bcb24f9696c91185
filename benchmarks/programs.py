"""Runs the programs that are compared, as a user would, and measures them from the outside."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from benchmarks import old_version
from benchmarks.strava import ROOT, Asked, Broken, Replay, Secrets, Strava

_SLOW_FSYNC = Path(__file__).parent / "slow_fsync"

# ru_maxrss is in kilobytes, but on macOS in bytes
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Finished(NamedTuple):
    """A program that has run to its end."""

    seconds: float
    peak_bytes: int
    output: str


class Backup(NamedTuple):
    """A backup that has run to its end, and what it asked Strava for."""

    seconds: float
    peak_bytes: int
    asked: Asked


class Program(Protocol):
    """A strava-backup: how it is called, and what its config holds."""

    def command(self) -> list[str]:
        """The command without arguments."""
        ...

    def arguments(self) -> list[str]:
        """What every backup is called with."""
        ...

    def environment(self) -> dict[str, str]:
        """What it needs in its environment."""
        ...

    def config(self, secrets: Secrets, archive: Path) -> str:
        """The text of its config."""
        ...


class Ours:
    """The program of this folder; with `fsync_delay` every fsync takes that many seconds more."""

    def __init__(self, fsync_delay: float = 0) -> None:
        self._fsync_delay = fsync_delay

    def command(self) -> list[str]:
        """The command without arguments."""
        return [sys.executable, "-m", "strava_backup"]

    def arguments(self) -> list[str]:
        """What every backup is called with."""
        return []

    def environment(self) -> dict[str, str]:
        """What it needs in its environment."""
        if not self._fsync_delay:
            return {"PYTHONPATH": str(ROOT)}
        return {
            "PYTHONPATH": f"{_SLOW_FSYNC}{os.pathsep}{ROOT}",
            "BENCHMARK_FSYNC_DELAY": str(self._fsync_delay),
        }

    def config(self, secrets: Secrets, archive: Path) -> str:
        """The text of its config."""
        return _config(secrets, archive, "delay = 0\n", "")


class Old:
    """Version 0.4.0. It fails on bikes, so that it is spared all gear."""

    def __init__(self) -> None:
        self._command = old_version.install()

    def command(self) -> list[str]:
        """The command without arguments."""
        return [str(self._command)]

    def arguments(self) -> list[str]:
        """What every backup is called with."""
        return ["--no-gear"]

    def environment(self) -> dict[str, str]:
        """What it needs in its environment."""
        return {}

    def config(self, secrets: Secrets, archive: Path) -> str:
        """The text of its config."""
        return _config(secrets, archive, "", "email =\npassword =\n")


def back_up(program: Program, strava: Strava, archive: Path, latency: float) -> Backup:
    """One backup. Raises Broken if it fails."""
    config = archive.parent / "strava-backup.conf"
    config.write_text(program.config(strava.begin(latency), archive), encoding="utf-8")
    config.chmod(0o600)
    finished = run(
        [*program.command(), "--config", str(config), *program.arguments()],
        {**program.environment(), **strava.environment()},
    )
    return Backup(finished.seconds, finished.peak_bytes, strava.end())


def start(program: Program, argument: str) -> Finished:
    """Start the program for something that it answers by itself."""
    return run([*program.command(), argument], program.environment())


def import_export(export: Path, folder: Path) -> Finished:
    """Import a bulk export into the archive at `folder`. Raises Broken if it fails."""
    ours = Ours()
    arguments = ["--import", str(export), "--output-dir", str(folder)]
    return run([*ours.command(), *arguments], ours.environment())


def unzip(export: Path, folder: Path) -> Finished:
    """Unpack a bulk export, and nothing more. Raises Broken if it fails."""
    return run(["unzip", "-q", str(export), "-d", str(folder)], {})


def gunzip(folder: Path) -> Finished:
    """Unpack the originals of an unpacked export, as an import does. Raises Broken if it fails."""
    return run(["find", str(folder), "-name", "*.gz", "-exec", "gunzip", "{}", "+"], {})


def replay(requests: Replay, strava: Strava, latency: float) -> Backup:
    """Have curl make these requests one after another over one connection; nothing is kept.

    Raises Broken if the answers differ, or if it needed more connections.
    """
    strava.begin(latency)
    with tempfile.NamedTemporaryFile("w", suffix=".curl") as config:
        config.write(_curl_config(requests, strava))
        config.flush()
        # First of all, not to read the user's own config.
        finished = run(["curl", "--disable", "--config", config.name], {})
    answers = [line.split() for line in finished.output.splitlines()]
    if [int(status) for status, _ in answers] != requests.statuses:
        raise Broken("curl was answered otherwise than strava-backup")
    if sum(int(connections) for _, connections in answers) != 1:
        raise Broken("curl needed more than one connection")
    return Backup(finished.seconds, finished.peak_bytes, strava.end())


def run(command: Sequence[str], environment: Mapping[str, str]) -> Finished:
    """Run a program to its end; time and memory as the system sees them. Raises Broken."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryDirectory() as home:
        # What an earlier program has written is not to be paid for by this one's fsyncs.
        os.sync()
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603
            command,
            env={"HOME": home, "PATH": os.environ["PATH"], **environment},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode:
        raise Broken(f"{command[0]} ended with {process.returncode}:\n{text[-2000:]}")
    return Finished(seconds, usage.ru_maxrss * _RSS_UNIT, text)


def _config(secrets: Secrets, archive: Path, more_global: str, more_user: str) -> str:
    return (
        f"[global]\noutput_dir = {archive}\n{more_global}"
        f"[api]\nclient_id = {secrets.client_id}\nclient_secret = {secrets.client_secret}\n"
        f"refresh_token = {secrets.refresh_token}\n"
        f"[user]\njwt = {secrets.jwt}\n{more_user}"
    )


def _curl_config(requests: Replay, strava: Strava) -> str:
    lines = [
        "silent",
        "show-error",
        f'proxy = "{strava.url}"',
        f'cacert = "{strava.ca_file}"',
        f'header = "Cookie: {requests.cookie}"',
        r'write-out = "%{http_code} %{num_connects}\n"',
    ]
    for url in requests.urls:
        lines += [f'url = "{url}"', f'output = "{os.devnull}"']
    return "\n".join(lines) + "\n"
