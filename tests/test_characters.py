"""No text makes a terminal do anything but show it."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.characters import escape_fields, escape_line, escape_lines

ANY_TEXT = st.text(st.characters(exclude_categories=()))
# Format characters that show something: signs that span the digits or letters that follow them.
VISIBLE_FORMATS = {
    *range(0x600, 0x606),
    *(0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD),
    *range(0x13430, 0x13440),
}


def is_unsafe(character: str) -> bool:
    category = unicodedata.category(character)
    is_invisible = category == "Cf" and ord(character) not in VISIBLE_FORMATS
    # The block of tags has unassigned places, which are as invisible.
    return category in ("Cc", "Cs", "Zl", "Zp") or is_invisible


def test_of_all_characters_the_unsafe_ones_are_escaped_and_no_others() -> None:
    unassigned_but_invisible = {0x2065, *range(0xE0000, 0xE0080)}
    characters = map(chr, set(range(0x110000)) - unassigned_but_invisible)
    safe = []
    for character in characters:
        if not is_unsafe(character):
            safe.append(character)
            continue
        assert escape_line(character) != character, ascii(character)
        # Texts from Strava are checked by this first (`report.printable`).
        assert not character.isprintable(), ascii(character)
    for start in range(0, len(safe), 1000):
        text = "".join(safe[start : start + 1000])
        assert escape_line(text) == text, ascii(text)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("Fahrt zum Münster 🚴‍♀️", "Fahrt zum Münster 🚴\\u200d♀️"),
        ("\x1b]0;title\x07", "\\u001b]0;title\\u0007"),
        ("a\r\nb\tc", "a\\u000d\\u000ab\\u0009c"),
        ("abc\u202edef\x9b", "abc\\u202edef\\u009b"),
        ("half \udce9", "half \\udce9"),
        ("tag \U000e0041", "tag \\udb40\\udc41"),
        ("C:\\new", "C:\\new"),
    ],
)
def test_unsafe_characters_are_shown_by_their_numbers(text: str, escaped: str) -> None:
    assert escape_line(text) == escaped


def test_tabs_between_fields_stay() -> None:
    assert escape_fields("one\ttwo\n\x1b\t") == "one\ttwo\\u000a\\u001b\t"


def test_line_ends_that_are_meant_stay() -> None:
    assert escape_lines("one\ntwo\r\nthree\u2028\n") == "one\ntwo\\u000d\nthree\\u2028\n"


@given(ANY_TEXT)
def test_escaped_json_still_means_the_same(text: str) -> None:
    line = json.dumps({text: text}, ensure_ascii=False)
    # Halves that make a whole character by their order are one in JSON.
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert json.loads(escape_line(line)) == {expected: expected}
