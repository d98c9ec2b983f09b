"""Claims on a queue, and leases of single jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from antiphon.bus.codec import decode_job, encode_job
from antiphon.ports.bus import Share
from antiphon.wire.jobs import Job, Queue


class JobRecord:
    """A job that has not ended. ``ticket`` changes with every delivery and return, which invalidates older leases."""

    __slots__ = ("age", "consumer", "deliveries", "due", "id", "leased", "ticket", "work")

    def __init__(self, job: Job, age: int, *, strict: bool) -> None:
        self.id = job.id
        self.work = encode_job(job) if strict else job
        self.age = age
        self.ticket = 0
        self.deliveries = 0
        self.consumer = ""
        self.leased = False
        self.due = 0.0
        """When the lease expires."""

    def job(self) -> Job:
        """Return the job as it was last delivered."""
        job = decode_job(self.work) if isinstance(self.work, bytes) else self.work
        attempt = max(1, self.deliveries)
        return job if job.attempt == attempt else msgspec.structs.replace(job, attempt=attempt)


class LeaseQueues(Protocol):
    """The queue operations that leases and claims use."""

    closed: bool

    def take(self, queue: Queue, consumer: str, share: Share) -> EmbeddedLease | None: ...
    async def available(self, queue: Queue, share: Share) -> None: ...
    def renew(self, lease: EmbeddedLease) -> None: ...
    def release(self, lease: EmbeddedLease, reason: str, delay_s: float, *, counts: bool) -> None: ...
    def bury(self, lease: EmbeddedLease, reason: str) -> None: ...
    def finish(self, record: JobRecord) -> None: ...


class EmbeddedLease:
    """A job that is leased to one worker.

    After the job was delivered to another worker, `release` and `bury` have no effect; `acknowledge` still
    ends the job, because its results are written.
    """

    __slots__ = ("_queues", "job", "record", "ticket")

    def __init__(self, queues: LeaseQueues, record: JobRecord) -> None:
        self._queues = queues
        self.record = record
        self.ticket = record.ticket
        self.job = record.job()

    async def renew(self) -> None:
        """Heartbeat. Raises `LeaseLost` when the job was delivered to another worker, or has ended."""
        self._queues.renew(self)

    async def acknowledge(self) -> None:
        """End the job as done."""
        self._queues.finish(self.record)

    async def release(self, reason: str, *, delay_s: float = 0.0, counts: bool = True) -> None:
        """Return the job to its queue; after its last attempt it is buried instead."""
        self._queues.release(self, reason, delay_s, counts=counts)

    async def bury(self, reason: str) -> None:
        """Move the job to the dead letters."""
        self._queues.bury(self, reason)


class Claims(AsyncIterator[EmbeddedLease]):
    """Leases on the jobs of one share of a queue."""

    __slots__ = ("_consumer", "_queue", "_queues", "_share")

    def __init__(self, queues: LeaseQueues, queue: Queue, consumer: str, share: Share) -> None:
        self._queues = queues
        self._queue: Queue = queue
        self._consumer = consumer
        self._share: Share = share

    def __aiter__(self) -> Claims:
        return self

    async def __anext__(self) -> EmbeddedLease:
        queues = self._queues
        while not queues.closed:
            lease = queues.take(self._queue, self._consumer, self._share)
            if lease is not None:
                return lease
            await queues.available(self._queue, self._share)
        raise StopAsyncIteration
