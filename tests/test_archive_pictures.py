from __future__ import annotations

import struct
import tempfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strava_backup.archive import checks, pictures
from strava_backup.demo.pictures import KINDS, picture

SMALL = {f".{kind}": picture(kind, "a", 48, 64, 0) for kind in KINDS}
JPEG, PNG, GIF, WEBP, HEIC = (SMALL[suffix] for suffix in pictures.SUFFIXES)


def segment(kind, body):
    return struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body


def box(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


# A thumbnail has an end of its own.
THUMBNAIL = JPEG[:2] + segment(0xE1, b"Exif\0\0" + JPEG) + JPEG[2:]
# A table with the bytes of an end mark, restart marks, fill bytes, and a second scan.
PROGRESSIVE = (
    JPEG[:-2]
    + b"\x12\xff\xd0\x34\xff\x00\xff\xff"
    + segment(0xC4, b"\x00\xff\xd9\x01")
    + segment(0xDA, bytes(6))
    + b"\x56\xff\xd9"
)
# Its first colour equals an end mark; the background colour before it is 0.
COLOURFUL = GIF[:13] + b"\x3b" + GIF[14:]
# A table of colours for one image only, and a comment with the bytes of an end.
LOCAL_TABLE = (
    b"GIF87a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
    + b"\x21\xfe\x04\x00\x3b\x00\x3b\x00"
    + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0x80) + b"\x00\x3b\x00\x3b\x00\x3b"
    + b"\x02\x02\x44\x01\x00\x3b"
)  # fmt: skip
LONG_BOX = HEIC + struct.pack(">I4sQ", 1, b"free", 20) + b"abcd"

WHOLE = [
    *(pytest.param(content, suffix, id=suffix) for suffix, content in SMALL.items()),
    pytest.param(THUMBNAIL, ".jpg", id="jpg with a thumbnail"),
    pytest.param(PROGRESSIVE, ".jpg", id="jpg of two scans"),
    pytest.param(COLOURFUL, ".gif", id="gif with a colour like an end"),
    pytest.param(LOCAL_TABLE, ".gif", id="gif with a table and a comment like ends"),
]


def damage(content, suffix):
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        return pictures.find_damage(file, suffix)


@pytest.mark.parametrize(("content", "suffix"), WHOLE)
def test_the_first_bytes_show_the_type(content, suffix):
    assert pictures.kind_of(content[:16]) == suffix
    assert checks.kind_of(content[:1024]) == suffix


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"GIF87a", ".gif"),
        (b"GIF88a", ""),
        (b"\xff\xd8\xff\xe1", ".jpg"),
        (b"\xff\xd8", ""),
        (b"\x89PNG\n", ""),
        (b"RIFF\x00\x00\x00\x00WEBP", ".webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", ""),
        (b"\x00\x00\x00\x18ftypmif1", ".heic"),
        # a video, and one of an older phone
        (b"\x00\x00\x00\x18ftypisom", ""),
        (b"\x00\x00\x00\x18ftypqt  ", ""),
        (b"BM", ""),
        (b"", ""),
    ],
)
def test_files_with_another_start_are_no_known_pictures(head, suffix):
    assert pictures.kind_of(head) == suffix


@pytest.mark.parametrize(("content", "suffix"), WHOLE)
def test_an_intact_picture_passes(content, suffix):
    assert damage(content, suffix) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (480, 360), (1536, 2048)])
def test_pictures_of_any_size_pass(kind, width, height):
    for seed in "abcdefgh":
        assert damage(picture(kind, seed, width, height), f".{kind}") is None


@pytest.mark.parametrize(("content", "suffix"), WHOLE)
def test_a_picture_cut_short_anywhere_is_found(content, suffix):
    assert [cut for cut in range(len(content)) if damage(content[:cut], suffix) is None] == []


@given(st.sampled_from(sorted(KINDS)), st.text(max_size=5), st.data())
def test_a_large_picture_cut_short_anywhere_is_found(kind, seed, data):
    content = picture(kind, seed, 480, 360)
    cut = data.draw(st.integers(0, len(content) - 1))
    assert damage(content[:cut], f".{kind}") is not None


@pytest.mark.parametrize("behind", [b"\x00", b"\n", b"\xff\xda film", b"\xff\xd8\xff", bytes(9999)])
@pytest.mark.parametrize(("content", "suffix"), [one for one in WHOLE if one.id != ".heic"])
def test_bytes_after_the_end_are_allowed(content, suffix, behind):
    assert damage(content + behind, suffix) is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(HEIC + box(b"free", b"depth"), id="a box behind the end"),
        pytest.param(LONG_BOX, id="a length of 64 bits"),
        pytest.param(HEIC[:-11] + b"\0\0\0\0mdatabc", id="a box that goes on to the end"),
    ],
)
def test_a_heic_may_have_any_boxes(content):
    assert damage(content, ".heic") is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(HEIC + b"\0\0\0\x09free", id="a box that does not fit"),
        pytest.param(HEIC + b"\0\0\0\x01free\0", id="half a length of 64 bits"),
        pytest.param(HEIC + b"\0\0\0\x07free", id="a box shorter than its head"),
        pytest.param(HEIC[:24] + HEIC[-11:-11], id="no picture in it"),
    ],
)
def test_a_heic_with_incomplete_boxes_is_damaged(content):
    assert damage(content, ".heic") == "the .heic picture has no end"


@pytest.mark.parametrize(("content", "suffix"), WHOLE)
def test_a_picture_of_another_type_is_named(content, suffix):
    for other in pictures.SUFFIXES:
        if other != suffix:
            assert damage(content, other) == f"no {other} picture"


def test_an_empty_file_is_no_picture():
    assert [damage(b"", suffix) for suffix in pictures.SUFFIXES] == [
        f"no {suffix} picture" for suffix in pictures.SUFFIXES
    ]


MAGIC = [content[:12] for content in SMALL.values()] + [b"GIF87a", b"\xff\xd8\xff"]


@settings(deadline=None)
@given(
    st.sampled_from(pictures.SUFFIXES),
    st.sampled_from([*MAGIC, b""]),
    st.binary(max_size=80)
    | st.lists(st.sampled_from([b"\xff\xda", b"\xff\xd9", b"\0\0\0\0", b"IEND", b"\x2c", b"\x21"]))
    .map(b"".join),
)  # fmt: skip
@example(".gif", b"GIF87a", b"")
@example(".webp", b"RIFF\xff\xff\xff\xffWEBP", b"")
@example(".heic", b"\0\0\0\x01ftypheic", b"")
@example(".heic", b"\0\0\0\x01ftypheic", b"\xff" * 20)
@example(".png", b"\x89PNG\r\n\x1a\n", b"\xff\xff\xff\xffIEND")
def test_no_content_makes_the_check_of_a_picture_crash(suffix, magic, rest):
    found = damage(magic + rest, suffix)
    assert found is None or suffix in found


@pytest.mark.parametrize("sent", [".jpg", ".jpeg", "", ".png"])
@pytest.mark.parametrize(("content", "suffix"), WHOLE)
def test_a_picture_gets_the_right_suffix_and_is_not_suspicious(tmp_path, content, suffix, sent):
    path = tmp_path / "picture"
    path.write_bytes(content)
    assert checks.proper_suffix(path, sent) == suffix
    assert checks.find_suspicion(path, sent) is None


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (JPEG, None),
        (JPEG[:-1], "the .jpg picture has no end"),
        # version 0.4 called every picture .jpg
        (PNG, None),
        (PNG[:-1], "the .png picture has no end"),
        (b"AccessDenied", "no .jpg picture"),
    ],
)
def test_a_stored_picture_is_checked_by_its_content(tmp_path, content, found):
    path = tmp_path / "7_A-B.jpg"
    path.write_bytes(content)
    assert checks.damage(path) == found


@pytest.mark.parametrize("shift", range(-3, 4))
def test_an_end_mark_across_two_reads_is_found(tmp_path, shift):
    head = b"\xff\xd8\xff\xe0\x00\x04AB\xff\xda\x00\x02"
    content = head + b"\x11" * ((1 << 16) - 2 + shift - len(head)) + b"\xff\xd9"
    path = tmp_path / "picture.jpg"
    path.write_bytes(content)
    with open(path, "rb") as file:
        assert pictures.find_damage(file, ".jpg") is None
    path.write_bytes(content[:-1])
    with open(path, "rb") as file:
        assert pictures.find_damage(file, ".jpg") is not None
