"""The keyrings of systems, with programs and a Secret Service that are made up."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from strava_backup import errors
from strava_backup.config.browser import Browser
from strava_backup.setup.browsers.keyrings import read_password, run_program

KDE = {"XDG_CURRENT_DESKTOP": "KDE"}


@pytest.mark.parametrize(
    ("browser", "environ", "platform", "expected"),
    [
        (
            Browser("chrome"),
            {},
            "darwin",
            "security find-generic-password -w -a Chrome -s Chrome Safe Storage",
        ),
        (
            Browser("edge"),
            {},
            "darwin",
            "security find-generic-password -w -a Microsoft Edge -s Microsoft Edge Safe Storage",
        ),
        (
            Browser("brave"),
            KDE,
            "linux",
            "kwallet-query --read-password Brave Safe Storage --folder Brave Keys kdewallet",
        ),
        (
            Browser("vivaldi", "kwallet6"),
            {},
            "linux",
            "kwallet-query --read-password Chrome Safe Storage --folder Chrome Keys kdewallet",
        ),
    ],
)
def test_the_password_is_the_output_of_the_systems_program(
    browser: Browser, environ: dict[str, str], platform: str, expected: str
) -> None:
    asked = []

    def run(arguments: list[str]) -> bytes:
        asked.append(" ".join(arguments))
        return b"p\xff ssword\n"

    assert read_password(browser, environ, platform, run) == b"p\xff ssword"
    assert asked == [expected]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"Failed to read entry",
        FileNotFoundError(2, "No such file", "kwallet-query"),
        subprocess.CalledProcessError(1, ["kwallet-query"]),
        subprocess.TimeoutExpired(["kwallet-query"], 120),
    ],
)
def test_a_program_that_gives_no_password_is_a_config_error(answer: bytes | Exception) -> None:
    def run(arguments: list[str]) -> bytes:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(errors.ConfigError, match=r"with kwallet-query: .*\nUnlock the keyring"):
        read_password(Browser("chrome", "kwallet"), {}, "linux", run)


def test_a_program_is_run_without_input() -> None:
    assert run_program([sys.executable, "-Sc", "import sys; print(sys.stdin.read())"]) == b"\n"
    with pytest.raises(OSError, match="no-such-program"):
        run_program(["no-such-program"])


def test_the_keyring_basictext_has_no_password() -> None:
    with pytest.raises(errors.ConfigError, match=r"chrome\+gnomekeyring"):
        read_password(Browser("chrome", "basictext"), KDE, "linux")


class Item:
    def __init__(self, label: str, secret: bytes, locked: bool = False) -> None:
        self.label, self.secret, self.locked = label, secret, locked

    def get_label(self) -> str:
        return self.label

    def is_locked(self) -> bool:
        return self.locked

    def unlock(self) -> bool:
        return True  # dismissed

    def get_secret(self) -> bytes:
        return self.secret


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Item]]:
    """A Secret Service: the items of each application, and those of the default collection."""
    items: dict[str, list[Item]] = {"default": []}

    class Connection:
        def close(self) -> None:
            items["closed"] = []

        def get_all_items(self) -> list[Item]:
            return items["default"]

    module: Any = ModuleType("secretstorage")
    module.dbus_init = Connection
    module.search_items = lambda connection, wanted: items.get(wanted["application"], [])
    module.get_default_collection = lambda connection: connection
    monkeypatch.setitem(sys.modules, "secretstorage", module)
    return items


def test_the_secret_service_is_asked_by_application_and_then_by_label(
    service: dict[str, list[Item]],
) -> None:
    service["chrome"] = [
        Item("Chrome Safe Storage Control", b"x"),
        Item("Chrome Safe Storage", b"c"),
    ]
    service["default"] = [Item("Mail", b"m"), Item("Brave Safe Storage", b"b")]
    assert read_password(Browser("chrome"), {}, "linux") == b"c"
    assert read_password(Browser("vivaldi"), {}, "linux") == b"c"
    assert read_password(Browser("brave"), {}, "linux") == b"b"
    assert "closed" in service


def test_a_secret_service_that_gives_no_password_is_a_config_error(
    service: dict[str, list[Item]], monkeypatch: pytest.MonkeyPatch
) -> None:
    service["default"] = [Item("Chrome Safe Storage", b"c", locked=True)]
    with pytest.raises(errors.ConfigError, match="no password of this browser"):
        read_password(Browser("chrome"), {}, "linux")
    monkeypatch.delattr("secretstorage.dbus_init")
    with pytest.raises(errors.ConfigError, match=r"cannot read the key .* with the Secret Service"):
        read_password(Browser("chrome", "gnomekeyring"), KDE, "linux")


def test_without_secretstorage_the_command_that_installs_it_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "secretstorage", None)
    with pytest.raises(errors.ConfigError, match="pip install cryptography secretstorage"):
        read_password(Browser("chrome"), {}, "linux")
