"""Decrypts the cookies of Chromium and its relatives on Linux and macOS.

Keys and forms are in https://github.com/chromium/chromium, components/os_crypt/sync,
os_crypt_linux.cc and os_crypt_mac.mm, and net/extras/sqlite/sqlite_persistent_cookie_store.cc.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from strava_backup import errors
from strava_backup.secret_text import is_storable

_SALT = b"saltysalt"
_IV = b" " * 16
_BLOCK = 16
_LINUX_ROUNDS, _MACOS_ROUNDS = 1, 1003
# The password if there is no keyring, which everybody knows.
_PUBLIC_PASSWORD = b"peanuts"
_VERSION_LENGTH = 3


class Keys:
    """The keys of one browser; the keyring is asked once, when the first cookie needs it.

    `read_password` returns the password in the keyring, and raises ConfigError.
    """

    def __init__(self, platform: str, read_password: Callable[[], bytes]) -> None:
        self._is_macos = platform == "darwin"
        self._read_password = read_password
        self._answer: bytes | errors.ConfigError | None = None

    def possible(self, version: bytes) -> list[bytes]:
        """Return the keys of a version of encryption. Raises ConfigError.

        On Linux some cookies are encrypted with an empty password, as if the keyring had been empty
        (https://github.com/yt-dlp/yt-dlp, cookies.py).
        """
        if self._is_macos and version == b"v10":
            return [_derived_key(self._password(), _MACOS_ROUNDS)]
        if not self._is_macos and version == b"v10":
            return _linux_keys(_PUBLIC_PASSWORD, b"")
        if not self._is_macos and version == b"v11":
            return _linux_keys(self._password(), b"")
        raise errors.ConfigError(
            "the cookies are encrypted in a form that this program does not know "
            f"({version.decode('ascii', 'replace')!r})"
        )

    def _password(self) -> bytes:
        if self._answer is None:
            try:
                self._answer = self._read_password()
            except errors.ConfigError as error:
                self._answer = error
        if isinstance(self._answer, errors.ConfigError):
            raise self._answer
        return self._answer


def decrypt(encrypted: bytes, keys: Keys, host: str, *, has_hash: bool) -> str | None:
    """Return the value of a host's cookie; None if no key fits. Raises ConfigError.

    `has_hash`: the value follows the SHA-256 of the host, as from version 24 of the store on.
    """
    possible = keys.possible(encrypted[:_VERSION_LENGTH])
    for plain in _decrypted(encrypted[_VERSION_LENGTH:], possible):
        value = _value(plain, hashlib.sha256(host.encode()).digest() if has_hash else b"")
        # Under a wrong key, one in 256 values has a valid padding.
        if is_storable(value):
            return value
    return None


def _value(plain: bytes, prefix: bytes) -> str | None:
    if not plain.startswith(prefix):
        return None
    try:
        return plain.removeprefix(prefix).decode("ascii")
    except UnicodeDecodeError:
        return None


def _decrypted(data: bytes, keys: list[bytes]) -> Iterable[bytes]:
    """Yield the data under each key that gives a valid padding (AES-128-CBC, PKCS #7)."""
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    except ImportError as error:
        raise errors.ConfigError(
            "the cookies are encrypted; to decrypt them, install the extra chrome: "
            "pip install cryptography secretstorage",
            "(with pipx: pipx inject strava-backup cryptography secretstorage)",
        ) from error
    if not data or len(data) % _BLOCK:
        return
    for key in keys:
        decryptor = Cipher(algorithms.AES(key), modes.CBC(_IV)).decryptor()
        plain = decryptor.update(data) + decryptor.finalize()
        length = plain[-1]
        if 1 <= length <= _BLOCK and plain.endswith(bytes([length]) * length):
            yield plain[:-length]


def _linux_keys(*passwords: bytes) -> list[bytes]:
    return [_derived_key(password, _LINUX_ROUNDS) for password in passwords]


def _derived_key(password: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha1", password, _SALT, rounds, dklen=16)
