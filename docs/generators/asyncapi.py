"""``asyncapi.json``: the WebSocket doors as AsyncAPI 3.0."""

from __future__ import annotations

from typing import Any

from antiphon.version import VERSION
from generators.page import as_json, prose
from generators.wire_types import DOORS, Door, Message, tag

_MODEL = {"type": "string", "description": "Echoed as the session's model; any name is accepted."}
_QUERIES: dict[str, dict[str, Any]] = {
    "realtime": {
        "type": "object",
        "properties": {
            "model": _MODEL,
            "intent": {"const": "transcription", "description": "Without `model`: the session only transcribes."},
            "pace": {
                "const": "realtime",
                "description": "Speech is sent at most 200 ms ahead of the listener, not as fast as it is made.",
            },
        },
    },
    "translations": {"type": "object", "properties": {"model": _MODEL}},
}
_SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key or an ephemeral secret (`ek_…`). Browsers, which cannot set headers, offer the "
        "subprotocols `realtime` and `openai-insecure-api-key.KEY`; `realtime` is selected.",
    },
    "header": {"type": "httpApiKey", "in": "header", "name": "X-API-Key"},
    "azureHeader": {"type": "httpApiKey", "in": "header", "name": "api-key"},
    "query": {"type": "httpApiKey", "in": "query", "name": "api_key"},
}


def document() -> dict[str, Any]:
    """Return the whole document."""
    messages = [(door, message) for door in DOORS for message in (*door.client, *door.server)]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Antiphon Realtime",
            "version": VERSION,
            "description": "One JSON event per text frame, both ways; audio is base64 inside. A refused event is "
            "answered by one `error` that echoes its `event_id`; the session lives on.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": _server("ws"), "localTls": _server("wss")},
        "channels": {door.name: _channel(door) for door in DOORS},
        "operations": {
            f"{door.name}.{action}": _operation(door, action, messages)
            for door in DOORS
            for action, messages in (("receive", door.client), ("send", door.server))
        },
        "components": {
            "messages": {door.name_of(message): _message(door, message) for door, message in messages},
            "schemas": {name: schema for door in DOORS for name, schema in door.schemas().items()},
            "securitySchemes": _SECURITY,
        },
    }


def _channel(door: Door) -> dict[str, Any]:
    return {
        "address": door.address,
        "description": "One connection is one session.",
        "messages": {
            message.__name__: _ref("messages", door.name_of(message)) for message in (*door.client, *door.server)
        },
        "bindings": {"ws": {"method": "GET", "query": _QUERIES[door.name], "bindingVersion": "0.1.0"}},
    }


def _server(protocol: str) -> dict[str, Any]:
    return {
        "host": "127.0.0.1:8000",
        "protocol": protocol,
        "security": [_ref("securitySchemes", name) for name in _SECURITY],
    }


def _operation(door: Door, action: str, messages: tuple[Message, ...]) -> dict[str, Any]:
    channel = f"#/channels/{door.name}"
    return {
        "action": action,
        "summary": "What a client may send." if action == "receive" else "What the server sends.",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{message.__name__}"} for message in messages],
    }


def _message(door: Door, message: Message) -> dict[str, Any]:
    return {
        "name": tag(message),
        "title": tag(message),
        "summary": prose(message.__doc__),
        "payload": _ref("schemas", door.name_of(message)),
    }


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def render() -> str:
    """Return the file's text."""
    return as_json(document())
