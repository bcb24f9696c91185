"""Decryption of the cookies of Chromium and its relatives."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strava_backup import errors
from strava_backup.setup.browsers.decryption import Keys, decrypt

ciphers = pytest.importorskip("cryptography.hazmat.primitives.ciphers")

HOST = ".strava.com"


def encrypt(
    value: str,
    version: bytes = b"v10",
    password: bytes = b"peanuts",
    rounds: int = 1,
    host: str = "",
) -> bytes:
    """Encrypt as Chromium does; with a host, as from version 24 of the store on."""
    plain = (hashlib.sha256(host.encode()).digest() if host else b"") + value.encode()
    length = 16 - len(plain) % 16
    key = hashlib.pbkdf2_hmac("sha1", password, b"saltysalt", rounds, 16)
    cipher = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CBC(b" " * 16))
    encryptor = cipher.encryptor()
    return (
        version + bytes(encryptor.update(plain + bytes([length]) * length)) + encryptor.finalize()
    )


def keys(
    platform: str = "linux", password: Callable[[], bytes] = lambda: b"of the keyring"
) -> Keys:
    return Keys(platform, password)


@pytest.mark.parametrize(
    ("platform", "encrypted"),
    [
        ("linux", encrypt("value")),
        ("linux", encrypt("value", password=b"")),
        ("linux", encrypt("value", b"v11", b"of the keyring")),
        ("linux", encrypt("value", b"v11", b"")),
        ("darwin", encrypt("value", b"v10", b"of the keyring", 1003)),
    ],
)
def test_a_value_is_decrypted_with_the_key_of_its_version(platform: str, encrypted: bytes) -> None:
    assert decrypt(encrypted, keys(platform), HOST, has_hash=False) == "value"


@pytest.mark.parametrize(
    ("platform", "password", "encrypted", "value"),
    [
        ("linux", b"x", b'v10\xccW%\xcd\xe6\xe6\x9fM" \xa7\xb0\xca\xe4\x07\xd6', "USD"),
        (
            "linux",
            b"",
            b"v11#\x81\x10>`w\x8f)\xc0\xb2\xc1\r\xf4\x1al\xdd\x93\xfd\xf8\xf8N\xf2\xa9\x83\xf1\xe9o\x0elVQd",
            "tz=Europe.London",
        ),
        (
            "darwin",
            b"6eIDUdtKAacvlHwBVwvg/Q==",
            b"v10\xb3\xbe\xad\xa1[\x9fC\xa1\x98\xe0\x9a\x01\xd9\xcf\xbfc",
            "2021-06-01-22",
        ),
    ],
)
def test_the_examples_of_yt_dlp_are_decrypted(
    platform: str, password: bytes, encrypted: bytes, value: str
) -> None:
    # https://github.com/yt-dlp/yt-dlp, test/test_cookies.py
    assert decrypt(encrypted, keys(platform, lambda: password), HOST, has_hash=False) == value


def test_the_hash_of_the_host_is_checked_and_removed() -> None:
    encrypted = encrypt("value", host=HOST)
    assert decrypt(encrypted, keys(), HOST, has_hash=True) == "value"
    assert decrypt(encrypted, keys(), "www.strava.com", has_hash=True) is None
    assert decrypt(encrypt("value"), keys(), HOST, has_hash=True) is None


@pytest.mark.parametrize("number", range(3))
def test_under_another_key_there_is_no_value(number: int) -> None:
    encrypted = encrypt(f"value {number}", b"v11", b"of another keyring")
    assert decrypt(encrypted, keys(), HOST, has_hash=False) is None


@pytest.mark.parametrize(
    ("platform", "version"),
    [("linux", b"v12"), ("linux", b"v20"), ("darwin", b"v11"), ("linux", b"")],
)
def test_a_version_that_is_not_known_is_reported(platform: str, version: bytes) -> None:
    with pytest.raises(errors.ConfigError, match="form that this program does not know"):
        decrypt(version, keys(platform), HOST, has_hash=False)


def test_the_keyring_is_asked_once_and_only_if_a_cookie_needs_it() -> None:
    asked = []

    def refuse() -> bytes:
        asked.append(1)
        raise errors.ConfigError("locked")

    locked = keys(password=refuse)
    assert decrypt(encrypt("value"), locked, HOST, has_hash=False) == "value"
    assert asked == []
    for _ in range(2):
        with pytest.raises(errors.ConfigError, match="locked"):
            decrypt(encrypt("value", b"v11"), locked, HOST, has_hash=False)
    assert asked == [1]


def test_without_cryptography_the_command_that_installs_it_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(errors.ConfigError, match="pip install cryptography secretstorage"):
        decrypt(encrypt("value"), keys(), HOST, has_hash=False)


@given(data=st.binary(), version=st.sampled_from([b"", b"v10", b"v11"]), has_hash=st.booleans())
def test_any_bytes_are_decrypted_or_refused(data: bytes, version: bytes, has_hash: bool) -> None:
    try:
        value = decrypt(version + data, keys(), HOST, has_hash=has_hash)
    except errors.ConfigError:
        return
    assert value is None or value.isprintable()
