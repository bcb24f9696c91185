"""Results and errors of tasks count for or against their items, or against the host."""

from __future__ import annotations

import pytest

from strava_backup import errors
from strava_backup.archive.directory import DiskError
from strava_backup.backup.tasks import Hosts, Result
from tests.conftest import DAY
from tests.tasks import REFUSED, Rig


@pytest.fixture
def rig(tmp_path, clock):
    return Rig(tmp_path / "archive", clock)


def test_an_item_that_fails_is_counted_and_the_next_one_is_fetched(rig):
    texts = rig.work_off([rig.failing(errors.ItemError("bad")), rig.task(lambda: Result("b"))])
    assert texts == ["b"]
    (failure,) = rig.report.failures
    assert failure[:2] == ("activity 7 Ride, original", "bad")
    assert rig.report.failed_ids == {7}
    assert rig.report.exit_code == 3
    assert rig.files() == {}


@pytest.mark.parametrize(
    ("error", "code"),
    [(errors.SessionOver("over"), 4), (errors.LimitReached("429"), 5)],
)
def test_a_fatal_error_closes_its_host_and_the_remaining_items_are_counted(rig, error, code):
    tasks = [
        rig.failing(error),
        rig.task(lambda: Result("never")),
        rig.task(lambda: Result("never"), item="gpx"),
        rig.task(lambda: Result("detail"), rig.hosts.source, "detail"),
    ]
    assert rig.work_off(tasks) == ["detail"]
    assert rig.report.left == {"original": 2, "gpx": 1}
    assert rig.report.fatal == [error]
    assert rig.report.failures == []
    assert rig.report.exit_code == code


def test_three_unreachable_items_in_a_row_close_the_host(rig):
    tasks = [rig.failing(errors.Unreachable("no answer")) for _ in range(5)]
    rig.work_off(tasks)
    rig.outcomes.settle(lambda item: False)
    assert len(rig.report.failures) == 3
    assert rig.report.left == {"original": 2}
    assert rig.report.exit_code == 5


def test_closing_a_host_ends_the_waits_for_its_limit(rig):
    ended = []
    rig.hosts = Hosts("api", lambda: ended.append("waits"))
    bad = rig.failing(errors.Unreachable("no answer"), rig.hosts.source)
    rig.work_off([bad] * 3)
    assert ended == ["waits"]


def test_a_saved_item_in_between_keeps_the_host_open(rig):
    bad = rig.failing(errors.Unreachable("no answer"))
    rig.work_off([bad, bad, rig.task(), bad, bad])
    rig.outcomes.settle(lambda item: False)
    assert rig.report.exit_code == 3


@pytest.mark.parametrize("error", [DiskError("disk full"), errors.Error("a bug")])
def test_an_error_that_concerns_no_item_stops_everything(rig, error):
    with pytest.raises(type(error)):
        rig.work_off([rig.failing(error), rig.task()])


def test_failures_of_a_closed_host_are_not_recorded_for_its_items(rig):
    error = errors.CutShort("cut", why="cut short")
    rig.work_off([rig.failing(error, item="photo") for _ in range(3)])
    rig.outcomes.settle(lambda item: False)
    assert len(rig.report.failures) == 3
    assert rig.files() == {}


# Refusals


def refuse(rig, error=REFUSED, item="original"):
    """Return the numbers of failed and of unavailable items after one refusal, if another item
    of that kind is saved."""
    rig.report.failures.clear()
    rig.report.not_available.clear()
    rig.report.failed_ids.clear()
    rig.work_off([rig.task(item=item), rig.failing(error, item=item)])
    rig.outcomes.settle(lambda item: False)
    return len(rig.report.failures), len(rig.report.not_available)


def test_a_refused_item_is_failed_on_two_days_and_unavailable_on_the_third(rig):
    assert refuse(rig) == (1, 0)
    assert refuse(rig) == (1, 0)
    assert rig.report.failed_ids == {7}
    rig.clock.now += DAY
    assert refuse(rig) == (1, 0)
    rig.clock.now += DAY
    assert refuse(rig) == (0, 1)
    assert rig.report.failed_ids == set()
    days = ["2026-11-22", "2026-11-23", "2026-11-24"]
    assert rig.own() == {"refused": {"original": {"why": "404", "on": days}}}


def test_a_temporary_fault_is_not_recorded(rig):
    for _ in range(4):
        assert refuse(rig, errors.ItemError("an empty file", why="empty")) == (1, 0)
        rig.clock.now += DAY
    assert rig.files() == {}


def test_any_error_of_a_photo_host_is_recorded(rig):
    assert refuse(rig, errors.CutShort("cut", why="cut short"), "photo") == (1, 0)
    assert rig.own()["refused"]["photo"]["why"] == "cut short"


def test_messages_about_an_item_contain_no_terminal_commands(rig, caplog):
    hostile = errors.Refused("host \x1b[31m.example.org\n\nanswers", "404")
    for _ in range(3):
        refuse(rig, hostile)
        rig.clock.now += DAY
    (unavailable,) = rig.report.not_available
    assert unavailable.why == "host ?[31m.example.org answers"
    assert "\x1b" not in caplog.text


@pytest.mark.parametrize("comes", ["before", "after"])
def test_a_refusal_counts_if_another_item_of_its_kind_was_saved(rig, comes):
    tasks = [rig.failing(REFUSED), rig.task()]
    rig.work_off(tasks if comes == "after" else tasks[::-1])
    rig.outcomes.settle(lambda item: False)
    assert rig.report.exit_code == 3
    assert rig.own()["refused"]["original"]["why"] == "404"


@pytest.mark.parametrize("item", ["original", "photo", "detail", "photo list", "gear"])
def test_a_refusal_of_everything_is_not_recorded_and_ends_the_run_with_5(rig, item):
    other = "detail" if item != "detail" else "original"
    rig.work_off([rig.failing(REFUSED, item=item), rig.task(item=other)])
    rig.outcomes.settle(lambda item: False)
    assert rig.files() == {}
    assert rig.report.failures == []
    assert rig.report.left == {item: 1}
    assert rig.outcomes.skipped_ids == {7}
    (error,) = rig.report.fatal
    assert error.exit_code == 5
    assert "(404)" in str(error)


def test_a_stored_item_that_is_still_served_proves_refusals_and_is_requested_once(rig):
    probed = []

    def is_still_served(item):
        probed.append(item)
        return item == "original"

    rig.work_off(
        [rig.failing(REFUSED), rig.failing(REFUSED, item="gpx"), rig.failing(REFUSED, item="photo")]
    )
    rig.outcomes.settle(is_still_served)
    assert probed == ["original", "photo"]
    assert set(rig.own()["refused"]) == {"original", "gpx"}
    assert rig.report.exit_code == 5


def test_a_picture_that_strava_never_offered_needs_no_proof(rig):
    rig.work_off([rig.failing(errors.NotOffered("none", "from Instagram"), item="photo")])
    assert rig.report.exit_code == 3
    assert rig.own()["refused"]["photo"]["why"] == "from Instagram"


def test_an_incomplete_answer_is_a_refusal_and_no_proof(rig):
    incomplete = rig.task(
        lambda: Result("", (), errors.Refused("0 of 3", "0 of 3")), item="photo list"
    )
    rig.work_off([incomplete, incomplete])
    rig.outcomes.settle(lambda item: False)
    assert rig.files() == {}
    assert rig.report.exit_code == 5


@pytest.mark.parametrize(
    "bug", [KeyError("secret"), ValueError("secret"), RecursionError("secret"), OSError("secret")]
)
def test_a_bug_in_one_item_is_its_failure_and_the_others_are_saved(rig, bug, caplog):
    assert rig.work_off([rig.failing(bug), rig.task(lambda: Result("b"))]) == ["b"]
    (failure,) = rig.report.failures
    assert failure.what == "activity 7 Ride, original"
    assert "this is a bug" in failure.why
    assert rig.report.failed_ids == {7}
    assert rig.report.exit_code == 1
    shown = [record for record in caplog.records if record.levelname != "DEBUG"]
    assert not any("secret" in record.getMessage() for record in shown)
    assert not any(record.exc_info for record in shown)
