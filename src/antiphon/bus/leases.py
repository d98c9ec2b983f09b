"""What a worker holds: its claim on a queue, and the lease of one job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from antiphon.bus.codec import decode_job, encode_job
from antiphon.ports.bus import Share
from antiphon.wire.jobs import Job, Queue


class JobRecord:
    """A job that has not ended. ``ticket`` changes with every delivery and return, which voids older ones."""

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
        """When the lease runs out."""

    def job(self) -> Job:
        """Return the job as it was delivered last."""
        job = decode_job(self.work) if isinstance(self.work, bytes) else self.work
        attempt = max(1, self.deliveries)
        return job if job.attempt == attempt else msgspec.structs.replace(job, attempt=attempt)


class LeaseQueues(Protocol):
    """What leases and claims ask of the queues."""

    closed: bool

    def take(self, queue: Queue, consumer: str, share: Share) -> EmbeddedLease | None: ...
    async def available(self, queue: Queue, share: Share) -> None: ...
    def renew(self, lease: EmbeddedLease) -> None: ...
    def release(self, lease: EmbeddedLease, reason: str, delay_s: float, *, counts: bool) -> None: ...
    def bury(self, lease: EmbeddedLease, reason: str) -> None: ...
    def finish(self, record: JobRecord) -> None: ...


class EmbeddedLease:
    """A job in the hands of one worker.

    Once the job went to another worker, `release` and `bury` change nothing; `acknowledge` still ends the
    job, for its results are written.
    """

    __slots__ = ("_queues", "job", "record", "ticket")

    def __init__(self, queues: LeaseQueues, record: JobRecord) -> None:
        self._queues = queues
        self.record = record
        self.ticket = record.ticket
        self.job = record.job()

    async def renew(self) -> None:
        """Heartbeat. Raises `LeaseLost` when another worker has the job by now, or when it has ended."""
        self._queues.renew(self)

    async def acknowledge(self) -> None:
        """The job has ended well."""
        self._queues.finish(self.record)

    async def release(self, reason: str, *, delay_s: float = 0.0, counts: bool = True) -> None:
        """Give the job back; after its last attempt it is buried instead."""
        self._queues.release(self, reason, delay_s, counts=counts)

    async def bury(self, reason: str) -> None:
        """Move the job to the dead letters."""
        self._queues.bury(self, reason)


class Claims(AsyncIterator[EmbeddedLease]):
    """The jobs of one queue's share, one after the other."""

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
