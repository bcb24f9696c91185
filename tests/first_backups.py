"""First backups of made-up accounts, made once and copied.

Most tests begin with one, and it takes as long as all the rest of them.
"""

from __future__ import annotations

import copy
import hashlib
import pickle
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from strava_backup.demo.account import Account
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


class FirstBackup(NamedTuple):
    """A backup: its archive, its report, and the account's state after it."""

    archive: Path
    report: bytes
    state: dict[str, Any]
    used: dict[Any, int]


class FirstBackups:
    """The backups made so far, by the account and the options of its config."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[Any, FirstBackup] = {}

    def restore(self, key: Any, account: Account, root: Path) -> Report | None:
        """Copy a backup to `root`, as if the account had just been backed up; None if not made."""
        made = self._made.get(key)
        if made is None:
            return None
        shutil.copytree(made.archive, root, symlinks=True)
        account.__dict__.update(copy.deepcopy(made.state))
        account.limits._used.update(made.used)
        report = Report(**pickle.loads(made.report))
        report.archive = str(root)
        return report

    def keep(self, key: Any, account: Account, root: Path, report: Report) -> None:
        """Keep the backup that was just made."""
        archive = self._folder / str(len(self._made))
        shutil.copytree(root, archive, symlinks=True)
        state = copy.deepcopy({name: account.__dict__[name] for name in _CHANGED})
        values = {one.name: getattr(report, one.name) for one in fields(report) if one.init}
        values.pop("_lock")
        self._made[key] = FirstBackup(
            archive, pickle.dumps(values), state, dict(account.limits._used)
        )


def digest(account: Account) -> str:
    """Return a hash of everything that an account answers with, except its clock."""
    state = {
        name: value for name, value in account.__dict__.items() if name not in ("clock", "lock")
    }
    # Sets have no order, and photos may or may not have made their pictures yet.
    return hashlib.sha256(pickle.dumps(_plain(state))).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if name != "content"}
    if isinstance(value, (list, tuple)):
        # A subclass watches the requests.
        return type(value).__name__, [_plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if hasattr(value, "__dict__"):
        return type(value).__name__, _plain(vars(value))
    return value
