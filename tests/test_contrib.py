"""The examples in `contrib/` agree with the program and with each other."""

from __future__ import annotations

import plistlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRIB = ROOT / "contrib"
INSTRUCTIONS = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "ENTRYPOINT"}


def instructions() -> list[list[str]]:
    """Return the instructions of the Dockerfile, each as a list of words."""
    lines = (CONTRIB / "Dockerfile").read_text("utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def test_the_dockerfile_has_known_instructions_and_copies_files_that_exist() -> None:
    assert {words[0] for words in instructions()} <= INSTRUCTIONS
    copied = [words[1:-1] for words in instructions() if words[0] == "COPY"]
    assert all((ROOT / name).exists() for names in copied for name in names)


def test_the_dockerfile_copies_everything_that_the_installation_reads() -> None:
    copied = {name for words in instructions() if words[0] == "COPY" for name in words[1:-1]}
    read = set(re.findall(r'HERE / "([^"]+)"', (ROOT / "setup.py").read_text("utf-8")))
    assert read | {"setup.py", "pyproject.toml", "LICENSE", "strava-backup.conf.sample"} <= copied


@pytest.mark.parametrize("name", ["crontab", "strava-backup.service"])
def test_every_scheduler_runs_the_same_command(name: str) -> None:
    job = plistlib.loads((CONTRIB / "launchd.plist").read_bytes())
    command = job["ProgramArguments"][-1].removeprefix("exec ").partition(" 2>>")[0]
    assert command == '"$HOME/.local/bin/strava-backup" --quiet'
    text = (CONTRIB / name).read_text("utf-8").replace("%h", "$HOME")
    assert command.replace('"', "") in text
