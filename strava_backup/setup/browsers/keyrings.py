"""Reads the password of a browser's cookies from the keyring of the system."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from strava_backup import errors
from strava_backup.config.browser import Browser

if TYPE_CHECKING:
    from jeepney.io.blocking import DBusConnection
    from secretstorage import Item

# Long enough for a person to unlock the keyring.
_TIMEOUT = 120
# The names of the entries, "NAME Safe Storage". On Linux several browsers keep the name of the one
# that they come from (https://github.com/yt-dlp/yt-dlp, cookies.py).
_MACOS_NAMES = {"edge": "Microsoft Edge"}
_LINUX_NAMES = {"edge": "Chromium", "opera": "Chromium", "vivaldi": "Chrome"}

Run = Callable[[list[str]], bytes]


def run_program(arguments: list[str]) -> bytes:
    """Return the output of a program. Raises OSError, SubprocessError."""
    return subprocess.run(  # noqa: S603  # the arguments are names of browsers
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_TIMEOUT,
        check=True,
    ).stdout


def read_password(
    browser: Browser, environ: Mapping[str, str], platform: str, run: Run = run_program
) -> bytes:
    """Return the password that encrypts the browser's cookies. Raises ConfigError."""
    if platform == "darwin":
        name = _MACOS_NAMES.get(browser.name, browser.title)
        return _from_program(
            ["security", "find-generic-password", "-w", "-a", name, "-s", f"{name} Safe Storage"],
            run,
        )
    name = _LINUX_NAMES.get(browser.name, browser.title)
    keyring = browser.keyring or _keyring_of_desktop(environ)
    if keyring == "basictext":
        raise errors.ConfigError(
            f"the cookies are encrypted with a key in a keyring, not with {keyring}: name "
            f"another one, as in {browser.name}+gnomekeyring"
        )
    if keyring.startswith("kwallet"):
        folder = ["--folder", f"{name} Keys"]
        return _from_program(
            ["kwallet-query", "--read-password", f"{name} Safe Storage", *folder, "kdewallet"], run
        )
    return _from_secret_service(name)


def _keyring_of_desktop(environ: Mapping[str, str]) -> str:
    return (
        "kwallet" if "KDE" in environ.get("XDG_CURRENT_DESKTOP", "").split(":") else "gnomekeyring"
    )


def _from_program(arguments: list[str], run: Run) -> bytes:
    try:
        password = run(arguments).rstrip(b"\n")
    except (OSError, subprocess.SubprocessError) as error:
        raise _unreadable(arguments[0], error) from error
    # kwallet-query ends with 0 and this text if there is no entry.
    if not password or password.lower().startswith(b"failed to read"):
        raise _unreadable(arguments[0], "it has no password of this browser")
    return password


def _from_secret_service(name: str) -> bytes:
    """Return a password from GNOME's keyring or another Secret Service."""
    try:
        import secretstorage
    except ImportError as error:
        raise errors.ConfigError(
            "the cookies are encrypted with a key in the keyring; to read it, install the extra "
            "chrome: pip install cryptography secretstorage",
            "(with pipx: pipx inject strava-backup cryptography secretstorage)",
        ) from error
    try:
        with contextlib.closing(secretstorage.dbus_init()) as connection:
            for item in _items(connection, name):
                if item.get_label() == f"{name} Safe Storage" and _is_unlocked(item):
                    return bytes(item.get_secret())
    except Exception as error:
        # The errors of D-Bus come from the package below and have no class in common.
        raise _unreadable("the Secret Service", error) from error
    raise _unreadable("the Secret Service", "it has no password of this browser")


def _items(connection: DBusConnection, name: str) -> Iterator[Item]:
    """Yield the items of that application, and then all, since some have other attributes."""
    import secretstorage

    yield from secretstorage.search_items(connection, {"application": name.lower()})
    yield from secretstorage.get_default_collection(connection).get_all_items()


def _is_unlocked(item: Item) -> bool:
    # unlock() returns whether the person dismissed the question for the password.
    return not item.is_locked() or not item.unlock()


def _unreadable(keyring: str, why: object) -> errors.ConfigError:
    return errors.ConfigError(
        f"cannot read the key of the cookies with {keyring}: {why}",
        "Unlock the keyring, or on Linux name another one (as in chrome+kwallet); or use Firefox, "
        "or paste the cookie: strava-backup --login",
    )
