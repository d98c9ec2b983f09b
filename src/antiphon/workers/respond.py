"""The respond worker: generates an answer, and writes its sentences to the speech pipe."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

from antiphon.entities.chat import ChatDone, ChatEvent, ChatRequest, TextDelta, ToolCallDelta
from antiphon.errors import ProviderRejected
from antiphon.memory.prompt import question, with_memories
from antiphon.ports.bus import Bus
from antiphon.ports.llm import LanguageModel
from antiphon.resilience.empty_answers import answered
from antiphon.text.tokens import estimate_tokens
from antiphon.wire.entries import AnswerDone, CallReady, PipeEntry, SentenceReady, TextReady
from antiphon.wire.jobs import Job, Respond
from antiphon.workers.loop import Emit
from antiphon.workers.recall import RecallMemories
from antiphon.workers.sentences import Sentences
from antiphon.workers.work import work_of

_MOST_CHARACTERS = 2**20
"""Maximum length of an answer including its calls: the limit of a conversation item."""


class Responder:
    """Handles ``respond`` jobs with one LLM."""

    def __init__(self, engine: LanguageModel, recall: RecallMemories | None = None) -> None:
        """Without ``recall``, answers have no memories."""
        self._engine = engine
        self._recall = recall

    async def handle(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Emit text as it arrives, the calls, then `AnswerDone`; the speaker gets each sentence as soon as it ends.

        The output of earlier attempts is continued, not repeated; calls emitted by them stand.
        Raises `ProviderRejected` for an endless answer, `ProviderUnavailable` for an empty one.
        """
        work = work_of(job, Respond)
        before = await bus.recall(job.output, job.id) if job.attempt > 1 else ()
        said = "".join(entry.text for entry in before if isinstance(entry, TextReady))
        sentences = Sentences(bus, job, work.speech_pipe)
        await sentences.begin()
        await sentences.add(said)
        match before[-1] if before else None:
            case AnswerDone():
                pass
            case CallReady():
                await emit([_called(job.id, work.request, said)])
            case _:
                request = await self._remembering(job, work)
                await self._continue(job, replace(request, prefix=said), emit, sentences)
        await sentences.end()

    async def _remembering(self, job: Job, work: Respond) -> ChatRequest:
        """Return the request, with memories if there are any."""
        query = question(work.request)
        if work.memory is None or self._recall is None or not query:
            return work.request
        return with_memories(work.request, await self._recall(job.tenant, work.memory, query))

    async def _continue(self, job: Job, request: ChatRequest, emit: Emit, sentences: Sentences) -> None:
        characters, calls = len(request.prefix), _Calls(job.id)
        async with aclosing(answered(self._engine, request)) as events:
            async for event in events:
                characters += _length(event)
                if characters > _MOST_CHARACTERS:
                    message = f"The model's answer has more than {_MOST_CHARACTERS} characters."
                    raise ProviderRejected(message, code="answer_too_long")
                match event:
                    case TextDelta():
                        await emit([TextReady(job.id, event.text)])
                        await sentences.add(event.text)
                    case ToolCallDelta():
                        calls.add(event)
                        await emit([SentenceReady(job.id, "")])
                    case ChatDone():
                        await emit([*calls.whole(), _done(job.id, event)])


class _Calls:
    """The calls of an unfinished answer."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._calls: dict[int, list[ToolCallDelta]] = {}

    def add(self, delta: ToolCallDelta) -> None:
        self._calls.setdefault(delta.index, []).append(delta)

    def whole(self) -> list[PipeEntry]:
        """Return the calls in the order of their first deltas."""
        return [
            CallReady(self._job_id, index, deltas[0].call_id, deltas[0].name, "".join(one.arguments for one in deltas))
            for index, deltas in self._calls.items()
        ]


def _done(job_id: str, event: ChatDone) -> AnswerDone:
    return AnswerDone(job_id, event.finish_reason, event.input_tokens, event.output_tokens, event.cached_tokens)


def _called(job_id: str, request: ChatRequest, said: str) -> AnswerDone:
    """Return the last entry of an answer whose calls were emitted without its usage."""
    asked = sum(estimate_tokens(message.text) for message in request.messages)
    return AnswerDone(job_id, "tool_calls", asked, estimate_tokens(said))


def _length(event: ChatEvent) -> int:
    match event:
        case TextDelta():
            return len(event.text)
        case ToolCallDelta():
            return len(event.arguments)
        case ChatDone():
            return 0
