from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import UTC, date, datetime
from html import escape
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.demo.bike_page import LANGUAGES, bike_body
from strava_backup.demo.gear import METRES, Bike, Component
from strava_backup.demo.samples import sample_gear
from strava_backup.strava import consent, pages, records, web_records
from strava_backup.strava.json_body import parse_json
from strava_backup.strava.pages import LoginAnswer, Target

SITE = "https://www.strava.com"
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def mixed(*words):
    """Texts of words that the parser recognizes, and any other texts."""
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
def test_a_redirect_is_classified_by_its_target(location, target):
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
        "<![<meta",
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
        # The log-in page may always load the captcha's script.
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
def test_log_in_results_are_distinguished(status, location, html, answer):
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
        # a date without a zone (RFC 5322, 3.3) is ambiguous
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


# The page of a bike

BIKE = sample_gear()[0]


def page(body, language="en"):
    return f"<!DOCTYPE html><html class='logged-in' lang='{language}'><body>{body}</body></html>"


def components(bike, language="en", units="km"):
    return pages.parse_components(page(bike_body(bike, language, units), language))


def table(*rows, head="<thead><tr><th>Type</th></tr></thead>"):
    cells = ("".join(f"<td>{text}</td>" for text in row) for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return page(f"<table>{head}<tbody>{body}</tbody></table>")


@pytest.mark.parametrize(
    ("language", "units", "chain", "cassette"),
    [
        ("en", "km", ("May 3, 2025", "1,234.5 km"), ("Since beginning", "14,018.4 km")),
        ("en", "mi", ("May 3, 2025", "767.1 mi"), ("Since beginning", "8,710.6 mi")),
        ("de", "km", ("3. Mai 2025", "1.234,5 km"), ("Seit Beginn", "14.018,4 km")),
        ("de", "mi", ("3. Mai 2025", "767,1 mi"), ("Seit Beginn", "8.710,6 mi")),
        ("fr", "km", ("3 mai 2025", "1 234,5 km"), ("Depuis le début", "14 018,4 km")),
        ("fr", "mi", ("3 mai 2025", "767,1 mi"), ("Depuis le début", "8 710,6 mi")),
    ],
)
def test_components_come_in_the_words_of_the_page(language, units, chain, cassette):
    names = ("type", "brand", "model", "added", "removed", "distance")
    first, second, *_ = components(BIKE, language, units)
    assert tuple(first[name] for name in names) == (
        "Chain", "Shimano", "CN-HG601", chain[0], "", chain[1],
    )  # fmt: skip
    assert tuple(second[name] for name in names) == (
        "Cassette", "Shimano", "CS-R7000", cassette[0], "", cassette[1],
    )  # fmt: skip
    assert first.keys() == second.keys() == {*names, "distance_m"}


@pytest.mark.parametrize("units", METRES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_component_comes_with_its_metres(language, units):
    found = components(BIKE, language, units)
    assert [(one["type"], one["brand"], one["model"]) for one in found] == [
        (one.type, one.brand, one.model) for one in BIKE.components
    ]
    for one, component in zip(found, BIKE.components, strict=True):
        # the page rounds to a tenth of its unit
        assert one["distance_m"] == pytest.approx(component.distance, abs=METRES[units] / 20 + 0.1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_removed_component_says_when(language):
    removed = components(BIKE, language)[2]["removed"]
    assert removed == components(BIKE, language)[0]["added"] != ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_bike_may_have_no_components(language):
    assert components(Bike("b1", "Bare"), language) == []


def test_a_bike_may_have_many_components():
    parts = [Component(n, "Tube", added=date(2026, 1, 1), distance=n) for n in range(200)]
    assert len(components(Bike("b1", "Flat", components=parts))) == 200


def test_only_the_table_with_a_head_counts():
    before = "<table><tbody><tr><td>Weight:</td><td>8.4 kg</td></tr></tbody></table>"
    html = page(before + bike_body(BIKE, "en", "km"))
    assert len(pages.parse_components(html)) == 4


def test_white_space_and_marks_are_read_as_text():
    row = ("\n  Chain\n", "<b>KMC</b> &amp; Co", "X11 &lt;EL&gt;", "", "", " 1,234.5\n km ", "x")
    assert pages.parse_components(table(row)) == [
        {
            "type": "Chain",
            "brand": "KMC & Co",
            "model": "X11 <EL>",
            "added": "",
            "removed": "",
            "distance": "1,234.5 km",
            "distance_m": 1_234_500.0,
        }
    ]


def test_without_the_pages_language_a_number_may_be_unsure():
    row = ("Chain", "", "", "", "", "1,234 km")
    html = table(row)
    assert pages.parse_components(html)[0]["distance_m"] == 1_234_000.0
    bare = html.replace(" lang='en'", "")
    assert "distance_m" not in pages.parse_components(bare)[0]


@pytest.mark.parametrize(
    "html",
    [
        pytest.param("", id="nothing"),
        pytest.param(page(""), id="no table"),
        pytest.param(page("<div id='root' data-react-props='{}'></div>"), id="made in the browser"),
        pytest.param(page("<table><tbody><tr><td>x</td></tr></tbody></table>"), id="no head"),
        pytest.param(page("<table><thead><tr><th>x</th></tr></thead></table>"), id="no body"),
        pytest.param(table(), id="no rows"),
        pytest.param(table(("Chain", "KMC")), id="two columns"),
        pytest.param(table(("a", "b", "c", "d", "e")), id="a column less"),
        pytest.param(table(("a", "b", "c", "d", "e", "1 km"), ("a", "b")), id="a row of its own"),
        pytest.param("<html><body><![n", id="no HTML"),
        pytest.param(page("<![if lt IE 9]><table><![endif"), id="a comment that is none"),
    ],
)
def test_a_changed_page_is_named_and_gives_no_components(html):
    with pytest.raises(errors.PageChanged, match="the bike's page"):
        pages.parse_components(html)


TAGS = [f"<{slash}{tag}>" for slash in ("", "/") for tag in ("table", "thead", "tbody", "tr", "td")]


@given(mixed(*TAGS, "<html lang=de>", "<!", "<![", "<?", "&#", "1.5 km", "x", "<!--", "-->", '"'))
def test_any_page_has_components_or_has_changed(html):
    try:
        found = pages.parse_components(html)
    except errors.PageChanged:
        return
    assert all({"type", "distance"} <= one.keys() for one in found)


@pytest.mark.parametrize(
    ("text", "language", "metres"),
    [
        ("0.0 km", "en", 0.0),
        ("88.0 km", "en", 88_000.0),
        ("88,0 km", "de", 88_000.0),
        ("1,234.5 km", "en", 1_234_500.0),
        ("1.234,5 km", "de", 1_234_500.0),
        ("1\u202f234,5\u00a0km", "fr", 1_234_500.0),
        ("1\u00a0234,5 km", "fr", 1_234_500.0),
        ("1'234.5 km", "de", 1_234_500.0),
        ("1\u2019234.5 km", "it", 1_234_500.0),
        ("31,002.8 km", "en", 31_002_800.0),
        ("1,234,567.8 km", "en", 1_234_567_800.0),
        ("1.234.567 km", "xx", 1_234_567_000.0),
        ("1 234 567 km", "xx", 1_234_567_000.0),
        ("12 km", "xx", 12_000.0),
        ("12km", "en", 12_000.0),
        (" 12 km ", "en", 12_000.0),
        ("8,710.6 mi", "en", 14_018_351.8),
        ("1 mi", "en", 1_609.3),
        # one mark and three digits: the language decides
        ("1,234 km", "en", 1_234_000.0),
        ("1.234 km", "en", 1_234.0),
        ("1.234 km", "de", 1_234_000.0),
        ("1,234 km", "fr", 1_234.0),
        # two marks, or not three digits: unambiguous
        ("1.234,5 km", "en", 1_234_500.0),
        ("1,234.5 km", "xx", 1_234_500.0),
        ("12,5 km", "en", 12_500.0),
    ],
)
def test_a_distance_is_converted_to_metres(text, language, metres):
    assert pages.parse_distance(text, language) == metres


@pytest.mark.parametrize("language", ["en", "de", "fr", "xx", ""])
@pytest.mark.parametrize(
    "text",
    [
        "", "km", "12", "12 m", "12 lbs", "12 KM/H", "12 km 5", "-12 km", "~12 km", "1e5 km",
        "12 км", "12 公里", "zwölf km", ". km", ",5 km",
        "1,2.3 km", "1.2,3 km", "1.234.5 km", "1,234,5 km", "1,23,456.7 km", "1.234.567,8,9 km",
        "1,2,3.4.5 km", "12.34.56 km", "1 2 km", "1 23 km", "12 5,0 km", "1234,567.8 km",
        "5. km", "5, km", "1,234. km", "1..5 km", "1'2 km", "9" * 400 + " km",
    ],
)  # fmt: skip
def test_an_ambiguous_distance_is_not_converted(text, language):
    assert pages.parse_distance(text, language) is None


@pytest.mark.parametrize("text", ["1,234 km", "1.234 km", "14.018 km"])
def test_a_lone_mark_in_an_unknown_language_is_unsure(text):
    assert pages.parse_distance(text, "xx") is None


@given(mixed("1", "23", "456", ",", ".", " ", "'", "\u202f", "km", "mi", "-"), st.text(max_size=2))
def test_any_text_is_metres_or_unsure(text, language):
    metres = pages.parse_distance(text, language)
    assert metres is None or 0 <= metres < float("inf")


@given(st.integers(0, 10**8), st.sampled_from(sorted(LANGUAGES)), st.sampled_from(sorted(METRES)))
def test_every_distance_that_a_page_shows_is_understood(tenths, language, units):
    metres = tenths / 10 * METRES[units]
    bike = Bike("b1", "B", components=[Component(1, "Chain", distance=metres)])
    (found,) = components(bike, language, units)
    assert found["distance_m"] == pytest.approx(metres, abs=METRES[units] / 10)


# Hostile pages


MIB = 1 << 20
HEAD = "<html lang='de'><table><thead></thead><tbody><tr>"
WORST = {
    "edit controls": "<textarea id=activity_private_note>",
    "exertions": "<select id=activity_perceived_exertion><option selected>",
    "comments": "<!--",
    "comments in a table": (HEAD, "<!--"),
    "ended comments": "<!-- -->",
    "tables": "<table>",
    "heads": "<table><thead>",
    "cells": (HEAD, "<td>x"),
    "rows": (HEAD, "<tr><td>1 km</td>"),
    "open tags": (HEAD, "<td "),
    "open names": (HEAD, "<"),
    "declarations": (HEAD, "<!["),
    "instructions": (HEAD, "<?"),
    "ends": (HEAD, "</"),
    "scripts": "<script>",
    "characters": (HEAD + "<td>", "&#"),
    "spaces": (HEAD + "<td>" * 6 + "1", " "),
    "digits": (HEAD + "<td>" * 6, "1 "),
    "a character of digits": (HEAD + "<td>&#", "9"),
    "attributes": ("<meta ", "a"),
    "quotes": ("<meta ", "a='b"),
    "metas": "<meta ",
    "braces": "{ ",
    "white space": (" ", " "),
    "otp": "otp",
    "filename": ("attachment; ", "filename*="),
    "filename spaces": ("attachment; filename*", " "),
    "parameters": ('attachment; a="', ';"'),
    "paths": "/de-DE",
    "a path": ("/activities/", "9"),
    "lists": "[",
    "objects": '{"a":',
    "pairs": '"": [], ',
    "escaped quotes": ('["', '\\"'),
    "fields": "a=b&",
    "many codes": "code=",
    "a date": ("2026-05-06T07:08:09", "0"),
    "entities": "&ampamp",
}


def form_or_changed(html):
    with suppress(errors.PageChanged):
        pages.parse_edit_page(html)


def components_or_changed(html):
    with suppress(errors.PageChanged):
        pages.parse_components(html)


def photo_or_none(text):
    with suppress(errors.ItemError):
        records.parse_photo(1, {"unique_id": text[:9], "urls": {text: text, "100": text}})


def activity_or_none(text):
    with suppress(errors.ItemError):
        records.parse_activity({"id": 1, "start_date": text, "name": text})


def consent_or_none(text):
    with suppress(errors.Error):
        consent.parse_answer(f"http://127.0.0.1/?state=s&{text}", "s")


def json_or_none(text):
    with suppress(ValueError):
        parse_json(text.encode())


PARSERS = {
    "photo": photo_or_none,
    "activity": activity_or_none,
    "consent": consent_or_none,
    "JSON": json_or_none,
    "web activity": lambda text: web_records.activity_record({"start_time": text, "name": text}),
    "web photo": lambda text: web_records.photo_record({"caption_escaped": text, "large": text}),
    "web gear": lambda text: web_records.gear_record({"id": 1, "display_name": text}, "b"),
    "components": components_or_changed,
    "edit page": form_or_changed,
    "csrf fields": pages.csrf_fields,
    "login": lambda html: pages.classify_login(200, "", html),
    "redirect": pages.redirect_target,
    "athlete": pages.redirected_athlete_id,
    "distance": lambda html: pages.parse_distance(html, "de"),
    "file name": lambda text: pages.sent_file_name({"Content-Disposition": text}),
    "pause": lambda text: pages.retry_after({"Retry-After": text}, NOW),
}


# A quadratic parser would need seconds for the longer one.
SIZES = (MIB // 4, MIB) if "THOROUGH" in os.environ else (MIB // 64, MIB // 16)


def seconds(parse, text):
    """Return the processor time of a call."""
    began = time.process_time()
    parse(text)
    return time.process_time() - began


def is_linear(parse, worst):
    """Return whether four times as much takes about four times as long."""
    start, again = worst if isinstance(worst, tuple) else ("", worst)
    short, long = (start + again * ((size - len(start)) // len(again)) for size in SIZES)
    # Another process may delay any one of the calls.
    return any(seconds(parse, long) < 12 * seconds(parse, short) + 0.02 for _ in range(3))


@pytest.mark.parametrize("parser", PARSERS)
def test_the_cost_of_a_parser_is_linear_in_the_worst_of_pages(parser):
    assert [name for name in WORST if not is_linear(PARSERS[parser], WORST[name])] == []


def test_a_page_larger_than_any_is_a_changed_one():
    with pytest.raises(errors.PageChanged, match="larger"):
        pages.parse_components(table(("a", "b", "c", "d", "e", "1 km")) + " " * MIB)


@pytest.mark.parametrize("path", ["/athletes/" + "9" * 5000, "/athletes/\u0665", "/athletes/"])
def test_an_athlete_id_in_no_known_form_is_none(path):
    assert pages.redirected_athlete_id(path) is None


def test_a_table_in_a_comment_or_a_script_is_none():
    real = table(("Chain", "", "", "", "", "1 km"))
    lie = "<table><thead></thead><tbody><tr><td>x</td></tr></tbody></table>"
    for hidden in (f"<!-- {lie} -->", f"<SCRIPT>'{lie}'</SCRIPT>", f"<style>{lie}</style>"):
        assert pages.parse_components(hidden + real) == pages.parse_components(real)


# The page to edit an activity

NOTE = '<textarea class="large" name="activity[private_note]" id="activity_private_note">'


def edit_page(note="x", more=""):
    return page(
        f"<form><textarea name='activity[description]'>y</textarea>{NOTE}{note}</textarea>{more}"
    )


@pytest.mark.parametrize(
    ("sent", "note"),
    [
        ("", ""),
        ("\n", ""),
        ("\nKnee hurts", "Knee hurts"),
        ("\r\nKnee\r\nhurts", "Knee\nhurts"),
        ("\n\nKnee", "\nKnee"),
        ("&lt;b&gt; &amp;amp; &quot;&#39; &#x1F6B4; 🚴", "<b> &amp; \"' 🚴 🚴"),
        ("<b>bold</b> 1 < 2", "<b>bold</b> 1 < 2"),
        ("a&#13;&#10;b", "a\nb"),
        ("  kept  ", "  kept  "),
    ],
)
def test_a_private_note_is_the_text_of_its_field(sent, note):
    assert pages.parse_edit_page(edit_page(sent)) == {"private_note": note}


@pytest.mark.parametrize(
    ("control", "exertion"),
    [
        ("<input type=hidden name='activity[perceived_exertion]' value='7'>", 7.0),
        ("<input id=activity_perceived_exertion value='2.5' />", 2.5),
        ("<INPUT ID='activity_perceived_exertion' VALUE=''>", None),
        ("<input id=activity_perceived_exertion>", None),
        ("<input id=activity_perceived_exertion value='hard'>", None),
        (
            "<select name='activity[perceived_exertion]'><option value=''></option>"
            "<option selected value=9>9</option></select><option selected value=1>",
            9.0,
        ),
        ("<select id=activity_perceived_exertion><option value=9></select>", None),
        (
            "<input type=radio name='activity[perceived_exertion]' value=3>"
            "<input type=radio name='activity[perceived_exertion]' value=4 checked>",
            4.0,
        ),
    ],
)
def test_the_perceived_exertion_is_a_number_or_none(control, exertion):
    found = pages.parse_edit_page(edit_page(more=control))
    assert found == {"private_note": "x", "perceived_exertion": exertion}


@pytest.mark.parametrize(
    "control",
    [
        "",
        "<input type=radio name='activity[perceived_exertion]' value=3>",
        "<input name='activity[prefer_perceived_exertion]' value=1>",
        "<!-- <input id=activity_perceived_exertion value=7> -->",
    ],
)
def test_a_page_that_shows_no_exertion_gives_none(control):
    assert pages.parse_edit_page(edit_page(more=control)) == {"private_note": "x"}


@pytest.mark.parametrize(
    "html",
    [
        "",
        page("<h1>Something went wrong</h1>"),
        page("<textarea>x</textarea>"),
        page(NOTE + "without an end"),
        page("<input id='activity_private_note' value='x'>"),
        page(f"<script>'{NOTE}x</textarea>'</script>"),
        edit_page("x" * MIB),
    ],
)
def test_an_edit_page_in_another_form_is_a_changed_one(html):
    with pytest.raises(errors.PageChanged, match="edit page"):
        pages.parse_edit_page(html)


@given(
    mixed(
        NOTE,
        "</textarea>",
        "<select id=activity_perceived_exertion>",
        "<option selected value=",
        "7>",
        "<!",
        "<![",
        "&#",
        "<!--",
        "\r",
        '"',
    )
)
def test_any_page_has_a_private_note_or_has_changed(html):
    with suppress(errors.PageChanged):
        found = pages.parse_edit_page(html)
        assert isinstance(found["private_note"], str)
        assert found.get("perceived_exertion") is None or 0 <= found["perceived_exertion"] < 100


@given(st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])))
def test_any_note_survives_the_page(note):
    assert pages.parse_edit_page(edit_page("\n" + escape(note)))["private_note"] == note
