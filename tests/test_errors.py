from __future__ import annotations

import itertools

import pytest

from strava_backup import errors
from strava_backup.archive.directory import DiskError

EXIT_CODES = {
    errors.Error: 1,
    DiskError: 1,
    errors.PageChanged: 3,
    errors.ConfigError: 2,
    errors.ItemError: 3,
    errors.Refused: 3,
    errors.NotOffered: 3,
    errors.Blocked: 3,
    errors.PageInstead: 3,
    errors.NotPermitted: 3,
    errors.Unreachable: 3,
    errors.CutShort: 3,
    errors.TooSlow: 3,
    errors.HumanNeeded: 4,
    errors.ApiInactive: 4,
    errors.ScopeMissing: 4,
    errors.AccessTokenRefused: 4,
    errors.RefreshTokenDead: 4,
    errors.NotAuthorized: 4,
    errors.TooManyAthletes: 4,
    errors.AppRefused: 4,
    errors.SessionOver: 4,
    errors.GarbledJwt: 4,
    errors.LoginRefused: 4,
    errors.LoginPaused: 4,
    errors.AccountMismatch: 4,
    errors.StillDelayed: 4,
    errors.TryLater: 5,
    errors.LimitReached: 5,
    errors.AnotherRun: 5,
}

# From the contract: when several apply, the first of these.
PRECEDENCE = (130, 1, 2, 4, 5, 3, 0)


@pytest.mark.parametrize(("kind", "exit_code"), EXIT_CODES.items())
def test_each_error_carries_its_exit_code(kind, exit_code):
    assert kind.exit_code == exit_code


def test_the_table_of_exit_codes_leaves_no_error_out():
    of_the_module = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert of_the_module | {DiskError} == set(EXIT_CODES)


@pytest.mark.parametrize("codes", list(itertools.permutations(PRECEDENCE, 2)))
def test_of_two_exit_codes_the_worse_one_counts_in_any_order(codes):
    assert errors.worst(codes) == min(codes, key=PRECEDENCE.index)


def test_a_run_in_which_nothing_came_up_ends_with_0():
    assert errors.worst([]) == 0


def test_a_config_error_tells_every_problem_on_a_line_of_its_own():
    error = errors.ConfigError("[api] client_id: missing", "[global] delay: not a number")
    assert error.problems == ("[api] client_id: missing", "[global] delay: not a number")
    assert str(error) == "[api] client_id: missing\n[global] delay: not a number"


def test_a_refusal_keeps_its_reason_apart_from_its_message():
    error = errors.Refused("activity 5: Strava gives no original (404)", "404")
    assert (str(error), error.why) == ("activity 5: Strava gives no original (404)", "404")


@pytest.mark.parametrize(
    ("kind", "ends_lane"),
    [
        (errors.ItemError, False),
        (errors.Refused, False),
        (errors.Blocked, True),
        (errors.PageInstead, True),
        (errors.Unreachable, True),
        (errors.CutShort, True),
        (errors.TooSlow, True),
    ],
)
def test_only_what_may_be_the_fault_of_the_way_there_ends_a_lane_when_repeated(kind, ends_lane):
    assert kind.closes_host_when_repeated is ends_lane


def test_a_dead_login_is_no_item_s_error_so_the_loop_over_items_cannot_swallow_it():
    swallowed = {kind for kind in EXIT_CODES if issubclass(kind, errors.ItemError)}
    assert {kind.exit_code for kind in swallowed} == {3}
    assert not any(issubclass(kind, errors.ItemError) for kind in EXIT_CODES if kind.exit_code > 3)
