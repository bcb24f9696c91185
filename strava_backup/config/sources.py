"""Builds the API source that a config describes."""

from __future__ import annotations

from collections.abc import Callable

from strava_backup.config.loader import Api, Config
from strava_backup.strava import api, transport


def api_source(
    config: Config,
    settings: Api,
    http: transport.Session,
    clock: Callable[[], float],
    waits: Callable[[str], None] = lambda reason: None,
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
        waits=waits,
    )
