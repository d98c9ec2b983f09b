"""Ids that a conversation gives out: a kind, the seed of the conversation, and a number."""

from __future__ import annotations

_MOST_DIGITS = 15


def numbered(kind: str, seed: str, number: int) -> str:
    """Return the id with this number."""
    return f"{kind}_{seed}{number:07d}"


def number_in(kind: str, seed: str, given: str) -> int | None:
    """Return the number of an id that `numbered` gave; None for every other one."""
    digits = given.removeprefix(f"{kind}_{seed}")
    if not digits.isascii() or not digits.isdigit() or len(digits) > _MOST_DIGITS:
        return None
    number = int(digits)
    return number if numbered(kind, seed, number) == given else None
