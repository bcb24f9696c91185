from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from strava_backup import errors
from strava_backup.strava.budget import DAY, MARGIN, QUARTER, Budget, Use, parse_use
from tests.conftest import Clock

# 10:00:00 UTC, the beginning of a quarter
START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC).timestamp()


def headers(read=None, overall=None, limits=(100, 1000)):
    """Return the headers for this use (15 minutes, day) of read and overall limits."""
    sent = {}
    if overall:
        sent |= {"X-Ratelimit-Limit": f"{2 * limits[0]},{2 * limits[1]}"}
        sent |= {"X-Ratelimit-Usage": f"{overall[0]},{overall[1]}"}
    if read:
        sent |= {"X-Readratelimit-Limit": f"{limits[0]},{limits[1]}"}
        sent |= {"X-Readratelimit-Usage": f"{read[0]},{read[1]}"}
    return sent


@pytest.mark.parametrize(
    ("sent", "use"),
    [
        ({}, []),
        (headers(read=(1, 231)), [(QUARTER, Use(1, 100)), (DAY, Use(231, 1000))]),
        (headers(overall=(1, 231)), [(QUARTER, Use(1, 200)), (DAY, Use(231, 2000))]),
        (
            headers(read=(1, 2), overall=(3, 4)),
            [
                *[(QUARTER, Use(1, 100)), (DAY, Use(2, 1000))],
                *[(QUARTER, Use(3, 200)), (DAY, Use(4, 2000))],
            ],
        ),
        (
            {"X-RATELIMIT-LIMIT": " 200, 2000", "x-ratelimit-usage": "7 ,8"},
            [(QUARTER, Use(7, 200)), (DAY, Use(8, 2000))],
        ),
        ({"X-RateLimit-Limit": "200,2000"}, []),
        ({"X-RateLimit-Limit": "200,2000", "X-RateLimit-Usage": "many"}, []),
        ({"X-RateLimit-Limit": "200", "X-RateLimit-Usage": "1"}, []),
        ({"X-RateLimit-Limit": "200,-1", "X-RateLimit-Usage": "1,²"}, []),
    ],
)  # fmt: skip
def test_limits_are_read_from_headers_of_any_case_and_nonsense_is_none(sent, use):
    assert parse_use(sent) == use


@pytest.mark.parametrize(
    ("at", "sent", "waits"),
    [
        (0, {}, None),
        (0, headers(read=(99, 99)), None),
        (0, headers(read=(100, 100)), 900),
        (1, headers(read=(100, 100)), 899),
        (899, headers(read=(100, 100)), 1),
        (60, headers(read=(101, 101)), 840),
        (0, headers(overall=(199, 199)), None),
        (0, headers(overall=(200, 200)), 900),
        # both limits count
        (0, headers(read=(10, 10), overall=(200, 200)), 900),
        (0, headers(read=(100, 100), overall=(110, 110)), 900),
    ],
)
def test_a_spent_quarter_is_waited_out_and_a_little_more(at, sent, waits):
    clock = Clock(now=START + at)
    budget = Budget(clock, clock.sleep)
    with budget.request() as answered:
        answered(sent)
    with budget.request():
        pass
    assert clock.slept == ([] if waits is None else [waits + MARGIN])


def test_it_says_until_when_it_waits(caplog):
    caplog.set_level("INFO", logger="strava_backup")
    clock = Clock(now=START + 60)
    budget = Budget(clock, clock.sleep)
    with budget.request() as answered:
        answered(headers(read=(100, 100)))
    with budget.request():
        pass
    (message,) = caplog.messages
    assert message.endswith("requests continue at 10:15:05 UTC")


@pytest.mark.parametrize("sent", [headers(read=(5, 1000)), headers(overall=(5, 2000))])
def test_a_spent_day_ends_the_run_and_the_next_day_is_a_new_one(sent):
    clock = Clock(now=START)
    budget = Budget(clock, clock.sleep)
    with budget.request() as answered:
        answered(sent)
    with (
        pytest.raises(errors.LimitReached, match=r"000 requests a day .* midnight UTC"),
        budget.request(),
    ):
        raise AssertionError("asked")
    assert clock.slept == []
    clock.now += DAY
    with budget.request():
        pass


def test_requests_in_flight_count():
    clock = Clock(now=START)
    budget = Budget(clock, clock.sleep)
    with budget.request() as answered:
        answered(headers(read=(97, 97)))
    with budget.request(), budget.request(), budget.request():
        assert clock.slept == []
        with budget.request():
            assert clock.slept == [QUARTER + MARGIN]


def test_a_request_without_an_answer_counts():
    clock = Clock(now=START)
    budget = Budget(clock, clock.sleep)
    with budget.request() as answered:
        answered(headers(read=(98, 98)))
    for _ in range(2):
        with pytest.raises(OSError, match="broken"), budget.request():
            raise OSError("broken")
    with budget.request():
        assert clock.slept == [QUARTER + MARGIN]


def test_an_answer_from_the_quarter_before_says_nothing_of_this_one():
    clock = Clock(now=START)
    budget = Budget(clock, clock.sleep)
    with budget.request() as answered:
        answered(headers(read=(50, 50)))
    with budget.request() as answered:
        clock.now += QUARTER
        answered(headers(read=(100, 100)))
    with budget.request():
        assert clock.slept == []


def test_a_refusal_uses_up_the_quarter_regardless_of_its_headers():
    clock = Clock(now=START)
    budget = Budget(clock, clock.sleep)
    with budget.request() as answered:
        answered(headers(read=(5, 5)))
    with pytest.raises(errors.LimitReached), budget.request():
        raise errors.LimitReached("429")
    with budget.request():
        assert clock.slept == [QUARTER + MARGIN]


def test_many_threads_wait_once_and_together_never_exceed_the_limit():
    clock = Clock(now=START)
    budget = Budget(clock, clock.sleep)
    used: dict[int, int] = {}
    lock = threading.Lock()

    def ask():
        with budget.request() as answered:
            with lock:
                quarter = int(clock.now // QUARTER)
                used[quarter] = used.get(quarter, 0) + 1
                sent = headers(read=(used[quarter], 1), limits=(10, 1000))
            time.sleep(0.001)
            answered(sent)

    ask()
    threads = [threading.Thread(target=lambda: [ask() for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sum(used.values()) == 41
    assert max(used.values()) <= 10
    assert len(clock.slept) == 4


def test_a_refusal_in_a_later_quarter_closes_the_budget_and_one_at_the_same_time_does_not():
    clock = Clock(now=START)
    budget = Budget(clock, clock.sleep)
    for _ in range(2):
        # Like two threads with concurrent requests.
        with pytest.raises(errors.LimitReached), budget.request():
            raise errors.LimitReached("429")
        budget._known.clear()
    clock.now += QUARTER
    assert not budget.is_closed
    with pytest.raises(errors.LimitReached), budget.request():
        raise errors.LimitReached("429")
    with pytest.raises(errors.LimitReached, match="no more requests"), budget.request():
        raise AssertionError("asked")


def test_closing_ends_the_waiting_in_real_time():
    clock, over = Clock(now=START), threading.Event()
    budget = Budget(clock, lambda seconds: over.wait(60) and None)
    with budget.request() as answered:
        answered(headers(read=(100, 100)))
    ended: list[BaseException] = []

    def ask():
        try:
            with budget.request():
                pass
        except errors.LimitReached as error:
            ended.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    budget.close()
    for thread in threads:
        thread.join(5)
    over.set()
    assert len(ended) == 4
