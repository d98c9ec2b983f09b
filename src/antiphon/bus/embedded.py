"""The bus of one process: queues and pipes in memory, with the promises of a bus between processes."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.bus.dead_letters import DeadLetter
from antiphon.bus.leases import Claims
from antiphon.bus.limits import PipeLimit, QueueLimit
from antiphon.bus.pipes import Pipe, PipeReader
from antiphon.bus.queues import JobQueues
from antiphon.bus.ttl_set import TtlSet
from antiphon.clock import Clock
from antiphon.errors import ProviderUnavailable
from antiphon.ports.bus import Attempt, Keep, Share
from antiphon.wire.entries import JobFailed, PipeEntry
from antiphon.wire.jobs import Job, Queue


class EmbeddedBus:
    """A `Bus` in memory, for one event loop.

    Entries that were read stay available to other readers until their room is needed; reading a dropped entry
    raises `NotFound`. A job that is returned after its last attempt becomes a dead letter, and a `JobFailed`
    is written to its output. ``strict`` sends every job and entry through msgpack.
    """

    def __init__(self, clock: Clock, queues: QueueLimit, pipes: PipeLimit, *, strict: bool) -> None:
        self._queues = JobQueues(clock, queues, self._fail, strict=strict)
        self._pipe_limit = pipes
        self._strict = strict
        self._pipes: dict[str, Pipe] = {}
        self._dropped = TtlSet(clock)

    # -- jobs ----------------------------------------------------------------------------------------------
    async def submit(self, job: Job) -> None:
        """Put a job into its queue. Raises `Overloaded` when the queue is full or the bus closed."""
        self._queues.submit(job)

    def claim(self, queue: Queue, consumer: str, share: Share = "all") -> Claims:
        """Take jobs of a share one after the other, each under a lease."""
        return Claims(self._queues, queue, consumer, share)

    async def cancel(self, job_id: str, queue: Queue | None = None) -> None:
        """Raise the cancel flag of a job."""
        del queue  # all queues share one set of flags
        self._queues.cancel(job_id)

    async def cancelled(self, job_id: str, queue: Queue) -> None:
        """Return as soon as the cancel flag of this job is up."""
        del queue
        await self._queues.flags.wait(job_id)

    def sweep(self) -> None:
        """Deliver overdue jobs again. A timer does this in real time; tests on a virtual clock call it."""
        self._queues.sweep()

    def depth(self, queue: Queue) -> int:
        """Return the number of waiting jobs in ``queue``."""
        return self._queues.depth(queue)

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Return the failed jobs, oldest first."""
        return tuple(self._queues.dead)

    # -- pipes ---------------------------------------------------------------------------------------------
    async def write(self, pipe: str, entries: Sequence[PipeEntry], *, by: Attempt | None = None) -> bool:
        """Append entries in order; False when the pipe was dropped. Waits while it is full. Raises `Superseded`."""
        target = self._pipes.get(pipe) or self._open(pipe)
        return target is not None and await target.write(entries, by)

    async def begin(self, pipe: str, by: Attempt) -> int:
        """Begin an attempt, after which older ones cannot write. Returns the number of entries they wrote."""
        target = self._pipes.get(pipe) or self._open(pipe)
        return 0 if target is None else target.begin(by)

    async def recall(self, pipe: str, job_id: str) -> Sequence[PipeEntry]:
        """Return the entries that the attempts of a job have kept, in order."""
        target = self._pipes.get(pipe)
        return [] if target is None else target.recall(job_id)

    async def forget(self, pipe: str, job_id: str) -> None:
        """Drop the count and the kept entries of a job that has ended."""
        target = self._pipes.get(pipe)
        if target is not None:
            target.forget(job_id)

    def read(self, pipe: str, *, after: int = 0, keep: Keep | None = None) -> PipeReader:
        """Yield ``(position, entry)`` from behind ``after``."""
        source = self._pipes.get(pipe) or self._open(pipe)
        if source is None:
            source = Pipe(pipe, self._pipe_limit, self._forget, strict=self._strict)
            source.end()
        return PipeReader(source, after, keep)

    async def tail(self, pipe: str) -> int:
        """Return the position of the newest entry."""
        known = self._pipes.get(pipe)
        return 0 if known is None else known.tail

    async def drop(self, pipe: str) -> None:
        """Forget the pipe and wake its readers, whose iteration ends."""
        self._dropped.add(pipe)
        gone = self._pipes.pop(pipe, None)
        if gone is not None:
            gone.end()

    async def close(self) -> None:
        """Stop; claims and reads end, later writes are discarded."""
        self._queues.close()
        for pipe in self._pipes.values():
            pipe.end()
        self._pipes.clear()

    def _open(self, name: str) -> Pipe | None:
        if self._queues.closed or name in self._dropped:
            return None
        pipe = self._pipes[name] = Pipe(name, self._pipe_limit, self._forget, strict=self._strict)
        return pipe

    def _forget(self, pipe: Pipe) -> None:
        """Remove a pipe that has neither entries nor readers."""
        if self._pipes.get(pipe.name) is pipe:
            del self._pipes[pipe.name]

    def _fail(self, job: Job, reason: str) -> None:
        pipe = self._pipes.get(job.output) or self._open(job.output)
        if pipe is not None:
            message = f"failed after {job.attempt} attempts: {reason}"
            error = ProviderUnavailable(message, code="attempts_exhausted")
            pipe.force(JobFailed.of(job.id, error))
            pipe.forget(job.id)
