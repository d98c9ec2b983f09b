"""The jobs of one session: made and submitted under its id, with all results in one pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from antiphon.clock import Clock
from antiphon.errors import InvalidRequest, Overloaded, ProviderUnavailable
from antiphon.jobs.client import JobClient
from antiphon.observe import trace
from antiphon.ports.bus import Bus, Keep, Reader
from antiphon.wire.entries import JobFailed, PipeEntry, SpeechDone
from antiphon.wire.jobs import (
    Job,
    Queue,
    Respond,
    Speak,
    Work,
)

ANSWER_S = 600.0
"""Timeout of a whole answer, written and spoken; its engines bound each step."""


class SessionJobs:
    """Submits a session's jobs and reads their results from the session's pipe."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        tenant: str,
        session_id: str,
        *,
        timeout_s: float,
        on_refused: Callable[[JobFailed], None] | None = None,
    ) -> None:
        """``on_refused`` is called for jobs that no queue accepted."""
        self._bus = bus
        self._client = JobClient(bus, clock)
        self._clock = clock
        self._tenant = tenant
        self._session_id = session_id
        self._timeout_s = timeout_s
        self._on_refused = on_refused
        self._trace = trace.present()
        self._pipe = f"t:{tenant}:session:{{{session_id}}}"
        self.pending: dict[str, Job] = {}
        """Jobs that were made and may not be submitted yet."""
        self._queues: dict[str, Queue] = {}
        """Queues of the jobs that were made here, until the jobs end."""
        self.speech_pipes: dict[str, str] = {}
        """Pipes with the sentences of an answer, by the job that speaks them."""

    def results(self, *, after: int = 0, keep: Keep | None = None) -> Reader:
        """Yield the results of all jobs after position ``after``, in order."""
        return self._bus.read(self._pipe, after=after, keep=keep)

    async def tail(self) -> int:
        """Return the position of the newest result."""
        return await self._bus.tail(self._pipe)

    def adopt(self, speak_job_ids: Iterable[str]) -> None:
        """Note the jobs that speak, and the pipes that feed them."""
        stem = f"t:{self._tenant}:speech:{{{self._session_id}}}"
        self.speech_pipes.update((job_id, f"{stem}:{job_id}") for job_id in speak_job_ids)

    def take_over(self, jobs: Iterable[Job]) -> None:
        """Add jobs of the previous gateway to `pending`."""
        self.pending.update((job.id, job) for job in jobs)

    def make(self, job_id: str, work: Work, source: str = "") -> Job:
        """Make a job, which `pending` holds until it is submitted; ``source`` is the pipe that feeds it."""
        usual_s = ANSWER_S if isinstance(work, Respond | Speak) else self._timeout_s
        job = Job(
            id=f"{self._session_id}.{job_id}",
            queue=work.queue,
            work=work,
            output=self._pipe,
            input=source,
            tenant=self._tenant,
            session_id=self._session_id,
            correlation_id=self._session_id,
            traceparent="" if self._trace is None else self._trace.header(),
            deadline_s=self._clock.wall() + work.allowed_s(usual_s),
        )
        self.pending[job.id] = job
        self._queues[job_id] = job.queue
        return job

    # -- submitting --------------------------------------------------------------------------------------------------
    async def do(self, job_id: str, work: Work) -> None:
        """Make and submit any work under the machine's own id."""
        await self.submit(self.make(job_id, work))

    async def submit(self, job: Job) -> None:
        """Submit a job; one that no queue accepts goes to ``on_refused``. A second submission has no effect."""
        try:
            await self._client.submit(job)
        except (Overloaded, InvalidRequest, ProviderUnavailable) as error:
            await self._drop_speech(self.name(job.id))
            if self._on_refused is not None:
                self._on_refused(JobFailed.of(job.id, error))
        finally:
            self.pending.pop(job.id, None)

    async def cancel(self, job_id: str) -> None:
        """Stop a job."""
        await self._cancel(job_id)
        await self._drop_speech(job_id)

    async def _cancel(self, job_id: str) -> None:
        await self._client.cancel(f"{self._session_id}.{job_id}", self._queues.pop(job_id, None))

    async def finished(self, entry: PipeEntry) -> None:
        """Release the resources of a job if this was its last result."""
        if entry.is_last:
            self._queues.pop(self.name(entry.job_id), None)
        if isinstance(entry, SpeechDone | JobFailed):
            await self._drop_speech(self.name(entry.job_id))

    async def _drop_speech(self, job_id: str) -> None:
        pipe = self.speech_pipes.pop(job_id, None)
        if pipe is not None:
            await self._client.drop(pipe)

    @staticmethod
    def name(job_id: str) -> str:
        """Return the machine's own id of a job."""
        return job_id.rpartition(".")[2]

    async def close(self, running: Iterable[str]) -> None:
        """Cancel running jobs and drop the pipes."""
        for job_id in list(running):
            await self._cancel(job_id)
        for pipe in self.speech_pipes.values():
            await self._client.drop(pipe)
        await self._client.drop(self._pipe)
