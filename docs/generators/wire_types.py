"""What the wire types of the WebSocket doors say of themselves: messages by direction, and their JSON schemas."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, inspect

from antiphon.wire.realtime_client import ClientMessage
from antiphon.wire.realtime_server import ServerMessage
from antiphon.wire.translation import TranslationClientMessage, TranslationServerMessage
from generators.page import prose

Message = type[msgspec.Struct]


@dataclass(frozen=True)
class Door:
    """A WebSocket, and what travels over it."""

    name: str
    address: str
    client: tuple[Message, ...]
    server: tuple[Message, ...]
    prefix: str = ""
    """Before the names of its messages and objects, so that two doors may use the same words."""

    def schemas(self) -> dict[str, Any]:
        """Return the JSON Schema of every message and every object inside them, by name.

        What only the server writes is described as it is written: a field with a default is always there. Objects
        that both sides write are described as a client may send them.
        """
        template = f"#/components/schemas/{self.prefix}{{name}}"
        _, found = msgspec.json.schema_components([*self.client, *self.server], ref_template=template)
        only_server = _structs(self.server) - _structs(self.client)
        written = {kind.__name__: kind for kind in only_server}
        return {
            f"{self.prefix}{name}": _plain(_as_written(schema, written.get(name))) for name, schema in found.items()
        }

    def name_of(self, message: Message) -> str:
        """Return the name of a message among all doors."""
        return f"{self.prefix}{message.__name__}"


REALTIME = Door("realtime", "/v1/realtime", typing.get_args(ClientMessage), typing.get_args(ServerMessage))
TRANSLATIONS = Door(
    "translations",
    "/v1/realtime/translations",
    typing.get_args(TranslationClientMessage),
    typing.get_args(TranslationServerMessage),
    prefix="translation.",
)
DOORS = (REALTIME, TRANSLATIONS)


def tag(message: Message) -> str:
    """Return the event's name on the wire."""
    return str(message.__struct_config__.tag)


def _as_written(schema: dict[str, Any], kind: Message | None) -> dict[str, Any]:
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


def _structs(messages: tuple[Message, ...]) -> set[Message]:
    """Return every struct that can occur in these messages."""
    seen: set[Message] = set()
    waiting = list(messages)
    while waiting:
        kind = waiting.pop()
        if kind not in seen:
            seen.add(kind)
            waiting += _inside(inspect.type_info(kind))
    return seen


def _inside(info: inspect.Type) -> Iterator[Message]:
    """Yield the structs that the fields of a struct may hold."""
    match info:
        case inspect.StructType():
            for field in info.fields:
                yield from _held(field.type)
        case _:
            yield from _held(info)


def _held(info: inspect.Type) -> Iterator[Message]:
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
