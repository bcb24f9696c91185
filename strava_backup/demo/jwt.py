"""The `strava_remember_token`: a JWT in the shape that Strava gives it.

The shape was shown in https://github.com/pR0Ps/stravaweblib/issues/2. Knows no accounts and no
clock: whether a token is still good is for its reader to say.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any


def encode(payload: dict[str, Any], key: bytes) -> str:
    """Sign the payload."""
    iv = base64.b64encode(hashlib.sha256(key).digest()[:16]).decode()
    header = {
        "typ": "JWT", "alg": "HS256", "signing_key": "v1", "encryption_key": "v1", "iv": iv,
    }  # fmt: skip
    signed = f"{_part(header)}.{_part(payload)}"
    return f"{signed}.{_signature(signed, key)}"


def decode(token: str, key: bytes) -> dict[str, Any] | None:
    """The payload, or None when the token is garbled or signed by another key."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_signature(signed, key).encode(), signature.encode()):
        return None
    part = signed.partition(".")[2]
    payload: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return payload


def _part(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _signature(signed: str, key: bytes) -> str:
    return _base64url(hmac.new(key, signed.encode(), hashlib.sha256).digest())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
