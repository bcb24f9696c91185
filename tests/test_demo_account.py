from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from stravalib.model import DetailedActivity, SummaryActivity

from strava_backup.demo import jwt
from strava_backup.demo.account import Account, TokenRefused
from strava_backup.demo.activity import DETAIL_ONLY, file_name, polyline, recorded, transliterated
from strava_backup.demo.limits import RateLimits
from tests.faults import Fault

DAY = 24 * 60 * 60
START = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


class Clock:
    """A clock that is set by the test."""

    def __init__(self) -> None:
        self.now = 1_795_300_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def account(clock):
    return Account.of(12, clock=clock)


def refresh(account, token=None):
    return account.refresh(account.client_id, account.client_secret, token or account.refresh_token)


def remember(account, token, athlete_id=None):
    return {
        "strava_remember_id": str(athlete_id or account.athlete_id),
        "strava_remember_token": token,
    }


def test_the_sample_holds_every_kind_of_activity():
    activities = Account.sample().activities
    suffixes = {activity.original_suffix for activity in activities if activity.original}
    assert suffixes == {".fit", ".gpx", ".tcx", ".json", ".fit.gz", ".gpx.gz"}
    assert any(activity.only_me for activity in activities)
    assert any(activity.detail["sport_type"] == "Padel2" for activity in activities)
    assert any(activity.original and activity.gpx is None for activity in activities)
    assert any((activity.original or b"").startswith(b" ") for activity in activities)
    assert any(len(str(activity.id)) == 11 for activity in activities)
    assert any(activity.detail["start_date"].endswith("T00:00:01Z") for activity in activities)
    starts = [activity.started for activity in activities]
    assert len(set(starts)) == len(starts) - 1


def test_the_sample_has_the_names_that_break_programs():
    names = {activity.detail["name"] for activity in Account.sample().activities}
    assert {"../../etc/passwd", "CON", r"a/b\c", " "} <= names
    assert any("\n" in name and "\t" in name and "\x1b" in name for name in names)
    assert any(len(name) == 300 for name in names)
    assert any("\u202e" in name for name in names)
    assert any("\u0301" in name for name in names)


@pytest.mark.parametrize("build", [Account.sample, lambda: Account.of(40)])
def test_two_accounts_built_alike_are_alike(build):
    first, second = build(), build()
    assert first.activities == second.activities
    assert first.refresh_token == second.refresh_token


def test_an_account_of_many_has_as_many_newest_first_and_a_tenth_manual():
    activities = Account.of(200).activities
    starts = [activity.started for activity in activities]
    assert len(activities) == 200
    assert starts == sorted(starts, reverse=True)
    assert len({activity.id for activity in activities}) == 200
    assert sum(activity.detail["manual"] for activity in activities) == 20
    assert sum(activity.original_suffix == ".fit" for activity in activities) > 100


@pytest.mark.parametrize("build", [Account.sample, lambda: Account.of(40)])
def test_stravalib_accepts_every_detail_and_summary(build):
    for activity in build().activities:
        assert DetailedActivity.model_validate(activity.detail).id == activity.id
        assert SummaryActivity.model_validate(activity.summary()).id == activity.id


def test_a_summary_lacks_the_fields_of_a_detail():
    activity = Account.of(1).activities[0]
    summary = activity.summary()
    assert not DETAIL_ONLY & summary.keys()
    assert {"calories", "description", "laps", "segment_efforts"} <= activity.detail.keys()
    assert (summary["resource_state"], activity.detail["resource_state"]) == (2, 3)
    assert "polyline" not in summary["map"]
    assert activity.detail["map"]["polyline"]


def test_a_detail_may_be_rounded_differently_from_its_summary():
    activity = Account.sample().activity(15_000_000_003)
    assert activity.summary()["distance"] == 10012.3
    assert activity.detail["distance"] == 10012.0
    assert activity.summary()["average_speed"] != activity.detail["average_speed"]


def test_a_manual_activity_has_neither_upload_nor_original():
    activity = Account.sample().activity(13_000_000_001)
    assert activity.detail["manual"] is True
    assert activity.detail["upload_id"] is None
    assert activity.detail["external_id"] is None
    assert "upload_id_str" not in activity.detail
    assert activity.original is None


def test_local_time_follows_summer_time():
    winter = recorded(1, datetime(2026, 10, 25, 1, 0, tzinfo=UTC))
    summer = recorded(2, datetime(2026, 10, 25, 0, 59, tzinfo=UTC))
    assert (winter["utc_offset"], summer["utc_offset"]) == (3600.0, 7200.0)
    assert winter["start_date_local"] == "2026-10-25T02:00:00Z"


def test_a_polyline_is_googles_own_example():
    assert polyline(((38.5, -120.2), (40.7, -120.95), (43.252, -126.453))) == (
        "_p~iF~ps|U_ulLnnqC_mqNvxq`@"
    )


def test_a_file_name_has_no_periods_and_no_special_characters():
    assert file_name("../../etc/passwd v1.2") == "__etc_passwd_v12"
    assert transliterated("Höllental 🚴.fit") == "Hollental _.fit"
    assert transliterated('a"b\\c\n') == "a_b_c_"


def test_an_activity_can_be_added_edited_and_removed(account):
    new = Account.sample().activity(15_000_000_003)
    account.add(new)
    account.edit(new.id, name="Renamed", distance=5.0)
    assert new.detail["name"] == "Renamed"
    assert new.summary()["distance"] == 5.0
    assert new.original_name == "Renamed.fit"
    account.remove(new.id)
    assert account.activity(new.id) is None


def test_a_refresh_token_dies_when_it_is_rotated(account):
    old = account.refresh_token
    tokens = refresh(account)
    assert tokens.refresh_token == account.refresh_token != old
    with pytest.raises(TokenRefused, match="refresh_token"):
        refresh(account, old)


def test_a_refresh_token_that_is_not_rotated_lives_on(account, clock):
    account.rotates_refresh_token = False
    old = account.refresh_token
    first = refresh(account)
    clock.now += 6 * 3600
    assert refresh(account, old).access_token != first.access_token


def test_a_refresh_gives_the_same_tokens_while_more_than_an_hour_is_left(account, clock):
    first = refresh(account)
    clock.now += 5 * 3600 - 1
    assert refresh(account) == first._replace(expires_in=3601)
    clock.now += 1
    assert refresh(account).access_token != first.access_token


def test_an_access_token_ends_after_six_hours(account, clock):
    token = refresh(account).access_token
    clock.now += 6 * 3600 - 1
    assert account.access_token_valid(token)
    clock.now += 1
    assert not account.access_token_valid(token)


@pytest.mark.parametrize("wrong", ["client_id", "client_secret", "refresh_token"])
def test_a_refresh_with_one_wrong_value_names_it(account, wrong):
    values = {name: getattr(account, name) for name in ("client_id", "client_secret")}
    values["refresh_token"] = account.refresh_token
    with pytest.raises(TokenRefused) as caught:
        account.refresh(**values | {wrong: "wrong"})
    assert caught.value.field == wrong


def test_revoking_ends_both_tokens(account):
    tokens = refresh(account)
    account.revoke()
    assert not account.access_token_valid(tokens.access_token)
    with pytest.raises(TokenRefused):
        refresh(account, tokens.refresh_token)


def test_a_jwt_has_stravas_shape(account, clock):
    head, body, _ = account.issue_jwt().split(".")
    header, payload = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (head, body)
    )
    assert header.keys() == {"typ", "alg", "signing_key", "encryption_key", "iv"}
    assert payload.keys() == {"iss", "sub", "iat", "exp", "email"}
    assert payload["sub"] == account.athlete_id
    assert payload["exp"] - payload["iat"] == 30 * DAY
    assert account.email not in payload["email"]


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "ü.ü.ü", "..", "no dots at all"])
def test_a_garbled_jwt_is_not_read(token):
    assert jwt.decode(token, b"key") is None


def test_the_remember_pair_signs_in_and_brings_a_session(account):
    visit = account.visit(remember(account, account.issue_jwt(sub_as_string=True)))
    assert visit.signed_in
    assert account.visit({"_strava4_session": visit.session}) == (True, None, None)


def test_the_pair_replaces_a_stale_session_but_not_for_xhr(account):
    cookies = remember(account, account.issue_jwt()) | {"_strava4_session": "stale"}
    assert not account.knows_session(cookies)
    visit = account.visit(cookies)
    assert visit.signed_in
    assert account.knows_session({"_strava4_session": visit.session})
    assert not account.visit_by_script(cookies).signed_in
    assert account.visit_by_script({"_strava4_session": visit.session}).signed_in


def test_the_pair_must_be_whole_and_agree(account, clock):
    token = account.issue_jwt()
    assert not account.visit({"strava_remember_token": token}).signed_in
    assert not account.visit(remember(account, token, athlete_id=7)).signed_in
    other = account.issue_jwt(sub=7)
    assert not account.visit(remember(account, other)).signed_in
    assert not account.visit(remember(account, other, athlete_id=7)).signed_in
    clock.now += 30 * DAY
    assert not account.visit(remember(account, token)).signed_in


def test_a_forged_jwt_does_not_sign_in(account):
    forged = Account(athlete_id=1).issue_jwt(sub=account.athlete_id)
    assert not account.visit(remember(account, forged)).signed_in


def test_ending_the_sessions_refuses_all_cookies_issued_so_far(account):
    token, session = account.issue_jwt(), account.issue_session()
    account.end_sessions()
    assert not account.visit(remember(account, token)).signed_in
    assert not account.visit({"_strava4_session": session}).signed_in
    assert account.visit(remember(account, account.issue_jwt())).signed_in


def test_a_jwt_is_renewed_only_when_it_ends_soon(account):
    cookies = remember(account, account.issue_jwt(expires_in=5 * DAY))
    assert account.visit(cookies).jwt is None
    account.renews_jwt_within = 7 * DAY
    renewed = account.visit(cookies).jwt
    assert account.visit(remember(account, renewed)).signed_in
    assert account.visit(remember(account, renewed)).jwt is None


def test_a_fault_counts_down(account):
    account.faults.append(Fault("detail", "500", times=2))
    assert [bool(account.take_fault("detail", 1)) for _ in range(3)] == [True, True, False]


def test_a_fault_names_one_kind_and_one_item(account):
    account.faults.append(Fault("detail", "500", id=5))
    assert account.take_fault("list", 5) is None
    assert account.take_fault("detail", 6) is None
    assert account.take_fault("detail", 5)


def test_an_unknown_fault_is_refused_at_once():
    with pytest.raises(ValueError, match="explosion"):
        Fault("detail", "explosion")


def test_limits_count_in_quarters_and_utc_days():
    limits = RateLimits(short=2, daily=3)
    midnight = 1_795_305_600
    assert midnight % DAY == 0
    assert [limits.count(midnight - 1) for _ in range(3)] == [None, None, "read rate limit"]
    assert limits.usage(midnight - 1) == (3, 3)
    assert limits.usage(midnight) == (0, 0)


def test_a_request_that_the_short_limit_refused_counts_to_the_day():
    limits = RateLimits(short=1, daily=2)
    assert [limits.count(0), limits.count(0), limits.count(900)] == [
        None, "read rate limit", "read rate limit",
    ]  # fmt: skip


def test_the_overall_limit_has_its_own_name():
    limits = RateLimits(short=5, daily=9, overall_short=1)
    assert [limits.count(0), limits.count(0)] == [None, "overall rate limit"]
    assert dict(limits.headers(0))["X-Ratelimit-Limit"] == "1,18"
