"""Every Realtime event has a golden file, and means the same to us, to AsyncAPI and to the official SDK."""

from __future__ import annotations

import json
import typing
from typing import Any

import msgspec
import pytest

from antiphon.wire import realtime_codec
from antiphon.wire.event_decoder import EventDecoder
from antiphon.wire.realtime_server import ResponseOutputAudioDelta
from tests.contract import goldens, sdk
from tests.contract.recorder import asyncapi_complaints, check_server_event

DIRECTIONS = list(goldens.UNIONS)
CLIENT = [(direction, name) for direction in DIRECTIONS[0::2] for name in goldens.names(direction)]
SERVER = [(direction, name) for direction in DIRECTIONS[1::2] for name in goldens.names(direction)]
BEYOND_THE_SDK = {("client", "response.create~item_reference"), ("translation/client", "session.update")}
"""An item that OpenAI documents, and the session's ``type``: its SDK's types have neither."""

NOT_WHOLE = {
    "client": {"McpListTools", "McpCall", "McpApprovalRequest", "McpApprovalResponse"},  # one field list for all four
    "server": {"ToolChoiceMcp"},  # refused, so never echoed
    "translation/client": set[str](),
    "translation/server": set[str](),
}
"""Objects some of whose fields stand in no golden."""

NOT_SENT = {
    "conversation.created": "no client waits for it",
    "conversation.item.created": "the beta's name of conversation.item.added",
    "conversation.item.input_audio_transcription.segment": "speakers are not told apart",
    "input_audio_buffer.dtmf_event_received": "there is no telephone line",
    "output_audio_buffer.started": "only WebRTC and SIP have a playout buffer at the server",
    "output_audio_buffer.stopped": "as above",
    "output_audio_buffer.cleared": "as above",
    "mcp_list_tools.in_progress": "MCP tools are refused",
    "mcp_list_tools.completed": "as above",
    "mcp_list_tools.failed": "as above",
    "response.mcp_call_arguments.delta": "as above",
    "response.mcp_call_arguments.done": "as above",
    "response.mcp_call.in_progress": "as above",
    "response.mcp_call.completed": "as above",
    "response.mcp_call.failed": "as above",
}
"""What the SDK knows and this server never sends (docs/adr/0006-events-not-sent.md)."""


# -- the files -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_event_has_a_golden_and_every_golden_is_an_event(direction: goldens.Direction) -> None:
    found = {name.partition("~")[0] for name in goldens.names(direction)}
    assert found == set(goldens.types(direction))
    assert all(goldens.event(direction, name)["type"] == name.partition("~")[0] for name in goldens.names(direction))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_field_of_every_object_stands_in_a_golden(direction: goldens.Direction) -> None:
    union = goldens.UNIONS[direction]
    shown: dict[str, set[str]] = {}
    for name in goldens.names(direction):
        _note(msgspec.json.decode(goldens.text(direction, name), type=union), shown)
    _, schemas = msgspec.json.schema_components(typing.get_args(union))
    left_out = {name: set(schema["properties"]) - {"type"} - shown.get(name, set()) for name, schema in schemas.items()}
    missing = {name for name, fields in left_out.items() if fields}
    assert missing == NOT_WHOLE[direction]


def _note(value: Any, shown: dict[str, set[str]]) -> None:
    """Note which fields of which struct are there."""
    if isinstance(value, msgspec.Struct):
        for name, on_the_wire in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            inside = getattr(value, name)
            if inside is not msgspec.UNSET:
                shown.setdefault(type(value).__name__, set()).add(on_the_wire)
                _note(inside, shown)
    elif isinstance(value, list | tuple):
        for inside in value:
            _note(inside, shown)


# -- to us -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("direction", "name"), CLIENT + SERVER)
def test_decoding_and_encoding_gives_the_same_event(direction: goldens.Direction, name: str) -> None:
    decoded = msgspec.json.decode(goldens.text(direction, name), type=goldens.UNIONS[direction])
    assert json.loads(msgspec.json.encode(decoded)) == goldens.event(direction, name)


@pytest.mark.parametrize(("direction", "name"), CLIENT)
def test_a_client_event_decodes_without_its_event_id(direction: goldens.Direction, name: str) -> None:
    event = goldens.event(direction, name)
    del event["event_id"]
    decoded = EventDecoder[Any](goldens.UNIONS[direction]).decode(json.dumps(event))
    assert decoded.event_id is None
    assert decoded.__struct_config__.tag == event["type"]


def test_the_quick_encoding_of_audio_is_the_ordinary_one() -> None:
    event = goldens.event("server", "response.output_audio.delta")
    empty = msgspec.convert(event | {"delta": ""}, ResponseOutputAudioDelta)
    assert json.loads(realtime_codec.encode_audio_delta(empty, b"\x00\x00\x01\x00\xff\xff")) == event | {
        "delta": "AAABAP//"
    }


# -- to AsyncAPI and the SDK -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("direction", "name"), CLIENT)
def test_a_client_event_is_valid_by_asyncapi(direction: goldens.Direction, name: str) -> None:
    assert asyncapi_complaints(goldens.event(direction, name), direction) == []


@pytest.mark.parametrize(("direction", "name"), [case for case in CLIENT if case not in BEYOND_THE_SDK])
def test_a_client_event_fits_the_types_of_the_sdk(direction: goldens.Direction, name: str) -> None:
    event = goldens.event(direction, name)
    parsed = sdk.MODELS[direction][event["type"]].model_validate(event, strict=True)
    assert parsed.model_dump(exclude_unset=True) == event


@pytest.mark.parametrize(("direction", "name"), SERVER)
def test_a_server_event_keeps_the_whole_contract(direction: goldens.Direction, name: str) -> None:
    event = goldens.event(direction, name)
    check_server_event(event, direction)
    if name.startswith(sdk.OUR_OWN):
        return
    parsed = sdk.MODELS[direction][event["type"]].model_validate(event, strict=True)
    assert parsed.model_dump(exclude_unset=True) == event


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_sdk_knows_every_event_of_ours_and_the_ones_we_never_send_are_named(direction: goldens.Direction) -> None:
    theirs, ours = set(sdk.MODELS[direction]), set(goldens.types(direction))
    ours -= {name for name in ours if name.startswith(sdk.OUR_OWN)}
    assert ours <= theirs
    assert theirs - ours == (set(NOT_SENT) if direction == "server" else set())
