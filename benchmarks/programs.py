"""Runs the compared programs like a user, and measures them from the outside."""

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
from benchmarks.strava import ROOT, Broken, Replay, RequestCounts, Secrets, Strava

_SLOW_FSYNC = Path(__file__).parent / "slow_fsync"

# ru_maxrss is in kilobytes, but on macOS in bytes
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Finished(NamedTuple):
    """The figures and the output of a finished program."""

    seconds: float
    peak_bytes: int
    output: str


class Backup(NamedTuple):
    """The figures of a finished backup, and its requests to Strava."""

    seconds: float
    peak_bytes: int
    requests: RequestCounts


class Program(Protocol):
    """A version of strava-backup: its command and its config."""

    def command(self) -> list[str]:
        """Return the command without arguments."""
        ...

    def arguments(self) -> list[str]:
        """Return the arguments of every backup."""
        ...

    def environment(self) -> dict[str, str]:
        """Return the environment variables that it needs."""
        ...

    def config(self, secrets: Secrets, archive: Path) -> str:
        """Return the text of its config."""
        ...


class Ours:
    """The program in this folder; with `fsync_delay` every fsync takes that many seconds more."""

    def __init__(self, fsync_delay: float = 0) -> None:
        self._fsync_delay = fsync_delay

    def command(self) -> list[str]:
        """Return the command without arguments."""
        return [sys.executable, "-m", "strava_backup"]

    def arguments(self) -> list[str]:
        """Return the arguments of every backup."""
        return []

    def environment(self) -> dict[str, str]:
        """Return the environment variables that it needs."""
        if not self._fsync_delay:
            return {"PYTHONPATH": str(ROOT)}
        return {
            "PYTHONPATH": f"{_SLOW_FSYNC}{os.pathsep}{ROOT}",
            "BENCHMARK_FSYNC_DELAY": str(self._fsync_delay),
        }

    def config(self, secrets: Secrets, archive: Path) -> str:
        """Return the text of its config."""
        return _config(secrets, archive, "delay = 0\n", "")


class Old:
    """Version 0.4.0. It fails on bikes, so it runs without gear."""

    def __init__(self) -> None:
        self._command = old_version.install()

    def command(self) -> list[str]:
        """Return the command without arguments."""
        return [str(self._command)]

    def arguments(self) -> list[str]:
        """Return the arguments of every backup."""
        return ["--no-gear"]

    def environment(self) -> dict[str, str]:
        """Return the environment variables that it needs."""
        return {}

    def config(self, secrets: Secrets, archive: Path) -> str:
        """Return the text of its config."""
        return _config(secrets, archive, "", "email =\npassword =\n")


def back_up(program: Program, strava: Strava, archive: Path, latency: float) -> Backup:
    """Run a backup and return its figures. Raises Broken if it fails."""
    config = archive.parent / "strava-backup.conf"
    config.write_text(program.config(strava.begin(latency), archive), encoding="utf-8")
    config.chmod(0o600)
    finished = run(
        [*program.command(), "--config", str(config), *program.arguments()],
        {**program.environment(), **strava.environment()},
    )
    return Backup(finished.seconds, finished.peak_bytes, strava.end())


def start(program: Program, argument: str) -> Finished:
    """Run the program with an argument that needs no config."""
    return run([*program.command(), argument], program.environment())


def list_archive(folder: Path) -> Finished:
    """List the activities of the archive at `folder`. Raises Broken if it fails."""
    ours = Ours()
    return run([*ours.command(), "--list", "--output-dir", str(folder)], ours.environment())


def read_metadata(folder: Path) -> Finished:
    """Read the metadata of the activities of an archive. Raises Broken if it fails."""
    names = ["-name", "*.meta.json"]
    return run(["find", str(folder / "activities"), *names, "-exec", "wc", "-l", "{}", "+"], {})


def import_export(export: Path, folder: Path) -> Finished:
    """Import a bulk export into the archive at `folder`. Raises Broken if it fails."""
    ours = Ours()
    arguments = ["--import", str(export), "--output-dir", str(folder)]
    return run([*ours.command(), *arguments], ours.environment())


def export_archive(archive: Path, folder: Path) -> Finished:
    """Export the archive into a new folder. Raises Broken if it fails."""
    ours = Ours()
    arguments = ["--export", str(folder), "--output-dir", str(archive)]
    return run([*ours.command(), *arguments], ours.environment())


def link_files(archive: Path, folder: Path) -> Finished:
    """Copy the archive as hard links. Raises Broken if it fails."""
    return run(["cp", "-al", str(archive), str(folder)], {})


def gzip(folder: Path) -> Finished:
    """Compress the FIT files of a folder, which may be hard links. Raises Broken if it fails."""
    return run(["find", str(folder), "-name", "*.fit", "-exec", "gzip", "-f", "{}", "+"], {})


def unzip(export: Path, folder: Path) -> Finished:
    """Unpack a bulk export. Raises Broken if it fails."""
    return run(["unzip", "-q", str(export), "-d", str(folder)], {})


def gunzip(folder: Path) -> Finished:
    """Unpack the gzipped originals of an unpacked export. Raises Broken if it fails."""
    return run(["find", str(folder), "-name", "*.gz", "-exec", "gunzip", "{}", "+"], {})


def replay(requests: Replay, strava: Strava, latency: float) -> Backup:
    """Repeat these requests with curl, in sequence over one connection, without saving the answers.

    Raises Broken if the answers differ, or if curl needed more than one connection.
    """
    strava.begin(latency)
    with tempfile.NamedTemporaryFile("w", suffix=".curl") as config:
        config.write(_curl_config(requests, strava))
        config.flush()
        # --disable must be the first option; it ignores the user's own config.
        finished = run(["curl", "--disable", "--config", config.name], {})
    answers = [line.split() for line in finished.output.splitlines()]
    if [int(status) for status, _ in answers] != requests.statuses:
        raise Broken("curl and strava-backup received different answers")
    if sum(int(connections) for _, connections in answers) != 1:
        raise Broken("curl needed more than one connection")
    return Backup(finished.seconds, finished.peak_bytes, strava.end())


def run(command: Sequence[str], environment: Mapping[str, str]) -> Finished:
    """Run a program to its end; return its time and memory from the system. Raises Broken."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryDirectory() as home:
        # Flush the writes of earlier programs, which would slow down this one's fsyncs.
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
