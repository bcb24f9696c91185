"""The `strava_remember_token`: a JWT in the form that Strava uses.

The form is documented in https://github.com/pR0Ps/stravaweblib/issues/2. Independent of the account
and the clock; callers check the expiry.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any


def encode(payload: dict[str, Any], key: bytes) -> str:
    """Return a JWT with this payload, signed."""
    iv = base64.b64encode(hashlib.sha256(key).digest()[:16]).decode()
    header = {
        "typ": "JWT", "alg": "HS256", "signing_key": "v1", "encryption_key": "v1", "iv": iv,
    }  # fmt: skip
    signed = f"{_encoded(header)}.{_encoded(payload)}"
    return f"{signed}.{_signature(signed, key)}"


def decode(token: str, key: bytes) -> dict[str, Any] | None:
    """Return the payload, or None if the token is garbled or signed with another key."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_signature(signed, key).encode(), signature.encode()):
        return None
    encoded = signed.partition(".")[2]
    padding = "=" * (-len(encoded) % 4)
    payload: dict[str, Any] = json.loads(base64.urlsafe_b64decode(encoded + padding))
    return payload


def _encoded(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _signature(signed: str, key: bytes) -> str:
    return _base64url(hmac.new(key, signed.encode(), hashlib.sha256).digest())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
