"""The small checker agrees with jsonschema on everything it knows."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.text.schema_check import satisfies

SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": "string", "minLength": 2, "maxLength": 4},
    {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 5},
    {"type": "number", "multipleOf": 0.5, "maximum": 3},
    {"enum": ["a", 1, None]},
    {"const": True},
    {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "boolean"}},
    {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"$ref": "#/$defs/B"}},
        "required": ["a"],
        "additionalProperties": False,
        "$defs": {"B": {"type": "string"}},
    },
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1, "maxProperties": 2},
    {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 3}]},
    {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]},
    {"allOf": [{"type": "object", "required": ["a"]}, {"required": ["b"]}]},
    {"$defs": {"N": {"properties": {"a": {"$ref": "#/$defs/N"}}, "required": ["b"]}}, "$ref": "#/$defs/N"},
]

scalars = (
    st.none() | st.booleans() | st.integers(-2, 6) | st.sampled_from([0.5, 1.0, 2.5, 0.7]) | st.text("ab", max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
@given(value=values)
def test_verdicts_are_those_of_jsonschema(schema: dict[str, Any], value: Any) -> None:
    judge = jsonschema.Draft202012Validator(schema)
    assert satisfies(value, schema) == judge.is_valid(value)


def test_a_schema_that_refers_to_itself_for_ever_is_not_satisfied() -> None:
    assert not satisfies(1, {"$ref": "#"})
    assert not satisfies(1, {"$ref": "#/nowhere"})
    assert not satisfies(1, {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]})
    assert satisfies(1, None)


def test_thousands_of_items_are_found_unique_or_not_as_json_sees_it() -> None:
    schema = {"type": "array", "uniqueItems": True}
    items: list[Any] = [
        *range(4000),
        *(str(number) for number in range(4000)),
        [1],
        [2],
        {"a": 1},
        {"a": 2},
        True,
        None,
    ]
    assert satisfies(items, schema)
    assert not satisfies([*items, 1.0], schema)
    assert not satisfies([*items, {"a": 1}], schema)


@pytest.mark.parametrize(
    "value",
    [10**400, [0] * 10_000, "x" * 200_000, {"a": [[[[[[10**30]]]]]]}],
    ids=["number", "values", "characters", "number inside"],
)
def test_a_value_that_is_too_large_satisfies_nothing(value: Any) -> None:
    assert not satisfies(value, {})


@pytest.mark.parametrize(
    ("value", "schema", "fits"),
    [
        (1.0, {"minimum": 10**400}, False),
        (1.0, {"maximum": 10**400, "minimum": -(10**400)}, True),
        (1e308, {"multipleOf": 1e-308}, False),
        ("x", {"maxLength": 1e308}, True),
        ([], {"minItems": 1e308}, False),
    ],
)
def test_absurd_bounds_are_bounds_all_the_same(value: Any, schema: dict[str, Any], fits: bool) -> None:
    assert satisfies(value, schema) is fits


def test_a_schema_that_takes_too_long_to_check_is_not_satisfied() -> None:
    schema = {"type": "array", "items": {"enum": [f"word {number}" for number in range(5000)]}}
    assert satisfies(["word 4999"] * 10, schema)
    assert not satisfies(["word 4999"] * 5000, schema)
