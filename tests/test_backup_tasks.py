"""Hosts and their queues; tests/test_backup_pipeline.py has their threads."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import PurePosixPath

import pytest

from strava_backup import errors
from strava_backup.backup.tasks import Call, Entry, Host, Hosts, Job, Result, Task

META = PurePosixPath("activities/2026/7.meta.json")


def entry(host, *place):
    task = Task("original", "a ride", host, META, lambda task, answer: Result())
    return Entry(place, task, Job("a ride", (1, 1)))


def test_a_website_that_is_the_source_is_one_host_with_one_request_at_a_time():
    hosts = Hosts("website")
    assert hosts.source is hosts.website
    assert hosts.website.threads == 1


def test_an_api_that_is_the_source_is_a_host_of_its_own():
    hosts = Hosts("api")
    assert [host.threads for host in (hosts.website, hosts.source, hosts.photo_hosts)] == [1, 4, 4]


def test_entries_come_in_the_order_of_their_places_whenever_they_were_queued():
    host = Host("website")
    for place in ((1, 2, 0), (1, 1, 1), (0, 3, 0), (1, 1, 0, 0)):
        host.add(entry(host, *place))
    places = [host.next().place for _ in range(4)]
    assert places == [(0, 3, 0), (1, 1, 0, 0), (1, 1, 1), (1, 2, 0)]


def test_calls_and_tasks_take_turns():
    host = Host("website")
    for number in range(3):
        host.add(entry(host, 1, number, 0))
        host.add(Call(lambda: None, Future()))
    kinds = [type(host.next()) for _ in range(6)]
    assert kinds == [Call, Entry] * 3


def test_a_closed_host_answers_the_entries_on_hold():
    host = Host("API", 4)
    host.hold()
    waiting = entry(host, 1, 1, 0)
    host.add(waiting)
    assert host.close()
    assert host.next() is waiting


def test_a_host_is_closed_once():
    closed = []
    host = Host("API", 4, lambda: closed.append("waits"))
    assert [host.close(), host.close()] == [True, False]
    assert closed == ["waits"]


def test_a_host_that_has_ended_gives_nothing():
    host = Host("website")
    host.add(entry(host, 1, 1, 0))
    host.end()
    assert host.next() is None


@pytest.mark.parametrize(("failures", "is_last"), [(1, False), (2, False), (3, True)])
def test_three_failures_in_a_row_are_too_many(failures, is_last):
    host = Host("website")
    results = [host.failed(errors.Unreachable("no answer")) for _ in range(failures)]
    assert results[-1] is is_last
    host.succeeded()
    assert not host.failed(errors.Unreachable("no answer"))
