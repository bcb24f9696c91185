from __future__ import annotations

import json

import pytest

from tests.tasks import META, Rig


@pytest.fixture
def rig(tmp_path, clock):
    return Rig(tmp_path / "archive", clock)


def test_metadata_is_written_once_and_again_only_when_it_changes(rig):
    assert rig.store.save(META, {"id": 7, "resource_state": 3, "name": "Ride"})
    path = rig.archive.root / META
    before = path.stat().st_mtime_ns
    again = {"name": "Ride", "id": 7, "resource_state": 3, "strava_backup": {"fetched_at": "2026"}}
    assert not rig.store.save(META, again)
    assert path.stat().st_mtime_ns == before
    assert rig.store.save(META, {"id": 7, "resource_state": 3, "name": "Run"})
    assert json.loads(path.read_bytes())["name"] == "Run"


def test_a_change_of_a_history_field_is_kept_in_history(rig):
    rig.store.save(META, {"id": 7, "resource_state": 3, "name": "Ride"})
    before = rig.files()[str(META)]
    rig.store.save(META, {"id": 7, "resource_state": 3, "name": "Run"})
    assert rig.files()[f"history/{META}.2026-11-22T10-00-00Z.json"] == before


def test_a_change_of_another_field_is_not(rig):
    rig.store.save(META, {"id": 7, "resource_state": 3, "kudos_count": 1})
    rig.store.save(META, {"id": 7, "resource_state": 3, "kudos_count": 2})
    rig.store.save(META, {"id": 8, "resource_state": 3}, keep_history=False)
    assert list(rig.files()) == [str(META)]


def test_a_note_changes_our_key_alone_and_makes_no_history(rig):
    rig.store.save(META, {"id": 7, "resource_state": 3, "strava_backup": {"source": "api"}})
    own = rig.store.note(META, lambda own: {**own, "more": 1})
    assert own == {"source": "api", "more": 1}
    record = json.loads(rig.files()[str(META)])
    assert record == {"id": 7, "resource_state": 3, "strava_backup": own}
    assert list(rig.files()) == [str(META)]


def test_a_note_needs_no_metadata_that_was_there_before(rig):
    assert rig.store.note(META, lambda own: {**own, "more": 1}) == {"more": 1}
    assert json.loads(rig.files()[str(META)]) == {"strava_backup": {"more": 1}}
