"""Signatures of webhooks, as Standard Webhooks has them: the `openai` library verifies them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping

_PREFIX = "whsec_"
_LEAST_BYTES = 24
_MOST_CHARACTERS = 256


def key_of(secret: str) -> bytes:
    """Return the key of a secret: what follows ``whsec_`` is base64, any other text is the key itself.

    Raises `ValueError`, without the secret.
    """
    if not re.fullmatch(rf"[\x21-\x7e]{{1,{_MOST_CHARACTERS}}}", secret):
        raise ValueError(f"a secret has 1 to {_MOST_CHARACTERS} visible ASCII characters")
    try:
        key = base64.b64decode(secret[len(_PREFIX) :], validate=True) if secret.startswith(_PREFIX) else secret.encode()
    except binascii.Error:
        raise ValueError(f"what follows {_PREFIX} is not base64") from None
    if len(key) < _LEAST_BYTES:
        made = 'echo "whsec_$(openssl rand -base64 32)"'
        raise ValueError(f"a secret is shorter than {_LEAST_BYTES} bytes; make one with '{made}'")
    return key


def signed_headers(key: bytes, event_id: str, timestamp_s: int, body: bytes) -> Mapping[str, str]:
    """Return the headers of one attempt to send ``body``; receivers refuse a timestamp that is minutes old."""
    signed = f"{event_id}.{timestamp_s}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": f"v1,{signature}",
    }
