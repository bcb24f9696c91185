from __future__ import annotations

from dataclasses import replace

import pytest

from strava_backup import errors
from strava_backup.setup.owner import archive_owner, check_owner


@pytest.mark.parametrize(
    ("marker", "owner"),
    [
        (None, None),
        ('{"format": 1, "athlete_id": 7}', 7),
        ('{"format": 1, "athlete_id": null}', None),
        ('{"format": 99, "athlete_id": 7}', None),
        ("{", None),
    ],
)
def test_the_marker_tells_whose_the_archive_is(rig, marker, owner):
    if marker is not None:
        rig.root.mkdir()
        (rig.root / ".strava-backup.json").write_text(marker)
    assert archive_owner(rig.config) == owner


def test_an_archive_that_is_not_there_belongs_to_nobody(rig):
    elsewhere = replace(rig.config, output_dir=rig.root / "not" / "mounted")
    assert archive_owner(elsewhere) is None
    check_owner(elsewhere, 7, "this session")
    assert not rig.root.exists()


def test_another_athlete_than_the_owner_is_turned_down(rig):
    rig.run(limit=1)
    owner = rig.account.athlete_id
    check_owner(rig.config, owner, "this session")
    with pytest.raises(errors.AccountMismatch, match=f"this session .* 7, .* athlete {owner}:"):
        check_owner(rig.config, 7, "this session")
