"""Replies by rule say what they promise, and the same thing every time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import jsonschema
import pytest

from antiphon.entities.chat import ChatDone, ChatMessage, ChatRequest, TextDelta, Tool, ToolCallDelta
from antiphon.errors import Unsupported
from antiphon.providers.rules import RuleReplies

NOON = datetime(2025, 3, 4, 12, 5, tzinfo=UTC)


async def reply(text: str, **kwargs: Any) -> str:
    request = ChatRequest((ChatMessage("user", text),), **kwargs)
    events = [event async for event in RuleReplies(lambda: NOON).respond(request)]
    assert isinstance(events[-1], ChatDone)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        ("Hello!", "Hello! How can I help you?"),
        ("hola", "¡Hola! ¿En qué puedo ayudarle?"),
        ("Guten Tag.", "Guten Tag! Wie kann ich helfen?"),
        ("你好", "你好！我能帮你什么？"),
        ("What time is it?", "It is 12:05."),
        ("what's the date", "Today is Tuesday, 4 March 2025."),
        ("Thank you.", "You are welcome."),
        ("goodbye", "Goodbye!"),
        ("", "I did not hear anything. Could you say it again?"),
        ("The quick  brown fox.", "I heard: The quick brown fox."),
        ("hello, my printer is on fire", "I heard: hello, my printer is on fire"),
        ("history is long", "I heard: history is long"),
    ],
)
async def test_what_is_heard_gives_the_reply_of_its_rule(heard: str, said: str) -> None:
    assert await reply(heard) == said


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ((), "Hello! How can I help you?"),
        (("system", "system"), "Hello! How can I help you?"),
        (("user", "assistant"), "How can I help you?"),
        (("assistant", "assistant", "system"), "How can I help you?"),
        (("assistant", "user", "system"), "Goodbye!"),
    ],
)
async def test_where_the_user_is_silent_the_reply_does_not_repeat_what_was_said_before(
    roles: Sequence[Literal["system", "user", "assistant"]], said: str
) -> None:
    request = ChatRequest(tuple(ChatMessage(role, "Goodbye.") for role in roles))
    events = [event async for event in RuleReplies().respond(request)]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == said


async def test_a_long_text_is_not_repeated_whole() -> None:
    assert len(await reply("word " * 5000)) < 220


async def test_a_cut_answer_says_so() -> None:
    request = ChatRequest((ChatMessage("user", "hello"),), max_tokens=1)
    events = [event async for event in RuleReplies().respond(request)]
    assert events[0] == TextDelta("Hello!")
    assert isinstance(events[-1], ChatDone)
    assert events[-1].finish_reason == "length"


async def test_a_tool_output_is_told() -> None:
    messages = (ChatMessage("user", "weather?"), ChatMessage("tool", '{"sky": "clear"}', call_id="c"))
    events = [event async for event in RuleReplies().respond(ChatRequest(messages))]
    assert "clear" in "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_a_forced_tool_is_filled_from_the_text() -> None:
    schema = {
        "type": "object",
        "properties": {"unit": {"enum": ["metric", "imperial"]}},
        "required": ["unit"],
    }
    request = ChatRequest(
        (ChatMessage("user", "imperial please"),),
        tools=(Tool("units", "", schema),),
        tool_choice="function:units",
    )
    events = [event async for event in RuleReplies().respond(request)]
    arguments = json.loads("".join(event.arguments for event in events if isinstance(event, ToolCallDelta)))
    jsonschema.validate(arguments, schema)
    assert arguments == {"unit": "imperial"}


@pytest.mark.parametrize("heard", ["Hello!", "what's the date", "The quick brown fox."])
async def test_a_reply_goes_on_behind_its_own_words(heard: str) -> None:
    words = (await reply(heard)).split(" ")
    for said in range(1, len(words) + 1):
        prefix = " ".join(words[:said])
        assert prefix + await reply(heard, prefix=prefix) == " ".join(words)


async def test_a_reply_does_not_go_on_behind_the_words_of_another() -> None:
    with pytest.raises(Unsupported):
        await reply("Hello!", prefix="The capital of")
