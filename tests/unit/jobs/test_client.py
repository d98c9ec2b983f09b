from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
import structlog

from antiphon import errors
from antiphon.bus.redis.bus import RedisBus
from antiphon.bus.redis.pipes import entries_key
from antiphon.clock import SystemClock, VirtualClock
from antiphon.connections.redis import RedisConnection
from antiphon.entities.priority import TOLERANT
from antiphon.errors import AntiphonError, ProviderTimeout, ProviderUnavailable
from antiphon.jobs.client import JobClient, error_of
from antiphon.ports.bus import Bus, Keep
from antiphon.wire.entries import (
    AudioReady,
    JobFailed,
    PipeEntry,
    SpeechDone,
    TranslationReady,
)
from antiphon.wire.jobs import Job, Speak, Transcribe, Translate
from antiphon.workers import loop
from antiphon.workers.retry_policy import failure
from tests.options import embedded_bus, pipe_limit, queue_limit, worker_options
from tests.valkey import Valkey, valkey
from tests.virtual_time import on_virtual_time

JOB = Job("job_1", "speak", Speak("x"), "out")


@pytest.mark.parametrize(
    "error",
    [
        errors.ProviderBusy("m"),
        errors.ProviderTimeout("m"),
        errors.ProviderUnavailable("m"),
        errors.ProviderRejected("m"),
        errors.Overloaded("m"),
        errors.RateLimited("m"),
        errors.Unsupported("m"),
        errors.WeightsMissing("m"),
        errors.InvalidRequest("m", code="special"),
        errors.Unsupported("m", param="model"),
        errors.ProviderRejected("m", code="of_the_service"),
        errors.NotFound("m", code="no_such_voice"),
        errors.RateLimited("m", retry_after_s=7.0, code="of_the_service"),
    ],
)
def test_a_failed_job_gives_back_the_error_it_failed_with(error: AntiphonError) -> None:
    back = error_of(failure(JOB, error))
    assert (type(back), back.message, back.code, back.status) == (type(error), "m", error.code, error.status)
    assert back.param == error.param


def test_an_error_that_is_not_known_here_is_a_fault_that_may_pass_or_not() -> None:
    assert type(error_of(JobFailed("j", "x", "c", "m", transient=True, kind="Novel"))) is ProviderUnavailable
    assert type(error_of(JobFailed("j", "x", "c", "m", kind="Novel"))) is errors.Permanent
    assert isinstance(error_of(JobFailed("j", "x", "c", "m", kind="RateLimited")), errors.RateLimited)


def test_a_bug_of_a_worker_is_a_fault_of_the_server() -> None:
    back = error_of(failure(JOB, ZeroDivisionError("details")))
    assert (back.status, back.type, back.code) == (500, "api_error", "internal_error")
    assert "details" not in back.message


def test_an_engines_own_key_problem_is_not_the_callers() -> None:
    assert error_of(failure(JOB, errors.Unauthenticated("m", code="other"))).status == 502


async def run_with(
    clock: VirtualClock, bus: Bus, handler: loop.Handler, job_client: JobClient, *, take: int = 100
) -> list[object]:
    worker = asyncio.create_task(loop.run(bus, "speak", handler, "w", worker_options(), clock=clock))
    try:
        seen: list[object] = []
        async with aclosing(job_client.run(Speak("x"), tenant="acme")) as entries:
            async for entry in entries:
                seen.append(entry)
                if len(seen) == take:
                    break
        return seen
    finally:
        await asyncio.sleep(1)
        worker.cancel()


@on_virtual_time
async def test_results_come_in_order_and_the_last_one_ends_them(clock: VirtualClock) -> None:
    bus = embedded_bus(clock, strict=True)
    jobs: list[Job] = []

    async def handler(job: Job, emit: loop.Emit, bus: Bus) -> None:
        jobs.append(job)
        for number in range(5):
            await emit([AudioReady(job.id, bytes([number]))])
        await emit([SpeechDone(job.id)])

    seen = await run_with(clock, bus, handler, JobClient(bus, clock, timeout_s=5))
    assert [type(entry).__name__ for entry in seen] == ["AudioReady"] * 5 + ["SpeechDone"]
    (job,) = jobs
    assert job.tenant == "acme"
    assert job.output.startswith("t:acme:job:{job_")
    assert job.deadline_s - clock.wall() == pytest.approx(4, abs=0.1), "a second has passed since"


@on_virtual_time
async def test_leaving_early_cancels_the_job_and_drops_its_pipe(clock: VirtualClock) -> None:
    bus = embedded_bus(clock, strict=True)
    cancelled: list[str] = []
    jobs: list[Job] = []

    async def handler(job: Job, emit: loop.Emit, bus: Bus) -> None:
        jobs.append(job)
        try:
            while True:
                await emit([AudioReady(job.id, b"\0\0")])
                await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            cancelled.append(job.id)
            raise

    seen = await run_with(clock, bus, handler, JobClient(bus, clock, timeout_s=5), take=3)
    assert len(seen) == 3
    assert cancelled == [jobs[0].id]
    assert [entry async for entry in bus.read(jobs[0].output)] == []


@on_virtual_time
async def test_a_job_that_no_worker_takes_times_out_and_is_not_done_later(clock: VirtualClock) -> None:
    bus = embedded_bus(clock)
    with pytest.raises(ProviderTimeout):
        async for _ in JobClient(bus, clock, timeout_s=5).run(Translate("x", "de")):
            pass
    late: list[str] = []

    async def handler(job: Job, emit: loop.Emit, bus: Bus) -> None:
        late.append(job.id)

    worker = asyncio.create_task(loop.run(bus, "translate", handler, "w", worker_options(), clock=clock))
    await asyncio.sleep(100)
    worker.cancel()
    assert late == []


@on_virtual_time
async def test_a_bus_that_closes_ends_the_wait(clock: VirtualClock) -> None:
    bus = embedded_bus(clock)

    async def ask() -> None:
        async for _ in JobClient(bus, clock, timeout_s=5).run(Translate("x", "de")):
            pass

    asking = asyncio.create_task(ask())
    await asyncio.sleep(1)
    await bus.close()
    with pytest.raises(ProviderUnavailable):
        await asking


async def test_the_result_of_another_kind_of_work_ends_it_too() -> None:
    bus = embedded_bus(strict=True)

    async def handler(job: Job, emit: loop.Emit, bus: Bus) -> None:
        await emit([TranslationReady(job.id, "hallo")])

    worker = asyncio.create_task(loop.run(bus, "translate", handler, "w", worker_options()))
    job_client = JobClient(bus, SystemClock(), timeout_s=30)
    seen = [entry async for entry in job_client.run(Translate("hello", "de"))]
    worker.cancel()
    assert isinstance(seen[-1], TranslationReady)
    assert seen[-1].text == "hallo"


async def submitted(work: Transcribe | Speak) -> Job:
    """Return the job that the job client makes of some work."""
    bus = embedded_bus(strict=True)
    entries = JobClient(bus, SystemClock(), timeout_s=100.0).run(work)
    asking = asyncio.ensure_future(anext(entries))
    async with asyncio.timeout(10):
        lease = await anext(bus.claim(work.queue, "w"))
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await bus.close()
    return lease.job


async def test_what_is_asked_for_at_the_job_client_lets_live_turns_go_first() -> None:
    assert (await submitted(Speak("x"))).priority == TOLERANT


async def test_a_recording_has_as_much_more_time_as_it_lasts() -> None:
    begin = SystemClock().wall()
    recording, text = await submitted(Transcribe(bytes(2 * 8_000 * 70), 8_000)), await submitted(Speak("x"))
    assert recording.deadline_s - begin == pytest.approx(170, abs=20)
    assert text.deadline_s - begin == pytest.approx(100, abs=20)


# -- clean-up ----------------------------------------------------------------------------------------------------------
class DyingBus(RedisBus):
    """A bus whose Redis dies as soon as the last result of a job has arrived."""

    def __init__(self, server: Valkey, connection: RedisConnection) -> None:
        super().__init__(connection, queue_limit(), pipe_limit())
        self._server = server

    async def read(
        self, pipe: str, *, after: int = 0, keep: Keep | None = None
    ) -> AsyncGenerator[tuple[int, PipeEntry]]:
        async with aclosing(super().read(pipe, after=after, keep=keep)) as entries:
            async for position, entry in entries:
                if entry.is_last:
                    self._server.kill()
                yield position, entry


@asynccontextmanager
async def redis_that_dies() -> AsyncIterator[tuple[Valkey, RedisBus]]:
    with valkey() as server:
        connection = RedisConnection(server.url, timeout_s=0.5)
        bus = DyingBus(server, connection)
        await bus.start()
        try:
            yield server, bus
        finally:
            await bus.close()
            await connection.close()


async def speak(job: Job, emit: loop.Emit, bus: Bus) -> None:
    await emit([AudioReady(job.id, b"\0\0"), SpeechDone(job.id)])


async def refuse(job: Job, emit: loop.Emit, bus: Bus) -> None:
    raise errors.NotFound("no such voice", code="no_such_voice")


@asynccontextmanager
async def working(bus: Bus, handler: loop.Handler) -> AsyncIterator[None]:
    worker = asyncio.create_task(loop.run(bus, "speak", handler, "w", worker_options()))
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def test_a_finished_job_is_a_success_though_redis_is_gone_by_then() -> None:
    async with redis_that_dies() as (_, bus), working(bus, speak):
        with structlog.testing.capture_logs() as logged:
            done = await JobClient(bus, SystemClock(), timeout_s=30).result(Speak("x"), SpeechDone)
    assert isinstance(done, SpeechDone)
    assert "pipe drop failed" in {line["event"] for line in logged}


async def test_the_error_of_a_job_is_told_though_redis_is_gone_by_then() -> None:
    async with redis_that_dies() as (_, bus), working(bus, refuse):
        with pytest.raises(errors.NotFound, match="no such voice"):
            await JobClient(bus, SystemClock(), timeout_s=30).result(Speak("x"), SpeechDone)


async def test_leaving_early_is_no_error_though_redis_is_gone_and_both_clean_ups_are_tried() -> None:
    async def endless(job: Job, emit: loop.Emit, bus: Bus) -> None:
        await emit([AudioReady(job.id, b"\0\0")])
        await asyncio.sleep(60)

    async with redis_that_dies() as (server, bus), working(bus, endless):
        with structlog.testing.capture_logs() as logged:
            async with aclosing(JobClient(bus, SystemClock(), timeout_s=30).run(Speak("x"))) as entries:
                assert isinstance(await anext(entries), AudioReady)
                server.kill()
    told = [line["event"] for line in logged]
    assert {"job cancellation failed", "pipe drop failed"} <= set(told)


async def test_a_timeout_is_told_as_such_though_redis_is_gone_by_then() -> None:
    async with redis_that_dies() as (server, bus):
        asking = asyncio.create_task(JobClient(bus, SystemClock(), timeout_s=1.5).result(Speak("x"), SpeechDone))
        async with asyncio.timeout(10):
            while not await bus.depth("speak"):
                await asyncio.sleep(0.01)
        server.kill()
        with pytest.raises(ProviderTimeout):
            await asking


async def test_the_clean_up_goes_on_when_who_asked_is_cancelled_once_more() -> None:
    with valkey() as server:
        connection = RedisConnection(server.url, timeout_s=10)
        bus = RedisBus(connection, queue_limit(), pipe_limit())
        await bus.start()
        asking = asyncio.create_task(JobClient(bus, SystemClock(), timeout_s=30).result(Speak("x"), SpeechDone))
        async with asyncio.timeout(10):
            lease = await anext(bus.claim("speak", "w"))
        with server.asleep():
            asking.cancel()
            await asyncio.sleep(0.1)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        async with asyncio.timeout(10):
            await bus.cancelled(lease.job.id, "speak")
            while await connection.command("EXISTS", entries_key(lease.job.output)) or await bus.write(
                lease.job.output, [SpeechDone(lease.job.id)]
            ):
                await asyncio.sleep(0.01)
        await bus.close()
        await connection.close()
