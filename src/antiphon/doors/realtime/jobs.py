"""The jobs of a conversation: made from the machine's effects; their results become its inputs."""

from __future__ import annotations

from antiphon.audio.pcm import Pcm
from antiphon.conversation import inputs
from antiphon.conversation.effects import StartAnswer, StartScore, StartSpeech, StartTranscription
from antiphon.doors.websocket.audio import PCM_HZ
from antiphon.doors.websocket.jobs import SessionJobs
from antiphon.wire.entries import (
    AnswerDone,
    CallReady,
    JobFailed,
    PipeEntry,
    ScoreReady,
    SegmentReady,
    SentenceReady,
    SentenceSpoken,
    SpeechDone,
    TextReady,
    TranscriptReady,
)
from antiphon.wire.jobs import (
    Job,
    MemoryScope,
    Respond,
    Score,
    Speak,
    Transcribe,
)


class RealtimeJobs(SessionJobs):
    """Makes the jobs that a conversation asks for."""

    def listening(self, effect: StartTranscription | StartScore, clip: Pcm) -> tuple[Job, ...]:
        """Make the job that listens to ``clip``."""
        if isinstance(effect, StartScore):
            return (self.make(effect.job_id, Score(clip.data, clip.rate_hz)),)
        work = Transcribe(clip.data, clip.rate_hz, language=effect.language, prompt=effect.prompt, model=effect.model)
        return (self.make(effect.job_id, work),)

    def answering(self, effect: StartAnswer) -> tuple[Job, ...]:
        """Make the jobs of an answer, the speaker first: sentences go from the LLM to it in a pipe of their own."""
        memory = effect.memory
        scope = MemoryScope(memory.user_id, memory.limit, memory.threshold) if memory else None
        if not effect.speak_job_id:
            return (self.make(effect.job_id, Respond(effect.request, memory=scope)),)
        self.adopt((effect.speak_job_id,))
        speech_pipe = self.speech_pipes[effect.speak_job_id]
        speak = Speak(voice=effect.voice, speed=effect.speed, rate_hz=PCM_HZ)
        return (
            self.make(effect.speak_job_id, speak, source=speech_pipe),
            self.make(effect.job_id, Respond(effect.request, speech_pipe, scope)),
        )

    def speaking(self, effect: StartSpeech) -> tuple[Job, ...]:
        """Make the job that speaks a text."""
        speak = Speak(effect.text, voice=effect.voice, speed=effect.speed, rate_hz=PCM_HZ)
        return (self.make(effect.job_id, speak),)

    def as_input(self, entry: PipeEntry) -> inputs.AnyInput | None:
        """Return a result as the machine's input; None for audio, which takes another path."""
        job_id = self.name(entry.job_id)
        match entry:
            case SegmentReady():
                return inputs.Transcribing(job_id, entry.segment)
            case TranscriptReady():
                return inputs.Transcribed(job_id, entry.text, entry.duration_s, entry.engine)
            case TextReady():
                return inputs.TextMade(job_id, entry.text)
            case SentenceReady(text=""):
                return inputs.TextMade(job_id, "")
            case CallReady():
                return inputs.CallMade(job_id, entry.index, entry.call_id, entry.name, entry.arguments)
            case AnswerDone():
                return inputs.AnswerMade(
                    job_id, entry.finish_reason, entry.input_tokens, entry.output_tokens, entry.cached_tokens
                )
            case SentenceSpoken():
                return inputs.SentenceMade(job_id)
            case SpeechDone():
                return inputs.SpeechMade(job_id, by_another=bool(entry.instead_of), engine=entry.engine)
            case ScoreReady():
                return inputs.TurnScored(job_id, entry.probability)
            case JobFailed():
                return inputs.Failed(job_id, entry.error_type, entry.code, entry.message, entry.transient)
            case _:
                return None
