"""Runs with videos: the archive that they leave, and the requests that they make."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from strava_backup import verify
from strava_backup.demo.account import Account
from strava_backup.demo.activity import Activity
from strava_backup.demo.photos import Photo, photo_of
from strava_backup.demo.videos import PACKET, mp4_video
from tests.conftest import DAY, Command, Rig
from tests.expected import (
    assert_complete,
    expected_pictures,
    expected_videos,
    photo_stem,
    stored_pictures,
    stored_videos,
)
from tests.faults import Fault

RUN = 15_210_998_871  # one of its photos is a video
RIDE = 16_600_000_000
KINDS = ("playlist", "variant", "segment")


@pytest.fixture
def rig(rig: Rig) -> Rig:
    """The sample account with two activities, one of which has a video, and no gear."""
    for one in rig.account.activities:
        if one.id not in (RUN, RIDE):
            rig.account.remove(one.id)
        else:
            rig.account.edit(one.id, gear_id=None)
    rig.account.gear.clear()
    return rig


def run_of(rig: Rig) -> Activity:
    found = rig.account.activity(RUN)
    assert found
    return found


def video_of(rig: Rig) -> Photo:
    return next(photo for photo in run_of(rig).photos if photo.kind == "video")


def use_playlist(rig: Rig, text: str) -> None:
    """Replace the first playlist of the video."""
    video = video_of(rig)
    assert video.video
    files = {**video.video.files, video.video.playlist: text.encode()}
    video.video = video.video._replace(files=files)


def record(rig: Rig) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rig.files()[f"{stem(rig)}.meta.json"])
    return found


def stem(rig: Rig) -> str:
    return photo_stem(run_of(rig), video_of(rig))


def asked(rig: Rig) -> set[str]:
    return set(rig.asked) & {*KINDS, "photo", "photos", "web-photos"}


def by_website(rig: Rig) -> None:
    rig.config = replace(rig.config, api=None)


def by_api(rig: Rig) -> None:
    pass


# Whole videos


@pytest.mark.parametrize("source", [by_api, by_website])
def test_a_video_is_saved_beside_its_poster_and_never_fetched_again(
    rig: Rig, source: Callable[[Rig], None]
) -> None:
    source(rig)
    report = rig.run()
    assert report.exit_code == 0
    assert (report.saved["photo"], report.saved["video"]) == (6, 1)
    assert "6 photos, 1 video" in report.lines()[0]
    assert Counter(rig.asked)["segment"] == 3
    assert stored_videos(rig.files()) == expected_videos(rig.account)
    assert stored_pictures(rig.files()) == expected_pictures(rig.account)
    assert record(rig)["strava_backup"]["video"] == {
        "file": f"{stem(rig)}.ts".removeprefix("photos/"),
        "saved_at": "2026-11-22T10:00:00Z",
    }
    assert rig.run().exit_code == 0
    assert not asked(rig) & {*KINDS, "photo"}
    assert rig.run(full=True).exit_code == 0
    assert not asked(rig) & {*KINDS, "photo"}
    assert verify.verify(rig.root, rig.printed.append) == 0
    assert "notice" not in str(rig.printed)


def test_a_video_of_byte_ranges_is_an_mp4(rig: Rig) -> None:
    video = video_of(rig)
    video.video = mp4_video(video.token, video.video_folder)
    assert rig.run().exit_code == 0
    assert list(stored_videos(rig.files())) == [f"{stem(rig)}.mp4"]
    assert_complete(rig.account, rig.files())


def test_a_video_of_byte_ranges_comes_through_a_proxy(make_command: Callable[..., Command]) -> None:
    account = Account.of(1, photos=False, gear=False)
    (one,) = account.activities
    video = photo_of(one.detail, 1, "video")
    video.video = mp4_video(video.token, video.video_folder)
    one.photos.append(video)
    command = make_command(account)
    result = command.run()
    assert (result.returncode, "1 photo, 1 video" in result.stderr) == (0, True)
    assert_complete(account, command.files())
    assert command.asked.count("segment") == 4


def test_a_large_video_is_written_while_it_is_fetched(rig: Rig) -> None:
    video = video_of(rig)
    assert video.video
    files = {name: one * 200 for name, one in video.video.files.items() if name.endswith(".ts")}
    content = b"".join(files[f"{video.token}_1080x1920_0000{number}.ts"] for number in range(3))
    video.video = video.video._replace(files={**video.video.files, **files}, content=content)
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_a_video_is_requested_without_credentials(rig: Rig) -> None:
    rig.run()
    requests = [one for one in rig.account.requests if one.kind in KINDS]
    assert not [one for one in requests if {"cookie", "authorization"} & one.headers.keys()]
    assert rig.account.leaks == []


# Options


def test_without_videos_none_is_fetched_and_a_later_run_saves_them_without_the_list(
    rig: Rig,
) -> None:
    report = rig.run(videos=False)
    assert (report.exit_code, report.saved["video"]) == (0, 0)
    assert not asked(rig) & {*KINDS}
    assert stored_pictures(rig.files()) == expected_pictures(rig.account)
    report = rig.run()
    assert dict(report.saved) == {"video": 1}
    assert asked(rig) == {*KINDS}
    assert_complete(rig.account, rig.files())


def test_without_photos_there_are_no_videos(rig: Rig) -> None:
    rig.run(videos=False)
    assert rig.run(photos=False).exit_code == 0
    assert not asked(rig)


@pytest.mark.parametrize("source", [by_api, by_website])
def test_a_dry_run_lists_videos_and_fetches_none(rig: Rig, source: Callable[[Rig], None]) -> None:
    source(rig)
    rig.run(videos=False)
    report = rig.run(dry_run=True)
    assert dict(report.saved) == {"video": 1}
    assert [line.rpartition(": ")[2] for line in rig.printed] == ["video"]
    assert not asked(rig) & {*KINDS}


def test_a_dry_run_counts_the_videos_in_the_list_of_new_photos(rig: Rig) -> None:
    by_website(rig)
    rig.run(photos=False)
    report = rig.run(dry_run=True)
    assert dict(report.saved) == {"photo": 6, "video": 1}
    assert rig.printed == ["photos: 6 that are not stored", "videos: 1 that are not stored"]


# Archives that lack the video


def test_a_poster_of_an_earlier_version_does_not_stand_for_its_video(rig: Rig) -> None:
    rig.run(videos=False)
    # Version 0.4 and the first versions of 0.5 wrote no note about videos.
    assert "video" not in record(rig)["strava_backup"]
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_a_video_does_not_stand_for_its_poster(rig: Rig) -> None:
    rig.run()
    (rig.root / f"{stem(rig)}.jpg").unlink()
    assert rig.run().exit_code == 0
    assert asked(rig) == {"photo"}
    assert_complete(rig.account, rig.files())


def test_a_video_that_vanished_is_fetched_again_and_its_absence_is_noticed(rig: Rig) -> None:
    rig.run()
    (rig.root / f"{stem(rig)}.ts").unlink()
    (rig.root / "SHA256SUMS").unlink()
    lines: list[str] = []
    assert verify.verify(rig.root, lines.append) == 0
    assert "its file is missing; the next run fetches it" in str(lines)
    assert rig.run().exit_code == 0
    assert asked(rig) == {*KINDS}
    assert_complete(rig.account, rig.files())


def test_the_partial_file_of_a_run_that_died_is_removed(rig: Rig) -> None:
    rig.run(videos=False)
    left = rig.root / "photos" / f".{stem(rig).removeprefix('photos/')}.video.part"
    left.write_bytes(b"half")
    assert rig.run(videos=False).exit_code == 0
    assert not left.exists()


def test_a_damaged_video_is_set_aside_and_fetched_again_alone(rig: Rig) -> None:
    rig.run()
    path = rig.root / f"{stem(rig)}.ts"
    path.write_bytes(path.read_bytes()[:-1])
    # Without a checksum, the packets show the damage.
    for has_manifest in (True, False):
        if not has_manifest:
            (rig.root / "SHA256SUMS").unlink()
        lines: list[str] = []
        assert verify.verify(rig.root, lines.append) == 6
        assert "ends within a packet" in lines[0]
    assert verify.verify(rig.root, lines.append, repairs=True) == 6
    assert f"damaged/{stem(rig)}.ts" in rig.files()
    assert rig.run().exit_code == 0
    assert asked(rig) == {*KINDS}
    assert stored_videos(rig.files()) == expected_videos(rig.account)
    assert stored_pictures(rig.files()) == expected_pictures(rig.account)


def test_a_video_of_a_bulk_export_is_not_fetched_again(rig: Rig) -> None:
    rig.run(videos=False)
    imported = rig.root / f"{stem(rig)}.mp4"
    imported.write_bytes(b"\0\0\0\x08ftyp\0\0\0\x08mdat")
    assert rig.run().exit_code == 0
    assert rig.run(full=True).exit_code == 0
    assert not asked(rig) & {*KINDS}
    assert [*stored_videos(rig.files())] == [f"{stem(rig)}.mp4"]


# Failures


ENDLESS = "#EXTM3U\n#EXTINF:1,\n{best}\n"
ENCRYPTED = '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXTINF:1,\n{best}\n#EXT-X-ENDLIST'
FOREIGN = "#EXTM3U\n#EXTINF:1,\n{best}\n#EXTINF:1,\nhttps://example.org/a.ts\n#EXT-X-ENDLIST"
SPOILT = [
    *((kind, what) for kind in KINDS for what in ("403", "404")),
    *((kind, what) for kind in ("playlist", "segment") for what in ("truncated", "500", "html")),
    ("segment", "dropped"),
    ("not closed", ENDLESS),
    ("encrypted", ENCRYPTED),
    ("foreign host", FOREIGN),
]


def spoil(rig: Rig, kind: str, what: str) -> Callable[[], None]:
    """Spoil the video, and return a function that undoes it."""
    video = video_of(rig)
    whole = video.video
    if kind in KINDS:
        rig.account.faults.append(Fault(kind, what))
    else:
        use_playlist(rig, what.format(best=f"{video.token}_1080x1920_00000.ts"))

    def undo() -> None:
        rig.account.faults.clear()
        video.video = whole

    return undo


# A row that resembles one of another kind, or of another status.
SIMILAR = [*((kind, "403") for kind in KINDS[1:]), ("playlist", "truncated"), ("segment", "500")]


@pytest.mark.parametrize(
    ("kind", "what"),
    [pytest.param(*row, marks=[pytest.mark.thorough] if row in SIMILAR else []) for row in SPOILT],
)
@pytest.mark.every(3)
def test_a_failed_video_leaves_nothing_and_the_next_undisturbed_run_completes(
    rig: Rig, kind: str, what: str
) -> None:
    undo = spoil(rig, kind, what)
    report = rig.run()
    assert report.exit_code == 3
    (failure,) = report.failures
    assert failure.what.startswith(f"activity {RUN} ")
    assert failure.what.endswith(f"{video_of(rig).unique_id}, video")
    assert stored_videos(rig.files()) == {}
    assert stored_pictures(rig.files()) == expected_pictures(rig.account)
    assert not [path for path in rig.files() if path.endswith(".part")]
    assert "example.org" not in {request.host for request in rig.account.requests}
    undo()
    assert rig.run().exit_code == 0
    assert asked(rig) == {*KINDS}
    assert_complete(rig.account, rig.files())
    assert "refused" not in record(rig)["strava_backup"]


@pytest.mark.parametrize(
    ("kind", "what", "why"),
    [
        ("playlist", "404", "404"),
        ("segment", "403", "403"),
        ("encrypted", ENCRYPTED, "encrypted"),
        ("foreign host", FOREIGN, "host example.org"),
    ],
)
@pytest.mark.every(2)
def test_a_refused_video_is_unavailable_after_three_days(
    rig: Rig, kind: str, what: str, why: str
) -> None:
    spoil(rig, kind, what)
    codes = []
    for _ in range(4):
        report = rig.run()
        codes.append((report.exit_code, len(report.failures), len(report.not_available)))
        rig.clock.now += DAY
    assert codes == [(3, 1, 0), (3, 1, 0), (0, 0, 1), (0, 0, 0)]
    assert not asked(rig)
    assert "1 item not available" in str(report.completeness)
    refused = record(rig)["strava_backup"]["refused"]
    assert refused == {"video": {"why": why, "on": ["2026-11-22", "2026-11-23", "2026-11-24"]}}


@pytest.mark.parametrize("what", ["truncated", "500", "dropped"])
def test_a_video_that_does_not_arrive_is_tried_again_without_end(rig: Rig, what: str) -> None:
    rig.account.faults.append(Fault("segment", what))
    for _ in range(5):
        assert rig.run().exit_code == 3
        rig.clock.now += DAY
    assert "refused" not in record(rig)["strava_backup"]


def test_a_segment_cut_short_once_is_fetched_again_at_once(rig: Rig) -> None:
    rig.account.faults.append(Fault("segment", "truncated", times=2))
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())


def test_a_segment_that_lacks_bytes_without_any_sign_is_never_accepted(rig: Rig) -> None:
    rig.account.faults.append(Fault("segment", "truncated-unframed", times=1))
    report = rig.run()
    assert report.exit_code == 3
    assert "differently" in report.failures[0].why
    assert stored_videos(rig.files()) == {}


def test_a_suspicious_video_is_fetched_twice_and_kept_and_reported(rig: Rig) -> None:
    video = video_of(rig)
    assert video.video
    files = {name: one[: PACKET - 1] for name, one in video.video.files.items() if "ts" in name}
    video.video = video.video._replace(files={**video.video.files, **files})
    assert rig.run().exit_code == 0
    assert Counter(rig.asked)["segment"] == 6
    assert record(rig)["strava_backup"]["video"]["odd"] == "no .ts packet at byte 188"
    assert rig.run().exit_code == 0
    assert not asked(rig)
    assert verify.verify(rig.root, rig.printed.append) == 0


def test_a_video_that_strava_still_processes_is_asked_for_with_its_list(rig: Rig) -> None:
    entries = run_of(rig).photo_records(5000)
    for entry in entries:
        entry.pop("video_url", None)
    fault = Fault("photos", "other-body", id=RUN, body=json.dumps(entries).encode())
    rig.account.faults.append(fault)
    report = rig.run()
    assert [failure.why for failure in report.failures] == ["Strava offers no video (no address)"]
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert asked(rig) == {"photos", *KINDS}
    assert_complete(rig.account, rig.files())


@pytest.mark.parametrize("url", [None, 5, "", [], {"a": 1}])
def test_a_photo_with_an_odd_address_of_a_video_is_saved(rig: Rig, url: object) -> None:
    entries = run_of(rig).photo_records(5000)
    for entry in entries:
        entry |= {"video_url": url, "type": 1}
    rig.account.faults.append(
        Fault("photos", "other-body", id=RUN, body=json.dumps(entries).encode())
    )
    assert rig.run().exit_code == 0
    assert stored_pictures(rig.files()) == expected_pictures(rig.account)
    assert record(rig)["video_url"] == url
    report = rig.run()
    assert (report.exit_code, report.saved) == (0, {})


def test_three_unreachable_videos_in_a_row_close_the_photo_hosts(rig: Rig) -> None:
    one = run_of(rig)
    one.photos[:] = [photo_of(one.detail, number, "video") for number in range(5)]
    rig.run(videos=False)
    rig.account.faults.append(Fault("playlist", "500"))
    report = rig.run()
    assert report.exit_code == 5
    # The other two may have been on their way.
    assert len(report.failures) + report.left["video"] == 5
    assert len(report.failures) >= 3
    rig.account.faults.clear()
    assert rig.run().exit_code == 0
    assert_complete(rig.account, rig.files())
