"""The job client: submits work to the queues, yields its results, and cleans up after it.

Doors use it, and workers that delegate parts of their work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TypeVar

import structlog

from antiphon.clock import Clock
from antiphon.entities.priority import TOLERANT
from antiphon.errors import (
    AntiphonError,
    Forbidden,
    Overloaded,
    Permanent,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    Unauthenticated,
    family,
)
from antiphon.ids import new_id
from antiphon.observe.failures import error_fields
from antiphon.observe.tasks import TrackedTasks
from antiphon.observe.trace import traceparent
from antiphon.ports.bus import Bus, Reader
from antiphon.wire.entries import JobFailed, PipeEntry
from antiphon.wire.jobs import Job, Queue, Work

T = TypeVar("T", bound=PipeEntry)

_KINDS = {kind.__name__: kind for kind in family(AntiphonError) if kind.__module__ == AntiphonError.__module__}
"""Errors that a job may fail with, by name; errors of a single door are not among them."""

_CLEAN_UP_S = 2.0
"""Longest that a caller waits for the clean-up after its job; it then continues in the background."""

_log = structlog.get_logger(__name__)


class JobClient:
    """Submits jobs and reads their results. Cancelling and dropping never raise: the work itself is over by then."""

    def __init__(self, bus: Bus, clock: Clock, *, timeout_s: float = 300.0) -> None:
        self._bus = bus
        self._clock = clock
        self._timeout_s = timeout_s
        self._clean_ups = TrackedTasks("clean-up of a job")

    async def submit(self, job: Job) -> None:
        """Put a job into its queue. Raises `Overloaded` when it is full, `ProviderUnavailable` without a bus."""
        await self._bus.submit(job)

    async def cancel(self, job_id: str, queue: Queue | None = None) -> None:
        """Cancel a job, which costs least with its ``queue``; a bus that is unavailable is logged."""
        try:
            await self._bus.cancel(job_id, queue)
        except ProviderUnavailable as error:  # its results expire unread
            _log.warning("job cancellation failed", job_id=job_id, **error_fields(error))

    async def drop(self, pipe: str) -> None:
        """Drop a pipe; a bus that is unavailable is logged."""
        try:
            await self._bus.drop(pipe)
        except ProviderUnavailable as error:  # the unused pipe expires
            _log.warning("pipe drop failed", pipe=pipe, **error_fields(error))

    async def run(
        self,
        work: Work,
        *,
        tenant: str = "default",
        key_id: str = "",
        correlation_id: str = "",
        timeout_s: float | None = None,
        job_id: str = "",
        retries: bool = True,
        priority: int = TOLERANT,
    ) -> AsyncGenerator[PipeEntry]:
        """Yield the results of ``work`` in order, the last one included.

        A job that fails raises its error; one that takes longer than ``timeout_s`` raises `ProviderTimeout`. The
        default is the client's timeout, plus the length of a recording. Closing the iterator before its end cancels
        the job. The job's pipe is always dropped; a clean-up that fails is logged and changes no result. Without
        ``retries`` the first failure is final. ``key_id`` names the caller's key.
        Raises `Overloaded` when its queue is full.
        """
        timeout_s = work.allowed_s(self._timeout_s) if timeout_s is None else timeout_s
        job_id = job_id or new_id("job")
        job = Job(
            id=job_id,
            queue=work.queue,
            work=work,
            output=f"t:{tenant}:job:{{{job_id}}}",
            tenant=tenant,
            key_id=key_id,
            correlation_id=correlation_id or job_id,
            traceparent=traceparent(),
            deadline_s=self._clock.wall() + timeout_s,
            priority=priority,
            retries=retries,
        )
        has_ended = False
        entries = self._bus.read(job.output)
        try:
            await self.submit(job)
            deadline = self._clock.now() + timeout_s
            while not has_ended:
                entry = await self._next(entries, deadline - self._clock.now())
                has_ended = entry.is_last
                if isinstance(entry, JobFailed):
                    raise error_of(entry)
                yield entry
        except Overloaded:  # raised by a job that failed or was not queued: none is left to cancel
            has_ended = True
            raise
        finally:
            await self._clean_ups.within(_CLEAN_UP_S, self._clean_up(job, entries, has_ended=has_ended))

    async def result(
        self,
        work: Work,
        kind: type[T],
        *,
        tenant: str = "default",
        key_id: str = "",
        correlation_id: str = "",
        timeout_s: float | None = None,
        retries: bool = True,
    ) -> T:
        """Return the last entry of ``work``, which is of ``kind``. Raises what `run` raises."""
        entries = self.run(
            work, tenant=tenant, key_id=key_id, correlation_id=correlation_id, timeout_s=timeout_s, retries=retries
        )
        async with aclosing(entries):
            *_, last = [entry async for entry in entries]
        assert isinstance(last, kind)  # noqa: S101 - narrows the type: each kind of work ends with its own entry
        return last

    async def _clean_up(self, job: Job, entries: Reader, *, has_ended: bool) -> None:
        async with aclosing(entries):
            if not has_ended:
                await self.cancel(job.id, job.queue)
        await self.drop(job.output)

    async def _next(self, entries: AsyncIterator[tuple[int, PipeEntry]], left_s: float) -> PipeEntry:
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                _, entry = await anext(entries)
        except TimeoutError as exc:
            raise ProviderTimeout("The work was not done in time.") from exc
        except StopAsyncIteration as exc:
            raise ProviderUnavailable("The server is stopping.", code="server_stopping") from exc
        return entry


def error_of(failure: JobFailed) -> AntiphonError:
    """Return the error that a job failed with.

    A refused key is the engine's, not the caller's: `ProviderRejected`.
    """
    kind = _KINDS.get(failure.kind, ProviderUnavailable if failure.transient else Permanent)
    if issubclass(kind, (Unauthenticated, Forbidden)):
        kind = ProviderRejected
    if issubclass(kind, RateLimited):
        wait_s = 1.0 if failure.retry_after_s is None else failure.retry_after_s
        return kind(failure.message, code=failure.code, retry_after_s=wait_s)
    return kind(failure.message, code=failure.code, param=failure.param)
