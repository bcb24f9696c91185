"""Runs that fetch private notes: what they store, and the edit pages that they request."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from strava_backup.demo.activity import Activity
from strava_backup.records import merge
from tests.conftest import DAY, Rig
from tests.expected import assert_complete, own_key, stem_of
from tests.faults import Fault

RIDE = 16_600_000_000  # has a note and a perceived exertion
GYM = 13_000_000_001  # has a note
DIARY = 13_000_000_002  # has neither
ALL = [RIDE, GYM, DIARY]


@pytest.fixture
def rig(rig: Rig) -> Rig:
    """The sample account with three activities, without photos and gear."""
    rig.keep_only(ALL)
    return rig


@pytest.fixture
def web_rig(rig: Rig) -> Rig:
    rig.config = replace(rig.config, api=None)
    return rig


def activity(rig: Rig, activity_id: int = RIDE) -> Activity:
    found = rig.account.activity(activity_id)
    assert found
    return found


def own(rig: Rig, activity_id: int = RIDE) -> dict[str, Any]:
    return own_key(rig.files(), activity(rig, activity_id))


def history(rig: Rig) -> list[dict[str, Any]]:
    """Return the records in history/, oldest first."""
    return [json.loads(data) for path, data in rig.files().items() if path.startswith("history/")]


def test_notes_and_exertion_are_stored_under_our_key(rig: Rig) -> None:
    report = rig.run(private_notes=True)
    assert report.exit_code == 0
    assert own(rig)["website"] == {
        "private_note": "Left knee again: saddle 5 mm up?",
        "perceived_exertion": 7.0,
    }
    assert own(rig)["private_note_at"] == "2026-11-22T10:00:00Z"
    assert own(rig, DIARY)["website"] == {"private_note": "", "perceived_exertion": None}
    assert_complete(rig.account, rig.files())


def test_only_notes_that_are_not_empty_count_as_saved(rig: Rig) -> None:
    report = rig.run(private_notes=True)
    assert report.saved["private note"] == 2
    assert "2 private notes" in report.lines()[0]


def test_a_run_without_the_option_requests_no_edit_page(rig: Rig) -> None:
    rig.run()
    assert "edit" not in rig.asked


def test_a_run_without_metadata_requests_no_edit_page(rig: Rig) -> None:
    rig.run(private_notes=True, details=False)
    assert "edit" not in rig.asked


def test_originals_come_before_all_notes(web_rig: Rig) -> None:
    web_rig.run(private_notes=True)
    kinds = [kind for kind in web_rig.asked if kind in ("original", "edit")]
    assert kinds == sorted(kinds, reverse=True)
    assert kinds.count("edit") == 3


def test_a_second_run_requests_no_edit_page_and_changes_nothing(rig: Rig) -> None:
    rig.run(private_notes=True)
    before = rig.files()
    rig.clock.now += DAY
    assert rig.run(private_notes=True).exit_code == 0
    assert "edit" not in rig.asked
    assert {**before, ".strava-backup.json": b""} == {**rig.files(), ".strava-backup.json": b""}


@pytest.mark.parametrize("source", ["api", "website"])
def test_an_edited_activity_is_asked_for_its_note_again(rig: Rig, source: str) -> None:
    rig.config = replace(rig.config, source=source)
    rig.run(private_notes=True)
    activity(rig).private_note = "Knee is fine."
    rig.account.edit(RIDE, name="Renamed")
    report = rig.run(private_notes=True)
    assert report.exit_code == 0
    assert rig.asked_for("edit") == [RIDE]
    assert own(rig)["website"]["private_note"] == "Knee is fine."


def test_a_changed_note_keeps_its_old_text_in_the_history(rig: Rig) -> None:
    rig.run(private_notes=True)
    activity(rig).private_note = ""
    rig.run(private_notes=True, full=True)
    (old,) = history(rig)
    assert old["strava_backup"]["website"]["private_note"] == "Left knee again: saddle 5 mm up?"
    assert own(rig)["website"]["private_note"] == ""


def test_a_first_note_makes_no_history(rig: Rig) -> None:
    rig.run()
    rig.run(private_notes=True)
    assert own(rig)["website"]["private_note"]
    assert history(rig) == []


def test_a_run_without_the_option_keeps_the_note_of_an_edited_activity(web_rig: Rig) -> None:
    web_rig.run(private_notes=True)
    web_rig.account.edit(RIDE, name="Renamed")
    web_rig.run()
    website = own(web_rig)["website"]
    assert website["name"] == "Renamed"
    assert website["private_note"] == "Left knee again: saddle 5 mm up?"
    web_rig.run(private_notes=True)
    assert web_rig.asked_for("edit") == [RIDE]


def test_a_note_in_the_apis_detail_stays(rig: Rig) -> None:
    activity(rig).detail["private_note"] = "by the API"
    rig.run(private_notes=True)
    record = json.loads(rig.files()[f"{stem_of(activity(rig))}.meta.json"])
    assert record["private_note"] == "by the API"


def test_an_activity_that_the_websites_list_leaves_out_is_asked_for_its_note(web_rig: Rig) -> None:
    web_rig.run()
    web_rig.clock.now += DAY
    assert web_rig.run(private_notes=True).exit_code == 0
    assert sorted(web_rig.asked_for("edit")) == sorted(ALL)


def test_a_refused_page_is_not_available_from_the_third_day(rig: Rig) -> None:
    rig.account.faults.append(Fault("edit", "404", id=GYM))
    reports = []
    for _ in range(4):
        reports.append(rig.run(private_notes=True))
        rig.clock.now += DAY
    assert [report.exit_code for report in reports] == [3, 3, 0, 0]
    assert "edit" not in rig.asked
    assert own(rig, GYM)["refused"]["private note"]["why"] == "404"
    assert "website" not in own(rig, GYM)


def test_a_refusal_counts_if_the_note_of_another_activity_is_still_served(rig: Rig) -> None:
    rig.run(private_notes=True)
    rig.account.edit(GYM, name="Renamed")
    rig.account.faults.append(Fault("edit", "redirect-dashboard", id=GYM))
    assert rig.run(private_notes=True).exit_code == 3
    assert rig.asked_for("edit") == [GYM, RIDE]
    assert own(rig, GYM)["refused"]["private note"]["why"] == "redirect to the dashboard"
    assert own(rig, GYM)["website"]["private_note"]


def test_a_refusal_of_all_pages_is_recorded_for_none(rig: Rig) -> None:
    rig.account.faults.append(Fault("edit", "redirect-activity"))
    report = rig.run(private_notes=True)
    assert report.exit_code == 5
    assert "3 private notes" in report.problem_lines()[0]
    assert "refused" not in own(rig)


def test_a_page_without_the_form_is_a_failure_and_stores_nothing(rig: Rig) -> None:
    rig.account.faults.append(Fault("edit", "html", id=RIDE))
    report = rig.run(private_notes=True)
    assert report.exit_code == 3
    (failure,) = report.failures
    assert failure.what.endswith("private note")
    assert "no field for the private note" in failure.why
    assert not {"website", "private_note_at", "refused"} & own(rig).keys()
    rig.account.faults.clear()
    assert rig.run(private_notes=True).exit_code == 0
    assert rig.asked_for("edit") == [RIDE]


def test_without_a_web_session_notes_are_not_requested_which_is_said_once(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    rig.config = replace(rig.config, user=None)
    assert rig.run(private_notes=True).exit_code == 0
    assert caplog.text.count("bike components and private notes are not fetched") == 1


def test_a_dry_run_lists_the_notes_and_requests_none(rig: Rig) -> None:
    rig.run()
    report = rig.run(private_notes=True, dry_run=True)
    assert "edit" not in rig.asked
    assert rig.printed[0] == "2026-11-14 16600000000 Through the Höllental 🚴♀️🌲: private note"
    assert "would fetch 3 private notes" in report.lines()[0]


def test_a_limited_run_requests_no_more_notes(rig: Rig) -> None:
    rig.run()
    rig.run(private_notes=True, limit=2)
    assert len(rig.asked_for("edit")) == 2


def test_a_run_that_dies_before_it_saves_a_note_is_continued_by_the_next(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(merge, "with_private_note", die)
        with pytest.raises(KeyboardInterrupt):
            rig.run(private_notes=True)
    assert rig.run(private_notes=True).exit_code == 0
    assert own(rig)["website"]["private_note"] == "Left knee again: saddle 5 mm up?"
    assert_complete(rig.account, rig.files())


@pytest.mark.parametrize(
    ("what", "code"), [("401", 5), ("429", 5), ("503", 5), ("truncated", 5), ("html", 3)]
)
def test_faults_of_all_edit_pages_end_with_the_right_code(rig: Rig, what: str, code: int) -> None:
    rig.account.faults.append(Fault("edit", what))
    report = rig.run(private_notes=True)
    assert (report.exit_code, report.has_bug) == (code, False)
    assert "private_note_at" not in own(rig)
    assert_complete(rig.account, rig.files())
