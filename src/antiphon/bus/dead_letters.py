"""What is kept of a job that was given up."""

from __future__ import annotations

from typing import Self

import msgspec

from antiphon.wire.jobs import Job, Queue


class DeadLetter(msgspec.Struct, frozen=True):
    """Whose job it was and why it was given up; not the work itself, which holds what people said."""

    job_id: str
    queue: Queue
    attempt: int
    """The last one, from 1."""
    reason: str
    tenant: str
    session_id: str
    correlation_id: str
    traceparent: str
    at: float
    """Wall clock, seconds since the epoch, UTC."""

    @classmethod
    def of(cls, job: Job, reason: str, at: float) -> Self:
        """Return what is kept of ``job``."""
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
