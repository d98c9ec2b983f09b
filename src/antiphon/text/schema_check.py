"""Whether a value satisfies a JSON schema, for the keywords that `antiphon.text.schema_example` understands.

Keywords beyond those (``pattern``, ``format``, ``not``, ``if`` …) are taken as satisfied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any, cast

from antiphon.text.json_size import breadth, excess
from antiphon.text.schema_numbers import count, finite

Schema = Mapping[str, Any]

_MAX_DEPTH = 60
"""Deeper values, and schemas that refer to themselves for ever, do not satisfy."""

_MAX_STEPS = 20_000
_MAX_WORK = 100_000
"""Parts of a value and its schema that are looked at, each as often as it is."""
_UNBOUNDED = 2**53


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

    No schema is always satisfied. One that branches without end never is, nor is anything satisfied by a value that is
    larger than `excess` says. Raises `ValueError`, `TypeError` or `AttributeError` for what is no schema.
    """
    if excess(value):
        return False
    root: Schema = schema if isinstance(schema, Mapping) else {}
    return _Check(root).fits(value, {} if schema is None else schema, 0)


class _Check:
    """One walk through a value and its schema."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._steps = self._work = 0

    def fits(self, value: Any, schema: Schema | bool, depth: int) -> bool:
        if isinstance(schema, bool):
            return schema
        self._steps += 1
        self._work += breadth(value) + breadth(schema) + sum(map(breadth, schema.values()))
        if depth > _MAX_DEPTH or self._steps > _MAX_STEPS or self._work > _MAX_WORK:
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
        return count(schema, "minLength", 0) <= len(value) <= count(schema, "maxLength", _UNBOUNDED)
    return _within(float(value), schema) if _is_number(value) else True


def _within(number: float, schema: Schema) -> bool:
    return (
        ("minimum" not in schema or finite(schema["minimum"]) <= number)
        and ("maximum" not in schema or number <= finite(schema["maximum"]))
        and ("exclusiveMinimum" not in schema or finite(schema["exclusiveMinimum"]) < number)
        and ("exclusiveMaximum" not in schema or number < finite(schema["exclusiveMaximum"]))
        and (not schema.get("multipleOf") or _is_multiple(number, finite(schema["multipleOf"])))
    )


def _is_multiple(number: float, step: float) -> bool:
    times = number / step
    return math.isfinite(times) and math.isclose(times, round(times), rel_tol=0, abs_tol=1e-9)


def _members_fit(value: dict[str, Any], schema: Schema, inner: Callable[[Any, Any], bool]) -> bool:
    properties: Schema = schema.get("properties", {})
    rest = schema.get("additionalProperties", True)
    return (
        all(name in value for name in schema.get("required", ()))
        and count(schema, "minProperties", 0) <= len(value) <= count(schema, "maxProperties", _UNBOUNDED)
        and all(inner(part, properties.get(name, rest)) for name, part in value.items())
    )


def _items_fit(value: list[Any], schema: Schema, inner: Callable[[Any, Any], bool]) -> bool:
    fixed = schema.get("prefixItems", ())
    rest = schema.get("items", True)
    if not count(schema, "minItems", 0) <= len(value) <= count(schema, "maxItems", _UNBOUNDED):
        return False
    if schema.get("uniqueItems") and len({_key(one) for one in value}) < len(value):
        return False
    return all(inner(part, fixed[at] if at < len(fixed) else rest) for at, part in enumerate(value))


def _resolve(root: Schema, pointer: str) -> Any:
    node: Any = root
    for part in pointer.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, Mapping):
            return False
        node = cast("Schema", node).get(key, False)
    return node


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does: True is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _key(value: Any) -> Hashable:
    """Return what is equal for values that are equal in JSON."""
    if isinstance(value, list):
        return ("list", *map(_key, cast("list[Any]", value)))
    if isinstance(value, dict):
        return frozenset((name, _key(part)) for name, part in cast("dict[str, Any]", value).items())
    return (value, isinstance(value, bool))


def _never(value: Any) -> bool:
    del value
    return False
