"""Numbers within the bounds of a JSON schema, which may be extremely large or close."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

_LARGEST = sys.float_info.max

Schema = Mapping[str, Any]


def finite(value: Any) -> float:
    """Return a number of a schema as a float, at most the largest float.

    Raises `ValueError` for NaN, and `TypeError` for a value that is not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{type(value).__name__} where a number should be")
    if isinstance(value, float) and math.isnan(value):
        raise ValueError("NaN where a number should be")
    return float(max(-_LARGEST, min(_LARGEST, value)))


def count(schema: Schema, keyword: str, absent: int) -> int:
    """Return the count of a keyword. Raises `TypeError` for a value that is not a number."""
    return max(0, int(finite(schema.get(keyword, absent))))


def number_within(schema: Schema, grain: float, salt: int, wish: float | None) -> float:
    """Return ``wish`` where the schema allows it, else the smallest allowed number that is not negative.

    ``grain`` is the default for ``multipleOf``, 0 for none; ``salt`` selects other numbers. Raises `ValueError` if a
    bound is too many steps away, `TypeError` for a keyword that is not a number.
    """
    step = abs(finite(schema.get("multipleOf") or grain))
    low, high = _bounds(schema, step)
    if wish is not None and low <= wish <= high and (not step or wish % step == 0):
        return wish
    start = low if low > 0 else min(0.0, high)
    if step:
        start = _rounded(start, step, math.ceil if start >= low else math.floor)
        start = _rounded(high, step, math.floor) if start > high else start
    number = min(start + salt * (step or min(1.0, (high - start) / 16)), high)
    if not math.isfinite(number):
        raise ValueError("the bounds of a number leave none")
    return number


def _bounds(schema: Schema, step: float) -> tuple[float, float]:
    """Return inclusive bounds; exclusive ones are moved by a step, or slightly if there is none."""
    low, high = finite(schema.get("minimum", -_LARGEST)), finite(schema.get("maximum", _LARGEST))
    above, below = finite(schema.get("exclusiveMinimum", -_LARGEST)), finite(schema.get("exclusiveMaximum", _LARGEST))
    if above >= low and above > -_LARGEST:
        low = _rounded(above, step, math.floor) + step if step else _between(above, min(high, below))
    if below <= high and below < _LARGEST:
        high = _rounded(below, step, math.ceil) - step if step else _between(below, low)
    return low, high


def _rounded(value: float, step: float, rounding: Callable[[float], int]) -> float:
    """Return the multiple of ``step`` next to ``value``. Raises `ValueError` if there are too many steps."""
    count = value / step
    if not math.isfinite(count):
        raise ValueError("a bound of a number is too large for its multipleOf")
    return rounding(count) * step


def _between(edge: float, other: float) -> float:
    """Return a number next to ``edge`` in the direction of ``other``, which may be infinite."""
    if abs(other) == _LARGEST:
        return edge + math.copysign(1.0, other)
    return edge / 2 + other / 2
