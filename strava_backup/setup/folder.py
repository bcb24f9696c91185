"""Decides in which folder the archive of a config goes, asks a person, and creates the folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from strava_backup import errors
from strava_backup.archive.directory import Archive
from strava_backup.config import loader
from strava_backup.config.loader import Config
from strava_backup.setup.dialog import Dialog
from strava_backup.setup.owner import archive_owner, check_owner

_PROGRAM = "strava-backup"
_TRIES = 3


def suggested_folder(config: Config, athlete_id: int) -> Path:
    """Return the default folder for the archive of a config that names none.

    The first account has the folder that runs use without `output_dir`. A config with another name
    has a folder with that name at its end, unless the athlete's archive is already in the former.
    """
    shared = config.output_dir
    name = config.path.stem.removeprefix(_PROGRAM).strip("-_. ")
    owner = archive_owner(config)
    if not name or owner == athlete_id:
        return shared
    if owner is None and loader.exists(config.path) and Archive(shared).exists():
        # Version 0.4 named no owner, and this config's runs may have made the archive.
        return shared
    return shared.with_name(f"{shared.name}-{name}")


def choose_folder(config: Config, athlete_id: int, dialog: Dialog) -> Path:
    """Return the archive's folder, which exists now: the config's, or another one that was typed.

    Asks only if `config` has the default folder and a person can answer. Raises AccountMismatch,
    ConfigError, DiskError.
    """
    if not (config.makes_parents and dialog.is_terminal):
        return _created(config, athlete_id)
    for _ in range(_TRIES - 1):
        try:
            return _created(_answer(config, dialog), athlete_id)
        except errors.Error as error:
            dialog.show(str(error))
    return _created(_answer(config, dialog), athlete_id)


def _answer(config: Config, dialog: Dialog) -> Config:
    """Return the config with the folder that a person types; Enter keeps the one shown."""
    typed = dialog.ask(f"Folder of the archive [{config.output_dir}]: ")
    if not typed:
        return config
    return replace(config, output_dir=_absolute(typed), makes_parents=False)


def _absolute(typed: str) -> Path:
    loader.check_folder(Path(typed))
    expanded = os.path.expanduser(typed)
    if expanded.startswith("~"):
        raise errors.ConfigError(f"{typed} begins with the ~ of an unknown home folder")
    try:
        return Path(os.path.abspath(expanded))
    except OSError as error:
        raise errors.ConfigError(
            f"cannot find {typed}, since the current folder was deleted: give a whole path"
        ) from error


def _created(config: Config, athlete_id: int) -> Path:
    """Create the folder, so that a config never names one that a run could not create."""
    loader.check_folder(config.output_dir)
    check_owner(config, athlete_id, "this session")
    archive = Archive(config.output_dir)
    archive.check_usable(with_parents=config.makes_parents)
    archive.prepare(with_parents=config.makes_parents)
    return archive.root
