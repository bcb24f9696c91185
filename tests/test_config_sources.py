from __future__ import annotations

from dataclasses import replace

import pytest

from strava_backup import errors
from strava_backup.config.loader import Secret
from strava_backup.config.sources import api_source
from strava_backup.demo.adapter import DemoAdapter
from strava_backup.strava import transport


def sign_in(rig, api):
    config = replace(rig.config, api=api)
    http = transport.Session(adapter=DemoAdapter(rig.account), sleep=rig.clock.sleep)
    return api_source(config, api, http, rig.clock).sign_in()


def test_the_source_of_a_config_signs_in_as_its_athlete(rig):
    assert sign_in(rig, rig.config.api) == rig.account.athlete_id


def test_a_renewed_refresh_token_is_stored_in_its_file(rig, tmp_path):
    file = tmp_path / "token"
    file.write_text(rig.account.refresh_token)
    sign_in(rig, replace(rig.config.api, refresh_token=Secret(rig.account.refresh_token, file)))
    assert file.read_text().strip() == rig.account.refresh_token


def test_a_token_that_could_not_be_stored_is_not_spent(rig):
    token = Secret(rig.account.refresh_token)
    rig.config.path.write_text("no section")
    with pytest.raises(errors.ConfigError):
        sign_in(rig, replace(rig.config.api, refresh_token=token))
    assert rig.account.requests == []
