"""First backups of made-up accounts, made once and then copied.

Most tests begin with one, and it takes as long as all the rest of them. All processes of
pytest-xdist share them.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import pickle
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from strava_backup.demo.account import Account
from strava_backup.demo.photos import Photo
from strava_backup.report import Report

# The state that a backup changes; it changes no activities, photos or gear.
_CHANGED = (
    "requests",
    "refresh_token",
    "_issued",
    "_access_tokens",
    "_codes",
    "_era",
    "_sessions",
    "_page_sessions",
    "_refused_logins",
)


class File(NamedTuple):
    """A file of a backup; its time in nanoseconds."""

    content: bytes
    modified: int


class FirstBackup(NamedTuple):
    """A backup: its files, and the report and the account's state after it."""

    files: dict[str, File]
    report: dict[str, Any]
    account: dict[str, Any]
    used: dict[Any, Any]


class FirstBackups:
    """The backups made so far, in a folder, by a key of the account and the run.

    The key is a tuple whose repr is the same in all processes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def restore(self, key: Any, account: Account, root: Path) -> Report | None:
        """Copy a backup to `root`, as if the account had just been backed up; None if not made."""
        try:
            made: FirstBackup = pickle.loads(self._path(key).read_bytes())
        except FileNotFoundError:
            return None
        for path, file in made.files.items():
            _save(os.path.join(root, path), file)
        account.__dict__.update(made.account)
        account.limits._used.update(made.used)
        return Report(**made.report, archive=str(root))

    def keep(self, key: Any, account: Account, root: Path, report: Report) -> None:
        """Keep the backup that was just made."""
        state = {name: account.__dict__[name] for name in _CHANGED}
        names = {one.name for one in fields(report)} - {"_lock", "archive"}
        values = {name: getattr(report, name) for name in names}
        backup = FirstBackup(_read(root), values, state, account.limits._used)
        path = self._path(key)
        # Another process may read it, or keep the same backup.
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(pickle.dumps(backup))
        partial.replace(path)

    def _path(self, key: Any) -> Path:
        return self._folder / hashlib.sha256(repr(key).encode()).hexdigest()


def _read(root: Path) -> dict[str, File]:
    files = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                modified = os.fstat(file.fileno()).st_mtime_ns
                files[os.path.relpath(path, root)] = File(file.read(), modified)
    return files


def _save(path: str, file: File) -> None:
    try:
        _write(path, file.content)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path))
        _write(path, file.content)
    os.utime(path, ns=(file.modified, file.modified))


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def digest(account: Account) -> str | None:
    """Return a hash of everything that an account answers with, except its clock.

    It is the same in all processes. None if the account has faults, or a value that is not only
    data.
    """
    if account.faults:
        return None
    # The order of a set of strings differs from process to process.
    state = {k: sorted(v) if isinstance(v, set) else v for k, v in _state(account).items()}
    try:
        return hashlib.sha256(_dump(state)).hexdigest()
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


def copied_account(count: int | None, clock: Callable[[], float]) -> Account:
    """Return `Account.of(count, clock)`, or the sample account without a count."""
    account = Account(clock=clock)
    account.__dict__.update(pickle.loads(_made_account(count)))
    return account


@functools.cache
def _made_account(count: int | None) -> bytes:
    return _dump(_state(Account.sample() if count is None else Account.of(count)))


def _state(account: Account) -> dict[str, Any]:
    return {k: v for k, v in account.__dict__.items() if k not in ("clock", "lock")}


def _dump(state: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    _Pickler(file).dump(state)
    return file.getvalue()


class _Pickler(pickle.Pickler):
    """Leaves out the pictures and addresses of photos, which may have been made already or not."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Photo:
            return NotImplemented
        return Photo, tuple(getattr(value, one.name) for one in fields(Photo))
