"""Installs strava-backup 0.4.0 from PyPI in its own environment, which later invocations reuse."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENT = "strava-backup==0.4.0"


def install() -> Path:
    """Create the environment unless it exists; return the path of its command."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    cache = _cache()
    folder = cache / f"strava-backup-0.4.0-python{version}"
    complete = folder / "complete"
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            _run([sys.executable, "-m", "venv", "--clear", str(folder)])
            _run([str(folder / "bin/pip"), "install", "--quiet", REQUIREMENT])
            complete.touch()
    return folder / "bin/strava-backup"


def _cache() -> Path:
    """Return a folder that only this user can write to, since programs in it are run."""
    folder = Path(tempfile.gettempdir()) / f"strava-backup-benchmarks-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if folder.is_symlink() or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise PermissionError(f"{folder} is not ours alone")
    return folder


def _run(arguments: list[str]) -> None:
    subprocess.run(arguments, check=True, stdout=sys.stderr)  # noqa: S603
