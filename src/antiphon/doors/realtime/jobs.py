"""The jobs of one session: made from the machine's effects, and their results as the machine's inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from antiphon.clock import Clock
from antiphon.conversation import inputs
from antiphon.conversation.effects import StartAnswer, StartScore, StartSpeech, StartTranscription
from antiphon.doors.websocket.audio import PCM_HZ, Clip
from antiphon.errors import Overloaded, ProviderUnavailable
from antiphon.observe import trace
from antiphon.ports.bus import Bus, Keep, Reader
from antiphon.wire.jobs import (
    AnswerDone,
    CallReady,
    Job,
    JobFailed,
    PipeEntry,
    Queue,
    Respond,
    Score,
    ScoreReady,
    SegmentReady,
    SentenceSpoken,
    Speak,
    SpeechDone,
    TextReady,
    Transcribe,
    TranscriptReady,
    Work,
    allowed_s,
)

_log = structlog.get_logger("antiphon.gateway")

ANSWER_S = 600.0
"""Longest an answer may take to be written and spoken; its engines bound each step of it themselves."""


class JobDesk:
    """Submits a session's jobs; all results come through the session's one pipe."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        tenant: str,
        session_id: str,
        epoch: int,
        *,
        timeout_s: float,
        on_refused: Callable[[JobFailed], None] | None = None,
    ) -> None:
        """``on_refused`` is told of jobs that no queue took."""
        self._bus = bus
        self._clock = clock
        self._tenant = tenant
        self._session_id = session_id
        self._epoch = epoch
        self._timeout_s = timeout_s
        self._on_refused = on_refused
        self._trace = trace.present()
        self._pipe = f"t:{tenant}:session:{{{session_id}}}"
        self.pending: dict[str, Job] = {}
        """Jobs that were made and are perhaps not submitted yet."""
        self._speech_pipes: dict[str, str] = {}

    def results(self, *, after: int = 0, keep: Keep | None = None) -> Reader:
        """Yield the results of all jobs, in order, from behind position ``after``."""
        return self._bus.read(self._pipe, after=after, keep=keep)

    async def tail(self) -> int:
        """Return the position of the newest result."""
        return await self._bus.tail(self._pipe)

    # -- making ------------------------------------------------------------------------------------------------------
    def listening(self, effect: StartTranscription | StartScore, clip: Clip) -> tuple[Job, ...]:
        """Make the job that listens to ``clip``."""
        if isinstance(effect, StartScore):
            return (self._make(effect.job_id, "score", Score(clip.data, clip.rate_hz)),)
        work = Transcribe(clip.data, clip.rate_hz, language=effect.language, prompt=effect.prompt, model=effect.model)
        return (self._make(effect.job_id, "transcribe", work),)

    def answering(self, effect: StartAnswer) -> tuple[Job, ...]:
        """Make the jobs of an answer, its speaker first: the sentences flow from one to the other without us."""
        if not effect.speak_job_id:
            return (self._make(effect.job_id, "respond", Respond(effect.request)),)
        self.adopt((effect.speak_job_id,))
        speech_pipe = self._speech_pipes[effect.speak_job_id]
        speak = Speak(voice=effect.voice, speed=effect.speed, rate_hz=PCM_HZ)
        return (
            self._make(effect.speak_job_id, "speak", speak, source=speech_pipe),
            self._make(effect.job_id, "respond", Respond(effect.request, speech_pipe)),
        )

    def speaking(self, effect: StartSpeech) -> tuple[Job, ...]:
        """Make the job that speaks a text."""
        speak = Speak(effect.text, voice=effect.voice, speed=effect.speed, rate_hz=PCM_HZ)
        return (self._make(effect.job_id, "speak", speak),)

    def adopt(self, speak_job_ids: Iterable[str]) -> None:
        """Speakers are ours, and so are the pipes that feed them."""
        stem = f"t:{self._tenant}:speech:{{{self._session_id}}}"
        self._speech_pipes.update((job_id, f"{stem}:{job_id}") for job_id in speak_job_ids)

    def take_over(self, jobs: Iterable[Job]) -> None:
        """Jobs of the door before us are ours."""
        self.pending.update((job.id, job) for job in jobs)

    def _make(self, job_id: str, queue: Queue, work: Work, source: str = "") -> Job:
        usual_s = ANSWER_S if queue in ("respond", "speak") else self._timeout_s
        job = Job(
            id=f"{self._session_id}.{job_id}",
            queue=queue,
            work=work,
            output=self._pipe,
            input=source,
            tenant=self._tenant,
            session_id=self._session_id,
            epoch=self._epoch,
            correlation_id=self._session_id,
            traceparent="" if self._trace is None else self._trace.header(),
            deadline_s=self._clock.wall() + allowed_s(work, usual_s),
        )
        self.pending[job.id] = job
        return job

    # -- submitting --------------------------------------------------------------------------------------------------
    async def do(self, job_id: str, queue: Queue, work: Work) -> None:
        """Make and submit any work under the machine's own id."""
        await self.submit(self._make(job_id, queue, work))

    async def submit(self, job: Job) -> None:
        """Submit a job, again if need be; where there is no room for it, that is its result."""
        try:
            await self._bus.submit(job)
        except (Overloaded, ProviderUnavailable) as error:
            await self._drop_speech(self.name(job.id))
            if self._on_refused is not None:
                self._on_refused(JobFailed.of(job.id, error))
        finally:
            self.pending.pop(job.id, None)

    async def cancel(self, job_id: str) -> None:
        """Stop a job."""
        await self._call_off(job_id)
        await self._drop_speech(job_id)

    async def _call_off(self, job_id: str) -> None:
        try:
            await self._bus.cancel(f"{self._session_id}.{job_id}")
        except ProviderUnavailable as error:  # what it still says is for a response that is over
            _log.warning("a job could not be cancelled", session_id=self._session_id, error=str(error))

    async def settled(self, entry: PipeEntry) -> None:
        """Let go of what the job needed, if this was its last result."""
        if isinstance(entry, SpeechDone | JobFailed):
            await self._drop_speech(self.name(entry.job_id))

    async def _drop_speech(self, job_id: str) -> None:
        pipe = self._speech_pipes.pop(job_id, None)
        if pipe is not None:
            await self._drop(pipe)

    async def _drop(self, pipe: str) -> None:
        try:
            await self._bus.drop(pipe)
        except ProviderUnavailable as error:  # nobody touches it any more, and so it runs out
            _log.warning("a pipe could not be dropped", pipe=pipe, error=str(error))

    @staticmethod
    def name(job_id: str) -> str:
        """Return the machine's own id of a job."""
        return job_id.rpartition(".")[2]

    def as_input(self, entry: PipeEntry) -> inputs.AnyInput | None:
        """Return a result as the machine is told it; audio goes another way."""
        job_id = self.name(entry.job_id)
        match entry:
            case SegmentReady():
                return inputs.Transcribing(job_id, entry.segment)
            case TranscriptReady():
                return inputs.Transcribed(job_id, entry.text, entry.duration_s)
            case TextReady():
                return inputs.TextMade(job_id, entry.text)
            case CallReady():
                return inputs.CallMade(job_id, entry.index, entry.call_id, entry.name, entry.arguments)
            case AnswerDone():
                return inputs.AnswerMade(
                    job_id, entry.finish_reason, entry.input_tokens, entry.output_tokens, entry.cached_tokens
                )
            case SentenceSpoken():
                return inputs.SentenceMade(job_id)
            case SpeechDone():
                return inputs.SpeechMade(job_id, by_another=bool(entry.instead_of))
            case ScoreReady():
                return inputs.TurnScored(job_id, entry.probability)
            case JobFailed():
                return inputs.Failed(job_id, entry.error_type, entry.code, entry.message, entry.transient)
            case _:
                return None

    async def close(self, running: Iterable[str]) -> None:
        """Cancel what still runs and drop the pipes."""
        for job_id in list(running):
            await self._call_off(job_id)
        for pipe in self._speech_pipes.values():
            await self._drop(pipe)
        await self._drop(self._pipe)
