"""First backups of made-up accounts, made twice and then copied.

Most tests begin with one, and it takes as long as all the rest of them.
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
    """A backup: its files, and the pickled report and account after it."""

    files: dict[Path, File]
    after: bytes


class FirstBackups:
    """The backups made so far, by a key of the account and the run."""

    def __init__(self) -> None:
        self._made: dict[Any, FirstBackup] = {}
        self._seen: set[Any] = set()

    def restore(self, key: Any, account: Account, root: Path) -> Report | None:
        """Copy a backup to `root`, as if the account had just been backed up; None if not made."""
        made = self._made.get(key)
        if made is None:
            return None
        for path, file in made.files.items():
            _save(root / path, file)
        values, state, used = pickle.loads(made.after)
        account.__dict__.update(state)
        account.limits._used.update(used)
        return Report(**values, archive=str(root))

    def keep(self, key: Any, account: Account, root: Path, report: Report) -> None:
        """Keep the backup that was just made, if it was made before, since most are made once."""
        if key not in self._seen:
            self._seen.add(key)
            return
        state = {name: account.__dict__[name] for name in _CHANGED}
        names = {one.name for one in fields(report)} - {"_lock", "archive"}
        values = {name: getattr(report, name) for name in names}
        after = pickle.dumps((values, state, account.limits._used))
        files = {
            path.relative_to(root): File(path.read_bytes(), path.stat().st_mtime_ns)
            for path in root.rglob("*")
            if path.is_file()
        }
        self._made[key] = FirstBackup(files, after)


def _save(path: Path, file: File) -> None:
    try:
        path.write_bytes(file.content)
    except FileNotFoundError:
        path.parent.mkdir(parents=True)
        path.write_bytes(file.content)
    os.utime(path, ns=(file.modified, file.modified))


def digest(account: Account) -> str | None:
    """Return a hash of everything that an account answers with, except its clock.

    None if it has faults, or a value that is not only data.
    """
    if account.faults:
        return None
    try:
        return hashlib.sha256(_dump(account)).hexdigest()
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


def copied_account(count: int | None, clock: Callable[[], float]) -> Account:
    """Return `Account.of(count, clock)`, or the sample account without a count."""
    account = Account(clock=clock)
    account.__dict__.update(pickle.loads(_made_account(count)))
    return account


@functools.cache
def _made_account(count: int | None) -> bytes:
    return _dump(Account.sample() if count is None else Account.of(count))


def _dump(account: Account) -> bytes:
    file = io.BytesIO()
    _Pickler(file).dump({k: v for k, v in account.__dict__.items() if k not in ("clock", "lock")})
    return file.getvalue()


class _Pickler(pickle.Pickler):
    """Leaves out the pictures and addresses of photos, which may have been made already or not."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Photo:
            return NotImplemented
        return Photo, tuple(getattr(value, one.name) for one in fields(Photo))
