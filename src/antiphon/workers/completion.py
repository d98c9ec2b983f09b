"""Carries out retry decisions: acknowledge, release or bury a job, and report failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from antiphon.clock import Clock
from antiphon.errors import AntiphonError, ProviderUnavailable, Superseded
from antiphon.observe.failures import error_fields
from antiphon.observe.metrics import Metrics
from antiphon.ports.bus import Attempt, Bus, Lease
from antiphon.resilience.budget import RetryBudget
from antiphon.wire.entries import JobFailed
from antiphon.wire.jobs import Job
from antiphon.workers.retry_policy import Acknowledge, Bury, LeaveAlone, Retry, RetryRule, decide, failure, may_follow

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options of a worker."""

    retry: RetryRule
    heartbeat_s: float
    """Interval between lease renewals; a third of the bus's lease is right."""
    close_timeout_s: float = 5.0
    """Timeout for a cancelled handler to end, and for a failure to be written."""


@dataclass(frozen=True, slots=True)
class JobCompletion:
    """Ends jobs, each in exactly one way."""

    bus: Bus
    options: WorkerOptions
    clock: Clock
    uniform: Callable[[], float]
    metrics: Metrics
    budget: RetryBudget = field(default_factory=RetryBudget)
    """Shared by all jobs of this queue in this process."""

    async def finish(self, lease: Lease, error: BaseException | None, *, touched: bool) -> str:
        """Decide about an attempt, carry the decision out and return the outcome."""
        job = lease.job
        wall = self.clock.wall()
        decision = decide(job, error, self.options.retry, touched=touched, wall=wall, uniform=self.uniform)
        if error is None:
            self.budget.earn()
        elif isinstance(decision, Retry) and not self.budget.spend():
            decision = Bury(f"{decision.reason} (retry budget exhausted)", failure(job, error))
        why = {} if error is None else error_fields(error)
        match decision:
            case Acknowledge(outcome=outcome):
                await lease.acknowledge()
                if outcome == "cancelled" and job.queue == "speak":
                    _log.info("tts.cancelled", **_log_fields(job))
            case LeaveAlone():
                _log.warning("lease lost", **_log_fields(job))
            case Retry(reason=reason, delay_s=delay_s):
                self._count(error)
                _log.warning("job retried", delay_s=delay_s, **why, **_log_fields(job))
                await lease.release(reason, delay_s=delay_s)
            case Bury(reason=reason, entry=entry):
                self._count(error)
                _log.warning("job failed", code=entry.code, **why, **_log_fields(job))
                try:
                    await self._write_failure(job, entry)
                finally:
                    await lease.bury(reason)  # also when cancelled: output must not be repeated
        if isinstance(decision, Acknowledge | Bury):
            await self.bus.forget(job.output, job.id)
        return decision.outcome

    async def release(self, lease: Lease, *, touched: bool) -> None:
        """Release the job of a stopping worker, or fail it if another attempt would repeat its output."""
        error = ProviderUnavailable("the worker was stopped", code="worker_stopped")
        if may_follow(lease.job, touched=touched):
            await lease.release(error.message, counts=touched)
        else:
            await self._write_failure(lease.job, failure(lease.job, error))
            await lease.bury(error.message)

    def _count(self, error: BaseException | None) -> None:
        self.metrics.error("worker", error.type if isinstance(error, AntiphonError) else AntiphonError.type)

    async def _write_failure(self, job: Job, entry: JobFailed) -> None:
        try:
            async with asyncio.timeout(self.options.close_timeout_s):
                await self.bus.write(job.output, (entry,), by=Attempt(job.id, job.attempt))
        except TimeoutError:
            _log.warning("job failure not delivered", **_log_fields(job))
        except Superseded:
            pass  # a later attempt reports the outcome


def _log_fields(job: Job) -> dict[str, object]:
    return {
        "job_id": job.id,
        "queue": job.queue,
        "attempt": job.attempt,
        "tenant_id": job.tenant,
        "session_id": job.session_id,
        "correlation_id": job.correlation_id,
    }
