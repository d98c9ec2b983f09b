"""``asyncapi.json`` is a sound AsyncAPI document, and names every event of every WebSocket door."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from antiphon.wire.realtime_client import ClientMessage
from antiphon.wire.realtime_server import ServerMessage
from antiphon.wire.translation import TranslationClientMessage, TranslationServerMessage
from tests.contract.recorder import ASYNCAPI

DOCUMENT: dict[str, Any] = json.loads(ASYNCAPI.read_text("utf-8"))
OPERATIONS = {
    "realtime.receive": ClientMessage,
    "realtime.send": ServerMessage,
    "translations.receive": TranslationClientMessage,
    "translations.send": TranslationServerMessage,
}


def resolve(reference: str) -> Any:
    """Return what a reference inside the document points at."""
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inside in value.values():
            yield from references(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from references(inside)


def test_it_says_what_it_is() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["title"]
    assert set(DOCUMENT["components"]["securitySchemes"]) == {"bearer", "header", "azureHeader", "query"}


def test_every_reference_leads_somewhere_and_every_component_is_referred_to() -> None:
    named = set(references(DOCUMENT))
    assert named
    for reference in named:
        assert isinstance(resolve(reference), dict), reference
    for kind in ("messages", "schemas", "securitySchemes"):
        assert {f"#/components/{kind}/{name}" for name in DOCUMENT["components"][kind]} <= named


@pytest.mark.parametrize(("operation", "union"), OPERATIONS.items())
def test_an_operation_carries_every_event_of_its_direction(operation: str, union: Any) -> None:
    found = DOCUMENT["operations"][operation]
    assert found["action"] == operation.rpartition(".")[2]
    channel = resolve(found["channel"]["$ref"])
    messages = [resolve(resolve(message["$ref"])["$ref"]) for message in found["messages"]]
    assert {message["name"] for message in messages} == {kind.__struct_config__.tag for kind in typing.get_args(union)}
    assert all(message["summary"] for message in messages)
    assert channel["address"].startswith("/v1/realtime")


def test_there_are_no_operations_beside_these() -> None:
    assert set(DOCUMENT["operations"]) == set(OPERATIONS)


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_a_schema_is_a_json_schema(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft7Validator.check_schema(schema)  # what AsyncAPI's own schema objects build on
    assert "$defs" not in schema
    assert "discriminator" not in json.dumps(schema)


@pytest.mark.parametrize("message", [message for union in (ServerMessage,) for message in typing.get_args(union)])
def test_a_server_event_demands_what_is_always_sent(message: Any) -> None:
    schema = DOCUMENT["components"]["schemas"][message.__name__]
    assert {"type", "event_id"} <= set(schema["required"])
    assert set(schema["required"]) | {"logprobs", "antiphon"} >= set(schema["properties"])
