"""Activities that are marked as deleted or not, and the messages about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from strava_backup import verify
from tests.conftest import DAY, Rig
from tests.expected import stem_of, stored_metadata
from tests.faults import Fault

MakeRig = Callable[..., Rig]


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    """Sixty activities, all of them stored; three of them are private."""
    rig = make_rig(60, shares_first_run=True)
    assert rig.run().exit_code == 0
    return rig


def marked(rig: Rig) -> set[int]:
    """Return the ids of the activities that are marked."""
    paths = (rig.root / "activities").rglob("*.meta.json")
    return {
        int(path.name.split("_")[1].split(".")[0])
        for path in paths
        if "gone_since" in json.loads(path.read_bytes())["strava_backup"]
    }


def remove(rig: Rig, count: int) -> set[int]:
    """Delete the last activities of the list."""
    ids = {one.id for one in rig.account.activities[-count:]}
    for activity_id in ids:
        rig.account.remove(activity_id)
    return ids


def lose_the_scope(rig: Rig) -> None:
    rig.account.scopes -= {"activity:read_all"}
    rig.account.scopes |= {"activity:read"}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    own = (one for one in caplog.records if one.name.startswith("strava_backup"))
    return [one.getMessage() for one in own if one.levelname == "WARNING"]


def marker(rig: Rig) -> dict[str, object]:
    found: dict[str, object] = json.loads(rig.files()[".strava-backup.json"])
    return found


def test_a_private_activity_that_the_scope_hides_is_not_marked(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    lose_the_scope(rig)
    for _ in range(2):
        caplog.clear()
        rig.clock.now += DAY
        report = rig.run()
        assert report.exit_code == 0
        assert report.gone == 0
        assert marked(rig) == set()
        assert warnings(caplog) == [
            "the website counts 60 activities, but the API lists 57: most likely [api] "
            "refresh_token lacks the scope activity:read_all, without which private activities "
            "are not listed (run strava-backup --authorize and leave everything ticked)"
        ]


def test_a_missing_scope_is_reported_by_the_first_run(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(10)
    lose_the_scope(rig)
    assert str(rig.run().completeness) == "9 on Strava: 9 complete here"
    assert "the website counts 10 activities, but the API lists 9" in caplog.text
    assert rig.asked.count("web-list") == 1


def test_the_website_is_asked_for_its_total_once_in_thirty_days(make_rig: MakeRig) -> None:
    rig = make_rig(5)
    rig.run(photos=False, gear=False)
    counted = []
    start = rig.clock.now
    for day in (1, 15, 29, 30, 31, 32, 45, 60, 61, 62, 63):
        rig.clock.now = start + day * DAY
        rig.renew_session()
        rig.run(photos=False, gear=False)
        counted += [day] * rig.asked.count("web-list")
    assert counted == [31, 62]


def test_a_total_that_was_always_higher_does_not_prevent_marks(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(5)
    rig.account.web_total_extra = 2
    rig.run()
    caplog.clear()
    ids = remove(rig, 1)
    assert rig.run().gone == 1
    assert marked(rig) == ids
    caplog.clear()
    rig.run()
    assert "web-list" not in rig.asked
    assert warnings(caplog) == []


@pytest.mark.parametrize("what", ["500", "429", "html", "other-body"])
def test_an_unavailable_total_is_requested_again_and_is_no_failure(
    make_rig: MakeRig, what: str
) -> None:
    rig = make_rig(5)
    rig.account.faults.append(Fault("web-list", what))
    assert rig.run().exit_code == 0
    assert marker(rig)["last_count"] is None
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert marker(rig)["last_count"] is not None


def test_a_session_that_ends_before_the_total_is_reported(make_rig: MakeRig) -> None:
    rig = make_rig(5)
    rig.run()
    remove(rig, 1)
    rig.account.faults.append(Fault("web-list", "401"))
    assert rig.run().exit_code == 4


@pytest.mark.parametrize(
    ("count", "is_marked", "source"),
    [
        *((3, True, "api"), (4, False, "api"), (3, True, "website"), (21, False, "website")),
        pytest.param(21, False, "api", marks=pytest.mark.thorough),
        pytest.param(4, False, "website", marks=pytest.mark.thorough),
    ],
)
def test_too_many_at_once_are_a_warning_and_no_marks(
    rig: Rig, caplog: pytest.LogCaptureFixture, count: int, is_marked: bool, source: str
) -> None:
    rig.config = replace(rig.config, source=source)
    rig.run()
    caplog.clear()
    ids = remove(rig, count)
    before = rig.files()
    report = rig.run(photos=False)
    assert report.exit_code == 0
    assert marked(rig) == (ids if is_marked else set())
    if is_marked:
        assert warnings(caplog) == []
        return
    assert f"Strava no longer lists {count} activities of the archive" in caplog.text
    assert "another account" in caplog.text
    assert ("scope activity:read_all" in caplog.text) == (source == "api")
    assert stored_metadata(rig.files(), "activities") == stored_metadata(before, "activities")
    assert str(report.completeness) == f"{60 - count} on Strava: {60 - count} complete here"
    assert str(rig.run(photos=False).completeness).startswith(f"{60 - count} on Strava: ")


@pytest.mark.parametrize("source", ["api", "website"])
def test_with_full_any_number_of_deletions_is_marked(rig: Rig, source: str) -> None:
    rig.config = replace(rig.config, source=source)
    rig.run()
    ids = remove(rig, 21)
    rig.run()
    assert rig.run(full=True).gone == 21
    assert marked(rig) == ids


def test_more_at_once_are_marked_in_a_larger_archive(make_rig: MakeRig) -> None:
    rig = make_rig(100)
    rig.run(photos=False, details=False)
    ids = remove(rig, 5)
    rig.run(photos=False, details=False)
    assert marked(rig) == ids


def test_a_single_one_is_marked_in_a_tiny_archive(make_rig: MakeRig) -> None:
    rig = make_rig(3)
    rig.run()
    ids = remove(rig, 1)
    rig.run()
    assert marked(rig) == ids


@pytest.mark.parametrize("full", [False, True])
def test_an_empty_list_marks_nothing(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture, full: bool
) -> None:
    rig = make_rig(2)
    rig.run()
    remove(rig, 2)
    assert rig.run(full=full).exit_code == 0
    assert marked(rig) == set()
    assert "Strava no longer lists 2 activities of the archive" in caplog.text
    assert "--full" not in caplog.text


def test_with_a_record_without_id_nothing_is_marked(rig: Rig) -> None:
    remove(rig, 1)
    records = [one.summary() for one in rig.account.activities]
    del records[5]["id"]
    body = json.dumps(records).encode()
    rig.account.faults.append(Fault("list", "other-body", id=1, body=body))
    report = rig.run()
    assert report.exit_code == 3
    assert marked(rig) == set()
    assert str(report.completeness) == "59 on Strava: 58 complete here, 1 missing"


def test_an_activity_whose_record_has_no_start_is_not_marked(rig: Rig) -> None:
    records = [one.summary() for one in rig.account.activities]
    del records[5]["start_date"]
    body = json.dumps(records).encode()
    rig.account.faults.append(Fault("list", "other-body", id=1, body=body))
    report = rig.run()
    assert report.exit_code == 3
    assert marked(rig) == set()
    missing = records[5]["id"]
    assert str(report.completeness) == f"60 on Strava: 59 complete here, 1 missing ({missing})"


def test_an_activity_that_only_the_api_lists_is_not_marked(rig: Rig) -> None:
    hidden = {one.id for one in rig.account.activities[10:12]}
    rig.account.hidden_from_web |= hidden
    rig.config = replace(rig.config, source="website")
    for _ in range(2):
        assert rig.run(full=True).listed == 58
        assert marked(rig) == set()


def test_an_empty_page_of_the_website_marks_nothing(make_rig: MakeRig) -> None:
    rig = make_rig(63)
    rig.config = replace(rig.config, source="website")
    rig.run(photos=False)
    page = json.dumps({"models": [], "page": 4, "perPage": 20, "total": 63}).encode()
    rig.account.faults.append(Fault("web-list", "other-body", id=4, body=page))
    rig.run(photos=False, full=True)
    assert marked(rig) == set()


@pytest.mark.parametrize("suffix", ["none", "unreadable"])
def test_an_activity_without_metadata_is_marked_as_well(rig: Rig, suffix: str) -> None:
    [activity_id] = remove(rig, 1)
    path = next((rig.root / "activities").rglob(f"*_{activity_id}.meta.json"))
    path.unlink()
    if suffix == "unreadable":
        path.write_text("{half")
    assert rig.run().gone == 1
    since = {"strava_backup": {"gone_since": "2026-11-22T10:00:00Z"}}
    assert json.loads(path.read_bytes()) == since
    kept = [data for name, data in rig.files().items() if name.startswith("history/")]
    assert kept == ([b"{half"] if suffix == "unreadable" else [])
    assert rig.run().gone == 0


def test_metadata_of_version_0_4_keeps_its_form_and_is_marked(rig: Rig) -> None:
    [activity_id] = remove(rig, 1)
    path = next((rig.root / "activities").rglob(f"*_{activity_id}.meta.json"))
    path.write_text('{"id": 5, "name": "Old"}')
    assert rig.run().gone == 1
    assert json.loads(path.read_bytes()) == {
        "id": 5,
        "name": "Old",
        "strava_backup": {"gone_since": "2026-11-22T10:00:00Z"},
    }
    assert not [name for name in rig.files() if name.startswith("history/")]


def test_a_damaged_file_of_a_deleted_activity_is_no_failure_and_stays(rig: Rig) -> None:
    activity = next(one for one in rig.account.activities[::-1] if one.original)
    rig.account.remove(activity.id)
    rig.run()
    path = rig.root / (stem_of(activity) + activity.original_suffix)
    path.write_bytes(path.read_bytes()[:-9])
    checksums = rig.root / "SHA256SUMS"
    lines = [line for line in checksums.read_text().splitlines() if str(activity.id) not in line]
    checksums.write_text("".join(f"{line}\n" for line in lines))
    assert rig.run().exit_code == 0
    reported: list[str] = []
    assert verify.verify(rig.root, reported.append, repairs=True) == 6
    assert path.exists()
    assert "no longer has the activity" in reported[0]
    assert rig.run().exit_code == 0


def test_all_deleted_activities_are_logged_in_one_line(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="strava_backup")
    named = sorted((one.id, one.detail["name"]) for one in rig.account.activities[-2:])
    remove(rig, 2)
    report = rig.run()
    names = ", ".join(f"{activity_id} {name}" for activity_id, name in named)
    assert f"deleted on Strava, kept here: {names}" in [one.getMessage() for one in caplog.records]
    assert report.lines() == [
        "58 on Strava: 58 complete here; 2 deleted there, kept here; nothing new"
    ]
    caplog.clear()
    assert rig.run().lines() == ["58 on Strava: 58 complete here; nothing new"]
    assert "deleted on Strava" not in caplog.text


def test_an_upload_during_a_long_run_causes_no_warning(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(30)
    upload = rig.account.activities[0]
    rig.account.remove(upload.id)
    requests = rig.account.requests

    class Watching(list):  # type: ignore[type-arg]
        def append(self, request: object) -> None:
            super().append(request)
            if [one.kind for one in self].count("detail") == 1:
                rig.account.add(upload)

    rig.account.requests = Watching(requests)
    assert rig.run().exit_code == 0
    assert "web-list" in rig.asked
    assert warnings(caplog) == []
