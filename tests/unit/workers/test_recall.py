"""Memories for an answer: in time, or left out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from structlog.testing import capture_logs

from antiphon.clock import SystemClock
from antiphon.entities.memories import Found, Memory
from antiphon.errors import ProviderRejected
from antiphon.jobs.client import JobClient
from antiphon.ports.bus import Bus
from antiphon.wire.entries import MemoriesRecalled
from antiphon.wire.jobs import Job, MemoryScope
from antiphon.workers.loop import Emit
from antiphon.workers.recall import TimelyRecall
from tests.working import working

SCOPE = MemoryScope("u")


def handler(work: Callable[[], Awaitable[None]]) -> Callable[[Job, Emit, Bus], Awaitable[None]]:
    """A worker that finds one memory after ``work``."""

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        await work()
        memory = Memory(job.tenant, "m", "u", "I like tea", "preference", 1.0, 1.0)
        await emit([MemoriesRecalled(job.id, (Found(memory, 0.9),))])

    return handle


async def test_memories_that_are_found_in_time_are_returned() -> None:
    async with working("recall", handler(lambda: asyncio.sleep(0))) as bench:
        recall = TimelyRecall(JobClient(bench.bus, SystemClock()), timeout_s=10.0)
        assert await recall("t", SCOPE, "tea") == ("I like tea",)


async def test_an_answer_does_not_wait_for_late_memories() -> None:
    gate = asyncio.Event()

    async def late() -> None:
        await gate.wait()

    async with working("recall", handler(late)) as bench:
        with capture_logs() as logs:
            recall = TimelyRecall(JobClient(bench.bus, SystemClock()), timeout_s=0.01)
            assert await recall("t", SCOPE, "tea") == ()
        gate.set()
    assert [entry["event"] for entry in logs] == ["memories left out"]


async def test_a_failure_leaves_them_out() -> None:
    async def fail() -> None:
        raise ProviderRejected("no")

    async with working("recall", handler(fail)) as bench:
        with capture_logs() as logs:
            recall = TimelyRecall(JobClient(bench.bus, SystemClock()), timeout_s=10.0)
            assert await recall("t", SCOPE, "tea") == ()
    assert "recall of memories failed" in [entry["event"] for entry in logs]
