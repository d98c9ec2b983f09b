"""The bus: queues of jobs, pipes of results, cancel flags."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from antiphon.wire.entries import PipeEntry
from antiphon.wire.jobs import Job, Queue


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery of a job, as the writer of entries."""

    job_id: str
    number: int
    """`Job.attempt`."""
    keeps: bool = False
    """True when a later attempt reads the written entries (`Bus.recall`), and continues after them."""


Keep = Callable[[], int]
"""Returns the position of a pipe up to which entries may be dropped."""

Share = Literal["all", "prompt", "patient"]
"""Which jobs of a queue are claimed: all, those above priority `PATIENT`, or the others."""


class Lease(Protocol):
    """A job that is leased to one worker, until it is acknowledged or the lease expires."""

    @property
    def job(self) -> Job:
        """The job; ``job.attempt`` counts its deliveries from 1."""
        ...

    async def renew(self) -> None:
        """Heartbeat: keep the lease. Raises `LeaseLost` when the job was delivered to another worker."""
        ...

    async def acknowledge(self) -> None:
        """The work is done and its results are written; the job is never delivered again. Idempotent."""
        ...

    async def release(self, reason: str, *, delay_s: float = 0.0, counts: bool = True) -> None:
        """Return the job for another attempt after ``delay_s``; no effect when the lease was lost.

        With ``counts`` False this attempt does not count: the job has as many attempts left as before.
        """
        ...

    async def bury(self, reason: str) -> None:
        """Move the job to the dead letters, with its reason."""
        ...


class Reader(Protocol):
    """A reader of a pipe: yields ``(position, entry)`` in order."""

    def __aiter__(self) -> AsyncIterator[tuple[int, PipeEntry]]: ...

    def __anext__(self) -> Awaitable[tuple[int, PipeEntry]]: ...

    def aclose(self) -> Awaitable[None]:
        """Stop reading; writers no longer wait for this reader."""
        ...


class Bus(Protocol):
    """Work and results between gateways and workers.

    Delivery of jobs is at least once: a job whose lease expires (the worker died or hangs) is delivered again, so
    workers tolerate duplicates. Among waiting jobs a higher priority goes first, then the older one.
    A job that is returned after its last attempt (its lease expired, or it was released) becomes a dead letter, and a
    `JobFailed` is written to its output, so that readers do not wait for ever for a dead worker.
    A pipe keeps its entries in order and drops none that a present reader has not read; each reader starts after
    ``after``. A pipe is bounded: entries that were read make room, and `write` waits while the rest is full. Entries
    are frozen and may arrive as copies.
    A pipe counts the entries of each job over all attempts, so that an attempt continues where the previous one was cut
    off; late writes of an older attempt raise `Superseded`. Entries of attempts with `Attempt.keeps` can be recalled
    until the job has ended, even after they made room.
    """

    async def submit(self, job: Job) -> None:
        """Put a job into its queue. Submitting the same ``job.id`` again while it is known changes nothing.

        Raises `Overloaded` when the queue is full, and `InvalidRequest` for audio that is too large to travel.
        """
        ...

    def claim(self, queue: Queue, consumer: str, share: Share = "all") -> AsyncIterator[Lease]:
        """Take jobs of a share one after the other, each under a lease; endless. Cancelled jobs are skipped."""
        ...

    async def cancel(self, job_id: str, queue: Queue | None = None) -> None:
        """Raise the cancel flag of a job, known or not; it stays raised until the job has ended. Idempotent.

        Without ``queue`` the flag is raised in all queues, which costs more.
        """
        ...

    async def cancelled(self, job_id: str, queue: Queue) -> None:
        """Return as soon as the cancel flag of this job is up (< 50 ms after `cancel`)."""
        ...

    async def write(self, pipe: str, entries: Sequence[PipeEntry], *, by: Attempt | None = None) -> bool:
        """Append entries in order; False when the pipe was dropped, and with it the entries.

        Waits while the pipe is full. Raises `Superseded` when a later attempt of the job has begun.
        """
        ...

    async def begin(self, pipe: str, by: Attempt) -> int:
        """Begin an attempt, after which older ones cannot write. Returns the number of entries they wrote."""
        ...

    async def recall(self, pipe: str, job_id: str) -> Sequence[PipeEntry]:
        """Return the entries that the attempts of a job have kept, in order."""
        ...

    async def forget(self, pipe: str, job_id: str) -> None:
        """Drop the count and the kept entries of a job that has ended."""
        ...

    def read(self, pipe: str, *, after: int = 0, keep: Keep | None = None) -> Reader:
        """Yield ``(position, entry)`` from behind position ``after``; endless, ends when the pipe is dropped.

        ``keep`` returns the position up to which entries may be dropped; without it, entries that were read may be.
        Later entries stay for another reader, and use room.
        Raises `NotFound` when the entries after ``after`` were dropped.
        """
        ...

    async def tail(self, pipe: str) -> int:
        """Return the position of the newest entry, 0 where there is none."""
        ...

    async def drop(self, pipe: str) -> None:
        """Forget the pipe and wake its readers, whose iteration ends. Later writes are discarded, and return False."""
        ...

    async def close(self) -> None:
        """Stop; claims and reads end."""
        ...
