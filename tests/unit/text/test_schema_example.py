"""Examples of JSON schemas satisfy them; jsonschema is the judge."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.text.schema_example import example

CHECKER = jsonschema.Draft202012Validator.FORMAT_CHECKER

SCHEMAS: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "bounded string": {"type": "string", "minLength": 12, "maxLength": 14},
    "short string": {"type": "string", "maxLength": 2},
    "format": {"type": "string", "format": "date-time"},
    "integer": {"type": "integer"},
    "integer above": {"type": "integer", "exclusiveMinimum": 3, "maximum": 4},
    "negative": {"type": "integer", "maximum": -5},
    "negative range": {"type": "number", "minimum": -2.5, "maximum": -1.5},
    "multiple": {"type": "integer", "minimum": 10, "multipleOf": 7},
    "number between": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "nullable": {"type": ["null", "string"]},
    "enum": {"enum": ["metric", "imperial"]},
    "const": {"const": 7},
    "array": {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 5},
    "empty array": {"type": "array", "maxItems": 0},
    "unique array": {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True},
    "unique enum": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 2, "uniqueItems": True},
    "tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    "nested": {
        "type": "object",
        "properties": {"place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
        "required": ["place"],
        "additionalProperties": False,
    },
    "required but undeclared": {
        "type": "object",
        "required": ["a"],
        "additionalProperties": {"type": "integer"},
    },
    "few properties": {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 1},
    "many properties": {"type": "object", "minProperties": 2, "additionalProperties": {"type": "boolean"}},
    "reference": {
        "$defs": {"City": {"type": "string", "minLength": 3}},
        "properties": {"c": {"$ref": "#/$defs/City"}},
    },
    "recursive": {
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {"next": {"$ref": "#/$defs/Node"}, "id": {"type": "integer"}},
            }
        },
        "$ref": "#/$defs/Node",
    },
    "recursive union": {
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
                "required": ["next"],
            }
        },
        "$ref": "#/$defs/Node",
    },
    "any of": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}]},
    "one of": {"oneOf": [{"type": "string", "maxLength": 5}, {"type": "integer"}]},
    "all of": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ]
    },
    "no type": {"properties": {"a": {"minimum": 3}, "b": {"items": {"type": "string"}}}},
}

TEXTS = ("", "turn off 23 lamps in “Köln”, not -4.5", "metric please")


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", SCHEMAS)
def test_an_example_satisfies_its_schema(name: str, text: str) -> None:
    value = example(SCHEMAS[name], text)
    jsonschema.validate(value, SCHEMAS[name], format_checker=CHECKER)
    assert json.loads(json.dumps(value)) == value


@pytest.mark.parametrize("schema", [None, {}, True])
def test_no_schema_gives_an_empty_object(schema: Any) -> None:
    assert example(schema) == {}


def test_the_same_schema_and_text_give_the_same_value() -> None:
    assert example(SCHEMAS["nested"], "x") == example(SCHEMAS["nested"], "x")


def test_words_and_numbers_of_the_text_are_used() -> None:
    schema = {
        "type": "object",
        "properties": {
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "days": {"type": "integer", "maximum": 10},
            "city": {"type": "string"},
            "rain": {"type": "boolean"},
        },
    }
    value = example(schema, 'weather in "Porto" for 3 days in Fahrenheit without rain')
    assert value == {"unit": "fahrenheit", "days": 3, "city": "Porto", "rain": False}


def test_a_schema_that_requires_itself_for_ever_still_returns() -> None:
    schema = {
        "$defs": {"A": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"]}},
        "$ref": "#/$defs/A",
    }
    assert "a" in example(schema)
    assert example({"$ref": "#"}) is not ...


def test_a_schema_that_branches_without_end_is_refused_in_time() -> None:
    with pytest.raises(ValueError, match="too large"):
        example({"allOf": [{"$ref": "#"}, {"$ref": "#"}]})


leaves = st.one_of(
    st.just({"type": "string"}),
    st.just({"type": "boolean"}),
    st.integers(0, 6).map(lambda least: {"type": "string", "minLength": least, "maxLength": least + 3}),
    st.tuples(st.integers(-50, 50), st.integers(0, 40)).map(
        lambda pair: {"type": "integer", "minimum": pair[0], "maximum": pair[0] + pair[1]}
    ),
    st.tuples(st.floats(-50, 50), st.floats(0.01, 40)).map(
        lambda pair: {"type": "number", "exclusiveMinimum": pair[0], "maximum": pair[0] + pair[1]}
    ),
    st.lists(st.text(max_size=4), min_size=1, max_size=4, unique=True).map(lambda words: {"enum": words}),
)


def _branches(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.text("abcde", min_size=1, max_size=2)
    objects = st.dictionaries(names, inner, max_size=4).flatmap(
        lambda properties: st.sets(st.sampled_from(sorted(properties) or ["z"])).map(
            lambda required: {
                "type": "object",
                "properties": properties,
                "required": sorted(required & set(properties)),
                "additionalProperties": False,
            }
        )
    )
    arrays = st.tuples(inner, st.integers(0, 3)).map(
        lambda pair: {"type": "array", "items": pair[0], "minItems": pair[1], "maxItems": pair[1] + 1}
    )
    return objects | arrays | st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options})


@given(st.recursive(leaves, _branches, max_leaves=8), st.sampled_from(TEXTS))
def test_examples_of_made_up_schemas_satisfy_them(schema: dict[str, Any], text: str) -> None:
    jsonschema.validate(example(schema, text), schema)
