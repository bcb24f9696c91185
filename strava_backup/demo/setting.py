"""The setting of `--demo`: a config in memory, and the made-up account instead of the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from strava_backup.backup.run import Environment
from strava_backup.config.loader import Api, Config, Secret, User
from strava_backup.demo.account import Account
from strava_backup.demo.adapter import DemoAdapter


def config(account: Account, output_dir: Path) -> Config:
    """Return a config that signs in to the account; its secrets are never written to a file."""
    return Config(
        path=Path("(demo)"),
        output_dir=output_dir,
        makes_parents=False,
        delay=0.0,
        api=Api(
            account.client_id,
            Secret(account.client_secret, read_only=True),
            Secret(account.refresh_token, read_only=True),
        ),
        user=User(jwt=Secret(account.issue_jwt(), read_only=True)),
    )


def environment(account: Account, out: Callable[[str], None]) -> Environment:
    """Return an environment with a transport adapter that answers from the account."""
    return Environment(out, adapter=DemoAdapter(account))
