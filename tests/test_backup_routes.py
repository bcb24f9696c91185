"""Runs with routes: the archive that they leave, and the requests that they make."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from strava_backup import verify
from strava_backup.archive.atomic import PartialFile
from strava_backup.backup import routes
from strava_backup.demo.saved_routes import SavedRoute, sample_routes
from strava_backup.strava import api, web_source
from tests.conftest import DAY, Rig
from tests.expected import expected_checksums, expected_routes, stored_metadata, stored_routes
from tests.faults import Fault

MakeRig = Callable[..., Rig]

LONG, PRIVATE, RUN = 3_100_000_000_000_000_001, 3_100_000_000_000_000_003, 2_900_000_000_000_000_517
STARRED = 3_050_000_000_000_000_211
OWN = [RUN, LONG, PRIVATE]
ALL = [RUN, STARRED, LONG, PRIVATE]
REQUESTS = {"routes", "route", "csrf-token", "web-routes"}


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    """An account with routes and without activities, photos and gear, backed up by the API."""
    rig = make_rig(0)
    rig.account.gear = {}
    rig.account.routes = {one.id: one for one in sample_routes()}
    return rig


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both sources send pages of 20 routes, so that tests need few routes."""
    monkeypatch.setattr(routes, "_FULL_PAGE", 20)
    monkeypatch.setattr(api, "_PER_PAGE", 20)
    monkeypatch.setattr(web_source, "_ROUTES_PER_PAGE", 20)


@pytest.fixture
def web(rig: Rig) -> Rig:
    """The same account, backed up by the website."""
    rig.config = replace(rig.config, api=None)
    return rig


def gpx(rig: Rig, route_id: int) -> bytes:
    return rig.files()[f"routes/{route_id}.gpx"]


def record(rig: Rig, route_id: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rig.files()[f"routes/{route_id}.meta.json"])
    return found


def own_key(rig: Rig, route_id: int) -> dict[str, Any]:
    found: dict[str, Any] = record(rig, route_id)["strava_backup"]
    return found


def history(rig: Rig) -> dict[str, bytes]:
    return {path: data for path, data in rig.files().items() if path.startswith("history/")}


def asked(rig: Rig) -> list[str]:
    """Return the kinds of the last run's requests for routes."""
    return [kind for kind in rig.asked if kind in REQUESTS]


def edit(rig: Rig, route_id: int, **fields: Any) -> None:
    moment = datetime.fromtimestamp(rig.clock.now, UTC)
    rig.account.routes[route_id].edit(moment, **fields)


def add_routes(rig: Rig, count: int) -> None:
    for number in range(count):
        route = SavedRoute(3_200_000_000_000_000_000 + number, f"Route {number}", 1_000.0)
        rig.account.routes[route.id] = route


def assert_intact(rig: Rig) -> None:
    """Assert that all checksums are right, and that nothing is left over."""
    lines: list[str] = []
    assert verify.verify(rig.root, lines.append) == 0, lines
    assert "notice" not in lines[-1]
    files = rig.files()
    assert sorted(files["SHA256SUMS"].decode().splitlines()) == expected_checksums(files)


# First run


def test_the_routes_that_the_api_lists_are_saved_with_every_field(rig: Rig) -> None:
    report = rig.run()
    assert (report.exit_code, report.saved["route"]) == (0, 3)
    assert stored_routes(rig.files()) == expected_routes(rig.account)
    assert stored_metadata(rig.files(), "routes") == {
        f"routes/{one}.meta.json": rig.account.routes[one].record(rig.account.athlete_id)
        for one in OWN
    }
    assert history(rig) == {}
    assert_intact(rig)
    assert "saved 3 routes" in report.lines()[0]


def test_the_website_lists_starred_routes_of_others_as_well(web: Rig) -> None:
    assert web.run().exit_code == 0
    assert asked(web) == ["csrf-token", "web-routes", *["route"] * 4]
    stored = stored_routes(web.files())
    assert stored == {f"routes/{one}.gpx": web.account.routes[one].gpx for one in ALL}
    found = record(web, STARRED)
    assert (found["id_str"], found["id"]) == (str(STARRED), STARRED)
    assert (found["starred"], found["athlete"]) == (True, {"id": "4711"})
    assert found["strava_backup"]["website"] == web.account.routes[STARRED].node(
        web.account.athlete_id
    )
    assert_intact(web)


def test_metadata_notes_the_file_and_the_listed_fields(rig: Rig) -> None:
    rig.run()
    own = own_key(rig, LONG)
    listed = own.pop("listed")
    assert own == {
        "source": "api",
        "fetched_at": "2026-11-22T10:00:00Z",
        "gpx": {
            "name": f"{LONG}.gpx",
            "file": f"{LONG}.gpx",
            "saved_at": "2026-11-22T10:00:00Z",
        },
    }
    assert listed["api"]["updated_at"] == "2026-03-01T08:00:00Z"


def test_without_routes_none_is_requested_and_a_later_run_saves_them(rig: Rig) -> None:
    assert rig.run(routes=False).exit_code == 0
    assert asked(rig) == []
    assert stored_routes(rig.files()) == {}
    assert rig.run().exit_code == 0
    assert len(stored_routes(rig.files())) == 3


def test_a_dry_run_lists_missing_routes_and_saves_none(rig: Rig) -> None:
    report = rig.run(dry_run=True)
    assert report.saved["route"] == 3
    assert f"route {LONG} Schauinsland & back: route" in rig.printed
    assert not rig.root.exists()


def test_a_limit_of_activities_does_not_limit_routes(rig: Rig) -> None:
    assert rig.run(limit=1).saved["route"] == 3


def test_without_metadata_requests_the_routes_are_saved_all_the_same(rig: Rig) -> None:
    assert rig.run(details=False).saved["route"] == 3


# Later runs


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("count", [0, 12, 30])
def test_a_later_run_requests_one_page_of_routes(rig: Rig, count: int) -> None:
    add_routes(rig, count)
    rig.run()
    before = rig.files()
    rig.clock.now += DAY
    assert rig.run().exit_code == 0
    assert asked(rig) == ["routes"]
    after = rig.files()
    assert {**before, ".strava-backup.json": b""} == {**after, ".strava-backup.json": b""}


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("count", [0, 30])
def test_a_later_run_on_the_website_requests_a_token_and_one_page(web: Rig, count: int) -> None:
    add_routes(web, count)
    assert web.run().exit_code == 0
    assert len(stored_routes(web.files())) == 4 + count
    assert web.run().exit_code == 0
    assert asked(web) == ["csrf-token", "web-routes"]


def test_the_website_is_listed_page_by_page_with_one_token(web: Rig) -> None:
    add_routes(web, 450)
    web.run(dry_run=True)
    assert web.asked_for("web-routes") == ["0", "200", "400"]
    assert web.asked.count("csrf-token") == 1
    assert len([line for line in web.printed if line.startswith("route ")]) == 454


@pytest.mark.usefixtures("small_pages")
def test_after_thirty_days_the_whole_list_is_read_again(rig: Rig) -> None:
    add_routes(rig, 30)
    rig.run()
    edit(rig, RUN, name="Old, with another name")
    rig.run()
    assert rig.asked_for("routes") == [1]
    rig.clock.now += 31 * DAY
    rig.renew_session()
    assert rig.run().exit_code == 0
    assert rig.asked_for("routes") == [1, 2, 3]
    assert rig.asked_for("route") == [RUN]


def test_a_new_route_is_all_that_a_later_run_fetches(rig: Rig) -> None:
    rig.run()
    add_routes(rig, 1)
    assert rig.run().saved == {"route": 1}
    assert stored_routes(rig.files()) == expected_routes(rig.account)


@pytest.mark.parametrize("by_website", [False, True])
def test_a_changed_route_replaces_the_old_files_which_go_to_the_history(
    rig: Rig, by_website: bool
) -> None:
    if by_website:
        rig.config = replace(rig.config, api=None)
    rig.run()
    before = rig.files()
    rig.clock.now += DAY
    edit(rig, LONG, distance=50_000.0)
    assert rig.run().exit_code == 0
    assert rig.asked_for("route") == [LONG]
    assert gpx(rig, LONG) == rig.account.routes[LONG].gpx != before[f"routes/{LONG}.gpx"]
    assert record(rig, LONG)["distance"] == 50_000.0
    moment = "2026-11-23T10-00-00Z"
    assert history(rig) == {
        f"history/routes/{LONG}.gpx.{moment}.gpx": before[f"routes/{LONG}.gpx"],
        f"history/routes/{LONG}.meta.json.{moment}.json": before[f"routes/{LONG}.meta.json"],
    }
    assert_intact(rig)
    rig.run()
    assert "route" not in rig.asked


def test_another_time_of_change_fetches_the_gpx_but_an_equal_one_makes_no_history(rig: Rig) -> None:
    rig.run()
    edit(rig, LONG)
    assert rig.run().exit_code == 0
    assert rig.asked_for("route") == [LONG]
    assert [path for path in history(rig) if path.endswith(".gpx")] == []
    assert_intact(rig)


def test_a_new_star_changes_the_metadata_only(web: Rig) -> None:
    web.run()
    edit(web, LONG, starred=True)
    assert web.run().exit_code == 0
    assert "route" not in web.asked
    assert record(web, LONG)["starred"] is True
    assert len(history(web)) == 1


def test_an_estimate_that_changes_is_no_change(web: Rig) -> None:
    web.run()
    edit(web, LONG, estimated_time=9)
    assert not web.run().listed_saved


def test_full_fetches_the_list_but_no_stored_gpx(rig: Rig) -> None:
    rig.run()
    before = rig.files()
    assert rig.run(full=True).exit_code == 0
    assert asked(rig) == ["routes"]
    assert {**before, ".strava-backup.json": b""} == {**rig.files(), ".strava-backup.json": b""}


# Both sources


def test_another_source_adds_its_record_and_fetches_no_stored_gpx(rig: Rig) -> None:
    rig.run()
    api = rig.config.api
    rig.config = replace(rig.config, api=None)
    assert rig.run().exit_code == 0
    assert rig.asked_for("route") == [STARRED]
    own = own_key(rig, LONG)
    assert (own["source"], own["website"]["title"]) == ("api", "Schauinsland & back")
    assert history(rig) == {}
    # The API does not list starred routes of others, which is no deletion.
    rig.config = replace(rig.config, api=api)
    rig.run(full=True)
    assert "gone_since" not in own_key(rig, STARRED)
    assert record(rig, LONG)["updated_at"] == "2026-03-01T08:00:00Z"


def test_an_edit_that_the_website_lists_is_added_to_the_record_of_the_api(rig: Rig) -> None:
    rig.run()
    rig.config = replace(rig.config, api=None)
    rig.run()
    edit(rig, LONG, name="Another")
    assert rig.run().exit_code == 0
    found = record(rig, LONG)
    assert (found["name"], found["sub_type"]) == ("Another", 1)
    assert gpx(rig, LONG) == rig.account.routes[LONG].gpx
    assert len(history(rig)) == 2


# Routes that are gone


def test_a_route_that_is_no_longer_listed_is_marked_and_kept(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "strava_backup")
    rig.run()
    removed = rig.account.routes.pop(LONG)
    assert rig.run().exit_code == 0
    assert own_key(rig, LONG)["gone_since"] == "2026-11-22T10:00:00Z"
    assert f"no longer lists, kept here: {LONG}" in caplog.text
    assert gpx(rig, LONG) == removed.gpx
    caplog.clear()
    rig.run()
    assert "no longer lists" not in caplog.text
    rig.account.routes[LONG] = removed
    assert rig.run().exit_code == 0
    assert "gone_since" not in own_key(rig, LONG)
    assert "route" not in rig.asked
    assert history(rig) == {}


@pytest.mark.parametrize("full", [False, True])
def test_an_empty_list_marks_nothing(rig: Rig, full: bool) -> None:
    rig.run()
    rig.account.routes.clear()
    before = {path: data for path, data in rig.files().items() if path.startswith("routes/")}
    assert rig.run(full=full).exit_code == 0
    assert before.items() <= rig.files().items()


def test_many_missing_routes_are_marked_only_with_full(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    add_routes(rig, 8)
    rig.run()
    for route_id in range(4):
        del rig.account.routes[3_200_000_000_000_000_000 + route_id]
    assert rig.run().exit_code == 0
    assert "no longer lists 4 routes" in caplog.text
    assert not any(b"gone_since" in data for data in rig.files().values())
    assert rig.run(full=True).exit_code == 0
    assert sum(b"gone_since" in data for data in rig.files().values()) == 4


@pytest.mark.parametrize("options", [{"limit": 1}, {"dry_run": True}])
def test_a_limited_or_dry_run_marks_nothing(rig: Rig, options: dict[str, Any]) -> None:
    rig.run()
    rig.account.routes.pop(LONG)
    rig.run(**options)
    assert "gone_since" not in own_key(rig, LONG)


@pytest.mark.parametrize("what", ["500", "html", "wrong"])
def test_a_list_that_breaks_off_marks_nothing(rig: Rig, what: str) -> None:
    add_routes(rig, 20)
    rig.run()
    rig.account.routes.pop(LONG)
    fault = Fault("routes", what if what != "wrong" else "other-body", id=2, body=b"{}")
    rig.account.faults.append(fault)
    report = rig.run()
    assert report.exit_code == 3
    assert report.failures[0].what == "list of routes"
    assert "gone_since" not in own_key(rig, LONG)
    rig.account.faults.clear()
    rig.run()
    assert "gone_since" in own_key(rig, LONG)


# Scopes


def test_without_the_scope_private_routes_are_missing_and_a_run_mentions_it(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "strava_backup")
    rig.account.scopes.remove("read_all")
    assert rig.run().exit_code == 0
    assert sorted(rig.asked_for("route")) == [RUN, LONG]
    assert caplog.text.count("scope read_all") == 1
    caplog.clear()
    rig.run()
    assert "scope read_all" not in caplog.text


def test_private_routes_that_the_list_hides_are_not_marked(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.run()
    rig.account.scopes.remove("read_all")
    assert rig.run().exit_code == 0
    assert "gone_since" not in own_key(rig, PRIVATE)
    assert len([one for one in caplog.records if "scope read_all" in one.message]) == 1


@pytest.mark.parametrize("number", [1, 4])
def test_private_routes_that_the_api_refuses_cost_one_warning_and_no_failure(
    rig: Rig, number: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_routes(rig, number)
    for route in rig.account.routes.values():
        route.private = route.name.startswith("Route ")
    visible = type(rig.account).visible_route
    monkeypatch.setattr(type(rig.account), "visible_route", lambda self, route: True)
    listed = rig.run(dry_run=True)
    assert listed.saved["route"] == number + 3

    def visible_by_list(account: Any, route: SavedRoute) -> bool:
        # The list shows private routes, and only the download is refused.
        is_download = account.requests[-1].kind == "route"
        return visible(account, route) if is_download else True

    monkeypatch.setattr(type(rig.account), "visible_route", visible_by_list)
    rig.account.scopes.remove("read_all")
    caplog.clear()
    report = rig.run()
    assert report.exit_code == 0
    assert report.saved["route"] == 3
    assert len([one for one in caplog.records if "scope read_all" in one.message]) == 1
    assert record(rig, 3_200_000_000_000_000_000)["name"] == "Route 0"
    assert "refused" not in own_key(rig, 3_200_000_000_000_000_000)


def test_a_list_that_the_scopes_hide_costs_one_warning(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.account.scopes = {"activity:read_all", "profile:read_all"}
    assert rig.run().exit_code == 0
    assert asked(rig) == ["routes"]
    assert len([one for one in caplog.records if "scope read_all" in one.message]) == 1


# Failures


@pytest.mark.parametrize("what", ["404", "500", "html", "truncated", "empty", "stalled"])
@pytest.mark.parametrize("by_website", [False, True])
@pytest.mark.every(5)
def test_a_route_that_fails_is_reported_and_fetched_by_the_next_run(
    rig: Rig, what: str, by_website: bool
) -> None:
    if by_website:
        rig.config = replace(rig.config, api=None)
    rig.account.faults.append(Fault("route", what, id=LONG))
    report = rig.run()
    assert report.exit_code == 3
    assert [one.what for one in report.failures] == [f"route {LONG} Schauinsland & back, route"]
    assert f"routes/{LONG}.gpx" not in rig.files()
    assert record(rig, LONG)["name"] == "Schauinsland & back"
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert rig.asked_for("route") == [LONG]
    assert_intact(rig)


def test_after_three_days_a_refused_route_is_not_available(rig: Rig) -> None:
    rig.account.faults.append(Fault("route", "404", id=LONG))
    codes = []
    for _ in range(4):
        codes.append(rig.run().exit_code)
        rig.clock.now += DAY
    assert codes == [3, 3, 0, 0]
    assert "route" not in rig.asked
    assert own_key(rig, LONG)["refused"]["route"]["why"] == "404"
    rig.account.faults.clear()
    assert rig.run(full=True).saved["route"] == 1
    assert "refused" not in own_key(rig, LONG)


def test_a_refusal_of_all_routes_is_not_recorded(rig: Rig) -> None:
    rig.account.faults.append(Fault("route", "404"))
    assert rig.run().exit_code == 5
    assert "refused" not in own_key(rig, LONG)


def test_a_refusal_counts_if_a_stored_route_is_still_served(rig: Rig) -> None:
    rig.run()
    add_routes(rig, 1)
    rig.account.faults.append(Fault("route", "404", id=3_200_000_000_000_000_000))
    assert rig.run().exit_code == 3
    assert own_key(rig, 3_200_000_000_000_000_000)["refused"]["route"]["why"] == "404"


def test_a_gpx_without_an_end_is_fetched_twice_and_then_accepted(rig: Rig) -> None:
    rig.account.faults.append(Fault("route", "truncated-unframed", id=LONG))
    assert rig.run().exit_code == 0
    assert rig.asked_for("route").count(LONG) == 2
    assert "not well-formed XML" in own_key(rig, LONG)["gpx"]["odd"]
    assert_intact(rig)
    rig.account.faults.clear()
    edit(rig, LONG)
    assert rig.run().exit_code == 0
    assert "odd" not in own_key(rig, LONG)["gpx"]
    assert gpx(rig, LONG) == rig.account.routes[LONG].gpx
    assert len([path for path in history(rig) if path.endswith(".gpx")]) == 1


def test_another_kind_of_file_is_refused(rig: Rig) -> None:
    rig.account.faults.append(Fault("route", "other-body", id=LONG, body=b'{"no": "gpx"}'))
    report = rig.run()
    assert report.exit_code == 3
    assert "in place of .gpx" in report.failures[0].why
    assert f"routes/{LONG}.json" not in rig.files()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([None, 7, "x", [], {}, {"id": 3.1e18}, {"id_str": "../../x"}, {"id": -1}], 3),
        ([{"id": 7, "name": ["a"], "private": "no", "map": 3, "strava_backup": {"gpx": 7}}], 5),
    ],
)
def test_malformed_records_are_no_tracebacks(rig: Rig, body: list[Any], code: int) -> None:
    rig.account.faults.append(Fault("routes", "other-body", body=json.dumps(body).encode()))
    report = rig.run()
    # The account has no route 7, so that the only request for a route is refused.
    assert (report.exit_code, report.has_bug) == (code, False)
    assert {Path(path).parts[1] for path in rig.files() if path.startswith("routes")} <= {
        "7.meta.json"
    }


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"me": {"searchRoutes": {"nodes": 3}}}', b"7"])
@pytest.mark.parametrize("kind", ["csrf-token", "web-routes"])
def test_a_website_of_another_form_is_one_failure(web: Rig, kind: str, body: bytes) -> None:
    web.account.faults.append(Fault(kind, "other-body", body=body))
    report = web.run()
    assert report.exit_code == 3
    assert "another form" in report.failures[0].why


def test_a_list_of_the_website_that_does_not_lead_on_is_not_accepted(web: Rig) -> None:
    nodes = [web.account.routes[LONG].node(7)]
    page = {"nodes": nodes, "pageInfo": {"hasNextPage": True, "endCursor": "1"}}
    body = json.dumps({"me": {"searchRoutes": page}}).encode()
    web.account.faults.append(Fault("web-routes", "other-body", body=body))
    report = web.run()
    assert report.exit_code == 3
    assert "does not lead on from page 2" in report.failures[0].why
    assert stored_routes(web.files()).keys() == {f"routes/{LONG}.gpx"}


def test_a_refused_token_is_a_failure_and_an_ended_session_ends_the_run(web: Rig) -> None:
    web.account.faults.append(Fault("web-routes", "403"))
    assert web.run().exit_code == 3
    web.account.faults.clear()
    web.account.faults.append(Fault("csrf-token", "429"))
    assert web.run().exit_code == 5


# Archives of any state


def test_a_crash_between_copy_and_replacement_loses_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.run()
    old = gpx(rig, LONG)
    edit(rig, LONG, distance=50_000.0)
    save_as = PartialFile.save_as

    def dies(self: PartialFile, path: str, **options: Any) -> None:
        if os.path.basename(path) == f"{LONG}.gpx":
            raise KeyboardInterrupt
        save_as(self, path, **options)

    monkeypatch.setattr(PartialFile, "save_as", dies)
    with pytest.raises(KeyboardInterrupt):
        rig.run()
    assert gpx(rig, LONG) == old
    assert [data for path, data in history(rig).items() if path.endswith(".gpx")] == [old]
    lines: list[str] = []
    assert verify.verify(rig.root, lines.append) == 0, lines
    monkeypatch.undo()

    assert rig.run().exit_code == 0
    assert gpx(rig, LONG) == rig.account.routes[LONG].gpx
    assert_intact(rig)


@pytest.mark.parametrize("method", ["add_checksum", "place_file"])
def test_a_crash_after_the_replacement_leaves_no_wrong_checksum(
    rig: Rig, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.run()
    edit(rig, LONG, distance=50_000.0)
    archive = "strava_backup.archive.directory.Archive"
    module, _, name = f"{archive}.{method}".rpartition(".")
    real = getattr(__import__(module.rpartition(".")[0], fromlist=["x"]).Archive, name)

    def dies(self: Any, *arguments: Any) -> None:
        if method == "place_file":
            real(self, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(f"{archive}.{method}", dies)
    with pytest.raises(KeyboardInterrupt):
        rig.run()
    assert gpx(rig, LONG) == rig.account.routes[LONG].gpx
    lines: list[str] = []
    assert verify.verify(rig.root, lines.append) == 0, lines
    monkeypatch.undo()

    assert rig.run().exit_code == 0
    assert rig.asked_for("route") == [LONG]
    assert own_key(rig, LONG)["gpx"]["saved_at"]
    assert_intact(rig)


def test_an_archive_without_routes_gets_them(rig: Rig) -> None:
    rig.run(routes=False)
    marker = json.loads((rig.root / ".strava-backup.json").read_text())
    del marker["last_route_walk"]
    (rig.root / ".strava-backup.json").write_text(json.dumps(marker))
    assert rig.run().saved["route"] == 3


def test_files_of_others_stay_and_count_for_nothing(rig: Rig) -> None:
    folder = rig.root / "routes"
    folder.mkdir(parents=True)
    foreign = ["Alps.gpx", f"{LONG}.gpx.bak", f"{LONG}.tcx", f".{LONG}.gpx.icloud", "0.gpx"]
    for name in foreign:
        (folder / name).write_text("mine")
    assert rig.run().exit_code == 0
    assert [(folder / name).read_text() for name in foreign] == ["mine"] * 5
    assert gpx(rig, LONG) == rig.account.routes[LONG].gpx
    sums = rig.files()["SHA256SUMS"].decode()
    assert sorted(line.split("  ")[1] for line in sums.splitlines()) == [
        f"routes/{one}.gpx" for one in OWN
    ]


def test_a_file_without_metadata_goes_to_the_history_before_it_is_replaced(rig: Rig) -> None:
    (rig.root / "routes").mkdir(parents=True)
    (rig.root / f"routes/{LONG}.gpx").write_bytes(b"<gpx>mine</gpx>")
    assert rig.run().exit_code == 0
    assert list(history(rig).values()) == [b"<gpx>mine</gpx>"]
    assert_intact(rig)


def test_a_damaged_route_is_moved_away_and_fetched_again(rig: Rig) -> None:
    rig.run()
    (rig.root / f"routes/{LONG}.gpx").write_bytes(gpx(rig, LONG)[:-50])
    lines: list[str] = []
    assert verify.verify(rig.root, lines.append, repairs=True) == 6
    assert f"moved to damaged/routes/{LONG}.gpx" in lines[0]
    assert rig.run().exit_code == 0
    assert rig.asked_for("route") == [LONG]
    assert_intact(rig)


def test_a_damaged_route_that_strava_no_longer_has_stays(rig: Rig) -> None:
    rig.run()
    rig.account.routes.pop(LONG)
    rig.run()
    (rig.root / f"routes/{LONG}.gpx").write_bytes(b"<gpx>")
    lines: list[str] = []
    assert verify.verify(rig.root, lines.append, repairs=True) == 6
    assert "no longer has the route" in lines[0]
    assert gpx(rig, LONG) == b"<gpx>"


def test_unreadable_metadata_goes_to_the_history_and_is_replaced(rig: Rig) -> None:
    rig.run()
    (rig.root / f"routes/{LONG}.meta.json").write_text("{")
    assert rig.run().exit_code == 0
    assert list(history(rig).values()) == [b"{"]
    assert own_key(rig, LONG)["gpx"]["saved_at"]
    assert_intact(rig)


def test_a_folder_in_place_of_metadata_is_a_failure(rig: Rig) -> None:
    (rig.root / f"routes/{LONG}.meta.json").mkdir(parents=True)
    report = rig.run()
    assert (report.exit_code, report.has_bug) == (3, False)
    assert len(stored_routes(rig.files())) == 2
