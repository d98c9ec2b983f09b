"""The OpenAI-compatible model against a scripted service, through the real client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.entities.chat import (
    ChatDone,
    ChatEvent,
    ChatMessage,
    ChatRequest,
    TextDelta,
    Tool,
    ToolCallDelta,
)
from antiphon.errors import (
    AntiphonError,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)
from antiphon.ports.engine import EngineContext
from antiphon.providers.openai.llm import OpenAiLlm, Service, create_groq, create_ollama, create_openai
from tests.answers import joined_calls, text_of
from tests.fakes.openai_server import OpenAiServer, Script, call, refuse, say
from tests.fakes.sse_server import HangUp, Pause, Raw

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


async def test_text_and_usage_come_as_the_service_sent_them(server: OpenAiServer, model: OpenAiLlm) -> None:
    server.script(say("Guten Morgen, Zoë 👋."))
    events = await collect(model)
    assert text_of(events) == "Guten Morgen, Zoë 👋."
    assert events[-1] == ChatDone("stop", input_tokens=11, output_tokens=7, cached_tokens=5)


async def test_the_first_words_come_before_the_last_are_made(server: OpenAiServer, model: OpenAiLlm) -> None:
    server.script(say("one two three four five", pause_s=0.5))
    started = time.monotonic()
    answer = model.respond(ask())
    await anext(answer)
    first_s = time.monotonic() - started
    assert text_of([event async for event in answer]) == " two three four five"
    assert first_s < (time.monotonic() - started) / 2


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
        (refuse(429), ProviderBusy),
        (refuse(429, retry_after="7"), RateLimited),
        (refuse(429, code="insufficient_quota"), ProviderRejected),
        (refuse(503), ProviderBusy),
        (refuse(500), ProviderUnavailable),
        (refuse(401), ProviderRejected),
        (refuse(403), ProviderRejected),
        (refuse(400), ProviderRejected),
        (refuse(404), ProviderRejected),
        (refuse(504), ProviderTimeout),
        (Script(body=b"<html>", status=502), ProviderUnavailable),
        (Script([HangUp()]), ProviderUnavailable),
        (Script([]), ProviderUnavailable),
        (Script([{"error": {"message": "overheated"}}]), ProviderUnavailable),
        (Script([Raw(b"data: {broken\n\n")]), ProviderUnavailable),
        (Script([Raw(b"data: [1, 2]\n\n")]), ProviderUnavailable),
        (Script([Raw(b'data: {"choices": [{"delta": 5}]}\n\n')]), ProviderUnavailable),
        (Script([Raw(b"\xff\xfe\x00garbage\n\n")]), ProviderUnavailable),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value)[:70],
)
async def test_failures_are_told_apart(
    server: OpenAiServer, model: OpenAiLlm, script: Script, error: type[AntiphonError]
) -> None:
    server.script(script)
    with pytest.raises(AntiphonError) as caught:
        await collect(model)
    assert type(caught.value) is error
    assert len(server.requests) == 1  # nothing is retried here
    assert text_of(await collect(model)) == "Hello. I am scripted."


async def test_a_wait_that_the_service_names_is_kept(server: OpenAiServer, model: OpenAiLlm) -> None:
    server.script(refuse(429, retry_after="7"))
    with pytest.raises(RateLimited) as caught:
        await collect(model)
    assert caught.value.retry_after_s == 7


@pytest.mark.parametrize("end", [HangUp(), Raw(b"data: {broken\n\n"), Pause(0)], ids=["cut", "garbage", "no end"])
async def test_an_answer_that_breaks_off_is_an_error_and_not_a_short_answer(
    server: OpenAiServer, model: OpenAiLlm, end: Any
) -> None:
    server.script(Script([{"index": 0, "delta": {"content": "half an"}}, end], finished=False))
    answer = model.respond(ask())
    assert await anext(answer) == TextDelta("half an")
    with pytest.raises(ProviderUnavailable):
        await anext(answer)


async def test_silence_in_the_middle_is_a_time_out(server: OpenAiServer) -> None:
    model = OpenAiLlm(Service("openai", server.base_url, "m"), timeout_s=0.2)
    server.script(say("one two", pause_s=3))
    with pytest.raises(ProviderTimeout):
        await collect(model)
    await model.close()


async def test_a_service_that_only_says_that_it_lives_is_a_time_out(server: OpenAiServer) -> None:
    model = OpenAiLlm(Service("openai", server.base_url, "m"), timeout_s=0.3)
    server.script(Script([step for _ in range(40) for step in (Raw(b": ping\n\n"), Pause(0.05))]))
    with pytest.raises(ProviderTimeout):
        await collect(model)
    await model.close()


async def test_nobody_at_the_address_is_said(server: OpenAiServer) -> None:
    model = OpenAiLlm(Service("openai", "http://127.0.0.1:9/v1", "m"), timeout_s=2)
    with pytest.raises(ProviderUnavailable):
        await collect(model)
    await model.close()


async def test_closing_hangs_up_at_once(server: OpenAiServer, model: OpenAiLlm) -> None:
    took: list[float] = []
    for _ in range(3):
        server.script(say("one two three", pause_s=5))
        answer = model.respond(ask())
        await anext(answer)
        server.hangups.clear()
        started = time.monotonic()
        await answer.aclose()  # type: ignore[attr-defined]
        took.append(await server.hung_up() - started)
    print(f"hung up after {min(took) * 1000:.1f} ms")
    assert min(took) < 0.05
    assert server.open == 0


async def test_cancelling_before_the_first_word_hangs_up(server: OpenAiServer, model: OpenAiLlm) -> None:
    server.script(say("late", first_s=5))
    task = asyncio.create_task(collect(model), name="reader")
    async with asyncio.timeout(2):
        while not server.open:
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.hung_up()
    assert server.open == 0


async def test_answers_run_side_by_side(server: OpenAiServer, model: OpenAiLlm) -> None:
    server.script(*[say(f"answer {n} is here", pause_s=0.03) for n in range(8)])
    answers = await asyncio.gather(*[collect(model) for _ in range(8)])
    assert sorted(text_of(answer) for answer in answers) == [f"answer {n} is here" for n in range(8)]
    assert server.most_open >= 4


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


async def test_a_service_of_one_s_own_needs_no_key(tmp_path: Path, server: OpenAiServer) -> None:
    model = create_openai(EngineContext(tmp_path, settings={"openai_base_url": server.base_url}))
    await model.start()
    assert [event async for event in model.respond(ask())]
    await model.close()
    await model.close()
