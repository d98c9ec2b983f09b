"""Fields of a form or a query as a typed value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from antiphon.doors.errors import invalid_of
from antiphon.errors import InvalidRequest

T = TypeVar("T", bound=msgspec.Struct)

MAX_PARAMETERS = 100
"""Most parameters of one query."""


def decode_fields(sent: Iterable[tuple[str, str]], kind: type[T]) -> T:
    """Return the fields as a value of ``kind``. Raises `InvalidRequest`, which names the field.

    ``name``, ``name[]`` and ``name[0]`` are collected if the field is a list; the last value of any other field counts.
    An empty string means that the field is absent; unknown names are ignored.
    """
    lists = {one.name for one in msgspec.structs.fields(kind) if one.default_factory is list}
    values: dict[str, Any] = {}
    for raw_name, value in sent:
        name = raw_name.partition("[")[0]
        if name in lists:
            values.setdefault(name, []).append(value)
        elif value:
            values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as exc:
        raise invalid_of(str(exc)) from exc


def decode_query(query: bytes, kind: type[T]) -> T:
    """Return the query parameters as a value of ``kind``. Raises `InvalidRequest`, which names the parameter."""
    if not kind.__struct_fields__:
        return kind()
    try:
        sent = parse_qsl(query.decode("latin-1"), errors="replace", max_num_fields=MAX_PARAMETERS)
    except ValueError as exc:
        raise InvalidRequest(f"There are more than {MAX_PARAMETERS} query parameters.", code="invalid_query") from exc
    return decode_fields(sent, kind)
