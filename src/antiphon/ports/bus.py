"""The bus: queues of jobs, pipes of results, cancel flags."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from antiphon.wire.jobs import Job, PipeEntry, Queue


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery of a job, as the writer of entries."""

    job_id: str
    number: int
    """`Job.attempt`."""
    keeps: bool = False
    """True where a further attempt reads what was written (`Bus.recall`), and goes on with it."""


Keep = Callable[[], int]
"""Says up to which position of a pipe nothing is needed any more."""

Share = Literal["all", "prompt", "patient"]
"""Which jobs of a queue are claimed: all, those above `PATIENT`, or those of it and below."""


class Lease(Protocol):
    """A job in the hands of one worker, until it is acknowledged or the lease runs out."""

    @property
    def job(self) -> Job:
        """The job; ``job.attempt`` counts its deliveries from 1."""
        ...

    async def renew(self) -> None:
        """Heartbeat: keep the lease. Raises `LeaseLost` when another worker has the job by now."""
        ...

    async def acknowledge(self) -> None:
        """The work is done and its results are written; the job is never delivered again. Idempotent."""
        ...

    async def release(self, reason: str, *, delay_s: float = 0.0, counts: bool = True) -> None:
        """Give the job back for another attempt after ``delay_s``; a lost lease changes nothing.

        With ``counts`` False this one was none: nothing of it is known, and the job has as many left as before.
        """
        ...

    async def bury(self, reason: str) -> None:
        """Move the job to the dead letters, with its reason."""
        ...


class Reader(Protocol):
    """Somebody's place in a pipe: ``(position, entry)`` one after the other."""

    def __aiter__(self) -> AsyncIterator[tuple[int, PipeEntry]]: ...

    def __anext__(self) -> Awaitable[tuple[int, PipeEntry]]: ...

    def aclose(self) -> Awaitable[None]:
        """Read no further, and hold nobody up."""
        ...


class Bus(Protocol):
    """Work and results between gateways and workers.

    Delivery of jobs is at least once: a job whose lease runs out (the worker died or hangs) is delivered again, so
    workers tolerate duplicates. Among waiting jobs a higher priority goes first, then the older one.
    A job that comes back after its last attempt (its lease ran out, or it was released) is a dead letter, and a
    `JobFailed` is written to its output: nobody waits for ever for a worker that died.
    A pipe keeps the order of its entries and loses none that a present reader has not read; each reader starts at
    ``after``. A pipe is bounded: what was read makes room, and `write` waits while the rest is full. Entries are
    frozen and may arrive as copies.
    A pipe counts what each job has written, over all its attempts, so that a further attempt continues where the one
    before was cut off; an older attempt that wakes up late is refused with `Superseded`. What was written by attempts
    that keep it is there until the job has ended, even where its entries have made room.
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

        Who does not know the job's ``queue`` any more raises it in all of them, which costs more.
        """
        ...

    async def cancelled(self, job_id: str, queue: Queue) -> None:
        """Return as soon as the cancel flag of this job is up (< 50 ms after `cancel`)."""
        ...

    async def write(self, pipe: str, entries: Sequence[PipeEntry], *, by: Attempt | None = None) -> bool:
        """Append entries in order; False when the pipe was dropped, so that nobody will read them.

        Waits while the pipe is full. Raises `Superseded` when a later attempt of the job has begun.
        """
        ...

    async def begin(self, pipe: str, by: Attempt) -> int:
        """A further attempt begins: older ones may write no more. Returns how many entries they have written."""
        ...

    async def recall(self, pipe: str, job_id: str) -> Sequence[PipeEntry]:
        """Return what those attempts of a job have written that keep it, in order."""
        ...

    async def forget(self, pipe: str, job_id: str) -> None:
        """The job has ended: what it wrote need not be counted or kept any more."""
        ...

    def read(self, pipe: str, *, after: int = 0, keep: Keep | None = None) -> Reader:
        """Yield ``(position, entry)`` from behind position ``after``; endless, ends when the pipe is dropped.

        ``keep`` says up to which position nothing is needed any more, where that is not all that was read: what lies
        behind stays for another reader, and takes up room.
        Raises `NotFound` when the entries behind ``after`` have made room already.
        """
        ...

    async def tail(self, pipe: str) -> int:
        """Return the position of the newest entry, 0 where there is none."""
        ...

    async def drop(self, pipe: str) -> None:
        """Forget the pipe and wake its readers, whose iteration ends. Later writes to it are discarded, and told so."""
        ...

    async def close(self) -> None:
        """Stop; claims and reads end."""
        ...
