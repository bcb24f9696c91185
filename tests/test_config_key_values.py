"""The values of config keys; test_config_loader.py covers the messages about them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from strava_backup.config import key_values


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (key_values.source, "website", "website"),
        (key_values.seconds, "0", 0.0),
        (key_values.seconds, "2.5", 2.5),
        (key_values.days, "14", 14),
        (key_values.number, "54321", "54321"),
        (key_values.https_url, "https://api-v3.strava.com/", "https://api-v3.strava.com"),
        (key_values.https_url, "https://a/b/c", "https://a/b/c"),
        (key_values.plain_text, "a b~", "a b~"),
    ],
)
def test_a_sound_value_is_read(parse: Callable[[str], object], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (key_values.source, "Website"),
        (key_values.seconds, "-1"),
        (key_values.seconds, "inf"),
        (key_values.seconds, "3601"),
        (key_values.seconds, "2,5"),
        (key_values.days, "7.0"),
        (key_values.days, "\u0667"),
        (key_values.number, "12a"),
        (key_values.https_url, "http://www.strava.com"),
        (key_values.https_url, "https://"),
        (key_values.https_url, "https://a?b"),
        (key_values.https_url, "https://a/{id}"),
        (key_values.plain_text, "a\nb"),
        (key_values.plain_text, "\u00e9"),
    ],
)
def test_any_other_is_refused(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse(text)


@pytest.mark.parametrize("text", ["/back up/50% of it", "~/a", "a;b#c", "C:\\x", "Räder", "a'b"])
def test_a_path_is_taken_as_it_stands(text: str) -> None:
    assert key_values.path_text(text) == text


@pytest.mark.parametrize("text", ['"a"', "'a'", '"a', "a'", "a # b", "a\t;b", "#", "a\tb", "a\0"])
def test_a_path_with_something_around_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|remove) "):
        key_values.path_text(text)


@pytest.mark.parametrize(
    ("text", "value"), [("a b=c", "a b=c"), ("ab\ncd\n\ne==", "abcde=="), ("a", "a")]
)
def test_a_folded_secret_is_put_together(text: str, value: str) -> None:
    assert key_values.unfolded(text) == value


@pytest.mark.parametrize("text", ["a\n[user]", "a\njwt = b", "a\njwt=b", "a\njwt: b", "a b\nc"])
def test_a_secret_above_another_key_is_not_folded(text: str) -> None:
    with pytest.raises(ValueError, match="is the line below it indented"):
        key_values.unfolded(text)
