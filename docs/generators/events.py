"""``events.md`` and ``translation-events.md``: every event and object of the WebSocket doors, in tables."""

from __future__ import annotations

from typing import Any

from generators.page import code, page, prose, table
from generators.wire_types import REALTIME, TRANSLATIONS, Door, Message, tag

_INTRODUCTION = (
    "One JSON object per text frame; `type` names the event. A field with `?` may be absent. The same as AsyncAPI, "
    "with JSON Schema: [asyncapi.json](asyncapi.json)."
)
_NOT_SENT = (
    "What OpenAI's client libraries know and this server does not send is in "
    "[a record of that decision](../adr/0006-events-not-sent.md)."
)
_CLIENT = "All take an optional `event_id` (at most 512 characters), which an `error` echoes as `error.event_id`."
_SERVER = "All have an `event_id`."


def render() -> str:
    """Return the page of the realtime door."""
    return _page("Realtime events", REALTIME, f"{_INTRODUCTION} {_NOT_SENT}")


def render_translations() -> str:
    """Return the page of the translation door."""
    return _page("Translation events", TRANSLATIONS, _INTRODUCTION)


def _page(title: str, door: Door, introduction: str) -> str:
    found = {name.removeprefix(door.prefix): schema for name, schema in door.schemas().items()}
    messages = {message.__name__ for message in (*door.client, *door.server)}
    objects = [object_page(name, schema) for name, schema in sorted(found.items()) if name not in messages]
    return page(
        title,
        f"`{door.address}`. {introduction}",
        "## From the client",
        _CLIENT,
        _events(door.client, found),
        "## From the server",
        _SERVER,
        _events(door.server, found),
        "## Objects",
        *objects,
    )


def _events(messages: tuple[Message, ...], found: dict[str, Any]) -> str:
    rows = [
        (code(tag(message)), prose(message.__doc__), ", ".join(fields(found[message.__name__])) or "–")
        for message in messages
    ]
    return table(("event", "meaning", "fields"), rows)


def fields(schema: dict[str, Any]) -> list[str]:
    """Return the fields of an object, each in a few words."""
    required = schema.get("required", ())
    return [
        f"`{name}{'' if name in required else '?'}`: {_type(field)}"
        for name, field in schema["properties"].items()
        if name not in ("type", "event_id")
    ]


def object_page(name: str, schema: dict[str, Any]) -> str:
    """Return the part of a page that tells of one object."""
    required = schema.get("required", ())
    rows = [(code(f"{field}{'' if field in required else '?'}"), _type(of)) for field, of in _own(schema)]
    parts = [f"### {name}", schema.get("description", "")]
    if rows:
        parts.append(table(("field", "type"), rows))
    return "\n\n".join(part for part in parts if part)


def _own(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(schema.get("properties", {}).items())


def _type(schema: dict[str, Any]) -> str:
    """Return a schema in a few words."""
    match schema:
        case {"$ref": str(ref)}:
            name = ref.rpartition("/")[2].rpartition(".")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": list(parts)}:
            return " or ".join(dict.fromkeys(_type(part) for part in parts))
        case {"const": value}:
            return code(value)
        case {"enum": list(values)}:
            return " or ".join(code(value) for value in values)
        case {"type": "array"}:
            inside = _type(schema.get("items", {}))
            return f"list of {f'({inside})' if ' or ' in inside else inside}"
        case {"type": "object"}:
            inside = schema.get("additionalProperties")
            return f"object of {_type(inside)}" if isinstance(inside, dict) else "object"
        case {"type": str(kind)}:
            return kind + _range(schema)
        case _:
            return "anything"


def _range(schema: dict[str, Any]) -> str:
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    unit = " characters" if schema["type"] == "string" else ""
    match low, high:
        case None, None:
            return ""
        case None, _:
            return f" (at most {high}{unit})"
        case _, None:
            return f" (at least {low}{unit})"
        case _:
            return f" ({low} to {high}{unit})"
