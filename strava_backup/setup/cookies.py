"""Pure: the cookies of a web session, out of what people copy from a browser. Does no I/O.

Understood are a bare JWT or session, a `Cookie:` header, `name=value; ...`, a Netscape
cookies.txt, the JSON of cookie extensions, a row of a browser's cookie list, and "Copy as cURL" in
the quoting of any shell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

TOKEN = "strava_remember_token"  # noqa: S105  # the cookie's name
SESSION = "_strava4_session"

# A name, then what may part it from its value, in any of those forms but JSON lists. The name's
# end is an end: there are others that only begin so. Values have no quotes, spaces or `;`.
_PAIR = re.compile(
    rf"(?<![\w-])({TOKEN}|{SESSION})[\"']?(?:\s*[=:]\s*|\s+)[\"']?([^\s\"';,=&^\\]+=*)"
)
_JWT = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]*=*", re.ASCII)
# https://github.com/akahn/strava-heatmap-to-kmz/issues/1; that of a visitor is shorter
_BARE_SESSION = re.compile(r"[a-z0-9]{32}")


class Cookies(NamedTuple):
    """The values of the two cookies that matter; of each name there may be several."""

    tokens: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Cookies({len(self.tokens)} tokens, {len(self.sessions)} sessions)"


def parse_cookies(text: str) -> Cookies:
    """The cookies in a text of any of the forms; none where it is something else."""
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
    """The cookies that matter among those, by name and value, each once."""
    return Cookies(*(_values(pairs, name) for name in (TOKEN, SESSION)))


def _values(pairs: list[tuple[str, str]], wanted: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for name, value in pairs if name == wanted and value))


def _pairs_of_json(value: Any) -> Iterator[tuple[str, str]]:
    """Objects with "name" and "value", and those that have cookies under their names."""
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
