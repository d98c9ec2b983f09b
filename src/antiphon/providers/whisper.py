"""Speech to text by Whisper on this machine, in threads of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import structlog

from antiphon.audio.resample import resample
from antiphon.entities.capabilities import Capabilities
from antiphon.entities.speech import Pcm, Segment, Transcript
from antiphon.errors import ProviderBusy, ProviderTimeout, ProviderUnavailable, Unsupported, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import TranscribeOptions
from antiphon.ports.vad import RATE_HZ
from antiphon.providers.vad_windows import FULL_SCALE
from antiphon.providers.weights import Weights
from antiphon.providers.whisper_model import Samples, WhisperNetwork
from antiphon.providers.whisper_passages import Passage, Transcriber

_WAITING_PER_WORKER = 32
"""Utterances that may wait for a thread; more are refused with `ProviderBusy`."""

_log = structlog.get_logger("antiphon.whisper")
_Events = asyncio.Queue[Passage | BaseException | None]


class Whisper:
    """Whisper, with windows as short as the clip."""

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._workers = int(context.settings.get("stt_workers", 1))
        self._padding_s = float(context.settings.get("whisper_padding_s", 3.0))
        self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="whisper")
        self._network: WhisperNetwork | None = None
        self._transcriber: Transcriber | None = None
        self._pending = 0
        self._model_name = "whisper-base"

    @property
    def capabilities(self) -> Capabilities:
        knows_english_only = self._network is not None and not self._network.is_multilingual
        languages = ("en",) if knows_english_only else ()
        return Capabilities("whisper", models=(self._model_name,), languages=languages, streams=True)

    async def start(self) -> None:
        """Load the network and decode a moment of noise, so that the first utterance is fast."""
        folder = self._folder()
        self._model_name = folder.name
        loop = asyncio.get_running_loop()
        try:
            self._transcriber = await loop.run_in_executor(self._threads, self._load, folder)
        except (RuntimeError, ValueError, OSError) as exc:
            raise ProviderUnavailable(f"the Whisper model in {folder} cannot be loaded: {exc}") from exc

    async def close(self) -> None:
        """Free the network; utterances in progress run to their end first."""
        self._transcriber = self._network = None
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    async def transcribe(self, audio: Pcm, options: TranscribeOptions) -> AsyncIterator[Segment | Transcript]:
        """Yield the segments of each passage as soon as it is decoded, and then the transcript."""
        transcriber = self._ready(options)
        deadline = asyncio.get_running_loop().time() + self._context.timeout_s
        events: _Events = asyncio.Queue()
        gone = threading.Event()
        segments: list[Segment] = []
        language = ""
        self._pending += 1
        tell = _tell_loop(events)

        def decode() -> None:
            for passage in transcriber.passages(_samples(audio), options, gone.is_set):
                tell(passage)

        work = self._threads.submit(decode)
        work.add_done_callback(lambda done: None if done.cancelled() else tell(done.exception()))
        try:
            while passage := await _next(events, work, asyncio.timeout_at(deadline)):
                language = language or passage.language
                for segment in passage.segments:
                    segments.append(segment)
                    yield segment
        finally:
            self._pending -= 1
            gone.set()
            work.cancel()
        text = " ".join(segment.text for segment in segments)
        language = language or options.language or "en"
        yield Transcript(text, language, audio.duration_s, tuple(segments))

    def _ready(self, options: TranscribeOptions) -> Transcriber:
        if self._transcriber is None or self._network is None:
            raise ProviderUnavailable("whisper is not started")
        if options.translate and not self._network.is_multilingual:
            raise Unsupported(f"{self._model_name} knows English only and cannot translate", param="model")
        if self._pending >= self._workers * (1 + _WAITING_PER_WORKER):
            raise ProviderBusy(f"{self._pending} utterances are waiting for whisper")
        return self._transcriber

    def _folder(self) -> Path:
        if path := self._context.settings.get("whisper_path"):
            return Path(path)
        weights = Weights(self._context.data_dir, offline=self._context.offline)
        try:
            return weights.folder("whisper-base")
        except WeightsMissing as missing:
            with suppress(WeightsMissing):
                folder = weights.folder("whisper-tiny")
                _log.warning("whisper-base is missing, whisper-tiny knows English only", folder=str(folder))
                return folder
            raise missing from None

    def _load(self, folder: Path) -> Transcriber:
        self._network = WhisperNetwork(folder, threads=self._context.threads, workers=self._workers)
        transcriber = Transcriber(self._network, padding_s=self._padding_s)
        noise = np.random.default_rng(0).normal(0, 0.01, RATE_HZ).astype(np.float32)
        transcriber.warm_up(noise)
        return transcriber


def _tell_loop(events: _Events) -> Callable[[Passage | BaseException | None], None]:
    """Return a function that hands events from a thread to the running loop."""
    loop = asyncio.get_running_loop()

    def tell(event: Passage | BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(events.put_nowait, event)

    return tell


async def _next(events: _Events, work: Future[None], deadline: asyncio.Timeout) -> Passage | None:
    """Return what the thread tells next: a passage, or None at the end. Raises what ended it otherwise."""
    try:
        async with deadline:
            event = await events.get()
    except TimeoutError as exc:
        waited = "was decoding" if work.running() else "waited for a thread"
        raise ProviderTimeout(f"whisper {waited} until the deadline") from exc
    if isinstance(event, BaseException):
        raise ProviderUnavailable(f"whisper failed: {event}") from event
    return event


def _samples(audio: Pcm) -> Samples:
    """Return 16 kHz floats; half a sample at the end is dropped."""
    whole = audio.data[: len(audio.data) & ~1]
    data = whole if audio.rate_hz == RATE_HZ else resample(whole, audio.rate_hz, RATE_HZ)
    return np.frombuffer(data, "<i2").astype(np.float32) / FULL_SCALE


def create(context: EngineContext) -> Whisper:
    """Make the engine; its weights are ``whisper-base``, or a folder in ``whisper_path``."""
    return Whisper(context)
