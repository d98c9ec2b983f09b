"""Fields of a session that a client secret locks."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET, Struct

from antiphon.conversation.step import EventRefused

_INSIDE = {
    "noise_reduction": ("audio", "input", "noise_reduction"),
    "transcription": ("audio", "input", "transcription"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "speed": ("audio", "output", "speed"),
    "voice": ("audio", "output", "voice"),
}
"""Paths of fields that are not at the top level."""


def check(locked: Iterable[str], wish: Struct, place: str) -> None:
    """Raise `EventRefused`, which names the field below ``place``, if a wish sets a locked field, even to null."""
    for name in locked:
        path = _INSIDE.get(name, (name,))
        if _is_set(wish, path):
            raise EventRefused(
                f"'{'.'.join(path)}' was set when this client secret was created and cannot be changed.",
                code="locked_field",
                param=".".join((place, *path)),
            )


def _is_set(wish: object, path: tuple[str, ...]) -> bool:
    for depth, name in enumerate(path):
        wish = getattr(wish, name, UNSET)
        if wish is UNSET or (wish is None and depth < len(path) - 1):
            return False
    return True
