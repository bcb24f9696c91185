from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup.setup.cookies import Cookies, parse_cookies
from tests import pasted

TOKEN = "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOjd9-_A.c2ln_-x"
SESSION = "abcdefghijklmnopqrstuvwxyz012345"
FORMS = pasted.forms(TOKEN, 7, SESSION)


@pytest.mark.parametrize("name", FORMS)
def test_the_token_is_found_in_every_form(name):
    cookies = parse_cookies(FORMS[name])
    assert cookies.tokens == (TOKEN,)
    assert cookies.sessions in ((), (SESSION,))


@pytest.mark.parametrize(
    "name", [name for name, text in FORMS.items() if SESSION in text and TOKEN in text]
)
def test_the_session_beside_it_is_found_too(name):
    assert parse_cookies(FORMS[name]).sessions == (SESSION,)


@pytest.mark.parametrize(
    "text",
    [
        SESSION,
        f"{SESSION}\n",
        f"_strava4_session={SESSION}",
        f"Cookie: sp=1; _strava4_session={SESSION}",
        f".strava.com\tTRUE\t/\tTRUE\t0\t_strava4_session\t{SESSION}",
    ],
)
def test_a_session_alone_is_found(text):
    assert parse_cookies(text) == Cookies(sessions=(SESSION,))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "garbage",
        "eyJ",
        "strava_remember_id=7",
        "strava_remember_token=",
        "strava_remember_token=; sp=1",
        "my_strava_remember_token=x",
        "strava_remember_token_x=y",
        "strava_remember_token, _strava4_session",
        '[{"name": "strava_remember_token", "path": "/", "value": ',
        '{"value": ' * 900,
        '{"value": ' * 900 + "1" + "}" * 900,
        "curl 'https://www.strava.com/' -H 'dnt: 1'",
        "[]",
        "{}",
        "7",
        "null",
        '[{"name": "strava_remember_token"}]',
        '[{"name": "strava_remember_token", "value": ""}]',
        '[{"name": "strava_remember_token", "value": 7}]',
        "[" * 100_000,
        "<html>",
    ],
)
def test_anything_else_holds_nothing(text):
    assert parse_cookies(text) == Cookies()


def test_of_several_of_a_name_all_are_kept_each_once():
    text = (
        f"strava_remember_token={TOKEN}; strava_remember_token=eyJ; strava_remember_token={TOKEN}"
    )
    assert parse_cookies(text).tokens == (TOKEN, "eyJ")


@pytest.mark.parametrize("length", [4, 20, 21, len(TOKEN) - 6])
def test_a_token_that_is_cut_off_is_found_as_it_is(length):
    token = TOKEN[:length]
    for text in (token, f"{token}\n", f"Cookie: strava_remember_token={token}"):
        assert parse_cookies(text).tokens == (token,)


def test_an_abbreviated_token_is_found_as_it_is():
    assert parse_cookies("eyJ0eXAiOi…").tokens == ("eyJ0eXAiOi…",)


def test_cookies_do_not_show_themselves():
    assert TOKEN not in repr(parse_cookies(TOKEN))


@given(st.text())
def test_no_text_is_too_odd(text):
    assert parse_cookies(text).tokens == () or "strava_remember_token" in text or "eyJ" in text
