"""What kind of work a job carries, checked once."""

from __future__ import annotations

from typing import TypeVar

from antiphon.errors import InvalidRequest
from antiphon.wire.jobs import Job

T = TypeVar("T")


def work_of(job: Job, kind: type[T]) -> T:
    """Return the job's work. Raises `InvalidRequest` when it lies in the wrong queue."""
    if not isinstance(job.work, kind):
        raise InvalidRequest(f"a {type(job.work).__name__} job lies in queue '{job.queue}'", code="wrong_queue")
    return job.work
