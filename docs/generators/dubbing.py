"""``dubbing-events.md`` and ``dubbing-schema.json``: what travels over Socket.IO, in tables and as JSON Schema."""

from __future__ import annotations

from antiphon.dubbing.codes import NATURES
from antiphon.wire import dubbing_client, dubbing_server
from generators.events import fields, object_page
from generators.page import as_json, code, page, prose, table
from generators.wire_types import Door, Message

_DEFS = "#/$defs/"
DOOR = Door(
    "dubbing",
    "/socket.io/",
    tuple(dict.fromkeys(dubbing_client.EVENTS.values())),
    tuple(dict.fromkeys(dubbing_server.EVENTS.values())),
)


def render_schema() -> str:
    """Return the JSON Schema of every payload: ``client`` and ``server`` by the event's name."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Antiphon dubbing events",
        "client": _payloads(dubbing_client.EVENTS),
        "server": _payloads(dubbing_server.EVENTS),
        "$defs": DOOR.schemas(),
    }
    return as_json(document).replace("#/components/schemas/", _DEFS)


def _payloads(events: dict[str, Message]) -> dict[str, dict[str, str]]:
    return {name: {"$ref": f"{_DEFS}{kind.__name__}"} for name, kind in events.items()}


def render() -> str:
    """Return the page."""
    found = DOOR.schemas()
    messages = {kind.__name__ for kind in (*DOOR.client, *DOOR.server)}
    codes = [
        (code(name), "yes" if nature.retryable else "no", nature.severity) for name, nature in sorted(NATURES.items())
    ]
    return page(
        "Dubbing events",
        "Socket.IO at `/socket.io/`, namespace `/`; every event has one object as its payload. A field with `?` may "
        "be absent. How they follow each other is in [Dub live streams](../how-to/dub.md); the same as JSON Schema: "
        "[dubbing-schema.json](dubbing-schema.json).",
        "## From the worker",
        "Unknown events and fields are ignored. The last two are there in echo mode only.",
        _events(dubbing_client.EVENTS),
        "## From the server",
        _events(dubbing_server.EVENTS),
        "## Error codes",
        "Of `error` events, of refused connections (`AUTH_FAILED`, `RATE_LIMIT`), and of `error` in results.",
        table(("code", "may be tried again", "severity"), codes),
        "## Objects",
        *(object_page(name, schema) for name, schema in sorted(found.items()) if name not in messages),
    )


def _events(events: dict[str, Message]) -> str:
    found = DOOR.schemas()
    rows = [
        (code(name), prose(kind.__doc__), ", ".join(fields(found[kind.__name__])) or "–")
        for name, kind in events.items()
    ]
    return table(("event", "meaning", "fields"), rows)
