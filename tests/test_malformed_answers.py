"""Whatever comes in answer to one request, the other items come, and nothing is called a bug.

The answers are bytes on the wire, made by hypothesis of known evils and at random. How many of them
each kind of request gets is in the environment variable MALFORMED_ANSWERS.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strava_backup.backup import tasks
from strava_backup.demo.account import Account
from strava_backup.demo.gear import Bike, Component
from strava_backup.demo.photos import photo_of
from tests.conftest import DAY, Clock, Rig
from tests.expected import expected_originals, expected_pictures
from tests.faults import Fault
from tests.made_up_json import JSON_VALUES

ANSWERS = int(os.environ.get("MALFORMED_ANSWERS", "20" if "THOROUGH" in os.environ else "6"))
TOGETHER = 10 if "THOROUGH" in os.environ else 6

# No 401, 403 or 429 and no way to a log-in page: those are answers that the program understands.
STATUSES = [
    *(b"200", b"200", b"200", b"200", b"201", b"202", b"204", b"206", b"300", b"301", b"302"),
    *(b"304", b"307", b"400", b"402", b"404", b"410", b"418", b"451", b"500", b"502", b"503"),
    *(b"100", b"101", b"599", b"600", b"999", b"99999", b"0", b"-1", b"20", b"2OO", b""),
]
DIGITS = b"9" * 5000
HEADERS = [
    *(
        b"Location: " + value
        for value in (b"https://[", b"\xff\xfe", b"", b"//", b"http://", DIGITS)
    ),
    b"Location: https://www.strava.com/athletes/" + DIGITS,
    b"Location: https://www.strava.com:99999999/dashboard",
    *(b"Content-Length: " + value for value in (DIGITS, b"-1", b"abc", b"5, 6", b"", b"0", b"10")),
    *(b"Transfer-Encoding: " + value for value in (b"chunked", b"gzip, chunked", b"x", b"")),
    *(b"Content-Encoding: " + value for value in (b"gzip", b"deflate", b"br", b"zstd", b"x,y")),
    b"Content-Disposition: attachment",
    b'Content-Disposition: attachment; filename="Ride.fit"',
    b"Content-Disposition: attachment; filename*=UTF-8''%ff%00%2e%2e%2f.fit",
    b"Content-Disposition: attachment; filename*=x'y'z; filename=\xff",
    b'Content-Disposition: attachment; filename="' + b"a" * 60_000 + b'"',
    *(
        b"Content-Type: text/html; charset=" + value
        for value in (b"zzz", b"utf-7", b"\x00", b"\xff")
    ),
    b"Content-Type: application/json",
    *(b"Set-Cookie: " + value for value in (b"=", b";", b"a=" + b"b" * 9000, b"\xff\x00=1")),
    b"Set-Cookie: _strava4_session=\x01\x02; domain=.strava.com",
    b"Set-Cookie: strava_remember_token=eyJ.eyJ.x; domain=.strava.com",
    *(b"Retry-After: " + value for value in (b"-5", DIGITS, b"soon", b"")),
    *(b"X-ReadRateLimit-Limit: " + value for value in (b"-1,-1", DIGITS, b"a,b")),
    *(b"X-ReadRateLimit-Usage: " + value for value in (b"-1,-1", DIGITS, b"a,b")),
    b"no colon",
    b": no name",
    b" folded",
    b"\xff\xfe: \x00",
]
BODIES = [
    b"",
    b"<!DOCTYPE html><html><body><h1>Oops</h1></body></html>",
    b"[" * 200_000,
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'{"id": ' + DIGITS + b"}",
    b'{"id": 1e999, "resource_state": NaN}',
    b"-5\r\nabc\r\n0\r\n\r\n",
    b"zz\r\nabc\r\n0\r\n\r\n",
    b"ffffffffffffffffff\r\nabc",
    b"3\r\nabc\r\n",
    b"\x1f\x8b\x08\x00not gzip",
    b"<table><thead></thead><tbody>" + b"<tr><td>" * 3000,
    b"<![CDATA[" + b"<!--" * 2000,
    b"\xef\xbb\xbf{}",
    "ф".encode("utf-16"),
]


def evil_json(identity: int | str) -> st.SearchStrategy[bytes]:
    """JSON with the id that was asked for, and with other things where the program looks."""
    names = st.sampled_from(
        [
            "id",
            "name",
            "resource_state",
            "urls",
            "unique_id",
            "strava_backup",
            "start_date",
            "items",
        ]
    )
    return st.one_of(
        JSON_VALUES,
        st.dictionaries(names, JSON_VALUES, max_size=4).map(lambda rest: {"id": identity, **rest}),
        st.lists(st.dictionaries(names, JSON_VALUES, max_size=4), max_size=3),
    ).map(lambda value: json.dumps(value).encode())


def answers(identity: int | str) -> st.SearchStrategy[bytes]:
    """The bytes of an answer."""
    body = st.one_of(st.sampled_from(BODIES), evil_json(identity), st.binary(max_size=200))
    composed = st.builds(
        lambda status, headers, body: b"\r\n".join(
            [b"HTTP/1.1 " + status + b" OK", *headers, b"Connection: close", b"", body]
        ),
        st.sampled_from(STATUSES),
        st.lists(st.sampled_from(HEADERS), max_size=3),
        body,
    )
    return st.one_of(composed, composed, composed, st.binary(max_size=100))


Prepare = Callable[[Rig], None]


def only(**asked: bool) -> dict[str, bool]:
    """The options of a run that asks for these items and for no others."""
    return {"details": False, "photos": False, "gear": False, **asked}


def without_user(rig: Rig) -> None:
    rig.config = replace(rig.config, user=None)


def by_website(rig: Rig) -> None:
    rig.config = replace(rig.config, api=None)


class Harness:
    """An account of many activities and bikes, and a new archive for each run."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.account = Account.of(2 * TOGETHER, self.clock)
        self.account.gear.clear()
        for number, activity in enumerate(self.account.activities):
            activity.photos[:] = [photo_of(activity.detail, number)]
            activity.detail["gear_id"] = None
            bike = Bike(f"b{number + 1}", f"Bike {number}", components=[Component(1, "Chain")])
            self.account.gear[bike.id] = bike
        self._folder = folder
        self._numbers = count()

    def rig(self, prepare: Prepare) -> Rig:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        # The API limits the requests of a day.
        self.clock.now += DAY
        rig = Rig(self.account, folder, self.clock)
        prepare(rig)
        return rig

    def identities(self, kind: str) -> list[Any]:
        """What the requests of a kind ask for, in their order."""
        if kind in ("gear", "bike"):
            return sorted(self.account.gear)
        newest_first = sorted(self.account.activities, key=lambda one: one.id, reverse=True)
        if kind == "photo":
            return [one.photos[0].unique_id for one in newest_first]
        return [one.id for one in newest_first if kind != "original" or one.original]


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Harness:
    return Harness(tmp_path_factory.mktemp("malformed"))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is not closed by three failures in a row."""
    monkeypatch.setattr(tasks, "FAILURES_THAT_CLOSE_A_HOST", 1000)


# The kind of request, the options of a run that makes it, and the source.
ITEMS: list[tuple[str, dict[str, bool], Prepare]] = [
    ("original", only(), lambda rig: None),
    ("detail", only(details=True), without_user),
    ("photos", only(photos=True), without_user),
    ("photo", only(photos=True), without_user),
    ("photo", only(photos=True), by_website),
    ("gear", only(details=True, gear=True), without_user),
    ("bike", only(details=True, gear=True), lambda rig: None),
]


def expected(rig: Rig, kind: str, spoilt: set[Any]) -> dict[str, bytes]:
    """The files that come whatever is answered for some items."""
    expected_files = {"original": expected_originals, "photo": expected_pictures}
    files = expected_files[kind](rig.account) if kind in expected_files else {}
    names = tuple(map(str, spoilt))
    return {path: data for path, data in files.items() if not any(one in path for one in names)}


@pytest.mark.parametrize(("kind", "options", "prepare"), ITEMS)
@pytest.mark.every(2)
def test_malformed_answers_cost_their_items_and_no_others(
    harness: Harness, kind: str, options: dict[str, bool], prepare: Prepare
) -> None:
    spoilt = harness.identities(kind)[1::2][:TOGETHER]
    batches = st.lists(answers(spoilt[0]), min_size=len(spoilt), max_size=len(spoilt))

    @settings(max_examples=max(1, ANSWERS // len(spoilt)), suppress_health_check=list(HealthCheck))
    @given(batches)
    def check(batch: list[bytes]) -> None:
        rig = harness.rig(prepare)
        rig.account.faults[:] = [
            Fault(kind, "raw", id=one, body=answer)
            for one, answer in zip(spoilt, batch, strict=True)
        ]
        report = rig.run(**options)
        assert report.exit_code in (0, 3), report.problem_lines()
        files = rig.files()
        for path, data in expected(rig, kind, set(spoilt)).items():
            assert files[path] == data
        assert set(harness.identities(kind)) <= set(rig.asked_for(kind))

    check()
    harness.account.faults.clear()
    assert harness.rig(prepare).run(**options).exit_code == 0


LISTS: list[tuple[str, dict[str, bool], Prepare]] = [
    ("token", only(), without_user),
    ("athlete", only(), without_user),
    ("list", only(), without_user),
    ("me", only(), by_website),
    ("web-list", only(), by_website),
    ("web-photos", only(photos=True), by_website),
    ("web-gear", only(details=True, gear=True), by_website),
]


@pytest.mark.parametrize(("kind", "options", "prepare"), LISTS)
@pytest.mark.every(2)
def test_a_malformed_list_or_sign_in_ends_with_a_message_and_the_next_run_completes(
    harness: Harness, kind: str, options: dict[str, bool], prepare: Prepare
) -> None:
    @settings(max_examples=ANSWERS, suppress_health_check=list(HealthCheck))
    @given(answers(harness.account.athlete_id))
    def check(answer: bytes) -> None:
        rig = harness.rig(prepare)
        # Nothing but this one request and those before it.
        hindered = [Fault(other, "404") for other in ("original", "photo") if other != kind]
        rig.account.faults[:] = [Fault(kind, "raw", body=answer), *hindered]
        report = rig.run(**options)
        assert not report.has_bug
        assert report.exit_code in (0, 3, 4, 5)
        assert bool(report.problem_lines()) == (report.exit_code != 0)

    check()
    harness.account.faults.clear()
    assert harness.rig(prepare).run(**options).exit_code == 0
