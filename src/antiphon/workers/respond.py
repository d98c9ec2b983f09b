"""The respond worker: a conversation in, words out, and its sentences straight into the speaker's pipe."""

from __future__ import annotations

from contextlib import aclosing

from antiphon.entities.chat import TextDelta, ToolCallDelta
from antiphon.ports.bus import Bus
from antiphon.ports.llm import LanguageModel
from antiphon.text.sentences import Splitter
from antiphon.wire.jobs import (
    AnswerDone,
    CallReady,
    Job,
    PipeEntry,
    Respond,
    SentenceReady,
    SentencesDone,
    TextReady,
)
from antiphon.workers.loop import Emit
from antiphon.workers.work import work_of


class Responder:
    """Handles ``respond`` jobs with one language model."""

    def __init__(self, engine: LanguageModel) -> None:
        self._engine = engine

    async def handle(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Emit text and calls as they come, then `AnswerDone`; the speaker gets each sentence as soon as it ends."""
        work = work_of(job, Respond)
        splitter = Splitter()
        async with aclosing(self._engine.respond(work.request)) as events:  # pyright: ignore[reportArgumentType] -- the engines' iterators are async generators
            async for event in events:
                match event:
                    case TextDelta():
                        await emit([TextReady(job.id, event.text)])
                        if work.speech_pipe:
                            await self._say(bus, job, work.speech_pipe, splitter.feed(event.text))
                    case ToolCallDelta():
                        await emit([CallReady(job.id, event.index, event.call_id, event.name, event.arguments)])
                    case _:
                        if work.speech_pipe:
                            await self._say(bus, job, work.speech_pipe, splitter.flush(), is_last=True)
                        done = AnswerDone(
                            job.id, event.finish_reason, event.input_tokens, event.output_tokens, event.cached_tokens
                        )
                        await emit([done])

    async def _say(self, bus: Bus, job: Job, pipe: str, sentences: list[str], *, is_last: bool = False) -> None:
        entries: list[PipeEntry] = [SentenceReady(job.id, sentence) for sentence in sentences]
        if is_last:
            entries.append(SentencesDone(job.id))
        if entries:
            await bus.write(pipe, entries, epoch=job.epoch)
