"""Parses the website's HTML and headers. Pure; the only module that uses bs4.

Pages are split into single tags and cells in linear time, and bs4 parses only those: it takes
minutes for a whole page of unclosed tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from html import unescape
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
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

# Marks of pages that require a human. reCAPTCHA Enterprise has guarded Strava's log-in since 2025,
# and AWS's firewall since 2024-11 (https://github.com/pR0Ps/stravaweblib/issues/15,
# https://github.com/erik/strava-heatmap-proxy/issues/8).
# "otp" counts as a whole word only: "footprints" and tokens in a page's head contain it, too.
_CODE_MARKS = re.compile(r"(?<![a-z])otp(?![a-z])|one-time code|6-digit code|verification code")
_CAPTCHA_MARKS = ("captcha", "challenge", "awswaf", "verify you are human")
_WRONG_PASSWORD_MARKS = ("did not match", "incorrect", "invalid")

# A bike's page has 200 kB, the log-in page less; the rest of a longer page is ignored.
_LONGEST_PAGE = 1 << 20
# More than the longest file name of any system needs.
_LONGEST_DISPOSITION = 4096
_LONGEST_DISTANCE = 50
# Comments, scripts and styles: text inside them may look like tags.
_HIDDEN = (("<!--", "-->"), ("<script", "</script"), ("<style", "</style"))
_TABLE_TAG = re.compile(r"<(/?(?:table|thead|tbody|tr|td))(?![a-z0-9-])[^<>]*>", re.IGNORECASE)
_META = re.compile(r"<meta\s[^<>]*>", re.IGNORECASE)
_HTML = re.compile(r"<html\s[^<>]*>", re.IGNORECASE)
# Upper bounds for a page's tags of one kind and for the text of a cell. A page with more is not the
# page that this parser knows.
_MOST_TAGS = 10_000
_MOST_METAS = 500
_LONGEST_CELL = 2000

_COMPONENT_FIELDS = ("type", "brand", "model", "added", "removed", "distance")
_DISTANCE = re.compile(r"(?P<number>\d[\d\s.,'\u2019]*)(?P<unit>km|mi)")
# A number with underscores between its thousands, or without separators.
_SURE_NUMBER = re.compile(r"(?:[0-9]{1,9}|[0-9]{1,3}(?:_[0-9]{3}){1,2})(?:\.[0-9]{1,3})?")
_METRES = {"km": 1000.0, "mi": 1609.344}
_CONTROL = re.compile(r"<(textarea|input|select)\s[^<>]*>", re.IGNORECASE)
_CONTROL_ENDS = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("textarea", "select")}
_OPTION = re.compile(r"<option\s[^<>]*>", re.IGNORECASE)
# The controls of an edit page that may concern us, and the options of one of them.
_MOST_CONTROLS = 50
_NOTE_ID = "activity_private_note"
_EXERTION_ID = "activity_perceived_exertion"
_EXERTION_NAME = "activity[perceived_exertion]"
# Strava's scale of perceived exertion ends at 10.
_EXERTION = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,3})?")
_DECIMAL_MARKS = {"en": ".", "de": ",", "fr": ","}


class Target(Enum):
    """The target of a redirect of the website."""

    LOGIN = auto()
    ACTIVITY = auto()
    DASHBOARD = auto()
    OTHER = auto()


class LoginAnswer(Enum):
    """The website's answer to e-mail and password."""

    SIGNED_IN = auto()
    WRONG_PASSWORD = auto()
    CODE_ASKED = auto()
    CAPTCHA_ASKED = auto()
    LIMITED = auto()
    UNKNOWN = auto()


def redirect_target(location: str) -> Target:
    """Return the kind of page in the `Location` of a redirect."""
    path = _path_on_strava(location)
    if _LOGIN_PATH.fullmatch(path):
        return Target.LOGIN
    if _ACTIVITY_PATH.fullmatch(path):
        return Target.ACTIVITY
    if _DASHBOARD_PATH.fullmatch(path):
        return Target.DASHBOARD
    return Target.OTHER


def redirected_athlete_id(location: str) -> int | None:
    """Return the athlete's id in the redirect that answers `/me`; None for another redirect."""
    match = _ATHLETE_PATH.fullmatch(_path_on_strava(location))
    return int(match[1]) if match else None


def csrf_fields(html: str) -> dict[str, str]:
    """Return the form field that a POST must carry, from the page's metas; empty if it has none.

    Rails writes `<meta name="csrf-param" content="authenticity_token">` and `csrf-token`
    (https://github.com/pR0Ps/stravaweblib).
    """
    found = islice(_META.finditer(html[:_LONGEST_PAGE]), _MOST_METAS)
    tags = [_attributes(tag[0]) for tag in found]
    metas = {tag.get("name"): tag.get("content") for tag in tags}
    param, token = metas.get("csrf-param"), metas.get("csrf-token")
    return {param: token} if param and token else {}


def classify_login(status: int, location: str, html: str) -> LoginAnswer:
    """Return the result of a log-in, from the answer to the form or from the log-in page after it.

    The classic form redirects away from the log-in pages on success. Browsers have received the
    JSON `{"success": true}` since 2026.
    """
    if status in (301, 302, 303):
        leads_on = location and redirect_target(location) is not Target.LOGIN
        return LoginAnswer.SIGNED_IN if leads_on else LoginAnswer.UNKNOWN
    if status == 429:
        # Strava's answer to repeated log-ins (https://github.com/pR0Ps/strava-backup/issues/11).
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
    """Return the components in the table of a bike's page, with the page's own texts.

    The texts, dates and numbers are in the user's language. `distance_m`, in metres, is present
    only if unit and number are unambiguous. Raises PageChanged if the table has an unknown form
    (https://github.com/pR0Ps/stravaweblib, `get_bike_components`).
    """
    if len(html) > _LONGEST_PAGE:
        raise errors.PageChanged("the bike's page is larger than expected")
    html = _without_hidden_text(html)
    rows = _table_rows(html)
    if rows is None:
        raise errors.PageChanged("the bike's page shows no table of components")
    if not rows:
        raise errors.PageChanged("the bike's page shows an empty table of components")
    root = _HTML.search(html)
    language = _attributes(root[0]).get("lang", "")[:2].lower() if root else ""
    # "No active components", in any language, is a row of one cell.
    return [_component(cells, language) for cells in rows if len(cells) > 1]


def parse_edit_page(html: str) -> dict[str, Any]:
    """Return `private_note` and, if the page shows it, `perceived_exertion` of an activity.

    The note is the text of `#activity_private_note` in the form at `/activities/ID/edit`. The form
    of the perceived exertion is not documented: it is read from controls with the name or id that
    Rails would give them, as a number, or None if it is empty. Raises PageChanged if the page does
    not show the note.
    """
    if len(html) > _LONGEST_PAGE:
        raise errors.PageChanged("the edit page is larger than expected")
    controls = list(islice(_edit_controls(_without_hidden_text(html)), _MOST_CONTROLS))
    notes = (one.content for one in controls if one.attributes.get("id") == _NOTE_ID)
    note = next(notes, None)
    if note is None:
        raise errors.PageChanged("the edit page shows no field for the private note")
    values = [value for one in filter(_is_exertion, controls) for value in _shown_values(one)]
    exertion = {"perceived_exertion": _first_number(values)} if values else {}
    return {"private_note": _textarea_text(note), **exertion}


class _Control(NamedTuple):
    """A control of a form; `content` is up to its end tag, None without one."""

    name: str
    attributes: dict[str, str]
    content: str | None


def _edit_controls(html: str) -> Iterator[_Control]:
    """Yield the controls that may be those of the private note or the perceived exertion."""
    for tag in _CONTROL.finditer(html):
        if _NOTE_ID in tag[0] or "perceived_exertion" in tag[0]:
            name = tag[1].lower()
            end = _CONTROL_ENDS[name].search(html, tag.end()) if name in _CONTROL_ENDS else None
            content = html[tag.end() : end.start()] if end else None
            yield _Control(name, _attributes(tag[0]), content)


def _is_exertion(control: _Control) -> bool:
    attributes = control.attributes
    return attributes.get("id") == _EXERTION_ID or attributes.get("name") == _EXERTION_NAME


def _textarea_text(content: str) -> str:
    """Return the text in a textarea.

    Only character references have a meaning in it, and a line break right after its tag has none
    (https://html.spec.whatwg.org/multipage/parsing.html).
    """
    return _with_line_feeds(unescape(_with_line_feeds(content).removeprefix("\n")))


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _shown_values(control: _Control) -> list[str]:
    """Return the values that a control shows; none for a radio button that is not chosen."""
    attributes = control.attributes
    if control.name == "select":
        options = islice(_OPTION.finditer(control.content or ""), _MOST_CONTROLS)
        chosen = (one for one in (_attributes(tag[0]) for tag in options) if "selected" in one)
        return [next(chosen, {}).get("value", "")]
    is_choice = attributes.get("type", "").lower() in ("radio", "checkbox")
    return [] if is_choice and "checked" not in attributes else [attributes.get("value", "")]


def _first_number(texts: list[str]) -> float | None:
    return next((float(text) for text in texts if _EXERTION.fullmatch(text)), None)


def parse_distance(text: str, language: str) -> float | None:
    """Return a distance like `1,234.5 km` in metres; None if it is ambiguous.

    `language` is the page's two-letter language code. It decides whether a single comma or point
    separates the decimals or the thousands.
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
    """Return a parsed piece of a page; an empty one if Python's own parser refuses it."""
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
    """Return the page without comments, scripts and styles; an unclosed one hides the rest."""
    for start, end in _HIDDEN:
        shown, *hidden = re.split(re.escape(start), html, flags=re.IGNORECASE)
        after = (re.split(re.escape(end), text, maxsplit=1, flags=re.IGNORECASE) for text in hidden)
        html = shown + "".join(texts[1] for texts in after if len(texts) == 2)
    return html


def _table_rows(html: str) -> list[list[str]] | None:
    """Return the cells of the first table with a head and a body, by rows; None without one."""
    rows: list[list[str]] | None = None
    has_head = False
    for count, (tag, text) in enumerate(_table_tags(html)):
        if count == _MOST_TAGS:
            raise errors.PageChanged("the bike's page has more cells than expected")
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
    """Yield the tags of tables, each with the text between it and the next one."""
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
        raise errors.PageChanged("the bike's page shows its components in an unknown form")
    component: dict[str, Any] = dict(zip(_COMPONENT_FIELDS, cells, strict=False))
    metres = parse_distance(component["distance"], language)
    return component if metres is None else {**component, "distance_m": metres}


def is_attachment(headers: Mapping[str, str]) -> bool:
    """Return whether an answer is a file to save, like Strava's exports, and not a page."""
    disposition = headers.get("Content-Disposition") or ""
    return disposition.split(";")[0].strip().lower() == "attachment"


def sent_file_name(headers: Mapping[str, str]) -> str:
    """Return the file name in `Content-Disposition`, or an empty string.

    The extended form `filename*=UTF-8''...` takes precedence (RFC 6266, section 4.3); Strava sends
    it for titles with non-ASCII characters.
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
    """Return the seconds in `Retry-After` (RFC 9110: a number or a date), or None."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment - now).total_seconds())
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError):
        return None


def _path_on_strava(location: str) -> str:
    """Return the path of an address on www.strava.com; empty for other hosts."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    return parts.path if parts.netloc in ("", "www.strava.com", "strava.com") else ""
