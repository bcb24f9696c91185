"""Pure: which text can be stored as a secret, and which text a message may quote."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeGuard

# No server accepts a longer header, and a config stays small enough to be read.
_LONGEST_SECRET = 8192
_HARMLESS = re.compile(r"[\w .,:/\\~+-]{1,40}")
_LIKE_A_TOKEN = re.compile(r"[a-z0-9]{20,}|(?=[a-z_+=-]*\d)[\w+=-]{20,}", re.ASCII | re.IGNORECASE)
_HIDDEN = "(not shown, it may be a secret)"


def is_storable(value: object) -> TypeGuard[str]:
    """Whether a config or a file gives back exactly this value, and a header can carry it."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_SECRET
        and value.isascii()
        and value.isprintable()
        and value == value.strip()
        and not is_placeholder(value)
    )


def is_placeholder(text: str) -> bool:
    """Whether this is a value of the sample config, which counts as unset."""
    return text.startswith("<") and text.endswith(">") and "\n" not in text


def is_quotable(text: str, secrets: Collection[str] = ()) -> bool:
    """Whether a message may show this part of a config, whose known secrets are given."""
    return (
        _HARMLESS.fullmatch(text) is not None
        and _LIKE_A_TOKEN.search(text) is None
        and not any(_holds(text.lower(), one.lower()) for one in secrets)
    )


def _holds(text: str, secret: str) -> bool:
    # The letters of a very short one are everywhere.
    return secret == text or (len(secret) >= 4 and secret in text)


def quoted(text: str, secrets: Collection[str] = ()) -> str:
    """The text, or a remark in its place if it may be a secret."""
    return text if is_quotable(text, secrets) else _HIDDEN
