"""Videos of playlists that FFmpeg makes: FFmpeg reads each stored file whole."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strava_backup.demo.photos import Photo, photo_of
from strava_backup.demo.videos import Video
from strava_backup.verify import verify
from tests.conftest import Rig
from tests.expected import photo_stem

pytestmark = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="FFmpeg is not installed"
)

SOURCE = [
    *("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=3"),
    *("-f", "lavfi", "-i", "sine=duration=3"),
    *("-c:v", "libx264", "-g", "10", "-c:a", "aac"),
]
FORMS = {
    "MPEG-TS": ([], ".ts"),
    "MPEG-TS in one file": (["-hls_flags", "single_file"], ".ts"),
    "fragmented MP4": (["-hls_segment_type", "fmp4"], ".mp4"),
    "fragmented MP4 in one file": (
        ["-hls_segment_type", "fmp4", "-hls_flags", "single_file"],
        ".mp4",
    ),
}


def make_playlists(folder: Path, options: list[str], name: str) -> None:
    """Make a playlist of variants of that name, and one of segments, media.m3u8."""
    hls = ["-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod", "-master_pl_name", name]
    command = ["ffmpeg", "-v", "error", *SOURCE, *hls, *options, "media.m3u8"]
    subprocess.run(command, cwd=folder, check=True, timeout=120)


def packets(path: Path) -> list[tuple[str, str]]:
    """Return the type of each stream and the number of its packets; FFmpeg may report no error."""
    entries = ["-count_packets", "-show_entries", "stream=codec_type,nb_read_packets"]
    command = ["ffprobe", "-v", "error", *entries, "-of", "json", path.name]
    result = subprocess.run(command, cwd=path.parent, capture_output=True, check=True, timeout=120)
    assert result.stderr == b""
    streams: list[dict[str, Any]] = json.loads(result.stdout)["streams"]
    return sorted((one["codec_type"], one["nb_read_packets"]) for one in streams)


def use_files(video: Photo, folder: Path) -> None:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    video.video = Video(f"{video.token}.m3u8", files, b"", "")


@pytest.mark.parametrize(
    "form",
    [
        "MPEG-TS",
        "fragmented MP4 in one file",
        pytest.param("MPEG-TS in one file", marks=pytest.mark.thorough),
        pytest.param("fragmented MP4", marks=pytest.mark.thorough),
    ],
)
def test_ffmpeg_reads_a_stored_video_whole(
    form: str, make_rig: Callable[..., Rig], tmp_path: Path
) -> None:
    rig = make_rig(1)
    (one,) = rig.account.activities
    video = photo_of(one.detail, 1, "video")
    one.photos[:] = [video]
    folder = tmp_path / "hls"
    folder.mkdir()
    options, suffix = FORMS[form]
    make_playlists(folder, options, f"{video.token}.m3u8")
    use_files(video, folder)

    report = rig.run()

    assert (report.exit_code, report.saved["video"]) == (0, 1)
    stored = rig.root / f"{photo_stem(one, video)}{suffix}"
    assert packets(stored) == packets(folder / "media.m3u8")
    assert [kind for kind, _ in packets(stored)] == ["audio", "video"]
    own = json.loads((rig.root / f"{photo_stem(one, video)}.meta.json").read_bytes())
    assert "odd" not in own["strava_backup"]["video"]
    assert verify(rig.root, rig.printed.append) == 0
