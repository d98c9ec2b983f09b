"""Every refusal of the machine names its field and changes nothing; and some edges of what is heard."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.conversation import effects, inputs
from tests.contract.recorder import check_server_event
from tests.options import session_rules
from tests.simulation import World

MCP_CHOICE = {"type": "mcp", "server_label": "x"}
AUDIO_PART = {"type": "output_audio", "transcript": "x"}


def message(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


@pytest.mark.parametrize(
    ("kind", "fields", "code", "param"),
    [
        (
            "conversation.item.create",
            {"item": message("assistant", AUDIO_PART)},
            "invalid_value",
            "item.content[0].type",
        ),
        (
            "conversation.item.create",
            {"item": message("user", {"type": "input_image"})},
            "missing_required_parameter",
            "item.content[0].image_url",
        ),
        (
            "conversation.item.create",
            {"item": message("user", {"type": "input_text"})},
            "missing_required_parameter",
            "item.content[0].text",
        ),
        (
            "conversation.item.create",
            {"item": {"type": "function_call_output", "call_id": "nobody", "output": ""}},
            "item_create_invalid_call_id",
            "item.call_id",
        ),
        ("session.update", {"session": {"type": "transcription"}}, "invalid_value", "session.type"),
        (
            "session.update",
            {"session": {"type": "realtime", "tool_choice": MCP_CHOICE}},
            "invalid_value",
            "session.tool_choice.type",
        ),
        (
            "session.update",
            {"session": {"type": "realtime", "output_modalities": ["audio", "text"]}},
            "invalid_value",
            "session.output_modalities",
        ),
        ("response.create", {"response": {"tool_choice": "required"}}, "invalid_value", "response.tool_choice"),
        ("output_audio_buffer.clear", {}, "invalid_value", "type"),
    ],
)
def test_a_refusal_names_its_field_and_changes_nothing(
    kind: str, fields: dict[str, Any], code: str, param: str
) -> None:
    world = World(session_rules(accepts_images=True), contract=check_server_event)
    world.say_text()
    before = [record.item for record in world.machine.state.records], world.machine.state.session
    events = world.send(kind, event_id="mine", **fields)
    assert [event["type"] for event in events] == ["error"]
    error = events[0]["error"]
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")
    assert ([record.item for record in world.machine.state.records], world.machine.state.session) == before


def test_the_voice_is_fixed_once_it_was_heard_but_may_be_repeated() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    world.finish()
    other = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
    assert world.send("session.update", session=other)[0]["error"]["param"] == "session.audio.output.voice"
    same = {"type": "realtime", "audio": {"output": {"voice": "alloy"}}}
    assert world.send("session.update", session=same)[0]["type"] == "session.updated"


def test_an_image_reaches_a_model_that_takes_it() -> None:
    world = World(session_rules(accepts_images=True))
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgoAAAAN", "detail": "low"}
    world.send("conversation.item.create", item=message("user", image))
    world.send("response.create")
    assert world.request().messages[-1].images == ("data:image/png;base64,iVBORw0KGgoAAAAN",)


def test_a_client_cannot_take_an_id_that_the_server_would_give_next() -> None:
    world = World()
    state = world.machine.state
    wanted = f"item_{state.seed}{state.counter + 4:07d}"
    item = message("user", {"type": "input_text", "text": "hi"})
    world.send("conversation.item.create", item={**item, "id": wanted})
    for _ in range(3):
        world.say_text()
    ids = [record.item.id for record in state.records]
    assert len(set(ids)) == 4


def test_an_item_deleted_before_its_estimate_was_final_is_not_cut() -> None:
    world = World()
    world.say_text()
    world.send("response.create")
    world.finish()
    item_id = world.last("response.output_item.done")["item"]["id"]
    world.advance(0.5)
    world.append(640, 0.9)
    world.send("conversation.item.delete", item_id=item_id)
    world.advance(5)
    assert "conversation.item.truncated" not in world.types()
    assert not world.machine.state.cuts


def test_a_late_transcript_of_a_guess_that_was_dropped_changes_nothing() -> None:
    world = World(session_rules(speculate_ms=96))
    world.append(800, 0.9)
    world.append(128, 0.01)
    stale = world.started(effects.StartTranscription)[-1].job_id
    world.append(200, 0.9)
    before = len(world.events)
    world.tell(inputs.Transcribed(stale, "too late", 1.0))
    assert len(world.events) == before
    assert not world.started(effects.StartAnswer)


@pytest.mark.parametrize("event", ["session", "response"])
def test_tools_that_are_too_large_together_are_refused_and_the_session_stays_as_it_was(event: str) -> None:
    world = World()
    before = world.machine.state.session
    tools = [{"type": "function", "name": f"f{number}", "description": "x" * 16_000} for number in range(40)]
    if event == "session":
        world.send("session.update", session={"type": "realtime", "tools": tools})
    else:
        world.send("response.create", response={"tools": tools})
    error = world.last("error")["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", f"{event}.tools")
    assert world.machine.state.session == before
    assert not world.machine.state.responses


def test_references_to_a_long_item_count_as_often_as_they_are_made() -> None:
    world = World(session_rules(max_characters=1000))
    world.send(
        "conversation.item.create", item=message("user", {"type": "input_text", "text": "x" * 400}) | {"id": "a"}
    )
    for times, refused in ((2, False), (3, True)):
        references = [{"type": "item_reference", "id": "a"}] * times
        world.send("response.create", response={"conversation": "none", "input": references})
        assert ("error" in world.types()) is refused
    error = world.last("error")["error"]
    assert (error["code"], error["param"]) == ("conversation_size_limit_exceeded", "response.input")


def test_a_function_call_of_an_interrupted_answer_is_closed_as_incomplete() -> None:
    world = World()
    tool = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    world.send("session.update", session={"type": "realtime", "tools": [tool], "tool_choice": "required"})
    world.say_text()
    world.send("response.create")
    world.work(world.started(effects.StartAnswer)[-1].job_id, 1)
    world.append(640, 0.9)
    done = world.last("response.done")["response"]
    assert done["status_details"]["reason"] == "turn_detected"
    assert done["output"][0]["status"] == "incomplete"
    world.advance(5)
    assert "conversation.item.truncated" not in world.types()
