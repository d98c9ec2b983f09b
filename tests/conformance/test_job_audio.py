"""Audio of jobs over Redis: apart from the job above 64 KiB, there for each attempt, gone when the job has ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

import pytest

from antiphon.bus.redis.bus import RedisBus
from antiphon.clock import SystemClock
from antiphon.connections.redis import RedisConnection
from antiphon.errors import Overloaded, ProviderRejected
from antiphon.jobs.audio import INLINE_BYTES, SMALL_BYTES, JobAudio
from antiphon.ports.bus import Bus, Lease
from antiphon.resilience.backoff import Backoff
from antiphon.state.redis.blobs import RedisBlobs
from antiphon.store.blobs import FileBlobs
from antiphon.wire.entries import JobFailed, PipeEntry, TranscriptReady
from antiphon.wire.jobs import (
    Dub,
    Job,
    Queue,
    Score,
    Transcribe,
    Work,
)
from antiphon.workers import loop
from antiphon.workers.completion import WorkerOptions
from antiphon.workers.retry_policy import RetryRule
from antiphon.workers.work import with_audio
from tests.conformance.buses import soon
from tests.options import pipe_limit, queue_limit

LEASE_S = 30.0
BRIEF_S = 0.4
"""The lease where one has to run out."""
ATTEMPTS = 2
HELD = 3
TENANT_BYTES = 20 * 2**20
LARGE = bytes(range(256)) * 1024
"""256 KiB, as an utterance of eight seconds."""


class Fleet:
    """A gateway's bus over Redis, and what lies there."""

    def __init__(self, connection: RedisConnection, bus: RedisBus, audio: JobAudio, folder: Path) -> None:
        self.connection = connection
        self.bus = bus
        self.audio = audio
        self._folder = folder

    async def submit(self, work: Work, queue: Queue = "transcribe", job_id: str = "j", deadline_s: float = 0.0) -> Job:
        job = Job(job_id, queue, work, f"t:t:job:{{{job_id}}}", tenant="t", deadline_s=deadline_s)
        await self.bus.submit(job)
        return job

    async def blobs(self) -> list[str]:
        """Return the keys and files that hold audio, and those that count it."""
        keys = [key.decode() for key in await self.connection.command("KEYS", "t:*:blob*")]
        counts = [key for key in keys if key.endswith(":bytes") and await self.held_bytes() == 0]
        files = [file.name for file in self._folder.rglob("*") if file.is_file()]
        return [*(key for key in keys if key not in counts), *files]

    async def held_bytes(self) -> int:
        return int(await self.connection.command("GET", "t:t:blobs:{t}:bytes") or 0)

    async def queued_bytes(self, job: Job) -> int:
        return int(await self.connection.command("HSTRLEN", f"antiphon:queue:{{{job.queue}}}:job:{job.id}", "data"))

    async def no_blobs(self) -> None:
        """Wait until nothing is left."""
        async with asyncio.timeout(30):
            while await self.blobs():
                await asyncio.sleep(0.02)

    async def claim(self, queue: Queue = "transcribe") -> Lease:
        return await soon(anext(self.bus.claim(queue, "worker")), 30)

    @contextlib.asynccontextmanager
    async def worker(self, handler: loop.Handler, queue: Queue = "transcribe") -> AsyncIterator[None]:
        options = WorkerOptions(RetryRule(ATTEMPTS, Backoff(0.01, 0.01)), heartbeat_s=BRIEF_S / 3)
        handler = with_audio(handler, self.audio)
        task = asyncio.create_task(loop.run(self.bus, queue, handler, "worker", options))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def last(self, job: Job) -> PipeEntry:
        """Return the first thing that is said of a job."""
        _, entry = await soon(anext(self.bus.read(job.output)), 30)
        return entry


@contextlib.asynccontextmanager
async def fleet(
    url: str, folder: Path, *, with_folder: bool = False, lease_s: float = LEASE_S, attempts: int = ATTEMPTS
) -> AsyncGenerator[Fleet]:
    connection = RedisConnection(url)
    await connection.command("FLUSHDB")
    large = FileBlobs(folder, tenant_bytes=TENANT_BYTES) if with_folder else None
    audio = JobAudio(RedisBlobs(connection, tenant_bytes=TENANT_BYTES), SystemClock(), large=large)
    bus = RedisBus(connection, queue_limit(lease_s=lease_s, attempts=attempts, held=HELD), pipe_limit(), audio=audio)
    await bus.start()
    yield Fleet(connection, bus, audio, folder)
    await bus.close()
    await connection.close()


@pytest.fixture
async def made(redis_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(redis_url, tmp_path) as one:
        yield one


async def heard(job: Job, emit: loop.Emit, bus: Bus) -> None:
    """Tell how much audio the handler got."""
    del bus
    assert isinstance(job.work, Transcribe | Score | Dub)
    assert job.work.audio_refs == ()
    assert job.work.audio == LARGE * (len(job.work.audio) // len(LARGE))
    await emit([TranscriptReady(job.id, str(len(job.work.audio)), "en", 0.0)])


def dub(audio: bytes) -> Dub:
    return Dub(
        stream_id="s", fragment_id="f", sequence_number=0, audio=audio, format="pcm_s16le", rate_hz=16_000, channels=1,
        duration_ms=1, until_s=0.0, source="en", target="es", out_format="m4a", out_rate_hz=44_100, out_channels=2,
    )  # fmt: skip


WORKS: list[tuple[Queue, Callable[[bytes], Work]]] = [
    ("transcribe", lambda audio: Transcribe(audio, 16_000)),
    ("score", lambda audio: Score(audio, 16_000)),
    ("dub", dub),
]


@pytest.mark.parametrize(("queue", "work"), WORKS, ids=[queue for queue, _ in WORKS])
async def test_large_audio_travels_apart_from_its_job_until_the_job_has_ended(
    made: Fleet, queue: Queue, work: Callable[[bytes], Work]
) -> None:
    job = await made.submit(work(LARGE), queue)
    assert await made.queued_bytes(job) < 1024
    assert await made.held_bytes() == len(LARGE)
    async with made.worker(heard, queue):
        assert await made.last(job) == TranscriptReady("j", str(len(LARGE)), "en", 0.0)
        await made.no_blobs()
    assert await made.held_bytes() == 0


async def test_small_audio_travels_inside_its_job(made: Fleet) -> None:
    job = await made.submit(Transcribe(bytes(INLINE_BYTES), 16_000))
    assert await made.blobs() == []
    assert await made.queued_bytes(job) > INLINE_BYTES
    await made.submit(Transcribe(bytes(INLINE_BYTES + 1), 16_000), job_id="other")
    assert await made.held_bytes() == INLINE_BYTES + 1


async def test_the_audio_is_there_for_the_worker_after_one_that_died(redis_url: str, tmp_path: Path) -> None:
    async with fleet(redis_url, tmp_path, lease_s=BRIEF_S, attempts=10) as made:
        job = await made.submit(Transcribe(LARGE, 16_000))
        dead = await made.claim()
        assert (await made.audio.attach(dead.job)).work == Transcribe(LARGE, 16_000)
        async with made.worker(heard):  # once the lease has run out
            assert await made.last(job) == TranscriptReady("j", str(len(LARGE)), "en", 0.0)
            await made.no_blobs()


async def test_a_job_whose_attempts_are_used_up_takes_its_audio_along(redis_url: str, tmp_path: Path) -> None:
    async with fleet(redis_url, tmp_path, lease_s=BRIEF_S) as made:
        job = await made.submit(Transcribe(LARGE, 16_000))
        for _ in range(ATTEMPTS):
            await made.claim()
        failed = await made.last(job)
        assert isinstance(failed, JobFailed)
        assert failed.code == "attempts_exhausted"
        await made.no_blobs()


async def test_a_job_that_fails_takes_its_audio_along(made: Fleet) -> None:
    async def refuses(job: Job, emit: loop.Emit, bus: Bus) -> None:
        raise ProviderRejected("no")

    job = await made.submit(Transcribe(LARGE, 16_000))
    async with made.worker(refuses):
        assert isinstance(await made.last(job), JobFailed)
        await made.no_blobs()


async def test_a_job_that_is_cancelled_in_its_queue_takes_its_audio_along(made: Fleet) -> None:
    await made.submit(Transcribe(LARGE, 16_000))
    await made.bus.cancel("j")
    async with made.worker(heard):
        await made.no_blobs()


async def test_what_follows_a_cancelled_job_is_claimed_at_once(made: Fleet) -> None:
    for name in ("a", "b", "c"):
        await made.submit(Transcribe(LARGE, 16_000), job_id=name)
    await made.bus.cancel("a")
    await made.bus.cancel("b")
    assert (await made.claim()).job.id == "c"
    assert await made.held_bytes() == len(LARGE)


async def test_a_job_that_is_cancelled_at_work_takes_its_audio_along(made: Fleet) -> None:
    begun = asyncio.Event()

    async def endless(job: Job, emit: loop.Emit, bus: Bus) -> None:
        begun.set()
        await asyncio.Event().wait()

    await made.submit(Transcribe(LARGE, 16_000))
    async with made.worker(endless):
        await soon(begun.wait(), 30)
        assert await made.held_bytes() == len(LARGE)
        await made.bus.cancel("j")
        await made.no_blobs()


async def test_a_job_that_is_given_back_keeps_its_audio(made: Fleet) -> None:
    await made.submit(Transcribe(LARGE, 16_000))
    await (await made.claim()).release("stopped", counts=False)
    again = await made.claim()
    assert (await made.audio.attach(again.job)).work == Transcribe(LARGE, 16_000)


async def test_a_worker_that_lost_its_lease_leaves_the_audio_to_the_next(redis_url: str, tmp_path: Path) -> None:
    async with fleet(redis_url, tmp_path, lease_s=BRIEF_S, attempts=10) as made:
        await made.submit(Transcribe(LARGE, 16_000))
        late = await made.claim()
        other = await made.claim()
        await late.bury("too late")
        assert (await made.audio.attach(other.job)).work == Transcribe(LARGE, 16_000)


async def test_a_job_that_is_submitted_once_more_keeps_its_audio(made: Fleet) -> None:
    await made.submit(Transcribe(LARGE, 16_000))
    await made.submit(Transcribe(LARGE, 16_000))
    lease = await made.claim()
    assert (await made.audio.attach(lease.job)).work == Transcribe(LARGE, 16_000)
    assert await made.bus.depth("transcribe") == 1


async def test_a_full_queue_keeps_no_audio(made: Fleet) -> None:
    for number in range(HELD):
        await made.submit(Transcribe(LARGE, 16_000), job_id=str(number))
    with pytest.raises(Overloaded):
        await made.submit(Transcribe(LARGE, 16_000), job_id="more")
    assert await made.held_bytes() == HELD * len(LARGE)


async def test_audio_that_is_gone_fails_the_job_and_is_never_taken_for_silence(made: Fleet) -> None:
    job = await made.submit(Transcribe(LARGE, 16_000))
    [blob] = [key for key in await made.blobs() if ":blob:" in key]
    await made.connection.command("DEL", blob)
    async with made.worker(heard):
        failed = await made.last(job)
    assert isinstance(failed, JobFailed)
    assert (failed.kind, failed.code) == ("ProviderUnavailable", "audio_gone")


async def test_the_audio_lasts_longer_than_the_job_may(made: Fleet) -> None:
    await made.submit(Transcribe(LARGE, 16_000), deadline_s=time.time() + 100)
    [blob] = [key for key in await made.blobs() if ":blob:" in key]
    assert 130_000 < await made.connection.command("PTTL", blob) <= 160_000


async def test_audio_above_what_a_blob_takes_lies_in_parts(made: Fleet) -> None:
    audio = LARGE * (2 * SMALL_BYTES // len(LARGE) + 1)
    job = await made.submit(Transcribe(audio, 16_000))
    assert len([key for key in await made.blobs() if ":blob:" in key]) == 3
    async with made.worker(heard):
        assert await made.last(job) == TranscriptReady("j", str(len(audio)), "en", 0.0)
        await made.no_blobs()


async def test_audio_above_what_redis_takes_lies_in_a_folder_where_there_is_one(redis_url: str, tmp_path: Path) -> None:
    async with fleet(redis_url, tmp_path, with_folder=True) as made:
        audio = LARGE * (SMALL_BYTES // len(LARGE) + 1)
        job = await made.submit(Transcribe(audio, 16_000))
        assert await made.held_bytes() == 0
        assert len(await made.blobs()) == 1
        async with made.worker(heard):
            assert await made.last(job) == TranscriptReady("j", str(len(audio)), "en", 0.0)
            await made.no_blobs()
