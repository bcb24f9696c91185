"""Runs with one activity's items: the archive that they leave, and the requests that they make."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from strava_backup.backup import pipeline, tasks
from strava_backup.demo.activity import Activity
from strava_backup.demo.photos import photo_of
from strava_backup.demo.samples import fit_activity, json_activity
from tests.conftest import DAY, NOW, Rig
from tests.expected import assert_complete, own_key, stem_of, stored_originals
from tests.faults import Fault

FIT, JSON, NO_GPX = 3, 2, 1


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """Three activities: a FIT with two photos, a JSON, and a JSON without a GPX."""
    rig = make_rig(0)
    rig.account.gear.clear()
    ride = fit_activity(FIT, NOW.replace(day=20), "Ride")
    ride.photos += [photo_of(ride.detail, 1), photo_of(ride.detail, 2)]
    rig.account.add(ride)
    rig.account.add(json_activity(JSON, NOW.replace(day=19), "First phone"))
    rig.account.add(json_activity(NO_GPX, NOW.replace(day=18), "No signal", with_gpx=False))
    return rig


def activity(rig: Rig, activity_id: int) -> Activity:
    found = rig.account.activity(activity_id)
    assert found
    return found


def asked(rig: Rig, activity_id: int) -> list[str]:
    """Return the kinds of the last run's requests for one activity and its pictures."""
    names = {activity_id, *(photo.unique_id for photo in activity(rig, activity_id).photos)}
    kinds = ("original", "gpx", "detail", "photos", "photo")
    return [one.kind for one in rig.account.requests if one.kind in kinds and one.id in names]


def record(rig: Rig, activity_id: int) -> dict[str, Any]:
    path = f"{stem_of(activity(rig, activity_id))}.meta.json"
    found: dict[str, Any] = json.loads(rig.files()[path])
    return found


def own(rig: Rig, activity_id: int) -> dict[str, Any]:
    return own_key(rig.files(), activity(rig, activity_id))


def history(rig: Rig) -> list[str]:
    return [path for path in rig.files() if path.startswith("history/")]


# Order


def test_each_item_of_an_activity_is_requested_once(rig: Rig) -> None:
    assert rig.run().exit_code == 0
    assert sorted(asked(rig, FIT)) == ["detail", "original", "photo", "photo", "photos"]
    assert sorted(asked(rig, JSON)) == ["detail", "gpx", "original"]
    assert_complete(rig.account, rig.files())


def test_the_newest_activities_come_first(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    # More threads may overtake each other.
    monkeypatch.setattr(pipeline, "_WRITERS", 1)
    monkeypatch.setattr(tasks, "_IN_FLIGHT", 1)
    rig = make_rig(15)
    assert rig.run().exit_code == 0
    newest_first = [one.id for one in rig.account.activities]
    with_original = [one.id for one in rig.account.activities if one.original is not None]
    assert rig.asked_for("detail") == newest_first
    assert rig.asked_for("original") == with_original


def test_fetched_items_are_logged_in_one_line_per_activity(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="strava_backup")
    rig.run()
    lines = [
        one.getMessage() for one in caplog.records if one.getMessage().startswith("2026-11-20")
    ]
    assert len(lines) == 1
    assert lines[0].startswith(f"2026-11-20 {FIT} Ride: .fit ")
    assert "metadata" in lines[0]
    assert "photo" in lines[0]


# Items


def test_a_record_contains_the_detail_and_notes_on_all_items(rig: Rig) -> None:
    rig.run()
    ride = activity(rig, FIT)
    kept = record(rig, FIT)
    noted = kept.pop("strava_backup")
    assert kept == ride.detail
    assert noted["original"] == {
        "name": "Ride.fit",
        "file": f"{stem_of(ride).rpartition('/')[2]}.fit",
        "saved_at": "2026-11-22T10:00:00Z",
    }
    assert noted["photos"] == {"count": 2}
    assert noted["listed"]["api"]["total_photo_count"] == 2
    assert noted["source"] == "api"
    assert history(rig) == []


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (kind, what)
        for kind in ("original", "detail", "photos")
        for what in ("404", "500", "html", "empty", "truncated", "dropped")
        # The refused list is the only one: see below.
        if (kind, what) != ("photos", "404")
    ],
)
@pytest.mark.every(3)
def test_a_failed_item_delays_no_other_and_the_next_run_requests_only_that(
    rig: Rig, kind: str, what: str
) -> None:
    rig.account.faults.append(Fault(kind, what, id=FIT))
    report = rig.run()
    assert report.exit_code == 3
    (failure,) = report.failures
    assert failure.what.startswith(f"activity {FIT} Ride, ")
    expected = {"original", "photos", "photo", "detail"} - (
        {"photo"} if kind == "photos" else set()
    )
    assert set(asked(rig, FIT)) == expected

    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert asked(rig, FIT) == ([kind, "photo", "photo"] if kind == "photos" else [kind])
    assert_complete(rig.account, rig.files())
    assert "refused" not in own(rig, FIT)


@pytest.mark.parametrize("detail", [{"id": JSON}, {}, [], None, {"id": str(FIT)}])
def test_a_detail_of_another_object_is_refused(rig: Rig, detail: Any) -> None:
    rig.account.faults.append(
        Fault("detail", "other-body", id=FIT, body=json.dumps(detail).encode())
    )
    assert rig.run().exit_code == 3
    assert record(rig, FIT)["resource_state"] == 2
    assert record(rig, FIT)["id"] == FIT


@pytest.mark.parametrize("kind", ["original", "detail", "photos"])
def test_a_refusal_for_all_activities_is_recorded_for_none(rig: Rig, kind: str) -> None:
    rig.account.faults.append(Fault(kind, "404"))
    for _ in range(5):
        report = rig.run()
        assert report.exit_code == 5
        assert report.failures == []
        assert "refused every item of a kind" in str(report.fatal)
        assert report.completeness is not None
        assert FIT in report.completeness.missing
        assert "refused" not in own(rig, FIT)
        rig.clock.now += DAY
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_a_detail_with_fewer_fields_than_its_summary_is_not_saved(rig: Rig) -> None:
    rig.run()
    before = rig.files()
    poor = json.dumps({"id": FIT, "resource_state": 3}).encode()
    rig.account.faults.append(Fault("detail", "other-body", id=FIT, body=poor))
    report = rig.run(full=True)
    assert report.exit_code == 3
    assert "lacks fields that its list has: name" in report.failures[0].why
    stem = stem_of(activity(rig, FIT))
    assert rig.files()[f"{stem}.meta.json"] == before[f"{stem}.meta.json"]


def test_a_detail_whose_lists_came_back_empty_goes_to_history(rig: Rig) -> None:
    efforts = [{"id": number, "name": "Climb"} for number in range(30)]
    rig.account.edit(FIT, segment_efforts=efforts)
    rig.run()
    rig.account.edit(FIT, segment_efforts=[])
    assert rig.run(full=True).exit_code == 0
    (kept,) = history(rig)
    assert json.loads(rig.files()[kept])["segment_efforts"] == efforts


def test_unavailable_items_are_requested_again_with_full_only(rig: Rig) -> None:
    for kind in ("original", "detail"):
        rig.account.faults.append(Fault(kind, "404", id=FIT))
    for _ in range(3):
        report = rig.run()
        rig.clock.now += DAY
    assert report.exit_code == 0
    assert len(report.not_available) == 2
    rig.run()
    assert asked(rig, FIT) == []
    rig.account.faults.clear()
    assert rig.run(full=True).exit_code == 0
    assert_complete(rig.account, rig.files())


# GPX for a JSON original


def test_a_json_original_gets_its_gpx_at_once(rig: Rig) -> None:
    rig.run()
    one = activity(rig, JSON)
    assert rig.files()[f"{stem_of(one)}.json"] == one.original
    assert rig.files()[f"{stem_of(one)}.gpx"] == one.gpx


def test_a_gpx_that_does_not_exist_is_no_failure_and_requested_again_with_full_only(
    rig: Rig,
) -> None:
    assert rig.run().exit_code == 0
    assert own(rig, NO_GPX)["original"]["no_gpx"] == "redirect to the dashboard"
    assert rig.run().exit_code == 0
    assert asked(rig, NO_GPX) == []
    activity(rig, NO_GPX).gpx = activity(rig, JSON).gpx
    assert rig.run(full=True).exit_code == 0
    assert sorted(asked(rig, NO_GPX)) == ["detail", "gpx"]
    assert_complete(rig.account, rig.files())


def test_another_file_in_place_of_the_gpx_is_refused(rig: Rig) -> None:
    one = activity(rig, JSON)
    right_gpx, one.gpx = one.gpx, activity(rig, FIT).original
    report = rig.run()
    assert report.exit_code == 3
    assert "in place of .gpx" in report.failures[0].why
    assert not [path for path in rig.files() if path.endswith((f"{JSON}.gpx", f"{JSON}.fit"))]
    one.gpx = right_gpx
    assert rig.run().exit_code == 0
    assert asked(rig, JSON) == ["gpx"]
    assert_complete(rig.account, rig.files())


def test_a_blocked_gpx_is_a_failure_and_unavailable_after_three_days(rig: Rig) -> None:
    rig.account.faults.append(Fault("gpx", "403", id=JSON))
    codes = []
    for _ in range(4):
        codes.append(rig.run().exit_code)
        rig.clock.now += DAY
    assert codes == [3, 3, 0, 0]
    assert asked(rig, JSON) == []
    assert "no_gpx" not in own(rig, JSON)["original"]
    rig.account.faults.clear()
    rig.run(full=True)
    assert_complete(rig.account, rig.files())
    assert "refused" not in own(rig, JSON)


# Changes


def test_an_activity_that_is_moved_keeps_the_name_of_its_files(rig: Rig) -> None:
    rig.run()
    before = stored_originals(rig.files())
    stem = stem_of(activity(rig, FIT))
    rig.account.edit(
        FIT, start_date="2026-11-19T12:00:00Z", start_date_local="2026-11-19T13:00:00Z"
    )
    assert rig.run().exit_code == 0
    assert asked(rig, FIT) == ["detail"]
    assert stored_originals(rig.files()) == before
    moved = json.loads(rig.files()[f"{stem}.meta.json"])
    assert moved["start_date"] == "2026-11-19T12:00:00Z"
    assert len(history(rig)) == 1


def test_actions_of_others_make_no_history_even_with_full(rig: Rig) -> None:
    rig.run()
    rig.account.edit(FIT, kudos_count=12, comment_count=3, has_kudoed=True, segment_efforts=[])
    rig.account.edit(FIT, best_efforts=[{"pr_rank": 2}])
    assert rig.run(full=True).exit_code == 0
    assert record(rig, FIT)["kudos_count"] == 12
    assert history(rig) == []


def test_an_edit_that_only_the_detail_shows_is_saved_with_full_and_makes_history(rig: Rig) -> None:
    rig.run()
    rig.account.edit(FIT, description="Two coffees")
    rig.run()
    assert "detail" not in rig.asked
    rig.account.edit(FIT, perceived_exertion=7, calories=1.0)
    rig.run(full=True)
    assert record(rig, FIT)["description"] == "Two coffees"
    assert len(history(rig)) == 1


def test_an_edit_keeps_the_notes_on_original_and_photos(rig: Rig) -> None:
    rig.run()
    before = own(rig, FIT)
    rig.account.edit(FIT, name="Better", sport_type="GravelRide")
    assert rig.run().exit_code == 0
    assert asked(rig, FIT) == ["detail"]
    after = own(rig, FIT)
    assert (after["original"], after["photos"]) == (before["original"], before["photos"])
    assert after["listed"]["api"]["sport_type"] == "GravelRide"


# Items that are not requested


def test_without_a_user_section_everything_except_originals_is_saved(rig: Rig) -> None:
    user = rig.config.user
    rig.config = replace(rig.config, user=None)
    assert rig.run().exit_code == 0
    assert sorted(asked(rig, FIT)) == ["detail", "photo", "photo", "photos"]
    rig.config = replace(rig.config, user=user)
    assert rig.run().exit_code == 0
    assert asked(rig, FIT) == ["original"]
    assert asked(rig, JSON) == ["original", "gpx"]
    assert_complete(rig.account, rig.files())


def test_an_original_that_vanished_from_the_archive_is_fetched_again(rig: Rig) -> None:
    rig.run()
    one = activity(rig, FIT)
    (rig.root / f"{stem_of(one)}.fit").unlink()
    assert rig.run().exit_code == 0
    assert asked(rig, FIT) == ["original"]
    assert_complete(rig.account, rig.files())


def test_metadata_that_vanished_from_the_archive_is_fetched_again(rig: Rig) -> None:
    rig.run()
    one = activity(rig, FIT)
    (rig.root / f"{stem_of(one)}.meta.json").unlink()
    assert rig.run().exit_code == 0
    # Its pictures are stored.
    assert sorted(asked(rig, FIT)) == ["detail", "photos"]
    assert record(rig, FIT)["name"] == "Ride"
