"""Holds every event that a server sends against the contract, and remembers which events were seen.

Journeys call `check_server_event` on all that they receive. What was seen stays in this process and, where
``ANTIPHON_TEST_SEEN_EVENTS`` names a file, in that file too, so that test runs in several processes add up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
from jsonschema.protocols import Validator

from tests.contract import goldens, sdk
from tests.contract.goldens import Direction

CHANNELS: dict[Direction, str] = {
    "client": "realtime",
    "server": "realtime",
    "translation/client": "translations",
    "translation/server": "translations",
}
"""The channel of AsyncAPI that events of a direction travel through."""
ASYNCAPI = Path(__file__).resolve().parents[2] / "docs" / "reference" / "asyncapi.json"
SEEN_VARIABLE = "ANTIPHON_TEST_SEEN_EVENTS"

NULLABLE = frozenset(
    {
        "previous_item_id",
        "item.content[].transcript",
        "response.status_details",
        "response.status_details.error.code",
        "response.conversation_id",
        "response.usage",
        "response.metadata",
        "response.output[].content[].transcript",
        "error.code",
        "error.param",
        "error.event_id",
        "session.audio.input.transcription",
        "session.audio.input.noise_reduction",
        "session.audio.input.turn_detection",
        "session.audio.input.turn_detection.idle_timeout_ms",
        "session.tracing",
        "session.prompt",
        "session.include",
        "client_event_id",
    }
)
"""Where a null may stand. Anywhere else a field without a value is left out: strict clients drop the whole event."""

_seen: set[str] = set()


class ContractError(AssertionError):
    """A server event does not keep the contract."""


def check_server_event(event: dict[str, Any], direction: Direction = "server") -> None:
    """Raise `ContractError` unless an event, as parsed from its frame, keeps the whole contract; else note it as seen.

    Our own types, AsyncAPI, the SDK's types, the rules on nulls and what strict clients need of items: all must agree.
    Events of the translation door have the ``direction`` "translation/server".
    """
    found = [
        *_own_type(event, direction),
        *asyncapi_complaints(event, direction),
        *sdk.complaints(event, direction),
        *(f"{path} is null" for path in sorted(set(nulls(event)) - NULLABLE)),
        *_item_complaints(event),
    ]
    if found:
        raise ContractError(f"{event.get('type')}: {'; '.join(found)}\n{json.dumps(event, indent=2)[:4000]}")
    _note(f"{direction} {event['type']}")


def _own_type(event: dict[str, Any], direction: Direction) -> list[str]:
    try:
        known = json.loads(msgspec.json.encode(msgspec.convert(event, goldens.UNIONS[direction])))
    except msgspec.ValidationError as error:
        return [f"does not fit our own type: {error}"]
    return [] if known == event else [f"holds fields that our own type does not have, or lacks some: {known}"]


def asyncapi_complaints(event: dict[str, Any], direction: Direction) -> list[str]:
    """Return what AsyncAPI's schema of the event has against it."""
    validator = _validators(CHANNELS[direction]).get(event["type"])
    if validator is None:
        return ["is not in AsyncAPI"]
    return [f"AsyncAPI: {error.json_path} {error.message}" for error in validator.iter_errors(event)]


@cache
def _validators(channel: str) -> dict[str, Validator]:
    document = json.loads(ASYNCAPI.read_text("utf-8"))
    components = document["components"]
    names = [ref["$ref"].rpartition("/")[2] for ref in document["channels"][channel]["messages"].values()]
    messages = [components["messages"][name] for name in names]
    return {
        message["name"]: jsonschema.Draft202012Validator({**message["payload"], "components": components})
        for message in messages
    }


def nulls(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of all nulls; list indexes are left out. Free-form objects of clients do not count."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for name, inside in value.items():
            if name not in ("parameters", "variables") and not path.endswith("tracing.metadata"):
                yield from nulls(inside, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inside in value:
            yield from nulls(inside, f"{path}[]")


def _item_complaints(event: dict[str, Any]) -> Iterator[str]:
    """Yield what strict clients miss in the items of an event."""
    for item in [event.get("item"), *event.get("response", {}).get("output", ())]:
        if item is None:
            continue
        missing = {"id", "object", "status"} - set(item)
        if missing:
            yield f"item without {sorted(missing)}"
        for part in item.get("content") or ():
            if part["type"] == "input_audio" and "transcript" not in part:
                yield "input_audio without the key transcript"


def _note(kind: str) -> None:
    if kind in _seen:
        return
    _seen.add(kind)
    shared = os.environ.get(SEEN_VARIABLE)
    if shared:
        with Path(shared).open("a", encoding="utf-8") as file:
            file.write(f"{kind}\n")


def seen() -> frozenset[str]:
    """Return the events seen so far, by this process and by those that share the file."""
    shared = os.environ.get(SEEN_VARIABLE)
    noted = Path(shared).read_text("utf-8").splitlines() if shared and Path(shared).exists() else []
    return frozenset({*_seen, *noted})


def unseen() -> list[str]:
    """Return the documented server events that no journey has received yet."""
    directions: tuple[Direction, ...] = ("server", "translation/server")
    documented = [f"{direction} {kind}" for direction in directions for kind in goldens.types(direction)]
    return [kind for kind in documented if kind not in seen()]
