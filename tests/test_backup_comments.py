"""Runs that fetch comments and kudos: what they store, and the lists that they request."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest

from strava_backup.backup import tasks
from strava_backup.demo.activity import Activity
from strava_backup.demo.comments import comment_records, kudos_records
from strava_backup.demo.limits import RateLimits
from strava_backup.verify import verify
from tests.conftest import DAY, Rig
from tests.expected import assert_complete, own_key, stem_of
from tests.faults import Fault

RIDE = 16_600_000_000  # has two comments and three kudos
GYM = 13_000_000_001  # has kudos only
DIARY = 13_000_000_002  # has neither
ALL = [RIDE, GYM, DIARY]


@pytest.fixture
def rig(rig: Rig) -> Rig:
    """The sample account with three activities, without photos and gear."""
    rig.keep_only(ALL)
    rig.account.edit(DIARY, kudos_count=0)
    return rig


def activity(rig: Rig, activity_id: int = RIDE) -> Activity:
    found = rig.account.activity(activity_id)
    assert found
    return found


def path(rig: Rig, activity_id: int = RIDE) -> str:
    return f"{stem_of(activity(rig, activity_id))}.comments.json"


def stored(rig: Rig, activity_id: int = RIDE) -> Any:
    return json.loads(rig.files()[path(rig, activity_id)])


def asked(rig: Rig) -> list[tuple[str, Any]]:
    return [(one.kind, one.id) for one in rig.account.requests if one.kind in ("comments", "kudos")]


def test_comments_and_kudos_are_stored_with_their_counts(rig: Rig) -> None:
    report = rig.run(comments=True)
    assert report.exit_code == 0
    assert stored(rig) == {
        "comments": comment_records(activity(rig)),
        "kudos": kudos_records(activity(rig)),
        "strava_backup": {
            "comment_count": 2,
            "kudos_count": 3,
            "fetched_at": "2026-11-22T10:00:00Z",
        },
    }
    assert stored(rig, GYM)["comments"] == []
    assert len(stored(rig, GYM)["kudos"]) == 3
    assert report.saved["comments"] == 2
    assert "2 comment lists" in report.lines()[0]
    assert_complete(rig.account, rig.files())


def test_the_file_has_the_form_of_metadata_and_no_checksum(rig: Rig) -> None:
    rig.run(comments=True)
    content = rig.files()[path(rig)]
    text = json.dumps(stored(rig), ensure_ascii=False, sort_keys=True, indent=2)
    assert content.decode() == text + "\n"
    assert b"comments.json" not in rig.files()["SHA256SUMS"]


def test_an_activity_without_comments_and_kudos_costs_no_request(rig: Rig) -> None:
    rig.run(comments=True)
    assert sorted(asked(rig)) == [("comments", RIDE), ("kudos", GYM), ("kudos", RIDE)]
    assert path(rig, DIARY) not in rig.files()


@pytest.mark.parametrize("options", [{}, {"comments": True, "details": False}])
def test_a_run_without_the_option_or_without_metadata_requests_none(
    rig: Rig, options: dict[str, bool]
) -> None:
    rig.run(**options)
    assert asked(rig) == []


def test_details_come_before_all_comments(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    # The order of requests in flight at once is a matter of chance.
    monkeypatch.setattr(tasks, "_IN_FLIGHT", 1)
    rig.run(comments=True)
    kinds = [kind for kind in rig.asked if kind in ("detail", "comments", "kudos")]
    assert kinds[:3] == ["detail"] * 3


def test_a_second_run_requests_nothing_and_changes_nothing(rig: Rig) -> None:
    rig.run(comments=True)
    before = rig.files()
    rig.clock.now += DAY
    report = rig.run(comments=True)
    assert asked(rig) == []
    assert "3 complete here" in report.lines()[0]
    assert {**before, ".strava-backup.json": b""} == {**rig.files(), ".strava-backup.json": b""}


def test_a_changed_count_fetches_both_lists_and_keeps_the_old_file(rig: Rig) -> None:
    rig.run(comments=True)
    before = rig.files()[path(rig)]
    rig.account.edit(RIDE, kudos_count=4)
    rig.clock.now += DAY
    rig.run(comments=True)
    assert asked(rig) == [("comments", RIDE), ("kudos", RIDE)]
    assert len(stored(rig)["kudos"]) == 4
    assert rig.files()[f"history/{path(rig)}.2026-11-23T10-00-00Z.json"] == before


def test_comments_that_are_all_gone_leave_empty_lists_and_the_old_file(rig: Rig) -> None:
    rig.run(comments=True)
    rig.account.edit(RIDE, kudos_count=0, comment_count=0)
    rig.run(comments=True)
    assert asked(rig) == []
    assert (stored(rig)["comments"], stored(rig)["kudos"]) == ([], [])
    assert len([one for one in rig.files() if one.startswith("history/")]) == 1


def test_long_lists_are_read_to_their_end(rig: Rig) -> None:
    rig.account.edit(RIDE, comment_count=430, kudos_count=401)
    rig.run(comments=True)
    assert stored(rig)["comments"] == comment_records(activity(rig))
    assert stored(rig)["kudos"] == kudos_records(activity(rig))
    assert [kind for kind, one in asked(rig) if one == RIDE] == ["comments"] * 3 + ["kudos"] * 3


def test_full_fetches_all_comments_again_without_a_new_file(rig: Rig) -> None:
    rig.run(comments=True)
    before = rig.files()
    rig.run(comments=True, full=True)
    assert len(asked(rig)) == 3
    assert rig.files()[path(rig)] == before[path(rig)]


def test_a_missing_or_unreadable_file_is_fetched_again(rig: Rig) -> None:
    rig.run(comments=True)
    (rig.root / path(rig)).unlink()
    (rig.root / path(rig, GYM)).write_bytes(b"[")
    assert rig.run(comments=True).exit_code == 0
    assert len(asked(rig)) == 3
    assert stored(rig)["kudos"] == kudos_records(activity(rig))
    assert [data for one, data in rig.files().items() if one.startswith("history/")] == [b"["]


def test_a_folder_in_place_of_the_file_is_the_failure_of_this_item_only(rig: Rig) -> None:
    (rig.root / path(rig)).mkdir(parents=True)
    report = rig.run(comments=True)
    assert report.exit_code == 3
    (failure,) = report.failures
    assert failure.what.endswith("comments")
    (rig.root / path(rig)).rmdir()
    assert rig.run(comments=True).exit_code == 0
    assert len(stored(rig)["comments"]) == 2


def test_refused_comments_are_not_available_from_the_third_day(rig: Rig) -> None:
    rig.account.faults.append(Fault("comments", "404", id=RIDE))
    reports = []
    for _ in range(4):
        reports.append(rig.run(comments=True))
        rig.clock.now += DAY
    assert [report.exit_code for report in reports] == [3, 3, 0, 0]
    assert asked(rig) == []
    assert own_key(rig.files(), activity(rig))["refused"]["comments"]["why"] == "404"
    assert path(rig) not in rig.files()


def test_a_refusal_counts_if_stored_comments_are_still_served(rig: Rig) -> None:
    rig.run(comments=True)
    rig.account.edit(GYM, kudos_count=4)
    rig.account.faults.append(Fault("kudos", "404", id=GYM))
    assert rig.run(comments=True).exit_code == 3
    assert ("kudos", RIDE) in asked(rig)
    assert len(stored(rig, GYM)["kudos"]) == 3
    rig.account.faults.clear()
    rig.run(comments=True)
    assert "refused" not in own_key(rig.files(), activity(rig, GYM))


@pytest.mark.parametrize("body", [b"{}", b"null", b'"x"', b"[" * 300, b"\xff", b"<html>"])
def test_an_answer_that_is_no_list_is_the_failure_of_one_item(rig: Rig, body: bytes) -> None:
    rig.account.faults.append(Fault("comments", "other-body", id=RIDE, body=body))
    report = rig.run(comments=True)
    assert report.exit_code == 3
    assert not report.has_bug
    assert path(rig) not in rig.files()
    assert path(rig, GYM) in rig.files()


def test_a_budget_that_ends_among_the_comments_is_continued_by_the_next_run(rig: Rig) -> None:
    rig.run()
    # The athlete and two pages of the list, and then one of the three requests for comments.
    rig.account.limits = RateLimits(1000, 4)
    rig.account.end_access_tokens()
    report = rig.run(comments=True)
    assert report.exit_code == 5
    assert report.left["comments"] >= 1
    saved = [one for one in rig.files() if one.endswith(".comments.json")]
    assert len(saved) < 2
    rig.account.limits = RateLimits(1000, 10_000)
    rig.clock.now += DAY
    assert rig.run(comments=True).exit_code == 0
    assert stored(rig)["comments"] == comment_records(activity(rig))
    assert_complete(rig.account, rig.files())


def test_a_run_that_dies_before_a_rename_is_continued_by_the_next(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.replace

    def die(source: str, target: str, **options: Any) -> None:
        if str(target).endswith(".comments.json"):
            raise KeyboardInterrupt
        rename(source, target, **options)

    with monkeypatch.context() as dying:
        dying.setattr(os, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            rig.run(comments=True)
    assert path(rig) not in rig.files()
    assert rig.run(comments=True).exit_code == 0
    assert stored(rig)["comments"] == comment_records(activity(rig))


def test_a_partial_file_of_a_run_that_died_is_removed(rig: Rig) -> None:
    rig.run(comments=True)
    whole = rig.root / path(rig)
    leftover = whole.with_name(f".{whole.name}.part")
    leftover.write_bytes(b'{"comm')
    older = rig.root / f"history/{path(rig)}.2026-11-23T10-00-00Z.json"
    older.parent.mkdir(parents=True)
    in_history = older.with_name(f".{older.name}.part")
    in_history.write_bytes(b"{")
    rig.run(comments=True)
    assert not leftover.exists()
    assert not in_history.exists()
    assert whole.exists()


def test_the_website_as_source_says_that_comments_need_the_api(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    rig.config = replace(rig.config, api=None)
    assert rig.run(comments=True).exit_code == 0
    assert caplog.text.count("comments and kudos are not fetched: only the API has them") == 1
    assert asked(rig) == []


def test_a_dry_run_lists_the_comments_and_requests_none(rig: Rig) -> None:
    rig.run()
    report = rig.run(comments=True, dry_run=True)
    assert asked(rig) == []
    assert [line.rpartition(": ")[2] for line in rig.printed] == ["comments", "comments"]
    assert "would fetch 2 comment lists" in report.lines()[0]


def test_a_limited_run_requests_the_comments_of_no_more_activities(rig: Rig) -> None:
    rig.run()
    rig.run(comments=True, limit=1)
    assert {one for _, one in asked(rig)} == {RIDE}


@pytest.mark.parametrize("counts", [{"comment_count": None}, {"kudos_count": "9"}, {}, {"x": -1}])
def test_counts_of_a_wrong_type_count_as_none(rig: Rig, counts: dict[str, Any]) -> None:
    rig.account.edit(RIDE, comment_count=0, kudos_count=0)
    body = json.dumps([{**activity(rig).summary(), **counts}]).encode()
    rig.account.faults.append(Fault("list", "other-body", id=1, body=body))
    assert rig.run(comments=True).exit_code == 0
    assert asked(rig) == []


def test_comments_are_no_original_of_an_activity_without_one(rig: Rig) -> None:
    rig.run(comments=True)
    original = activity(rig)
    (rig.root / f"{stem_of(original)}.fit").unlink()
    rig.run(comments=True)
    assert rig.asked_for("original") == [RIDE]
    assert_complete(rig.account, rig.files())


def test_verify_checks_that_comments_are_readable_and_repairs_them(rig: Rig) -> None:
    rig.run(comments=True)
    lines: list[str] = []
    assert verify(rig.root, lines.append) == 0
    assert lines == ["checked 4 files and 8 metadata files: no damage"]
    (rig.root / path(rig)).write_bytes(b'{"comments": [')
    lines.clear()
    assert verify(rig.root, lines.append, repairs=True) == 6
    assert lines[0].startswith(f"damaged: {path(rig)}: unreadable comments; moved to damaged/")
    assert own_key(rig.files(), activity(rig))["original"]["file"].endswith(f"{RIDE}.fit")
    assert rig.run(comments=True).exit_code == 0
    assert rig.asked_for("original") == []
    assert stored(rig)["comments"] == comment_records(activity(rig))


@pytest.mark.parametrize(
    ("what", "code"), [("401", 4), ("404", 3), ("429", 5), ("truncated", 3), ("html", 3)]
)
def test_faults_of_all_comments_end_with_the_right_code(rig: Rig, what: str, code: int) -> None:
    rig.account.faults.append(Fault("comments", what))
    report = rig.run(comments=True)
    assert (report.exit_code, report.has_bug) == (code, False)
    assert path(rig) not in rig.files()
    assert_complete(rig.account, rig.files())
