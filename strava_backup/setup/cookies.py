"""Pure: parses the cookies of a web session from text that people copy from a browser.

The text may be a bare JWT or session, a `Cookie:` header, `name=value; ...`, a Netscape
cookies.txt, the JSON of cookie extensions or of request headers, a row of a browser's cookie list,
"Copy as cURL" in the quoting of any shell, or "Copy as PowerShell".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

TOKEN = "strava_remember_token"  # noqa: S105  # the cookie's name
SESSION = "_strava4_session"
# The hosts of the website's cookies, in the spellings of browsers.
HOSTS = ("strava.com", ".strava.com", "www.strava.com", ".www.strava.com")

# A name, a separator and a value, in all of those forms except JSON lists. The separator is
# required, since other names begin with these; a comma separates only arguments in quotes. Values
# have no quotes, spaces or `;`.
_PAIR = re.compile(
    rf"(?<![\w-])({TOKEN}|{SESSION})"
    r"(?:[\"']?(?:\s*[=:]\s*|\s+)[\"']?|[\"']\s*,\s*[\"'])"
    r"([^\s\"';,=&^\\]++=*+)(?![\"']\s*:)"
)
# Also a token that is cut off: it must not look like no token at all.
_LIKE_JWT = re.compile(r"eyJ[\w.…-]+=*", re.ASCII)
_TRAILING_COMMA = re.compile(r",(?=\s*[\]}])")
# https://github.com/akahn/strava-heatmap-to-kmz/issues/1; a visitor's session is shorter.
_BARE_SESSION = re.compile(r"[a-z0-9]{32}")


class Cookies(NamedTuple):
    """The values of the two cookies of a web session; a name may have several."""

    tokens: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Cookies({len(self.tokens)} tokens, {len(self.sessions)} sessions)"


def parse_cookies(text: str) -> Cookies:
    """Return the cookies in a text of any of the forms; none if it has another form."""
    # Byte order marks, of which joined files have several.
    text = text.replace("\ufeff", "")
    bare = "".join(text.split()).strip("\"'`,;")
    if _LIKE_JWT.fullmatch(bare):
        return Cookies(tokens=(bare,))
    if _BARE_SESSION.fullmatch(bare):
        return Cookies(sessions=(bare,))
    # A string in JSON may have one of the other forms, for example that of a header.
    found = from_pairs(_json_pairs(text))
    return found if any(found) else from_pairs(_PAIR.findall(text))


def from_pairs(pairs: list[tuple[str, str]]) -> Cookies:
    """Return the web session's cookies among pairs of name and value, without duplicates."""
    return Cookies(*(_values(pairs, name) for name in (TOKEN, SESSION)))


def _values(pairs: list[tuple[str, str]], wanted: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for name, value in pairs if name == wanted and value))


def _json_pairs(text: str) -> list[tuple[str, str]]:
    """Return the pairs of a text in JSON, which may have trailing commas; none if it is none."""
    for json_text in (text, _TRAILING_COMMA.sub("", text)):
        try:
            return list(_pairs_in(json.loads(json_text)))
        except (ValueError, RecursionError):
            pass
    return []


def _pairs_in(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the pairs of objects with a name and a value, and of objects with names as keys."""
    if isinstance(value, list):
        for one in value:
            yield from _pairs_in(one)
    elif isinstance(value, dict):
        name, text = _named_value(value)
        if isinstance(name, str) and isinstance(text, str):
            yield name, text
        for name, one in value.items():
            text = one.get("value") if isinstance(one, dict) else one
            if isinstance(text, str):
                yield name, text
            else:
                yield from _pairs_in(one)


def _named_value(fields: dict[str, Any]) -> tuple[Any, Any]:
    """Return the values of "name" and "value", or of the keys that stand for them.

    Cookie Quick Manager calls them "Name raw" and "Content raw"
    (https://github.com/ysard/cookie-quick-manager), tough-cookie "key" and "value".
    """
    name = next((fields[key] for key in ("name", "Name raw", "key") if key in fields), None)
    value = next((fields[key] for key in ("value", "Content raw") if key in fields), None)
    return name, value
