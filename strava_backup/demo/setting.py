"""What `--demo` runs with: a config in memory, and the made-up account in place of the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from strava_backup.backup.run import Environment
from strava_backup.config.loader import Api, Config, Secret, User
from strava_backup.demo.account import Account
from strava_backup.demo.adapter import DemoAdapter


def config(account: Account, output_dir: Path) -> Config:
    """A config that signs in to the account; its secrets are written back nowhere."""
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
    """The account behind a transport adapter; standard output as given."""
    return Environment(out, adapter=DemoAdapter(account))
