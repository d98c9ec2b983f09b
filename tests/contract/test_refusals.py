"""A frame that is no valid event is refused with a code and the path of its field, whichever field it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
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


def tool(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "name": "f", "parameters": parameters}


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


WIDE = {"enum": list(range(10_000))}
LONG = {"description": "x" * 200_000}
BIG = {"minimum": 10**400}
SIZES = [
    *(({"tools": [tool({}), tool(schema)]}, "tools[1].parameters", "invalid_value") for schema in (WIDE, LONG, BIG)),
    ({"tools": [tool({})] * 129}, "tools", "array_above_max_length"),
    ({"tools": [tool({}) | {"description": "x" * 16_385}]}, "tools[0].description", "string_above_max_length"),
    ({"tool_choice": {"type": "function", "name": "x" * 257}}, "tool_choice.name", "string_above_max_length"),
    ({"prompt": {"id": "p", "variables": WIDE}}, "prompt.variables", "invalid_value"),
    ({"audio": {"output": {"voice": "x" * 257}}}, "audio.output.voice", "string_above_max_length"),
]
SESSION_SIZES = [
    ({"tracing": {"metadata": WIDE}}, "tracing.metadata", "invalid_value"),
    ({"tracing": {"group_id": "x" * 257}}, "tracing.group_id", "string_above_max_length"),
    ({"model": "x" * 257}, "model", "string_above_max_length"),
    ({"include": ["antiphon.degraded"] * 17}, "include", "array_above_max_length"),
    (
        {
            "truncation": {
                "type": "retention_ratio",
                "retention_ratio": 1,
                "token_limits": {"post_instructions": 10**30},
            }
        },
        "truncation.token_limits.post_instructions",
        "invalid_value",
    ),
    (
        {"audio": {"input": {"transcription": {"prompt": "x" * 16_385}}}},
        "audio.input.transcription.prompt",
        "string_above_max_length",
    ),
    (
        {"audio": {"input": {"transcription": {"keywords": ["x"] * 501}}}},
        "audio.input.transcription.keywords",
        "array_above_max_length",
    ),
]
ID_SIZES = [
    ({"type": "conversation.item.delete", "item_id": "x" * 129}, "item_id"),
    ({"type": "conversation.item.retrieve", "item_id": "x" * 129}, "item_id"),
    ({"type": "response.cancel", "response_id": "x" * 129}, "response_id"),
]


@pytest.mark.parametrize(("wish", "param", "code"), [*SIZES, *SESSION_SIZES], ids=lambda value: str(value)[:60])
def test_a_session_that_is_too_large_is_refused_by_the_name_of_its_field(
    wish: dict[str, Any], param: str, code: str
) -> None:
    refused = _refusal(json.dumps({"type": "session.update", "event_id": "e1", "session": SESSION | wish}))
    assert (refused.code, refused.param, refused.event_id) == (code, f"session.{param}", "e1")


@pytest.mark.parametrize(("wish", "param", "code"), SIZES, ids=lambda value: str(value)[:60])
def test_a_response_that_is_too_large_is_refused_by_the_name_of_its_field(
    wish: dict[str, Any], param: str, code: str
) -> None:
    refused = _refusal(json.dumps({"type": "response.create", "event_id": "e1", "response": wish}))
    assert (refused.code, refused.param, refused.event_id) == (code, f"response.{param}", "e1")


@pytest.mark.parametrize(("event", "param"), ID_SIZES, ids=lambda value: str(value)[:40])
def test_an_id_that_is_too_long_is_refused_and_not_repeated(event: dict[str, Any], param: str) -> None:
    refused = _refusal(json.dumps(event))
    assert (refused.code, refused.param) == ("string_above_max_length", param)
    assert len(refused.message) < 100


def test_what_a_client_has_written_is_not_repeated_at_length() -> None:
    unknown = _refusal(json.dumps({"type": "response.cancel", "x" * 100_000: 1}))
    assert unknown.code == "unknown_parameter"
    value = _refusal(json.dumps({"type": "response.create", "response": {"conversation": "x" * 100_000}}))
    assert (value.code, value.param) == ("invalid_value", "response.conversation")
    assert unknown.message.count("x") + str(unknown.param).count("x") <= 256
    assert value.message.count("x") <= 256


def texts(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return the place of every text in an event."""
    members: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for name, member in members:
        yield from texts(member, (*path, name))


def place(event: Any, path: tuple[str | int, ...]) -> Any:
    for name in path:
        event = event[name]
    return event


HALVES = ["\ud800", "\udfff", "a\ud83d", "\ude00\ud83d b"]


@pytest.mark.parametrize("half", HALVES, ids=ascii)
@pytest.mark.parametrize("name", goldens.names("client"))
def test_half_a_character_in_any_text_of_an_event_is_one_refusal_with_its_id(name: str, half: str) -> None:
    event = goldens.event("client", name)
    for *path, last in texts(event):
        if (*path, last) == ("event_id",):
            continue
        broken = json.loads(json.dumps(event))
        place(broken, tuple(path))[last] = half
        refused = _refusal(json.dumps(broken))
        assert (refused.code, refused.event_id) == ("invalid_json", "event_client_1"), (path, last)
        field = str(path[0]) if path else str(last)
        assert str(refused.param).startswith(field), (path, last)
        assert refused.message.isascii()


@pytest.mark.parametrize("half", HALVES, ids=ascii)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("name", "path"), [
    ("session.update", ()),
    ("session.update", ("session",)),
    ("session.update", ("session", "surprise")),
    ("conversation.item.create", ("item", "content", 0)),
    ("response.create", ("response", "metadata")),
    ("surprise", ()),
])  # fmt: skip
def test_half_a_character_in_a_name_is_one_refusal_with_the_id(
    name: str, path: tuple[str | int, ...], before: bool, half: str
) -> None:
    event: dict[str, Any] = {"type": name, "event_id": "event_client_1"}
    event |= {"session": {"surprise": {}}, "item": {"content": [{}]}, "response": {"metadata": {}}}
    inner = place(event, path)
    others = dict(inner)
    inner.clear()
    inner.update({half: 1, **others} if before else {**others, half: 1})
    assert _refusal(json.dumps(event)).event_id == "event_client_1"


def test_an_id_of_half_a_character_is_no_id() -> None:
    refused = _refusal(json.dumps({"type": "input_audio_buffer.commit", "event_id": "a\ud800"}))
    assert (refused.code, refused.param, refused.event_id) == ("invalid_json", "event_id", None)


def test_two_halves_that_belong_together_are_a_character() -> None:
    frame = json.dumps({"type": "input_audio_buffer.commit", "event_id": "\U0001f600"})
    assert "\\ud83d\\ude00" in frame
    assert realtime_codec.decode(frame).event_id == "\U0001f600"


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
