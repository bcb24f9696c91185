"""Pure: the values of config keys, out of their text. Does no I/O."""

from __future__ import annotations

import math
import re

SOURCES = ("auto", "api", "website")

# `{}` would be taken for places to fill in.
_HTTPS_URL = re.compile(r"https://[^\s/{}?#]+(/[^\s{}?#]*)?")


def source(text: str) -> str:
    """One of the sources. Raises ValueError, as all of these."""
    if text not in SOURCES:
        raise ValueError(f"must be one of {', '.join(SOURCES)}, not {text!r}")
    return text


def seconds(text: str) -> float:
    """A number of seconds up to an hour."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 3600:
        raise ValueError(f"must be a number of seconds from 0 to 3600, not {text!r}")
    return value


def days(text: str) -> int:
    """A whole number of days."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"must be a number of days, not {text!r}")
    return int(text)


def number(text: str) -> str | None:
    """The id of an API application, as text."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError("must be the number that Strava shows for your application")
    return text


def plain_text(text: str) -> str:
    """A secret that can travel in a header or a form."""
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must be one line of plain text")
    return text


def https_url(text: str) -> str:
    """An address to which paths can be added."""
    if not _HTTPS_URL.fullmatch(text):
        raise ValueError("must be an address that begins with https://")
    return text.rstrip("/")
