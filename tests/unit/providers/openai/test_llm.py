"""The OpenAI-compatible model against a scripted service, through the real client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.entities.chat import (
    ChatDone,
    ChatEvent,
    ChatMessage,
    ChatRequest,
    Tool,
    ToolCallDelta,
)
from antiphon.errors import (
    AntiphonError,
    ProviderRejected,
    ProviderUnavailable,
)
from antiphon.ports.engine import EngineContext
from antiphon.providers.openai.llm import OpenAiLlm, Service, create_groq, create_ollama, create_openai
from tests.answers import joined_calls, text_of
from tests.fakes.openai_server import OpenAiServer, Script, call, refuse
from tests.fakes.sse_server import Raw

pytestmark = pytest.mark.usefixtures("one_certificate")

WEATHER = Tool("get_weather", "Weather", {"type": "object", "properties": {"city": {"type": "string"}}})


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    async with OpenAiServer() as made:
        yield made


@pytest.fixture
async def model(server: OpenAiServer) -> AsyncIterator[OpenAiLlm]:
    made = OpenAiLlm(Service("openai", server.base_url, "gpt-test", images=True), timeout_s=5)
    yield made
    await made.close()


def ask(text: str = "Hello.", **kwargs: Any) -> ChatRequest:
    return ChatRequest((ChatMessage("user", text),), **kwargs)


async def collect(model: OpenAiLlm, request: ChatRequest | None = None) -> list[ChatEvent]:
    return [event async for event in model.respond(request or ask())]


async def test_what_is_asked_goes_over_the_wire(server: OpenAiServer, model: OpenAiLlm) -> None:
    request = ask(
        tools=(WEATHER,),
        tool_choice="function:get_weather",
        max_tokens=77,
        parallel_tool_calls=False,
        reasoning_effort="low",
        model="gpt-realtime",
    )
    await collect(model, request)
    assert server.requests == [
        {
            "model": "gpt-test",
            "messages": [{"role": "user", "content": "Hello."}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "reasoning_effort": "low",
            "max_tokens": 77,
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "get_weather",
                        "parameters": WEATHER.parameters,
                        "description": "Weather",
                    },
                }
            ],
            "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
            "parallel_tool_calls": False,
        }
    ]


async def test_what_is_not_asked_is_left_to_the_service(server: OpenAiServer, model: OpenAiLlm) -> None:
    await collect(model)
    assert server.requests[0].keys() == {"model", "messages", "stream", "stream_options"}


@pytest.mark.parametrize("images", [True, False])
async def test_images_go_only_to_a_model_that_sees(server: OpenAiServer, images: bool) -> None:
    model = OpenAiLlm(Service("openai", server.base_url, "m", images=images), timeout_s=5)
    url = "data:image/png;base64,AAAA"
    await collect(model, ChatRequest((ChatMessage("user", "what is this?", images=(url,)),)))
    await model.close()
    parts = [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    assert server.requests[0]["messages"][0]["content"] == (parts if images else "what is this?")


async def test_calls_come_in_pieces_with_id_and_name_from_the_first(server: OpenAiServer, model: OpenAiLlm) -> None:
    server.script(call("get_weather", '{"city": "Porto"}', "get_time", "{}", text="One moment."))
    events = await collect(model, ask(tools=(WEATHER,)))
    assert text_of(events) == "One moment."
    assert joined_calls(events) == [
        (0, "call_0", "get_weather", '{"city": "Porto"}'),
        (1, "call_1", "get_time", "{}"),
    ]
    assert all(event.call_id and event.name for event in events if isinstance(event, ToolCallDelta))
    assert isinstance(events[-1], ChatDone)
    assert events[-1].finish_reason == "tool_calls"


async def test_services_that_count_or_finish_calls_oddly_are_understood(server: OpenAiServer, model: OpenAiLlm) -> None:
    def whole(call_id: str | None, name: str) -> dict[str, Any]:
        part = {"index": 0, "id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}
        return {"index": 0, "delta": {"tool_calls": [part]}}

    server.script(Script([whole("a", "one"), whole("b", "two"), {"index": 0, "delta": {}, "finish_reason": "stop"}]))
    events = await collect(model, ask(tools=(WEATHER,)))
    assert joined_calls(events) == [(0, "a", "one", "{}"), (1, "b", "two", "{}")]
    assert events[-1] == ChatDone("tool_calls")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (refuse(429, code="insufficient_quota"), ProviderRejected),
        (Script([{"error": {"message": "overheated"}}]), ProviderUnavailable),
        (Script([Raw(b'data: {"choices": [{"delta": 5}]}\n\n')]), ProviderUnavailable),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value)[:70],
)
async def test_failures_of_this_service_are_told_apart(
    server: OpenAiServer, model: OpenAiLlm, script: Script, error: type[AntiphonError]
) -> None:
    server.script(script)
    with pytest.raises(AntiphonError) as caught:
        await collect(model)
    assert type(caught.value) is error
    assert len(server.requests) == 1  # nothing is retried here
    assert text_of(await collect(model)) == "Hello. I am scripted."


async def test_long_conversations_are_cut_to_the_service_s_context(server: OpenAiServer) -> None:
    model = OpenAiLlm(Service("ollama", server.base_url, "m", context_tokens=400), timeout_s=5)
    turns = [ChatMessage("user" if n % 2 else "assistant", f"turn {n} with several words in it") for n in range(200)]
    await collect(model, ChatRequest((ChatMessage("system", "Be brief."), *turns), max_tokens=100))
    await model.close()
    sent = server.requests[0]["messages"]
    assert sent[0]["content"] == "Be brief."
    assert sent[-1]["content"].startswith("turn 199 ")
    assert len(sent) < 40


def test_each_service_is_made_from_its_settings(tmp_path: Path) -> None:
    settings = {"groq_api_key": "g", "openai_api_key": "o", "ollama_llm_model": "qwen3"}
    context = EngineContext(tmp_path, settings=settings)
    assert create_ollama(context).capabilities.models == ("qwen3",)
    assert create_openai(context).capabilities.images
    assert not create_groq(context).capabilities.images
    assert [make(context).capabilities.name for make in (create_openai, create_groq, create_ollama)] == [
        "openai",
        "groq",
        "ollama",
    ]


@pytest.mark.parametrize("make", [create_openai, create_groq])
async def test_a_missing_key_is_said_with_its_setting(tmp_path: Path, make: Any) -> None:
    model = make(EngineContext(tmp_path))
    with pytest.raises(ProviderUnavailable, match=r"ANTIPHON_.*_API_KEY"):
        await model.start()
