"""Which fields may be null, and which are left out instead: strict clients drop an event, or end, over a null."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import NODEFAULT, inspect

from antiphon.wire.realtime_server import ServerMessage
from tests.contract import goldens
from tests.contract.recorder import NULLABLE, ContractError, check_server_event
from tests.simulation import World

NEVER_NULL = {
    "item": ("id", "arguments", "call_id", "content", "name", "role", "status", "server_label", "tools"),
    "part": ("audio", "text", "transcript"),
    "conversation": ("id", "object"),
    "error": ("type", "message"),
}
"""Left out where there is no value, never null; ``error.code`` and ``.param`` only in a failed transcription."""
ALWAYS_THERE = {
    "conversation.item.added": "previous_item_id",
    "conversation.item.done": "previous_item_id",
    "input_audio_buffer.committed": "previous_item_id",
}
"""Null, and never left out: clients build their order of items on it."""


def test_what_must_be_left_out_is_nowhere_allowed_to_be_null() -> None:
    forbidden = {f"{place}.{name}" for place, names in NEVER_NULL.items() for name in names}
    forbidden |= {f"response.output[].{name}" for name in NEVER_NULL["item"]}
    assert not forbidden & NULLABLE


CASES = [
    (name, place, field)
    for name in goldens.names("server")
    for place, fields in NEVER_NULL.items()
    for field in fields
    if place in goldens.event("server", name)
]


@pytest.mark.parametrize(("name", "place", "field"), CASES)
def test_a_null_where_none_may_stand_breaks_the_contract(name: str, place: str, field: str) -> None:
    event = goldens.event("server", name)
    with pytest.raises(ContractError, match="null"):
        check_server_event(event | {place: event[place] | {field: None}})


@pytest.mark.parametrize("field", ["name", "limit", "remaining", "reset_seconds"])
def test_a_null_in_a_rate_limit_breaks_the_contract(field: str) -> None:
    event = goldens.event("server", "rate_limits.updated")
    with pytest.raises(ContractError, match="null"):
        check_server_event(event | {"rate_limits": [event["rate_limits"][0] | {field: None}]})


@pytest.mark.parametrize(("kind", "field"), ALWAYS_THERE.items())
def test_a_field_that_clients_count_on_may_be_null_and_not_absent(kind: str, field: str) -> None:
    event = goldens.event("server", kind)
    check_server_event(event | {field: None})
    del event[field]
    with pytest.raises(ContractError):
        check_server_event(event)


@pytest.mark.parametrize("field", ["code", "param", "event_id"])
def test_an_error_always_has_all_five_keys(field: str) -> None:
    event = goldens.event("server", "error")
    check_server_event(event | {"error": event["error"] | {field: None}})
    with pytest.raises(ContractError):
        check_server_event(event | {"error": {name: value for name, value in event["error"].items() if name != field}})


def test_a_failed_transcription_leaves_out_what_it_does_not_know() -> None:
    event = goldens.event("server", "conversation.item.input_audio_transcription.failed")
    check_server_event(event | {"error": {"type": "server_error", "message": "It failed."}})
    with pytest.raises(ContractError):
        check_server_event(event | {"error": event["error"] | {"param": None}})


def test_every_field_that_its_type_lets_be_null_is_on_the_list() -> None:
    """New nullable fields are found here; what clients may send as null is looked at below."""
    found = {path for kind in typing.get_args(ServerMessage) for path in _nullable(inspect.type_info(kind), "")}
    assert found - NULLABLE == {path for path in found if path.endswith("format.rate")}  # see the next test


def test_a_null_rate_of_a_client_is_echoed_as_the_rate_it_means() -> None:
    pcm = {"type": "audio/pcm", "rate": None}
    world = World()
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"format": pcm}}})
    updated = world.last("session.updated")
    check_server_event(updated)
    assert updated["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}


def _nullable(info: inspect.Type, path: str) -> Iterator[str]:
    """Yield the paths that may be null by their type, but for fields that may be absent too: those are wishes."""
    match info:
        case inspect.StructType():
            for field in info.fields:
                may_be_absent = not field.required and field.default is field.default_factory is NODEFAULT
                if not may_be_absent:
                    yield from _nullable(field.type, f"{path}.{field.encode_name}" if path else field.encode_name)
        case inspect.UnionType():
            if info.includes_none:
                yield path
            for part in info.types:
                if not isinstance(part, inspect.NoneType):
                    yield from _nullable(part, path)
        case inspect.ListType() | inspect.VarTupleType():
            yield from _nullable(info.item_type, f"{path}[]")
        case inspect.Metadata():
            yield from _nullable(info.type, path)
        case _:
            pass


# -- nulls that clients send -----------------------------------------------------------------------------------------
ITEMS: list[dict[str, Any]] = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi.", "audio": None}]},
    {"type": "message", "role": "user", "content": [{"type": "input_audio", "text": None, "transcript": None}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi.", "transcript": None}]},
    {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief.", "detail": None}]},
    {"type": "function_call", "call_id": None, "name": "get_weather", "arguments": "{}"},
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: f"{item['type']}-{item.get('role', '')}")
def test_nulls_in_a_clients_item_are_not_sent_back(item: dict[str, Any]) -> None:
    world = World()
    sent = world.send("conversation.item.create", item={"id": None, "object": None, "status": None, **item})
    assert [event["type"] for event in sent] == ["conversation.item.added", "conversation.item.done"]
    for event in sent:
        check_server_event(event)
