"""Access to the work that a job carries."""

from __future__ import annotations

from typing import TypeVar

from antiphon.errors import InvalidRequest
from antiphon.jobs.audio import JobAudio
from antiphon.ports.bus import Bus
from antiphon.wire.jobs import Job
from antiphon.workers.loop import Emit, Handler

T = TypeVar("T")


def work_of(job: Job, kind: type[T]) -> T:
    """Return the job's work. Raises `InvalidRequest` if it is in the wrong queue."""
    if not isinstance(job.work, kind):
        raise InvalidRequest(f"a {type(job.work).__name__} job is in queue '{job.queue}'", code="wrong_queue")
    return job.work


def with_audio(handler: Handler, audio: JobAudio) -> Handler:
    """Return ``handler`` wrapped for jobs whose audio is stored separately: it gets them complete."""

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        await handler(await audio.attach(job), emit, bus)

    return handle
