"""Messages of msgspec, translated to code, field and message of the protocol."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from antiphon.wire.validation_errors import FieldError, explain, join


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """Has one of each rule."""

    size: Annotated[int, msgspec.Meta(ge=1)] = 1
    name: Annotated[str, msgspec.Meta(max_length=3)] = ""
    parts: Annotated[list[int], msgspec.Meta(max_length=2)] = []
    free: Annotated[dict[str, int], msgspec.Meta(max_length=1)] = {}


class Outer(msgspec.Struct):
    """Holds others."""

    inner: Inner
    more: list[Inner] = []


@pytest.mark.parametrize(("json", "code", "param"), [
    ("{}", "missing_required_parameter", "inner"),
    ('{"inner": 1}', "invalid_value", "inner"),
    ('{"inner": {"size": "x"}}', "invalid_value", "inner.size"),
    ('{"inner": {"size": 0}}', "invalid_value", "inner.size"),
    ('{"inner": {"sice": 1}}', "unknown_parameter", "inner.sice"),
    ('{"inner": {"name": "long"}}', "string_above_max_length", "inner.name"),
    ('{"inner": {"parts": [1, 2, 3]}}', "array_above_max_length", "inner.parts"),
    ('{"inner": {"free": {"a": 1, "b": 2}}}', "object_above_max_properties", "inner.free"),
    ('{"inner": {}, "more": [{}, {"size": null}]}', "invalid_value", "more[1].size"),
    ("7", "invalid_value", None),
])  # fmt: skip
def test_a_failed_decode_becomes_code_and_field(json: str, code: str, param: str | None) -> None:
    with pytest.raises(msgspec.ValidationError) as failed:
        msgspec.json.decode(json, type=Outer)
    why = explain(str(failed.value))
    assert (why.code, why.param) == (code, param)
    assert (param or "event") in why.message


@pytest.mark.parametrize(("error", "expected"), [
    (
        "content[2].type: 'input_text' is not for role 'assistant' - at `$.item`",
        FieldError("invalid_value", "item.content[2].type", "'input_text' is not for role 'assistant'"),
    ),
    (
        "parameters: the value has too many values - at `$.session.tools[0]`",
        FieldError("invalid_value", "session.tools[0].parameters", "the value has too many values"),
    ),
    ("metadata: too deep", FieldError("invalid_value", "metadata", "too deep")),
    ("something new", FieldError("invalid_value", None, "something new")),
    ("something new - at `$.item.id`", FieldError("invalid_value", "item.id", "something new")),
])  # fmt: skip
def test_checks_of_our_own_types_name_the_field_within_them(error: str, expected: FieldError) -> None:
    assert explain(error) == expected


def test_a_name_that_a_client_made_up_is_not_repeated_at_length() -> None:
    why = explain(f"Object contains unknown field `{'x' * 10_000}` - at `$.session`")
    assert why.code == "unknown_parameter"
    assert len(why.message) < 500
    assert (why.param or "").startswith("session.x")


@pytest.mark.parametrize(("path", "joined"), [("", "id"), ("item", "item.id"), ("tools[0]", "tools[0].id")])
def test_a_field_is_joined_to_its_path(path: str, joined: str) -> None:
    assert join(path, "id") == joined
