"""Pure: parses the text of config keys into values.

Every function raises ValueError with a message that does not quote the text.
"""

from __future__ import annotations

import math
import re

from strava_backup import secret_text

SOURCES = ("auto", "api", "website")
SEVERAL_LINES = "has several lines: is the line below it indented?"

_JWT = re.compile(r"eyJ[\w-]{10,}\.")
_DAYS = re.compile(r"[0-9]{1,4}")
_ID = re.compile(r"[0-9]{1,19}")
# A line of a folded secret, as opposed to a section or a key below it. Base64 ends in "=".
_FOLD = re.compile(r"[^\s\[\]=:]+=*")

# No `{}`, since stravalib would format them.
_HTTPS_URL = re.compile(r"https://[^\s/{}?#]+(/[^\s{}?#]*)?")


def source(text: str) -> str:
    """Return one of the sources."""
    if text not in SOURCES:
        raise ValueError(f"must be one of {', '.join(SOURCES)}")
    return text


def seconds(text: str) -> float:
    """Return a number of seconds, an hour at most."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 3600:
        raise ValueError("must be a number of seconds from 0 to 3600")
    return value


def days(text: str) -> int:
    """Return a whole number of days."""
    if not _DAYS.fullmatch(text):
        raise ValueError("must be a number of days from 0 to 9999")
    return int(text)


def number(text: str) -> str | None:
    """Return the id of an API application, as text."""
    if not _ID.fullmatch(text):
        raise ValueError("must be the number that Strava shows for your application")
    return text


def one_line(text: str) -> str:
    """Return a text without control characters."""
    if not text.isprintable():
        raise ValueError("must be one line of plain text")
    return text


def unfolded(text: str) -> str:
    """Return a secret, which may be folded over several lines."""
    lines = [line for line in text.split("\n") if line]
    if len(lines) > 1 and not all(map(_FOLD.fullmatch, lines)):
        raise ValueError(SEVERAL_LINES)
    return "".join(lines)


def path_text(text: str) -> str:
    """Return the path of a file or folder, which must have no quotes and no comment."""
    if "\n" in text:
        raise ValueError(SEVERAL_LINES)
    if re.search(r"(^|\s)[#;]", text):
        raise ValueError("must have no comment after it: that needs a line of its own")
    if text[0] in "\"'" or text[-1] in "\"'":
        raise ValueError("remove the quotes, also around a path with spaces")
    if not text.isprintable():
        raise ValueError("must have no control characters")
    if _JWT.search(text):
        raise ValueError("must be a path, and not the token itself")
    return text


def plain_text(text: str) -> str:
    """Return a secret that a header or a form can carry."""
    if not secret_text.is_storable(text):
        raise ValueError("must be one line of plain text")
    return text


def https_url(text: str) -> str:
    """Return an address to which paths can be added."""
    if not _HTTPS_URL.fullmatch(text):
        raise ValueError("must be an address that begins with https://")
    return text.rstrip("/")
