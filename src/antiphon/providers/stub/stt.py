"""The stub STT: the same text for every clip that is loud enough. For functional and load tests."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

import numpy as np

from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import Pcm, Segment, Transcript, Word
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import TranscribeOptions
from antiphon.providers.hosting.deadline import deadline
from antiphon.providers.stub.settings import StubSettings

THRESHOLD_RMS = 0.001
"""Full scale is 1.0; quieter clips have no text."""
_PIECE_SAMPLES = 2**16


class StubStt:
    """Answers with a fixed text, after a time that depends only on the audio."""

    def __init__(self, context: EngineContext) -> None:
        settings = context.section(StubSettings)
        self._delay_s = settings.stub_stt_ms / 1000
        self._spread_ms = settings.stub_spread_ms
        self._timeout_s = context.timeout_s
        self._text = settings.stub_text

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("stub", models=("stub-stt",))

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def transcribe(self, audio: Pcm, options: TranscribeOptions) -> AsyncIterator[Segment | Transcript]:
        """Yield one segment and the transcript; for silence the transcript alone."""
        delay_s = self._delay_s + spread_ms(audio.data, self._spread_ms) / 1000
        if delay_s:
            async with deadline("stub", self._timeout_s):
                await asyncio.sleep(delay_s)
        text = self._text if await _is_loud(audio) else ""
        segments = (Segment(text, 0.0, audio.duration_s, self._words(audio, options)),) if text else ()
        for segment in segments:
            yield segment
        yield Transcript(text, options.language or "en", audio.duration_s, segments)

    def _words(self, audio: Pcm, options: TranscribeOptions) -> tuple[Word, ...]:
        """Spread the words evenly over the clip."""
        words = self._text.split() if options.word_timestamps else []
        step_s = audio.duration_s / max(1, len(words))
        return tuple(Word(word, place * step_s, (place + 1) * step_s) for place, word in enumerate(words))


def spread_ms(audio: bytes, most_ms: int) -> int:
    """Return the additional time for this audio: 0 to ``most_ms``, pseudo-random."""
    return zlib.crc32(audio) % (most_ms + 1)


async def _is_loud(audio: Pcm) -> bool:
    """Return whether the clip is loud enough; yields to the event loop between pieces of a long one."""
    samples = np.frombuffer(audio.data, "<i2", len(audio.data) // 2)
    energy = 0.0
    for start in range(0, len(samples), _PIECE_SAMPLES):
        if start:
            await asyncio.sleep(0)
        piece = samples[start : start + _PIECE_SAMPLES].astype(np.float32)
        energy += float(np.dot(piece, piece))
    return energy > len(samples) * (THRESHOLD_RMS * 32_768) ** 2


def create(context: EngineContext) -> StubStt:
    """Make the engine from ``stub_stt_ms``, ``stub_spread_ms`` and ``stub_text``."""
    return StubStt(context)
