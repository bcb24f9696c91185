"""Pure: decides whether a text can be stored as a secret, and whether a message may quote it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeGuard

# Servers refuse longer headers, and the size of a config is limited.
_LONGEST_SECRET = 8192
_HARMLESS = re.compile(r"[\w .,:/\\~+-]{1,40}")
_LIKE_A_TOKEN = re.compile(r"[a-z0-9]{20,}|(?=[a-z_+=-]*\d)[\w+=-]{20,}", re.ASCII | re.IGNORECASE)
_HIDDEN = "(not shown, it may be a secret)"


def is_storable(value: object) -> TypeGuard[str]:
    """Return whether a config or a file reproduces this value, and a header can carry it."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_SECRET
        and value.isascii()
        and value.isprintable()
        and value == value.strip()
        and not is_placeholder(value)
    )


def is_placeholder(text: str) -> bool:
    """Return whether this is a value of the sample config, which counts as unset."""
    return text.startswith("<") and text.endswith(">") and "\n" not in text


def is_quotable(text: str, secrets: Collection[str] = ()) -> bool:
    """Return whether a message may show this part of a config with these known secrets."""
    return (
        _HARMLESS.fullmatch(text) is not None
        and _LIKE_A_TOKEN.search(text) is None
        and not any(_contains(text.lower(), one.lower()) for one in secrets)
    )


def _contains(text: str, secret: str) -> bool:
    # Any text may contain a very short secret by chance.
    return secret == text or (len(secret) >= 4 and secret in text)


def quoted(text: str, secrets: Collection[str] = ()) -> str:
    """Return the text, or a placeholder if it may be a secret."""
    return text if is_quotable(text, secrets) else _HIDDEN
