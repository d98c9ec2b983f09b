"""What every remote language model promises, against its scripted service, through its real client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from antiphon.entities.chat import ChatDone, ChatEvent, ChatMessage, ChatRequest, TextDelta, Tool
from antiphon.errors import (
    AntiphonError,
    InvalidRequest,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)
from antiphon.ports.llm import LanguageModel
from tests.answers import text_of
from tests.conformance.llm_services import SERVICES, Service, connected
from tests.fakes.sse_server import HangUp, Hold, Pause, Raw, Script, SseServer

pytestmark = pytest.mark.usefixtures("one_certificate")

HANG_S = 600
"""Longer than any test: what waits for the end of such a pause never comes."""


@pytest.fixture(params=SERVICES, ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> Service:
    return request.param


@pytest.fixture
async def server(service: Service) -> AsyncIterator[SseServer]:
    async with service.server() as made:
        yield made


@pytest.fixture
async def model(service: Service, server: SseServer) -> AsyncIterator[LanguageModel]:
    async with connected(service, server.base_url) as made:
        yield made


def ask(text: str = "Hello.", **kwargs: Any) -> ChatRequest:
    return ChatRequest((ChatMessage("user", text),), **kwargs)


async def collect(model: LanguageModel, request: ChatRequest | None = None) -> list[ChatEvent]:
    return [event async for event in model.respond(request or ask())]


async def test_text_and_usage_come_as_the_service_sent_them(
    service: Service, server: SseServer, model: LanguageModel
) -> None:
    server.script(service.say("Guten Morgen, Zoë 👋."))
    events = await collect(model)
    assert text_of(events) == "Guten Morgen, Zoë 👋."
    assert events[-1] == ChatDone("stop", input_tokens=11, output_tokens=7, cached_tokens=5)


async def test_the_first_words_come_before_the_last_are_made(
    service: Service, server: SseServer, model: LanguageModel
) -> None:
    server.script(service.say("one two", pause_s=HANG_S))
    answer = model.respond(ask())
    async with asyncio.timeout(10):
        assert await anext(answer) == TextDelta("one")
    await answer.aclose()


FAILURES: dict[str, tuple[Callable[[Service], Script], type[AntiphonError]]] = {
    "400": (lambda service: service.refuse(400), ProviderRejected),
    "401": (lambda service: service.refuse(401), ProviderRejected),
    "403": (lambda service: service.refuse(403), ProviderRejected),
    "404": (lambda service: service.refuse(404), ProviderRejected),
    "429": (lambda service: service.refuse(429), ProviderBusy),
    "429 with a wait": (lambda service: service.refuse(429, retry_after="7"), RateLimited),
    "500": (lambda service: service.refuse(500), ProviderUnavailable),
    "502 with a page": (lambda _: Script(body=b"<html>", status=502), ProviderUnavailable),
    "503": (lambda service: service.refuse(503), ProviderBusy),
    "504": (lambda service: service.refuse(504), ProviderTimeout),
    "cut": (lambda _: Script([HangUp()]), ProviderUnavailable),
    "no event": (lambda _: Script([]), ProviderUnavailable),
    "broken JSON": (lambda service: Script([service.event(b"{broken")]), ProviderUnavailable),
    "a list": (lambda service: Script([service.event(b"[1, 2]")]), ProviderUnavailable),
    "no text": (lambda _: Script([Raw(b"\xff\xfe\x00garbage\n\n")]), ProviderUnavailable),
}


@pytest.mark.parametrize(("script", "expected"), FAILURES.values(), ids=FAILURES)
async def test_failures_are_told_apart_and_not_retried(
    service: Service,
    server: SseServer,
    model: LanguageModel,
    script: Callable[[Service], Script],
    expected: type[AntiphonError],
) -> None:
    server.script(script(service))
    with pytest.raises(AntiphonError) as caught:
        await collect(model)
    assert type(caught.value) is expected
    assert not isinstance(caught.value, RateLimited) or caught.value.retry_after_s == 7
    assert len(server.requests) == 1
    assert text_of(await collect(model)) == "Hello. I am scripted."


@pytest.mark.parametrize("end", [HangUp(), b"{broken", Pause(0)], ids=["cut", "garbage", "no end"])
async def test_an_answer_that_breaks_off_is_an_error_and_not_a_short_answer(
    service: Service, server: SseServer, model: LanguageModel, end: Any
) -> None:
    server.script(service.begin(service.event(end) if isinstance(end, bytes) else end))
    answer = model.respond(ask())
    assert [await anext(answer), await anext(answer)] == [TextDelta("half"), TextDelta(" an")]
    with pytest.raises(ProviderUnavailable):
        await anext(answer)


async def test_silence_in_the_middle_is_a_timeout(service: Service, server: SseServer) -> None:
    server.script(service.say("one two", pause_s=HANG_S))
    async with connected(service, server.base_url, timeout_s=0.1) as model:
        with pytest.raises(ProviderTimeout):
            await collect(model)


async def test_a_service_that_only_sends_pings_is_a_timeout(service: Service, server: SseServer) -> None:
    server.script(Script([step for _ in range(500) for step in (service.ping, Pause(0.03))]))
    async with connected(service, server.base_url, timeout_s=0.1) as model:
        with pytest.raises(ProviderTimeout):
            await collect(model)


async def test_a_service_that_is_not_there_cannot_be_reached(service: Service) -> None:
    async with connected(service, "http://127.0.0.1:9/v1") as model:
        with pytest.raises(ProviderUnavailable, match="cannot be reached"):
            await collect(model)


async def test_closing_hangs_up(service: Service, server: SseServer, model: LanguageModel) -> None:
    server.script(service.say("one two three", pause_s=HANG_S))
    answer = model.respond(ask())
    await anext(answer)
    await answer.aclose()
    await server.hung_up()
    assert server.open == 0


async def test_cancelling_before_the_first_word_hangs_up(
    service: Service, server: SseServer, model: LanguageModel
) -> None:
    server.script(service.say("late", first_s=HANG_S))
    task = asyncio.create_task(collect(model), name="reader")
    await server.asked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.hung_up()
    assert server.open == 0


async def test_answers_run_side_by_side_and_connections_are_kept(
    service: Service, server: SseServer, model: LanguageModel
) -> None:
    gate = asyncio.Event()
    scripts = [service.say(f"answer {n} is here") for n in range(8)]
    server.script(*[replace(script, steps=[Hold(gate), *script.steps]) for script in scripts])
    tasks = [asyncio.create_task(collect(model), name=f"reader {n}") for n in range(8)]
    await server.asked(8)
    gate.set()
    answers = await asyncio.gather(*tasks)
    assert sorted(text_of(answer) for answer in answers) == [f"answer {n} is here" for n in range(8)]
    assert server.hangups == []


async def test_a_tool_that_is_not_there_is_never_asked_for(server: SseServer, model: LanguageModel) -> None:
    with pytest.raises(InvalidRequest):
        await collect(model, ask(tools=(Tool("look"),), tool_choice="function:nope"))
    assert server.requests == []


async def test_a_missing_key_is_said_with_its_setting(service: Service) -> None:
    async with connected(service, None) as model:
        with pytest.raises(ProviderUnavailable, match=service.key_setting) as caught:
            await model.start()
    assert caught.value.code == "no_api_key"


async def test_a_service_of_one_s_own_needs_no_key(service: Service, server: SseServer) -> None:
    async with connected(service, server.base_url, **{f"{service.name}_llm_model": "at-home"}) as model:
        await model.start()
        assert await collect(model)
    assert server.requests[0]["model"] == "at-home"
    assert server.headers[0]["authorization"] == "Bearer none"


async def test_what_it_can_do_is_declared(service: Service, model: LanguageModel) -> None:
    capabilities = model.capabilities
    assert capabilities.name == service.name
    assert capabilities.is_remote
    assert capabilities.streams
    assert capabilities.tools
