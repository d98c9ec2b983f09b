"""The speak worker: synthesizes text or sentences."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import structlog

from antiphon.audio.resample import Resampler
from antiphon.errors import Unsupported
from antiphon.observe.failures import error_fields
from antiphon.ports.bus import Bus
from antiphon.ports.engine import answered_by, instead_of
from antiphon.ports.tts import SpeakOptions, TextToSpeech
from antiphon.wire.entries import (
    AudioReady,
    SentenceReady,
    SentencesDone,
    SentenceSpoken,
    SpeechDone,
)
from antiphon.wire.jobs import Job, Speak
from antiphon.workers.loop import Emit
from antiphon.workers.passages import Passage, Passages
from antiphon.workers.work import work_of

_log = structlog.get_logger(__name__)


class Speaker:
    """Handles ``speak`` jobs with one engine; audio is emitted in pieces of ``piece_ms``.

    It also reports the end of each sentence of a pipe: playback may be interrupted before the next.
    """

    def __init__(self, engine: TextToSpeech, piece_ms: int = 200) -> None:
        self._engine = engine
        self._piece_ms = piece_ms

    async def handle(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Speak the job's text, or each sentence of its input pipe as it arrives; then emit `SpeechDone`.

        Raises `Unsupported` (``input``) before any audio for a text that no voice can read; an unreadable sentence of
        a pipe is skipped.
        """
        work = work_of(job, Speak)
        voice = _Voice(job, work, self._piece_ms, emit)
        capabilities = self._engine.capabilities
        answered_by.set(capabilities)
        passages = Passages(capabilities, work.language)
        if work.text or not job.input:
            await self._speak(passages.of(work.text), work, voice)
        else:
            async for text in _sentences(job, bus):
                await self._speak(_readable(passages, text), work, voice)
                await emit([SentenceSpoken(job.id)])
        await voice.finish()

    async def _speak(self, passages: Sequence[Passage], work: Speak, voice: _Voice) -> None:
        for text, language in passages:
            options = SpeakOptions(work.voice, work.speed, language, work.instructions, work.model)
            async with aclosing(self._engine.synthesize(text, options)) as chunks:  # pyright: ignore[reportArgumentType] -- the engines' iterators are async generators
                async for chunk in chunks:
                    await voice.add(chunk.pcm.data, chunk.pcm.rate_hz, chunk.text)


async def _sentences(job: Job, bus: Bus) -> AsyncIterator[str]:
    """Yield the sentences of the job's input pipe."""
    async for _, entry in bus.read(job.input):
        if isinstance(entry, SentenceReady):
            yield entry.text
        elif isinstance(entry, SentencesDone):
            return


def _readable(passages: Passages, sentence: str) -> list[Passage]:
    """Return the passages of a sentence; none if no voice can read it: the rest of the answer is still spoken."""
    try:
        return passages.of(sentence)
    except Unsupported as error:
        _log.warning("sentence skipped", **error_fields(error))
        return []


class _Voice:
    """Converts an engine's audio to the requested rate and piece size."""

    def __init__(self, job: Job, work: Speak, piece_ms: int, emit: Emit) -> None:
        self._job = job
        self._rate_hz = work.rate_hz
        self._piece = work.rate_hz * piece_ms // 1000 * 2
        self._emit = emit
        self._resampler: Resampler | None = None
        self._source_hz = 0

    async def add(self, data: bytes, rate_hz: int, text: str) -> None:
        if rate_hz != self._source_hz:
            await self._drain()
            self._resampler = Resampler(rate_hz, self._rate_hz)
            self._source_hz = rate_hz
        assert self._resampler is not None  # noqa: S101 -- set with the source rate
        await self._send(self._resampler.feed(data), text)

    async def finish(self) -> None:
        await self._drain()
        by = answered_by.get()
        await self._emit([SpeechDone(self._job.id, by.name, by.model, instead_of.get())])

    async def _drain(self) -> None:
        if self._resampler is not None:
            await self._send(self._resampler.flush(), "")

    async def _send(self, data: bytes, text: str) -> None:
        if not data and not text:
            return
        await self._emit([AudioReady(self._job.id, data[: self._piece], text)])  # must not wait until the others fit
        rest = range(self._piece, len(data), self._piece)
        if rest:
            await self._emit([AudioReady(self._job.id, data[at : at + self._piece]) for at in rest])
