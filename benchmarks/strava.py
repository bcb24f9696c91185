"""Starts the made-up Strava in a process of its own, and reads its log of requests.

Imports none of its modules: a measured program's peak memory includes that of the process that
starts it, so this process has to stay small.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, Self

ROOT = Path(__file__).resolve().parent.parent


class Broken(Exception):
    """A measured run behaved unexpectedly, so its figures would be meaningless."""


class Secrets(NamedTuple):
    """The credentials for a config."""

    client_id: str
    client_secret: str
    refresh_token: str
    jwt: str


class RequestCounts(NamedTuple):
    """The numbers of a run's requests, by kind and by host."""

    kinds: dict[str, int]
    api_requests: int
    website_requests: int
    website_seconds: float


class Replay(NamedTuple):
    """The website requests of a run, for another program to repeat."""

    urls: list[str]
    statuses: list[int]
    cookie: str


class Strava:
    """A context manager. `account` is the kind of account and its numbers, as in accounts.py."""

    def __init__(self, *account: str | int) -> None:
        self._arguments = [str(argument) for argument in account]

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
        """Return the environment variables that direct a program here instead of to Strava."""
        return {"HTTPS_PROXY": self.url, "REQUESTS_CA_BUNDLE": self.ca_file}

    def begin(self, latency: float) -> Secrets:
        """Begin a run: clear the log of requests, and return the credentials."""
        return Secrets(**self._ask(do="begin", latency=latency))

    def end(self) -> RequestCounts:
        """End a run and return its request counts. Raises Broken after forbidden requests."""
        answer = self._ask(do="end")
        wrong = answer.pop("wrong")
        if wrong:
            raise Broken("\n".join(wrong))
        return RequestCounts(**answer)

    def website(self) -> Replay:
        """Return the website requests of the last run."""
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
