"""The respond worker: words and calls to the gateway, sentences straight to the speaker."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from antiphon.entities.chat import ChatDone, ChatMessage, ChatRequest, TextDelta, Tool, ToolCallDelta
from antiphon.errors import ProviderRejected
from antiphon.ports.engine import EngineContext
from antiphon.ports.llm import LanguageModel
from antiphon.providers.stub import llm as stub_llm
from antiphon.wire.entries import (
    AnswerDone,
    CallReady,
    JobFailed,
    PipeEntry,
    SentenceReady,
    SentencesDone,
    TextReady,
)
from antiphon.wire.jobs import Respond
from antiphon.workers.respond import Responder
from tests.fakes.engines import ScriptedLlm
from tests.working import Workbench, working

REQUEST = ChatRequest((ChatMessage("user", "hello"),))
SPOKEN = Respond(REQUEST, "speech")
DONE = ChatDone("stop", 3, 2, 1)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS = (Tool("get_time"), Tool("get_weather", "How it will be.", SCHEMA))


def stub(**settings: object) -> LanguageModel:
    return stub_llm.create(EngineContext(data_dir=Path(), settings=settings))


def text(words: str) -> list[TextDelta]:
    """A delta a word, spaces in front."""
    return [TextDelta(f" {word}" if index else word) for index, word in enumerate(words.split())]


async def sentences(bench: Workbench) -> list[PipeEntry]:
    """Return all that lies in the speech pipe, to its end."""
    entries: list[PipeEntry] = []
    async with asyncio.timeout(10):
        async for _, entry in bench.bus.read("speech"):
            entries.append(entry)
            if isinstance(entry, SentencesDone):
                break
    return entries


async def test_a_sentence_reaches_the_speech_pipe_while_the_model_still_writes() -> None:
    more = asyncio.Event()
    engine = ScriptedLlm([*text("It is noon. The"), more, TextDelta(" sun is high."), DONE])
    async with working("respond", Responder(engine).handle) as bench:
        speech = bench.bus.read("speech")
        job = await bench.submit(SPOKEN)
        _, first = await anext(speech)
        assert first == SentenceReady("job_1", "It is noon.")
        more.set()
        assert [entry for _, entry in [await anext(speech), await anext(speech)]] == [
            SentenceReady("job_1", "The sun is high."),
            SentencesDone("job_1"),
        ]
        await job.rest()
    assert engine.asked == [(REQUEST,)]
    assert engine.left == 1


async def test_every_word_goes_to_the_gateway_in_order_and_the_count_comes_last() -> None:
    deltas = text("It is noon. The sun is high.")
    async with working("respond", Responder(ScriptedLlm([*deltas, DONE])).handle) as bench:
        found = await bench.do(SPOKEN)
    assert found == [*(TextReady("job_1", delta.text) for delta in deltas), AnswerDone("job_1", "stop", 3, 2, 1)]


async def test_the_rest_without_a_full_stop_is_spoken_and_its_end_is_known_before_the_answers() -> None:
    engine = ScriptedLlm([*text("It is noon. And then"), DONE])
    async with working("respond", Responder(engine).handle) as bench:
        speech = bench.bus.read("speech")
        job = await bench.submit(SPOKEN)
        while not isinstance(await job.next(), AnswerDone):
            pass
        said = [(await asyncio.wait_for(anext(speech), 0.001))[1] for _ in range(3)]
    assert said == [SentenceReady("job_1", "It is noon."), SentenceReady("job_1", "And then"), SentencesDone("job_1")]


async def test_an_answer_without_words_ends_its_speech_pipe_all_the_same() -> None:
    refused = ChatDone("content_filter", 3, 2, 1)
    async with working("respond", Responder(ScriptedLlm([refused])).handle) as bench:
        assert await bench.do(SPOKEN) == [AnswerDone("job_1", "content_filter", 3, 2, 1)]
        assert await sentences(bench) == [SentencesDone("job_1")]


async def test_an_answer_that_is_only_written_has_no_sentences() -> None:
    async with working("respond", Responder(stub(stub_llm_words=30)).handle) as bench:
        found = await bench.do(Respond(REQUEST))
        assert bench.bus._pipes.keys() == {"out:job_1"}
    assert len(found) == 31


async def test_the_spoken_sentences_are_the_written_words() -> None:
    async with working("respond", Responder(stub(stub_llm_words=50)).handle) as bench:
        found = await bench.do(SPOKEN)
        said = await sentences(bench)
    written = "".join(entry.text for entry in found if isinstance(entry, TextReady))
    spoken = [entry.text for entry in said if isinstance(entry, SentenceReady)]
    assert " ".join(spoken) == written
    assert len(spoken) >= 5


@pytest.mark.parametrize("choice", ["function:get_weather", "required"])
async def test_a_forced_call_satisfies_its_schema_and_is_not_spoken(choice: str) -> None:
    request = ChatRequest((ChatMessage("user", "get weather, please"),), TOOLS, choice)
    async with working("respond", Responder(stub()).handle) as bench:
        *signs, call, last = await bench.do(Respond(request, "speech"))
        assert await sentences(bench) == [SentencesDone("job_1")]
    assert isinstance(last, AnswerDone)
    assert last.finish_reason == "tool_calls"
    assert signs == [SentenceReady("job_1", "")] * len(signs)
    assert isinstance(call, CallReady)
    assert (call.name, call.index) == ("get_weather", 0)
    assert call.call_id
    jsonschema.validate(json.loads(call.arguments), SCHEMA)


async def test_a_choice_of_a_tool_that_is_not_there_is_refused() -> None:
    request = ChatRequest((ChatMessage("user", "hi"),), TOOLS, "function:nope")
    async with working("respond", Responder(stub()).handle) as bench:
        (failed,) = await bench.do(Respond(request, "speech"))
    assert isinstance(failed, JobFailed)
    assert failed.error_type == "invalid_request_error"


async def test_words_come_at_once_and_calls_whole_when_the_answer_is_over() -> None:
    script = [
        TextDelta("Wait. "),
        ToolCallDelta(0, "call_a", "get_time", "{"),
        ToolCallDelta(1, "call_b", "get_weather", '{"city"'),
        ToolCallDelta(0, "", "", "}"),
        TextDelta("Done"),
        ChatDone("tool_calls"),
    ]
    async with working("respond", Responder(ScriptedLlm(script)).handle) as bench:
        found = await bench.do(SPOKEN)
        said = await sentences(bench)
    assert found == [
        TextReady("job_1", "Wait. "),
        *[SentenceReady("job_1", "")] * 3,
        TextReady("job_1", "Done"),
        CallReady("job_1", 0, "call_a", "get_time", "{}"),
        CallReady("job_1", 1, "call_b", "get_weather", '{"city"'),
        AnswerDone("job_1", "tool_calls"),
    ]
    assert [entry.text for entry in said if isinstance(entry, SentenceReady)] == ["Wait.", "Done"]


async def test_a_model_that_fails_in_the_middle_is_not_asked_again() -> None:
    engine = ScriptedLlm([TextDelta("It is"), ProviderRejected("too long", code="context_length_exceeded")])
    async with working("respond", Responder(engine).handle) as bench:
        found = await bench.do(SPOKEN)
        job = await bench.submit(SPOKEN)
        await job.rest()
    assert found == [
        TextReady("job_1", "It is"),
        JobFailed("job_1", ProviderRejected.type, "context_length_exceeded", "too long", kind="ProviderRejected"),
    ]
    assert len(engine.asked) == 2


@pytest.mark.parametrize("more", [TextDelta("x" * 2**18), ToolCallDelta(0, "call", "f", "x" * 2**18)])
async def test_an_answer_without_end_is_given_up(more: TextDelta | ToolCallDelta) -> None:
    engine = ScriptedLlm([more] * 1000)
    async with working("respond", Responder(engine).handle) as bench:
        *said, last = await bench.do(Respond(REQUEST))
    assert isinstance(last, JobFailed)
    assert (last.kind, last.code) == ("ProviderRejected", "answer_too_long")
    assert len(said) == 4
    assert engine.left == 1


async def test_a_call_that_cannot_be_filled_in_fails_and_names_its_tool() -> None:
    greedy = {"properties": {"x": {"type": "string", "minLength": 10**8}}, "required": ["x"]}
    request = ChatRequest((ChatMessage("user", "hi"),), (Tool("greedy", "", greedy),), "required")
    async with working("respond", Responder(stub()).handle) as bench:
        (failed,) = await bench.do(Respond(request))
    assert isinstance(failed, JobFailed)
    assert (failed.kind, failed.param) == ("InvalidRequest", "tools")
    assert "'greedy'" in failed.message


async def test_a_cancelled_answer_stops_the_model_and_says_nothing_more() -> None:
    never = asyncio.Event()
    engine = ScriptedLlm([TextDelta("It is noon. "), never, TextDelta("Not said."), DONE])
    async with working("respond", Responder(engine).handle) as bench:
        job = await bench.submit(SPOKEN)
        await job.next()
        await bench.bus.cancel(job.job.id)
        await job.settled()
        assert engine.left == 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(job.next(), 0.05)


async def test_a_model_that_answers_nothing_is_asked_once_more_and_nothing_was_heard_before() -> None:
    engine = ScriptedLlm([TextDelta(" \n"), DONE], [*text("Good day."), DONE])
    async with working("respond", Responder(engine).handle) as bench:
        *found, last = await bench.do(SPOKEN)
        said = await sentences(bench)
    assert found == [TextReady("job_1", "Good"), TextReady("job_1", " day.")]
    assert isinstance(last, AnswerDone)
    assert said == [SentenceReady("job_1", "Good day."), SentencesDone("job_1")]
    assert len(engine.asked) == 2
