"""hibari: a small English voice, quick enough for one core; the default."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from antiphon.audio.stretch import stretch
from antiphon.entities.capabilities import Capabilities, Voice
from antiphon.entities.speech import Pcm, SpeechChunk
from antiphon.errors import ProviderUnavailable, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.deadline import deadline
from antiphon.providers.extras import install_hint
from antiphon.text.sentences import split
from antiphon.text.speakable import speakable

if TYPE_CHECKING:
    from hibari import Hibari

RATE_HZ = 24_000

_DURATIONS = (3.99, 1.993, 1.411, 1.232, 1.039, 1.0, 0.961, 0.905, 0.847, 0.636, 0.608, 0.552, 0.491)
_SPEEDS = (0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 1.75, 2.0, 2.5)
"""How long speech really lasts at a speed, as a share of speed 1.0: the model rounds lengths."""

_FASTEST = 2.0
"""Beyond it the model hardly gets faster."""


def create(context: EngineContext) -> HibariTts:
    """Entry point of the ``hibari`` engine."""
    return HibariTts(context)


class HibariTts:
    """Speaks English, one sentence after the other, in threads of its own."""

    def __init__(self, context: EngineContext) -> None:
        self._threads = context.threads
        self._timeout_s = context.timeout_s
        workers = int(context.settings.get("tts_workers", 4))
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="hibari")
        self._loading = asyncio.Lock()
        self._engine: Hibari | None = None
        self._is_closed = False

    @property
    def capabilities(self) -> Capabilities:
        """One voice; more than one sentence streams."""
        voice = Voice("heart", "en", "American English, female")
        return Capabilities("hibari", models=("hibari",), voices=(voice,), languages=("en",), streams=True)

    async def start(self) -> None:
        """Load and speak once, so that the first answer is not the slow one."""
        await self._ready()

    async def close(self) -> None:
        """Let go of the model; a sentence in progress is dropped."""
        self._is_closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._engine = None

    async def synthesize(self, text: str, options: SpeakOptions) -> AsyncIterator[SpeechChunk]:
        """Yield one chunk a sentence."""
        engine = await self._ready()
        loop = asyncio.get_running_loop()
        for sentence in split(text):
            words = speakable(sentence)
            if not words:
                continue
            async with deadline("hibari", self._timeout_s):
                data = await loop.run_in_executor(self._pool, _speak, engine, words, options.speed)
            if data:  # none for letters that are not Latin
                yield SpeechChunk(Pcm(data, RATE_HZ), sentence)

    async def _ready(self) -> Hibari:
        async with self._loading:
            if self._is_closed:
                raise ProviderUnavailable("the hibari voice is closed")
            engine = self._engine
            if engine is None:
                loop = asyncio.get_running_loop()
                engine = await loop.run_in_executor(self._pool, _load, self._threads)
                self._engine = engine
            return engine


def _load(threads: int) -> Hibari:
    try:
        from hibari import Hibari
    except ImportError as exc:
        raise WeightsMissing(install_hint("hibari", exc), code="engine_not_installed") from exc
    engine = Hibari(threads=threads)
    engine("Ready to speak.")
    return engine


def _speak(engine: Hibari, sentence: str, speed: float) -> bytes:
    own_speed = min(speed, _FASTEST)
    audio = engine(sentence, speed=np.interp(1 / own_speed, _DURATIONS[::-1], _SPEEDS[::-1]))
    data = (np.clip(audio, -1.0, 1.0) * 32767).astype("<i2").tobytes()
    return stretch(data, RATE_HZ, speed / own_speed)
