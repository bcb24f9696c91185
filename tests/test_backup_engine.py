"""Runs in process: the archive that they leave, and the requests that they make."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from strava_backup.backup import engine, tasks
from strava_backup.demo import files
from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity
from strava_backup.demo.limits import RateLimits
from tests.conftest import DAY, NOW, Rig
from tests.expected import (
    assert_complete,
    expected_activity_metadata,
    expected_originals,
    own_key,
    stem_of,
    stored_metadata,
    stored_originals,
)
from tests.faults import Fault

MakeRig = Callable[..., Rig]
QUIET_DAY = ["token", "athlete", "list", "me", "list", "routes"]


@pytest.fixture
def rig(small_rig: Rig) -> Rig:
    return small_rig


@pytest.fixture
def whole_rig(make_rig: MakeRig) -> Rig:
    return make_rig()


def first_with_original(account: Account) -> Activity:
    return next(
        one
        for one in account.activities
        if one.original and one.original_suffix == ".fit" and not one.photos
    )


def manual(account: Account) -> Activity:
    return next(one for one in account.activities if one.original is None)


def test_a_first_run_saves_everything_and_a_second_one_fetches_nothing(make_rig: MakeRig) -> None:
    rig = make_rig()
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())
    before = rig.files()

    report = rig.run()

    assert report.exit_code == 0
    assert not report.saved
    assert sorted(kind for kind in rig.asked if kind != "token") == sorted(QUIET_DAY[1:])
    after = rig.files()
    marker = ".strava-backup.json"
    assert {**before, marker: b""} == {**after, marker: b""}


def test_a_run_without_content_lengths_saves_the_same(rig: Rig) -> None:
    rig.account.announce_lengths = False
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_a_detail_rounded_differently_from_its_summary_is_no_change(rig: Rig) -> None:
    differing = [one for one in rig.account.activities if one.summary_changes]
    assert differing
    rig.run()
    rig.run()
    assert "detail" not in rig.asked
    assert not [path for path in rig.files() if path.startswith("history/")]


def test_a_new_activity_is_all_that_a_later_run_fetches(rig: Rig) -> None:
    new = first_with_original(rig.account)
    rig.account.remove(new.id)
    rig.run()
    rig.account.add(new)
    rig.run()
    assert Counter(rig.asked)["detail"] == Counter(rig.asked)["original"] == 1
    assert_complete(rig.account, rig.files())


def test_an_edit_fetches_that_detail_and_keeps_the_old_metadata_once(rig: Rig) -> None:
    rig.run()
    edited = first_with_original(rig.account)
    path = f"{stem_of(edited)}.meta.json"
    before = rig.files()[path]
    rig.clock.now += DAY
    rig.account.edit(edited.id, name="A better name")

    report = rig.run()

    assert report.exit_code == 0
    assert Counter(rig.asked)["detail"] == 1
    assert "original" not in rig.asked
    after = rig.files()
    assert json.loads(after[path])["name"] == "A better name"
    history = {name: data for name, data in after.items() if name.startswith("history/")}
    assert history == {f"history/{path}.2026-11-23T10-00-00Z.json": before}
    rig.run()
    assert "detail" not in rig.asked
    assert history.keys() == {name for name in rig.files() if name.startswith("history/")}


def test_kudos_are_no_change(rig: Rig) -> None:
    rig.run()
    rig.account.edit(first_with_original(rig.account).id, kudos_count=99, achievement_count=7)
    before = rig.files()
    rig.run()
    assert "detail" not in rig.asked
    assert {k: v for k, v in before.items() if k.startswith("activities")} == {
        k: v for k, v in rig.files().items() if k.startswith("activities")
    }


def test_an_edit_keeps_fields_of_the_old_detail_until_the_new_one_is_saved(rig: Rig) -> None:
    rig.run()
    edited = first_with_original(rig.account)
    rig.account.edit(edited.id, name="Renamed")
    rig.account.faults.append(Fault("detail", "500", id=edited.id))
    assert rig.run().exit_code == 3
    record = json.loads(rig.files()[f"{stem_of(edited)}.meta.json"])
    assert record["name"] == "Renamed"
    assert record["description"] == edited.detail["description"]
    assert record["resource_state"] == 2

    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())
    assert len([path for path in rig.files() if path.startswith("history/")]) == 1


def test_full_reports_activities_that_are_complete_as_fetched_again(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "strava_backup")
    rig.run(limit=2)
    rig.run(limit=2, full=True)
    texts = [text for text in caplog.messages if text.startswith("2 activities")]
    assert texts == ["2 activities are incomplete; fetching", "2 activities to fetch again"]


def test_full_fetches_every_detail_again_and_no_stored_original(rig: Rig) -> None:
    rig.run()
    before = rig.files()
    report = rig.run(full=True)
    assert report.exit_code == 0
    assert Counter(rig.asked)["detail"] == len(rig.account.activities)
    # A stored original shows if the website still serves files, because one GPX was refused.
    assert Counter(rig.asked)["original"] == Counter(rig.asked)["gpx"] == 1
    after = rig.files()
    assert {**before, ".strava-backup.json": b""} == {**after, ".strava-backup.json": b""}


def test_no_meta_stores_listed_records_and_fetches_no_detail(rig: Rig) -> None:
    assert rig.run(details=False).exit_code == 0
    assert "detail" not in rig.asked
    assert stored_originals(rig.files()) == expected_originals(rig.account)
    assert stored_metadata(rig.files(), "activities") == {
        f"{stem_of(one)}.meta.json": one.summary() for one in rig.account.activities
    }
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_a_limited_run_works_on_so_many_and_the_next_ones_go_on(rig: Rig) -> None:
    rig.run(limit=3)
    assert Counter(rig.asked)["detail"] == 3
    rig.run(limit=3)
    assert Counter(rig.asked)["detail"] == 3
    assert len({request.id for request in rig.account.requests if request.kind == "detail"}) == 3
    rig.run()
    assert_complete(rig.account, rig.files())


def test_a_dry_run_lists_what_is_missing_and_leaves_the_archive_untouched(rig: Rig) -> None:
    report = rig.run(dry_run=True)
    assert report.exit_code == 0
    assert not rig.root.exists()
    assert "original" not in rig.asked
    assert len(rig.printed) == len(rig.account.activities) + len(rig.account.gear) + 3
    assert any(line.endswith("original, photo list, metadata") for line in rig.printed)

    rig.run(limit=2)
    before = rig.files()
    rig.run(dry_run=True)
    activities = [line for line in rig.printed if line[0].isdigit()]
    assert len(activities) == len(rig.account.activities) - 2
    assert rig.files() == before


def test_no_original_of_a_manual_activity_is_requested(rig: Rig) -> None:
    rig.run()
    activity = manual(rig.account)
    assert activity.id not in {
        request.id for request in rig.account.requests if request.kind == "original"
    }
    absent = own_key(rig.files(), activity)["original"]
    assert absent == {"absent": "manual activity", "since": "2026-11-22T10:00:00Z"}


def test_metadata_says_where_it_is_from_and_what_the_original_was_called(rig: Rig) -> None:
    rig.run()
    activity = first_with_original(rig.account)
    own = own_key(rig.files(), activity)
    assert own["source"] == "api"
    assert own["fetched_at"] == "2026-11-22T10:00:00Z"
    assert own["original"] == {
        "name": activity.original_name,
        "file": f"{stem_of(activity).rpartition('/')[2]}{activity.original_suffix}",
        "saved_at": "2026-11-22T10:00:00Z",
    }
    assert own["listed"]["api"]["distance"] == activity.summary()["distance"]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        *(("original", "500"), ("original", "html"), ("detail", "empty")),
        # test_backup_activities.py has them with a smaller account.
        *(
            pytest.param(*row, marks=pytest.mark.thorough)
            for row in (
                *(("original", what) for what in ("empty", "truncated", "404", "403")),
                *(("detail", what) for what in ("500", "html", "truncated", "404", "dropped")),
            )
        ),
    ],
)
def test_one_bad_item_is_counted_and_reported_and_everything_else_is_saved(
    rig: Rig, kind: str, what: str
) -> None:
    bad = first_with_original(rig.account)
    rig.account.faults.append(Fault(kind, what, id=bad.id))

    report = rig.run()

    assert report.exit_code == 3
    assert len(report.failures) == 1
    assert str(bad.id) in report.failures[0].what
    assert not [path for path in rig.files() if path.endswith(".part")]
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_cut_short_is_fetched_again_at_once(rig: Rig, announced: bool) -> None:
    rig.account.announce_lengths = announced
    bad = first_with_original(rig.account)
    rig.account.faults.append(Fault("original", "truncated", id=bad.id, times=2))
    assert rig.run().exit_code == 0
    asked = [request.id for request in rig.account.requests if request.kind == "original"]
    assert asked.count(bad.id) == 3
    assert_complete(rig.account, rig.files())


def test_a_body_cut_short_without_any_framing_is_never_accepted(rig: Rig) -> None:
    bad = first_with_original(rig.account)
    rig.account.faults.append(Fault("original", "truncated-unframed", id=bad.id, times=1))
    report = rig.run()
    assert report.exit_code == 3
    assert "differently" in report.failures[0].why
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_a_suspicious_original_is_fetched_twice_and_kept_and_reported(rig: Rig) -> None:
    suspicious = first_with_original(rig.account)
    assert suspicious.original
    suspicious.original = suspicious.original[:-1]
    report = rig.run()
    assert report.exit_code == 0
    asked = [request.id for request in rig.account.requests if request.kind == "original"]
    assert asked.count(suspicious.id) == 2
    assert_complete(rig.account, rig.files())
    assert "FIT" in own_key(rig.files(), suspicious)["original"]["odd"]


def test_an_original_with_a_wrong_suffix_gets_its_true_suffix(rig: Rig) -> None:
    suspicious = first_with_original(rig.account)
    suspicious.original = files.gpx(NOW)
    report = rig.run()
    assert report.exit_code == 0
    assert rig.files()[f"{stem_of(suspicious)}.gpx"] == suspicious.original
    assert own_key(rig.files(), suspicious)["original"]["odd"] == (
        "named .fit, but the content is .gpx"
    )
    rig.run()
    assert "original" not in rig.asked


def test_a_body_of_an_unknown_kind_is_kept_under_the_suffix_sent(rig: Rig) -> None:
    strange = first_with_original(rig.account)
    strange.original, strange.original_suffix = b"\x00\x01strange" * 100, ".pwx"
    assert rig.run().exit_code == 0
    assert rig.files()[f"{stem_of(strange)}.pwx"] == strange.original


@pytest.mark.parametrize(
    "what",
    [
        *("redirect-activity", "404"),
        pytest.param("403", marks=pytest.mark.thorough),
        pytest.param("redirect-dashboard", marks=pytest.mark.thorough),
    ],
)
def test_a_refused_original_is_requested_on_three_days_and_then_unavailable(
    rig: Rig, what: str
) -> None:
    refused = first_with_original(rig.account)
    rig.account.faults.append(Fault("original", what, id=refused.id))
    codes = []
    for _ in range(4):
        report = rig.run()
        codes.append((report.exit_code, len(report.failures), len(report.not_available)))
        rig.run()
        rig.clock.now += DAY
    assert codes == [(3, 1, 0), (3, 1, 0), (0, 0, 1), (0, 0, 0)]
    rig.run()
    assert "original" not in rig.asked
    rig.run(full=True)
    # And a stored one, which shows that the website still serves files.
    assert Counter(rig.asked)["original"] == 2
    rig.account.faults.clear()
    assert rig.run(full=True).exit_code == 0
    assert_complete(rig.account, rig.files())
    assert "refused" not in own_key(rig.files(), refused)


def test_activities_that_failed_in_the_last_run_come_last(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Requests that are in flight at once may overtake one another.
    monkeypatch.setattr(tasks, "_IN_FLIGHT", 1)
    rig = make_rig(20)
    newest = rig.account.activities[0]
    rig.account.faults.append(Fault("original", "500", id=newest.id))
    rig.account.faults.append(Fault("detail", "500", id=newest.id))
    rig.run(limit=1)
    rig.run(limit=1)
    asked = {request.id for request in rig.account.requests if request.kind == "original"}
    assert newest.id not in asked
    rig.run()
    asked_last = [request.id for request in rig.account.requests if request.kind == "original"]
    assert newest.id in asked_last[-4:]
    assert len(asked_last) > 8


def test_a_json_original_whose_gpx_fails_gets_it_from_the_next_run(rig: Rig) -> None:
    rig.account.faults.append(Fault("gpx", "500"))
    report = rig.run()
    assert report.exit_code == 3
    assert all("gpx" in failure.what for failure in report.failures)
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert "original" not in rig.asked
    assert_complete(rig.account, rig.files())


@pytest.mark.parametrize("record", [None, "what?", {"name": "no id"}, {"id": True}, {"id": -3}])
@pytest.mark.every(2)
def test_an_invalid_record_in_the_list_is_reported_and_affects_no_other(
    rig: Rig, record: object
) -> None:
    page = json.dumps([record, *(one.summary() for one in rig.account.activities)]).encode()
    rig.account.faults.append(Fault("list", "other-body", id=1, body=page))
    report = rig.run()
    assert report.exit_code == 3
    assert [failure.what for failure in report.failures] == ["list of activities"]
    assert_complete(rig.account, rig.files())


@pytest.mark.parametrize("start", [None, "yesterday", 12, "2026-13-01T00:00:00Z"])
@pytest.mark.every(2)
def test_a_record_without_a_valid_start_is_reported(rig: Rig, start: object) -> None:
    strange = first_with_original(rig.account)
    records = [one.summary() for one in rig.account.activities]
    records[0] = {**strange.summary(), "start_date": start}
    page = json.dumps(records).encode()
    rig.account.faults.append(Fault("list", "other-body", id=1, body=page))
    report = rig.run()
    assert report.exit_code == 3
    assert str(strange.id) in report.failures[0].why


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("401", 4),
        ("html", 5),
        ("429", 5),
        pytest.param("500", 5, marks=pytest.mark.thorough),
        pytest.param("dropped", 5, marks=pytest.mark.thorough),
    ],
)
def test_a_list_that_breaks_off_is_never_accepted_as_complete(
    make_rig: MakeRig, what: str, code: int
) -> None:
    rig = make_rig(201)
    rig.config = replace(rig.config, user=None)
    rig.account.faults.append(Fault("list", what, id=2))
    report = rig.run(details=False, photos=False)
    assert report.exit_code == code
    assert str(report.completeness).startswith("at least 200 on Strava: ")
    marker = json.loads(rig.files()[".strava-backup.json"])
    assert marker["last_walk"] is None
    rig.account.faults.clear()
    report = rig.run(details=False, photos=False)
    assert report.exit_code == 0
    assert str(report.completeness).startswith("201 on Strava: ")
    assert stored_metadata(rig.files(), "activities") == {
        f"{stem_of(one)}.meta.json": one.summary() for one in rig.account.activities
    }


def test_a_web_session_that_ends_during_a_run_does_not_affect_the_api(make_rig: MakeRig) -> None:
    rig = make_rig(20)
    rig.account.faults.append(Fault("original", "redirect-login", id=rig.account.activities[5].id))
    report = rig.run()
    assert report.exit_code == 4
    assert Counter(rig.asked)["detail"] == len(rig.account.activities)
    assert report.left["original"] > 10
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_an_expired_web_session_does_not_affect_the_api(rig: Rig) -> None:
    rig.account.end_sessions()
    report = rig.run()
    assert report.exit_code == 4
    assert "session is over" in str(report.fatal[0])
    assert stored_metadata(rig.files(), "activities") == expected_activity_metadata(rig.account)


def test_without_a_user_section_no_original_is_requested(rig: Rig) -> None:
    rig.config = replace(rig.config, user=None)
    report = rig.run()
    assert report.exit_code == 0
    assert "me" not in rig.asked
    assert "original" not in rig.asked
    assert not stored_originals(rig.files())
    assert stored_metadata(rig.files(), "activities") == expected_activity_metadata(rig.account)


@pytest.mark.parametrize("what", ["500", "403", "html"])
def test_three_failures_in_a_row_close_only_the_website(rig: Rig, what: str) -> None:
    rig.account.faults.append(Fault("original", what))
    # A bike's page in between would reset the count of failures.
    report = rig.run(gear=False)
    assert report.exit_code == 5
    assert len(report.failures) == 3
    assert Counter(rig.asked)["detail"] == len(rig.account.activities)


def test_a_daily_limit_closes_the_api_and_a_run_on_the_next_day_continues(
    make_rig: MakeRig,
) -> None:
    rig = make_rig(40)
    rig.account.limits = RateLimits(20, 20)
    report = rig.run()
    assert report.exit_code == 5
    assert stored_originals(rig.files()) == expected_originals(rig.account)
    for _ in range(4):
        rig.clock.now += DAY
        report = rig.run()
    assert report.exit_code == 0
    assert_complete(rig.account, rig.files())


def test_an_access_token_that_ends_in_the_middle_is_renewed(rig: Rig) -> None:
    calls = 0
    clock = rig.clock

    class Jumping:
        slept = clock.slept
        sleep = clock.sleep
        now = clock.now

        def __call__(self) -> float:
            nonlocal calls
            calls += 1
            return clock.now + (7 * 60 * 60 if calls > 40 else 0)

    rig.clock = rig.account.clock = Jumping()  # type: ignore[assignment]
    assert rig.run().exit_code == 0
    assert rig.asked.count("token") == 2
    assert_complete(rig.account, rig.files())


def test_another_athletes_archive_is_refused_and_left_as_it_is(
    make_rig: MakeRig,
) -> None:
    rig = make_rig(3)
    rig.run()
    before = rig.files()
    rig.account.athlete_id = 4711
    rig.config = replace(rig.config, user=None)
    report = rig.run()
    assert report.exit_code == 4
    assert "archive of athlete" in str(report.fatal[0])
    assert rig.files() == before


def test_an_archive_without_marker_is_accepted_if_strava_lists_one_of_its_activities(
    rig: Rig,
) -> None:
    rig.run()
    (rig.root / ".strava-backup.json").unlink()
    assert rig.run().exit_code == 0
    assert "original" not in rig.asked
    assert "detail" not in rig.asked
    assert_complete(rig.account, rig.files())


def test_an_archive_without_marker_is_refused_if_strava_lists_none_of_its_activities(
    make_rig: MakeRig,
) -> None:
    rig = make_rig(3)
    rig.run()
    (rig.root / ".strava-backup.json").unlink()
    before = rig.files()
    for activity in rig.account.activities:
        rig.account.remove(activity.id)
    assert rig.run().exit_code == 4
    assert rig.files() == before


def test_an_empty_account_is_no_error(make_rig: MakeRig) -> None:
    rig = make_rig(0)
    rig.account.gear.clear()
    assert rig.run().exit_code == 0
    assert list(rig.files()) == [".strava-backup.json"]


def test_unreadable_metadata_is_fetched_again(rig: Rig) -> None:
    rig.run()
    activity = first_with_original(rig.account)
    path = rig.root / f"{stem_of(activity)}.meta.json"
    path.write_text("{half")
    assert rig.run().exit_code == 0
    assert "original" not in rig.asked
    assert json.loads(path.read_bytes())["description"] == activity.detail["description"]


def test_leftovers_of_a_killed_run_are_removed_by_the_next_but_not_by_a_dry_run(
    rig: Rig,
) -> None:
    assert rig.run().exit_code == 0
    whole = rig.files()
    left = rig.root / "activities" / "2020" / ".2020-01-01T00-00-00Z_5.part"
    left.parent.mkdir()
    left.write_bytes(b"half")
    rig.run(dry_run=True)
    assert left.exists()
    assert rig.run().exit_code == 0
    assert rig.files().keys() == whole.keys()


def test_hostile_names_reach_no_path_and_no_terminal(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig()
    caplog.set_level("INFO", logger="strava_backup")
    rig.run()
    for path in rig.files():
        assert re.fullmatch(r"[\w./-]+", path, re.ASCII), path
    assert "\x1b" not in caplog.text


def test_an_adoption_that_is_interrupted_while_checking_checks_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.run()
    (rig.root / ".strava-backup.json").unlink()
    (rig.root / "SHA256SUMS").unlink()
    broken = rig.root / f"{stem_of(first_with_original(rig.account))}.fit"
    broken.write_bytes(broken.read_bytes()[:-50])

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("strava_backup.archive.checks.damage", interrupt)
        with pytest.raises(KeyboardInterrupt):
            rig.run()
    report = rig.run()
    assert report.exit_code == 3
    assert str(broken.relative_to(rig.root)) in report.failures[0].what


def test_a_list_that_breaks_off_is_no_account_mismatch(rig: Rig) -> None:
    rig.run()
    (rig.root / ".strava-backup.json").unlink()
    before = rig.files()
    rig.account.faults.append(Fault("list", "other-body", id=1, body=b"[5]"))
    rig.account.faults.append(Fault("list", "429", id=2))
    assert rig.run().exit_code == 5
    after = rig.files()
    assert json.loads(after.pop(".strava-backup.json"))["athlete_id"] is None
    assert after == before


def test_unreadable_metadata_is_kept_in_history(rig: Rig) -> None:
    rig.run()
    path = f"{stem_of(first_with_original(rig.account))}.meta.json"
    (rig.root / path).write_text("{half")
    rig.run()
    kept = [data for name, data in rig.files().items() if name.startswith(f"history/{path}")]
    assert kept == [b"{half"]


def test_no_meta_fetches_no_gear(rig: Rig) -> None:
    rig.run(details=False)
    assert not {"detail", "gear", "bike"} & set(rig.asked)


class Requested(logging.Handler):
    """Keeps the number of requests for originals at the time of each recommendation."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self.rig = rig
        self.originals: list[int] = []
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        if "bulk export" in record.getMessage():
            self.text = record.getMessage()
            self.originals.append(self.rig.asked.count("original"))


@pytest.fixture
def recommended(
    whole_rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Requested]:
    monkeypatch.setattr(engine, "_MANY_ORIGINALS", 12)
    logger = logging.getLogger("strava_backup.backup.engine")
    caplog.set_level(logging.INFO, logger.name)
    handler = Requested(whole_rig)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_the_bulk_export_is_recommended_before_the_first_of_many_downloads(
    whole_rig: Rig, recommended: Requested
) -> None:
    whole_rig.config = replace(whole_rig.config, api=None, delay=200.0)
    whole_rig.run()
    assert recommended.originals == [0]
    assert recommended.text.startswith("about 28 originals are missing, which takes 1 h 57 min or")
    assert "articles/216918437" in recommended.text
    assert "delete" not in recommended.text
    whole_rig.run()
    assert recommended.originals == [0]


def test_the_bulk_export_is_recommended_once_if_the_api_lists_the_activities(
    whole_rig: Rig, recommended: Requested
) -> None:
    whole_rig.run()
    assert len(recommended.originals) == 1


@pytest.mark.parametrize("options", [{"limit": 12}, {}], ids=["a limit", "no website"])
def test_the_bulk_export_is_not_recommended_for_few_originals(
    whole_rig: Rig, recommended: Requested, options: dict[str, int]
) -> None:
    lacks = {"api": None} if options else {"user": None}
    whole_rig.config = replace(whole_rig.config, **lacks)
    whole_rig.run(**options)
    assert recommended.originals == []
