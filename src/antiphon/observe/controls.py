"""Characters that steer a terminal: what others said is shown without them."""

from __future__ import annotations

import re

LAYOUT = "\n\t"
"""Characters that texts of several lines need."""

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]")
"""C0, C1, what turns the direction of a line, and halves of characters, which no terminal can be sent."""


def spelled(text: str, *, keeps: str = "") -> str:
    """Return ``text`` with its control characters spelled out, but for those of ``keeps``.

    It moves no cursor, renames no window and hides nothing.
    """
    return _CONTROLS.sub(lambda found: found[0] if found[0] in keeps else f"\\x{ord(found[0]):02x}", text)


def escaped(json: str) -> str:
    """Return a line of JSON in which such characters are escaped: it means the same."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", json)
