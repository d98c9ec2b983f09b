"""Chains move on before the first result, and never after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from structlog.testing import capture_logs

from antiphon.clock import VirtualClock
from antiphon.entities.capabilities import Capabilities, Voice
from antiphon.entities.chat import ChatDone, ChatEvent, ChatMessage, ChatRequest, TextDelta
from antiphon.errors import (
    InvalidRequest,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    Unsupported,
    WeightsMissing,
)
from antiphon.ports.vad import VoiceStream
from antiphon.providers.chains import LlmChain, TranslationChain, VadChain

ASKED = ChatRequest((ChatMessage("user", "hello"),))


class Engine:
    """Fails where it is told to."""

    def __init__(self, name: str, *, start: Exception | None = None, fail: Exception | None = None, after: int = 0):
        self.capabilities = Capabilities(name, models=(name,), voices=(Voice(name, "en"),), languages=("en", name))
        self.start_error, self.error, self.after = start, fail, after
        self.started = self.closed = self.asked = self.left = 0

    async def start(self) -> None:
        self.started += 1
        if self.start_error:
            raise self.start_error

    async def close(self) -> None:
        self.closed += 1

    async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        self.asked += 1
        try:
            for _ in range(self.after):
                yield TextDelta(self.capabilities.name)
            if self.error:
                raise self.error
            yield TextDelta(self.capabilities.name)
            yield ChatDone("stop")
        finally:
            self.left += 1

    async def translate(self, text: str, *, source: str | None, target: str) -> str:
        self.asked += 1
        if self.error:
            raise self.error
        return f"{self.capabilities.name}:{text}"

    def open(self, on_scores: Callable[[Sequence[float]], None]) -> VoiceStream:
        raise NotImplementedError(self.capabilities.name)


async def said(chain: LlmChain) -> str:
    return "".join([event.text async for event in chain.respond(ASKED) if isinstance(event, TextDelta)])


async def test_the_first_engine_answers_while_it_can() -> None:
    first, second = Engine("a"), Engine("b")
    assert await said(LlmChain([first, second])) == "a"
    assert second.asked == 0


@pytest.mark.parametrize("error", [ProviderTimeout("slow"), ProviderRejected("key"), Unsupported("no")])
async def test_a_failure_before_the_first_result_moves_on_with_a_warning(error: Exception) -> None:
    with capture_logs() as logs:
        assert await said(LlmChain([Engine("a", fail=error), Engine("b")])) == "b"
    assert [(entry["engine"], entry["error"]) for entry in logs] == [("a", type(error).__name__)]


async def test_a_failure_after_the_first_result_rises() -> None:
    second = Engine("b")
    with pytest.raises(ProviderTimeout, match="late"):
        await said(LlmChain([Engine("a", fail=ProviderTimeout("late"), after=1), second]))
    assert second.asked == 0


async def test_an_error_of_the_request_is_not_tried_elsewhere() -> None:
    second = Engine("b")
    with pytest.raises(InvalidRequest):
        await said(LlmChain([Engine("a", fail=InvalidRequest("bad")), second]))
    assert second.asked == 0


async def test_the_last_failure_rises_when_all_fail() -> None:
    chain = LlmChain([Engine("a", fail=ProviderTimeout("a")), Engine("b", fail=ProviderRejected("b"))])
    with pytest.raises(ProviderRejected, match="b"):
        await said(chain)


async def test_a_failed_engine_rests_and_comes_back() -> None:
    clock = VirtualClock()
    first = Engine("a", fail=ProviderTimeout("slow"))
    chain = LlmChain([first, Engine("b")], clock=clock)
    assert await said(chain) + await said(chain) == "bb"
    assert first.asked == 1
    first.error = None
    clock.advance(1.1)
    assert await said(chain) == "a"


async def test_closing_the_chain_s_iterator_closes_the_engine_s() -> None:
    first = Engine("a", after=5)
    results = LlmChain([first, Engine("b")]).respond(ASKED)
    await anext(results)
    await results.aclose()  # pyright: ignore[reportAttributeAccessIssue]  # a generator behind the port's type
    assert first.left == 1


async def test_cancelling_reaches_the_engine() -> None:
    class Slow(Engine):
        async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
            try:
                await asyncio.sleep(60)
                yield TextDelta("late")
            finally:
                self.left += 1

    slow, second = Slow("a"), Engine("b")
    task = asyncio.create_task(said(LlmChain([slow, second])), name="reader")
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (slow.left, second.asked) == (1, 0)


@pytest.mark.parametrize(
    "error",
    [
        WeightsMissing("antiphon models pull"),
        ModuleNotFoundError("no", name="xllamacpp"),
        ProviderUnavailable("x"),
    ],
)
async def test_an_engine_that_cannot_start_is_left_out_with_the_command_that_mends_it(
    error: Exception,
) -> None:
    chain = LlmChain([Engine("a", start=error), Engine("b")])
    with capture_logs() as logs:
        await chain.start()
    assert chain.capabilities.name == "b"
    assert await said(chain) == "b"
    hint = "antiphon[local]" if isinstance(error, ImportError) else str(error)
    assert hint in logs[0]["reason"]


async def test_no_engine_that_starts_is_an_error() -> None:
    with pytest.raises(WeightsMissing, match="a, b"):
        await LlmChain([Engine("a", start=WeightsMissing("x")), Engine("b", start=WeightsMissing("y"))]).start()


async def test_capabilities_are_joined_in_order() -> None:
    capabilities = LlmChain([Engine("a"), Engine("b")]).capabilities
    assert capabilities.models == ("a", "b")
    assert [voice.id for voice in capabilities.voices] == ["a", "b"]
    assert capabilities.languages == ("en", "a", "b")


async def test_a_pair_of_languages_that_one_engine_has_not_goes_to_the_next() -> None:
    first = Engine("a", fail=Unsupported("en to ja"))
    chain = TranslationChain([first, Engine("b")])
    assert await chain.translate("hi", source="en", target="ja") == "b:hi"
    assert await chain.translate("hi", source="en", target="ja") == "b:hi"
    assert first.asked == 2


async def test_a_detector_is_the_first_that_starts_and_no_other_is_loaded() -> None:
    engines = [Engine("a", start=WeightsMissing("x")), Engine("b"), Engine("c")]
    chain = VadChain(engines)
    await chain.start()
    with pytest.raises(NotImplementedError, match="b"):
        chain.open(lambda _: None)
    assert engines[2].started == 0
    await chain.close()
    assert engines[1].closed == 1
