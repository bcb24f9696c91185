"""The made-up Strava from the outside: starts its process, and asks it what it was asked for.

Imports nothing of it: a measured program's peak memory begins with that of the process that
starts it, so that one has to stay small.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, Self

ROOT = Path(__file__).resolve().parent.parent


class Broken(Exception):
    """A measured run did not do what it should have: its figures would mean nothing."""


class Secrets(NamedTuple):
    """What a config needs."""

    client_id: str
    client_secret: str
    refresh_token: str
    jwt: str


class Asked(NamedTuple):
    """What a run has asked for."""

    kinds: dict[str, int]
    api_requests: int
    website_requests: int
    website_seconds: float


class Replay(NamedTuple):
    """The website requests of a run, for another program to make."""

    urls: list[str]
    statuses: list[int]
    cookie: str


class Strava:
    """Use it in a `with`. `account` is the kind of account and its numbers, as in accounts.py."""

    def __init__(self, *account: str | int) -> None:
        self._arguments = [str(part) for part in account]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "benchmarks.server", *self._arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        place = self._read()
        self.url: str = place["url"]
        self.ca_file: str = place["ca_file"]
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def environment(self) -> dict[str, str]:
        """What sends a program here in place of Strava."""
        return {"HTTPS_PROXY": self.url, "REQUESTS_CA_BUNDLE": self.ca_file}

    def begin(self, latency: float) -> Secrets:
        """Before a run: the requests of earlier ones are forgotten."""
        return Secrets(**self._ask(do="begin", latency=latency))

    def end(self) -> Asked:
        """After a run. Raises Broken where it asked what it must not."""
        answer = self._ask(do="end")
        wrong = answer.pop("wrong")
        if wrong:
            raise Broken("\n".join(wrong))
        return Asked(**answer)

    def website(self) -> Replay:
        """The website requests of the run that has just ended."""
        return Replay(**self._ask(do="website"))

    def _ask(self, **order: str | float) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise Broken("the made-up Strava has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer
