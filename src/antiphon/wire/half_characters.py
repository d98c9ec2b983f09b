"""Events with half a character (a lone surrogate): valid in JSON, but not in text.

They are read by a decoder that takes them, only to say what is wrong, and of which event.
"""

from __future__ import annotations

import json
from typing import Any, cast

from antiphon.text.quoting import quoted
from antiphon.text.surrogates import has_no_surrogates
from antiphon.wire.event_scan import DEEPEST, Names, path_of
from antiphon.wire.validation_errors import FieldError


def read(text: str | bytes) -> Any:
    """Decode JSON, accepting lone surrogates; return None if it is still invalid."""
    try:
        whole = text if isinstance(text, str) else text.decode()
        return json.loads(whole, parse_int=float, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def find_half(value: Any) -> Names | None:
    """Return the path of the first lone surrogate in a JSON value, or None.

    For one in the name of a member it leads to the object that has it.
    """
    waiting: list[tuple[Names, Any]] = [([], value)]
    while waiting:
        names, one = waiting.pop()
        inner: list[tuple[str | int, Any]] = []
        if isinstance(one, str):
            if not has_no_surrogates(one):
                return names
        elif isinstance(one, dict):
            inner = list(cast("dict[str, Any]", one).items())
            if not all(has_no_surrogates(str(name)) for name, _ in inner):
                return names
        elif isinstance(one, list):
            inner = list(enumerate(cast("list[Any]", one)))
        is_told = len(names) <= DEEPEST  # deeper fields are not reported: their names are not kept
        waiting += [([*names, name] if is_told else names, member) for name, member in reversed(inner)]
    return None


def refusal_of(names: Names) -> FieldError:
    """Return the error for a lone surrogate at a path found by `find_half`."""
    param = path_of(names, into_lists=True)
    named = quoted(param or "event")
    return FieldError(
        code="invalid_json",
        param=param,
        message=f"Invalid {named}: half a character (a lone surrogate) is no text.",
    )


def _refuse(constant: str) -> None:
    raise ValueError(constant)
