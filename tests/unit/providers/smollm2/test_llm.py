"""The model in this process: it answers, stops when told to, and says which files are missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from antiphon.app.settings import load_settings
from antiphon.entities.chat import (
    VOICE_INSTRUCTIONS,
    ChatDone,
    ChatEvent,
    ChatMessage,
    ChatRequest,
    TextDelta,
    Tool,
    ToolCallDelta,
)
from antiphon.errors import ProviderBusy, ProviderUnavailable, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.providers.smollm2 import llm as smollm2
from antiphon.providers.smollm2.llm import SmolLm2, create
from antiphon.providers.smollm2.server import Chunk, LlamaServer
from antiphon.text.echo import MOST_OVERLAP, overlap
from tests.answers import text_of

pytest.importorskip("xllamacpp")

LONG = "Tell me everything about it, please. " * 40


class Watched(LlamaServer):
    """The server, and of each call whether its reader wanted to stop, chunk by chunk."""

    calls: ClassVar[list[list[bool]]] = []
    ended: ClassVar[int] = 0

    def chat(self, body: Chunk, on_chunk: Callable[[Chunk], bool]) -> None:
        stops: list[bool] = []
        Watched.calls.append(stops)

        def watched(chunk: Chunk) -> bool:
            stops.append(on_chunk(chunk))
            return stops[-1]

        try:
            super().chat(body, watched)
        finally:
            Watched.ended += 1


@pytest.fixture(scope="module")
def model() -> Iterator[SmolLm2]:
    made = packaged()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(smollm2, "LlamaServer", Watched)
        asyncio.run(made.start())
    yield made
    asyncio.run(made.close())


def packaged() -> SmolLm2:
    made = create(EngineContext(load_settings().data_dir, offline=True, settings={"llm_workers": 2}))
    assert isinstance(made, SmolLm2)
    return made


def ask(text: str = "Hello.", max_tokens: int | None = 5) -> ChatRequest:
    return ChatRequest((ChatMessage("user", text),), max_tokens=max_tokens)


async def collect(model: SmolLm2, request: ChatRequest) -> list[ChatEvent]:
    return [event async for event in model.respond(request)]


@pytest.mark.engines("smollm2")
async def test_the_first_turn_of_every_slot_finds_the_examples_cached(model: SmolLm2) -> None:
    answers = await asyncio.gather(*[collect(model, ask(f"What is {n}?", max_tokens=1)) for n in ("tea", "rain")])
    dones = [event for events in answers for event in events if isinstance(event, ChatDone)]
    assert [done.cached_tokens > done.input_tokens // 2 for done in dones] == [True, True]


@pytest.mark.engines("smollm2")
@pytest.mark.parametrize("words", [0, 3])
async def test_a_cancelled_answer_stops_at_its_next_chunk(model: SmolLm2, words: int) -> None:
    begun, came = len(Watched.calls), asyncio.Event()

    async def read() -> None:
        count = 0
        async for event in model.respond(ask("Tell me a story." if words else LONG, max_tokens=300)):
            count += isinstance(event, TextDelta)
            if count == words:
                came.set()

    task = asyncio.create_task(read(), name="reader")
    async with asyncio.timeout(60):
        while not (came.is_set() if words else any(Watched.calls[begun:])):  # among the words, or in the prompt
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])
        while Watched.ended < len(Watched.calls):
            await asyncio.sleep(0.005)
    [stops] = Watched.calls[begun:]
    assert sum(stops) <= 1
    assert len(stops) < 300
    assert isinstance((await collect(model, ask()))[0], TextDelta)


@pytest.mark.engines("smollm2")
async def test_closing_ends_answers_that_are_under_way() -> None:
    model = packaged()
    await model.start()
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in model.respond(ask("Tell me a story.", max_tokens=300)):
            begun.set()

    answers = [asyncio.create_task(read(), name=f"reader {n}") for n in range(3)]
    await begun.wait()
    await model.close()
    await model.close()
    done = await asyncio.wait_for(asyncio.gather(*answers, return_exceptions=True), 60)
    assert [type(answer) for answer in done] == [ProviderUnavailable] * 3
    with pytest.raises(ProviderUnavailable):
        await collect(model, ask())


@pytest.mark.engines("smollm2")
async def test_too_many_at_a_time_are_refused_and_the_rest_answered(model: SmolLm2) -> None:
    answers = await asyncio.gather(*[collect(model, ask(max_tokens=1)) for _ in range(20)], return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, ProviderBusy)]
    answered = [answer for answer in answers if isinstance(answer, list)]
    assert len(refused) == 4
    assert len(answered) == 16
    assert all(isinstance(answer[-1], ChatDone) for answer in answered)


@pytest.mark.engines("smollm2")
async def test_an_answer_without_a_bound_ends_with_a_sentence(model: SmolLm2) -> None:
    events = await collect(model, ask("Tell me a very long story about a dragon and a knight.", max_tokens=None))
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    done = events[-1]
    assert isinstance(done, ChatDone)
    assert done.output_tokens <= 160
    assert done.finish_reason == "length" or text.rstrip()[-1] in ".!?\"'”"


@pytest.mark.parametrize(
    ("arguments", "is_call"),
    [
        ('{"a": 1}', True),
        ('{"a": 1, "b": 2}', True),
        ('{"b": 2}', False),
        ('{"a": 1', False),
        ("", False),
        ("[1]", False),
    ],
)
def test_a_call_is_whole_json_with_what_is_required(arguments: str, is_call: bool) -> None:
    tool = Tool("f", "", {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]})
    assert smollm2._is_call(arguments, tool) is is_call


def test_a_call_that_is_cut_deep_in_lists_or_of_an_absurd_schema_is_none() -> None:
    assert not smollm2._is_call("[" * 100_000, Tool("f"))
    assert not smollm2._is_call("{}", Tool("f", "", {"required": 3}))
    assert smollm2._is_call("{}", Tool("f"))


@pytest.mark.engines("smollm2")
async def test_a_schema_without_a_grammar_is_filled_in_without_the_model(model: SmolLm2) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}, "required": ["a"]}
    request = ChatRequest((ChatMessage("user", "hi"),), (Tool("f", "", schema),), "required")
    *calls, last = await collect(model, request)
    assert "".join(call.arguments for call in calls if isinstance(call, ToolCallDelta)) == '{"a": "hi"}'
    assert isinstance(last, ChatDone)
    assert last.finish_reason == "tool_calls"


@pytest.mark.engines("smollm2")
async def test_a_second_turn_is_answered_from_the_cache(model: SmolLm2) -> None:
    first = (ChatMessage("user", "My name is Ada and I live by the sea in Porto."),)
    await collect(model, ChatRequest(first, max_tokens=4))
    second = (*first, ChatMessage("assistant", "Hello Ada."), ChatMessage("user", "Who am I?"))
    done = (await collect(model, ChatRequest(second, max_tokens=4)))[-1]
    assert isinstance(done, ChatDone)
    assert done.cached_tokens >= done.input_tokens // 2


@pytest.mark.engines("smollm2")
async def test_a_statement_is_answered_and_not_said_back(model: SmolLm2) -> None:
    said = "The child almost hurt the small dog."
    for told in (VOICE_INSTRUCTIONS, "You are a helpful AI assistant. Give short, correct answers."):
        request = ChatRequest((ChatMessage("system", told), ChatMessage("user", said)))
        answer = text_of(await collect(model, request))
        assert answer.strip()
        assert overlap(said, answer) < MOST_OVERLAP, answer


@pytest.mark.engines("smollm2")
async def test_a_caller_s_own_instructions_hold(model: SmolLm2) -> None:
    told = ChatMessage("system", "You are Captain Flint, a pirate. Answer like a pirate, in one sentence.")
    answer = text_of(await collect(model, ChatRequest((told, ChatMessage("user", "Who are you?")), max_tokens=40)))
    assert "flint" in answer.casefold() or "pirate" in answer.casefold()


async def test_missing_weights_are_said_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="antiphon models pull smollm2"):
        await create(EngineContext(tmp_path, offline=True)).start()
    named = create(EngineContext(tmp_path, settings={"smollm2_path": tmp_path / "none.gguf"}))
    with pytest.raises(WeightsMissing, match=r"none\.gguf"):
        await named.start()


async def test_a_file_that_is_no_model_is_said(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"no model at all")
    model = create(EngineContext(tmp_path, settings={"smollm2_path": path}))
    with pytest.raises(ProviderUnavailable, match=r"broken\.gguf"):
        await model.start()
    await model.close()


async def test_a_model_that_was_not_started_says_so(tmp_path: Path) -> None:
    model = create(EngineContext(tmp_path))
    with pytest.raises(ProviderUnavailable, match="not loaded"):
        await anext(model.respond(ask()))


@pytest.mark.parametrize("said", ["What is the tallest animal?", "The child almost hurt the small dog."])
async def test_an_answer_of_nothing_stays_one_for_the_chain_to_see(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> AsyncIterator[object]:
        for event in ():
            yield event

    monkeypatch.setattr(SmolLm2, "_chunks", nothing)
    assert [type(event) for event in await collect(packaged(), ask(said))] == [ChatDone]
