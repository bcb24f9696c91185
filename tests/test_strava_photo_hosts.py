from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from strava_backup import errors
from strava_backup.demo.photos import PHOTO_HOST
from strava_backup.demo.videos import mp4_video
from strava_backup.demo.wire import Response, html, redirect
from strava_backup.strava import transport
from strava_backup.strava.photo_hosts import PhotoHosts
from tests.faults import Fault
from tests.first_backups import copied_account
from tests.strava_wire import RIDE, Wire, asked, is_pause


class Rig:
    """An account and a session for its photo hosts."""

    def __init__(self, account, clock):
        self.account = account
        self.clock = clock
        self.wire = Wire(account)
        self.http = transport.Session(adapter=self.wire, sleep=clock.sleep)
        self.hosts = PhotoHosts(self.http)
        self.photo = account.activity(RIDE).photos[0]

    def picture(self, url=None):
        """Return the name and the content of a picture."""
        with self.hosts.download(url or self.photo.address()) as download:
            return download.sent_name, b"".join(download.chunks)

    def failure(self, url=None):
        """Return the error of a picture's download."""
        with pytest.raises(errors.Error) as caught:
            self.picture(url)
        return caught.value

    def answer(self, response):
        """Replace the answer to the photo's address."""
        self.wire.instead[f"GET {urlsplit(self.photo.address()).path}"] = response


@pytest.fixture
def rig(clock):
    return Rig(copied_account(None, clock), clock)


def test_the_constructor_asks_for_nothing(rig):
    assert rig.account.requests == []


def test_every_picture_comes_byte_for_byte_and_with_the_name_in_its_address(rig):
    photos = [photo for one in rig.account.activities for photo in one.photos]
    assert {photo.kind for photo in photos} == {"jpg", "png", "webp", "gif", "heic", "video"}
    for photo in photos:
        name, content = rig.picture(photo.address())
        assert content == photo.content
        assert photo.address().endswith(name)
        assert name.endswith(".jpg")
    assert asked(rig.account) == ["photo"] * len(photos)


def test_a_query_is_sent_along_and_is_no_part_of_the_name(rig):
    name, content = rig.picture(rig.photo.address() + "?Signature=a.b&Expires=7")
    assert content == rig.photo.content
    assert name.endswith(".jpg")
    assert rig.account.requests[0].query == {"Signature": "a.b", "Expires": "7"}


@pytest.mark.parametrize("host", [PHOTO_HOST, "www.strava.com"])
def test_neither_cookie_nor_authorization_is_ever_sent(rig, host, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login ada password ada\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    offered = Response(200, (("Set-Cookie", f"a=b; domain={host}; path=/"),), b"x")
    rig.wire.instead["GET /about"] = offered
    for _ in range(2):
        rig.picture(f"https://{host}/about")
        rig.failure(f"https://ada:secret@{host}/about")
    assert len(rig.account.requests) == 2
    for request in rig.account.requests:
        assert not {"cookie", "authorization"} & request.headers.keys()
    assert rig.account.leaks == []


def test_pictures_are_asked_for_as_they_are_and_with_our_manners(rig):
    rig.picture()
    (request,) = rig.account.requests
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"] == transport.USER_AGENT
    assert rig.wire.timeouts == [transport.TIMEOUT]


def test_a_picture_is_streamed_and_its_connection_closed(rig):
    rig.answer(Response(200, (), b"x" * 1_000_000))
    answers = []
    rig.http.hooks["response"].append(lambda answer, **_: answers.append(answer))
    with rig.hosts.download(rig.photo.address()) as download:
        assert len(next(download.chunks)) < 100_000
        assert not answers[0].raw.closed
    assert answers[0].raw.closed


@pytest.mark.parametrize(
    "url",
    [
        f"http://{PHOTO_HOST}/a.jpg",
        f"ftp://{PHOTO_HOST}/a.jpg",
        f"//{PHOTO_HOST}/a.jpg",
        f"https://{PHOTO_HOST}:80/a.jpg",
        f"https://{PHOTO_HOST}:8443/a.jpg",
        "file:///etc/passwd",
        "/a.jpg",
    ],
)
def test_only_https_is_spoken(rig, url):
    error = rig.failure(url)
    assert type(error) is errors.ItemError
    assert error.why == "not https"
    assert rig.account.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.jpg",
        "https://cloudfront.net/a.jpg",
        "https://strava.com.example.org/a.jpg",
        f"https://{PHOTO_HOST}.example.org/a.jpg",
        "https://evilcloudfront.net/a.jpg",
        "https://evilstrava.com/a.jpg",
        f"https://{PHOTO_HOST}./a.jpg",
        "https://.cloudfront.net/a.jpg",
        "https://a..cloudfront.net/a.jpg",
        f"https://{'x' * 64}.cloudfront.net/a.jpg",
        "https://127.0.0.1/a.jpg",
        "https://[::1]/a.jpg",
        "https:///a.jpg",
        f"https://example.org#.{PHOTO_HOST}/a.jpg",
        f"https://example.org?.{PHOTO_HOST}/a.jpg",
        "https://\u0445.cloudfront.net/a.jpg",
        f"https://{PHOTO_HOST}@example.org/a.jpg",
        f"https://{PHOTO_HOST}\\@example.org/a.jpg",
    ],
)
def test_a_foreign_host_is_named_and_not_asked(rig, url):
    error = rig.failure(url)
    assert type(error) is errors.ItemError
    assert error.why
    assert rig.account.requests == []


def test_the_message_names_the_host(rig):
    error = rig.failure("https://pictures.example.org/a.jpg")
    assert error.why == "host pictures.example.org"
    assert str(error).endswith("foreign host: pictures.example.org")


# One parser reads the trusted host in these, and another one the foreign host.
@pytest.mark.parametrize(
    "url",
    [
        f"https://example.org\\@{PHOTO_HOST}/a.jpg",
        f"https://example.org\\.{PHOTO_HOST}/a.jpg",
        f"https://ada:secret@{PHOTO_HOST}/a.jpg",
        f"https://@{PHOTO_HOST}/a.jpg",
        f"https://example.org\t.{PHOTO_HOST}/a.jpg",
        f"https://example.org\n@{PHOTO_HOST}/a.jpg",
        f"https://{PHOTO_HOST}:99999/a.jpg",
        f"https://{PHOTO_HOST}:port/a.jpg",
        "https://[bad/a.jpg",
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_none(rig, url):
    error = rig.failure(url)
    assert type(error) is errors.ItemError
    assert error.why == "no address"
    assert rig.account.requests == []


@pytest.mark.parametrize(
    ("before", "after"),
    [(PHOTO_HOST, PHOTO_HOST.upper()), (PHOTO_HOST, f"{PHOTO_HOST}:443"), ("https", "HTTPS")],
)
def test_other_ways_to_write_an_address_are_understood(rig, before, after):
    assert rig.picture(rig.photo.address().replace(before, after))[1] == rig.photo.content


def test_a_picture_may_come_from_strava_itself(rig):
    rig.wire.instead["GET /about"] = Response(200, (), b"x")
    assert rig.picture("https://www.strava.com/about") == ("/about", b"x")


@pytest.mark.parametrize(
    "target", ["/b.jpg", "https://www.strava.com/login", "http://example.org/a.jpg"]
)
def test_a_redirect_is_not_followed(rig, target):
    rig.answer(redirect(target))
    error = rig.failure()
    assert type(error) is errors.Refused
    assert error.why == "302"
    assert len(rig.account.requests) == 1


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 403, 404, 410, 429])
def test_every_status_but_200_is_the_answer_to_this_picture(rig, status):
    rig.answer(html("<h1>no</h1>", status))
    error = rig.failure()
    assert type(error) is errors.Refused
    assert not error.closes_host_when_repeated
    assert (error.why, str(error)) == (str(status), f"{PHOTO_HOST} answers {status}")
    assert len(rig.account.requests) == 1
    assert rig.clock.slept == []


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_5xx_is_tried_three_times(rig, status):
    rig.answer(html("<h1>no</h1>", status))
    error = rig.failure()
    assert type(error) is errors.Unreachable
    assert error.why == str(status)
    assert len(rig.account.requests) == 3
    assert is_pause(rig.clock.slept)


@pytest.mark.parametrize("what", ["dropped", "silent"])
def test_a_host_that_does_not_answer_is_unreachable_and_nothing_is_recorded(rig, what):
    rig.account.faults.append(Fault("photo", what))
    error = rig.failure()
    assert type(error) is errors.Unreachable
    assert error.why is None
    assert str(error).startswith(f"{PHOTO_HOST}: no ")
    assert len(rig.account.requests) == 3


def test_a_fault_that_passes_is_not_noticed(rig):
    rig.account.faults.append(Fault("photo", "503", times=2))
    assert rig.picture()[1] == rig.photo.content


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("stall", [False, True])
def test_a_body_cut_short_is_never_treated_as_complete(rig, framing, stall):
    content = rig.photo.content
    rig.answer(Response(200, (), content, framing, cut=len(content) // 2, stall=stall))
    error = rig.failure()
    assert type(error) is errors.CutShort
    assert error.why == "cut short"
    assert len(rig.account.requests) == 1


def test_an_announced_length_beyond_2_gib_is_refused_before_the_body_comes(rig):
    length = ("Content-Length", str((2 << 30) + 1))
    rig.answer(Response(200, (length,), b"x" * 100_000, "close"))
    with rig.hosts.download(rig.photo.address()) as download:
        with pytest.raises(errors.ItemError, match="larger than 2 GiB") as caught:
            next(download.chunks)
        assert type(caught.value) is errors.ItemError
        assert caught.value.why == "too large"


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_body_that_grows_beyond_the_limit_is_left(rig, framing):
    rig.http.limits = transport.Limits(file_bytes=100_000)
    rig.answer(Response(200, (), b"x" * 100_000, framing))
    assert rig.picture()[1] == b"x" * 100_000
    rig.answer(Response(200, (), b"x" * 100_001, framing))
    error = rig.failure()
    assert type(error) is errors.ItemError
    assert error.why == "too large"


def test_an_error_while_a_picture_is_saved_passes_through(rig):
    with pytest.raises(OSError, match="disk full"), rig.hosts.download(rig.photo.address()):
        raise OSError("disk full")


# Videos


@pytest.fixture
def video(rig):
    """The video of the sample account, whose playlists and segments tests may replace."""
    photos = (photo for one in rig.account.activities for photo in one.photos)
    return next(photo for photo in photos if photo.kind == "video")


def joined(rig, video):
    """Return the name and the content of a video."""
    with rig.hosts.download_video(video.playlist) as download:
        return download.sent_name, b"".join(download.chunks)


def no_video(rig, video):
    """Return the error of a video's download."""
    with pytest.raises(errors.Error) as caught:
        joined(rig, video)
    return caught.value


def use_ranges(video):
    """Make the video a file of each variant, whose segments are byte ranges."""
    video.video = mp4_video(video.token, video.video_folder)


def use_playlist(video, *lines, closed=True):
    """Replace the playlists by a single one."""
    text = "\n".join(["#EXTM3U", *lines, *(["#EXT-X-ENDLIST"] if closed else [])])
    files = {**video.video.files, video.video.playlist: text.encode()}
    video.video = video.video._replace(files=files)


def test_the_segments_of_the_best_variant_come_joined_and_in_order(rig, video):
    assert joined(rig, video) == ("video.ts", video.video.content)
    assert asked(rig.account) == ["playlist", "variant", "segment", "segment", "segment"]
    assert all("cookie" not in request.headers for request in rig.account.requests)
    assert all("range" not in request.headers for request in rig.account.requests)


def test_byte_ranges_at_absolute_addresses_come_after_the_initialisation_section(rig, video):
    use_ranges(video)
    assert joined(rig, video) == ("video.mp4", video.video.content)
    ranges = [one.headers.get("range") for one in rig.account.requests if one.kind == "segment"]
    assert ranges == ["bytes=0-71", "bytes=72-1151", "bytes=1152-2231", "bytes=2232-3311"]


def test_a_playlist_of_segments_needs_no_list_of_variants(rig, video):
    name = f"{video.token}_270x480_00001.ts"
    use_playlist(video, "#EXTINF:1,", name)
    assert joined(rig, video) == ("video.ts", video.video.files[name])


def test_a_host_that_ignores_ranges_sends_the_whole_file_of_which_the_range_is_taken(rig, video):
    use_ranges(video)
    name = f"{video.token}_1080x1920.mp4"
    whole = Response(200, (), video.video.files[name])
    rig.wire.instead[f"GET {urlsplit(video.video_folder).path}{name}"] = whole
    assert joined(rig, video)[1] == video.video.content


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("size", [3311, 100, 10, 0])
def test_a_file_that_ends_before_the_range_is_cut_short(rig, video, framing, size):
    use_ranges(video)
    name = f"{video.token}_1080x1920.mp4"
    whole = Response(200, (), video.video.files[name][:size], framing)
    rig.wire.instead[f"GET {urlsplit(video.video_folder).path}{name}"] = whole
    assert type(no_video(rig, video)) is errors.CutShort


@pytest.mark.parametrize(
    "content_range",
    ["", "bytes 0-71", "bytes 0-70/3312", "bytes 1-72/3312", "bytes 0-99/3312", "items 0-71/9"],
)
def test_another_part_than_the_requested_one_is_not_accepted(rig, video, content_range):
    use_ranges(video)
    name = f"{video.token}_1080x1920.mp4"
    part = Response(206, (("Content-Range", content_range),), b"x" * 72)
    rig.wire.instead[f"GET {urlsplit(video.video_folder).path}{name}"] = part
    assert type(no_video(rig, video)) is errors.CutShort


@pytest.mark.parametrize(("size", "is_whole"), [(72, True), (71, False), (0, False)])
def test_a_part_is_complete_only_if_all_of_its_bytes_came(rig, video, size, is_whole):
    use_ranges(video)
    use_playlist(video, "#EXTINF:1,", "#EXT-X-BYTERANGE:72@0", "a.mp4")
    part = Response(206, (("Content-Range", "bytes 0-71/3312"),), b"x" * size, "close")
    rig.wire.instead[f"GET {urlsplit(video.video_folder).path}a.mp4"] = part
    if is_whole:
        assert joined(rig, video)[1] == b"x" * 72
    else:
        assert type(no_video(rig, video)) is errors.CutShort


@pytest.mark.parametrize("kind", ["playlist", "variant", "segment"])
@pytest.mark.parametrize("what", ["403", "404"])
def test_a_missing_playlist_or_segment_is_a_refusal(rig, video, kind, what):
    rig.account.faults.append(Fault(kind, what))
    error = no_video(rig, video)
    assert type(error) is errors.Refused
    assert error.why == what


@pytest.mark.parametrize("kind", ["playlist", "variant", "segment"])
def test_a_web_page_is_no_part_of_a_video(rig, video, kind):
    rig.account.faults.append(Fault(kind, "html"))
    assert type(no_video(rig, video)) is errors.PageInstead


@pytest.mark.parametrize("kind", ["playlist", "variant", "segment"])
@pytest.mark.parametrize("what", ["truncated", "stalled"])
def test_a_part_of_a_video_that_is_cut_short_is_never_complete(rig, video, kind, what):
    rig.account.faults.append(Fault(kind, what))
    assert type(no_video(rig, video)) is errors.CutShort


def test_a_5xx_in_the_middle_is_tried_three_times(rig, video):
    rig.account.faults.append(Fault("segment", "503", times=2))
    assert joined(rig, video)[1] == video.video.content
    rig.account.faults.append(Fault("segment", "503"))
    assert type(no_video(rig, video)) is errors.Unreachable


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://video.example.org/a.ts", "host video.example.org"),
        ("//video.example.org/a.ts", "host video.example.org"),
        (f"http://{PHOTO_HOST}/a.ts", "not https"),
        (f"https://{PHOTO_HOST}:444/a.ts", "not https"),
        (f"https://ada@{PHOTO_HOST}/a.ts", "no address"),
        ("a b.ts", "no address"),
        ("file:///etc/passwd", "not https"),
    ],
)
def test_no_segment_is_requested_if_one_of_them_is_elsewhere(rig, video, address, why):
    name = f"{video.token}_270x480_00001.ts"
    use_playlist(video, "#EXTINF:1,", name, "#EXTINF:1,", address)
    assert no_video(rig, video).why == why
    assert asked(rig.account) == ["playlist"]


def test_no_variant_is_requested_from_a_foreign_host(rig, video):
    use_playlist(video, "#EXT-X-STREAM-INF:BANDWIDTH=1", "https://example.org/a.m3u8")
    assert no_video(rig, video).why == "host example.org"
    assert asked(rig.account) == ["playlist"]


def test_a_variant_has_no_variants(rig, video):
    use_playlist(video, "#EXT-X-STREAM-INF:BANDWIDTH=1", video.video.playlist)
    assert no_video(rig, video).why == "no playlist"
    assert asked(rig.account) == ["playlist", "playlist"]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_playlist_of_more_than_1_mib_is_left(rig, video, framing):
    path = urlsplit(video.playlist).path
    rig.wire.instead[f"GET {path}"] = Response(200, (), b"#EXTM3U\n" + b"#" * (1 << 20), framing)
    assert no_video(rig, video).why == "too large"


def test_a_video_that_grows_beyond_the_limit_is_left(rig, video):
    size = len(video.video.content)
    rig.http.limits = transport.Limits(file_bytes=size)
    assert len(joined(rig, video)[1]) == size
    rig.http.limits = transport.Limits(file_bytes=size - 1)
    assert no_video(rig, video).why == "too large"


def test_an_empty_segment_is_not_accepted(rig, video):
    rig.account.faults.append(Fault("segment", "empty", times=1))
    assert no_video(rig, video).why == "empty"


def test_a_redirect_of_a_segment_is_not_followed(rig, video):
    name = f"{video.token}_1080x1920_00001.ts"
    answer = redirect("https://example.org/a.ts")
    rig.wire.instead[f"GET {urlsplit(video.video_folder).path}{name}"] = answer
    assert no_video(rig, video).why == "302"
    assert asked(rig.account) == ["playlist", "variant", "segment", "segment"]
