"""Translates msgspec's validation errors to (code, param, message) of the protocol, by one table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from antiphon.text.quoting import shown

_ELLIPSIS = re.compile(r"\[\.\.\.\]")
_OWN_RULE = re.compile(r"^(content\[\d+\]\.type|parameters|variables|metadata): (.*)$", re.DOTALL)
"""Error of a type's own check: the field within it, and the reason."""
_RULES: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"^Object missing required field `(?P<field>\w+)`"),
        "missing_required_parameter",
        "Missing required parameter: '{param}'.",
    ),
    (
        re.compile(r"^Object contains unknown field `(?P<field>[^`]*)`?"),
        "unknown_parameter",
        "Unknown parameter: '{param}'.",
    ),
    (re.compile(r"^Expected `str` of length <="), "string_above_max_length", "Invalid '{param}': {what}."),
    (re.compile(r"^Expected `array` of length <="), "array_above_max_length", "Invalid '{param}': {what}."),
    (re.compile(r"^Expected `object` of length <="), "object_above_max_properties", "Invalid '{param}': {what}."),
    (re.compile(r"^Invalid (?:enum )?value"), "invalid_value", "{what} for '{param}'."),
    (re.compile(r"^Expected "), "invalid_value", "Invalid '{param}': {what}."),
)


_MOST_CHARACTERS = 120
"""Maximum length of msgspec's message: it repeats names and values of the client."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """Why a frame was refused. ``param`` is the dotted path of the field, e.g. ``session.tools[0].name``."""

    code: str
    param: str | None
    message: str


def explain(error: str) -> FieldError:
    """Translate an error message of msgspec, e.g. ``Expected `int`, got `str` - at `$.item.id```."""
    what, _, rest = error.partition(" - at `")
    path = _ELLIPSIS.sub("", rest.removeprefix("key` in `").removeprefix("$").rstrip("`").lstrip("."))
    own_rule = _OWN_RULE.match(what)
    if own_rule:
        return FieldError("invalid_value", join(path, own_rule[1]), own_rule[2])
    for pattern, code, template in _RULES:
        found = pattern.match(what)
        if found:
            field = found.groupdict().get("field")
            param = join(path, shown(field)) if field else path
            told = template.format(param=param or "event", what=shown(what, _MOST_CHARACTERS))
            return FieldError(code, param or None, told)
    return FieldError("invalid_value", path or None, shown(what, _MOST_CHARACTERS))


def join(path: str, field: str) -> str:
    """Return ``path.field``, or ``field`` at the top."""
    return f"{path}.{field}" if path else field
