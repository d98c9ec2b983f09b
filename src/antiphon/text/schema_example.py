"""A value that satisfies a JSON schema, filled from a text where the text has something that fits.

Understood: ``type`` (also a list), ``enum``, ``const``, ``properties``, ``required``, ``items``,
``prefixItems``, the bounds of numbers, strings, arrays and objects, ``multipleOf``, ``uniqueItems``, common
``format`` values, ``anyOf``, ``oneOf``, ``allOf`` and local ``$ref``. Not understood, and ignored:
``pattern``, ``not``, ``if``, ``dependentSchemas``, ``patternProperties``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

_OPTIONAL_DEPTH = 3
"""Optional properties are filled down to here; deeper only what is required, so that recursion ends."""

_MAX_DEPTH = 40
"""A schema that requires itself has no finite value; stop instead of overflowing the stack."""

_FORMATS = {
    "date": "2025-01-31",
    "time": "12:30:00Z",
    "date-time": "2025-01-31T12:30:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uri-reference": "/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

_NEGATIONS = re.compile(r"\b(no|not|off|false|don't|never|without|nein|nicht|kein|non|pas)\b", re.IGNORECASE)
_NUMBERS = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»]+)[\"”“»]")

_MAX_STEPS = 5_000
"""Most parts of a schema that are looked at: references make a short one branch without end."""

Schema = Mapping[str, Any]


def example(schema: Schema | bool | None, text: str = "") -> Any:
    """Return a value that satisfies ``schema``; None, ``True`` and ``{}`` are satisfied by ``{}``.

    Equal arguments give equal values. Enumerated words, numbers and quotations found in ``text`` are used.
    Raises `ValueError`, `TypeError` or `AttributeError` for what is no schema, or one that branches without end.
    """
    if not isinstance(schema, Mapping) or not schema:
        return {}
    return _Filler(schema, text).value(schema, 0)


class _Filler:
    """One walk through a schema; takes the numbers of the text one after the other."""

    def __init__(self, root: Schema, text: str) -> None:
        self._root = root
        self._text = " ".join(text.split())
        self._steps = 0
        self._numbers: Iterator[str] = iter(_NUMBERS.findall(text))

    def value(self, schema: Schema | bool, depth: int, salt: int = 0) -> Any:
        """Fill one schema; ``salt`` asks for different values of the same schema (``uniqueItems``)."""
        flat = self._flatten(schema, depth)
        if depth > _MAX_DEPTH:
            return None
        if "const" in flat:
            return flat["const"]
        if isinstance(flat.get("enum"), list) and flat["enum"]:
            return self._choice(cast("list[Any]", flat["enum"]), salt)
        match _type(flat):
            case "object":
                return self._object(flat, depth)
            case "array":
                return self._array(flat, depth)
            case "integer":
                return int(self._number(flat, 1.0, salt))
            case "number":
                number = self._number(flat, 0.0, salt)
                return int(number) if number.is_integer() else number
            case "boolean":
                return (_NEGATIONS.search(self._text) is None) ^ (salt % 2 == 1)
            case "null":
                return None
            case _:
                return self._string(flat, salt)

    def _flatten(self, schema: Schema | bool, depth: int) -> dict[str, Any]:
        """Resolve references and combinations into one plain schema."""
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise ValueError("the schema is too large")
        flat: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {}
        for _ in range(_MAX_DEPTH):
            if isinstance(flat.get("$ref"), str):
                flat = _merge(self._resolve(flat.pop("$ref")), flat)
            elif flat.get("allOf"):
                parts = [self._flatten(part, depth + 1) for part in flat.pop("allOf")] if depth <= _MAX_DEPTH else []
                for part in parts:
                    flat = _merge(flat, part)
            elif branches := flat.pop("anyOf", None) or flat.pop("oneOf", None):
                flat = _merge(flat, self._branch(branches))
            else:
                break
        return flat

    def _branch(self, branches: list[Any]) -> Schema:
        """Choose the first branch that is not null and does not lead back into itself."""
        plain = [branch for branch in branches if isinstance(branch, Mapping) and branch.get("type") != "null"]
        closed = [branch for branch in plain if "$ref" not in branch]
        return cast("Schema", next(iter(closed or plain or [{"type": "null"}])))

    def _resolve(self, pointer: str) -> Schema:
        """Follow a local JSON pointer (``#/$defs/Name``); anything else is an empty schema."""
        node: Any = self._root
        for part in pointer.removeprefix("#").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            node = node.get(key, {}) if isinstance(node, Mapping) else {}
        return cast("Schema", node) if isinstance(node, Mapping) else {}

    def _choice(self, values: list[Any], salt: int) -> Any:
        lowered = self._text.lower()
        said = [value for value in values if isinstance(value, str) and value and value.lower() in lowered]
        return said[0] if said and not salt else values[salt % len(values)]

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties: Schema = schema.get("properties") or {}
        required = [str(name) for name in schema.get("required") or ()]
        optional = [name for name in properties if name not in required] if depth < _OPTIONAL_DEPTH else []
        names = (required + optional)[: max(len(required), int(schema.get("maxProperties", 1_000_000)))]
        extra = schema.get("additionalProperties", True)
        rest: Schema = extra if isinstance(extra, Mapping) else {"type": "string"}
        filled = {name: self.value(properties.get(name, rest), depth + 1) for name in names}
        for index in range(int(schema.get("minProperties", 0)) - len(filled)):
            filled[f"property_{index + 1}"] = self.value(rest, depth + 1)
        return filled

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        fixed: list[Any] = list(schema.get("prefixItems") or ())
        least = int(schema.get("minItems", 0))
        wanted = max(least, len(fixed), 1 if depth < _OPTIONAL_DEPTH else 0)
        length = max(least, min(wanted, int(schema.get("maxItems", wanted))))
        rest = schema.get("items", {"type": "string"})
        if rest is False:
            length = min(length, len(fixed))
        salted = bool(schema.get("uniqueItems"))
        return [
            self.value(fixed[index] if index < len(fixed) else rest, depth + 1, index if salted else 0)
            for index in range(length)
        ]

    def _number(self, schema: Schema, grain: float, salt: int) -> float:
        """Take a number of the text within the bounds, else the smallest allowed one that is not negative."""
        step = float(schema.get("multipleOf") or grain)
        low, high = _bounds(schema, step)
        found = next(self._numbers, None) if not salt else None
        if found is not None and low <= float(found) <= high and (not step or float(found) % step == 0):
            return float(found)
        start = low if low > 0 else min(0.0, high)
        if step:
            start = math.ceil(start / step) * step if start >= low else math.floor(start / step) * step
            start = math.floor(high / step) * step if start > high else start
        return min(start + salt * (step or min(1.0, (high - start) / 16)), high)

    def _string(self, schema: Schema, salt: int) -> str:
        kind = str(schema.get("format", ""))
        if kind in _FORMATS:
            return _FORMATS[kind]
        quoted = _QUOTED.search(self._text)
        words = (quoted.group(1) if quoted else self._text) or str(schema.get("default") or "text")
        if salt:
            words = f"{salt + 1} {words}"
        least = int(schema.get("minLength", 0))
        return words.ljust(least, ".")[: int(schema.get("maxLength", max(least, len(words))))]


def _bounds(schema: Schema, step: float) -> tuple[float, float]:
    """Return the closed bounds; exclusive ones move by a step, or by a sliver where there is none."""
    low = float(schema.get("minimum", -math.inf))
    high = float(schema.get("maximum", math.inf))
    above = float(schema.get("exclusiveMinimum", -math.inf))
    below = float(schema.get("exclusiveMaximum", math.inf))
    if above >= low and not math.isinf(above):
        low = (math.floor(above / step) + 1) * step if step else _between(above, min(high, below))
    if below <= high and not math.isinf(below):
        high = (math.ceil(below / step) - 1) * step if step else _between(below, low)
    return low, high


def _between(edge: float, other: float) -> float:
    """Return a number beside ``edge`` on the side of ``other``, which may be infinite."""
    if math.isinf(other):
        return edge + math.copysign(1.0, other)
    return (edge + other) / 2


def _type(schema: Schema) -> str:
    """Return the JSON type to build: the first that is not null, or what the keywords imply."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds = cast("list[str]", kind)
        return next((name for name in kinds if name != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema or "additionalProperties" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    if any(key in schema for key in ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum")):
        return "number"
    return "string"


def _merge(base: Schema, other: Schema) -> dict[str, Any]:
    """Lay ``other`` over ``base``: properties are joined, required names added, the rest replaced."""
    merged = {**base, **other}
    if base.get("properties") and other.get("properties"):
        merged["properties"] = {**base["properties"], **other["properties"]}
    if base.get("required") and other.get("required"):
        merged["required"] = [*dict.fromkeys([*base["required"], *other["required"]])]
    return merged
