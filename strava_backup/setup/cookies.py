"""Pure: parses the cookies of a web session from text that people copy from a browser.

The text may be a bare JWT or session, a `Cookie:` header, `name=value; ...`, a Netscape
cookies.txt, the JSON of cookie extensions, a row of a browser's cookie list, or "Copy as cURL" in
the quoting of any shell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

TOKEN = "strava_remember_token"  # noqa: S105  # the cookie's name
SESSION = "_strava4_session"

# A name, a separator and a value, in all of those forms except JSON lists. The separator is
# required, since other names begin with these. Values have no quotes, spaces or `;`.
_PAIR = re.compile(
    rf"(?<![\w-])({TOKEN}|{SESSION})[\"']?(?:\s*[=:]\s*|\s+)[\"']?([^\s\"';,=&^\\]+=*)"
)
_JWT = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]*=*", re.ASCII)
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
    bare = "".join(text.split()).strip("\"'")
    if _JWT.fullmatch(bare):
        return Cookies(tokens=(bare,))
    if _BARE_SESSION.fullmatch(bare):
        return Cookies(sessions=(bare,))
    try:
        pairs = list(_pairs_of_json(json.loads(text)))
    except (ValueError, RecursionError):
        pairs = _PAIR.findall(text)
    return from_pairs(pairs)


def from_pairs(pairs: list[tuple[str, str]]) -> Cookies:
    """Return the web session's cookies among pairs of name and value, without duplicates."""
    return Cookies(*(_values(pairs, name) for name in (TOKEN, SESSION)))


def joined(several: Iterable[Cookies]) -> Cookies:
    """Return the cookies of several sessions as one, without duplicates."""
    pairs = [(name, value) for one in several for name, value in _pairs_of(one)]
    return from_pairs(pairs)


def _pairs_of(cookies: Cookies) -> list[tuple[str, str]]:
    tokens = [(TOKEN, token) for token in cookies.tokens]
    return tokens + [(SESSION, session) for session in cookies.sessions]


def _values(pairs: list[tuple[str, str]], wanted: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for name, value in pairs if name == wanted and value))


def _pairs_of_json(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the pairs of objects with "name" and "value", and of objects with names as keys."""
    if isinstance(value, list):
        for one in value:
            yield from _pairs_of_json(one)
    elif isinstance(value, dict):
        for name, one in ((value.get("name"), value.get("value")), *value.items()):
            text = one.get("value") if isinstance(one, dict) else one
            if isinstance(name, str) and isinstance(text, str):
                yield name, text
            else:
                yield from _pairs_of_json(one)
