from __future__ import annotations

import json
import struct
import tempfile
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strava_backup.archive import checks
from strava_backup.demo import files

START = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
BOM = b"\xef\xbb\xbf"

FIT = files.fit(START, 20)
GPX = files.gpx(START, 20, name="Zum Münster & zurück")
TCX = files.tcx(START, 20)
TCX_WITH_BLANKS = files.tcx(START, 20, leading_whitespace=True)
JSON = files.app_json(START, 20)

# Polar's format (https://www.polar.com/files/Polar_HRM_file%20format.pdf)
HRM = b"[Params]\r\nVersion=106\r\nMonitor=22\r\n\r\n[HRData]\r\n120\r\n121\r\n"

WHOLE = [
    pytest.param(FIT, ".fit", id="fit"),
    pytest.param(GPX, ".gpx", id="gpx"),
    pytest.param(TCX, ".tcx", id="tcx"),
    pytest.param(TCX_WITH_BLANKS, ".tcx", id="tcx with blanks before it"),
    pytest.param(BOM + TCX, ".tcx", id="tcx with a byte order mark"),
    pytest.param(BOM + TCX_WITH_BLANKS, ".tcx", id="tcx with a byte order mark and blanks"),
    pytest.param(JSON, ".json", id="json"),
    pytest.param(files.gzipped(FIT), ".fit.gz", id="gzipped fit"),
    pytest.param(files.gzipped(GPX), ".gpx.gz", id="gzipped gpx"),
    pytest.param(files.gzipped(TCX_WITH_BLANKS), ".tcx.gz", id="gzipped tcx with blanks"),
    pytest.param(files.gzipped(JSON), ".json.gz", id="gzipped json"),
]
SUFFIXES = [".fit", ".gpx", ".tcx", ".json", ".fit.gz", ".gpx.gz", ".json.gz", ".gz", ".dat"]


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "original"
        path.write_bytes(content)
        return path

    return write


def damage(content, suffix):
    """Return the message of `check_file` for the content; None if it is intact."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "original")
        path.write_bytes(content)
        try:
            checks.check_file(path, suffix)
        except checks.Damaged as error:
            return str(error)
        return None


def with_flipped(content, position, bits):
    return content[:position] + bytes([content[position] ^ bits]) + content[position + 1 :]


# Types


@pytest.mark.parametrize(("content", "suffix"), WHOLE)
def test_the_first_bytes_show_the_type(content, suffix):
    assert checks.kind_of(content[:1024]) == (".gz" if suffix.endswith(".gz") else suffix)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"<svg></svg>", b"plain text", b".FIT", FIT[1:], b"\x00" * 100]
)
def test_an_unknown_content_has_no_type(content):
    assert checks.kind_of(content) == ""


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html>\n<html>",
        b"<!doctype HTML PUBLIC '-//W3C//DTD XHTML 1.0 Strict//EN'>",
        b"<html lang='en'>",
        b"<HTML>",
        b"\r\n  <html>",
        BOM + b"<!DOCTYPE html>",
    ],
)
def test_a_web_page_is_recognized(content):
    assert checks.looks_like_html(content)


@pytest.mark.parametrize(
    "content", [FIT, GPX, TCX, TCX_WITH_BLANKS, JSON, b"", b"<htmlx>", b"html"]
)
def test_no_original_is_mistaken_for_a_web_page(content):
    assert not checks.looks_like_html(content[:1024])


@pytest.mark.parametrize(
    ("content", "sent", "suffix"),
    [
        (FIT, ".fit", ".fit"),
        (FIT, "", ".fit"),
        (FIT, ".gpx", ".fit"),
        (FIT, ".gz", ".fit"),
        (GPX, ".xml", ".gpx"),
        (TCX_WITH_BLANKS, "", ".tcx"),
        (JSON, ".json", ".json"),
        (files.gzipped(FIT), ".gz", ".fit.gz"),
        (files.gzipped(FIT), ".fit", ".fit.gz"),
        (files.gzipped(TCX), "", ".tcx.gz"),
        (files.gzipped(b"who knows"), ".fit", ".gz"),
        (files.gzipped(files.gzipped(FIT)), ".gz", ".gz"),
        (b"\x1f\x8b no gzip", ".gz", ".gz"),
        (b"\x1f\x8b", "", ".gz"),
        (b"who knows", ".sml", ".sml"),
        (b"who knows", "", ".dat"),
        (HRM, ".hrm", ".hrm"),
        (HRM, "", ".dat"),
        (HRM, ".json", ".json"),
        (BOM + HRM, ".hrm", ".hrm"),
        (b"[1]\nlap=5\n", ".ini", ".ini"),
        (b"{rtf}", ".txt", ".txt"),
        (JSON, ".hrm", ".json"),
        (JSON, "", ".json"),
        (b"[1, 2]", ".dat", ".json"),
        (JSON[:-1], ".json", ".json"),
        (files.gzipped(HRM), ".gz", ".gz"),
        (files.gzipped(JSON), "", ".json.gz"),
    ],
)
def test_the_content_corrects_the_suffix_that_was_sent(write, content, sent, suffix):
    assert checks.proper_suffix(write(content), sent) == suffix


# Integrity


@pytest.mark.parametrize(("content", "suffix"), WHOLE)
def test_an_intact_file_passes(write, content, suffix):
    checks.check_file(write(content), suffix)


@pytest.mark.parametrize("suffix", [".dat", ".sml", ".gz"])
def test_a_type_without_rules_passes(write, suffix):
    content = files.gzipped(b"who knows") if suffix == ".gz" else b"who knows"
    checks.check_file(write(content), suffix)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_file_is_never_intact(write, suffix):
    with pytest.raises(checks.Damaged):
        checks.check_file(write(b""), suffix)


@pytest.mark.parametrize(("content", "suffix"), WHOLE)
@settings(deadline=None)
@given(data=st.data())
def test_a_file_cut_short_anywhere_is_found(content, suffix, data):
    length = data.draw(st.integers(0, len(content.rstrip()) - 1))
    assert damage(content[:length], suffix) is not None


@settings(deadline=None)
@given(st.integers(0, len(FIT) - 1), st.integers(1, 255))
@example(0, 14 ^ 12)
@example(4, 2)
@example(len(FIT) - 1, 0x80)
def test_one_flipped_byte_anywhere_in_a_fit_file_is_found(position, bits):
    assert damage(with_flipped(FIT, position, bits), ".fit") is not None


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(1, 255))
def test_a_flipped_byte_in_the_checksum_of_a_gzip_file_is_found(from_end, bits):
    content = files.gzipped(GPX)
    assert damage(with_flipped(content, len(content) - from_end, bits), ".gpx.gz") is not None


def test_a_damaged_fit_inside_sound_gzip_is_found(write):
    packed = files.gzipped(with_flipped(FIT, 100, 1))
    with pytest.raises(checks.Damaged, match="the FIT checksum differs"):
        checks.check_file(write(packed), ".fit.gz")


def fit_with_header(size, messages=b"\x40\x00\x00\x00\x00\x00"):
    head = struct.pack("<BBHI4s", size, 0x10, 2132, len(messages), b".FIT")
    # 0 as the checksum of the header means that there is none.
    whole = head + bytes(size - 12) + messages
    return whole + struct.pack("<H", files.fit_crc(whole))


@pytest.mark.parametrize("size", [12, 14, 20, 255])
def test_a_fit_header_of_any_length_passes(write, size):
    checks.check_file(write(fit_with_header(size)), ".fit")


@pytest.mark.parametrize("length", [0, 1, 32766, 32767, 32768, 65533, 65534, 100_000])
@settings(max_examples=settings.default.max_examples // 5)
@given(data=st.data())
def test_the_checksum_of_a_fit_file_of_any_length_is_compared(length, data):
    seed = data.draw(st.binary(min_size=1, max_size=100))
    content = fit_with_header(14, (seed * length)[:length])
    assert damage(content, ".fit") is None
    position = data.draw(st.integers(14, len(content) - 1))
    wrong = with_flipped(content, position, data.draw(st.integers(1, 255)))
    assert damage(wrong, ".fit") == "the FIT checksum differs"


def test_a_fit_file_without_messages_passes(write):
    checks.check_file(write(fit_with_header(14, b"")), ".fit")


def test_chained_fit_files_pass(write):
    checks.check_file(write(FIT + files.fit(START, 5) + FIT), ".fit")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "an empty file"),
        (b"\x0e\x10", "no FIT header"),
        (GPX, "no FIT header"),
        (b"\x0b" + FIT[1:], "no FIT header"),
        (FIT[:14], "the FIT data ends"),
        (FIT[:-3], "the FIT data ends 1 bytes too early"),
        (FIT[:-2], "the FIT checksum is missing"),
        (FIT[:-1], "the FIT checksum is missing"),
        (FIT + b"\x00", "bytes behind the end of the FIT data"),
        (FIT + b"\x00" * 100, "bytes behind the end of the FIT data"),
        (FIT + with_flipped(FIT, 50, 1), "the FIT checksum differs"),
    ],
)
def test_damage_to_a_fit_file_is_named(write, content, says):
    with pytest.raises(checks.Damaged, match=says):
        checks.check_file(write(content), ".fit")


def billion_laughs():
    doubled = "".join(f'<!ENTITY e{n + 1} "&e{n};&e{n};">' for n in range(40))
    return f'<!DOCTYPE x [<!ENTITY e0 "ha">{doubled}]><x>&e40;</x>'.encode()


@pytest.mark.parametrize(
    ("content", "suffix", "says"),
    [
        (GPX.replace(b"</trk>", b""), ".gpx", "not well-formed XML: mismatched tag"),
        (TCX + b"<more/>", ".tcx", "not well-formed XML: junk"),
        (b" " * 100, ".tcx", "not well-formed XML: no element found"),
        (GPX.replace(b"UTF-8", b"Klingon"), ".gpx", "not well-formed XML"),
        (
            GPX.replace(b"UTF-8", b"Shift_JIS").replace(b"zur", b"\x81"),
            ".gpx",
            "not well-formed XML",
        ),
        (GPX.replace(b"<gpx", b'<!DOCTYPE gpx [<!ENTITY a "b">]>\n<gpx', 1), ".gpx", "entities"),
        (billion_laughs(), ".tcx", "it declares XML entities"),
        (JSON[:-1], ".json", "not valid JSON"),
        (JSON + b"]", ".json", "not valid JSON"),
        (b'{"a": "\xff"}', ".json", "not valid JSON"),
        (b"[" * 100_000, ".json", "not valid JSON"),
        (files.gzipped(FIT) + b"junk", ".fit.gz", "the gzip data is broken"),
        (FIT, ".fit.gz", "the gzip data is broken"),
    ],
)
def test_damage_to_other_types_is_named(write, content, suffix, says):
    with pytest.raises(checks.Damaged, match=says):
        checks.check_file(write(content), suffix)


@settings(deadline=None)
@given(
    st.binary(max_size=300)
    | st.builds(
        lambda content, cut, junk, tail: content[:cut] + junk + content[cut + tail :],
        st.sampled_from([parameter.values[0] for parameter in WHOLE]),
        st.integers(0, 400),
        st.binary(max_size=20),
        st.integers(0, 400),
    ),
    st.sampled_from(SUFFIXES),
)
@example(b"\x1f\x8b\x08\x04", ".gz")
@example(b"\x1f\x8b\x08\x00" + bytes(10), ".gz")
@example(b"\x1f\x8b\x09" + bytes(20), ".fit.gz")
def test_no_content_makes_a_check_crash(content, suffix):
    found = damage(content, suffix)
    assert found is None or found


NAMES = {
    "GB2312": "环湖骑行",
    "gbk": "環湖骑行",
    "GB18030": "环湖骑行 𠀀",
    "HZ-GB-2312": "环湖骑行",
    "Big5": "環湖騎行",
    "big5-hkscs": "環湖騎行",
    "Shift_JIS": "朝のラン ソ",
    "cp932": "朝のラン ①",
    "EUC-JP": "朝のラン",
    "ISO-2022-JP": "朝のラン",
    "EUC-KR": "아침 달리기",
    "cp949": "아침 달리기 똠",
    "utf8": "Münster 朝",
    "UTF_8": "Münster 朝",
    "utf16": "Münster 朝",
    "utf-16-be": "Münster 朝",
    "UTF-32": "Münster 朝 🚲",
    "UTF-8": "Münster 朝",
    "UTF-16": "Münster 朝",
    "ISO-8859-1": "Münster",
    "latin1": "Münster",
    "windows-1252": "Münster €",
    "KOI8-R": "Вечерняя",
    "US-ASCII": "Evening",
}


def encoded_gpx(encoding, name, quote="'"):
    text = GPX.decode().replace('encoding="UTF-8"', f"encoding={quote}{encoding}{quote}")
    return text.replace("Zum Münster &amp; zurück", name).encode(encoding)


@pytest.mark.parametrize(("encoding", "name"), NAMES.items())
def test_xml_in_any_encoding_passes_and_half_of_it_does_not(write, encoding, name):
    content = encoded_gpx(encoding, name)
    checks.check_file(write(content), ".gpx")
    checks.check_file(write(files.gzipped(content)), ".gpx.gz")
    with pytest.raises(checks.Damaged, match="not well-formed XML"):
        checks.check_file(write(content[: len(content) // 2]), ".gpx")


@pytest.mark.parametrize("encoding", ["GB2312", "Shift_JIS", "utf8"])
def test_xml_in_any_encoding_may_have_blanks_before_it(write, encoding):
    content = encoded_gpx(encoding, "朝", '"')
    checks.check_file(write(b" \r\n" + content), ".gpx")
    if encoding == "utf8":
        checks.check_file(write(BOM + content), ".gpx")


@pytest.mark.parametrize("encoding", ["GB2312", "EUC-KR", "utf8"])
def test_a_character_across_two_chunks_passes(write, encoding):
    for shift in range(3):
        filled = "朝" * (1 << 20)
        checks.check_file(write(encoded_gpx(encoding, "x" * shift + filled)), ".gpx")


def test_a_large_gpx_is_checked_in_little_memory(write):
    point = b'<trkpt lat="48.%07d" lon="7"><time>2026-05-06T07:08:09Z</time></trkpt>\n'
    points = b"".join(point % number for number in range(100_000))
    path = write(b'<?xml version="1.0"?><gpx><trk><trkseg>' + points + b"</trkseg></trk></gpx>")
    assert path.stat().st_size > 7_000_000
    tracemalloc.start()
    try:
        checks.check_file(path, ".gpx")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_xml_with_a_very_long_comment_passes_and_one_with_an_endless_comment_does_not(monkeypatch):
    monkeypatch.setattr(checks, "_LARGEST_XML_CHUNK", 1 << 20)

    def content(length):
        return b'<?xml version="1.0"?><gpx><!--' + b"x" * length + b"--></gpx>"

    assert damage(content(900_000), ".gpx") is None
    assert damage(content(3_000_000), ".gpx") == "an XML tag or comment of more than 1 MB"


@pytest.mark.parametrize("encoding", ["utf-16", "UTF-16", "utf16", "utf-16LE"])
def test_utf_8_that_declares_utf_16_passes(write, encoding):
    content = encoded_gpx("utf-8", "Münster 朝").replace(b"'utf-8'", f"'{encoding}'".encode())
    assert encoding.encode() in content
    checks.check_file(write(content), ".gpx")
    with pytest.raises(checks.Damaged, match="not well-formed XML"):
        checks.check_file(write(content[:-9]), ".gpx")


def test_an_encoding_that_only_a_comment_names_is_not_used(write):
    comment = b"<!-- <?xml version='1.0' encoding='Shift_JIS'?> \xe3\x81\x82 -->\n"
    checks.check_file(write(comment + GPX.partition(b"\n")[2]), ".gpx")


def test_a_character_cut_off_at_the_end_of_the_file_is_found(write):
    with pytest.raises(checks.Damaged, match="not well-formed XML"):
        checks.check_file(write(encoded_gpx("GB2312", "朝") + "朝".encode("gb2312")[:1]), ".gpx")


def test_entities_in_any_encoding_are_found(write):
    content = encoded_gpx("Shift_JIS", "朝").replace(
        b"<gpx", b'<!DOCTYPE g [<!ENTITY a "b">]><gpx', 1
    )
    with pytest.raises(checks.Damaged, match="entities"):
        checks.check_file(write(content), ".gpx")


@pytest.mark.parametrize(
    "encoding",
    [
        "rot13", "hex", "base64", "zlib", "bz2", "quopri", "uu", "idna", "punycode", "utf-7",
        "unicode_escape", "Unicode-Escape", "raw_unicode_escape", "undefined", "x-nobody",
    ],
)  # fmt: skip
def test_a_codec_that_is_no_character_set_is_not_used_to_read_xml(write, encoding):
    content = GPX.replace(b"UTF-8", encoding.encode()).replace("ü".encode(), b"u")
    with pytest.raises(checks.Damaged, match="not well-formed XML"):
        checks.check_file(write(content), ".gpx")


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12))
@example("rot13")
@example("idna")
@example("utf-7")
@example("undefined")
@example("cp037")
@example("raw-unicode-escape")
@example("punycode")
@example("mbcs")
def test_no_encoding_that_xml_declares_makes_a_check_crash(encoding):
    damage(f'<?xml version="1.0" encoding="{encoding}"?><gpx></gpx>'.encode(), ".gpx")


# Suspicious files


@pytest.mark.parametrize(("content", "suffix"), WHOLE)
def test_an_intact_file_with_its_own_suffix_is_not_suspicious(write, content, suffix):
    path = write(content)
    kind = suffix.removesuffix(".gz")
    for sent in ("", ".gz", kind):
        assert checks.find_suspicion(path, sent) is None


@pytest.mark.parametrize(
    ("content", "sent", "says"),
    [
        (FIT, ".gpx", "named .gpx, but the content is .fit"),
        (GPX, ".xml", "named .xml, but the content is .gpx"),
        (files.gzipped(FIT), ".tcx", "named .tcx, but the content is .fit.gz"),
        (files.gzipped(b"who knows"), ".fit", "named .fit, but the content is .gz"),
        (b"who knows", ".fit", "no FIT header"),
        (b"<gpx>", ".gpx", "not well-formed XML"),
        (b"who knows", ".gz", "the gzip data is broken"),
        (b"who knows", ".sml", None),
        (b"who knows", "", None),
        (HRM, ".hrm", None),
        (HRM, "", None),
        (HRM, ".json", "not valid JSON"),
        (HRM, ".fit", "no FIT header"),
        (JSON[:-1], ".fit", "no FIT header"),
    ],
)
def test_the_reason_why_a_file_is_suspicious_is_named(write, content, sent, says):
    found = checks.find_suspicion(write(content), sent)
    assert found == says if says is None else (found or "").startswith(says)


@settings(deadline=None)
@given(
    st.binary(max_size=200).map(lambda junk: b"\x1f\x8b\x08" + junk)
    | st.binary(max_size=200)
    | st.binary(max_size=200).map(files.gzipped),
    st.sampled_from(["", ".fit", ".gz", ".sml"]),
)
@example(files.gzipped(b"\x89PNG\r\n\x1a\n"), "")
def test_any_content_gets_a_suffix_and_a_check(content, sent):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "original")
        path.write_bytes(content)
        assert checks.proper_suffix(path, sent).startswith(".")
        found = checks.find_suspicion(path, sent)
    assert found is None or found


def test_a_large_file_is_checked_to_its_end(write):
    content = files.fit(START, 10_000)
    assert len(content) > 3 * (1 << 16)
    checks.check_file(write(content), ".fit")
    with pytest.raises(checks.Damaged, match="the FIT checksum differs"):
        checks.check_file(write(with_flipped(content, len(content) - 10, 1)), ".fit")


def test_json_of_another_shape_is_no_damage(write):
    checks.check_file(write(json.dumps([1, None]).encode()), ".json")


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("5.fit", FIT, None),
        ("5.FIT", FIT, None),
        ("5.fit.gz", files.gzipped(FIT), None),
        # version 0.4 saved only the last suffix
        ("5.gz", files.gzipped(FIT), None),
        ("5.fit", files.gzipped(FIT), None),
        ("5.sml", b"who knows", None),
        ("5.dat", GPX, None),
        ("5.hrm", HRM, None),
        ("5.dat", HRM, None),
        (
            "5.json.gz",
            files.gzipped(HRM),
            "not valid JSON: Expecting value: line 1 column 2 (char 1)",
        ),
        ("5.fit.gz", files.gzipped(b"who knows"), "no FIT header"),
        ("5.fit", b'{"message": "error"}', "named .fit, but the content is .json"),
        ("5.fit.gz", files.gzipped(GPX), "named .fit, but the content is .gpx"),
        ("5.gpx", TCX, "named .gpx, but the content is .tcx"),
        ("5.fit", b"\xff\xd8\xff", "named .fit, but the content is .jpg"),
        ("5.jpg", b"[]", "named .jpg, but the content is .json"),
        ("5.dat", b"<html></html>", "a web page"),
        ("5.gpx", b"<!DOCTYPE html><html></html>", "a web page"),
        ("5.fit", b"", "an empty file"),
    ],
)
def test_a_stored_file_must_have_the_type_of_its_name(tmp_path, name, content, found):
    path = tmp_path / name
    path.write_bytes(content)
    assert checks.damage(path) == found
