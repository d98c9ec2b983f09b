"""Escapes control characters, so that foreign text cannot control a terminal."""

from __future__ import annotations

import re

LAYOUT = "\n\t"
"""Control characters that multi-line texts may keep."""

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]")
"""C0, C1, bidirectional controls, and lone surrogates, which cannot be encoded."""


def spelled(text: str, *, keeps: str = "") -> str:
    """Return ``text`` with its control characters spelled out, except those in ``keeps``.

    The result cannot move the cursor, rename the window or hide text.
    """
    return _CONTROLS.sub(lambda found: found[0] if found[0] in keeps else f"\\x{ord(found[0]):02x}", text)


def escaped(json: str) -> str:
    """Return equivalent JSON in which control characters are escaped."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", json)
