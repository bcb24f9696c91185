"""Pure: HTML and headers of the website in, values out. The only user of bs4; does no I/O.

Pages are cut into single tags and cells, at a cost that is linear, and only those are parsed: bs4
takes minutes for a page of unclosed tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from strava_backup import errors

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

_LANGUAGE = r"(?:/[a-z]{2}(?:-[A-Za-z]{2,4})?)?"
_LOGIN_PATH = re.compile(_LANGUAGE + r"/(?:login|session/new|register)(?:/.*)?")
_ATHLETE_PATH = re.compile(_LANGUAGE + r"/athletes/([0-9]{1,19})/?")
_ACTIVITY_PATH = re.compile(_LANGUAGE + r"/activities/\d+/?")
_EXTENDED_NAME = re.compile(r"filename\*\s*=\s*utf-8'[^']*'([^\s;]+)", re.IGNORECASE)
_DASHBOARD_PATH = re.compile(_LANGUAGE + r"/dashboard(?:/.*)?")

# Marks of pages that want a human. Strava's log-in is guarded by reCAPTCHA Enterprise since 2025,
# and by AWS's firewall since 2024-11 (https://github.com/pR0Ps/stravaweblib/issues/15,
# https://github.com/erik/strava-heatmap-proxy/issues/8).
# "otp" as a word only: footprints have it, too, and so have some of the tokens in a page's head.
_CODE_MARKS = re.compile(r"(?<![a-z])otp(?![a-z])|one-time code|6-digit code|verification code")
_CAPTCHA_MARKS = ("captcha", "challenge", "awswaf", "verify you are human")
_WRONG_PASSWORD_MARKS = ("did not match", "incorrect", "invalid")

# A bike's page has 200 kB, the page of the log-in form less; longer ones are not looked at.
_LONGEST_PAGE = 1 << 20
# As of file names on all systems, and then some.
_LONGEST_DISPOSITION = 4096
_LONGEST_DISTANCE = 50
# What is text in there looks like tags, but is none.
_HIDDEN = (("<!--", "-->"), ("<script", "</script"), ("<style", "</style"))
_TABLE_TAG = re.compile(r"<(/?(?:table|thead|tbody|tr|td))(?![a-z0-9-])[^<>]*>", re.IGNORECASE)
_META = re.compile(r"<meta\s[^<>]*>", re.IGNORECASE)
_HTML = re.compile(r"<html\s[^<>]*>", re.IGNORECASE)
# So many tags of one kind a page has, and so much text in a cell; a page with more is another one.
_MOST_TAGS = 10_000
_MOST_METAS = 500
_LONGEST_CELL = 2000

_COMPONENT_FIELDS = ("type", "brand", "model", "added", "removed", "distance")
_DISTANCE = re.compile(r"(?P<number>\d[\d\s.,'\u2019]*)(?P<unit>km|mi)")
# Its thousands are set apart by an underscore, or not at all.
_SURE_NUMBER = re.compile(r"(?:[0-9]{1,9}|[0-9]{1,3}(?:_[0-9]{3}){1,2})(?:\.[0-9]{1,3})?")
_METRES = {"km": 1000.0, "mi": 1609.344}
_DECIMAL_MARKS = {"en": ".", "de": ",", "fr": ","}


class Target(Enum):
    """Where a redirect of the website leads."""

    LOGIN = auto()
    ACTIVITY = auto()
    DASHBOARD = auto()
    OTHER = auto()


class LoginAnswer(Enum):
    """What the website makes of e-mail and password."""

    SIGNED_IN = auto()
    WRONG_PASSWORD = auto()
    CODE_ASKED = auto()
    CAPTCHA_ASKED = auto()
    LIMITED = auto()
    UNKNOWN = auto()


def redirect_target(location: str) -> Target:
    """What the `Location` of a redirect means."""
    path = _path_on_strava(location)
    if _LOGIN_PATH.fullmatch(path):
        return Target.LOGIN
    if _ACTIVITY_PATH.fullmatch(path):
        return Target.ACTIVITY
    if _DASHBOARD_PATH.fullmatch(path):
        return Target.DASHBOARD
    return Target.OTHER


def redirected_athlete_id(location: str) -> int | None:
    """The athlete's id in the redirect that answers `/me`; None if it leads elsewhere."""
    match = _ATHLETE_PATH.fullmatch(_path_on_strava(location))
    return int(match[1]) if match else None


def csrf_fields(html: str) -> dict[str, str]:
    """The form field that a POST must carry, from the page's metas; empty if there is none.

    `<meta name="csrf-param" content="authenticity_token">` and `csrf-token`, as Rails makes them
    (https://github.com/pR0Ps/stravaweblib).
    """
    found = islice(_META.finditer(html[:_LONGEST_PAGE]), _MOST_METAS)
    tags = [_attributes(tag[0]) for tag in found]
    metas = {tag.get("name"): tag.get("content") for tag in tags}
    param, token = metas.get("csrf-param"), metas.get("csrf-token")
    return {param: token} if param and token else {}


def classify_login(status: int, location: str, html: str) -> LoginAnswer:
    """What an answer to the posted log-in form, or the log-in page after it, means.

    The classic form redirects away from the log-in pages on success. A JSON `{"success": true}`
    has been seen in browsers since 2026.
    """
    if status in (301, 302, 303):
        leads_on = location and redirect_target(location) is not Target.LOGIN
        return LoginAnswer.SIGNED_IN if leads_on else LoginAnswer.UNKNOWN
    if status == 429:
        # Repeated log-ins are answered so (https://github.com/pR0Ps/strava-backup/issues/11).
        return LoginAnswer.LIMITED
    if re.fullmatch(r'\s*\{\s*"success"\s*:\s*true\s*\}\s*', html):
        return LoginAnswer.SIGNED_IN
    text = html.lower()
    if any(mark in text for mark in _WRONG_PASSWORD_MARKS):
        return LoginAnswer.WRONG_PASSWORD
    if _CODE_MARKS.search(text):
        return LoginAnswer.CODE_ASKED
    if status == 403 or any(mark in text for mark in _CAPTCHA_MARKS):
        return LoginAnswer.CAPTCHA_ASKED
    return LoginAnswer.UNKNOWN


def parse_components(html: str) -> list[dict[str, Any]]:
    """The components in the table of a bike's page, in the page's own words.

    The words, dates and numbers are in the user's language. `distance_m`, in metres, is there
    only where unit and number are sure. Raises PageChanged where the table is not as known
    (https://github.com/pR0Ps/stravaweblib, `get_bike_components`).
    """
    if len(html) > _LONGEST_PAGE:
        raise errors.PageChanged("the bike's page is larger than such a page is")
    html = _without_hidden_text(html)
    rows = _table_rows(html)
    if rows is None:
        raise errors.PageChanged("the bike's page shows no table of components")
    if not rows:
        raise errors.PageChanged("the bike's page shows an empty table of components")
    root = _HTML.search(html)
    language = _attributes(root[0]).get("lang", "")[:2].lower() if root else ""
    # "No active components", in whatever language, is a row of one cell.
    return [_component(cells, language) for cells in rows if len(cells) > 1]


def parse_distance(text: str, language: str) -> float | None:
    """A distance such as `1,234.5 km` in metres; None where it cannot be told for sure.

    `language` is the two letters of the page's language, which decides where a lone comma or
    point could be the decimal one as well as that of the thousands.
    """
    text = text.strip()
    match = _DISTANCE.fullmatch(text) if len(text) <= _LONGEST_DISTANCE else None
    if match is None:
        return None
    number = re.sub(r"[\s'\u2019]", "_", match["number"].rstrip())
    decimal = _decimal_mark(number, language)
    if decimal is None:
        return None
    thousands = "," if decimal == "." else "."
    plain = number.replace(thousands, "_").replace(decimal, ".")
    if not _SURE_NUMBER.fullmatch(plain):
        return None
    return round(float(plain.replace("_", "")) * _METRES[match["unit"]], 1)


def _decimal_mark(number: str, language: str) -> str | None:
    marks = [character for character in number if character in ".,"]
    if not marks:
        return "."
    if len(set(marks)) == 2:
        return marks[-1] if marks.count(marks[-1]) == 1 else None
    mark = marks[0]
    other = "," if mark == "." else "."
    if len(marks) > 1:
        return other
    if len(number.rpartition(mark)[2]) != 3:
        return mark
    return _DECIMAL_MARKS.get(language)


def _parse(html: str) -> BeautifulSoup:
    """A piece of a page; an empty one where Python's own parser gives up."""
    from bs4 import BeautifulSoup
    from bs4.builder import ParserRejectedMarkup

    try:
        return BeautifulSoup(html, "html.parser")
    except ParserRejectedMarkup:
        return BeautifulSoup("", "html.parser")


def _attributes(tag: str) -> dict[str, str]:
    found = _parse(tag).find()
    return {name: str(value) for name, value in found.attrs.items()} if found else {}


def _without_hidden_text(html: str) -> str:
    """The page without comments, scripts and styles; what does not end hides the rest."""
    for start, end in _HIDDEN:
        shown, *hidden = re.split(re.escape(start), html, flags=re.IGNORECASE)
        after = (re.split(re.escape(end), part, maxsplit=1, flags=re.IGNORECASE) for part in hidden)
        html = shown + "".join(parts[1] for parts in after if len(parts) == 2)
    return html


def _table_rows(html: str) -> list[list[str]] | None:
    """The cells of the first table with a head and a body, row by row; None without such a one."""
    rows: list[list[str]] | None = None
    has_head = False
    for count, (tag, text) in enumerate(_table_tags(html)):
        if count == _MOST_TAGS:
            raise errors.PageChanged("the bike's page has more cells than such a page has")
        if tag == "table":
            has_head, rows = False, None
        elif tag == "thead":
            has_head = True
        elif tag == "tbody" and has_head:
            rows = rows or []
        elif tag == "tr" and rows is not None:
            rows.append([])
        elif tag == "td" and rows:
            rows[-1].append(_text(text))
        elif tag == "/table" and rows is not None:
            return rows
    return rows


def _table_tags(html: str) -> Iterator[tuple[str, str]]:
    """The tags of tables, each with what stands between it and the next one."""
    before: re.Match[str] | None = None
    for tag in _TABLE_TAG.finditer(html):
        if before is not None:
            yield before[1].lower(), html[before.end() : tag.start()]
        before = tag
    if before is not None:
        yield before[1].lower(), html[before.end() :]


def _text(cell: str) -> str:
    return " ".join(_parse(cell[:_LONGEST_CELL]).get_text().split())


def _component(cells: list[str], language: str) -> dict[str, Any]:
    if len(cells) < len(_COMPONENT_FIELDS):
        raise errors.PageChanged("the bike's page shows its components in another way")
    component: dict[str, Any] = dict(zip(_COMPONENT_FIELDS, cells, strict=False))
    metres = parse_distance(component["distance"], language)
    return component if metres is None else {**component, "distance_m": metres}


def is_attachment(headers: Mapping[str, str]) -> bool:
    """Whether an answer is a file to save, as Strava's exports are, and not a page."""
    disposition = headers.get("Content-Disposition") or ""
    return disposition.split(";")[0].strip().lower() == "attachment"


def sent_file_name(headers: Mapping[str, str]) -> str:
    """The file name in `Content-Disposition`, or an empty string.

    Of two forms the extended one counts, `filename*=UTF-8''...` (RFC 6266, part 4.3), which Strava
    sends for titles beyond ASCII.
    """
    disposition = (headers.get("Content-Disposition") or "")[:_LONGEST_DISPOSITION]
    extended = _EXTENDED_NAME.search(disposition)
    if extended:
        return unquote(extended[1], errors="replace")
    message = Message()
    message["Content-Disposition"] = disposition
    try:
        return message.get_filename() or ""
    except (AttributeError, LookupError, TypeError, ValueError):
        return ""


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds that `Retry-After` asks for (RFC 9110: a number or a date), or None."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment - now).total_seconds())
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError):
        return None


def _path_on_strava(location: str) -> str:
    """The path of an address on www.strava.com; empty for one elsewhere."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    return parts.path if parts.netloc in ("", "www.strava.com", "strava.com") else ""
