"""The stub TTS: a tone as long as the words would take, made without delay. For tests and benchmarks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import lru_cache

import numpy as np

from antiphon.entities.capabilities import Capabilities, Voice
from antiphon.entities.speech import Pcm, SpeechChunk
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.stub.settings import StubSettings
from antiphon.text.sentences import split, spoken_words
from antiphon.text.speakable import speakable

RATE_HZ = 24_000
_TONE_HZ = 440
_AMPLITUDE = 6_000


def create(context: EngineContext) -> StubTts:
    """Entry point of the ``stub`` engine."""
    settings = context.section(StubSettings)
    return StubTts(first_audio_s=settings.stub_tts_ms / 1000, word_s=settings.stub_tts_ms_per_word / 1000)


class StubTts:
    """Speaks every word as ``word_s`` seconds of tone; the first audio comes after ``first_audio_s``."""

    def __init__(self, first_audio_s: float = 0.0, word_s: float = 0.3) -> None:
        self._first_audio_s = first_audio_s
        self._word_s = word_s

    @property
    def capabilities(self) -> Capabilities:
        """A single voice that speaks every language."""
        return Capabilities("stub", models=("stub-tts",), voices=(Voice("tone", "en"),), streams=True)

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def synthesize(self, text: str, options: SpeakOptions) -> AsyncIterator[SpeechChunk]:
        """Yield one chunk per sentence."""
        await asyncio.sleep(self._first_audio_s)
        for sentence in split(text):
            words = spoken_words(speakable(sentence))
            if words:
                samples = round(words * self._word_s / options.speed * RATE_HZ)
                yield SpeechChunk(Pcm(_tone(samples), RATE_HZ), sentence)


@lru_cache(maxsize=64)
def _tone(samples: int) -> bytes:
    second = _one_second()
    return (second * (samples * 2 // len(second) + 1))[: samples * 2]


@lru_cache(maxsize=1)
def _one_second() -> bytes:
    wave = np.sin(np.arange(RATE_HZ) * (2 * np.pi * _TONE_HZ / RATE_HZ))
    return (wave * _AMPLITUDE).astype("<i2").tobytes()
