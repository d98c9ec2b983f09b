"""Decides about a job after an attempt, without I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from antiphon.errors import AntiphonError, LeaseLost, Permanent, RateLimited, Superseded, Transient
from antiphon.resilience.backoff import Backoff
from antiphon.wire.entries import JobFailed
from antiphon.wire.jobs import Job


class JobCancelled(Permanent):
    """The job was cancelled by its caller."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Acknowledge: done, or no longer wanted."""

    outcome: str


@dataclass(frozen=True, slots=True)
class LeaveAlone:
    """Leave the job alone: another worker has it."""

    outcome: str = "lost"


@dataclass(frozen=True, slots=True)
class Retry:
    """Release the job for another attempt."""

    reason: str
    delay_s: float
    outcome: str = "retried"


@dataclass(frozen=True, slots=True)
class Bury:
    """Write ``entry`` as the job's last result, and bury the job."""

    reason: str
    entry: JobFailed
    outcome: str = "failed"


Decision = Acknowledge | LeaveAlone | Retry | Bury


@dataclass(frozen=True, slots=True)
class RetryRule:
    """When a failed attempt is followed by another."""

    attempts: int
    """Deliveries of a job before a transient failure is final."""
    backoff: Backoff = field(default_factory=Backoff)


def decide(
    job: Job,
    error: BaseException | None,
    rule: RetryRule,
    *,
    touched: bool,
    wall: float,
    uniform: Callable[[], float],
) -> Decision:
    """Decide by the error's type; ``touched`` says that this attempt has emitted results.

    They make its failure final, so that output is not repeated, except for work that `is_continued`.
    """
    match error:
        case None:
            return Acknowledge("done")
        case JobCancelled():
            return Acknowledge("cancelled")
        case Superseded() | LeaseLost():
            return LeaveAlone()
        case Transient() if job.retries and may_follow(job, touched=touched) and job.attempt < rule.attempts:
            delay_s = rule.backoff.delay_s(job.attempt, uniform)
            if isinstance(error, RateLimited):
                delay_s = max(delay_s, error.retry_after_s)
            if job.deadline_s and wall + delay_s >= job.deadline_s:
                return Bury(_reason(error), failure(job, error))
            return Retry(_reason(error), delay_s)
        case _:
            return Bury(_reason(error), failure(job, error))


def may_follow(job: Job, *, touched: bool) -> bool:
    """Return whether another attempt would not repeat output."""
    return not touched or job.work.is_continued


def failure(job: Job, error: BaseException) -> JobFailed:
    """Return the entry that reports a failure, without details of an unexpected one."""
    if isinstance(error, AntiphonError):
        return JobFailed.of(job.id, error)
    return JobFailed(job.id, AntiphonError.type, "internal_error", "the worker failed unexpectedly")


def _reason(error: BaseException) -> str:
    """Return the reason in a dead letter: without the message, which may repeat user content. The log has it."""
    return f"{type(error).__name__}: {error.code if isinstance(error, AntiphonError) else 'internal_error'}"
