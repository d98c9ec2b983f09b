"""The stub model keeps its settings to the letter."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from antiphon.clock import VirtualClock
from antiphon.entities.chat import (
    ChatDone,
    ChatEvent,
    ChatMessage,
    ChatRequest,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
)
from antiphon.errors import InvalidRequest, ProviderTimeout
from antiphon.providers.stub.llm import StubLlm
from tests.virtual_time import on_virtual_time

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("get_weather", "Weather of a city", SCHEMA)


def ask(text: str, **kwargs: Any) -> ChatRequest:
    return ChatRequest((ChatMessage("user", text),), **kwargs)


async def collect(engine: StubLlm, request: ChatRequest) -> list[ChatEvent]:
    return [event async for event in engine.respond(request)]


def text_of(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_the_answer_has_the_words_that_were_set() -> None:
    events = await collect(StubLlm(words=20), ask("hello there"))
    assert len(text_of(events).split()) == 20
    assert events[-1] == ChatDone("stop", input_tokens=2, output_tokens=20)


async def test_max_tokens_cuts_the_answer_and_says_so() -> None:
    events = await collect(StubLlm(words=20), ask("hello", max_tokens=3))
    assert text_of(events) == "This is the"
    assert events[-1] == ChatDone("length", input_tokens=1, output_tokens=3)


@on_virtual_time
async def test_the_first_word_and_the_next_ones_come_on_time(clock: VirtualClock) -> None:
    began = clock.now()
    events = StubLlm(first_ms=50, words=6, words_per_s=50).respond(ask("hello"))
    times = [clock.now() - began async for _ in events]
    assert times == pytest.approx([0.05, 0.07, 0.09, 0.11, 0.13, 0.15, 0.15])


@pytest.mark.parametrize("choice", ["required", "function:get_weather"])
async def test_a_forced_tool_is_called_with_arguments_that_satisfy_its_schema(choice: str) -> None:
    events = await collect(StubLlm(), ask("in Porto", tools=(WEATHER,), tool_choice=choice))
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    jsonschema.validate(json.loads("".join(call.arguments for call in calls)), SCHEMA)
    assert {(call.index, call.name) for call in calls} == {(0, "get_weather")}
    assert len({call.call_id for call in calls}) == 1
    assert isinstance(events[-1], ChatDone)
    assert events[-1].finish_reason == "tool_calls"


async def test_a_tool_that_the_user_names_is_called_once() -> None:
    request = ask("please get weather for Porto", tools=(WEATHER,))
    first = await collect(StubLlm(), request)
    assert isinstance(first[0], ToolCallDelta)
    answered = (
        *request.messages,
        ChatMessage("assistant", tool_calls=(ToolCall("c", "get_weather", "{}"),)),
        ChatMessage("tool", "sunny", call_id="c"),
    )
    assert isinstance((await collect(StubLlm(), ChatRequest(answered, tools=(WEATHER,))))[0], TextDelta)


async def test_tools_that_nobody_names_or_wants_are_not_called() -> None:
    assert text_of(await collect(StubLlm(), ask("hello", tools=(WEATHER,))))
    assert text_of(await collect(StubLlm(), ask("get_weather", tools=(WEATHER,), tool_choice="none")))


async def test_an_unknown_forced_tool_is_an_error() -> None:
    with pytest.raises(InvalidRequest, match="nope"):
        await collect(StubLlm(), ask("hello", tools=(WEATHER,), tool_choice="function:nope"))
    with pytest.raises(InvalidRequest):
        await collect(StubLlm(), ask("hello", tool_choice="required"))


@pytest.mark.parametrize("broken", [{"type": "string", "maxLength": "x"}, {"properties": [1]}, {"required": 1}])
async def test_parameters_that_are_no_schema_are_an_error_of_the_request(broken: dict[str, Any]) -> None:
    tool = Tool("odd", "", {"type": "object", "properties": {"a": broken}})
    with pytest.raises(InvalidRequest, match="odd"):
        await collect(StubLlm(), ask("hello", tools=(tool,), tool_choice="required"))


@on_virtual_time
async def test_a_first_word_after_the_deadline_is_a_timeout(clock: VirtualClock) -> None:
    began = clock.now()
    with pytest.raises(ProviderTimeout):
        await collect(StubLlm(first_ms=60_000, timeout_s=20.0), ask("hello"))
    assert clock.now() - began == 20.0


async def test_after_a_prefix_the_next_word_is_due_and_the_count_is_of_the_whole() -> None:
    whole = await collect(StubLlm(words=20), ask("hello"))
    words = [event.text for event in whole if isinstance(event, TextDelta)]
    for said in range(21):
        events = await collect(StubLlm(words=20), ask("hello", prefix="".join(words[:said])))
        assert events == whole[said:]


async def test_a_continued_answer_keeps_to_its_bound() -> None:
    events = await collect(StubLlm(words=20), ask("hello", max_tokens=3, prefix="This is"))
    assert events == [TextDelta(" the"), ChatDone("length", input_tokens=1, output_tokens=3)]
