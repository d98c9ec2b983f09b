"""The dub worker: dubs a fragment. Its stages are jobs of other workers."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypedDict, TypeVar

from antiphon.audio.fragments import MAX_FILE_S, MAX_WORK_S, SPEECH_RATE_HZ
from antiphon.clock import Clock
from antiphon.dubbing.pipeline import MOST_PLAIN_BYTES, Maker, Pipeline, PipelineRules
from antiphon.entities.dubbing import FragmentMetadata, ProcessingError
from antiphon.entities.speech import Pcm, Transcript
from antiphon.errors import ProviderTimeout
from antiphon.jobs.client import JobClient
from antiphon.ports.bus import Bus
from antiphon.ports.decoder import DecodeLimits, Decoder, decoded
from antiphon.wire.entries import (
    AudioReady,
    FragmentDubbed,
    SpeechDone,
    TranscriptReady,
    TranslationReady,
)
from antiphon.wire.jobs import (
    Dub,
    Job,
    Speak,
    Transcribe,
    Translate,
)
from antiphon.workers.loop import Emit
from antiphon.workers.work import work_of

P = ParamSpec("P")
T = TypeVar("T")

_SPEECH_HZ = 24_000
_LIMITS = DecodeLimits(MAX_FILE_S, MAX_WORK_S)


class Dubber:
    """Handles ``dub`` jobs."""

    def __init__(self, job_client: JobClient, decoder: Decoder, rules: PipelineRules, clock: Clock) -> None:
        self._job_client = job_client
        self._decoder = decoder
        self._clock = clock
        self._pipeline = Pipeline(rules, clock)
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="dub")
        """Fitting and encoding need seconds: in the default pool they would delay conversations."""

    async def handle(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Emit the result of the fragment."""
        del bus
        work = work_of(job, Dub)
        stages, within_s = (
            _Stages(self._job_client, self._decoder, self._threads, job),
            work.until_s - self._clock.wall(),
        )
        await emit([await self._pipeline.dub(job.id, work, stages, within_s=within_s)])


class EchoDubber:
    """Handles ``dub`` jobs without engines: returns the fragment unchanged."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s

    async def handle(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Emit the fragment itself."""
        del bus
        work = work_of(job, Dub)
        await asyncio.sleep(self._delay_s)
        if len(work.audio) > MOST_PLAIN_BYTES:
            message = "Echo mode returns at most 3 MiB: many clients reject longer messages."
            error = ProcessingError(stage="asr", code="FRAGMENT_TOO_LARGE", message=message, retryable=False)
            await emit([FragmentDubbed(job_id=job.id, status="failed", error=error)])
            return
        model = "echo-mock"
        echo = FragmentDubbed(
            job_id=job.id,
            status="success",
            audio=work.audio,
            format=work.format,
            rate_hz=work.rate_hz,
            channels=work.channels,
            duration_ms=work.duration_ms,
            transcript=f"[ECHO] {work.fragment_id}",
            translated_text=f"[ECHO] {work.fragment_id}",
            metadata=FragmentMetadata(
                original_duration_ms=work.duration_ms,
                dubbed_duration_ms=work.duration_ms,
                duration_variance_percent=0.0,
                speed_ratio=1.0,
                asr_model=model,
                translation_model=model,
                tts_model=model,
            ),
        )
        await emit([echo])


class _Terms(TypedDict):
    """Common arguments of the jobs of all stages."""

    tenant: str
    correlation_id: str
    retries: bool


class _Stages:
    """Runs the stages of one job as jobs of their queues, for the same tenant."""

    def __init__(self, job_client: JobClient, decoder: Decoder, threads: ThreadPoolExecutor, job: Job) -> None:
        self._job_client = job_client
        self._decoder = decoder
        self._threads = threads
        self._caller = job.key_id or job.correlation_id  # gateways of older releases name no key
        self._terms = _Terms(tenant=job.tenant, correlation_id=job.correlation_id, retries=False)

    async def compute(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = partial(copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def decode(self, file: bytes, *, within_s: float) -> bytes:
        pieces = self._decoder.decode(io.BytesIO(file), SPEECH_RATE_HZ, caller=self._caller, limits=_LIMITS)
        try:
            async with asyncio.timeout(within_s):
                return await decoded(pieces)
        except TimeoutError as error:
            raise ProviderTimeout("The fragment was not decoded in time.") from error

    async def transcribe(self, audio: Pcm, *, language: str, prompt: str, within_s: float) -> tuple[Transcript, Maker]:
        work = Transcribe(audio.data, audio.rate_hz, language=language.partition("-")[0].lower(), prompt=prompt)
        heard = await self._job_client.result(work, TranscriptReady, **self._terms, timeout_s=within_s)
        return Transcript(heard.text, heard.language, heard.duration_s, heard.segments), Maker(
            heard.engine, heard.model
        )

    async def translate(self, text: str, *, source: str, target: str, within_s: float) -> tuple[str, Maker]:
        work = Translate(text, target, source)
        done = await self._job_client.result(work, TranslationReady, **self._terms, timeout_s=within_s)
        return done.text, Maker(done.engine, done.model)

    async def speak(
        self, text: str, *, voice: str, model: str, language: str, speed: float, within_s: float
    ) -> tuple[Pcm, Maker]:
        work = Speak(text, voice=voice, speed=speed, language=language, model=model, rate_hz=_SPEECH_HZ)
        speech, maker = bytearray(), Maker("", "")
        async with aclosing(self._job_client.run(work, **self._terms, timeout_s=within_s)) as entries:
            async for entry in entries:
                if isinstance(entry, AudioReady):
                    speech += entry.audio
                elif isinstance(entry, SpeechDone):
                    maker = Maker(entry.engine, entry.model)
        return Pcm(bytes(speech), _SPEECH_HZ), maker
