"""Queues in memory: priority then age, leases, delayed release, dead letters."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

from antiphon.bus.cancellation import CancelFlags
from antiphon.bus.dead_letters import DeadLetter
from antiphon.bus.leases import EmbeddedLease, JobRecord
from antiphon.bus.limits import QueueLimit
from antiphon.bus.ttl_set import TtlSet
from antiphon.clock import Clock
from antiphon.entities.priority import PATIENT
from antiphon.errors import LeaseLost, Overloaded
from antiphon.ports.bus import Share
from antiphon.wire.jobs import Job, Queue

_Line = Literal["prompt", "patient"]
_LINES: dict[Share, tuple[_Line, ...]] = {
    "all": ("prompt", "patient"),
    "prompt": ("prompt",),
    "patient": ("patient",),
}
"""Lines of a queue from which a share takes jobs, the more urgent first."""
_Waiting = tuple[int, int, int, JobRecord]


class JobQueues:
    """All queues of one bus.

    No task and no timer belongs to a single job: one timer watches the earliest due time of all.
    """

    def __init__(self, clock: Clock, limit: QueueLimit, on_failed: Callable[[Job, str], None], *, strict: bool) -> None:
        """``strict`` keeps jobs as msgpack, so that every worker gets a copy."""
        self._clock = clock
        self._limit = limit
        self._strict = strict
        self._on_failed = on_failed
        self._known: dict[str, JobRecord] = {}
        self._ended = TtlSet(clock)
        self._waiting: dict[tuple[Queue, _Line], list[_Waiting]] = {}
        self._delayed: list[tuple[float, int, int, JobRecord]] = []
        self._leased: dict[str, JobRecord] = {}  # sorted by due time, for all leases last equally long
        self._claimers: dict[Queue, deque[tuple[asyncio.Future[None], Share]]] = {}
        self._age = 0
        self._timer: asyncio.TimerHandle | None = None
        self.flags = CancelFlags(clock)
        self.dead: deque[DeadLetter] = deque(maxlen=limit.dead_letters)
        self.closed = False

    # -- in and out ------------------------------------------------------------------------------------------
    def submit(self, job: Job) -> None:
        """Queue ``job`` unless its id is known. Raises `Overloaded` when the queue is full or the bus closed."""
        if job.id in self._known or job.id in self._ended:
            return
        if self.closed:
            raise Overloaded("the bus is closed")
        if self.depth(job.queue) >= self._limit.held:
            raise Overloaded(f"{self._limit.held} jobs wait in the queue {job.queue}", code="queue_full")
        self._age += 1
        record = self._known[job.id] = JobRecord(job, self._age, strict=self._strict)
        self.flags.adopt(job.id)
        self._wait(record, job)

    def take(self, queue: Queue, consumer: str, share: Share = "all") -> EmbeddedLease | None:
        """Lease the next job of a share, or return None when none waits."""
        self.sweep()
        for waiting in self._lines(queue, share):
            while waiting:
                _, _, ticket, record = heapq.heappop(waiting)
                if ticket != record.ticket:
                    continue
                if self.flags.is_up(record.id):
                    self.finish(record)
                    continue
                return self._lease(record, consumer)
        return None

    async def available(self, queue: Queue, share: Share) -> None:
        """Wait until a job of a share may have come, or the bus closes."""
        future = asyncio.get_running_loop().create_future()
        claimers = self._claimers.setdefault(queue, deque())
        claimers.append((future, share))
        try:
            await future
        except asyncio.CancelledError:
            if (future, share) in claimers:
                claimers.remove((future, share))
            else:  # this claimer was woken for a job that it will not take
                for line in _LINES[share]:
                    if self._waiting.get((queue, line)):
                        self._wake_claimer(queue, line)
            raise

    def depth(self, queue: Queue) -> int:
        """Return the number of waiting jobs in ``queue``, without delayed ones."""
        return sum(len(waiting) for waiting in self._lines(queue, "all"))

    def cancel(self, job_id: str) -> None:
        """Raise the cancel flag of a job, unless it has ended."""
        if job_id in self._ended:
            self.flags.wake(job_id)
        else:
            self.flags.raise_flag(job_id, known=job_id in self._known)

    def close(self) -> None:
        """End all claims."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        for claimers in self._claimers.values():
            for future, _ in claimers:
                if not future.done():
                    future.set_result(None)
            claimers.clear()

    def _lines(self, queue: Queue, share: Share) -> Iterator[list[_Waiting]]:
        return (self._waiting.get((queue, line), []) for line in _LINES[share])

    def _wait(self, record: JobRecord, job: Job) -> None:
        line: _Line = "patient" if job.priority <= PATIENT else "prompt"
        waiting = self._waiting.setdefault((job.queue, line), [])
        heapq.heappush(waiting, (-job.priority, record.age, record.ticket, record))
        self._wake_claimer(job.queue, line)

    def _wake_claimer(self, queue: Queue, line: _Line) -> None:
        """Wake the first claimer of a line."""
        claimers = self._claimers.get(queue, deque())
        for claimer in list(claimers):
            future, share = claimer
            if future.done():
                claimers.remove(claimer)
            elif line in _LINES[share]:
                claimers.remove(claimer)
                future.set_result(None)
                return

    # -- leases ----------------------------------------------------------------------------------------------
    def renew(self, lease: EmbeddedLease) -> None:
        """Renew a lease; an expired one too, unless the job was delivered again."""
        record = lease.record
        if self._known.get(record.id) is not record:
            raise LeaseLost(f"job {record.id} has ended")
        if not self._holds(lease):
            if record.leased or record.deliveries != lease.job.attempt:
                raise LeaseLost(f"job {record.id} was delivered to {record.consumer}")
            record.ticket += 1
            record.leased = True
            lease.ticket = record.ticket
        record.due = self._clock.now() + self._limit.lease_s
        self._leased.pop(record.id, None)
        self._leased[record.id] = record
        self._arm(record.due)

    def release(self, lease: EmbeddedLease, reason: str, delay_s: float, *, counts: bool = True) -> None:
        """Queue the job again after ``delay_s``; bury it when this was its last attempt."""
        if not self._holds(lease):
            return
        record = lease.record
        if not counts:
            record.deliveries -= 1
        if self._ends(record, lease.job, reason):
            return
        self._unlease(record)
        if delay_s > 0:
            due = self._clock.now() + delay_s
            heapq.heappush(self._delayed, (due, record.age, record.ticket, record))
            self._arm(due)
        else:
            self._wait(record, lease.job)

    def bury(self, lease: EmbeddedLease, reason: str) -> None:
        """End a job as a dead letter."""
        if self._holds(lease):
            self.dead.append(DeadLetter.of(lease.job, reason, self._clock.wall()))
            self.finish(lease.record)

    def finish(self, record: JobRecord) -> None:
        """Forget a job and its cancel flag; its id stays known as ended for a while."""
        if self._known.get(record.id) is record:
            del self._known[record.id]
            self._unlease(record)
            self.flags.lower(record.id)
            self._ended.add(record.id)

    def sweep(self) -> None:
        """Queue overdue and delayed jobs again. Tests on a virtual clock call this."""
        now = self._clock.now()
        while self._delayed and self._delayed[0][0] <= now:
            _, _, ticket, record = heapq.heappop(self._delayed)
            if ticket == record.ticket:
                self._wait(record, record.job())
        while self._leased:
            record = next(iter(self._leased.values()))
            if record.due > now:
                break
            job = record.job()
            if not self._ends(record, job, f"the lease of {record.consumer} ran out"):
                self._unlease(record)
                self._wait(record, job)

    def _lease(self, record: JobRecord, consumer: str) -> EmbeddedLease:
        record.ticket += 1
        record.deliveries += 1
        record.leased = True
        record.consumer = consumer
        record.due = self._clock.now() + self._limit.lease_s
        self._leased[record.id] = record
        self._arm(record.due)
        return EmbeddedLease(self, record)

    def _holds(self, lease: EmbeddedLease) -> bool:
        return lease.record.leased and lease.record.ticket == lease.ticket

    def _unlease(self, record: JobRecord) -> None:
        record.ticket += 1
        record.leased = False
        self._leased.pop(record.id, None)

    def _ends(self, record: JobRecord, job: Job, reason: str) -> bool:
        """End a returned job that is cancelled or has no attempt left; say whether it was ended."""
        if self.flags.is_up(record.id):
            self.finish(record)
            return True
        if record.deliveries < self._limit.attempts_of(type(job.work)):
            return False
        self.dead.append(DeadLetter.of(job, reason, self._clock.wall()))
        self.finish(record)
        self._on_failed(job, reason)
        return True

    # -- one timer -------------------------------------------------------------------------------------------
    def _arm(self, due: float) -> None:
        """Sweep at ``due``, unless a sweep comes before."""
        loop = asyncio.get_running_loop()
        at = loop.time() + max(0.0, due - self._clock.now())
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._ring)

    def _ring(self) -> None:
        # One turn later: after a stall of the loop, heartbeats that are as late as this timer go first.
        asyncio.get_running_loop().call_soon(self._sweep_and_arm)

    def _sweep_and_arm(self) -> None:
        self._timer = None
        if self.closed:
            return
        self.sweep()
        if self._leased:
            self._arm(next(iter(self._leased.values())).due)
        if self._delayed:
            self._arm(self._delayed[0][0])
