from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.strava import pages
from strava_backup.strava.pages import LoginAnswer, Target

SITE = "https://www.strava.com"
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def mixed(*words):
    """Texts made of the words that a parser looks at, and any other texts."""
    return st.lists(st.sampled_from(words), max_size=15).map("".join) | st.text(max_size=80)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (f"{SITE}/login", Target.LOGIN),
        ("/login", Target.LOGIN),
        ("/login?redirect=%2Fme", Target.LOGIN),
        ("/login/password", Target.LOGIN),
        ("/de/login", Target.LOGIN),
        ("/pt-BR/login", Target.LOGIN),
        ("/zh-Hans/login", Target.LOGIN),
        ("/session/new", Target.LOGIN),
        ("/register", Target.LOGIN),
        ("http://strava.com/login", Target.LOGIN),
        ("//www.strava.com/login", Target.LOGIN),
        (f"{SITE}/activities/16600000000", Target.ACTIVITY),
        ("/activities/7/", Target.ACTIVITY),
        ("/de/activities/7", Target.ACTIVITY),
        ("/dashboard", Target.DASHBOARD),
        ("/dashboard/following/15", Target.DASHBOARD),
        ("/fr/dashboard?x=1", Target.DASHBOARD),
        ("", Target.OTHER),
        ("/", Target.OTHER),
        ("/logins", Target.OTHER),
        ("/activities/", Target.OTHER),
        ("/activities/7/export_original", Target.OTHER),
        ("/dashboards", Target.OTHER),
        ("https://example.org/login", Target.OTHER),
        ("//example.org/activities/7", Target.OTHER),
        ("https://www.strava.com.example.org/dashboard", Target.OTHER),
        ("https://[bad/login", Target.OTHER),
    ],
)
def test_a_redirect_tells_where_it_leads(location, target):
    assert pages.redirect_target(location) is target


@pytest.mark.parametrize(
    ("location", "athlete_id"),
    [
        (f"{SITE}/athletes/26462176", 26462176),
        ("/athletes/1", 1),
        ("/de/athletes/1/", 1),
        ("/athletes/1/training", None),
        ("/athletes/ada", None),
        ("https://example.org/athletes/1", None),
        ("/login", None),
        ("", None),
    ],
)
def test_an_athlete_is_known_by_the_redirect(location, athlete_id):
    assert pages.redirected_athlete_id(location) == athlete_id


@given(mixed("https:", "//", "/", "www.strava.com", "athletes", "login", "7", "[", "?", "#", "%"))
def test_any_location_leads_somewhere(location):
    assert pages.redirect_target(location) in Target
    assert pages.redirected_athlete_id(location) is None or "athletes" in location


def test_the_forms_token_is_found_in_the_pages_head():
    html = (
        '<html><head><meta name="csrf-param" content="authenticity_token" />'
        '<meta name="csrf-token" content="a+b/c==" /></head></html>'
    )
    assert pages.csrf_fields(html) == {"authenticity_token": "a+b/c=="}


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<html></html>",
        '<meta name="csrf-param" content="authenticity_token">',
        '<meta name="csrf-token" content="a">',
        "\x00<<<",
    ],
)
def test_a_page_without_token_has_no_fields(html):
    assert pages.csrf_fields(html) == {}


WRONG = "<div>The username or password did not match.</div>"
CODE = "<p>Enter the 6-digit code we sent</p><input name='otp'>"
CAPTCHA = "<script>grecaptcha.enterprise.execute()</script>"


@pytest.mark.parametrize(
    ("status", "location", "html", "answer"),
    [
        (302, f"{SITE}/dashboard", "", LoginAnswer.SIGNED_IN),
        (303, "/onboarding", "", LoginAnswer.SIGNED_IN),
        (200, "", '{"success": true}', LoginAnswer.SIGNED_IN),
        (200, "", ' {"success":true}\n', LoginAnswer.SIGNED_IN),
        (200, "", '{"success": false}', LoginAnswer.UNKNOWN),
        (302, f"{SITE}/login", WRONG, LoginAnswer.UNKNOWN),
        (302, "", "", LoginAnswer.UNKNOWN),
        (200, "", WRONG, LoginAnswer.WRONG_PASSWORD),
        # The log-in page may load the captcha's script for everybody.
        (200, "", WRONG + CAPTCHA, LoginAnswer.WRONG_PASSWORD),
        (200, "", CODE, LoginAnswer.CODE_ASKED),
        (200, "", CODE + CAPTCHA, LoginAnswer.CODE_ASKED),
        (200, "", CAPTCHA, LoginAnswer.CAPTCHA_ASKED),
        (200, "", "<p>Your footprint in the potpourri</p>", LoginAnswer.UNKNOWN),
        (200, "", CAPTCHA + '<meta content="xxotpxx==">', LoginAnswer.CAPTCHA_ASKED),
        (403, "", "<h1>403 Forbidden</h1>", LoginAnswer.CAPTCHA_ASKED),
        (429, "", "<h1>Too Many Requests</h1>", LoginAnswer.LIMITED),
        (200, "", "<h1>Log In</h1>", LoginAnswer.UNKNOWN),
        (422, "", "<h1>The change you wanted was rejected.</h1>", LoginAnswer.UNKNOWN),
    ],
)
def test_what_comes_of_a_log_in_is_told_apart(status, location, html, answer):
    assert pages.classify_login(status, location, html) is answer


@pytest.mark.parametrize(
    ("disposition", "is_attachment"),
    [
        ('attachment; filename="a.fit"', True),
        ("Attachment", True),
        (" attachment ;x", True),
        ("inline", False),
        ("", False),
        ('inline; filename="attachment"', False),
        ("attachments", False),
    ],
)
def test_only_an_attachment_is_a_file(disposition, is_attachment):
    assert pages.is_attachment({"Content-Disposition": disposition}) is is_attachment


def test_an_answer_without_the_header_is_no_file():
    assert not pages.is_attachment({})
    assert pages.sent_file_name({}) == ""


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ("filename=a.fit", "a.fit"),
        ('filename="a b.fit"', "a b.fit"),
        (r'filename="a\"b.fit"', 'a"b.fit'),
        ('filename="a;b.fit"', "a;b.fit"),
        ("FILENAME=a.fit", "a.fit"),
        ("filename*=UTF-8''H%C3%B6lle.fit", "Hölle.fit"),
        ("filename=\"Holle.fit\"; filename*=UTF-8''H%C3%B6lle.fit", "Hölle.fit"),
        ("filename*=UTF-8''H%C3%B6lle.fit; filename=\"Holle.fit\"", "Hölle.fit"),
        ("filename*=no-such-charset''a.fit", "a.fit"),
        ('filename=""', ""),
        ("", ""),
    ],
)
def test_the_files_name_is_read_from_the_header(parameters, name):
    headers = {"Content-Disposition": f"attachment; {parameters}"}
    assert pages.sent_file_name(headers) == name


@given(mixed("attachment", ";", "filename", "*", "*0", "=", "''", "UTF-8", "%C3", '"', "\0", "\n"))
def test_any_disposition_gives_a_name_or_none(disposition):
    assert isinstance(pages.sent_file_name({"Content-Disposition": disposition}), str)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_in_utf8_comes_through(name):
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    assert pages.sent_file_name(headers) == name


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("Sun, 22 Nov 2026 10:01:30 GMT", 90),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 11:00:30 +0100", 30),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("", None),
        # a date without a zone (RFC 5322, 3.3) is no moment
        ("Sun, 22 Nov 2026 10:01:30 -0000", None),
        ("Sun, 22 Nov 2026 10:01:30 +99999999999999999999", None),
    ],
)
def test_a_pause_is_read_from_the_header(value, seconds):
    assert pages.retry_after({"Retry-After": value}, NOW) == seconds


def test_no_header_asks_for_no_pause():
    assert pages.retry_after({}, NOW) is None


@given(mixed("Sun, ", "22 ", "Nov ", "2026 ", "99999999999 ", "10:00:00 ", "GMT", "+0100", "-0000"))
def test_any_retry_after_is_a_pause_or_none(value):
    pause = pages.retry_after({"Retry-After": value}, NOW)
    assert pause is None or pause >= 0
