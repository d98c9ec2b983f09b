"""Numbers are found within any bounds that JSON can say, or refused; never an overflow."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.text.schema_numbers import count, finite, number_within

ABSURD = st.sampled_from([0, 1, -1, 0.5, 1e308, -1e308, 1e-308, 5e-324, 10**400, -(10**400), 2**64, 3, 7])
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")


@given(
    schema=st.dictionaries(st.sampled_from(BOUNDS), ABSURD | st.floats(allow_nan=False, allow_infinity=False)),
    grain=st.sampled_from([0.0, 1.0]),
    salt=st.integers(0, 100_000),
    wish=st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_a_number_is_finite_and_between_plain_bounds_or_there_is_none(
    schema: dict[str, Any], grain: float, salt: int, wish: float | None
) -> None:
    try:
        number = number_within(schema, grain, salt, wish)
    except ValueError:
        return
    assert math.isfinite(number)
    if not schema.keys() & {"exclusiveMinimum", "exclusiveMaximum"}:  # they may contradict the others
        assert number <= finite(schema.get("maximum", math.inf))


@pytest.mark.parametrize("value", ["5", None, True, [], {}])
def test_what_is_no_number_is_refused_by_its_type(value: Any) -> None:
    with pytest.raises(TypeError, match="number"):
        finite(value)


def test_a_number_beyond_all_floats_is_the_largest_and_nan_is_none() -> None:
    assert finite(10**400) == -finite(-(10**400)) == finite(math.inf)
    with pytest.raises(ValueError, match="NaN"):
        finite(math.nan)


def test_a_count_is_never_negative_and_may_be_huge() -> None:
    assert count({"minItems": -5}, "minItems", 0) == 0
    assert count({}, "minItems", 3) == 3
    assert count({"minItems": 1e308}, "minItems", 0) > 10**300
