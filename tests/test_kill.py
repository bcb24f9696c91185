"""kill -9 of the real command, many times in one archive, during requests and during saves."""

from __future__ import annotations

import json
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from strava_backup import errors, verify
from strava_backup.demo import samples
from strava_backup.demo.account import Account
from strava_backup.demo.limits import RateLimits
from strava_backup.demo.photos import photo_of
from strava_backup.demo.wire import Request
from tests.conftest import Command
from tests.expected import expected_originals, expected_pictures, stored_originals, stored_pictures
from tests.strava_proxy import Hold

MakeCommand = Callable[..., Command]

DYING = Path(__file__).parent / "dying"
OPTIONS = ("--private-notes", "--comments")
API_KINDS = ("list", "detail", "original", "photo", "photos", "edit", "kudos")
WEB_KINDS = ("web-list", "web-photos", "original", "photo", "web-gear", "edit")
# The number of requests of each kind that every run sends at least.
MOST = {"list": 2, "web-list": 1, "web-photos": 1, "web-gear": 2}
KILLS_AT_REQUESTS = 12
_TIME = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"')


@dataclass
class NthHold(Hold):
    """Stops the answer to the n-th request of a kind."""

    nth: int = 1
    seen: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def names(self, account: Account, request: Request) -> bool:
        if not super().names(account, request):
            return False
        with self.lock:
            self.seen += 1
            return self.seen == self.nth


class Growing:
    """An account in which each run finds three new activities, each with photo and original."""

    def __init__(self) -> None:
        self._coming = samples.numbered(120)
        samples.use_numbered_gear(self._coming)
        self.account = Account(gear=samples.sample_gear(), limits=RateLimits(10**6, 10**6))
        # A run that dies before it stores a new token loses it, as in real life.
        self.account.rotates_refresh_token = False
        self.grow()

    def grow(self) -> None:
        found = 0
        while found < 3:
            activity = self._coming.pop()
            found += activity.original is not None
            activity.photos.append(photo_of(activity.detail, 1, "jpg"))
            self.account.add(activity)


def kill_at_request(command: Command, kind: str, chance: random.Random) -> None:
    nth = chance.randint(1, MOST.get(kind, 3))
    hold = command.proxy.hold = NthHold(kind, after_bytes=chance.randint(0, 3000), nth=nth)
    process = command.start(*OPTIONS)
    assert hold.reached.wait(60), (kind, nth, process.poll())
    time.sleep(chance.choice((0, 0.01)))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    command.proxy.hold = None
    hold.release.set()
    assert process.returncode == -signal.SIGKILL


def kill_at_disk(command: Command, death: str) -> None:
    own = {"DEATH": death, "PYTHONPATH": f"{DYING}:{command.environment()['PYTHONPATH']}"}
    process = command.start_new(*OPTIONS, variables=own)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, (death, stderr)


def verified(command: Command) -> list[str]:
    """Return the output of `--verify`, or nothing if there is no archive yet."""
    lines: list[str] = []
    if any(command.files()):
        assert verify.verify(command.root, lines.append) == errors.OK, lines
    return lines


def comparable(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return an archive's files without times, and with sorted checksums."""
    return {
        path: sorted(content.splitlines())
        if path == "SHA256SUMS"
        else _TIME.sub('"then"', content.decode())
        if path.startswith(".")
        else _without_moments(json.loads(content))
        if path.endswith((".meta.json", ".comments.json"))
        else content
        for path, content in files.items()
    }


def _without_moments(record: dict[str, Any]) -> dict[str, Any]:
    own = record["strava_backup"]
    for key in ("fetched_at", "components_at", "private_note_at"):
        own.pop(key, None)
    for note in ("original", "picture"):
        for key in ("saved_at", "since"):
            own.get(note, {}).pop(key, None)
    return record


@pytest.mark.parametrize(
    ("seed", "kinds"),
    [(1, API_KINDS), (2, API_KINDS), (3, WEB_KINDS), (4, WEB_KINDS)],
    ids=["api 1", "api 2", "website 1", "website 2"],
)
@pytest.mark.thorough
def test_a_run_killed_anywhere_damages_nothing_and_the_last_one_makes_the_same_archive(
    make_command: MakeCommand, seed: int, kinds: tuple[str, ...]
) -> None:
    chance = random.Random(seed)
    growing = Growing()
    command = make_command(growing.account)
    if kinds is WEB_KINDS:
        command.write_config(extra="source = website\n")
    at = [kinds[number % len(kinds)] for number in range(KILLS_AT_REQUESTS)]
    deaths = [f"append {chance.randint(1, 3)} {chance.random()}" for _ in range(3)]
    deaths += [f"rename {chance.randint(1, 20)} {chance.randint(0, 1)}" for _ in range(3)]
    places = [*at, *deaths]
    chance.shuffle(places)

    kill_at_request(command, kinds[0], chance)
    verified(command)
    assert command.run(*OPTIONS, "--limit", "2").returncode == errors.OK
    for place in places:
        growing.grow()
        if place in kinds:
            kill_at_request(command, place, chance)
        else:
            kill_at_disk(command, place)
        verified(command)

    result = command.run(*OPTIONS)
    assert result.returncode == errors.OK, result.stderr
    (line,) = verified(command)
    assert "notice" not in line
    undisturbed = make_command(growing.account)
    undisturbed.config.write_text(
        command.config.read_text().replace(str(command.root), str(undisturbed.root))
    )
    assert undisturbed.run(*OPTIONS).returncode == errors.OK
    assert comparable(command.files()) == comparable(undisturbed.files())
    assert stored_originals(command.files()) == expected_originals(growing.account)
    assert stored_pictures(command.files()) == expected_pictures(growing.account)
