"""Limits of JSON values from outside, so that later code can walk through them safely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

MOST_VALUES = 10_000
"""Nested values, including the value itself and the names of members."""
MOST_DEPTH = 64
"""Nesting of lists and objects."""
MOST_CHARACTERS = 128 * 2**10
"""Total of all texts and names."""
_LEAST_NUMBER, _MOST_NUMBER = -(2**63), 2**64 - 1
"""Bounds of integers that msgpack supports."""


_CHARACTERS_A_STEP = 4


def breadth(value: Any) -> int:
    """Return the approximate cost of a pass over a value, without its members' members."""
    if isinstance(value, str):
        return 1 + len(value) // _CHARACTERS_A_STEP
    return 1 + len(cast("list[Any]", value)) if isinstance(value, list | Mapping) else 1


def excess(value: Any) -> str | None:
    """Return the limit that ``value`` (from `json.loads`) exceeds, or None; takes milliseconds at most."""
    values = characters = 0
    layer, depth = [value], 0
    while layer:
        inner: list[Any] = []
        for one in layer:
            values += 1
            if isinstance(one, str):
                characters += len(one)
            elif isinstance(one, Mapping):
                inner += cast("Mapping[str, Any]", one).keys()
                inner += cast("Mapping[str, Any]", one).values()
            elif isinstance(one, list):
                inner += cast("list[Any]", one)
            elif isinstance(one, int) and not _LEAST_NUMBER <= one <= _MOST_NUMBER:
                return "a whole number of more than 64 bits"
            if values + len(inner) > MOST_VALUES:
                return f"more than {MOST_VALUES} values"
        if characters > MOST_CHARACTERS:
            return f"more than {MOST_CHARACTERS} characters"
        layer, depth = inner, depth + 1
        if layer and depth > MOST_DEPTH:
            return f"more than {MOST_DEPTH} levels"
    return None
