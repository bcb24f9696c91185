"""Every fault of the demo account at every kind of request: the exit code and the archive.

The exit codes are 4 if only the owner can help, 5 if a later run may succeed (rate limits, a host
that fails three times in a row or refuses everything), 3 if single items failed, and 0 if another
host serves the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest

from strava_backup import verify
from strava_backup.config.loader import Secret, User
from strava_backup.demo.account import Account
from strava_backup.demo.photos import photo_of
from strava_backup.demo.saved_routes import sample_routes
from strava_backup.demo.wire import Item
from tests.conftest import DAY, Rig
from tests.expected import (
    assert_complete,
    expected_activity_metadata,
    expected_checksums,
    expected_gear_metadata,
    expected_originals,
    expected_photo_metadata,
    expected_pictures,
    expected_routes,
    expected_videos,
    stored_metadata,
    stored_originals,
    stored_pictures,
    stored_routes,
    stored_videos,
)
from tests.faults import Fault

MakeRig = Callable[..., Rig]

FAULTS = (
    *("401", "403", "404", "429", "500", "503"),
    *("truncated", "stalled", "dropped", "html", "empty", "wrong type"),
)
FILES = ("original", "gpx", "photo", "segment", "route")
WRONG_TYPE = b'{"message": "something else"}'
WRONG_FILE = b"something else"


class Row(NamedTuple):
    """A kind of request to a source, the one that fails (None: all), and the codes by fault."""

    source: str
    kind: str
    which: str | None
    codes: str


# A 403 of the API means an inactive application: the website replaces it before the first activity
# is listed, and only the owner can help later. A redirect needs no body.
TABLE = (
    #                             401 403 404 429 500 503 trunc stall drop html empty wrong
    Row("api", "token", None, "     4   0   5   5   5   5     5     5    5    5     5     5"),
    Row("api", "athlete", None, "   4   0   5   5   5   5     5     5    5    5     5     5"),
    Row("api", "list", None, "      4   0   5   5   5   5     5     5    5    5     5     5"),
    Row("api", "list", "later", "   4   4   5   5   5   5     5     5    5    5     5     5"),
    Row("api", "detail", None, "    4   4   5   5   5   5     5     5    5    5     5     3"),
    Row("api", "detail", "one", "   4   4   3   5   3   3     3     3    3    3     3     3"),
    Row("api", "photos", None, "    4   4   5   5   3   3     3     3    3    3     3     3"),
    Row("api", "gear", None, "      4   4   5   5   5   5     5     5    5    5     5     3"),
    Row("api", "gear", "one", "     4   4   3   5   3   3     3     3    3    3     3     3"),
    Row("api", "me", None, "        4   5   5   5   5   5     0     0    5    5     0     0"),
    Row("api", "original", None, "  5   5   5   5   5   5     5     5    5    5     3     3"),
    Row("api", "original", "one", " 3   3   3   5   3   3     3     3    3    3     3     3"),
    Row("api", "gpx", None, "       3   3   3   5   3   3     3     3    3    3     3     3"),
    Row("api", "bike", None, "      5   5   5   5   5   5     5     5    5    3     3     3"),
    Row("api", "bike", "one", "     3   3   3   5   3   3     3     3    3    3     3     3"),
    Row("api", "photo", None, "     5   5   5   5   5   5     5     5    5    5     5     3"),
    Row("api", "photo", "one", "    3   3   3   3   3   3     3     3    3    3     3     3"),
    Row("api", "playlist", None, "  3   3   3   3   3   3     3     3    3    3     3     3"),
    Row("api", "segment", None, "   3   3   3   3   3   3     3     3    3    3     3     3"),
    Row("password", "about", None, "4   4   4   5   5   5     5     5    5    4     4     4"),
    Row("password", "login", None, "4   4   4   4   5   5     0     0    5    4     0     0"),
    Row("website", "me", None, "    4   5   5   5   5   5     0     0    5    5     0     0"),
    Row("website", "web-list", None, "4   5   5   5   5   5     5     5    5    5     5     5"),
    Row("website", "web-list", "later", "4   5   5   5   5   5     5     5    5    5     5     5"),
    Row("website", "web-photos", None, "4   3   3   5   3   3     3     3    3    3     3     3"),
    Row("website", "web-gear", None, "4   3   3   5   3   3     3     3    3    3     3     3"),
    Row("website", "original", None, "5   5   5   5   5   5     5     5    5    5     5     3"),
    Row("website", "original", "one", "3   3   3   5   3   3     3     3    3    3     3     3"),
    Row("website", "gpx", None, "   3   3   3   5   3   3     3     3    3    3     3     3"),
    Row("website", "photo", None, " 5   5   5   5   5   5     5     5    5    5     5     3"),
    Row("website", "photo", "one", "3   3   3   3   3   3     3     3    3    3     3     3"),
    Row("api", "routes", None, "    4   4   3   5   3   3     3     3    3    3     3     3"),
    Row("api", "route", None, "     4   4   5   5   5   5     5     5    5    5     3     3"),
    Row("api", "route", "one", "    4   4   3   5   3   3     3     3    3    3     3     3"),
    Row("website", "csrf-token", None, "4   3   3   5   3   3   3     3    3    3     3     3"),
    Row("website", "web-routes", None, "4   3   3   5   3   3   3     3    3    3     3     3"),
    Row("website", "route", "one", "3   3   3   5   3   3     3     3    3    3     3     3"),
)
# The quick suite has one fault of each row, and three rows of each fault.
CELLS = [
    pytest.param(
        row,
        what,
        int(code),
        id=f"{row.source}-{row.kind}-{row.which or 'all'}-{what}",
        marks=[pytest.mark.thorough] if (number + column) % len(FAULTS) else [],
    )
    for number, row in enumerate(TABLE)
    for column, (what, code) in enumerate(zip(FAULTS, row.codes.split(), strict=True))
]


def named(account: Account, row: Row) -> Item | None:
    """Return the id of the item that the faulty request of a row fetches."""
    if row.which == "later":
        return 2
    if row.which is None:
        return None
    activity = account.activities[4]
    photo = account.activities[6].photos[0].unique_id
    gear = "b9000002"
    route = sample_routes()[0].id
    ids = {"photo": photo, "gear": gear, "bike": gear, "route": route}
    return ids.get(row.kind, activity.id)


def fault(account: Account, row: Row, what: str) -> Fault:
    if what != "wrong type":
        return Fault(row.kind, what, id=named(account, row))
    # A file that is the same in two downloads is accepted as the original.
    is_file = row.kind in FILES
    body, times = (WRONG_FILE, 1) if is_file else (WRONG_TYPE, None)
    return Fault(row.kind, "other-body", id=named(account, row), times=times, body=body)


def prepare(rig: Rig, row: Row) -> None:
    if row.source == "website":
        rig.config = replace(rig.config, api=None)
    if row.source == "password":
        rig.config.path.write_text("[user]\n")  # stores the token of a log-in
        password = Secret(rig.account.password, read_only=True)
        rig.config = replace(rig.config, user=User(email=rig.account.email, password=password))
    if row.kind in ("playlist", "segment"):
        activity = rig.account.activities[6]
        activity.photos[0] = photo_of(activity.detail, 1, "video")
    if "route" in row.kind or row.kind == "csrf-token":
        rig.account.routes = {one.id: one for one in sample_routes()}
    # No other item may succeed in between.
    if row.kind in ("gear", "bike"):
        assert rig.run(gear=False).exit_code == 0
    if row.kind == "route":
        assert rig.run(routes=False).exit_code == 0


def assert_no_damage(rig: Rig) -> None:
    assert not [path for path in rig.files() if path.endswith(".part")]
    if rig.files():
        lines: list[str] = []
        assert verify.verify(rig.root, lines.append) == 0, lines
        assert "notice" not in lines[-1]


def assert_right_archive(rig: Rig, source: str) -> None:
    account, files = rig.account, rig.files()
    if source != "website":
        assert_complete(account, files)
        return
    assert stored_originals(files) == expected_originals(account)
    assert stored_pictures(files) == expected_pictures(account)
    assert stored_videos(files) == expected_videos(account)
    for section, expected in (
        ("activities", expected_activity_metadata(account)),
        ("photos", expected_photo_metadata(account)),
        ("gear", expected_gear_metadata(account)),
    ):
        assert stored_metadata(files, section).keys() == expected.keys()
    assert expected_routes(account).items() <= stored_routes(files).items()
    assert sorted(files["SHA256SUMS"].decode().splitlines()) == expected_checksums(files)


@pytest.mark.parametrize(("row", "what", "code"), CELLS)
def test_a_fault_damages_nothing_has_an_exit_code_and_is_repaired_by_the_next_run(
    make_rig: MakeRig, row: Row, what: str, code: int
) -> None:
    # Ten activities have two photo lists. Three might close the host, if they failed in a row: the
    # threads of the host may or may not fetch a detail in between.
    rig = make_rig({"web-list": 22, "photos": 10}.get(row.kind, 12))
    prepare(rig, row)
    rig.account.faults.append(fault(rig.account, row, what))

    report = rig.run()

    assert row.kind in rig.asked
    assert report.exit_code == code, report
    assert bool(report.problem_lines()) == (code != 0)
    assert_no_damage(rig)

    rig.account.faults.clear()
    rig.clock.now += DAY
    assert rig.run().exit_code == 0
    assert_no_damage(rig)
    assert_right_archive(rig, row.source)
