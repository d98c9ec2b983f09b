"""The bus between processes, over Redis or Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from antiphon import ids
from antiphon.bus.limits import PipeLimit, QueueLimit
from antiphon.bus.redis.jobs import RedisJobs, RedisLease
from antiphon.bus.redis.pipes import RedisPipes
from antiphon.bus.redis.wakeups import Wakeups
from antiphon.connections.redis import RedisConnection
from antiphon.errors import ProviderUnavailable
from antiphon.jobs.audio import JobAudio
from antiphon.observe.tasks import unattended
from antiphon.ports.bus import Attempt, Keep, Share
from antiphon.wire.entries import JobFailed, PipeEntry
from antiphon.wire.jobs import Job, Queue, Work

_START_S = 10.0


class RedisBus:
    """A `Bus` over Redis. One a process; `start` before use.

    While Redis is unavailable, claims and reads wait; all other calls raise `ProviderUnavailable` after the
    connection's timeout.
    """

    def __init__(
        self, connection: RedisConnection, queues: QueueLimit, pipes: PipeLimit, *, audio: JobAudio | None = None
    ) -> None:
        self._connection = connection
        self._wakeups = Wakeups(connection, f"antiphon:inbox:{ids.token(12)}", tuple(kind.queue for kind in Work.kinds))
        self._pipes = RedisPipes(connection, self._wakeups, pipes)
        self._jobs = RedisJobs(connection, self._wakeups, queues, self._fail, audio)
        self._listener: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen for wake-ups. Raises `ProviderUnavailable` when Redis is unavailable."""
        await self._connection.command("PING")
        subscribed = asyncio.Event()
        self._listener = unattended(self._wakeups.run(subscribed), name="redis wake-ups")
        try:
            async with asyncio.timeout(_START_S):
                await subscribed.wait()
        except TimeoutError as error:
            await self.close()
            raise ProviderUnavailable("Redis accepts no subscription", code="redis_unavailable") from error

    # -- jobs --------------------------------------------------------------------------------------------------------
    async def submit(self, job: Job) -> None:
        """Put a job into its queue. Raises `Overloaded` when the queue is full."""
        await self._jobs.submit(job)

    def claim(self, queue: Queue, consumer: str, share: Share = "all") -> AsyncIterator[RedisLease]:
        """Take jobs of a share one after the other, each under a lease."""
        return self._jobs.claims(queue, consumer, share)

    async def cancel(self, job_id: str, queue: Queue | None = None) -> None:
        """Raise the cancel flag of a job."""
        await self._jobs.cancel(job_id, queue)

    async def cancelled(self, job_id: str, queue: Queue) -> None:
        """Return as soon as the cancel flag of this job is up."""
        await self._jobs.cancelled(job_id, queue)

    async def depth(self, queue: Queue) -> int:
        """Return the number of jobs in ``queue``, waiting or running."""
        return await self._jobs.depth(queue)

    # -- pipes -------------------------------------------------------------------------------------------------------
    async def write(self, pipe: str, entries: Sequence[PipeEntry], *, by: Attempt | None = None) -> bool:
        """Append entries in order; False when the pipe was dropped. Waits while it is full. Raises `Superseded`."""
        return await self._pipes.write(pipe, entries, by)

    async def begin(self, pipe: str, by: Attempt) -> int:
        """Begin an attempt, after which older ones cannot write. Returns the number of entries they wrote."""
        return await self._pipes.begin(pipe, by)

    async def recall(self, pipe: str, job_id: str) -> Sequence[PipeEntry]:
        """Return the entries that the attempts of a job have kept, in order."""
        return await self._pipes.recall(pipe, job_id)

    async def forget(self, pipe: str, job_id: str) -> None:
        """Drop the count and the kept entries of a job that has ended."""
        await self._pipes.forget(pipe, job_id)

    def read(self, pipe: str, *, after: int = 0, keep: Keep | None = None) -> AsyncGenerator[tuple[int, PipeEntry]]:
        """Yield ``(position, entry)`` from behind ``after``."""
        return self._pipes.read(pipe, after, keep)

    async def tail(self, pipe: str) -> int:
        """Return the position of the newest entry."""
        return await self._pipes.tail(pipe)

    async def drop(self, pipe: str) -> None:
        """Forget the pipe and wake its readers, whose iteration ends."""
        await self._pipes.drop(pipe)

    async def close(self) -> None:
        """Stop; claims and reads end. The connection stays open: it belongs to the caller."""
        self._pipes.close()
        await self._jobs.close()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    async def _fail(self, job: Job, reason: str) -> None:
        message = f"failed after {job.attempt} attempts: {reason}"
        failed = JobFailed.of(job.id, ProviderUnavailable(message, code="attempts_exhausted"))
        await self._pipes.write(job.output, (failed,), force=True)
        await self._pipes.forget(job.output, job.id)
