"""The official SDK's own types, as a check: its client builds events without validating them."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import pydantic
from openai.types.realtime import (
    RealtimeClientEvent,
    RealtimeServerEvent,
    RealtimeTranslationClientEvent,
    RealtimeTranslationServerEvent,
)

from tests.contract.goldens import Direction

KNOWN_EXTRAS = frozenset(
    {"session.id", "session.object", "session.expires_at", "antiphon", "antiphon.resume_token", "session.antiphon"}
)
"""What every server sends and the SDK's types do not name, and the object with what only this one sends."""

OUR_OWN = "antiphon."
"""How the names of events begin that only clients get who ask for them."""


def models(union: Any) -> dict[str, type[pydantic.BaseModel]]:
    """Return the SDK's model of every event in a union of its, by name."""
    members = typing.get_args(typing.get_args(union)[0])
    return {typing.get_args(member.model_fields["type"].annotation)[0]: member for member in members}


MODELS: dict[Direction, dict[str, type[pydantic.BaseModel]]] = {
    "client": models(RealtimeClientEvent),
    "server": models(RealtimeServerEvent),
    "translation/client": models(RealtimeTranslationClientEvent),
    "translation/server": models(RealtimeTranslationServerEvent),
}
_UNIONS: dict[Direction, pydantic.TypeAdapter[Any]] = {
    "server": pydantic.TypeAdapter(RealtimeServerEvent),
    "translation/server": pydantic.TypeAdapter(RealtimeTranslationServerEvent),
}


def complaints(event: dict[str, Any], direction: Direction = "server") -> list[str]:
    """Return what the SDK's types have against a server event."""
    if event["type"].startswith(OUR_OWN):
        return []
    event = _without_own_wishes(event)
    model = MODELS[direction].get(event["type"])
    if model is None:
        return [f"{event['type']} is no server event of the SDK"]
    try:
        parsed = model.model_validate(event, strict=True)
        _UNIONS[direction].validate_python(event)
    except pydantic.ValidationError as error:
        return [f"{event['type']} does not fit the SDK's type: {error}"]
    unknown = set(_extras(parsed, "")) - KNOWN_EXTRAS
    return [f"{event['type']}.{path} is unknown to the SDK" for path in sorted(unknown)]


def _without_own_wishes(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event as whoever asks for nothing of ours gets it: the session echoes what was asked for."""
    asked = (event.get("session") or {}).get("include")
    if not asked:
        return event
    rest = [name for name in asked if not name.startswith(OUR_OWN)]
    return {**event, "session": {**event["session"], "include": rest or None}}


def _extras(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of fields that the SDK's types do not have."""
    if isinstance(value, pydantic.BaseModel):
        yield from (_join(path, name) for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from _extras(getattr(value, name), _join(path, name))
    elif isinstance(value, list):
        for part in value:
            yield from _extras(part, f"{path}[]")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
