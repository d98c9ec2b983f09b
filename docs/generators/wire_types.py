"""What the Realtime wire types say of themselves: messages by direction, and their JSON schemas."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, inspect

from antiphon.wire.realtime_client import ClientMessage
from antiphon.wire.realtime_server import ServerMessage
from generators.page import prose

REF = "#/components/schemas/{name}"
CLIENT: tuple[type[msgspec.Struct], ...] = typing.get_args(ClientMessage)
SERVER: tuple[type[msgspec.Struct], ...] = typing.get_args(ServerMessage)


def tag(message: type[msgspec.Struct]) -> str:
    """Return the event's name on the wire."""
    return str(message.__struct_config__.tag)


def schemas() -> dict[str, Any]:
    """Return the JSON Schema of every message and every object inside them, by class name.

    What only the server writes is described as it is written: a field with a default is always there. Objects that
    both sides write are described as a client may send them.
    """
    _, found = msgspec.json.schema_components([*CLIENT, *SERVER], ref_template=REF)
    only_server = _structs(SERVER) - _structs(CLIENT)
    written = {kind.__name__: kind for kind in only_server}
    return {name: _plain(_as_written(schema, written.get(name))) for name, schema in found.items()}


def _as_written(schema: dict[str, Any], kind: type[msgspec.Struct] | None) -> dict[str, Any]:
    if kind is None:
        return schema
    always = [field.encode_name for field in msgspec.structs.fields(kind) if field.default is not UNSET]
    properties = {
        name: {key: value for key, value in field.items() if key != "default"}
        for name, field in schema["properties"].items()
    }
    head = [name for name in properties if name == kind.__struct_config__.tag_field]
    return {**schema, "properties": properties, "required": [*head, *always]}


def _plain(schema: Any) -> Any:
    """Return a schema as AsyncAPI takes it: it has no discriminators with a mapping; ``type`` tells the variants."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _plain(value) for key, value in schema.items() if key != "discriminator"}
    if isinstance(kept.get("description"), str):
        kept["description"] = prose(kept["description"])
    if isinstance(kept.get("enum"), list) and len(kept["enum"]) == 1:
        kept["const"] = kept.pop("enum")[0]
    return kept


def _structs(messages: tuple[type[msgspec.Struct], ...]) -> set[type[msgspec.Struct]]:
    """Return every struct that can occur in these messages."""
    seen: set[type[msgspec.Struct]] = set()
    waiting = list(messages)
    while waiting:
        kind = waiting.pop()
        if kind not in seen:
            seen.add(kind)
            waiting += _inside(inspect.type_info(kind))
    return seen


def _inside(info: inspect.Type) -> Iterator[type[msgspec.Struct]]:
    """Yield the structs that the fields of a struct may hold."""
    match info:
        case inspect.StructType():
            for field in info.fields:
                yield from _held(field.type)
        case _:
            yield from _held(info)


def _held(info: inspect.Type) -> Iterator[type[msgspec.Struct]]:
    match info:
        case inspect.StructType():
            yield info.cls
        case inspect.UnionType():
            for part in info.types:
                yield from _held(part)
        case inspect.Metadata():
            yield from _held(info.type)
        case inspect.ListType() | inspect.VarTupleType():
            yield from _held(info.item_type)
        case inspect.DictType():
            yield from _held(info.value_type)
        case _:
            pass
