"""The athlete that a config belongs to, by its archive and its API application."""

from __future__ import annotations

from strava_backup import errors
from strava_backup.archive.directory import Archive
from strava_backup.config.loader import Config


def check_owner(config: Config, athlete_id: int, subject: str) -> None:
    """Raise AccountMismatch if the archive belongs to another athlete than `subject`."""
    owner = archive_owner(config)
    if owner not in (None, athlete_id):
        raise errors.AccountMismatch(
            f"{subject} belongs to athlete {athlete_id}, but {config.output_dir} is the archive of "
            f"athlete {owner}: nothing was changed. Each account needs a config and an archive of "
            "its own (--config FILE)"
        )


def archive_owner(config: Config) -> int | None:
    """Return the athlete that the archive's marker names; None without a readable marker."""
    archive = Archive(config.output_dir)
    try:
        archive.read_marker()
    except errors.Error:
        return None
    return archive.marker.athlete_id
