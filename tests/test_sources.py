"""One suite for both sources, which make the same archive of the same account."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from strava_backup.config.loader import Secret, User
from strava_backup.demo import samples
from strava_backup.demo.activity import Activity
from strava_backup.demo.photos import photo_of
from strava_backup.demo.saved_routes import sample_routes
from tests.conftest import DAY, NOW, Rig
from tests.expected import (
    assert_complete,
    expected_activity_metadata,
    expected_originals,
    expected_pictures,
    expected_routes,
    expected_times,
    own_key,
    stem_of,
    stored_metadata,
    stored_originals,
    stored_pictures,
    stored_routes,
)
from tests.faults import Fault

MakeRig = Callable[..., Rig]

# Two pages of the website's list.
TOTAL = 22
PAGE_OF_WEBSITE = 20
# Six of its pages.
MANY = 85


def by_website(rig: Rig) -> Rig:
    """Return the rig without an API application."""
    rig.config = replace(rig.config, api=None)
    return rig


def new_activity(activity_id: int, start: str) -> Activity:
    activity = samples.numbered(1)[0]
    activity.detail |= {"id": activity_id, "start_date": start, "start_date_local": start}
    activity.detail["gear_id"] = None
    return activity


def common(record: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in record.keys() & other.keys()}


class SourceTests:
    """Tests of every source; `prepare` makes a rig use the tested one."""

    @staticmethod
    def prepare(rig: Rig) -> Rig:
        raise NotImplementedError

    @pytest.fixture
    def rig(self, make_rig: MakeRig) -> Rig:
        return self.prepare(make_rig(TOTAL))

    def test_everything_is_saved_and_a_second_run_fetches_nothing(self, rig: Rig) -> None:
        assert rig.run().exit_code == 0
        files = rig.files()
        assert stored_originals(files) == expected_originals(rig.account)
        assert stored_pictures(files) == expected_pictures(rig.account)
        records = stored_metadata(files, "activities")
        assert records.keys() == expected_activity_metadata(rig.account).keys()
        rig.clock.now += DAY
        assert rig.run().exit_code == 0
        rig.clock.now += DAY
        report = rig.run()
        assert not report.saved
        assert not {"original", "gpx", "photo", "detail", "bike"} & set(rig.asked)

    def test_fields_of_both_sources_are_equal(self, rig: Rig) -> None:
        rig.run()
        for path, record in stored_metadata(rig.files(), "activities").items():
            detail = expected_activity_metadata(rig.account)[path]
            shared = common(record, detail)
            shared.pop("resource_state")
            assert shared == {name: detail[name] for name in shared}

    def test_a_new_activity_is_all_that_a_later_run_fetches(self, rig: Rig) -> None:
        rig.run()
        rig.clock.now += DAY
        rig.run()
        rig.account.add(new_activity(5, "2026-11-22T09:00:00Z"))
        rig.run()
        assert Counter(rig.asked)["original"] == 1
        assert stored_originals(rig.files()) == expected_originals(rig.account)

    def test_an_edit_makes_one_history_entry(self, rig: Rig) -> None:
        rig.run()
        edited = rig.account.activities[2]
        rig.account.edit(edited.id, name="Better")
        for _ in range(3):
            assert rig.run().exit_code == 0
        record = json.loads(rig.files()[f"{stem_of(edited)}.meta.json"])
        assert record["name"] == "Better"
        assert len([path for path in rig.files() if path.startswith("history/")]) == 1

    def test_an_item_that_failed_is_fetched_by_the_next_run(self, rig: Rig) -> None:
        oldest = [one for one in rig.account.activities if one.original][-1]
        rig.account.faults.append(Fault("original", "500", id=oldest.id))
        rig.account.faults.append(Fault("photo", "500", times=3))
        assert rig.run().exit_code == 3
        rig.account.faults.clear()
        assert rig.run().exit_code == 0
        assert stored_originals(rig.files()) == expected_originals(rig.account)
        assert stored_pictures(rig.files()) == expected_pictures(rig.account)

    def test_a_list_that_breaks_off_is_never_accepted_as_complete(self, rig: Rig) -> None:
        rig.account.faults.append(Fault("list", "html", id=1))
        rig.account.faults.append(Fault("web-list", "html", id=2))
        assert rig.run().exit_code == 5
        assert json.loads(rig.files().get(".strava-backup.json", b"{}")).get("last_walk") is None
        rig.account.faults.clear()
        assert rig.run().exit_code == 0
        assert stored_originals(rig.files()) == expected_originals(rig.account)

    def test_a_new_photo_of_a_stored_activity_is_fetched(self, rig: Rig) -> None:
        rig.run()
        activity = rig.account.activities[4]
        activity.photos.append(photo_of(activity.detail, 7, "png"))
        rig.run()
        assert Counter(rig.asked)["photo"] == 1
        assert stored_pictures(rig.files()) == expected_pictures(rig.account)

    def test_originals_and_photos_have_the_time_of_their_activity(self, rig: Rig) -> None:
        rig.run()
        oldest = rig.account.activities[-1]  # which the website does not list again
        oldest.photos.append(photo_of(oldest.detail, 7, "png"))
        rig.run()
        times = expected_times(rig.account)
        assert {path: (rig.root / path).stat().st_mtime for path in times} == times

    def test_new_distance_on_a_bike_fetches_that_bike_only(self, rig: Rig) -> None:
        rig.run()
        rig.account.ride("b9000001", 5_000.0)
        rig.run()
        assert [one.id for one in rig.account.requests if one.kind == "bike"] == ["b9000001"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", "Better"),
            ("sport_type", "TrailRun"),
            ("distance", 1234.5),
            ("moving_time", 61),
            ("elapsed_time", 62),
            ("total_elevation_gain", 7.0),
            ("commute", True),
            ("trainer", True),
            ("private", True),
            ("visibility", "followers_only"),
            ("start_date_local", "2026-11-21T23:59:58Z"),
        ],
    )
    @pytest.mark.every(3)
    def test_each_edit_of_a_field_is_saved_once(self, rig: Rig, field: str, value: Any) -> None:
        rig.run()
        edited = rig.account.activities[2]
        path = f"{stem_of(edited)}.meta.json"
        before = json.loads(rig.files()[path])
        assert before[field] != value
        rig.account.edit(edited.id, **{field: value})
        for _ in range(2):
            assert rig.run().exit_code == 0
        files = rig.files()
        assert json.loads(files[path])[field] == value
        history = [data for name, data in files.items() if name.startswith("history/")]
        assert [json.loads(data) for data in history] == [before]
        assert not {"original", "photo"} & set(rig.asked)

    def test_routes_are_saved_once_and_again_after_a_change(self, rig: Rig) -> None:
        rig.account.routes = {one.id: one for one in sample_routes()}
        assert rig.run(photos=False, gear=False).exit_code == 0
        files = rig.files()
        assert expected_routes(rig.account).items() <= stored_routes(files).items()
        records = stored_metadata(files, "routes")
        for route in rig.account.routes.values():
            found = records.get(f"routes/{route.id}.meta.json")
            expected = route.record(rig.account.athlete_id)
            shared = common(found or {}, expected)
            shared.pop("athlete", None)
            assert shared == {name: expected[name] for name in shared}
        changed = next(iter(rig.account.routes.values()))
        changed.edit(NOW, distance=50_000.0)
        rig.run(photos=False, gear=False)
        assert rig.asked_for("route") == [changed.id]
        assert rig.files()[f"routes/{changed.id}.gpx"] == changed.gpx
        rig.run(photos=False, gear=False)
        assert "route" not in rig.asked

    def test_other_gear_and_none_are_edits(self, rig: Rig) -> None:
        rig.run()
        edited = next(one for one in rig.account.activities if one.detail["gear_id"])
        path = f"{stem_of(edited)}.meta.json"
        edited.detail["gear_id"] = None
        rig.account.add(edited)
        assert rig.run().exit_code == 0
        assert json.loads(rig.files()[path])["gear_id"] is None
        assert len([name for name in rig.files() if name.startswith("history/")]) == 1

    def test_kudos_and_ranks_are_no_edits(self, rig: Rig) -> None:
        rig.run()
        rig.run()
        before = rig.files()
        edited = rig.account.activities[2]
        rig.account.edit(edited.id, kudos_count=99, achievement_count=7, pr_count=3)
        rig.run()
        assert not {"detail", "original"} & set(rig.asked)
        assert without_marker(rig.files()) == without_marker(before)

    def test_full_finds_the_edit_of_an_old_activity_and_fetches_no_file(self, rig: Rig) -> None:
        rig.run()
        edited = rig.account.activities[-1]
        rig.account.edit(edited.id, name="Better")
        assert rig.run(full=True).exit_code == 0
        stored = {one.id for one in rig.account.activities if one.original}
        # At most one stored original is requested, to find out if the website still serves files.
        assert len([one for one in rig.asked_for("original") if one in stored]) <= 1
        assert "photo" not in rig.asked
        has_details = "list" in rig.asked
        details = [one.id for one in rig.account.requests if one.kind == "detail"]
        everything = [one.id for one in rig.account.activities] if has_details else []
        assert sorted(map(int, details)) == sorted(everything)
        assert json.loads(rig.files()[f"{stem_of(edited)}.meta.json"])["name"] == "Better"

    def test_a_deleted_activity_is_marked_and_reported_once_and_stays(self, rig: Rig) -> None:
        rig.run()
        rig.clock.now += DAY
        rig.run()
        before = rig.files()
        lost = rig.account.activities[20]
        assert lost.original
        rig.account.remove(lost.id)

        assert rig.run().gone == 1

        path = f"{stem_of(lost)}.meta.json"
        after = rig.files()
        assert own_key(after, lost)["gone_since"] == "2026-11-23T10:00:00Z"
        assert without_marker(after).keys() == without_marker(before).keys()
        changed = [name for name in without_marker(before) if before[name] != after[name]]
        assert changed == [path]
        for _ in range(2):
            rig.clock.now += DAY
            report = rig.run()
            assert report.exit_code == report.gone == 0
            assert str(report.completeness) == f"{TOTAL - 1} on Strava: {TOTAL - 1} complete here"
        assert own_key(rig.files(), lost)["gone_since"] == "2026-11-23T10:00:00Z"
        assert rig.asked.count("web-list") <= 4

    def test_the_mark_is_removed_if_the_activity_is_listed_again(self, rig: Rig) -> None:
        rig.run()
        before = rig.files()
        lost = rig.account.activities[20]
        rig.account.remove(lost.id)
        rig.run()
        assert "gone_since" in own_key(rig.files(), lost)
        rig.account.add(lost)
        report = rig.run()
        assert report.exit_code == 0
        assert str(report.completeness) == f"{TOTAL} on Strava: {TOTAL} complete here"
        assert not {"detail", "original", "photo"} & set(rig.asked)
        assert without_marker(rig.files()) == without_marker(before)

    def test_no_item_of_a_deleted_activity_is_requested(self, rig: Rig) -> None:
        lost = next(one for one in rig.account.activities[10:] if one.original and one.photos)
        rig.account.faults += [Fault("original", "500", id=lost.id), Fault("detail", "500")]
        rig.account.faults += [Fault("photo", "404", id=one.unique_id) for one in lost.photos]
        assert rig.run().exit_code != 0
        rig.account.faults.clear()
        rig.account.remove(lost.id)
        for _ in range(3):
            rig.clock.now += DAY
            report = rig.run()
            assert report.exit_code == 0
            ids = {lost.id, *(one.unique_id for one in lost.photos)}
            assert not [one for one in rig.account.requests if one.id in ids]
            assert str(report.completeness) == f"{TOTAL - 1} on Strava: {TOTAL - 1} complete here"
        assert "gone_since" in own_key(rig.files(), lost)

    @pytest.mark.parametrize("options", [{"limit": 35}, {"limit": 1}, {"dry_run": True}])
    def test_limited_and_dry_runs_mark_nothing(self, rig: Rig, options: dict[str, Any]) -> None:
        rig.run()
        before = rig.files()
        rig.account.remove(rig.account.activities[20].id)
        assert rig.run(**options).gone == 0
        assert without_marker(rig.files()) == without_marker(before)
        assert rig.run().gone == 1

    def test_a_list_that_breaks_off_marks_nothing(self, rig: Rig) -> None:
        rig.run()
        lost = rig.account.activities[20]
        rig.account.remove(lost.id)
        rig.account.faults += [Fault("list", "html", id=2), Fault("web-list", "html", id=2)]
        assert rig.run().exit_code == 5
        assert "gone_since" not in own_key(rig.files(), lost)

    def test_the_summary_counts_complete_and_missing_activities(self, rig: Rig) -> None:
        incomplete = sorted(
            one.id
            for one in rig.account.activities
            if one.original and one.original_suffix == ".fit"
        )[:2]
        rig.account.faults += [Fault("original", "other-body", id=one) for one in incomplete]
        report = rig.run()
        assert report.exit_code == 3
        missing = ", ".join(map(str, incomplete))
        assert str(report.completeness) == (
            f"{TOTAL} on Strava: {TOTAL - 2} complete here, 2 missing ({missing})"
        )
        # The next run does not read the website's list as far as these activities.
        assert rig.run().completeness == report.completeness
        rig.account.faults.clear()
        assert str(rig.run().completeness) == f"{TOTAL} on Strava: {TOTAL} complete here"

    def test_unavailable_items_are_counted_separately(self, rig: Rig) -> None:
        victim = next(one for one in rig.account.activities if one.original and one.photos)
        rig.account.faults.append(Fault("original", "404", id=victim.id))
        rig.account.faults.append(Fault("photo", "404", id=victim.photos[0].unique_id))
        for _ in range(2):
            report = rig.run()
            assert report.exit_code == 3
            assert str(report.completeness).endswith(f", 1 missing ({victim.id})")
            rig.clock.now += DAY
        for _ in range(2):
            report = rig.run()
            assert report.exit_code == 0
            assert str(report.completeness) == (
                f"{TOTAL} on Strava: {TOTAL} complete here, 2 items not available"
            )
        assert str(rig.run(full=True).completeness) == (
            f"{TOTAL} on Strava: {TOTAL} complete here, 2 items not available"
        )
        assert str(rig.run(photos=False).completeness) == (
            f"{TOTAL} on Strava: {TOTAL} complete here, 1 item not available"
        )

    def test_options_reduce_the_items_of_a_complete_activity(self, rig: Rig) -> None:
        rig.account.faults += [Fault("photo", "500"), Fault("detail", "500")]
        report = rig.run(photos=False, details=False, gear=False)
        assert str(report.completeness) == f"{TOTAL} on Strava: {TOTAL} complete here"

    def test_a_limited_run_claims_nothing_about_the_other_activities(self, rig: Rig) -> None:
        total = f"at least {TOTAL}" if rig.config.api else str(TOTAL)
        selected = f"--limit selected 10 of {total} activities on Strava"
        assert rig.run(dry_run=True, limit=10).lines()[0].startswith(f"{selected}; would fetch ")
        assert rig.run(limit=10).lines()[0].startswith(f"{selected}; saved ")

    def test_a_limit_that_is_not_reached_does_not_change_the_summary(self, rig: Rig) -> None:
        completeness = rig.run(limit=TOTAL).completeness
        assert str(completeness) == f"{TOTAL} on Strava: {TOTAL} complete here"

    def test_a_dry_run_counts_complete_activities_as_well(self, rig: Rig) -> None:
        missing = str(rig.run(dry_run=True).completeness)
        assert missing.startswith(f"{TOTAL} on Strava: 0 complete here, {TOTAL} missing (")
        assert missing.endswith(f" and {TOTAL - 10} more)")
        rig.run()
        assert (
            str(rig.run(dry_run=True).completeness) == f"{TOTAL} on Strava: {TOTAL} complete here"
        )

    def test_originals_are_missing_after_an_outage_of_the_website(self, rig: Rig) -> None:
        rig.account.faults.append(Fault("original", "429"))
        report = rig.run(photos=False, gear=False)
        assert report.exit_code == 5
        assert report.completeness is not None
        if rig.config.api:
            incomplete = [one.id for one in rig.account.activities if one.original]
        else:
            # The first original closes the website, and ends its list after the first page, which
            # does not show the activities that were made without a file.
            incomplete = [one.id for one in rig.account.activities[:PAGE_OF_WEBSITE]]
        assert sorted(report.completeness.missing) == sorted(incomplete)

    def test_an_activity_with_a_damaged_file_is_not_complete(self, rig: Rig) -> None:
        rig.run()
        activity = next(one for one in rig.account.activities if one.original_suffix == ".fit")
        path = rig.root / f"{stem_of(activity)}.fit"
        path.write_bytes(path.read_bytes()[:-9])
        (rig.root / "SHA256SUMS").unlink()
        report = rig.run()
        assert report.exit_code == 3
        assert str(report.completeness) == (
            f"{TOTAL} on Strava: {TOTAL - 1} complete here, 1 missing ({activity.id})"
        )


def without_marker(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name != ".strava-backup.json"}


class TestApiSource(SourceTests):
    @staticmethod
    def prepare(rig: Rig) -> Rig:
        return rig


class TestWebSource(SourceTests):
    @staticmethod
    def prepare(rig: Rig) -> Rig:
        return by_website(rig)


# Fields of an activity's detail that the website does not have; README refers to this list.
NOT_ON_THE_WEBSITE = {
    "achievement_count", "athlete", "athlete_count", "available_zones", "average_cadence",
    "average_heartrate", "average_speed", "average_temp", "average_watts", "best_efforts",
    "calories", "comment_count", "device_name", "device_watts", "display_hide_heartrate_option",
    "elev_high", "elev_low", "embed_token", "end_latlng", "external_id", "from_accepted_tag",
    "gear", "has_heartrate", "has_kudoed", "heartrate_opt_out", "hide_from_home", "kilojoules",
    "kudos_count", "laps", "location_city", "location_country", "location_state", "manual", "map",
    "max_heartrate", "max_speed", "max_watts", "perceived_exertion", "photo_count", "photos",
    "pr_count", "prefer_perceived_exertion", "segment_efforts", "similar_activities",
    "splits_metric", "splits_standard", "start_latlng", "stats_visibility", "suffer_score",
    "timezone", "total_photo_count", "type", "upload_id", "upload_id_str",
    "weighted_average_watts", "workout_type",
}  # fmt: skip


def test_the_archives_differ_only_in_fields_that_the_website_does_not_have(
    make_rig: MakeRig,
) -> None:
    api, web = make_rig(TOTAL, "api"), by_website(make_rig(TOTAL, "web"))
    api.run()
    web.run()
    api_files, web_files = api.files(), web.files()
    assert api_files.keys() - web_files.keys() == {
        # Retired gear, which only activities refer to.
        path
        for path in api_files
        if path.startswith("gear/") and path not in web_files
    }
    assert stored_originals(api_files) == stored_originals(web_files)
    assert stored_pictures(api_files) == stored_pictures(web_files)
    for path, record in stored_metadata(web_files, "activities").items():
        detail = stored_metadata(api_files, "activities")[path]
        assert detail.keys() - record.keys() <= NOT_ON_THE_WEBSITE
        assert record.keys() <= detail.keys()


@pytest.mark.parametrize("credential", ["jwt", "session"])
def test_a_cookie_is_enough_for_a_whole_backup(make_rig: MakeRig, credential: str) -> None:
    rig = by_website(make_rig(TOTAL))
    value = rig.account.issue_session() if credential == "session" else rig.account.issue_jwt()
    rig.config = replace(rig.config, user=User(**{credential: Secret(value, read_only=True)}))
    assert rig.run().exit_code == 0
    files = rig.files()
    assert stored_originals(files) == expected_originals(rig.account)
    assert stored_pictures(files) == expected_pictures(rig.account)
    assert {"gear/b9000001.meta.json", "gear/g9000001.meta.json"} <= files.keys()
    assert json.loads(files["gear/b9000001.meta.json"])["components"]
    assert not {"token", "athlete", "list", "detail"} & set(rig.asked)


def test_a_jwt_whose_scripts_are_refused_until_the_dashboard_was_loaded_works(
    make_rig: MakeRig,
) -> None:
    rig = by_website(make_rig(30))
    rig.account.remember_needs_dashboard = True
    assert rig.run().exit_code == 0
    assert rig.asked.count("dashboard") == 1
    assert stored_originals(rig.files()) == expected_originals(rig.account)


@pytest.mark.parametrize(
    "total", [0, 1, 19, 20, 21, 40, 41, pytest.param(300, marks=pytest.mark.thorough)]
)
def test_every_total_is_listed_completely(make_rig: MakeRig, total: int) -> None:
    rig = by_website(make_rig(total))
    rig.config = replace(rig.config, user=rig.config.user)
    assert rig.run(photos=False, gear=False).exit_code == 0
    assert stored_originals(rig.files()) == expected_originals(rig.account)


def test_a_quiet_day_costs_few_pages(make_rig: MakeRig) -> None:
    rig = by_website(make_rig(MANY))
    rig.run()
    rig.clock.now += DAY
    rig.run()
    rig.clock.now += DAY
    assert rig.run().exit_code == 0
    assert rig.asked.count("web-list") <= 3
    assert rig.asked.count("web-photos") == 1
    assert set(rig.asked) == {
        "me",
        "web-list",
        "web-photos",
        "web-gear",
        "csrf-token",
        "web-routes",
    }


def test_an_upload_of_three_years_ago_is_found_by_the_next_run(make_rig: MakeRig) -> None:
    rig = by_website(make_rig(MANY))
    rig.run(photos=False)
    rig.account.add(new_activity(7, "2023-11-20T07:00:00Z"))
    rig.clock.now += DAY
    rig.run(photos=False)
    assert stored_originals(rig.files()) == expected_originals(rig.account)


def test_an_upload_during_the_listing_is_found_by_the_next_run(make_rig: MakeRig) -> None:
    rig = by_website(make_rig(65))
    late = new_activity(7, "2026-11-22T09:00:00Z")
    serve_then(rig, "web-list", 2, lambda: rig.account.add(late))
    assert rig.run(photos=False).exit_code == 0
    rig.run(photos=False)
    assert stored_originals(rig.files()) == expected_originals(rig.account)


def test_a_deletion_during_the_listing_leaves_nothing_out(make_rig: MakeRig) -> None:
    rig = by_website(make_rig(65))
    lost = rig.account.activities[0]
    serve_then(rig, "web-list", 1, lambda: rig.account.remove(lost.id))
    rig.run(photos=False)
    rig.run(photos=False)
    stored = stored_originals(rig.files())
    assert expected_originals(rig.account).items() <= stored.items()


def test_a_deletion_does_not_cause_full_listings_forever(make_rig: MakeRig) -> None:
    rig = by_website(make_rig(MANY))
    rig.run(photos=False)
    rig.account.remove(rig.account.activities[10].id)
    rig.run(photos=False)
    assert rig.asked.count("web-list") >= MANY / PAGE_OF_WEBSITE
    rig.clock.now += DAY
    rig.run(photos=False)
    assert rig.asked.count("web-list") <= 3


def test_hidden_activities_do_not_cause_full_listings_forever(make_rig: MakeRig) -> None:
    rig = by_website(make_rig(MANY))
    rig.account.web_total_extra = 2
    for _ in range(3):
        rig.run(photos=False)
        rig.clock.now += DAY
    assert rig.asked.count("web-list") <= 3


def test_a_deletion_and_a_late_upload_between_two_runs_are_found_by_the_next_full_listing(
    make_rig: MakeRig,
) -> None:
    rig = by_website(make_rig(MANY))
    rig.run(photos=False)
    rig.account.remove(rig.account.activities[80].id)
    rig.account.add(new_activity(7, "2023-11-20T07:00:00Z"))
    rig.clock.now += 31 * DAY
    rig.account.issue_jwt()
    rig.config = replace(rig.config, user=User(jwt=Secret(rig.account.issue_jwt(), read_only=True)))
    rig.run(photos=False)
    stored = stored_originals(rig.files())
    assert expected_originals(rig.account).items() <= stored.items()


def test_a_run_whose_session_ends_exits_with_4_and_the_next_run_completes(
    make_rig: MakeRig,
) -> None:
    rig = by_website(make_rig(TOTAL))
    serve_then(rig, "web-list", 2, rig.account.end_sessions)
    assert rig.run().exit_code == 4
    rig.config = replace(rig.config, user=User(jwt=Secret(rig.account.issue_jwt(), read_only=True)))
    assert rig.run().exit_code == 0
    assert stored_originals(rig.files()) == expected_originals(rig.account)
    assert stored_pictures(rig.files()) == expected_pictures(rig.account)


def test_the_original_of_a_manual_activity_is_requested_once_and_again_on_a_later_day(
    make_rig: MakeRig,
) -> None:
    rig = by_website(make_rig(TOTAL))
    manual = {one.id for one in rig.account.activities if one.original is None}
    # Strava may still process activities that are less than a week old.
    rig.clock.now += 8 * DAY

    def asked_for() -> Counter[Any]:
        return Counter(one.id for one in rig.account.requests if one.kind == "original")

    assert rig.run().exit_code == 0
    assert all(asked_for()[one] == 1 for one in manual)
    rig.run()
    assert not asked_for()
    rig.clock.now += DAY
    assert rig.run().exit_code == 0
    # And a stored one, which shows that the website still serves files.
    newest = next(one.id for one in rig.account.activities if one.original)
    assert asked_for() == Counter({*manual, newest})
    rig.clock.now += DAY
    assert rig.run().exit_code == 0
    assert not asked_for()
    rig.clock.now += 30 * DAY
    rig.renew_session()
    assert rig.run().exit_code == 0
    assert asked_for() == Counter({*manual, newest})


def test_an_api_turned_inactive_is_replaced_by_the_website_and_details_are_kept(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(TOTAL)
    rig.run()
    before = rig.files()
    rig.account.app_inactive = True
    report = rig.run()
    assert report.exit_code == 0
    assert not {"original", "photo", "detail"} & set(rig.asked)
    assert "application is inactive" in caplog.text
    assert "source = website" in caplog.text
    assert stored_metadata(rig.files(), "activities") == stored_metadata(before, "activities")
    assert stored_metadata(rig.files(), "photos") == stored_metadata(before, "photos")
    rig.account.app_inactive = False
    assert rig.run().exit_code == 0
    assert stored_metadata(rig.files(), "activities") == stored_metadata(before, "activities")
    assert not [path for path in rig.files() if path.startswith("history/")]


def test_an_api_that_becomes_inactive_during_a_run_loses_nothing(make_rig: MakeRig) -> None:
    rig = make_rig(TOTAL)
    serve_then(rig, "detail", rig.account.activities[12].id, lambda: inactive(rig, True))
    assert rig.run().exit_code == 4
    assert stored_originals(rig.files()) == expected_originals(rig.account)
    details = [one.id for one in rig.account.requests if one.kind == "detail" and one.status == 200]
    assert rig.run().exit_code == 0
    assert "original" not in rig.asked
    inactive(rig, False)
    assert rig.run().exit_code == 0
    again = {one.id for one in rig.account.requests if one.kind == "detail"}
    assert not again & set(details)
    assert_complete(rig.account, rig.files())


def inactive(rig: Rig, value: bool) -> None:
    rig.account.app_inactive = value


@pytest.mark.parametrize("cause", ["inactive", "scope", "refresh token"])
def test_the_three_causes_of_falling_back_are_named(
    make_rig: MakeRig, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(5)
    if cause == "inactive":
        rig.account.app_inactive = True
    elif cause == "scope":
        rig.account.scopes -= {"activity:read_all"}
    else:
        rig.account.faults.append(dead_refresh_token())
    assert rig.run().exit_code == 0
    assert {"inactive": "inactive", "scope": "scope"}.get(cause, "refresh_token") in caplog.text
    assert stored_originals(rig.files()) == expected_originals(rig.account)


def dead_refresh_token() -> Fault:
    errors = [{"resource": "RefreshToken", "field": "refresh_token", "code": "invalid"}]
    body = json.dumps({"message": "Bad Request", "errors": errors}).encode()
    return Fault("token", "other-body", body=body)


@pytest.mark.parametrize("what", ["500", "429", "dropped", "html"])
def test_a_temporary_fault_of_the_api_does_not_fall_back(make_rig: MakeRig, what: str) -> None:
    rig = make_rig(5)
    rig.account.faults.append(Fault("list", what))
    assert rig.run().exit_code == 5
    assert "web-list" not in rig.asked


def test_alternating_sources_make_one_history_entry_for_each_real_edit(make_rig: MakeRig) -> None:
    rig = make_rig(25)
    rig.run()
    edited = rig.account.activities[3]
    for number in range(5):
        for source in ("website", "api"):
            rig.config = replace(rig.config, source=source)
            rig.clock.now += 60
            rig.account.edit(edited.id, name=f"Edit {number} before {source}")
            assert rig.run().exit_code == 0
            assert rig.run().exit_code == 0
    history = [path for path in rig.files() if path.startswith("history/")]
    assert len(history) == 10
    assert_complete(rig.account, rig.files())
    for path, record in stored_metadata(rig.files(), "activities").items():
        assert record["resource_state"] == 3, path


def test_an_archive_of_the_website_is_completed_if_the_api_is_available_again(
    make_rig: MakeRig,
) -> None:
    rig = make_rig(40)
    rig.config = replace(rig.config, source="website")
    rig.run()
    rig.config = replace(rig.config, source="api")
    assert rig.run().exit_code == 0
    assert not {"original", "photo"} & set(rig.asked)
    assert_complete(rig.account, rig.files())
    assert not [path for path in rig.files() if path.startswith("history/")]


def serve_then(rig: Rig, kind: str, item: object, change: Callable[[], None]) -> None:
    """Change the account right after it has answered the given request once."""
    requests = rig.account.requests

    class Watching(list):  # type: ignore[type-arg]
        done = False

        def append(self, request: Any) -> None:
            waiting = [one for one in self if (one.kind, one.id) == (kind, item)]
            super().append(request)
            if waiting and not Watching.done:
                Watching.done = True
                change()

    rig.account.requests = Watching(requests)


def test_an_empty_page_in_the_middle_is_never_accepted_as_the_end(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = by_website(make_rig(80))
    page = json.dumps({"models": [], "page": 3, "perPage": 20, "total": 80}).encode()
    rig.account.faults.append(Fault("web-list", "other-body", id=3, body=page, times=1))
    rig.run(photos=False)
    assert stored_originals(rig.files()) == expected_originals(rig.account)

    rig = by_website(make_rig(80, "for long"))
    rig.account.faults.append(Fault("web-list", "other-body", id=3, body=page, times=2))
    rig.run(photos=False)
    assert "counts 80 activities, but lists 40" in caplog.text
    assert json.loads(rig.files()[".strava-backup.json"])["surplus"] is None
    rig.run(photos=False)
    assert stored_originals(rig.files()) == expected_originals(rig.account)


def test_limited_runs_fetch_the_photos_in_the_end(make_rig: MakeRig) -> None:
    rig = by_website(make_rig(25))
    for _ in range(4):
        assert rig.run(limit=10).exit_code == 0
    assert stored_pictures(rig.files()) == expected_pictures(rig.account)


def test_a_dry_run_counts_the_photos_that_the_website_lists(make_rig: MakeRig) -> None:
    rig = by_website(make_rig(25))
    rig.run(dry_run=True)
    photos = sum(len(one.photos) for one in rig.account.activities)
    assert f"photos: {photos} that are not stored" in rig.printed
    rig.run()
    rig.run(dry_run=True)
    assert rig.printed == []


def test_an_original_refused_by_redirect_is_requested_again_if_the_api_lists_an_upload(
    make_rig: MakeRig,
) -> None:
    rig = make_rig(10)
    rig.config = replace(rig.config, source="website")
    rig.clock.now += 8 * DAY
    victim = next(one for one in rig.account.activities if one.original)
    rig.account.faults.append(Fault("original", "redirect-dashboard", id=victim.id))
    rig.run()
    rig.clock.now += DAY
    rig.run()
    rig.account.faults.clear()
    rig.config = replace(rig.config, source="api")
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())
