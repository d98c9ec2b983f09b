"""``asyncapi.json``: the Realtime WebSocket as AsyncAPI 3.0."""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon.version import VERSION
from generators.page import as_json, prose
from generators.wire_types import CLIENT, SERVER, schemas, tag

_QUERY = {
    "type": "object",
    "properties": {
        "model": {"type": "string", "description": "Echoed as the session's model; any name is accepted."},
        "intent": {
            "const": "transcription",
            "description": "Without `model`: the session only transcribes.",
        },
        "pace": {
            "const": "realtime",
            "description": "Speech is sent at most 200 ms ahead of the listener, not as fast as it is made.",
        },
    },
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
    messages = (*CLIENT, *SERVER)
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
        "channels": {
            "realtime": {
                "address": "/v1/realtime",
                "description": "One connection is one session.",
                "messages": {message.__name__: _ref("messages", message.__name__) for message in messages},
                "bindings": {"ws": {"method": "GET", "query": _QUERY, "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            "receive": _operation("receive", "What a client may send.", CLIENT),
            "send": _operation("send", "What the server sends.", SERVER),
        },
        "components": {
            "messages": {message.__name__: _message(message) for message in messages},
            "schemas": schemas(),
            "securitySchemes": _SECURITY,
        },
    }


def _server(protocol: str) -> dict[str, Any]:
    return {
        "host": "127.0.0.1:8000",
        "protocol": protocol,
        "security": [_ref("securitySchemes", name) for name in _SECURITY],
    }


def _operation(action: str, summary: str, messages: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/realtime"},
        "messages": [{"$ref": f"#/channels/realtime/messages/{message.__name__}"} for message in messages],
    }


def _message(message: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "name": tag(message),
        "title": tag(message),
        "summary": prose(message.__doc__),
        "payload": _ref("schemas", message.__name__),
    }


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def render() -> str:
    """Return the file's text."""
    return as_json(document())
