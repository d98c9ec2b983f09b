"""The transcribe worker: audio in, text out."""

from __future__ import annotations

from contextlib import aclosing

from antiphon.entities.speech import Pcm, Segment
from antiphon.observe.engine import answered_by
from antiphon.ports.bus import Bus
from antiphon.ports.stt import SpeechToText, TranscribeOptions
from antiphon.wire.jobs import Job, SegmentReady, Transcribe, TranscriptReady
from antiphon.workers.loop import Emit
from antiphon.workers.work import work_of


class Transcriber:
    """Handles ``transcribe`` jobs with one engine."""

    def __init__(self, engine: SpeechToText) -> None:
        self._engine = engine

    async def handle(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Emit segments as they are known, then the transcript."""
        del bus
        work = work_of(job, Transcribe)
        options = TranscribeOptions(
            language=work.language,
            prompt=work.prompt,
            model=work.model,
            translate=work.translate,
            word_timestamps=work.word_timestamps,
            temperature=work.temperature,
        )
        answered_by.set(self._engine.capabilities.name)
        async with aclosing(self._engine.transcribe(Pcm(work.audio, work.rate_hz), options)) as results:  # pyright: ignore[reportArgumentType] -- the engines' iterators are async generators
            async for result in results:
                if isinstance(result, Segment):
                    await emit([SegmentReady(job.id, result)])
                else:
                    facts = (result.text, result.language, result.duration_s, result.segments)
                    await emit([TranscriptReady(job.id, *facts, engine=answered_by.get())])
