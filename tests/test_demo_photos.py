from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime

import pytest
from stravalib.model import ActivityPhoto, DetailedActivity

from strava_backup.demo.account import Account
from strava_backup.demo.activity import recorded
from strava_backup.demo.photos import KINDS, PLACEHOLDER, Photo, counts, photo_of
from strava_backup.demo.serve import serve
from strava_backup.demo.wire import Request
from tests.faults import Fault

START = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
RIDE = recorded(16_600_000_000, START, "Ride <1>")
SHOWN = [kind for kind in KINDS if kind not in ("placeholder", "instagram")]


def get(account, url, **headers):
    host, _, path = url.removeprefix("https://").partition("/")
    return serve(account, Request("GET", host, f"/{path}", headers=headers))


@pytest.fixture
def account():
    return Account.sample(problems=True)


def photos_of(account):
    return [photo for activity in account.activities for photo in activity.photos]


def test_a_record_has_the_form_of_strava():
    photo = photo_of(RIDE, caption="Top", location=(47.9, 7.8))
    assert photo.record(RIDE, 5000, is_default=True) == {
        "unique_id": photo.unique_id,
        "athlete_id": RIDE["athlete"]["id"],
        "activity_id": 16_600_000_000,
        "activity_name": "Ride <1>",
        "post_id": None,
        "resource_state": 2,
        "caption": "Top",
        "type": 1,
        "source": 1,
        "status": 3,
        "uploaded_at": "2026-05-06T09:15:16Z",
        "created_at": "2026-05-06T07:15:09Z",
        "created_at_local": "2026-05-06T09:15:09Z",
        "urls": {"5000": photo.address()},
        "placeholder_image": None,
        "sizes": {"5000": [1536, 2048]},
        "default_photo": True,
        "cursor": None,
        "location": [47.9, 7.8],
    }
    assert "location" not in photo_of(RIDE).record(RIDE)


def test_an_id_is_an_upper_case_uuid_and_is_not_in_the_address():
    photo = photo_of(RIDE)
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", photo.unique_id)
    assert re.fullmatch(
        r"https://dgtzuqphqg23d\.cloudfront\.net/[\w-]{43}-1536x2048\.jpg", photo.address()
    )
    assert photo_of(RIDE, 2).unique_id != photo.unique_id


@pytest.mark.parametrize(
    ("size", "sides"),
    [(0, (48, 64)), (64, (48, 64)), (600, (576, 768)), (2048, (1536, 2048)), (9999, (1536, 2048))],
)
def test_the_copy_is_the_smallest_one_that_is_large_enough(size, sides):
    photo = photo_of(RIDE)
    assert photo.dimensions(size) == sides
    assert photo.address(size).endswith(f"-{sides[0]}x{sides[1]}.jpg")


def test_urls_and_sizes_have_the_size_asked_for_as_their_key():
    photo = photo_of(RIDE)
    assert photo.record(RIDE, 600)["sizes"] == {"600": [576, 768]}
    thumbnail = photo.record(RIDE)
    assert (list(thumbnail["urls"]), thumbnail["sizes"]) == (["0"], {"0": [48, 64]})


def test_a_video_has_a_poster_a_duration_and_a_playlist():
    record = photo_of(RIDE, kind="video").record(RIDE, 5000)
    assert (record["type"], record["duration"]) == (2, 4.0)
    host = r"https://d35tn3x5zm6xrc\.cloudfront\.net"
    poster = rf"{host}/([\w-]{{43}})/thumbnails/\1_1080x1920\.jpg"
    assert re.fullmatch(poster, record["urls"]["5000"])
    assert re.fullmatch(rf"{host}/([\w-]{{43}})/hls/\1\.m3u8", record["video_url"])


def test_an_instagram_photo_has_neither_address_nor_unique_id():
    record = photo_of(RIDE, kind="instagram").record(RIDE, 5000)
    assert not {"unique_id", "urls", "sizes"} & record.keys()
    assert (record["type"], record["source"]) == ("InstagramPhoto", 2)
    assert isinstance(record["id"], int)
    assert record["ref"].startswith("http://instagram.com/p/")


def test_an_unknown_kind_is_refused_at_once():
    with pytest.raises(ValueError, match="painting"):
        Photo("A", START, "painting")


def test_an_activity_counts_its_photos_videos_and_instagram_photos():
    kinds = ("instagram", "video", "jpg")
    counted = counts([photo_of(RIDE, number, kind) for number, kind in enumerate(kinds)])
    assert (counted["photo_count"], counted["total_photo_count"]) == (1, 3)
    assert counted["photos"]["count"] == 3
    assert counted["photos"]["primary"]["media_type"] == 2
    assert counted["photos"]["primary"]["urls"].keys() == {"100", "600"}
    assert counts([])["photos"] == {"primary": None, "count": 0}


def test_counts_follow_the_photos_in_detail_and_summary():
    account = Account.of(1, photos=False)
    activity = account.activities[0]
    assert activity.detail["total_photo_count"] == 0
    activity.photos.append(photo_of(activity.detail))
    listed = account.activities[0].summary()
    assert (listed["total_photo_count"], "photos" in listed) == (1, False)
    assert account.activity(activity.id).detail["photos"]["count"] == 1
    activity.photos.clear()
    assert account.activity(activity.id).detail["total_photo_count"] == 0


def test_stravalib_accepts_every_photo_but_instagrams(account):
    for activity in account.activities:
        assert DetailedActivity.model_validate(activity.detail).photos
        for record in activity.photo_records(5000):
            if record["source"] == 1:
                assert ActivityPhoto.model_validate(record).unique_id == record["unique_id"]


def test_the_sample_holds_every_kind_and_problems_only_if_asked_for(account):
    assert {photo.kind for photo in photos_of(account)} == set(KINDS)
    assert {photo.kind for photo in photos_of(Account.sample())} == set(SHOWN)
    assert not photos_of(Account.sample(photos=False))
    assert any(one.photos and one.original is None for one in account.activities)
    assert any(one.photos and one.only_me for one in account.activities)


def test_an_account_of_many_has_photos_on_every_fifth_activity():
    activities = Account.of(100).activities
    assert sorted(len(one.photos) for one in activities) == [0] * 80 + [1] * 10 + [2] * 10
    assert not photos_of(Account.of(100, photos=False))


@pytest.mark.parametrize("build", [Account.sample, lambda: Account.of(40)])
def test_every_photo_comes_from_its_address_as_a_jpeg(build):
    account = build()
    for photo in photos_of(account):
        response = get(account, photo.address())
        assert (response.status, response.body) == (200, photo.content)
        assert response.header("Content-Type") == "image/jpeg"
        assert response.framing == "length"
    contents = {photo.content for photo in photos_of(account)}
    assert len(contents) == len(photos_of(account))
    assert not account.leaks


def test_smaller_copies_are_other_pictures(account):
    photo = account.activity(16_600_000_000).photos[0]
    for address in photo.primary()["urls"].values():
        response = get(account, address)
        assert response.status == 200
        assert response.body != photo.content
        assert response.body.startswith(b"\xff\xd8\xff")


def test_a_placeholder_is_a_real_picture_of_another_host(account):
    photo = next(photo for photo in photos_of(account) if photo.kind == "placeholder")
    record = photo.record(RIDE, 5000)
    assert record["urls"] == {"5000": PLACEHOLDER}
    assert record["sizes"] == {"5000": [1372, 1000]}
    response = get(account, PLACEHOLDER)
    assert response.header("Content-Type") == "image/png"
    assert response.body.startswith(b"\x89PNG")


def test_an_address_that_no_photo_has_is_denied_in_xml(account):
    response = get(account, "https://dgtzuqphqg23d.cloudfront.net/none-1536x2048.jpg")
    assert (response.status, response.header("Content-Type")) == (403, "application/xml")
    assert b"<Code>AccessDenied</Code>" in response.body
    assert [(one.kind, one.id) for one in account.requests] == [("photo", None)]
    assert not account.unknown_requests


def test_the_address_of_a_photo_that_was_deleted_is_denied(account):
    photos = account.activity(16_600_000_000).photos
    removed = photos.pop()
    assert get(account, removed.address()).status == 403
    assert get(account, photos[0].address()).status == 200


def test_a_video_comes_from_its_playlist_and_that_of_a_variant(account):
    video = next(photo for photo in photos_of(account) if photo.kind == "video")
    assert get(account, video.record(RIDE)["video_url"]).body.startswith(b"#EXTM3U\n")
    for name, content in video.video.files.items():
        assert get(account, video.video_folder + name).body == content
    assert get(account, f"{video.video_folder}none.ts").status == 403
    kinds = Counter(request.kind for request in account.requests)
    assert kinds == {"playlist": 2, "variant": 3, "segment": 9, "video": 1}
    assert {request.id for request in account.requests} == {video.unique_id, None}


@pytest.mark.parametrize(
    ("byte_range", "status", "part", "content_range"),
    [
        ("bytes=0-187", 206, slice(0, 188), "bytes 0-187/4324"),
        ("bytes=188-199", 206, slice(188, 200), "bytes 188-199/4324"),
        ("bytes=4000-9999", 206, slice(4000, None), "bytes 4000-4323/4324"),
        ("bytes=4324-5000", 416, slice(0, 0), "bytes */4324"),
        ("bytes=-5", 200, slice(None), None),
    ],
)
def test_a_part_of_a_segment_can_be_requested(account, byte_range, status, part, content_range):
    video = next(photo for photo in photos_of(account) if photo.kind == "video")
    name = f"{video.token}_1080x1920_00000.ts"
    answer = get(account, video.video_folder + name, range=byte_range)
    assert (answer.status, answer.body) == (status, video.video.files[name][part])
    assert answer.header("Content-Range") == content_range


def test_a_photo_host_answers_nothing_but_get(account):
    photo = photos_of(account)[0]
    host, path = photo.address().removeprefix("https://").split("/")
    assert serve(account, Request("POST", host, f"/{path}")).status == 403
    assert account.unknown_requests


def test_a_photo_can_have_any_address(account):
    activity = account.activity(16_600_000_000)
    signed = "https://d1.cloudfront.net/a.jpg?Expires=1"
    for number, url in enumerate([signed, "http://d2.cloudfront.net/a.jpg", "https://x.org/a.jpg"]):
        activity.photos.append(photo_of(activity.detail, 20 + number, url=url))
        assert activity.photo_records(5000)[-1]["urls"] == {"5000": url}
    assert get(account, signed.partition("?")[0]).body == activity.photos[-3].content
    assert get(account, "https://d2.cloudfront.net/a.jpg").status == 403
    assert get(account, "https://x.org/a.jpg").drop
    assert [request.host for request in account.unknown_requests] == ["x.org"]


@pytest.mark.parametrize("header", ["cookie", "authorization"])
def test_a_cookie_or_a_token_sent_to_another_host_is_a_leak(account, header):
    address = photos_of(account)[0].address()
    assert get(account, address, **{header: "secret"}).status == 200
    get(account, "https://example.org/", **{header: "secret"})
    get(account, "https://www.strava.com/about", **{header: "secret"})
    hosts = [request.host for request in account.leaks]
    assert hosts == ["dgtzuqphqg23d.cloudfront.net", "example.org"]


def test_a_fault_can_name_one_photo(account):
    first, second, *_ = account.activity(16_600_000_000).photos
    account.faults.append(Fault("photo", "truncated", id=first.unique_id))
    assert get(account, first.address()).cut == len(first.content) // 2
    assert get(account, second.address()).cut is None
    assert [one.id for one in account.requests] == [first.unique_id, second.unique_id]


def test_a_photo_can_be_as_large_as_wanted():
    assert 50_000 <= len(photo_of(RIDE, bytes_wanted=50_000).content) < 51_000


def test_the_records_of_a_sample_are_alike_each_time(account):
    again = Account.sample(problems=True)
    for one, other in zip(account.activities, again.activities, strict=True):
        assert one.photo_records(5000) == other.photo_records(5000)
        assert [photo.content for photo in one.photos] == [photo.content for photo in other.photos]
