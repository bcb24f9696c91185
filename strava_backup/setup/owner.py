"""The athlete that a config belongs to, by its archive and its API application."""

from __future__ import annotations

from collections.abc import Callable

from strava_backup import errors
from strava_backup.archive.directory import Archive
from strava_backup.config.loader import Api, Config
from strava_backup.strava import api, transport


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


def api_source(
    config: Config, settings: Api, http: transport.Session, clock: Callable[[], float]
) -> api.ApiSource:
    """Return the API source of a config; signing in returns its athlete.

    Raises ConfigError if a renewed refresh token could not be stored.
    """
    config.check_storable("api", "refresh_token")
    return api.ApiSource(
        http,
        api.App(
            settings.client_id,
            settings.client_secret.value,
            settings.refresh_token.value,
            settings.base_url,
        ),
        store=lambda name, value: config.store("api", name, value),
        clock=clock,
    )
