"""The jobs of one session: made from the machine's effects, and their results as the machine's inputs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

import structlog

from antiphon.clock import Clock
from antiphon.conversation import inputs
from antiphon.conversation.effects import StartAnswer, StartScore, StartTranscription
from antiphon.doors.realtime_audio import PCM_HZ, Clip
from antiphon.errors import Overloaded, ProviderUnavailable
from antiphon.ports.bus import Bus
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
        on_refused: Callable[[JobFailed], None],
    ) -> None:
        """``on_refused`` is told of jobs that no queue took."""
        self._bus = bus
        self._clock = clock
        self._tenant = tenant
        self._session_id = session_id
        self._epoch = epoch
        self._timeout_s = timeout_s
        self._on_refused = on_refused
        self._pipe = f"t:{tenant}:session:{{{session_id}}}"
        self._clips: dict[str, Clip] = {}
        self._speech_pipes: dict[str, str] = {}

    def results(self) -> AsyncIterator[tuple[int, PipeEntry]]:
        """Yield the results of all jobs, in order."""
        return self._bus.read(self._pipe)

    def attach(self, job_id: str, clip: Clip) -> None:
        """Note the audio of a job that is about to be submitted."""
        self._clips[job_id] = clip

    async def transcribe(self, effect: StartTranscription) -> None:
        """Submit a transcription."""
        clip = self._clips.pop(effect.job_id)
        work = Transcribe(clip.data, clip.rate_hz, language=effect.language, prompt=effect.prompt, model=effect.model)
        await self.submit(effect.job_id, "transcribe", work)

    async def score(self, effect: StartScore) -> None:
        """Submit an end-of-turn question."""
        clip = self._clips.pop(effect.job_id)
        await self.submit(effect.job_id, "score", Score(clip.data, clip.rate_hz))

    async def answer(self, effect: StartAnswer) -> None:
        """Submit an answer, and its speaker first: the sentences flow from one to the other without us."""
        speech_pipe = ""
        if effect.speak_job_id:
            speech_pipe = f"t:{self._tenant}:speech:{{{self._session_id}}}:{effect.speak_job_id}"
            self._speech_pipes[effect.speak_job_id] = speech_pipe
            work = Speak(voice=effect.voice, speed=effect.speed, rate_hz=PCM_HZ)
            await self.submit(effect.speak_job_id, "speak", work, source=speech_pipe)
        await self.submit(effect.job_id, "respond", Respond(effect.request, speech_pipe))

    async def submit(self, job_id: str, queue: Queue, work: Work, source: str = "") -> None:
        """Submit any work under the machine's own id; where there is no room for it, that is its result."""
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
            deadline_s=self._clock.wall() + (ANSWER_S if queue in ("respond", "speak") else self._timeout_s),
        )
        try:
            await self._bus.submit(job)
        except (Overloaded, ProviderUnavailable) as error:
            await self._drop_speech(job_id)
            self._on_refused(JobFailed(job.id, error.type, error.code, error.message, transient=True))

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
            await self._drop_speech(self.name(entry))

    async def _drop_speech(self, job_id: str) -> None:
        pipe = self._speech_pipes.pop(job_id, None)
        if pipe is not None:
            await self._drop(pipe)

    async def _drop(self, pipe: str) -> None:
        try:
            await self._bus.drop(pipe)
        except ProviderUnavailable as error:  # nobody touches it any more, and so it runs out
            _log.warning("a pipe could not be dropped", pipe=pipe, error=str(error))

    def name(self, entry: PipeEntry) -> str:
        """Return the machine's own id of the job that an entry comes from."""
        return entry.job_id.rpartition(".")[2]

    def as_input(self, entry: PipeEntry) -> inputs.AnyInput | None:
        """Return a result as the machine is told it; audio goes another way."""
        job_id = self.name(entry)
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
                return inputs.SpeechMade(job_id)
            case ScoreReady():
                return inputs.TurnScored(job_id, entry.probability)
            case JobFailed():
                return inputs.Failed(job_id, entry.error_type, entry.code, entry.message)
            case _:
                return None

    async def close(self, running: Iterable[str]) -> None:
        """Cancel what still runs and drop the pipes."""
        for job_id in list(running):
            await self._call_off(job_id)
        for pipe in self._speech_pipes.values():
            await self._drop(pipe)
        await self._drop(self._pipe)
