"""The syntax of a browser's name."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.config.browser import Browser, parse_browser


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("firefox", Browser("firefox")),
        ("FireFox", Browser("firefox")),
        (" firefox ", Browser("firefox")),
        ("firefox:", Browser("firefox")),
        ("firefox:work", Browser("firefox", profile="work")),
        ("firefox: My own ", Browser("firefox", profile="My own")),
        ("firefox:a:b", Browser("firefox", profile="a:b")),
        ("firefox:/home/me/a.b", Browser("firefox", profile="/home/me/a.b")),
        (r"firefox:C:\Users\me\x", Browser("firefox", profile=r"C:\Users\me\x")),
        ("firefox::Personal", Browser("firefox", container="Personal")),
        ("firefox::none", Browser("firefox", container="none")),
        ("zen:work::My own", Browser("zen", profile="work", container="My own")),
        (r"firefox:C:\x::a::b", Browser("firefox", profile=r"C:\x", container="a::b")),
        ("chrome+GNOMEKEYRING", Browser("chrome", keyring="gnomekeyring")),
        ("edge + kwallet5 : Profile 1", Browser("edge", "kwallet5", "Profile 1")),
        ("brave:Profile 2", Browser("brave", profile="Profile 2")),
    ],
)
def test_a_browser_may_have_a_keyring_a_profile_and_a_container(
    text: str, expected: Browser
) -> None:
    assert parse_browser(text) == expected
    assert parse_browser(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"NAME\[\+KEYRING\]"),
        (":work", "is written as"),
        ("firefox::", "is written as"),
        ("chrome+", "is written as"),
        ("firefox:a\nb", "is written as"),
        ("lynx", "brave, chrome, chromium, edge, firefox, .*, zen, not from lynx"),
        ("safari", "not from safari"),
        ("firefox+kwallet", "Firefox uses no keyring"),
        ("chrome+pass", "gnomekeyring, .* not pass"),
        ("chrome:Default::Personal", "Chrome has no containers"),
    ],
)
def test_another_browser_keyring_or_container_is_refused(text: str, message: str) -> None:
    with pytest.raises(errors.ConfigError, match=message):
        parse_browser(text)


def test_a_token_in_place_of_a_browser_is_not_repeated() -> None:
    secret = "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOjd9.c2lnbmF0dXJlLWl0c2VsZg"
    for text in (secret, f"chrome+{secret}", f"chrome::{secret}", f":{secret}"):
        with pytest.raises(errors.ConfigError) as caught:
            parse_browser(text)
        assert secret not in str(caught.value)


PARTS = ("firefox", "chrome", "kwallet", "+", ":", "::", " ", "/", "a")


@given(text=st.lists(st.sampled_from(PARTS), max_size=8).map("".join) | st.text())
@example(text="firefox:a::")
def test_any_text_is_a_browser_that_is_written_alike_or_refused(text: str) -> None:
    try:
        browser = parse_browser(text)
    except errors.ConfigError:
        return
    assert parse_browser(str(browser)) == browser
