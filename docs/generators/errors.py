"""``errors.md``: the taxonomy, and every code with the words it comes with."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from antiphon import errors
from antiphon.doors import errors as errors_http
from antiphon.errors import AntiphonError, family
from antiphon.wire import validation_errors
from generators.page import code, page, prose, table

SOURCE = Path(errors.__file__).resolve().parent
_INTRODUCTION = (
    "REST answers an error as `{error: {message, type, param, code}}`, a refused WebSocket handshake likewise with a "
    "real HTTP status. On an open Realtime session a refused event is answered by an `error` event with the same four "
    "fields and the refused event's `event_id`; the session is unchanged and continues. An error repeats at most 256 "
    "characters of client input: the middle of a longer text, or id, is left out. The error of a failed response is "
    "in `response.done.response.status_details.error`."
)
_CODES = (
    "Each code, the source folder that uses it, and its messages; `…` stands for a value. "
    "`param` is the path of the field, such as `session.audio.output.voice`."
)
_POSITIONS = {"ResponseError": 1, "_refuse": 1, "refuse": 0}
"""Calls that take their code by position."""


def render() -> str:
    """Return the page."""
    return page(
        "Errors",
        _INTRODUCTION,
        "## Types",
        table(("error", "`type`", "HTTP", "default `code`", "meaning"), _types()),
        "## Codes",
        _CODES,
        table(("code", "where", "words"), _codes()),
    )


def _types() -> Iterator[tuple[str, str, str, str, str]]:
    for kind in family(AntiphonError):
        if (
            kind is not AntiphonError
            and kind.__module__ in (errors.__name__, errors_http.__name__)
            and not kind.__name__.startswith("_")
        ):
            default = code(kind.default_code) if kind.default_code else ""
            yield kind.__name__, code(kind.type), str(kind.status), default, prose(kind.__doc__)


def _codes() -> list[tuple[str, str, str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for rule in validation_errors._RULES:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] -- the page is about this table
        words = rule[2].replace("{what}", "…").replace("{param}", "…")
        found.setdefault((rule[1], "wire"), []).append(words)
    for path in sorted(SOURCE.rglob("*.py")):
        area = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        for name, words in _said(ast.parse(path.read_text("utf-8"))):
            found.setdefault((name, area), []).append(words)
    return [
        (code(name), area, "; ".join(dict.fromkeys(filter(None, words))))
        for (name, area), words in sorted(found.items())
    ]


def _said(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield every code that a file says, with its words."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _said_in(node)
            case ast.ClassDef():
                yield from _defaults(node)
            case _:
                pass


def _said_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, str]]:
    named: dict[str, str] = {}
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code_name))):
                yield code_name, ""
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                named[name] = _text(value, {})
            case _:
                pass
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and (found := _code_of(node)) is not None:
            words = [*node.args, *(keyword.value for keyword in node.keywords)]
            yield found, next(filter(None, (_text(word, named) for word in words)), "")


def _defaults(kind: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for line in kind.body:
        match line:
            case ast.Assign(targets=[ast.Name(id="default_code")], value=ast.Constant(value=str(name))):
                yield name, prose(ast.get_docstring(kind))
            case _:
                pass


def _code_of(call: ast.Call) -> str | None:
    for keyword in call.keywords:
        match keyword:
            case ast.keyword(arg="code", value=ast.Constant(value=str(name))):
                return name
            case _:
                pass
    match call.func:
        case ast.Name(id=called) | ast.Attribute(attr=called):
            position = _POSITIONS.get(called)
        case _:
            return None
    if position is None or position >= len(call.args):
        return None
    given = call.args[position]
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None


def _text(node: ast.expr, named: dict[str, str]) -> str:
    """Return a message's words, with `…` for what is put in; empty for anything that is no sentence."""
    match node:
        case ast.Constant(value=str(text)):
            found = text
        case ast.JoinedStr(values=values):
            found = "".join(
                part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "…" for part in values
            )
        case ast.Name(id=name):
            return named.get(name, "")
        case _:
            return ""
    return found if " " in found else ""
