"""Shortens texts of clients for error messages."""

from __future__ import annotations

from antiphon.text.surrogates import replace_surrogates

MOST_TOLD = 256
"""Maximum of characters of one client text in all fields of an error."""
MOST_QUOTED = 80
"""Maximum in one quotation: a text may occur twice in the message, and in the field's name."""


def quoted(text: str) -> str:
    """Return ``text`` in quotes, without its middle if it is longer than `MOST_QUOTED` characters."""
    return f"'{shown(text)}'"


def shown(text: str, most: int = MOST_QUOTED) -> str:
    """Return ``text`` without half characters, and without its middle if it is longer than ``most`` characters."""
    if len(text) > most:
        half = (most - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return replace_surrogates(text)


def handle(identifier: str) -> str:
    """Return an id of a client for an error: whole, unless it is longer than `MOST_TOLD`."""
    return shown(identifier, MOST_TOLD if len(identifier) <= MOST_TOLD else MOST_QUOTED)
