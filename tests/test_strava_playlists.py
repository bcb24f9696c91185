from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.strava.playlists import Media, Section, parse_playlist

HOST = "https://d1.cloudfront.net"
URL = f"{HOST}/x/hls/x.m3u8?Expires=1"


def parse(*lines: str, head: str = "#EXTM3U", end: str = "#EXT-X-ENDLIST") -> str | Media:
    return parse_playlist("\n".join([head, *lines, end]).encode(), URL)


def sections(*lines: str) -> list[tuple[object, ...]]:
    """Return the sections of a media playlist, with their addresses relative to the host."""
    media = parse(*lines)
    assert isinstance(media, Media)
    return [(one.url.removeprefix(HOST), one.start, one.length) for one in media.sections]


def variant(bandwidth: object, uri: str, more: str = "") -> str:
    return f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}{more}\n{uri}"


# Variants


@pytest.mark.parametrize(
    ("variants", "best"),
    [
        ([(1, "a"), (3, "b"), (2, "c")], "/x/hls/b"),
        ([(2, "a"), (2, "b")], "/x/hls/a"),
        ([("x", "a")], None),
        ([("1e3", "a"), (999, "b")], "/x/hls/a"),
        ([(1, "/a/b.m3u8")], "/a/b.m3u8"),
        ([(1, "../b.m3u8")], "/x/b.m3u8"),
        ([(1, f"{HOST}/c.m3u8?d=e")], "/c.m3u8?d=e"),
        ([(1, "//d2.cloudfront.net/a.m3u8")], "https://d2.cloudfront.net/a.m3u8"),
    ],
)
def test_the_variant_with_the_highest_bandwidth_is_the_best(
    variants: list[tuple[object, str]], best: str | None
) -> None:
    lines = [variant(bandwidth, uri) for bandwidth, uri in variants]
    if best is None:
        assert failure(*lines).why == "no playlist"
    else:
        found = parse(*lines, end="")
        assert isinstance(found, str)
        assert found.removeprefix(HOST) == best


def test_a_variant_without_a_bandwidth_comes_last() -> None:
    lines = ["#EXT-X-STREAM-INF:RESOLUTION=1x1\na", variant(1, "b")]
    assert parse(*lines) == f"{HOST}/x/hls/b"


def test_other_tags_and_comments_are_ignored() -> None:
    lines = ["#EXT-X-VERSION:x", "# a comment", "#EXT-X-MEDIA-SEQUENCE:", "#EXT-X-START:a", ""]
    lines += ["#EXT-X-PROGRAM-DATE-TIME:never", "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9"]
    assert parse(*lines, variant(1, "a"), "#EXT-X-NEW:1") == f"{HOST}/x/hls/a"
    assert sections(*lines, "#EXT-X-PART:X", "#EXTINF:2,", "a.ts") == [("/x/hls/a.ts", 0, None)]


def test_a_variant_whose_sound_is_elsewhere_is_refused_and_sound_within_is_not() -> None:
    best = variant(2, "a", ',AUDIO="g"')
    sound = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="n"'
    assert failure(f'{sound},URI="s.m3u8"', best).why == "separate sound"
    assert parse(sound, best) == f"{HOST}/x/hls/a"
    assert parse(f'{sound},URI="s.m3u8"', variant(2, "a")) == f"{HOST}/x/hls/a"


# Segments


def test_segments_come_in_their_order_with_absolute_addresses() -> None:
    found = sections(
        "#EXTINF:2.0,", "b.ts", "#EXTINF:2,title", f"{HOST}/a.ts?q", "#EXTINF:1", "/b.ts"
    )
    assert found == [("/x/hls/b.ts", 0, None), ("/a.ts?q", 0, None), ("/b.ts", 0, None)]
    assert parse("#EXTINF:2.0,", "b.ts").suffix == ".ts"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        (["10@0", "5"], [(0, 10), (10, 5)]),
        (["10@20", "5", "1@0", "2"], [(20, 10), (30, 5), (0, 1), (1, 2)]),
        (["10@20", "5@99"], [(20, 10), (99, 5)]),
        (["10"], None),
        (["0@5"], None),
        (["-1@5"], None),
        (["1@-5"], None),
        (["x@0"], None),
        (["1@0@0"], None),
        ([""], None),
        (["9" * 5000 + "@0"], None),
        (["\u0662@0"], None),
    ],
)
def test_a_byte_range_without_a_start_continues_the_one_before(
    ranges: list[str], expected: list[tuple[int, int]] | None
) -> None:
    lines = [f"#EXTINF:1,\n#EXT-X-BYTERANGE:{one}\na.ts" for one in ranges]
    if expected is None:
        assert failure(*lines).why == "no playlist"
    else:
        assert sections(*lines) == [("/x/hls/a.ts", *one) for one in expected]


@pytest.mark.parametrize("between", ["#EXTINF:1,\n#EXT-X-BYTERANGE:5@0\nb.ts", "#EXTINF:1,\na.ts"])
def test_a_byte_range_continues_only_one_of_the_same_resource(between: str) -> None:
    part = "#EXTINF:1,\n#EXT-X-BYTERANGE:5{}\na.ts"
    assert failure(part.format("@0"), between, part.format("")).why == "no playlist"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('URI="i.mp4"', ("/x/hls/i.mp4", 0, None)),
        ('URI="/i.mp4",BYTERANGE="7@3"', ("/i.mp4", 3, 7)),
        ('URI="i.mp4",BYTERANGE="7"', ("/x/hls/i.mp4", 0, 7)),
        ("BYTERANGE=7@3", None),
        ('URI=""', None),
        ('URI="i.mp4",BYTERANGE="x"', None),
        ("", None),
    ],
)
def test_an_initialisation_section_precedes_its_segments(
    header: str, expected: tuple[object, ...] | None
) -> None:
    lines = [f"#EXT-X-MAP:{header}", "#EXTINF:1,", "a.m4s", "#EXTINF:1,", "b.m4s"]
    if expected is None:
        assert failure(*lines).why == "no playlist"
    else:
        assert sections(*lines) == [expected, ("/x/hls/a.m4s", 0, None), ("/x/hls/b.m4s", 0, None)]
        assert parse(*lines).suffix == ".mp4"  # type: ignore[union-attr]


def test_a_changed_initialisation_section_comes_again() -> None:
    first, second = '#EXT-X-MAP:URI="i"', '#EXT-X-MAP:URI="j"'
    part = "#EXTINF:1,\na"
    found = sections(first, part, first, part, second, part)
    assert [url.rpartition("/")[2] for url, *_ in found] == ["i", "a", "a", "j", "a"]  # type: ignore[attr-defined]
    assert failure(first, part, "#EXT-X-MAP", part).why == "no playlist"


# Unusable playlists


def failure(*lines: str, head: str = "#EXTM3U", end: str = "#EXT-X-ENDLIST") -> errors.ItemError:
    with pytest.raises(errors.ItemError) as caught:
        parse(*lines, head=head, end=end)
    return caught.value


PART = "#EXTINF:1,\na.ts"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([PART, '#EXT-X-KEY:METHOD=AES-128,URI="k"'], "encrypted"),
        (["#EXT-X-KEY:METHOD=SAMPLE-AES", PART], "encrypted"),
        (['#EXT-X-KEY:URI="a,METHOD=NONE",METHOD=AES-128', PART], "encrypted"),
        (["#EXT-X-KEY", PART], "encrypted"),
        (['#EXT-X-SESSION-KEY:METHOD=AES-128,URI="k"', variant(1, "a")], "encrypted"),
        (["#EXT-X-GAP", PART], "a gap"),
        (["#EXT-X-SKIP:SKIPPED-SEGMENTS=3", PART], "a gap"),
        ([], "no segments"),
        (["a.ts"], "no segments"),
        ([PART, "b.ts"], "no playlist"),
        ([PART, "#EXTINF:1,"], "no playlist"),
        (["#EXTINF:x,\na.ts"], "no playlist"),
        (["#EXTINF\na.ts"], "no playlist"),
        (["#EXTINF:1,\nhttps://[x/a.ts"], "no address"),
        (["#EXT-X-STREAM-INF:BANDWIDTH=1"], "no playlist"),
        (["#EXT-X-STREAM-INF:BANDWIDTH=1e999\na"], "no playlist"),
        ([PART] * 10_001, "too large"),
        (["#"] * 50_001, "too large"),
    ],
)
def test_an_unusable_playlist_is_refused_with_the_reason(lines: list[str], why: str) -> None:
    assert failure(*lines).why == why


def test_a_playlist_that_is_not_closed_is_refused() -> None:
    assert failure(PART, end="").why == "not closed"
    assert failure(PART, end="#EXT-X-ENDLISTED").why == "not closed"


def test_keys_of_the_method_none_encrypt_nothing() -> None:
    lines = ["#EXT-X-KEY:METHOD=NONE", PART, "#EXT-X-SESSION-KEY:METHOD=NONE"]
    assert sections(*lines) == [("/x/hls/a.ts", 0, None)]


@pytest.mark.parametrize("content", [b"", b"<html>", b"EXTM3U", b"#EXTM3U\n\xff", b"\n#EXTM3U"])
def test_other_files_are_no_playlists(content: bytes) -> None:
    with pytest.raises(errors.ItemError) as caught:
        parse_playlist(content, URL)
    assert caught.value.why == "no playlist"


def test_line_ends_and_a_byte_order_mark_make_no_difference() -> None:
    content = f"\ufeff#EXTM3U\r\n{PART}\r\n#EXT-X-ENDLIST\r\n".replace("\n", "\r\n").encode()
    media = parse_playlist(content, URL)
    assert media == Media((Section(f"{HOST}/x/hls/a.ts"),), ".ts")


LINES = st.one_of(
    st.sampled_from([PART, variant(1, "a"), "#EXT-X-ENDLIST", "#EXT-X-MAP", "#EXTINF", "a"]),
    st.builds(
        "{}:{}".format,
        st.sampled_from(
            ["#EXTINF", "#EXT-X-BYTERANGE", "#EXT-X-MAP", "#EXT-X-STREAM-INF", "#EXT-X-MEDIA"]
        ),
        st.text("URI=,\"@1AB-'\u0662", max_size=12) | st.text(max_size=8),
    ),
    st.text(max_size=12),
)


def outcome(content: bytes) -> str | Media | errors.ItemError:
    try:
        return parse_playlist(content, URL)
    except errors.ItemError as error:
        return error


@given(st.lists(LINES, max_size=8).map("\n".join), st.booleans())
def test_any_text_is_a_plan_or_an_error(text: str, is_closed: bool) -> None:
    end = "\n#EXT-X-ENDLIST" if is_closed else ""
    found = outcome(f"#EXTM3U\n{text}{end}".encode("utf-8", "replace"))
    if isinstance(found, errors.ItemError):
        assert found.why
    else:
        assert isinstance(found, str) or found.sections
