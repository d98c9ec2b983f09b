"""Values of a stranger are measured before anybody walks through them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.text.json_size import MOST_CHARACTERS, MOST_DEPTH, MOST_VALUES, breadth, excess


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [0] * (MOST_VALUES - 1),
        {str(number): number for number in range(MOST_VALUES // 2 - 1)},
        "x" * MOST_CHARACTERS,
        nested(MOST_DEPTH),
        [2**64 - 1, -(2**63), 1e308, -1e308, 1e-308, True],
    ],
    ids=["none", "empty", "long list", "wide object", "long text", "deep", "numbers"],
)
def test_what_is_within_the_bounds_has_no_excess(value: Any) -> None:
    assert excess(value) is None


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ([0] * MOST_VALUES, "values"),
        ([[0] * (MOST_VALUES // 2)] * 3, "values"),
        ({str(number): number for number in range(MOST_VALUES // 2)}, "values"),
        ("x" * (MOST_CHARACTERS + 1), "characters"),
        ({"x" * MOST_CHARACTERS: "y"}, "characters"),
        (nested(MOST_DEPTH + 1), "levels"),
        (nested(100_000), "levels"),
        ({"minimum": 2**64}, "64 bits"),
        ([-(10**400)], "64 bits"),
    ],
    ids=["list", "lists", "object", "text", "name", "deep", "deeper than a stack", "unsigned", "signed"],
)
def test_what_is_beyond_them_is_named(value: Any, word: str) -> None:
    assert word in str(excess(value))


def test_measuring_stops_where_the_bound_is() -> None:
    class Endless(list[Any]):
        def __iter__(self) -> Any:
            raise AssertionError("nobody looks into it")

    assert "values" in str(excess([Endless([1]), *[0] * MOST_VALUES]))


@given(
    st.recursive(
        st.none() | st.integers(-5, 5) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
        max_leaves=20,
    )
)
def test_small_values_of_any_shape_pass_and_have_a_breadth(value: Any) -> None:
    assert excess(value) is None
    assert 1 <= breadth(value) <= 1 + len(json.dumps(value))
