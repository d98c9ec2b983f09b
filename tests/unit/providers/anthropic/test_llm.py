"""The Anthropic model against a scripted service, through the real client."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.entities.chat import ChatDone, ChatEvent, ChatMessage, ChatRequest, Tool
from antiphon.errors import (
    AntiphonError,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    WeightsMissing,
)
from antiphon.ports.engine import EngineContext
from antiphon.ports.llm import LanguageModel
from antiphon.providers import registry
from antiphon.providers.anthropic.llm import AnthropicLlm, create
from tests.answers import joined_calls, text_of
from tests.fakes.anthropic_server import (
    STOP,
    AnthropicServer,
    block,
    call,
    ended,
    error,
    refuse,
    say,
    start,
    text_block,
)
from tests.fakes.sse_server import Json, Raw, Script

pytestmark = pytest.mark.usefixtures("one_certificate")

WEATHER = Tool("get_weather", "Weather", {"type": "object", "properties": {"city": {"type": "string"}}})

LOOK: Json = {"type": "tool_use", "id": "toolu_a", "name": "look", "input": {}}
ARGUMENTS: Json = {"type": "input_json_delta", "partial_json": "{"}


@pytest.fixture
async def server() -> AsyncIterator[AnthropicServer]:
    async with AnthropicServer() as made:
        yield made


@pytest.fixture
async def model(server: AnthropicServer) -> AsyncIterator[LanguageModel]:
    made = make(server.base_url, anthropic_api_key="sk-ant-test")
    yield made
    await made.close()


def make(base_url: str, *, timeout_s: float = 5, **settings: Any) -> LanguageModel:
    given = {"anthropic_base_url": base_url, **settings}
    return create(EngineContext(Path(), timeout_s=timeout_s, settings=given))


def ask(text: str = "Hello.", **kwargs: Any) -> ChatRequest:
    return ChatRequest((ChatMessage("user", text),), **kwargs)


async def collect(model: LanguageModel, request: ChatRequest | None = None) -> list[ChatEvent]:
    return [event async for event in model.respond(request or ask())]


async def test_what_is_asked_goes_over_the_wire(server: AnthropicServer, model: LanguageModel) -> None:
    messages = (ChatMessage("system", "Be brief."), ChatMessage("user", "Hello."))
    choice = "function:get_weather"
    request = ChatRequest(
        messages, (WEATHER,), choice, max_tokens=77, parallel_tool_calls=False, reasoning_effort="xhigh", model="gpt"
    )
    await collect(model, request)
    assert server.requests == [
        {
            "model": "claude-haiku-5-5",
            "system": "Be brief.",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello."}]}],
            "max_tokens": 77,
            "stream": True,
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "xhigh"},
            "tools": [{"name": "get_weather", "description": "Weather", "input_schema": WEATHER.parameters}],
            "tool_choice": {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        }
    ]
    assert server.headers[0]["authorization"] == "Bearer sk-ant-test"


async def test_what_is_not_asked_is_left_out_but_the_bound_that_the_service_wants(
    server: AnthropicServer, model: LanguageModel
) -> None:
    await collect(model)
    assert server.requests[0].keys() == {"model", "messages", "max_tokens", "stream", "thinking"}
    assert server.requests[0]["max_tokens"] == 4096
    assert server.requests[0]["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize(("thinking", "effort", "expected"), [
    ("between_tools", "", {"thinking": {"type": "between_tools"}}),
    ("adaptive", "minimal", {"thinking": {"type": "adaptive"}}),
    ("disabled", "minimal", {"thinking": {"type": "disabled"}}),
    ("disabled", "low", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
    ("model", "", {}),
])  # fmt: skip
async def test_the_model_thinks_as_it_is_set_or_as_a_client_asks(
    server: AnthropicServer, thinking: str, effort: str, expected: Json
) -> None:
    model = make(server.base_url, anthropic_llm_thinking=thinking)
    await collect(model, ask(reasoning_effort=effort))
    await model.close()
    asked = server.requests[0]
    assert {name: asked[name] for name in ("thinking", "output_config") if name in asked} == expected


async def test_calls_come_in_pieces_with_id_and_name_from_the_first(
    server: AnthropicServer, model: LanguageModel
) -> None:
    server.script(call("get_weather", '{"city": "Porto"}', "hang_up", "{}", text="One moment."))
    events = await collect(model, ask(tools=(WEATHER, Tool("hang_up"))))
    assert text_of(events) == "One moment."
    assert joined_calls(events) == [
        (0, "toolu_1", "get_weather", '{"city": "Porto"}'),
        (1, "toolu_2", "hang_up", "{}"),
    ]
    assert events[-1] == ChatDone("tool_calls", input_tokens=11, output_tokens=7, cached_tokens=5)


async def test_a_service_may_send_text_and_arguments_with_the_beginning_of_a_block(
    server: AnthropicServer, model: LanguageModel
) -> None:
    whole = {**LOOK, "input": {"x": 1}}
    said = block(0, {"type": "text", "text": "Well"}, {"type": "text_delta", "text": "."})
    server.script(Script([start(), *said, *block(1, whole), ended("tool_use"), STOP]))
    events = await collect(model, ask(tools=(Tool("look"),)))
    assert text_of(events) == "Well."
    assert joined_calls(events) == [(0, "toolu_a", "look", '{"x":1}')]


async def test_thoughts_and_what_is_newer_than_the_engine_are_passed_over(
    server: AnthropicServer, model: LanguageModel
) -> None:
    signed = {"type": "signature_delta", "signature": "c2ln"}
    thought = block(0, {"type": "thinking", "thinking": "", "signature": ""}, signed)
    new = block(1, {"type": "hologram", "light": 1}, {"type": "light_delta", "light": 2})
    steps = [start(), *thought, *new, {"type": "tomorrow"}, *text_block(2, "Hello there."), ended("end_turn"), STOP]
    server.script(Script(steps))
    events = await collect(model)
    assert text_of(events) == "Hello there."
    assert isinstance(events[-1], ChatDone)


@pytest.mark.parametrize(("stop_reason", "finish"), [
    ("end_turn", "stop"),
    ("stop_sequence", "stop"),
    ("pause_turn", "stop"),
    ("max_tokens", "length"),
    ("model_context_window_exceeded", "length"),
    ("refusal", "content_filter"),
])  # fmt: skip
async def test_why_an_answer_ended_is_told_in_our_words(
    server: AnthropicServer, model: LanguageModel, stop_reason: str, finish: str
) -> None:
    server.script(say("I see", stop_reason=stop_reason))
    assert (await collect(model))[-1] == ChatDone(finish, input_tokens=11, output_tokens=7, cached_tokens=5)


async def test_the_figures_at_the_end_replace_those_of_the_beginning(
    server: AnthropicServer, model: LanguageModel
) -> None:
    server.script(Script([start(), *text_block(0, "Hi"), ended("end_turn", input_tokens=40), STOP]))
    assert (await collect(model))[-1] == ChatDone("stop", input_tokens=47, output_tokens=7, cached_tokens=5)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (refuse(402, "billing_error"), ProviderRejected),
        (refuse(413, "request_too_large"), ProviderRejected),
        (refuse(429, "rate_limit_error", error_code="enforced_spend_limit_reached"), ProviderRejected),
        (refuse(529, "overloaded_error", x_should_retry="true"), ProviderBusy),
        (Script([start(), error("overloaded_error")]), ProviderBusy),
        (Script([start(), error("rate_limit_error")]), ProviderBusy),
        (Script([start(), error("timeout_error")]), ProviderTimeout),
        (Script([start(), error("invalid_request_error")]), ProviderRejected),
        (Script([start(), error("api_error")]), ProviderUnavailable),
        (Script([start(), error("never_heard_of")]), ProviderUnavailable),
        (Script([Raw(b"event: error\ndata: gone\n\n")]), ProviderUnavailable),
        (Script([start(), {"type": "content_block_delta", "index": 0, "delta": 5}]), ProviderUnavailable),
        (Script([start(), *block(0, {"type": "text", "text": 5})]), ProviderUnavailable),
        (Script([start(), *block(0, {**LOOK, "name": None})]), ProviderUnavailable),
        (Script([start(), *block([0], LOOK)]), ProviderUnavailable),
        (Script([start(), *block(0, {"type": "text", "text": ""}, ARGUMENTS)]), ProviderUnavailable),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value)[:90],
)
async def test_failures_of_this_service_are_told_apart(
    server: AnthropicServer, model: LanguageModel, script: Script, expected: type[AntiphonError]
) -> None:
    server.script(script)
    with pytest.raises(AntiphonError) as caught:
        await collect(model)
    assert type(caught.value) is expected
    assert len(server.requests) == 1  # nothing is retried here
    assert text_of(await collect(model)) == "Hello. I am scripted."


async def test_a_refusal_is_told_with_the_service_s_own_words(server: AnthropicServer, model: LanguageModel) -> None:
    server.script(refuse(429, "rate_limit_error", "slow down", retry_after="7"))
    with pytest.raises(RateLimited, match=r"^anthropic answered 429: slow down$") as limited:
        await collect(model)
    assert limited.value.retry_after_s == 7
    server.script(refuse(401, "authentication_error", "invalid x-api-key"))
    with pytest.raises(ProviderRejected, match="invalid x-api-key") as rejected:
        await collect(model)
    assert rejected.value.code == "authentication_error"


async def test_an_answer_without_its_last_event_is_an_error(server: AnthropicServer, model: LanguageModel) -> None:
    server.script(Script([start(), *text_block(0, "half"), ended("end_turn")]))
    with pytest.raises(ProviderUnavailable, match="broke off in the middle"):
        await collect(model)


async def test_long_conversations_are_cut_before_they_become_dear(
    server: AnthropicServer, model: LanguageModel
) -> None:
    turns = [ChatMessage("user", f"turn {n} " + "with several words in it " * 200) for n in range(150)]
    await collect(model, ChatRequest((ChatMessage("system", "Be brief."), *turns)))
    (message,) = server.requests[0]["messages"]
    assert server.requests[0]["system"] == "Be brief."
    assert message["content"][-1]["text"].startswith("turn 149 ")
    assert 20 < len(message["content"]) < 120


async def test_a_key_in_the_environment_of_the_client_is_not_used(
    server: AnthropicServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-somebody")
    model = make(server.base_url)
    assert await collect(model)
    await model.close()
    await model.close()
    assert server.headers[0]["authorization"] == "Bearer none"


def test_the_engine_says_what_it_can_do() -> None:
    capabilities = make("http://127.0.0.1:9").capabilities
    assert (capabilities.name, capabilities.models) == ("anthropic", ("claude-haiku-5-5",))
    assert capabilities.is_remote
    assert capabilities.images
    assert capabilities.tools
    assert capabilities.streams


def test_the_engine_is_found_by_its_name() -> None:
    assert isinstance(registry.load("llm", ("anthropic",), EngineContext(Path())), AnthropicLlm)


def test_without_its_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("antiphon.providers.anthropic")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(WeightsMissing, match=r"'anthropic' needs 'anthropic'.*pip install 'antiphon\[anthropic\]'"):
        registry.load("llm", ("anthropic",), EngineContext(Path()))
