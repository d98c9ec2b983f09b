"""Whole conversations on the machine: the documented sequences, and the rules that hold for all of them."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.conversation import effects, inputs
from tests.contract.recorder import check_server_event
from tests.options import session_rules
from tests.simulation import MS, World
from tests.unit.conversation.stage import (
    TEXT,
    answering,
    compact,
    message,
    strict_world,
)

MCP_CHOICE = {"type": "mcp", "server_label": "x"}
AUDIO_PART = {"type": "output_audio", "transcript": "x"}


def test_a_text_turn_runs_in_the_documented_order() -> None:
    world = strict_world()
    world.send("session.update", session=TEXT)
    world.events.clear()
    world.say_text()
    world.send("response.create")
    world.finish()
    assert compact(world.types()) == [
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    done = world.last("response.done")["response"]
    assert done["status"] == "completed"
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "It is noon. The sun is high. "}]
    assert done["usage"]["total_tokens"] == 16


def test_an_audio_turn_runs_in_the_documented_order() -> None:
    world = strict_world()
    transcription = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    world.send("session.update", session=transcription)
    world.events.clear()
    world.speak()
    world.finish()
    assert compact(world.types()) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    ids = {world.last(kind)["item_id"] for kind in world.types() if kind.startswith("input_audio_buffer.")}
    ids.add(world.last("conversation.item.input_audio_transcription.completed")["item_id"])
    assert len(ids) == 1, "one item id spans speech_started … transcription"
    assert world.request().messages[-1].text == "what time is it"


def test_noise_yields_an_empty_transcript_and_no_answer() -> None:
    world = strict_world()
    world.heard = ""
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"transcription": {}}}})
    world.speak()
    world.finish()
    completed = world.last("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == ""
    assert not [kind for kind in world.types() if kind.startswith("response.")]


def test_without_interrupt_response_the_answer_continues_and_the_turn_is_answered_after_it() -> None:
    world = strict_world()
    detection = {"type": "server_vad", "interrupt_response": False}
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    world.say_text()
    world.send("response.create")
    world.speak()
    assert "response.done" not in world.types()
    world.finish()
    done = [event["response"]["status"] for event in world.events if event["type"] == "response.done"]
    assert done == ["completed", "completed"]


def test_a_session_ends_at_its_time_with_an_error_and_code_1001() -> None:
    world = strict_world(lasts_s=60)
    world.say_text()
    world.send("response.create")
    world.advance(61)
    assert world.last("error")["error"]["code"] == "session_expired"
    close = world.started(effects.Close)[0]
    assert (close.code, close.reason) == (1001, "Your session hit the maximum duration of 1 minutes.")
    assert world.last("response.done")["response"]["status"] == "cancelled"
    world.events.clear()
    world.finish()
    assert world.events == []
    assert world.speech == set()


def test_a_transcription_session_never_answers() -> None:
    world = strict_world(transcribes=True)
    assert world.events[0]["session"]["type"] == "transcription"
    world.speak()
    world.finish()
    assert "conversation.item.input_audio_transcription.completed" in world.types()
    assert not [kind for kind in world.types() if kind.startswith("response.")]
    world.send("response.create", event_id="r")
    assert world.last("error")["error"]["event_id"] == "r"


def test_a_recorded_session_replays_to_the_same_bytes() -> None:
    world = strict_world()
    world.speak()
    world.finish()
    world.advance(1)
    world.speak()
    world.finish()
    assert world.replay() == world.raw


def test_many_turns_stay_answered() -> None:
    world = World(session_rules(max_items=20))
    for number in range(60):
        world.say_text(f"turn {number}")
        assert world.machine.state.records[-1].item.content[0].text == f"turn {number}"
        world.send("response.create")
        world.finish()
        assert world.last("response.done")["response"]["status"] == "completed"
        if len(world.machine.state.records) >= 19:
            world.send("conversation.item.delete", item_id=world.machine.state.records[0].item.id)
            world.send("conversation.item.delete", item_id=world.machine.state.records[0].item.id)


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


def test_speech_for_a_closed_conversation_is_dropped() -> None:
    world = World(lasts_s=10)
    answer = answering(world)
    world.advance(11)
    assert world.machine.state.closed
    world.made_audio(answer.speak_job_id, 500 * MS)
    world.tell(inputs.SpeechMade(answer.speak_job_id))
    assert world.speech == set()


def test_ids_of_events_that_are_sent_without_the_machine_lie_between_its_own() -> None:
    world = World()
    before = world.events[-1]["event_id"]
    given = world.machine.new_event_id()
    assert before < given < world.machine.new_event_id()
