"""A frame that is no valid event is refused with a code and the path of its field, whichever field it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antiphon.wire import realtime_codec
from antiphon.wire.event_decoder import BadEvent
from tests.contract import goldens, refusal_table
from tests.contract.recorder import check_server_event
from tests.simulation import World

CODES = {
    "unknown": "unknown_parameter",
    "missing": "missing_required_parameter",
    "mistyped": "invalid_value",
}
FREE_FORM = {"item.error", "session.tracing.metadata", "session.tools[0].surprise"}
"""Fields that take any JSON; the last one is a tool of type ``mcp``, which is refused as a whole."""


def _refusal(frame: str) -> BadEvent:
    with pytest.raises(BadEvent) as caught:
        realtime_codec.decode(frame)
    return caught.value


@pytest.mark.parametrize(("direction", "name"), refusal_table.cases())
def test_every_wrong_field_of_an_event_is_refused_as_recorded(direction: goldens.Direction, name: str) -> None:
    assert refusal_table.observed(direction, name) == refusal_table.recorded()[f"{direction}/{name}"]


@pytest.mark.parametrize("event", refusal_table.recorded())
def test_a_refusal_names_the_field_and_what_is_wrong_with_it(event: str) -> None:
    for wrong, found in refusal_table.recorded()[event].items():
        kind, path = wrong.split(" ")
        if found == refusal_table.ACCEPTED:
            assert kind == "missing" or path in FREE_FORM
        else:
            assert found == f"{CODES[kind]} {path}"


def test_the_table_has_no_events_that_are_gone() -> None:
    assert set(refusal_table.recorded()) == {f"{direction}/{name}" for direction, name in refusal_table.cases()}


@pytest.mark.parametrize("name", goldens.names("client"))
def test_a_refusal_echoes_the_event_id(name: str) -> None:
    refused = _refusal(json.dumps(goldens.event("client", name) | {"surprise": 1}))
    assert refused.event_id == "event_client_1"


SESSION: dict[str, Any] = {"type": "realtime"}
VALUES = [
    ({"type": "input_audio_buffer.append", "audio": 7}, "invalid_value", "audio"),
    ({"type": "input_audio_buffer.commit", "event_id": "x" * 513}, "string_above_max_length", "event_id"),
    ({"type": "transcription_session.update", "session": {}}, "invalid_value", "type"),
    ({"type": 7}, "invalid_value", "type"),
    ({"event_id": "e"}, "missing_required_parameter", "type"),
    ([], "invalid_value", None),
    ("hello", "invalid_value", None),
    (None, "invalid_value", None),
]
LIMITS = [
    ({"max_output_tokens": 0}, "session.max_output_tokens"),
    ({"max_output_tokens": 4097}, "session.max_output_tokens"),
    ({"max_output_tokens": "lots"}, "session.max_output_tokens"),
    ({"output_modalities": ["video"]}, "session.output_modalities[0]"),
    ({"tool_choice": "always"}, "session.tool_choice"),
    ({"reasoning": {"effort": "none"}}, "session.reasoning.effort"),
    ({"truncation": {"type": "retention_ratio", "retention_ratio": 1.5}}, "session.truncation.retention_ratio"),
    ({"audio": {"output": {"speed": 1.6}}}, "session.audio.output.speed"),
    ({"audio": {"output": {"speed": 0.2}}}, "session.audio.output.speed"),
    ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}}, "session.audio.input.format.rate"),
    ({"audio": {"input": {"format": {"type": "audio/opus"}}}}, "session.audio.input.format.type"),
    ({"audio": {"input": {"turn_detection": {"type": "none"}}}}, "session.audio.input.turn_detection.type"),
    (
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 1.1}}}},
        "session.audio.input.turn_detection.threshold",
    ),
    (
        {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "wild"}}}},
        "session.audio.input.turn_detection.eagerness",
    ),
    ({"tools": [{"type": "function", "name": ""}]}, "session.tools[0].name"),
    ({"modalities": ["text", "audio"]}, "session.modalities"),
]


@pytest.mark.parametrize(("frame", "code", "param"), VALUES, ids=lambda value: str(value)[:40])
def test_a_frame_that_is_no_event_is_refused(frame: Any, code: str, param: str | None) -> None:
    refused = _refusal(json.dumps(frame))
    assert (refused.code, refused.param) == (code, param)


@pytest.mark.parametrize(("wish", "param"), LIMITS, ids=lambda value: str(value)[:60])
def test_a_value_out_of_its_range_is_refused_by_the_name_of_its_field(wish: dict[str, Any], param: str) -> None:
    refused = _refusal(json.dumps({"type": "session.update", "event_id": "e1", "session": SESSION | wish}))
    assert refused.param == param
    assert refused.code == ("unknown_parameter" if param == "session.modalities" else "invalid_value")
    assert refused.event_id == "e1"


NESTED = "[" * 99_999 + "]" * 99_999
DEEP = '{"type":"session.update","session":{"type":"realtime","tracing":{"metadata":' + NESTED + "}}}"


@pytest.mark.parametrize("frame", ["", "{", '{"type":', "\x00", '{"type":"response.create"} x', DEEP])
def test_a_frame_that_is_no_json_is_refused_as_that(frame: str) -> None:
    refused = _refusal(frame)
    assert (refused.code, refused.param, refused.event_id) == ("invalid_json", None, None)


@pytest.mark.parametrize(
    ("role", "content", "param"),
    [
        ("user", {"type": "output_text", "text": "x"}, "item.content[0].type"),
        ("assistant", {"type": "input_text", "text": "x"}, "item.content[0].type"),
        ("system", {"type": "input_audio", "audio": "AAA="}, "item.content[0].type"),
    ],
)
def test_content_that_a_role_cannot_hold_is_refused_by_its_place(role: str, content: Any, param: str) -> None:
    item = {"type": "message", "role": role, "content": [content]}
    refused = _refusal(json.dumps({"type": "conversation.item.create", "item": item}))
    assert (refused.code, refused.param) == ("invalid_value", param)


def test_audio_that_is_no_base64_is_refused_by_the_name_of_its_field() -> None:
    with pytest.raises(BadEvent) as caught:
        realtime_codec.decode_audio("not base64!", param="audio", event_id="e1")
    assert (caught.value.code, caught.value.param, caught.value.event_id) == ("invalid_value", "audio", "e1")


REFUSED_BY_THE_SESSION = [
    ("session.update~words", "invalid_value", "session.tools[0].type"),
    ("output_audio_buffer.clear", "invalid_value", "type"),
    ("conversation.item.create~mcp_call", "invalid_value", "item.type"),
    ("conversation.item.retrieve", "item_retrieve_invalid_item_id", "item_id"),
    ("conversation.item.delete", "item_delete_invalid_item_id", "item_id"),
    ("conversation.item.truncate", "item_truncate_invalid_item_id", "item_id"),
    ("conversation.item.create~function_call_output", "item_create_invalid_call_id", "item.call_id"),
    ("conversation.item.create~system", "item_create_invalid_previous_item_id", "previous_item_id"),
    ("response.create~item_reference", "invalid_value", "response.input[0].id"),
    ("response.cancel", "response_cancel_not_active", None),
    ("input_audio_buffer.commit", "input_audio_buffer_commit_empty", None),
    ("session.update~transcription", "invalid_value", "session.type"),
]


@pytest.mark.parametrize(("name", "code", "param"), REFUSED_BY_THE_SESSION)
def test_what_a_session_cannot_do_is_one_error_that_echoes_the_event(name: str, code: str, param: str | None) -> None:
    event = goldens.event("client", name)
    (error,) = World().send(event.pop("type"), **event)
    check_server_event(error)
    assert (error["error"]["code"], error["error"]["param"]) == (code, param)
    assert error["error"]["event_id"] == "event_client_1"
