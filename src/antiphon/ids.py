"""Random identifiers with a prefix."""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def token(length: int = 21) -> str:
    """Return ``length`` random characters of base 62 (5.95 bits each)."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def new_id(prefix: str) -> str:
    """Return ``prefix_`` and 125 random bits, e.g. ``sess_4hT…``."""
    return f"{prefix}_{token()}"


def conversation_id(seed: str) -> str:
    """Return the conversation id of a session whose ids are derived from ``seed``."""
    return f"conv_{seed}"
