"""Tables of secrets that can be stored, and of texts that may be quoted."""

from __future__ import annotations

import pytest

from strava_backup import secret_text


@pytest.mark.parametrize("value", ["a", "a" * 8192, "a b", "#a;b", "[api]", "=", "<a", "a>", "%%"])
def test_one_printable_line_can_be_stored(value: str) -> None:
    assert secret_text.is_storable(value)


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", " a", "a ", "a\n", "a\rb", "a\r\njwt_command = x", "a\tb", "a\0", "a\x0cb"),
        *("a\x1b[2J", "é", "a\u2028b", "a\x85b", "\ufeffa", "<token>", "<>", "a" * 8193),
        *(None, True, 7, b"a", ["a"]),
    ],
)
def test_another_value_cannot_be_stored(value: object) -> None:
    assert not secret_text.is_storable(value)


@pytest.mark.parametrize(
    "text",
    [
        *("soon", "output_dri", "users", "-1", "2,5", "/nowhere/at/all", "~/.secrets/jwt"),
        *("refresh_token_command", "client_secret_command", "Räder", "C:\\me\\token"),
    ],
)
def test_harmless_text_is_quoted(text: str) -> None:
    assert secret_text.quoted(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "a\nb", "a\rb", "a\x1b[2J", "a" * 20, "a b " * 11, "<a>", "a=b", "'a'", "a\u202eb"),
        *("0123456789abcdef0123456789abcdef01234567", "jwt eyJ0eXAiOiJKV1QiLCJh"),
        *("abc_def-ghi_jkl-mno_1", "https://x/0f0f0f0f0f0f0f0f0f0f"),
    ],
)
def test_text_that_may_be_a_secret_is_not_quoted(text: str) -> None:
    assert secret_text.quoted(text) == "(not shown, it may be a secret)"


@pytest.mark.parametrize("text", ["hunter2", "my hunter2", "x"])
def test_a_known_secret_is_not_quoted(text: str) -> None:
    assert secret_text.is_quotable(text)
    assert not secret_text.is_quotable(text, ["hunter2", "x"])
    assert secret_text.is_quotable("text", ["x"])


def test_a_value_in_angle_brackets_is_a_placeholder() -> None:
    assert secret_text.is_placeholder("<client id>")
    assert not secret_text.is_placeholder("<client id>\nclient_secret = <client secret>")
