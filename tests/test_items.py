from __future__ import annotations

import pytest

from strava_backup import items
from strava_backup.report import count_of_items

KINDS = [value for name, value in vars(items).items() if name.isupper() and name != "OWN_KEY"]


@pytest.mark.parametrize(
    ("kind", "name"), [("detail", "metadata"), ("gear", "metadata"), ("photo list", "photo list")]
)
def test_each_record_of_strava_is_shown_as_metadata(kind, name):
    assert items.shown_name(kind) == name


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_has_a_noun_for_every_kind_of_item(kind):
    assert count_of_items(1, kind).startswith("1 ")
    assert count_of_items(2, kind).startswith("2 ")
