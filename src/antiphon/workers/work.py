"""The work that a job carries, as its handler needs it."""

from __future__ import annotations

from typing import TypeVar

from antiphon.errors import InvalidRequest
from antiphon.jobs.audio import JobAudio
from antiphon.ports.bus import Bus
from antiphon.wire.jobs import Job
from antiphon.workers.loop import Emit, Handler

T = TypeVar("T")


def work_of(job: Job, kind: type[T]) -> T:
    """Return the job's work. Raises `InvalidRequest` when it lies in the wrong queue."""
    if not isinstance(job.work, kind):
        raise InvalidRequest(f"a {type(job.work).__name__} job lies in queue '{job.queue}'", code="wrong_queue")
    return job.work


def with_audio(handler: Handler, audio: JobAudio) -> Handler:
    """Return ``handler`` for jobs whose audio may lie apart: it gets them whole."""

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        await handler(await audio.attach(job), emit, bus)

    return handle
