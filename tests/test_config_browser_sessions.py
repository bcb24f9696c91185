"""The choice among the sessions of a browser, from tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.config.browser import Browser, parse_browser
from strava_backup.config.browser_sessions import choose, no_browser, place_name
from strava_backup.demo import jwt
from tests.browsers import found
from tests.conftest import DAY, NOW

FIREFOX = Browser("firefox")
T = NOW.timestamp()


def token(athlete: int, days: float) -> str:
    return jwt.encode({"sub": athlete, "iat": T, "exp": T + days * DAY}, b"")


def chosen(found, athlete_id=7, browser=FIREFOX):
    credentials = choose(browser, found, athlete_id, T)
    return [one.jwt.token if one.jwt else one.session for one in credentials]


OWN, OWN_OLDER, ENDED, OTHERS = token(7, 20), token(7, 3), token(7, -1), token(8, 29)


@pytest.mark.parametrize(
    ("sessions", "expected"),
    [
        ([found(OWN)], [OWN]),
        ([found(OWN_OLDER, ENDED, "garbled", OWN)], [OWN, OWN_OLDER]),
        ([found(OWN_OLDER), found(OWN, profile="work")], [OWN, OWN_OLDER]),
        ([found(OWN), found(OWN, profile="copy")], [OWN]),
        ([found(OTHERS, container="Work"), found(OWN)], [OWN]),
        ([found(OWN, sessions=("a",))], [OWN]),
        ([found(ENDED, sessions=("a",))], ["a"]),
        ([found(sessions=("a", "b"))], ["a", "b"]),
        ([found(sessions=("a",)), found(OWN, profile="work")], [OWN, "a"]),
        ([found(OWN), found(token(8, -1), sessions=("b",))], [OWN]),
        ([found(OWN), found(OTHERS, sessions=("b",), container="Work")], [OWN]),
        ([found(OWN, token(7, 401))], [OWN]),
        ([found(OWN, sessions=("a\nb",)), found(sessions=("a\nb", "<x>", "a"))], [OWN, "a"]),
    ],
)
def test_the_newest_session_of_the_athlete_comes_first(sessions, expected):
    assert chosen(sessions) == expected


@pytest.mark.parametrize("sessions", [[found(OWN)], [found(OWN), found(OWN_OLDER, profile="b")]])
def test_one_athlete_alone_need_not_be_known(sessions):
    assert chosen(sessions, athlete_id=None)[0] == OWN


@pytest.mark.parametrize(
    ("browser", "sessions", "places"),
    [
        (
            FIREFOX,
            [found(OWN), found(OTHERS, container="Work")],
            ["firefox:default-release::none (athlete 7)", "::Work (athlete 8)"],
        ),
        (
            FIREFOX,
            [found(OWN, profile="a"), found(OTHERS, profile="b")],
            ["firefox:a (athlete 7)", "firefox:b (athlete 8)"],
        ),
        (
            Browser("chrome", "kwallet"),
            [found(OWN, profile="Profile 1"), found(OTHERS, profile="Default")],
            ["chrome+kwallet:Profile 1 (athlete 7)", "chrome+kwallet:Default (athlete 8)"],
        ),
        (
            FIREFOX,
            [found(sessions=("a",)), found(sessions=("b",), container="Work")],
            ["firefox:default-release::none (athlete unknown)", "::Work (athlete unknown)"],
        ),
    ],
)
def test_several_athletes_are_named_in_the_syntax_of_the_config(browser, sessions, places):
    with pytest.raises(errors.AccountMismatch) as caught:
        choose(browser, sessions, None, T)
    for place in places:
        assert place in str(caught.value)
    suggestions = str(caught.value).split("cookies_from_browser: ")[1].split(", ")
    assert all(parse_browser(one.split(" (")[0]).profile for one in suggestions)


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        ([], "no unexpired session"),
        ([found()], "no unexpired session"),
        ([found(ENDED)], "no unexpired session"),
        ([found("garbled")], "no unexpired session"),
        ([found(OTHERS)], "a session of athlete 8, but none of athlete 7"),
        ([found(token(8, -1), sessions=("b",))], "no unexpired session"),
    ],
)
def test_a_browser_without_a_session_of_the_athlete_is_an_error(sessions, message):
    with pytest.raises(errors.SessionOver, match=message):
        choose(FIREFOX, sessions, 7, T)


@given(
    st.lists(
        st.builds(
            lambda tokens, sessions, profile: found(*tokens, sessions=sessions, profile=profile),
            st.lists(st.text() | st.sampled_from([OWN, ENDED, OTHERS]), max_size=3),
            st.lists(st.text(), max_size=2).map(tuple),
            st.text(max_size=9),
        ),
        max_size=3,
    ),
    st.none() | st.integers(7, 8),
)
def test_any_cookies_give_credentials_or_an_error(sessions, athlete_id):
    try:
        credentials = choose(FIREFOX, sessions, athlete_id, T)
    except (errors.AccountMismatch, errors.SessionOver):
        return
    assert credentials
    athletes = {one.jwt.athlete_id for one in credentials if one.jwt}
    assert len(athletes) <= 1
    assert athletes <= ({7, 8} if athlete_id is None else {athlete_id})


def test_a_place_is_named_with_its_container():
    assert place_name(found()) == "firefox, profile default-release"
    assert place_name(found(container="Work")) == "firefox, profile default-release, container Work"


def test_a_credential_does_not_show_its_secret():
    for one in choose(FIREFOX, [found(OWN), found(sessions=("secret",), profile="b")], 7, T):
        assert not {OWN, "secret"} & set(repr(one).replace("'", " ").split())
        assert OWN not in repr(one)
        assert "secret" not in repr(one)


def test_an_environment_without_browsers_says_so():
    with pytest.raises(errors.ConfigError, match="Firefox"):
        no_browser(FIREFOX, T)
