"""Stored items are requested once more, to find out if a host still serves any."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import DAY, Rig
from tests.expected import expected_originals, stem_of, stored_originals
from tests.faults import Fault

MakeRig = Callable[..., Rig]
ITEMS = ["original", "photo", "photos", "detail", "gear", "bike"]


def by_website(rig: Rig) -> Rig:
    rig.config = replace(rig.config, api=None)
    # Strava may still process activities that are less than a week old.
    rig.clock.now += 8 * DAY
    return rig


def make_missing(rig: Rig, kind: str) -> Any:
    """Make the next run request one item of that kind again, and return its id."""
    one = next(one for one in rig.account.activities if one.original and len(one.photos) > 1)
    stem = stem_of(one)
    bike = next(gear for gear in rig.account.gear if gear.startswith("b"))
    photo = one.photos[0].unique_id
    item, paths = {
        "original": (one.id, [f"{stem}{one.original_suffix}"]),
        "photo": (photo, list(rig.root.glob(f"photos/{one.id}_{photo}.*g"))),
        "photos": (one.id, [f"{stem}.meta.json"]),
        "detail": (one.id, [f"{stem}.meta.json"]),
        "gear": (bike, [f"gear/{bike}.meta.json"]),
        "bike": (bike, [f"gear/{bike}.meta.json"]),
    }[kind]
    assert paths
    for path in paths:
        (rig.root / path).unlink()
    return item


@pytest.mark.parametrize("kind", ITEMS)
def test_a_refusal_of_one_item_counts_if_stored_ones_are_still_served(rig: Rig, kind: str) -> None:
    rig.run()
    item = make_missing(rig, kind)
    rig.account.faults.append(Fault(kind, "404", id=item))
    report = rig.run()
    assert report.exit_code == 3
    assert len(report.failures) == 1
    asked = rig.asked_for(kind)
    assert len(asked) == 2
    assert asked[0] == item != asked[1]


@pytest.mark.parametrize("kind", ITEMS)
def test_a_refusal_of_one_item_is_not_recorded_if_stored_ones_are_refused_too(
    rig: Rig, kind: str
) -> None:
    rig.run()
    make_missing(rig, kind)
    before = rig.files()
    rig.account.faults.append(Fault(kind, "404"))
    report = rig.run()
    assert report.exit_code == 5
    assert report.failures == []
    # The item itself, and up to three stored ones.
    assert 2 <= len(rig.asked_for(kind)) <= 4
    notes = [path for path, data in rig.files().items() if b'"refused"' in data]
    assert notes == [path for path, data in before.items() if b'"refused"' in data] == []


def test_ten_days_of_redirects_note_nothing_and_the_first_good_run_is_complete(
    make_rig: MakeRig,
) -> None:
    rig = by_website(make_rig(10))
    rig.account.faults.append(Fault("original", "redirect-activity"))
    for day in range(10):
        report = rig.run()
        # After seven days without a complete run, a person has to look into it.
        assert report.exit_code == (5 if day < 7 else 4)
        assert "10 originals (redirect to the activity)" in str(report.fatal[0])
        assert str(report.completeness).startswith("10 on Strava: 0 complete here, 10 missing")
        assert stored_originals(rig.files()) == {}
        rig.clock.now += DAY
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert stored_originals(rig.files()) == expected_originals(rig.account)


def test_notes_of_an_outage_do_not_count_while_no_original_is_stored(make_rig: MakeRig) -> None:
    """Older versions recorded each redirect at once."""
    rig = by_website(make_rig(10))
    rig.run()
    for path in stored_originals(rig.files()):
        (rig.root / path).unlink()
    for path in rig.root.glob("activities/*/*.meta.json"):
        record = json.loads(path.read_text())
        record["strava_backup"]["original"] = {"absent": "redirect to the activity"}
        path.write_text(json.dumps(record))
    (rig.root / "SHA256SUMS").unlink()
    assert rig.run().exit_code == 0
    assert stored_originals(rig.files()) == expected_originals(rig.account)


def test_an_original_that_strava_did_not_have_is_found_a_month_later(make_rig: MakeRig) -> None:
    rig = by_website(make_rig(10))
    late = next(one for one in rig.account.activities if one.original)
    rig.account.faults.append(Fault("original", "redirect-activity", id=late.id))
    for _ in range(2):
        assert rig.run().exit_code == 0
        rig.clock.now += DAY
    rig.account.faults.clear()
    rig.clock.now += 28 * DAY
    rig.renew_session()
    assert rig.run().exit_code == 0
    assert Counter(rig.asked_for("original"))[late.id] == 0
    rig.clock.now += DAY
    assert rig.run().exit_code == 0
    assert stored_originals(rig.files()) == expected_originals(rig.account)
