"""Words of a client as errors repeat them: as much as tells which they are, and no more."""

from __future__ import annotations

from antiphon.text.surrogates import replace_surrogates

MOST_TOLD = 256
"""Characters of one text of a client that an error repeats, in all its fields together."""
MOST_QUOTED = 80
"""Characters of it that one field repeats: a text may stand in the message twice, and in the field's name."""


def quoted(text: str) -> str:
    """Return ``text`` in quotes, its middle left out where it is longer than `MOST_QUOTED` characters."""
    return f"'{shown(text)}'"


def shown(text: str, most: int = MOST_QUOTED) -> str:
    """Return ``text`` without half characters, its middle left out where it is longer than ``most`` characters."""
    if len(text) > most:
        half = (most - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return replace_surrogates(text)


def handle(identifier: str) -> str:
    """Return an id by which a client finds what an error is about: whole, unless it is longer than `MOST_TOLD`."""
    return shown(identifier, MOST_TOLD if len(identifier) <= MOST_TOLD else MOST_QUOTED)
