from __future__ import annotations

import threading
import time
from pathlib import PurePosixPath

import pytest

from strava_backup import errors
from strava_backup.backup.pipeline import Done, Job, Lane, Lanes, Step, Task
from strava_backup.report import Report

UNREACHABLE = errors.Unreachable("no answer")
BLOCKED = errors.Blocked("403", "403")
PAGE = errors.PageInstead("a page")
REFUSED = errors.Refused("404", "404")
ODD = errors.ItemError("odd")
CHANGED = errors.PageChanged("changed")
SUCCESS = None


@pytest.fixture
def report():
    return Report()


def lane_after(report, *outcomes):
    lane = Lane("website", report)
    for outcome in outcomes:
        if outcome is SUCCESS:
            lane.succeeded()
        else:
            lane.failed(outcome)
    return lane


@pytest.mark.parametrize(
    ("outcomes", "is_over"),
    [
        ([], False),
        ([UNREACHABLE] * 2, False),
        ([UNREACHABLE] * 3, True),
        ([UNREACHABLE, BLOCKED, PAGE], True),
        ([UNREACHABLE, UNREACHABLE, SUCCESS, UNREACHABLE], False),
        ([UNREACHABLE, UNREACHABLE, SUCCESS, *[UNREACHABLE] * 3], True),
        # the way is there: Strava says no to this one
        ([REFUSED] * 9, False),
        ([ODD] * 9, False),
        ([CHANGED] * 9, False),
        ([UNREACHABLE, UNREACHABLE, REFUSED, UNREACHABLE, UNREACHABLE], False),
    ],
)
def test_three_items_in_a_row_that_cannot_be_reached_end_a_lane(report, outcomes, is_over):
    lane = lane_after(report, *outcomes)
    assert lane.is_over is is_over
    assert [type(error) for error in report.fatal] == [errors.TryLater] * is_over


def test_a_lane_that_ends_says_so_once_and_by_name(report):
    lane_after(report, *[UNREACHABLE] * 5)
    (error,) = report.fatal
    assert str(error).startswith("3 requests in a row to the website failed")
    assert report.exit_code == 5


def test_a_fatal_error_ends_a_lane_with_its_own_exit_code(report):
    lane = Lane("website", report)
    lane.end(errors.SessionOver("the web session is over"))
    assert lane.is_over
    assert report.exit_code == 4


def test_a_lane_that_is_over_holds_up_no_other(report):
    lanes = Lanes(report, "api")
    lanes.website.end(errors.SessionOver("over"))
    assert not lanes.source.is_over
    assert not lanes.photo_hosts.is_over
    for lane in (lanes.source, lanes.photo_hosts, lanes.source):
        lane.failed(UNREACHABLE)
    assert len(report.fatal) == 1


def test_the_website_is_one_lane_also_where_it_is_the_source(report):
    lanes = Lanes(report, "website")
    lanes.source.end(errors.SessionOver("over"))
    assert lanes.website.is_over
    assert not lanes.photo_hosts.is_over


def test_what_is_done_may_be_nothing_to_speak_of():
    assert Done() == ("", (), None)


def test_who_waits_in_the_middle_of_a_task_comes_before_the_next_task(report):
    lane = Lane("website", report)
    task = Task("original", "a ride", lane, PurePosixPath("a.meta.json"), Done)
    came = []

    def come(name, wait):
        wait()
        came.append(name)
        lane.end_turn()

    lane.wait_for_turn()
    lane.add(Step((1, 1), task, Job("a ride", (1, 1))))
    threads = [
        threading.Thread(target=come, args=args)
        for args in (("task", lane.wait_for_step), ("turn", lane.wait_for_turn))
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.2)  # by now both wait
    lane.end_turn()
    for thread in threads:
        thread.join(10)
    assert came == ["turn", "task"]
