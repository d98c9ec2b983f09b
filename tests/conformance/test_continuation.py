"""An answer whose worker is lost is continued by another one, whatever bus is between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from antiphon.entities.chat import ChatDone, ChatEvent, ChatMessage, ChatRequest, TextDelta, ToolCallDelta
from antiphon.errors import Fenced, ProviderUnavailable
from antiphon.ports.bus import Attempt, Bus, Lease
from antiphon.providers.stub.llm import StubLlm
from antiphon.text.sentences import split
from antiphon.wire.entries import (
    AnswerDone,
    CallReady,
    JobFailed,
    PipeEntry,
    SentenceReady,
    SentencesDone,
)
from antiphon.wire.jobs import Job, Respond
from antiphon.workers.completion import WorkerOptions
from antiphon.workers.loop import run
from antiphon.workers.respond import Responder
from antiphon.workers.retry_policy import RetryRule
from tests.conformance.buses import LEASE_S, AnyBus, soon, take, texts, words
from tests.fakes.engines import ScriptedLlm

REQUEST = ChatRequest((ChatMessage("user", "hello"),))
WORDS = 13
"""More than a pipe has room for, and the beginning of a second sentence."""
OPTIONS = WorkerOptions(heartbeat_s=LEASE_S / 3, retry=RetryRule(attempts=3))


class Dying:
    """A bus as a process sees it that is killed over each job when it has written so much of it.

    Nothing of what it does for a job that has killed it arrives any more. An entry may be torn from its neighbours,
    as in a pipe that has room for some of them.
    """

    def __init__(self, bus: AnyBus, most: Mapping[str, int]) -> None:
        self._bus = bus
        self._left = dict(most)
        self.dead: dict[str, asyncio.Event] = {job_id: asyncio.Event() for job_id in most}
        self.leases: list[Lease] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def claim(self, *share: Any) -> AsyncIterator[Any]:
        async for lease in self._bus.claim(*share):
            self.leases.append(lease)
            yield Unheard(lease, self.dead[lease.job.id])

    async def write(self, pipe: str, entries: Sequence[PipeEntry], *, by: Attempt, **kwargs: Any) -> bool:
        left = self._left[by.job_id]
        self._left[by.job_id] -= len(entries)
        if left > 0:
            await self._bus.write(pipe, entries[:left], by=by, **kwargs)
        if self._left[by.job_id] < 0:
            self.dead[by.job_id].set()
            await asyncio.Event().wait()
        return True


class Unheard:
    """A lease whose end nobody hears of once its worker is dead; it is kept until all are."""

    def __init__(self, lease: Any, is_dead: asyncio.Event) -> None:
        self._lease, self._is_dead, self.job = lease, is_dead, lease.job

    def __getattr__(self, name: str) -> Callable[..., Awaitable[None]]:
        async def command(*args: Any, **kwargs: Any) -> None:
            if name == "renew" or not self._is_dead.is_set():
                await getattr(self._lease, name)(*args, **kwargs)

        return command


@asynccontextmanager
async def working(bus: Bus, engine: Any, name: str, concurrency: int = 1) -> AsyncIterator[None]:
    handle = Responder(engine).handle
    worker = asyncio.ensure_future(run(bus, "respond", handle, name, OPTIONS, concurrency=concurrency))
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.wait((worker,))


def answer(number: int) -> Job:
    return Job(f"a{number}", "respond", Respond(REQUEST, f"speech:{number}"), f"out:{number}")


async def read(bus: AnyBus, pipe: str) -> list[PipeEntry]:
    entries: list[PipeEntry] = []
    async with asyncio.timeout(30):
        async for _, entry in bus.read(pipe):
            entries.append(entry)
            if isinstance(entry, AnswerDone | SentencesDone | JobFailed):
                return entries
    raise AssertionError(f"{pipe} was dropped")


async def heard(bus: AnyBus, number: int) -> tuple[list[PipeEntry], list[PipeEntry]]:
    return await read(bus, f"out:{number}"), await read(bus, f"speech:{number}")


async def killed(bus: AnyBus, engine: Any, writes: Mapping[Job, int]) -> None:
    """Submit jobs, and let their worker die over each of them behind so many entries."""
    dying = Dying(bus, {job.id: most for job, most in writes.items()})
    for job in writes:
        await bus.submit(job)
    async with working(dying, engine, "dying", concurrency=len(writes)):
        for is_dead in dying.dead.values():
            await soon(is_dead.wait(), 30)
    for lease in dying.leases:
        await lease.release("its worker was killed")


async def test_wherever_its_worker_is_killed_an_answer_is_whole_and_nothing_comes_twice(bus: AnyBus) -> None:
    model = StubLlm(words=WORDS)
    text = [event.text async for event in model.respond(REQUEST) if isinstance(event, TextDelta)]
    sentences = split("".join(text))
    kills = range(len([*text, "its end", *sentences, "their end"]))
    readers = [asyncio.create_task(heard(bus, writes + 1)) for writes in kills]
    await killed(bus, model, {answer(writes + 1): writes for writes in kills})
    async with working(bus, model, "other", concurrency=4):
        for writes, reader in enumerate(readers):
            (*more, last), spoken = await soon(reader, 30)
            assert texts(more) == text, f"killed behind {writes} entries"
            assert sentence_texts(spoken) == sentences, f"killed behind {writes} entries"
            assert last == AnswerDone(last.job_id, "stop", 1, WORDS)


def sentence_texts(entries: Sequence[PipeEntry]) -> list[str]:
    return [entry.text for entry in entries if isinstance(entry, SentenceReady)]


def calling(name: object) -> Job:
    return Job(f"a{name}", "respond", Respond(REQUEST), f"out:{name}")


class Caller(StubLlm):
    """Repeats its calls, and continues its text."""

    async def respond(self, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        for event in CALLING[1:] if request.prefix else CALLING:
            yield event


CALLING: list[ChatEvent] = [
    TextDelta("One moment. "),
    ToolCallDelta(0, "call_a", "pay", '{"sum":'),
    ToolCallDelta(0, "", "", " 1}"),
    ToolCallDelta(1, "call_b", "tell", "{}"),
    ChatDone("tool_calls", 5, 6),
]


async def test_a_call_is_made_once_wherever_its_worker_is_killed_and_a_cancelled_one_never(bus: AnyBus) -> None:
    cancelled = calling("cancelled")
    await killed(bus, ScriptedLlm(CALLING), {cancelled: 1, **{calling(writes): writes for writes in range(6)}})
    await bus.cancel(cancelled.id)
    async with working(bus, Caller(), "other", concurrency=6):
        answers = [await read(bus, f"out:{writes}") for writes in range(6)]
    for writes, entries in enumerate(answers):
        calls = [entry for entry in entries if isinstance(entry, CallReady)]
        assert calls[0] == CallReady(f"a{writes}", 0, "call_a", "pay", '{"sum": 1}')
        assert calls[1:] == ([] if writes == 5 else [CallReady(f"a{writes}", 1, "call_b", "tell", "{}")])
        assert "".join(texts(entries)) == "One moment. "
        last = entries[-1]
        assert isinstance(last, AnswerDone)
        assert last.finish_reason == "tool_calls"
        assert last.input_tokens > 0
    assert await bus.tail(cancelled.output) == 1


async def test_an_answer_whose_engine_fails_in_the_middle_is_tried_again_from_there(bus: AnyBus) -> None:
    class Continuing(ScriptedLlm):
        capabilities = StubLlm.capabilities

    rest = [TextDelta(" noon. The sun"), TextDelta(" is high."), ChatDone("stop", 3, 8)]
    engine = Continuing([TextDelta("It is"), ProviderUnavailable("gone")], rest)
    await bus.submit(answer(0))
    async with working(bus, engine, "worker"):
        (*more, last), spoken = await heard(bus, 0)
    assert "".join(texts(more)) == "It is noon. The sun is high."
    assert last == AnswerDone("a0", "stop", 3, 8)
    assert sentence_texts(spoken) == ["It is noon.", "The sun is high."]
    assert [request.prefix for (request,) in engine.asked] == ["", "It is"]


async def test_an_answer_that_fails_again_and_again_has_failed(bus: AnyBus) -> None:
    engine = ScriptedLlm([TextDelta("It is "), ProviderUnavailable("gone")])
    await bus.submit(Job("a", "respond", Respond(REQUEST), "out:0"))
    async with working(bus, engine, "worker"):
        entries = await read(bus, "out:0")
    assert texts(entries) == ["It is "]
    assert isinstance(entries[-1], JobFailed)
    assert len(engine.asked) == OPTIONS.retry.attempts


async def test_a_worker_that_is_stopped_hands_its_answer_to_another(bus: AnyBus) -> None:
    never = asyncio.Event()
    engine = ScriptedLlm([TextDelta("It is noon. And"), never], [TextDelta("And it is hot."), ChatDone("stop")])
    await bus.submit(answer(0))
    async with working(bus, engine, "stopped"):
        await soon(take(bus, "out:0", 1), 30)
    async with working(bus, engine, "other"):
        (*more, last), spoken = await heard(bus, 0)
    assert "".join(texts(more)) == "It is noon. And it is hot."
    assert isinstance(last, AnswerDone)
    assert sentence_texts(spoken) == ["It is noon.", "And it is hot."]


async def test_what_a_worker_that_sleeps_says_too_late_is_heard_by_nobody(bus: AnyBus) -> None:
    await bus.write("out:0", words("It is noon. "), by=Attempt("j", 1, keeps=True))
    await bus.begin("out:0", Attempt("j", 2, keeps=True))
    with pytest.raises(Fenced):
        await bus.write("out:0", words("It"), by=Attempt("j", 1, keeps=True))
    await bus.write("out:0", words("The"), by=Attempt("j", 2, keeps=True))
    assert texts(await bus.recall("out:0", "j")) == ["It is noon. ", "The"]


async def test_what_is_kept_outlives_the_room_of_its_pipe_and_not_its_job(bus: AnyBus) -> None:
    said = [str(number) for number in range(40)]
    reading = asyncio.ensure_future(take(bus, "out:0", 40))
    for word in said:
        await soon(bus.write("out:0", words(word), by=Attempt("j", 1, keeps=True)), 30)
        await bus.write("speech", words(word), by=Attempt("other", 1)) if word == "0" else None
    await soon(reading, 30)
    assert texts(await bus.recall("out:0", "j")) == said
    assert await bus.recall("speech", "other") == []
    await bus.forget("out:0", "j")
    assert await bus.recall("out:0", "j") == []
