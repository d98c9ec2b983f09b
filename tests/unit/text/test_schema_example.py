"""Examples of JSON schemas satisfy them; jsonschema is the judge."""

from __future__ import annotations

import json
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.text.schema_example import MOST_CHARACTERS, example

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


@given(st.recursive(leaves, _branches, max_leaves=5), st.sampled_from(TEXTS))
def test_examples_of_made_up_schemas_satisfy_them(schema: dict[str, Any], text: str) -> None:
    jsonschema.validate(example(schema, text), schema)


# -- schemas that ask for too much -----------------------------------------------------------------------------------
LONG_TEXT = "say 5 “words” " * 3000
GREEDY: dict[str, dict[str, Any]] = {
    "a long text": {"properties": {"x": {"type": "string", "minLength": 10**8}}, "required": ["x"]},
    "many items": {"type": "array", "minItems": 10**6},
    "many items in many items": {
        "type": "array",
        "minItems": 1000,
        "items": {"type": "array", "minItems": 1000, "items": {"type": "array", "minItems": 1000}},
    },
    "many properties": {"type": "object", "minProperties": 10**8},
    "more than can be counted": {"type": "array", "minItems": 1e308},
    "long words again and again": {"type": "array", "minItems": 2000, "items": {"const": "x" * 100}},
    "many values again and again": {"type": "array", "minItems": 2000, "items": {"const": [[""] * 5000]}},
    "long names again and again": {"type": "array", "minItems": 2000, "items": {"required": ["x" * 100]}},
    "branches without end": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
    "itself three times": {"properties": {name: {"$ref": "#"} for name in "abc"}, "required": list("abc")},
    "a pointer of many parts": {"type": "array", "minItems": 5000, "items": {"$ref": "#" + "/a" * 60_000}},
    "many words to look for": {
        "type": "array",
        "minItems": 5000,
        "items": {"enum": [f"word {n}" for n in range(9000)]},
    },
    "many branches": {"type": "array", "minItems": 5000, "items": {"anyOf": [{"type": "null"}] * 3000}},
    "steps beyond counting": {"type": "number", "minimum": 1e308, "multipleOf": 1e-308},
}


@pytest.mark.parametrize("name", GREEDY)
def test_a_schema_that_asks_for_too_much_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"too large|more than|too many"):
        example(GREEDY[name], "turn on 23 lamps in “Köln” " * 1000)


@pytest.mark.parametrize(
    "schema",
    [
        {"minimum": 10**400},
        {"a": [0] * 10_000},
        {"description": "x" * 200_000},
    ],
    ids=["number", "values", "characters"],
)
def test_a_schema_that_is_too_large_itself_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the schema has"):
        example(schema)


def test_texts_of_any_length_never_use_up_what_a_value_may_hold() -> None:
    schema = {"properties": {f"p{number}": {"type": "string", "maxLength": 5000} for number in range(1000)}}
    value = example(schema, "a long story " * 10_000)
    assert len(value) == 1000
    assert len(value["p0"]) > 1000
    assert sum(map(len, value.values())) <= MOST_CHARACTERS


def test_required_names_and_properties_by_the_thousand_are_filled() -> None:
    names = [f"p{number}" for number in range(3000)]
    value = example({"properties": {name: {} for name in names[:1500]}, "required": names[1000:]})
    assert set(value) == set(names)


def test_a_number_of_the_text_that_no_float_holds_is_passed_over() -> None:
    assert example({"type": "integer"}, "9" * 400) == 0


counts = st.sampled_from([0, 1, 2, 50, 1000, 10**6, 10**8, 1e308, -5])
absurd = st.sampled_from([0, 1, -7, 0.1, 1e308, -1e308, 1e-308, 2**63, 10**400])
texts = st.text(max_size=8) | st.sampled_from(["x" * 1000, "x" * 100_000, "(a+)+$", "\ud800"])
any_leaf = st.one_of(
    st.fixed_dictionaries({"type": st.just("string")}, optional={"minLength": counts, "maxLength": counts}),
    st.fixed_dictionaries({}, optional={"minimum": absurd, "exclusiveMaximum": absurd, "multipleOf": absurd}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number", "boolean", "null", "blob", ["null", "string"]])}
    ),
    st.builds(lambda text, times: {"enum": [text] * times}, texts, st.sampled_from([0, 1, 3000])),
    st.builds(lambda text: {"const": text}, texts),
    st.builds(lambda text: {"type": "string", "pattern": text, "format": text, "default": text}, texts),
    st.builds(
        lambda parts: {"$ref": "#" + parts},
        st.sampled_from(["", "/x", "/properties/a"]) | st.just(30_000).map("/a".__mul__),
    ),
    st.sampled_from(
        [True, False, {}, {"required": 7}, {"properties": 7}, {"allOf": 7}, {"type": 7}, {"minItems": "7"}]
    ),
)


def memory_kib(name: str) -> int:
    """Resident memory of this process, as Linux tells it: now (`VmRSS`) or at its peak (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def _any_branch(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, max_size=3)
    many = st.builds(lambda one, times: [one] * times, inner, st.sampled_from([1, 40, 2000]))
    names = st.sampled_from(["a", "b", "property_1"]) | st.just(500).map("x".__mul__)
    return st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("array")},
            optional={
                "items": inner,
                "prefixItems": some,
                "minItems": counts,
                "maxItems": counts,
                "uniqueItems": st.booleans(),
            },
        ),
        st.fixed_dictionaries(
            {"type": st.just("object")},
            optional={
                "properties": st.dictionaries(names, inner, max_size=4),
                "required": st.lists(names) | st.just(3000).map(lambda many: [f"p{number}" for number in range(many)]),
                "minProperties": counts,
                "maxProperties": counts,
                "additionalProperties": inner,
            },
        ),
        st.dictionaries(st.sampled_from(["allOf", "anyOf", "oneOf"]), some | many, min_size=1),
        st.builds(_deep, inner, st.sampled_from([5, 30, 80])),
    )


def _deep(schema: Any, levels: int) -> Any:
    for _ in range(levels):
        schema = {"type": "array", "minItems": 3, "items": schema}
    return schema


@cache
def _count_s() -> float:
    """Return the CPU time that this machine takes to count to 200,000: the measure for others."""
    tracing = sys.gettrace()
    sys.settrace(None)
    begin = time.thread_time()
    for _ in range(200_000):
        pass
    took_s = time.thread_time() - begin
    sys.settrace(tracing)
    return took_s


@given(
    schema=st.recursive(any_leaf, _any_branch, max_leaves=6), text=st.sampled_from([*TEXTS, "say 5 “words” " * 3000])
)
@settings(deadline=None)
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory as Linux tells it")
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_any_schema_is_answered_in_little_time_and_memory(schema: Any, text: str) -> None:
    Path("/proc/self/clear_refs").write_text("5")  # the peak is measured anew
    before_kib, begin = memory_kib("VmRSS"), time.thread_time()
    tracing = sys.gettrace()
    sys.settrace(None)  # coverage would take four fifths of the time
    try:
        value = example(schema, text)
        assert len(json.dumps(value, ensure_ascii=False)) < 4 * MOST_CHARACTERS
    except (ValueError, TypeError, AttributeError):
        pass
    finally:
        sys.settrace(tracing)
    assert time.thread_time() - begin < 200 * _count_s()
    assert memory_kib("VmHWM") - before_kib < 64 * 2**10
