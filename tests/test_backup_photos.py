"""Runs with photos: the archive that they leave, and the requests that they make."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from strava_backup.backup import tasks
from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity
from strava_backup.demo.photos import Photo, photo_of
from tests.conftest import DAY, Rig
from tests.expected import (
    assert_complete,
    expected_activity_metadata,
    expected_originals,
    expected_photo_metadata,
    expected_pictures,
    own_key,
    photo_stem,
    stored_metadata,
    stored_originals,
    stored_pictures,
)
from tests.faults import Fault

RIDE = 16_600_000_000  # has three photos
RUN = 15_210_998_871  # one of its photos is a video
GYM = 13_000_000_001  # has a photo but no original


@pytest.fixture
def rig(rig: Rig) -> Rig:
    """The sample account without gear, and with only one activity that has no photos."""
    bare = [one for one in rig.account.activities if not one.photos]
    for one in bare[1:]:
        rig.account.remove(one.id)
    rig.account.gear.clear()
    for one in rig.account.activities:
        rig.account.edit(one.id, gear_id=None)
    return rig


@pytest.fixture
def pair(rig: Rig) -> Rig:
    """Two activities with photos, one of which is the ride."""
    for one in rig.account.activities:
        if one.id not in (RIDE, 99_999_999_999):
            rig.account.remove(one.id)
    return rig


def activity(rig: Rig, activity_id: int = RIDE) -> Activity:
    found = rig.account.activity(activity_id)
    assert found
    return found


def asked_for(rig: Rig, kind: str) -> list[Any]:
    """Return the ids of the photo lists (`photos`) or pictures (`photo`) that the run requested."""
    return [request.id for request in rig.account.requests if request.kind == kind]


def record(rig: Rig, one: Activity, photo: Photo) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rig.files()[f"{photo_stem(one, photo)}.meta.json"])
    return found


def without(rig: Rig, photo: Photo) -> dict[str, bytes]:
    """Return all pictures of the account except this one."""
    return {
        path: content
        for path, content in expected_pictures(rig.account).items()
        if photo.unique_id not in path
    }


def of_photos(rig: Rig) -> dict[str, bytes]:
    return {path: data for path, data in rig.files().items() if path.startswith("photos/")}


# First run


def test_photos_of_every_kind_are_saved_under_their_true_suffix(rig: Rig) -> None:
    report = rig.run()
    assert report.exit_code == 0
    pictures = stored_pictures(rig.files())
    assert pictures == expected_pictures(rig.account)
    assert {path.rpartition(".")[2] for path in pictures} == {"jpg", "png", "webp", "gif", "heic"}
    assert stored_metadata(rig.files(), "photos") == expected_photo_metadata(rig.account)
    assert report.saved["photo"] == len(pictures)
    # None is fetched twice as suspicious, although all URLs end in .jpg.
    assert Counter(rig.asked)["photo"] == len(pictures)


def test_metadata_says_where_a_photo_is_from_and_when_its_picture_was_saved(rig: Rig) -> None:
    rig.run()
    one = activity(rig)
    assert record(rig, one, one.photos[0])["strava_backup"] == {
        "source": "api",
        "fetched_at": "2026-11-22T10:00:00Z",
        "picture": {
            "saved_at": "2026-11-22T10:00:00Z",
            "file": f"{one.id}_{one.photos[0].unique_id}.jpg",
        },
    }
    assert own_key(rig.files(), one)["photos"] == {"count": 3}


def test_the_poster_and_the_url_of_a_video_are_saved(rig: Rig) -> None:
    rig.run()
    one = activity(rig, RUN)
    (video,) = (photo for photo in one.photos if photo.kind == "video")
    assert rig.files()[f"{photo_stem(one, video)}.jpg"] == video.content
    assert record(rig, one, video)["video_url"].endswith(".m3u8")


def test_an_activity_without_original_may_have_photos(rig: Rig) -> None:
    rig.run()
    one = activity(rig, GYM)
    assert one.original is None
    assert f"{photo_stem(one, one.photos[0])}.jpg" in rig.files()


def test_no_photo_list_is_requested_if_the_count_is_0(rig: Rig) -> None:
    rig.run()
    with_photos = [one.id for one in rig.account.activities if one.photos]
    assert sorted(asked_for(rig, "photos")) == sorted(with_photos)


def test_no_picture_is_requested_with_credentials(rig: Rig) -> None:
    rig.run()
    for request in rig.account.requests:
        if request.kind == "photo":
            assert not {"cookie", "authorization"} & request.headers.keys()
    assert rig.account.leaks == []


def test_photos_need_no_user_section(rig: Rig) -> None:
    rig.config = replace(rig.config, user=None)
    assert rig.run().exit_code == 0
    assert stored_pictures(rig.files()) == expected_pictures(rig.account)


# Later runs


def test_a_second_run_requests_no_photo_list_and_no_picture(rig: Rig) -> None:
    rig.run()
    assert rig.run().exit_code == 0
    assert not {"photos", "photo"} & set(rig.asked)


def test_a_new_photo_is_all_that_a_later_run_fetches(rig: Rig) -> None:
    rig.run()
    one = activity(rig)
    new = photo_of(one.detail, 7, "webp")
    one.photos.append(new)
    assert rig.run().exit_code == 0
    assert asked_for(rig, "photos") == [RIDE]
    assert asked_for(rig, "photo") == [new.unique_id]
    assert_complete(rig.account, rig.files())


def test_a_photo_that_is_deleted_on_strava_stays(rig: Rig) -> None:
    rig.run()
    before = of_photos(rig)
    activity(rig).photos.pop()
    assert rig.run().exit_code == 0
    assert asked_for(rig, "photos") == [RIDE]
    assert asked_for(rig, "photo") == []
    assert of_photos(rig).keys() == before.keys()
    rig.run()
    assert "photos" not in rig.asked


def test_the_last_photo_that_is_deleted_on_strava_stays(rig: Rig) -> None:
    rig.run()
    before = of_photos(rig)
    activity(rig, GYM).photos.clear()
    assert rig.run().exit_code == 0
    assert of_photos(rig) == before
    rig.run(full=True)
    assert GYM not in asked_for(rig, "photos")
    assert of_photos(rig) == before


def test_full_fetches_every_photo_list_and_no_stored_picture(rig: Rig) -> None:
    rig.run()
    before = of_photos(rig)
    assert rig.run(full=True).exit_code == 0
    assert len(asked_for(rig, "photos")) == len(
        [one for one in rig.account.activities if one.photos]
    )
    assert asked_for(rig, "photo") == []
    assert of_photos(rig) == before


def test_a_changed_caption_is_saved_with_full_and_the_old_one_goes_to_history(rig: Rig) -> None:
    rig.run()
    one = activity(rig)
    path = f"{photo_stem(one, one.photos[1])}.meta.json"
    before = rig.files()[path]
    one.photos[1].caption = "On top"
    rig.clock.now += DAY
    rig.run(full=True)
    after = rig.files()
    assert json.loads(after[path])["caption"] == "On top"
    history = {name: data for name, data in after.items() if name.startswith("history/photos")}
    assert history == {f"history/{path}.2026-11-23T10-00-00Z.json": before}
    # The notes on the picture are kept.
    assert record(rig, one, one.photos[1])["strava_backup"]["picture"]


def test_without_photos_none_is_fetched_and_a_later_run_saves_them(rig: Rig) -> None:
    assert rig.run(photos=False).exit_code == 0
    assert not {"photos", "photo"} & set(rig.asked)
    assert of_photos(rig) == {}
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_without_photos_not_even_a_failed_picture_is_requested(rig: Rig) -> None:
    bad = activity(rig).photos[0]
    rig.account.faults.append(Fault("photo", "404", id=bad.unique_id))
    rig.run()
    assert rig.run(photos=False).exit_code == 0
    assert "photo" not in rig.asked
    assert rig.run().exit_code == 3


def test_a_picture_that_vanished_from_the_archive_is_fetched_without_the_list(
    rig: Rig,
) -> None:
    rig.run()
    one = activity(rig)
    (rig.root / f"{photo_stem(one, one.photos[0])}.jpg").unlink()
    assert rig.run().exit_code == 0
    assert asked_for(rig, "photos") == []
    assert asked_for(rig, "photo") == [one.photos[0].unique_id]
    assert_complete(rig.account, rig.files())


def test_a_photo_id_stored_in_other_case_is_the_same_photo(rig: Rig) -> None:
    rig.run()
    for path in list((rig.root / "photos").iterdir()):
        path.rename(path.with_name(path.name.lower()))
    before = of_photos(rig)
    assert rig.run(full=True).exit_code == 0
    assert asked_for(rig, "photo") == []
    assert of_photos(rig) == before


# Failures


def foreign(photo: Photo) -> None:
    photo.url = "https://pictures.example.org/a.jpg"


def not_https(photo: Photo) -> None:
    photo.url = photo.address().replace("https://", "http://")


def placeholder(photo: Photo) -> None:
    photo.kind = "placeholder"


def instagram(photo: Photo) -> None:
    photo.url = ""


SPOILT = [
    *(pytest.param(what, id=what) for what in ("403", "404", "500", "html", "empty", "truncated")),
    pytest.param(foreign, id="foreign host"),
    pytest.param(not_https, id="not https"),
    pytest.param(placeholder, id="placeholder"),
    pytest.param(instagram, id="no address"),
]
TELLING = ("404", "html", "placeholder")


def spoil(rig: Rig, photo: Photo, how: str | Callable[[Photo], None]) -> None:
    if callable(how):
        _ = photo.content
        how(photo)
    else:
        rig.account.faults.append(Fault("photo", how, id=photo.unique_id))


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.every(3)
def test_a_failed_picture_is_reported_and_everything_else_is_saved(
    pair: Rig, how: str | Callable[[Photo], None]
) -> None:
    one = activity(pair)
    bad = one.photos[1]
    spoil(pair, bad, how)

    report = pair.run()

    assert report.exit_code == 3
    (failure,) = report.failures
    assert str(RIDE) in failure.what
    assert bad.unique_id in failure.what
    files = pair.files()
    assert stored_pictures(files) == without(pair, bad)
    assert stored_metadata(files, "photos") == expected_photo_metadata(pair.account)
    assert stored_metadata(files, "activities") == expected_activity_metadata(pair.account)
    assert stored_originals(files) == expected_originals(pair.account)
    assert not [path for path in files if path.endswith(".part")]
    # Its list is complete nevertheless.
    assert own_key(files, one)["photos"] == {"count": 3}


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(*one.values, id=one.id, marks=[pytest.mark.thorough] * (one.id not in TELLING))
        for one in SPOILT
    ],
)
def test_a_picture_is_unavailable_after_three_days_and_requested_again_with_full_only(
    pair: Rig, how: str | Callable[[Photo], None]
) -> None:
    one = activity(pair)
    bad = one.photos[1]
    spoil(pair, bad, how)
    codes = []
    for _ in range(4):
        report = pair.run()
        codes.append((report.exit_code, len(report.failures), len(report.not_available)))
        pair.run()
        if report.exit_code == 3:
            # Only the list may provide a missing URL.
            assert ("photos" in pair.asked) == (how in (placeholder, instagram))
        pair.clock.now += DAY
    assert codes == [(3, 1, 0), (3, 1, 0), (0, 0, 1), (0, 0, 0)]
    pair.run()
    assert "photo" not in pair.asked
    (refusal,) = record(pair, one, bad)["strava_backup"]["refused"].values()
    assert refusal["on"] == ["2026-11-22", "2026-11-23", "2026-11-24"]
    assert refusal["why"]

    pair.account.faults.clear()
    bad.url, bad.kind = None, "jpg"
    assert pair.run(full=True).exit_code == 0
    assert asked_for(pair, "photo") == [bad.unique_id]
    assert_complete(pair.account, pair.files())
    assert "refused" not in record(pair, one, bad)["strava_backup"]


@pytest.mark.parametrize("what", ["403", "404", "500", "html", "empty", "dropped"])
@pytest.mark.every(2)
def test_a_failed_picture_is_fetched_by_the_next_run_without_the_list(pair: Rig, what: str) -> None:
    one = activity(pair)
    bad = one.photos[0]
    pair.account.faults.append(Fault("photo", what, id=bad.unique_id))
    assert pair.run().exit_code == 3
    pair.account.faults.clear()
    assert pair.run().exit_code == 0
    assert asked_for(pair, "photos") == []
    assert asked_for(pair, "photo") == [bad.unique_id]
    assert_complete(pair.account, pair.files())
    assert "refused" not in record(pair, one, bad)["strava_backup"]


def test_a_picture_cut_short_once_is_fetched_again_at_once(rig: Rig) -> None:
    bad = activity(rig).photos[0]
    rig.account.faults.append(Fault("photo", "truncated", id=bad.unique_id, times=2))
    assert rig.run().exit_code == 0
    assert asked_for(rig, "photo").count(bad.unique_id) == 3
    assert_complete(rig.account, rig.files())


def test_a_picture_cut_short_without_any_framing_is_never_accepted(rig: Rig) -> None:
    bad = activity(rig).photos[0]
    rig.account.faults.append(Fault("photo", "truncated-unframed", id=bad.unique_id, times=1))
    report = rig.run()
    assert report.exit_code == 3
    assert "differently" in report.failures[0].why
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_a_suspicious_picture_is_fetched_twice_and_kept_and_reported(rig: Rig) -> None:
    one = activity(rig)
    photo = one.photos[0]
    half = photo.content[: len(photo.content) // 2]
    rig.account.faults.append(Fault("photo", "other-body", id=photo.unique_id, body=half))
    assert rig.run().exit_code == 0
    assert asked_for(rig, "photo").count(photo.unique_id) == 2
    assert rig.files()[f"{photo_stem(one, photo)}.jpg"] == half
    picture = record(rig, one, photo)["strava_backup"]["picture"]
    assert picture["odd"] == "the .jpg picture has no end"
    rig.run()
    assert "photo" not in rig.asked


def test_an_unreachable_host_never_makes_a_picture_unavailable(rig: Rig) -> None:
    one = activity(rig)
    bad = one.photos[0]
    rig.account.faults.append(Fault("photo", "dropped", id=bad.unique_id))
    for _ in range(5):
        assert rig.run().exit_code == 3
        rig.clock.now += DAY
    assert "refused" not in record(rig, one, bad)["strava_backup"]


def test_three_unreachable_pictures_in_a_row_close_only_the_photo_hosts(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither a fourth picture in flight nor a video in between.
    monkeypatch.setattr(tasks, "_IN_FLIGHT", 1)
    rig.account.faults.append(Fault("photo", "500"))
    report = rig.run(videos=False)
    assert report.exit_code == 5
    assert len(report.failures) == 3
    assert report.left["photo"] == len(expected_pictures(rig.account)) - 3
    assert stored_originals(rig.files()) == expected_originals(rig.account)
    assert stored_metadata(rig.files(), "photos") == expected_photo_metadata(rig.account)
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert "photos" not in rig.asked
    assert_complete(rig.account, rig.files())


def test_many_refused_pictures_close_no_host(rig: Rig) -> None:
    one, *others = [photo for activity in rig.account.activities for photo in activity.photos]
    rig.account.faults += [Fault("photo", "403", id=photo.unique_id) for photo in others]
    report = rig.run()
    assert report.exit_code == 3
    assert one.unique_id not in str(report.failures)
    assert len(report.failures) == len(expected_pictures(rig.account)) - 1


def test_placeholders_of_photos_are_kept_as_metadata(rig: Rig) -> None:
    sample = Account.sample(rig.clock, problems=True)
    rig.account.add(sample.activity(1_000_002))  # type: ignore[arg-type]
    rig.account.add(sample.activity(14_000_000_008))  # type: ignore[arg-type]
    report = rig.run()
    assert report.exit_code == 3
    assert sorted(failure.why for failure in report.failures) == [
        "Strava offers no picture (from Instagram)",
        "Strava offers no picture (placeholder)",
    ]
    assert stored_pictures(rig.files()) == expected_pictures(rig.account)
    (instagram,) = (
        json.loads(data)
        for path, data in of_photos(rig).items()
        if path.startswith("photos/1000002")
    )
    assert instagram["ref"].startswith("http://instagram.com/")


# Lists of photos


@pytest.mark.parametrize("what", ["404", "500", "html", "empty", "truncated", "dropped"])
@pytest.mark.every(2)
def test_a_failed_photo_list_is_reported_and_requested_again(pair: Rig, what: str) -> None:
    pair.account.faults.append(Fault("photos", what, id=RIDE))
    report = pair.run()
    assert report.exit_code == 3
    (failure,) = report.failures
    assert str(RIDE) in failure.what
    assert "photo list" in failure.what
    assert stored_metadata(pair.files(), "activities") == expected_activity_metadata(pair.account)
    pair.account.faults.clear()
    assert pair.run().exit_code == 0
    assert asked_for(pair, "photos") == [RIDE]
    assert_complete(pair.account, pair.files())


def test_a_refused_photo_list_is_unavailable_after_three_days(rig: Rig) -> None:
    rig.account.faults.append(Fault("photos", "404", id=RIDE))
    codes = []
    for _ in range(4):
        codes.append(rig.run().exit_code)
        rig.clock.now += DAY
    assert codes == [3, 3, 0, 0]
    assert "photos" not in rig.asked
    rig.account.faults.clear()
    rig.run(full=True)
    assert_complete(rig.account, rig.files())


def list_of(rig: Rig, *entries: Any) -> None:
    """Replace the photo list of the ride."""
    rig.account.faults.append(
        Fault("photos", "other-body", id=RIDE, body=json.dumps(entries).encode())
    )


@pytest.mark.parametrize("entry", [None, "photo", {}, {"urls": {}}, {"unique_id": "../../x"}])
@pytest.mark.every(2)
def test_an_entry_without_id_is_reported_and_affects_no_other(pair: Rig, entry: Any) -> None:
    list_of(pair, entry, *activity(pair).photo_records(5000))
    report = pair.run()
    assert report.exit_code == 3
    (failure,) = report.failures
    assert "photo list" in failure.what
    assert "no photo id" in failure.why
    assert_complete(pair.account, pair.files())
    # The list is requested again until it is complete, and the pictures are not.
    assert pair.run().exit_code == 3
    # And another one, which shows that the API serves complete lists.
    assert [one for one in asked_for(pair, "photos") if one != 99_999_999_999] == [RIDE]
    assert asked_for(pair, "photo") == []
    pair.account.faults.clear()
    assert pair.run().exit_code == 0
    pair.run()
    assert "photos" not in pair.asked


def test_a_photo_that_is_listed_twice_is_fetched_once(rig: Rig) -> None:
    first, *rest = activity(rig).photo_records(5000)
    again = {**first, "unique_id": first["unique_id"].lower(), "cursor": "x"}
    list_of(rig, first, *rest, again, {**first, "cursor": "y"})
    assert rig.run().exit_code == 0
    assert asked_for(rig, "photo").count(first["unique_id"]) == 1
    assert_complete(rig.account, rig.files())
    assert not [path for path in rig.files() if path.startswith("history/")]


@pytest.mark.parametrize("urls", [None, [], "https://example.org", {"5000": 7}, {"big": "x"}])
def test_urls_of_an_unknown_form_are_ignored(pair: Rig, urls: Any) -> None:
    first, *rest = activity(pair).photo_records(5000)
    list_of(pair, {**first, "urls": urls}, *rest)
    report = pair.run()
    assert report.exit_code == 3
    assert [failure.why for failure in report.failures] == ["Strava offers no picture (no address)"]


def test_a_dry_run_prints_missing_pictures_and_fetches_none(rig: Rig) -> None:
    bad = activity(rig).photos[0]
    rig.account.faults.append(Fault("photo", "404", id=bad.unique_id))
    rig.run()
    rig.run(dry_run=True)
    assert [line.rpartition(": ")[2] for line in rig.printed] == ["photo"]
    assert not {"photos", "photo"} & set(rig.asked)


def test_an_account_with_many_photos_is_saved_completely(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(1)
    (one,) = rig.account.activities
    one.photos[:] = [
        photo_of(one.detail, number, bytes_wanted=0, width=8, height=8) for number in range(201)
    ]
    assert rig.run().exit_code == 0
    assert asked_for(rig, "photos") == [one.id, one.id]
    assert stored_pictures(rig.files()) == expected_pictures(rig.account)


def test_a_list_that_is_shorter_than_the_count_is_requested_again(rig: Rig) -> None:
    rig.account.faults.append(Fault("photos", "other-body", id=RIDE, body=b"[]", times=1))
    report = rig.run()
    assert report.exit_code == 3
    assert "0 of 3 photos" in report.failures[0].why
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_a_list_that_stays_shorter_than_the_count_is_unavailable_until_the_count_changes(
    rig: Rig,
) -> None:
    shorter = json.dumps(activity(rig).photo_records(5000)[:2]).encode()
    rig.account.faults.append(Fault("photos", "other-body", id=RIDE, body=shorter))
    codes = []
    for _ in range(4):
        codes.append(rig.run().exit_code)
        rig.clock.now += DAY
    assert codes == [3, 3, 0, 0]
    assert "photos" not in rig.asked
    rig.account.faults.clear()
    activity(rig).photos.append(photo_of(activity(rig).detail, 8))
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_a_picture_that_replaces_a_placeholder_later_is_saved(rig: Rig) -> None:
    photo = activity(rig).photos[1]
    picture = photo.kind
    placeholder(photo)
    assert rig.run().exit_code == 3
    rig.clock.now += DAY
    photo.kind = picture
    photo.__dict__.pop("content", None)
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())
