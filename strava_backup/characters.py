"""Pure: escapes the characters that must not reach a terminal."""

from __future__ import annotations

import re

# Control characters other than tab and line feed, line ends, and surrogates, which cannot be
# encoded.
_OTHER_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
CONTROLS = rf"\t\n{_OTHER_CONTROLS}"
# Invisible format characters, which can reverse the rest of a line or hide in it
# (category Cf in https://www.unicode.org/Public/UCD/latest/ucd/UnicodeData.txt).
INVISIBLES = (
    r"\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
_UNSAFE = re.compile(f"[{CONTROLS}{INVISIBLES}]")
_UNSAFE_BUT_LINE_ENDS = re.compile(rf"[\t{_OTHER_CONTROLS}{INVISIBLES}]")
_UNSAFE_BUT_TABS = re.compile(rf"[\n{_OTHER_CONTROLS}{INVISIBLES}]")


def escape_line(text: str) -> str:
    r"""Return the text as one line, with unsafe characters escaped like `\u001b`.

    The escapes are JSON's, so that a line of JSON keeps its meaning.
    """
    return _UNSAFE.sub(_escape, text)


def escape_lines(text: str) -> str:
    """Return the text with unsafe characters escaped, except its line ends."""
    return _UNSAFE_BUT_LINE_ENDS.sub(_escape, text)


def escape_fields(text: str) -> str:
    """Return the text as one line, with unsafe characters escaped, except its tabs."""
    return _UNSAFE_BUT_TABS.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
