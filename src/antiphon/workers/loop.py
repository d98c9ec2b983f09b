"""The worker loop: claims jobs, renews leases, and watches cancel flags and deadlines."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress

import structlog

from antiphon.clock import Clock, SystemClock
from antiphon.errors import AntiphonError, LeaseLost, ProviderTimeout, ProviderUnavailable
from antiphon.observe.metrics import Metrics
from antiphon.observe.trace import NoSpan, Span, span, tracing
from antiphon.ports.bus import Attempt, Bus, Lease, Share
from antiphon.resilience.priority_semaphore import priority
from antiphon.wire.entries import PipeEntry
from antiphon.wire.jobs import Job, Queue
from antiphon.workers.completion import JobCompletion, WorkerOptions
from antiphon.workers.retry_policy import JobCancelled

Emit = Callable[[Sequence[PipeEntry]], Awaitable[None]]
"""Writes results to the job's output, in order."""

Handler = Callable[[Job, Emit, Bus], Awaitable[None]]
"""Runs one job. Returning means success, with every result emitted."""

_AT_ONCE = 16
"""Results after which a handler yields to the event loop: an engine may never wait itself."""

_log = structlog.get_logger(__name__)


async def run(
    bus: Bus,
    queue: Queue,
    handler: Handler,
    consumer: str,
    options: WorkerOptions,
    *,
    concurrency: int = 1,
    patient: int = 0,
    clock: Clock | None = None,
    uniform: Callable[[], float] = random.random,
    metrics: Metrics | None = None,
    measure: Callable[[str, float], None] = lambda _outcome, _seconds: None,
    stop: asyncio.Event | None = None,
) -> None:
    """Work on ``concurrency`` jobs of ``queue`` at a time, until the bus closes or ``stop`` is set.

    With ``patient``, these skip `PATIENT` jobs, and as many additional slots take only those.
    A job ends in exactly one way: acknowledged (done or cancelled), released for another attempt, or
    buried with a `JobFailed` as its last entry. After an attempt has emitted results its failure is final,
    so that output is not repeated, unless the next attempt continues it. ``measure`` gets the outcome and the seconds
    of each job. ``stop`` lets running jobs finish; a cancelled loop releases them at once.
    """
    completion = JobCompletion(bus, options, clock or SystemClock(), uniform, metrics or Metrics())
    async with asyncio.TaskGroup() as group:
        worker = _Worker(completion, queue, handler, concurrency, measure, group)
        usual: Share = "prompt" if patient else "all"
        slots: list[asyncio.Task[None]] = []
        for number in range(concurrency + patient):
            name, share = f"{consumer}-{number}", usual if number < concurrency else "patient"
            slots.append(group.create_task(worker.serve(name, share), name=f"worker {queue} {name}"))
        if stop is not None:
            watch = group.create_task(worker.drain(stop), name=f"drain {queue} {consumer}")
            await asyncio.wait(slots)
            watch.cancel()


class _JobOutput:
    """The output of a job: tracks whether results were emitted, and can be shut."""

    def __init__(self, bus: Bus, job: Job) -> None:
        self._bus = bus
        self._job = job
        self._attempt = Attempt(job.id, job.attempt, keeps=job.work.is_continued)
        self._ahead = 0
        """Entries written by earlier attempts: they are skipped."""
        self._emits = 0
        self.touched = False
        self.shut = False

    async def begin(self) -> None:
        """Continue after the entries of an earlier attempt, and fence that attempt.

        Raises `ProviderUnavailable` for entries that cannot be recalled: workers of the former release keep none.
        """
        if self._job.attempt > 1:
            written = await self._bus.begin(self._job.output, self._attempt)
            self._ahead = 0 if self._attempt.keeps else written
            if self._attempt.keeps and written and not await self._bus.recall(self._job.output, self._job.id):
                raise ProviderUnavailable("the worker was lost in the middle of an answer", code="worker_lost")

    async def emit(self, entries: Sequence[PipeEntry]) -> None:
        """Write results. Raises `JobCancelled` if they have no reader."""
        self._emits += 1
        if self._emits % _AT_ONCE == 0:
            await asyncio.sleep(0)
        if self.shut:
            raise asyncio.CancelledError  # the handler ignored its cancellation
        self.touched = self.touched or bool(entries)
        known = min(self._ahead, len(entries))
        if known and entries[-1].is_last:
            known = min(known, len(entries) - 1)  # the last entry is always written, even twice
        self._ahead -= known
        if len(entries) > known and not await self._bus.write(self._job.output, entries[known:], by=self._attempt):
            raise JobCancelled("the results have no reader")


class _Worker:
    """The slots of one worker on one queue."""

    def __init__(
        self,
        completion: JobCompletion,
        queue: Queue,
        handler: Handler,
        concurrency: int,
        measure: Callable[[str, float], None],
        group: asyncio.TaskGroup,
    ) -> None:
        self._completion = completion
        self._bus = completion.bus
        self._clock = completion.clock
        self._options = completion.options
        self._metrics = completion.metrics
        self._queue: Queue = queue
        self._handler = handler
        self._concurrency = concurrency
        self._measure = measure
        self._group = group
        self._busy = 0
        self._idle: set[asyncio.Task[None]] = set()
        self._draining = False

    async def serve(self, consumer: str, share: Share) -> None:
        """Run one slot: job after job."""
        claims = self._bus.claim(self._queue, consumer, share)
        while (lease := await self._next(claims)) is not None:
            started = self._clock.now()
            slots = int(share != "patient")  # patient slots do not count as busy
            self._count_busy(slots)
            try:
                outcome = await self._traced(lease)
            finally:
                self._count_busy(-slots)
            self._measure(outcome, self._clock.now() - started)

    async def drain(self, stop: asyncio.Event) -> None:
        """Stop claiming jobs once ``stop`` is set."""
        await stop.wait()
        self._draining = True
        for slot in self._idle:
            slot.cancel()

    async def _next(self, claims: AsyncIterator[Lease]) -> Lease | None:
        if self._draining:
            return None
        slot = asyncio.current_task()
        assert slot is not None  # noqa: S101 - narrows the type: a coroutine of a task
        self._idle.add(slot)
        try:
            return await anext(claims, None)
        finally:
            self._idle.discard(slot)

    def _count_busy(self, change: int) -> None:
        self._busy += change
        self._metrics.worker_utilization(self._queue, self._busy / self._concurrency)

    async def _traced(self, lease: Lease) -> str:
        """Run one job in a span of its caller's trace, and return its outcome."""
        job = lease.job
        who = {"session_id": job.session_id, "tenant_id": job.tenant, "correlation_id": job.correlation_id}
        about = {"queue": job.queue, "job_id": job.id, "attempt": job.attempt}
        with tracing(job.traceparent, job_id=job.id, **who), span("job", **about) as recorded:
            outcome = await self._work(lease, recorded)
            recorded.set(outcome=outcome)
            return outcome

    async def _work(self, lease: Lease, recorded: Span | NoSpan) -> str:
        """Run one job and return its outcome."""
        job = lease.job
        output = _JobOutput(self._bus, job)
        attempt = self._group.create_task(self._attempt(job, output), name=f"{job.queue} {job.id}")
        flag = self._group.create_task(self._bus.cancelled(job.id, job.queue), name=f"cancel flag {job.id}")
        try:
            error = await self._supervise(lease, attempt, flag)
            if error is not None:
                async with self._renewing(lease):
                    await self._cancel_attempt(job, attempt, output)
        except asyncio.CancelledError:
            await self._finish_or_release(lease, attempt, output)
            raise
        finally:
            flag.cancel()
        if error is None:
            error = _result(attempt)
        if error is not None and not isinstance(error, JobCancelled):
            recorded.fail(error)
        async with nullcontext() if error is None else self._renewing(lease):
            return await self._finish(lease, error, touched=output.touched)

    @asynccontextmanager
    async def _renewing(self, lease: Lease) -> AsyncGenerator[None]:
        """Renew a lease while a handler ends or a failure is written: either may outlast the lease."""
        keeping = self._group.create_task(self._keep_renewing(lease), name=f"lease {lease.job.id}")
        try:
            yield
        finally:
            keeping.cancel()

    async def _keep_renewing(self, lease: Lease) -> None:
        with suppress(LeaseLost):  # also raised where the job is finished
            while True:
                await asyncio.sleep(self._options.heartbeat_s)
                await self._renew(lease)

    async def _renew(self, lease: Lease) -> None:
        """Heartbeat. Raises `LeaseLost`."""
        try:
            await lease.renew()
        except ProviderUnavailable as error:  # the bus is unreachable: continue; the job may run twice
            _log.warning("lease renewal failed", job_id=lease.job.id, error=str(error))

    async def _attempt(self, job: Job, output: _JobOutput) -> BaseException | None:
        """Run the handler; return its error, so that it does not end the worker."""
        priority.set(job.priority)
        try:
            await output.begin()
            await self._handler(job, output.emit, self._bus)
        except AntiphonError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the outermost loop: a handler's bug must not end the worker
            _log.exception("handler failed unexpectedly", job_id=job.id, queue=job.queue)
            return error
        return None

    async def _supervise(
        self, lease: Lease, attempt: asyncio.Task[BaseException | None], flag: asyncio.Task[None]
    ) -> AntiphonError | None:
        """Wait for the attempt, or return the reason to cancel it."""
        deadline_s = lease.job.deadline_s or math.inf
        while True:
            left_s = deadline_s - self._clock.wall()
            if left_s <= 0:
                return ProviderTimeout("the job's deadline has passed", code="deadline_exceeded")
            timeout_s = min(self._options.heartbeat_s, left_s)
            await asyncio.wait((attempt, flag), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if attempt.done():
                return None
            if flag.done():
                return JobCancelled("cancelled")
            try:
                await self._renew(lease)
            except LeaseLost as error:
                return error

    async def _cancel_attempt(self, job: Job, attempt: asyncio.Task[BaseException | None], output: _JobOutput) -> None:
        """Cancel the handler; it can emit nothing more, even if it continues."""
        output.shut = True
        attempt.cancel()
        done, _ = await asyncio.wait((attempt,), timeout=self._options.close_timeout_s)
        if not done:
            _log.warning("handler ignores its cancellation", job_id=job.id, queue=job.queue)

    async def _finish_or_release(
        self, lease: Lease, attempt: asyncio.Task[BaseException | None], output: _JobOutput
    ) -> None:
        """The worker was cancelled: finish the job if it is done, else release it."""
        if attempt.done() and not attempt.cancelled():
            await self._finish(lease, attempt.result(), touched=output.touched)
        else:
            output.shut = True
            attempt.cancel()
            try:
                await self._completion.release(lease, touched=output.touched)
            except ProviderUnavailable as error:
                _log.warning("job release failed", job_id=lease.job.id, error=str(error))

    async def _finish(self, lease: Lease, error: BaseException | None, *, touched: bool) -> str:
        """End the job; if the bus is unreachable, its lease expires and it runs again."""
        try:
            return await self._completion.finish(lease, error, touched=touched)
        except ProviderUnavailable as away:
            _log.warning("job completion failed", job_id=lease.job.id, error=str(away))
            return "lost"


def _result(attempt: asyncio.Task[BaseException | None]) -> BaseException | None:
    if attempt.cancelled():
        return ProviderUnavailable("the handler cancelled itself", code="handler_cancelled")
    return attempt.result()
