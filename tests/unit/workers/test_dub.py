"""The dub worker: its stages are jobs of the other queues, for the same tenant."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import IO, Any

import msgspec
import numpy as np
import pytest

from antiphon.audio.wav import write_wav
from antiphon.clock import SystemClock
from antiphon.jobs.client import JobClient
from antiphon.ports.bus import Bus
from antiphon.ports.decoder import ANY_FILE, DecodeLimits
from antiphon.wire.entries import (
    AudioReady,
    FragmentDubbed,
    SpeechDone,
    TranscriptReady,
    TranslationReady,
)
from antiphon.wire.jobs import Dub, Job
from antiphon.workers import loop
from antiphon.workers.dub import Dubber, EchoDubber
from antiphon.workers.loop import Emit
from tests.fakes.decoder import ThreadDecoder
from tests.options import embedded_bus, pipeline_rules, worker_options

SOUND = (np.sin(np.arange(16_000) / 10) * 8_000).astype("<i2").tobytes()


def fragment(audio: bytes = SOUND) -> Dub:
    return Dub(
        stream_id="s",
        fragment_id="f",
        sequence_number=0,
        audio=audio,
        format="pcm_s16le",
        rate_hz=16_000,
        channels=1,
        duration_ms=1_000,
        until_s=SystemClock().wall() + 10,
        source="en-GB",
        target="es",
        out_format="pcm_s16le",
        out_rate_hz=16_000,
        out_channels=1,
    )


async def work(job: Job, emit: Emit, bus: Bus) -> None:
    """Do the work of any stage."""
    match job.queue:
        case "transcribe":
            await emit([TranscriptReady(job.id, "hello", "en", 1.0, engine="ear", model="ear-base")])
        case "translate":
            await emit([TranslationReady(job.id, "hola", "tongue", "tongue-1")])
        case _:
            await emit([AudioReady(job.id, SOUND), SpeechDone(job.id, "mouth", "mouth-v2")])


async def dubbed(bus: Bus, stage: loop.Handler) -> FragmentDubbed:
    """Have a fragment dubbed by a worker whose stages are done by another one."""
    job_client = JobClient(bus, SystemClock())
    handlers: dict[Any, loop.Handler] = {
        "dub": Dubber(job_client, ThreadDecoder(), pipeline_rules(), SystemClock()).handle
    }
    handlers |= dict.fromkeys(("transcribe", "translate", "speak"), stage)
    async with AsyncExitStack() as stack:
        for queue, handler in handlers.items():
            stack.callback(asyncio.create_task(loop.run(bus, queue, handler, "w", worker_options())).cancel)
        return await job_client.result(
            fragment(), FragmentDubbed, tenant="acme", correlation_id="session", timeout_s=5, retries=False
        )


async def test_the_stages_are_jobs_of_the_fragments_tenant_that_nobody_tries_again() -> None:
    bus, asked = embedded_bus(strict=True), list[Job]()

    async def do(job: Job, emit: Emit, bus: Bus) -> None:
        asked.append(job)
        await work(job, emit, bus)

    done = await dubbed(bus, do)
    assert (done.status, done.transcript, done.translated_text) == ("success", "hello", "hola")
    assert done.metadata is not None
    models = (done.metadata.asr_model, done.metadata.translation_model, done.metadata.tts_model)
    assert models == ("ear-base", "tongue-1", "mouth-v2")
    assert [asset["component_instance"] for asset in done.assets] == ["ear", "tongue", "mouth"]
    assert [job.queue for job in asked] == ["transcribe", "translate", "speak"]
    assert {(job.tenant, job.correlation_id, job.retries) for job in asked} == {("acme", "session", False)}
    assert all(job.output.startswith("t:acme:") for job in asked)


async def test_fragments_and_everything_else_do_not_share_their_threads() -> None:
    default, is_free = ThreadPoolExecutor(1), threading.Event()
    asyncio.get_running_loop().set_default_executor(default)
    blocking = asyncio.ensure_future(asyncio.to_thread(is_free.wait))
    try:
        done = await dubbed(embedded_bus(strict=True), work)
    finally:
        is_free.set()
        await blocking
    assert done.status == "success"


@pytest.mark.parametrize(("audio", "status"), [(SOUND, "success"), (bytes(3 * 2**20 + 2), "failed")])
async def test_an_echo_is_the_fragment_itself_unless_no_client_would_take_it(audio: bytes, status: str) -> None:
    bus = embedded_bus(strict=True)
    worker = asyncio.create_task(loop.run(bus, "dub", EchoDubber().handle, "w", worker_options()))
    done = await JobClient(bus, SystemClock()).result(fragment(audio), FragmentDubbed, timeout_s=5)
    worker.cancel()
    assert done.status == status
    assert done.audio == (audio if status == "success" else b"")
    assert (done.error.code if done.error else None) == (None if status == "success" else "FRAGMENT_TOO_LARGE")


class NotedDecoder(ThreadDecoder):
    """Notes who calls."""

    def __init__(self) -> None:
        self.callers: list[str] = []

    def decode(
        self, file: IO[bytes], rate_hz: int, *, caller: str, limits: DecodeLimits = ANY_FILE
    ) -> AsyncGenerator[bytes]:
        """Note the caller, and decode."""
        self.callers.append(caller)
        return super().decode(file, rate_hz, caller=caller, limits=limits)


@pytest.mark.parametrize(("key_id", "caller"), [("key_1", "key_1"), ("", "session")])
async def test_files_of_a_key_take_turns_and_those_of_a_stream_whose_gateway_names_no_key(
    key_id: str, caller: str
) -> None:
    bus, decoder = embedded_bus(strict=True), NotedDecoder()
    job_client = JobClient(bus, SystemClock())
    dubber = Dubber(job_client, decoder, pipeline_rules(asr_s=0.1), SystemClock())
    worker = asyncio.create_task(loop.run(bus, "dub", dubber.handle, "w", worker_options()))
    work = msgspec.structs.replace(fragment(write_wav(SOUND, 16_000)), format="wav")
    await job_client.result(work, FragmentDubbed, key_id=key_id, correlation_id="session", timeout_s=5)
    worker.cancel()
    assert decoder.callers == [caller]
