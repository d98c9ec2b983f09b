"""TTS whose engine runs in threads of this process: it releases the interpreter lock while it computes."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, ParamSpec, TypeVar

from antiphon.entities.speech import Pcm, SpeechChunk
from antiphon.errors import ProviderUnavailable, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.ports.workers import WorkerSettings
from antiphon.providers.hosting.deadline import deadline
from antiphon.providers.hosting.onnx_errors import onnx_errors
from antiphon.providers.install_hints import install_hint
from antiphon.resilience.priority_semaphore import PrioritySemaphore
from antiphon.text.sentences import split
from antiphon.text.speakable import speakable

M = TypeVar("M")
P = ParamSpec("P")
T = TypeVar("T")


class ThreadVoice(ABC, Generic[M]):
    """The methods of `TextToSpeech` over a model that is loaded once, one model call per sentence."""

    engine: str
    rate_hz = 24_000

    def __init__(self, context: EngineContext) -> None:
        self._threads = context.threads
        self._timeout_s = context.timeout_s
        workers = context.section(WorkerSettings).tts_workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=self.engine)
        self._turns = PrioritySemaphore(workers)
        self._loading = asyncio.Lock()
        self._model: M | None = None
        self._is_closed = False

    async def start(self) -> None:
        """Load the model and speak once, so that the first answer is fast."""
        await self._ready()

    async def close(self) -> None:
        """Free the model; a sentence in progress is dropped. Idempotent."""
        self._is_closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._model = None

    async def synthesize(self, text: str, options: SpeakOptions) -> AsyncIterator[SpeechChunk]:
        """Yield one chunk per sentence; each sentence waits for its turn."""
        model = await self._ready()
        for sentence in split(text):
            words = speakable(sentence)
            if words:
                async with self._turns.turn(), deadline(self.engine, self._timeout_s):
                    data = await self._say(model, words, options)
                if data:
                    yield SpeechChunk(Pcm(data, self.rate_hz), sentence)

    @abstractmethod
    def _load(self) -> M:
        """Load the model and warm it up; called once, in a thread."""

    @abstractmethod
    async def _say(self, model: M, words: str, options: SpeakOptions) -> bytes:
        """Return one sentence as s16le; empty when the voice has no sound for it."""

    async def _in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def guarded() -> T:
            with onnx_errors(self.engine):
                return call(*args, **kwargs)

        if self._is_closed:
            raise ProviderUnavailable(f"{self.engine} is closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, guarded)

    async def _ready(self) -> M:
        async with self._loading:
            model = self._model
            if model is None:
                try:
                    model = await self._in_thread(self._load)
                except ImportError as exc:
                    raise WeightsMissing(install_hint(self.engine, exc), code="engine_not_installed") from exc
                self._model = model
            return model
