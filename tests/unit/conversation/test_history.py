"""The conversation as the LLM is shown it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.conversation import effects, history, inputs
from antiphon.conversation.state import ItemRecord
from antiphon.entities.chat import ChatMessage, ChatRequest, ToolCall
from antiphon.wire.realtime_items import OwnItem
from antiphon.wire.realtime_session import ToolChoiceFunction
from tests.options import session_rules
from tests.simulation import World
from tests.unit.conversation.stage import (
    TOOL,
    answer,
    answering,
    message,
    strict_world,
    text_record,
    updated,
)


def test_a_cancelled_call_is_not_shown_to_the_llm_unless_it_was_answered() -> None:
    world = strict_world()
    updated(world, output_modalities=["text"], tools=[TOOL])
    world.say_text()
    for number in (1, 2):
        world.send("response.create")
        job = world.started(effects.StartAnswer)[-1]
        world.jobs.clear()
        world.tell(inputs.CallMade(job.job_id, 0, f"call_{number}", "look", '{"at":'))
        world.send("response.cancel")
    output = {"type": "function_call_output", "call_id": "call_2", "output": "seen"}
    world.send("conversation.item.create", item=output)
    answer(world)
    calls = [call.call_id for message in world.request().messages for call in message.tool_calls]
    assert calls == ["call_2"]


def test_an_image_reaches_a_model_that_takes_it() -> None:
    world = World(session_rules(accepts_images=True))
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgoAAAAN", "detail": "low"}
    world.send("conversation.item.create", item=message("user", image))
    world.send("response.create")
    assert world.request().messages[-1].images == ("data:image/png;base64,iVBORw0KGgoAAAAN",)


def test_the_llm_is_not_shown_a_turn_without_a_transcript() -> None:
    world = World()
    world.heard = ""
    world.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    world.append(1000)
    world.send("input_audio_buffer.commit")
    world.finish()
    answering(world)
    assert [message.text for message in world.request().messages if message.role == "user"] == ["hello"]


def call(number: int, status: str = "completed") -> ItemRecord:
    fields = {"type": "function_call", "name": "look", "arguments": "{}", "call_id": f"call_{number}", "status": status}
    return ItemRecord(item=msgspec.convert(fields, OwnItem), position=0)


def output(number: int) -> ItemRecord:
    fields = {"type": "function_call_output", "call_id": f"call_{number}", "output": f"seen {number}"}
    return ItemRecord(item=msgspec.convert(fields, OwnItem), position=0)


def audio(heard: str | None, *written: str) -> ItemRecord:
    parts = [{"type": "input_text", "text": text} for text in written]
    return ItemRecord(
        item=msgspec.convert(message("user", *parts, {"type": "input_audio"}), OwnItem), position=0, heard=heard
    )


@pytest.mark.parametrize(("records", "shown"), [
    ([], []),
    ([text_record("a", "", "assistant"), audio(None), audio("")], []),
    ([audio("hello"), text_record("b", "hi", "assistant")], [("user", "hello"), ("assistant", "hi")]),
    ([audio("what is it", "Listen:")], [("user", "Listen:\nwhat is it")]),
    ([call(1), call(2), output(1), output(2)], [("assistant", ""), ("tool", "seen 1"), ("tool", "seen 2")]),
    ([call(1), text_record("a"), call(2)], [("assistant", ""), ("user", "hello"), ("assistant", "")]),
    ([call(1, "incomplete")], []),
    ([call(1, "incomplete"), output(1)], [("assistant", ""), ("tool", "seen 1")]),
])  # fmt: skip
def test_items_are_shown_in_their_order_and_empty_ones_left_out(
    records: list[ItemRecord], shown: list[tuple[str, str]]
) -> None:
    assert [(one.role, one.text) for one in history.messages(records, "")] == shown


def test_adjacent_calls_share_a_message_and_outputs_name_their_call() -> None:
    calls, *outputs = history.messages([call(1), call(2), output(1), output(2)], "")
    assert [one.call_id for one in calls.tool_calls] == ["call_1", "call_2"]
    assert [one.call_id for one in outputs] == ["call_1", "call_2"]


def test_instructions_come_first_as_the_system() -> None:
    first, second = history.messages([text_record("a", "hello", "system")], "be brief")
    assert [(first.role, first.text), (second.role, second.text)] == [("system", "be brief"), ("system", "hello")]


@pytest.mark.parametrize(("wish", "choice"), [
    ("auto", "auto"), ("none", "none"), ("required", "required"), (ToolChoiceFunction("look"), "function:look"),
])  # fmt: skip
def test_a_tool_choice_is_given_in_the_form_of_the_request(wish: Any, choice: str) -> None:
    assert history.choice(wish) == choice


@pytest.mark.parametrize(("messages", "tokens"), [
    ((), 0),
    ((ChatMessage("user", "x"),), 1),
    ((ChatMessage("user", "x" * 4), ChatMessage("assistant", "y" * 4)), 2),
    ((ChatMessage("user", "x" * 9),), 3),
    ((ChatMessage("assistant", tool_calls=(ToolCall("call_1", "look", '{"a":1}'),)),), 3),
    ((ChatMessage("user", "", images=("data:image/png;base64," + "A" * 999,)),), 0),
])  # fmt: skip
def test_tokens_are_estimated_from_the_characters_of_texts_and_calls(
    messages: tuple[ChatMessage, ...], tokens: int
) -> None:
    assert history.tokens(ChatRequest(messages)) == tokens


@pytest.mark.parametrize(("records", "said"), [
    ([], ""),
    ([text_record("a", "hi", "assistant")], ""),
    ([text_record("a", "first"), text_record("b", "last"), text_record("c", "hi", "assistant")], "last"),
    ([text_record("a", "first"), audio("spoken")], "spoken"),
    ([text_record("a", "first"), audio(None)], ""),
    ([text_record("a", "first"), text_record("b", "note", "system"), output(1)], "first"),
])  # fmt: skip
def test_the_last_words_are_those_of_the_last_user_message(records: list[ItemRecord], said: str) -> None:
    assert history.last_said(records) == said
