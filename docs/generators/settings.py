"""``settings.md``: every setting with its variable, type, default and meaning."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal

import annotated_types
from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo

from antiphon.app.settings import Settings
from generators.page import code, page, prose, table

_INTRODUCTION = (
    "Every setting is an environment variable, or a line of the TOML file that `ANTIPHON_CONFIG` names "
    '(`log_level = "debug"`: the name without the prefix, in lower case). The environment wins over the file; '
    "an argument of the command line wins over both."
)
_HEADING = re.compile(r"^    # -- (?P<title>.+?) -+$")
_FIELD = re.compile(r"^    (?P<name>\w+): ")
_SIGNS = {
    annotated_types.Ge: ("at least", "ge"),
    annotated_types.Gt: ("more than", "gt"),
    annotated_types.Le: ("at most", "le"),
    annotated_types.Lt: ("less than", "lt"),
}


def render() -> str:
    """Return the page."""
    blocks: list[str] = []
    for title, names in _groups():
        rows = [_row(name, Settings.model_fields[name]) for name in names]
        blocks += [
            f"## {title[:1].upper()}{title[1:]}",
            table(("variable", "type", "default", "meaning"), rows),
        ]
    return page("Settings", _INTRODUCTION, *blocks)


def _groups() -> list[tuple[str, list[str]]]:
    """Return the fields under the headings that they stand under in the code."""
    groups: list[tuple[str, list[str]]] = [("General", [])]
    for line in inspect.getsource(Settings).splitlines():
        if heading := _HEADING.match(line):
            groups.append((heading["title"], []))
        elif (field := _FIELD.match(line)) and field["name"] in Settings.model_fields:
            groups[-1][1].append(field["name"])
    return [group for group in groups if group[1]]


def _row(name: str, field: FieldInfo) -> tuple[str, str, str, str]:
    prefix = str(Settings.model_config.get("env_prefix", ""))
    variable = f"{prefix}{name}".upper()
    variables = [code(variable), *(f"also {code(alias)}" for alias in _aliases(field) if alias != variable)]
    kind = ", ".join([_type(field.annotation), *_bounds(field)])
    return ", ".join(variables), kind, _default(field), field.description or ""


def _aliases(field: FieldInfo) -> Iterator[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        yield from (str(choice) for choice in alias.choices)
    elif isinstance(alias, str):
        yield alias


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " or ".join(code(choice) for choice in arguments)
    if origin in (UnionType, typing.Union):
        return " or ".join(_type(part) for part in arguments if part is not NoneType)
    if origin is tuple:
        return f"list of {_type(arguments[0])}, comma-separated"
    words = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path", SecretStr: "secret"}
    return words[annotation]


def _bounds(field: FieldInfo) -> list[str]:
    return [
        f"{words} {getattr(limit, attribute)}"
        for limit in field.metadata
        for kind, (words, attribute) in _SIGNS.items()
        if isinstance(limit, kind)
    ]


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return prose(field.default_factory.__doc__).removeprefix("Return ").rstrip(".")
    match field.default:
        case None | "" | ():
            return "unset"
        case bool(value):
            return code(str(value).lower())
        case tuple(values):
            return code(",".join(map(str, values)))
        case str(text):
            return code(text)
        case number:
            return code(f"{number:g}" if isinstance(number, float) else number)
