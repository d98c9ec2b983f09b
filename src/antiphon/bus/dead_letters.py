"""The record of a failed job."""

from __future__ import annotations

from typing import Self

import msgspec

from antiphon.wire.jobs import Job, Queue


class DeadLetter(msgspec.Struct, frozen=True):
    """Identity of a failed job and the reason. The work itself is not kept: it is personal data."""

    job_id: str
    queue: Queue
    attempt: int
    """Number of the last attempt, from 1."""
    reason: str
    tenant: str
    session_id: str
    correlation_id: str
    traceparent: str
    at: float
    """Wall clock, seconds since the epoch, UTC."""

    @classmethod
    def of(cls, job: Job, reason: str, at: float) -> Self:
        """Return the dead letter of ``job``."""
        return cls(
            job.id,
            job.queue,
            job.attempt,
            reason,
            job.tenant,
            job.session_id,
            job.correlation_id,
            job.traceparent,
            at,
        )
