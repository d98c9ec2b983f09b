"""Whether a value satisfies a JSON schema, for the keywords that `antiphon.text.schema_example` understands.

Keywords beyond those (``pattern``, ``format``, ``not``, ``if`` …) are taken as satisfied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

Schema = Mapping[str, Any]

_MAX_DEPTH = 60
"""Deeper values, and schemas that refer to themselves for ever, do not satisfy."""

_MAX_STEPS = 20_000


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
}


def satisfies(value: Any, schema: Schema | bool | None) -> bool:
    """Return True when ``value``, as `json.loads` gives it, satisfies ``schema``.

    No schema is always satisfied. One that branches without end never is.
    """
    root: Schema = schema if isinstance(schema, Mapping) else {}
    return _Check(root).fits(value, {} if schema is None else schema, 0)


class _Check:
    """One walk through a value and its schema."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._steps = 0

    def fits(self, value: Any, schema: Schema | bool, depth: int) -> bool:
        if isinstance(schema, bool):
            return schema
        self._steps += 1
        if depth > _MAX_DEPTH or self._steps > _MAX_STEPS:
            return False

        def inner(part: Any, of: Any) -> bool:
            return self.fits(part, of, depth + 1)

        return (
            ("$ref" not in schema or inner(value, _resolve(self._root, str(schema["$ref"]))))
            and all(inner(value, part) for part in schema.get("allOf", ()))
            and ("anyOf" not in schema or any(inner(value, part) for part in schema["anyOf"]))
            and ("oneOf" not in schema or sum(inner(value, part) for part in schema["oneOf"]) == 1)
            and _plain_fits(value, schema)
            and (not isinstance(value, dict) or _members_fit(cast("dict[str, Any]", value), schema, inner))
            and (not isinstance(value, list) or _items_fit(cast("list[Any]", value), schema, inner))
        )


def _plain_fits(value: Any, schema: Schema) -> bool:
    """Check what is said of the value itself."""
    kinds = schema.get("type", ())
    names: list[str] = [kinds] if isinstance(kinds, str) else list(kinds)
    if names and not any(_TYPES.get(name, _never)(value) for name in names):
        return False
    if "const" in schema and not _same(value, schema["const"]):
        return False
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        return False
    if isinstance(value, str):
        return int(schema.get("minLength", 0)) <= len(value) <= float(schema.get("maxLength", math.inf))
    return _within(float(value), schema) if _is_number(value) else True


def _within(number: float, schema: Schema) -> bool:
    step = schema.get("multipleOf")
    return (
        float(schema.get("minimum", -math.inf)) <= number <= float(schema.get("maximum", math.inf))
        and not ("exclusiveMinimum" in schema and number <= float(schema["exclusiveMinimum"]))
        and not ("exclusiveMaximum" in schema and number >= float(schema["exclusiveMaximum"]))
        and (not step or math.isclose(number / step, round(number / step), rel_tol=0, abs_tol=1e-9))
    )


def _members_fit(value: dict[str, Any], schema: Schema, inner: Callable[[Any, Any], bool]) -> bool:
    properties: Schema = schema.get("properties", {})
    rest = schema.get("additionalProperties", True)
    return (
        all(name in value for name in schema.get("required", ()))
        and int(schema.get("minProperties", 0)) <= len(value) <= float(schema.get("maxProperties", math.inf))
        and all(inner(part, properties.get(name, rest)) for name, part in value.items())
    )


def _items_fit(value: list[Any], schema: Schema, inner: Callable[[Any, Any], bool]) -> bool:
    fixed = schema.get("prefixItems", ())
    rest = schema.get("items", True)
    if not int(schema.get("minItems", 0)) <= len(value) <= float(schema.get("maxItems", math.inf)):
        return False
    if schema.get("uniqueItems") and any(_same(one, other) for at, one in enumerate(value) for other in value[:at]):
        return False
    return all(inner(part, fixed[at] if at < len(fixed) else rest) for at, part in enumerate(value))


def _resolve(root: Schema, pointer: str) -> Any:
    node: Any = root
    for part in pointer.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        node = cast("Schema", node).get(key, False) if isinstance(node, Mapping) else False
    return node


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does: True is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _never(value: Any) -> bool:
    del value
    return False
