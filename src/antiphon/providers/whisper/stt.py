"""Speech to text by Whisper in this process, in threads of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import structlog

from antiphon.audio.resample import resample
from antiphon.audio.windows import FULL_SCALE
from antiphon.entities.capabilities import Capabilities
from antiphon.entities.priority import PATIENT
from antiphon.entities.speech import Pcm, Segment, Transcript
from antiphon.errors import ProviderBusy, ProviderTimeout, ProviderUnavailable, Unsupported, WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.ports.stt import TranscribeOptions
from antiphon.ports.vad import RATE_HZ
from antiphon.ports.workers import WorkerSettings
from antiphon.providers.weights.files import Weights
from antiphon.providers.whisper.device import chosen_device
from antiphon.providers.whisper.model import WhisperNetwork
from antiphon.providers.whisper.passages import PassageTranscriber, SpokenPassage
from antiphon.providers.whisper.settings import WhisperSettings
from antiphon.providers.whisper.voice import Samples
from antiphon.resilience.priority_semaphore import PrioritySemaphore, priority

_WEIGHTS = {"base": "whisper-base", "tiny.en": "whisper-tiny"}
"""Weights by the size in the settings."""
_WAITING_PER_WORKER = 32
"""Utterances that may wait for a thread; more are rejected with `ProviderBusy`."""

_log = structlog.get_logger(__name__)


class _Lane:
    """Threads with a network; each passage is a turn, so that urgent work waits for one passage at most."""

    def __init__(self, name: str, workers: int) -> None:
        self.threads = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self.turns = PrioritySemaphore(workers)
        self.transcriber: PassageTranscriber | None = None


class Whisper:
    """Whisper with windows as short as the clip.

    Work of low priority has a lane of its own, opened on first use, so that no other call waits for it.
    """

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._settings = context.section(WhisperSettings)
        self._workers = context.section(WorkerSettings).stt_workers
        self._prompt = _Lane("whisper", self._workers)
        self._patient = _Lane("whisper-patient", self._workers)
        self._opening = asyncio.Lock()
        self._network: WhisperNetwork | None = None
        self._pending = 0
        self._model_name = _WEIGHTS[self._settings.whisper_model]

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
            self._prompt.transcriber = await loop.run_in_executor(self._prompt.threads, self._load, folder)
        except (RuntimeError, ValueError, OSError) as exc:
            raise ProviderUnavailable("the Whisper model cannot be loaded", detail=f"{folder}: {exc}") from exc

    async def close(self) -> None:
        """Free the network; passages in progress run to their end first."""
        self._prompt.transcriber = self._patient.transcriber = self._network = None
        for lane in (self._prompt, self._patient):
            await asyncio.to_thread(lane.threads.shutdown, cancel_futures=True)

    async def transcribe(self, audio: Pcm, options: TranscribeOptions) -> AsyncIterator[Segment | Transcript]:
        """Yield the segments of each passage as soon as it is decoded, then the transcript.

        The engine's timeout applies to each passage, from its turn on.
        """
        network = self._ready(options)
        segments: list[Segment] = []
        language = ""
        gone = threading.Event()
        self._pending += 1
        try:
            lane = await self._lane(network)
            passages = _decode(lane, audio, options, gone.is_set)
            while passage := await self._next(lane, passages):
                language = language or passage.language
                for segment in passage.segments:
                    segments.append(segment)
                    yield segment
        finally:
            self._pending -= 1
            gone.set()
        text = " ".join(segment.text for segment in segments if segment.text)
        language = language or options.language or "en"
        yield Transcript(text, language, audio.duration_s, tuple(segments))

    async def _next(self, lane: _Lane, passages: Iterator[SpokenPassage]) -> SpokenPassage | None:
        """Return the next passage, None at the end. Raises `ProviderTimeout` and `ProviderUnavailable`."""
        timeout_s = self._context.timeout_s
        async with lane.turns.turn():
            if self._network is None:
                raise ProviderUnavailable("whisper is closed")
            call = asyncio.get_running_loop().run_in_executor(lane.threads, next, passages, None)
            call.add_done_callback(_retrieve)
            try:
                await asyncio.wait((call,), timeout=timeout_s)
                if not call.done():
                    raise ProviderTimeout(f"whisper decoded no passage within {timeout_s:g} s")
            finally:
                call.cancel()
        if call.cancelled():
            raise ProviderUnavailable("whisper is closed")
        if (error := call.exception()) is not None:
            raise ProviderUnavailable("whisper failed", detail=str(error)) from error
        return call.result()

    async def _lane(self, network: WhisperNetwork) -> _Lane:
        """Return the lane for the priority of the caller."""
        if priority.get() > PATIENT:
            return self._prompt
        lane = self._patient
        async with self._opening:
            if lane.transcriber is None:
                try:
                    background = await asyncio.to_thread(network.in_background)
                except (RuntimeError, ValueError, OSError) as exc:
                    raise ProviderUnavailable("the Whisper model cannot be loaded", detail=str(exc)) from exc
                lane.transcriber = PassageTranscriber(background, padding_s=self._settings.whisper_padding_s)
        return lane

    def _ready(self, options: TranscribeOptions) -> WhisperNetwork:
        if self._network is None:
            raise ProviderUnavailable("whisper is not started")
        if options.translate and not self._network.is_multilingual:
            raise Unsupported(f"{self._model_name} knows English only and cannot translate", param="model")
        if self._pending >= self._workers * (1 + _WAITING_PER_WORKER):
            raise ProviderBusy(f"{self._pending} utterances are waiting for whisper")
        return self._network

    def _folder(self) -> Path:
        if path := self._settings.whisper_path:
            return path
        weights = Weights(self._context.data_dir, offline=self._context.offline)
        try:
            return weights.folder(self._model_name)
        except WeightsMissing as missing:
            with suppress(WeightsMissing):
                folder = weights.folder("whisper-tiny")
                _log.warning("whisper-base is missing, using whisper-tiny (English only)", folder=str(folder))
                return folder
            raise missing from None

    def _load(self, folder: Path) -> PassageTranscriber:
        device, compute_type = chosen_device(self._context)
        self._network = WhisperNetwork(
            folder,
            threads=self._context.threads,
            workers=self._workers,
            device=device,
            compute_type=compute_type,
            usual_language=self._settings.whisper_usual_language,
        )
        transcriber = PassageTranscriber(self._network, padding_s=self._settings.whisper_padding_s)
        noise = np.random.default_rng(0).normal(0, 0.01, RATE_HZ).astype(np.float32)
        transcriber.warm_up(noise)
        return transcriber


def _decode(
    lane: _Lane, audio: Pcm, options: TranscribeOptions, is_cancelled: Callable[[], bool]
) -> Iterator[SpokenPassage]:
    """Yield the passages of a clip; blocks for each."""
    if lane.transcriber is not None:  # else the engine was closed meanwhile
        yield from lane.transcriber.passages(_samples(audio), options, is_cancelled)


def _retrieve(call: asyncio.Future[SpokenPassage | None]) -> None:
    """Retrieve the error of a call whose caller may be gone."""
    if not call.cancelled():
        call.exception()


def _samples(audio: Pcm) -> Samples:
    """Return 16 kHz floats; half a sample at the end is dropped."""
    whole = audio.data[: len(audio.data) & ~1]
    data = whole if audio.rate_hz == RATE_HZ else resample(whole, audio.rate_hz, RATE_HZ)
    return np.frombuffer(data, "<i2").astype(np.float32) / FULL_SCALE


def create(context: EngineContext) -> Whisper:
    """Make the engine; its weights are chosen by ``whisper_model``, or by ``whisper_path``."""
    return Whisper(context)
