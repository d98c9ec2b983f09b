"""Makes a value that satisfies a JSON schema, with matching values from a text.

Supported: ``type`` (also a list), ``enum``, ``const``, ``properties``, ``required``, ``items``,
``prefixItems``, the bounds of numbers, strings, arrays and objects, ``multipleOf``, ``uniqueItems``, common
``format`` values, ``anyOf``, ``oneOf``, ``allOf`` and local ``$ref``. Ignored:
``pattern``, ``not``, ``if``, ``dependentSchemas``, ``patternProperties``.

A schema of a few hundred bytes may require a value of gigabytes, so the size of the value and the work are limited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from antiphon.text.json_size import breadth, excess
from antiphon.text.schema_numbers import count, number_within

MOST_CHARACTERS = 64 * 2**10
"""Approximate limit of a value as JSON: texts, names and punctuation."""

_MOST_TEXT = 2_000
"""Characters of the text that are read."""

_MOST_WORD = 200
"""Maximum of characters of an enumerated word that is searched in the text."""

_MOST_WORK = 30_000
"""Limit of visits to parts of a schema: references can make a short one branch without end."""

_SHARE = 16
"""Part of the rest of the first half of `MOST_CHARACTERS` for a text of any length; later values keep their room."""

_OPTIONAL_DEPTH = 3
"""Optional properties are filled down to this depth only, so that recursion ends."""

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
_NUMBERS = re.compile(r"(?<![\w.])-?\d{1,300}(?!\d)(?:\.\d+)?")
_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»]+)[\"”“»]")

Schema = Mapping[str, Any]


def example(schema: Schema | bool | None, text: str = "") -> Any:
    """Return a value that satisfies ``schema``; None, ``True`` and ``{}`` are satisfied by ``{}``.

    Equal arguments give equal values. Uses enumerated words, numbers and quotations of the first 2,000 characters of
    ``text``. Raises `ValueError`, `TypeError` or `AttributeError` for an invalid schema, and `ValueError` for a schema
    beyond the limits of `excess`, with a value of more than 64 Ki characters, or that takes too long to fill.
    """
    if not isinstance(schema, Mapping) or not schema:
        return {}
    if too_much := excess(schema):
        raise ValueError(f"the schema has {too_much}")
    return _Filler(schema, text[:_MOST_TEXT]).value(schema, 0)


class _Filler:
    """One pass through a schema; uses the numbers of the text one after the other."""

    def __init__(self, root: Schema, text: str) -> None:
        self._root = root
        self._text = " ".join(text.split())
        self._lowered = self._text.lower()
        self._is_negated = _NEGATIONS.search(self._text) is not None
        quoted = _QUOTED.search(self._text)
        self._words = quoted.group(1) if quoted else self._text
        self._numbers: Iterator[str] = iter(_NUMBERS.findall(text))
        self._left = MOST_CHARACTERS
        self._work = 0

    def value(self, schema: Schema | bool, depth: int, salt: int = 0) -> Any:
        """Fill one schema; ``salt`` asks for different values of the same schema (``uniqueItems``)."""
        flat = self._flatten(schema, depth)
        self._take(1)
        if depth > _MAX_DEPTH:
            return None
        if "const" in flat:
            return self._given(flat["const"])
        if isinstance(flat.get("enum"), list) and flat["enum"]:
            return self._given(self._choice(cast("list[Any]", flat["enum"]), salt))
        match _type(flat):
            case "object":
                return self._object(flat, depth)
            case "array":
                return self._array(flat, depth)
            case "integer":
                return self._given(int(self._number(flat, 1.0, salt)))
            case "number":
                number = self._number(flat, 0.0, salt)
                return self._given(int(number) if number.is_integer() else number)
            case "boolean":
                return (not self._is_negated) ^ (salt % 2 == 1)
            case "null":
                return None
            case _:
                return self._string(flat, salt)

    # -- cost --------------------------------------------------------------------------------------------------------
    def _take(self, characters: int) -> None:
        """Count characters of the value. Raises `ValueError` beyond the limit."""
        self._need(characters)
        self._left -= characters

    def _need(self, characters: int) -> None:
        """Check that ``characters`` more are within the limit. Raises `ValueError`."""
        if characters > self._left:
            raise ValueError(f"its smallest value has more than {MOST_CHARACTERS} characters")

    def _given(self, value: Any) -> Any:
        """Count a value that is copied from the schema."""
        layer: list[Any] = [value]
        for one in layer:
            if isinstance(one, Mapping):
                self._take(1)
                layer += cast("Schema", one)
                layer += cast("Schema", one).values()
            elif isinstance(one, list):
                self._take(1)
                layer += cast("list[Any]", one)
            else:
                self._take(1 + len(str(one)))
        return value

    def _look_at(self, schema: Schema) -> None:
        """Count the parts that a visit to a schema reads. Raises `ValueError` beyond the limit."""
        self._work += breadth(schema) + sum(map(breadth, schema.values()))
        if self._work > _MOST_WORK:
            raise ValueError("the schema is too large")

    # -- one plain schema --------------------------------------------------------------------------------------------
    def _flatten(self, schema: Schema | bool, depth: int) -> dict[str, Any]:
        """Resolve references and combinations into one plain schema."""
        flat: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {}
        for _ in range(_MAX_DEPTH):
            self._look_at(flat)
            if isinstance(flat.get("$ref"), str):
                flat = _merge(self._resolve(flat.pop("$ref")), flat)
            elif flat.get("allOf"):
                parts = [self._flatten(part, depth + 1) for part in flat.pop("allOf")] if depth <= _MAX_DEPTH else []
                for part in parts:
                    flat = _merge(flat, part)
                    self._look_at(flat)
            elif branches := flat.pop("anyOf", None) or flat.pop("oneOf", None):
                flat = _merge(flat, self._branch(branches))
            else:
                break
        return flat

    def _branch(self, branches: list[Any]) -> Schema:
        """Choose the first branch that is not null and not recursive."""
        plain = [branch for branch in branches if isinstance(branch, Mapping) and branch.get("type") != "null"]
        closed = [branch for branch in plain if "$ref" not in branch]
        return cast("Schema", next(iter(closed or plain or [{"type": "null"}])))

    def _resolve(self, pointer: str) -> Schema:
        """Follow a local JSON pointer (``#/$defs/Name``); anything else is an empty schema."""
        node: Any = self._root
        for part in pointer.removeprefix("#").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            node = node.get(key) if isinstance(node, Mapping) else None
        return cast("Schema", node) if isinstance(node, Mapping) else {}

    # -- values ------------------------------------------------------------------------------------------------------
    def _choice(self, values: list[Any], salt: int) -> Any:
        if salt:
            return values[salt % len(values)]
        words = (value for value in values if isinstance(value, str) and 0 < len(value) <= _MOST_WORD)
        return next((value for value in words if value.lower() in self._lowered), values[0])

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties: Schema = schema.get("properties") or {}
        required = dict.fromkeys(_names(schema.get("required") or []))
        optional = [name for name in properties if name not in required] if depth < _OPTIONAL_DEPTH else []
        names = [*required, *optional][: max(len(required), count(schema, "maxProperties", _MOST_WORK))]
        extra = schema.get("additionalProperties", True)
        rest: Schema = extra if isinstance(extra, Mapping) else {"type": "string"}
        filled: dict[str, Any] = {}
        for name in names:
            self._take(len(name))
            filled[name] = self.value(properties.get(name, rest), depth + 1)
        missing = count(schema, "minProperties", 0) - len(filled)
        self._need(missing)
        for index in range(missing):
            name = f"property_{index + 1}"
            self._take(len(name))
            filled[name] = self.value(rest, depth + 1)
        return filled

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        fixed: list[Any] = list(schema.get("prefixItems") or ())
        least = count(schema, "minItems", 0)
        wanted = max(least, len(fixed), 1 if depth < _OPTIONAL_DEPTH else 0)
        length = max(least, min(wanted, count(schema, "maxItems", wanted)))
        rest = schema.get("items", {"type": "string"})
        if rest is False:
            length = min(length, len(fixed))
        self._need(length)  # each has at least one character: fail early
        salted = bool(schema.get("uniqueItems"))
        return [
            self.value(fixed[index] if index < len(fixed) else rest, depth + 1, index if salted else 0)
            for index in range(length)
        ]

    def _number(self, schema: Schema, grain: float, salt: int) -> float:
        """Return a number of the text within the bounds, else the smallest allowed one that is not negative."""
        found = next(self._numbers, None) if not salt else None
        return number_within(schema, grain, salt, None if found is None else float(found))

    def _string(self, schema: Schema, salt: int) -> str:
        kind = schema.get("format")
        if isinstance(kind, str) and kind in _FORMATS:
            self._take(len(_FORMATS[kind]))
            return _FORMATS[kind]
        default = schema.get("default")
        words = self._words or (default if isinstance(default, str) and default else "text")
        if salt:
            words = f"{salt + 1} {words}"
        least, share = count(schema, "minLength", 0), max(0, self._left - MOST_CHARACTERS // 2) // _SHARE
        most = max(least, min(count(schema, "maxLength", share), share))
        self._take(max(least, min(len(words), most)))
        return words[:most].ljust(least, ".")


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


def _names(required: list[Any]) -> list[str]:
    if not all(isinstance(name, str) for name in required):
        raise TypeError("names of required properties must be texts")
    return cast("list[str]", required)


def _merge(base: Schema, other: Schema) -> dict[str, Any]:
    """Merge ``other`` into ``base``: properties are joined, required names added, the rest replaced."""
    merged = {**base, **other}
    if base.get("properties") and other.get("properties"):
        merged["properties"] = {**base["properties"], **other["properties"]}
    if base.get("required") and other.get("required"):
        merged["required"] = [*dict.fromkeys([*base["required"], *other["required"]])]
    return merged
