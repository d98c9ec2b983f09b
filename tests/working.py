"""A worker of any kind on a bus of its own, with messages that are copied as between processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from itertools import count

from antiphon.bus.embedded import EmbeddedBus
from antiphon.wire.entries import PipeEntry, SentencesDone
from antiphon.wire.jobs import Job, Queue, Work
from antiphon.workers import loop
from tests.options import embedded_bus, worker_options


class Running:
    """A job that was submitted."""

    def __init__(self, bus: EmbeddedBus, job: Job) -> None:
        self.bus = bus
        self.job = job
        self._entries = bus.read(job.output)

    async def next(self) -> PipeEntry:
        """Take the next result."""
        async with asyncio.timeout(10):
            _, entry = await anext(self._entries)
        assert entry.job_id == self.job.id
        return entry

    async def rest(self) -> list[PipeEntry]:
        """Take all results to the last one."""
        entries = [await self.next()]
        while not (entries[-1].is_last or isinstance(entries[-1], SentencesDone)):
            entries.append(await self.next())
        return entries

    async def settled(self) -> None:
        """Wait until the worker has let go of the job."""
        async with asyncio.timeout(10):
            while self.job.id in self.bus._queues._known:
                await asyncio.sleep(0.001)


class Workbench:
    """The bus, and a worker on one queue."""

    def __init__(self, queue: Queue) -> None:
        self.bus = embedded_bus(strict=True)
        self._queue: Queue = queue
        self._numbers = count(1)

    async def submit(self, work: Work, *, source: str = "") -> Running:
        """Hand a job in."""
        job_id = f"job_{next(self._numbers)}"
        running = Running(self.bus, Job(job_id, self._queue, work, f"out:{job_id}", input=source))
        await self.bus.submit(running.job)
        return running

    async def do(self, work: Work) -> list[PipeEntry]:
        """Do a job and return all its results."""
        return await (await self.submit(work)).rest()


@contextlib.asynccontextmanager
async def working(queue: Queue, handler: loop.Handler) -> AsyncIterator[Workbench]:
    """Run one worker until the block ends."""
    bench = Workbench(queue)
    worker = asyncio.create_task(loop.run(bench.bus, queue, handler, "worker", worker_options()))
    try:
        yield bench
    finally:
        await bench.bus.close()
        await asyncio.wait({worker}, timeout=10)
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
