"""Numbers within the bounds of a JSON schema, which may be as far apart, or as fine, as JSON can say."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

_LARGEST = sys.float_info.max

Schema = Mapping[str, Any]


def finite(value: Any) -> float:
    """Return a number of a schema as a float; one beyond all floats as the largest.

    Raises `ValueError` for NaN, and `TypeError` for what is no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{type(value).__name__} where a number should be")
    if isinstance(value, float) and math.isnan(value):
        raise ValueError("NaN where a number should be")
    return float(max(-_LARGEST, min(_LARGEST, value)))


def count(schema: Schema, keyword: str, absent: int) -> int:
    """Return how many a keyword asks for. Raises `TypeError` for what is no number."""
    return max(0, int(finite(schema.get(keyword, absent))))


def number_within(schema: Schema, grain: float, salt: int, wish: float | None) -> float:
    """Return ``wish`` where the schema allows it, else the smallest allowed number that is not negative.

    ``grain`` is what every number is a multiple of where the schema does not say, 0 for nothing; ``salt`` asks for
    other numbers. Raises `ValueError` where a bound has more steps than can be counted, `TypeError` for no number.
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
    """Return the closed bounds; exclusive ones move by a step, or by a sliver where there is none."""
    low, high = finite(schema.get("minimum", -_LARGEST)), finite(schema.get("maximum", _LARGEST))
    above, below = finite(schema.get("exclusiveMinimum", -_LARGEST)), finite(schema.get("exclusiveMaximum", _LARGEST))
    if above >= low and above > -_LARGEST:
        low = _rounded(above, step, math.floor) + step if step else _between(above, min(high, below))
    if below <= high and below < _LARGEST:
        high = _rounded(below, step, math.ceil) - step if step else _between(below, low)
    return low, high


def _rounded(value: float, step: float, rounding: Callable[[float], int]) -> float:
    """Return the multiple of ``step`` beside ``value``. Raises `ValueError` where there are too many to count."""
    count = value / step
    if not math.isfinite(count):
        raise ValueError("a bound of a number is too large for its multipleOf")
    return rounding(count) * step


def _between(edge: float, other: float) -> float:
    """Return a number beside ``edge`` on the side of ``other``, which may be no bound at all."""
    if abs(other) == _LARGEST:
        return edge + math.copysign(1.0, other)
    return edge / 2 + other / 2
