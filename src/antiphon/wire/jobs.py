"""What travels between a gateway and its workers: jobs, and the entries of their pipes.

A job has an input pipe (optional), an output pipe, a deadline and a cancel flag; nothing else. Entries are frozen,
so a pipe may hand over the object itself (one process) or its msgpack bytes (a stream between processes).
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Self

import msgspec
from typing_extensions import TypeVar

from antiphon.entities.blobs import BlobRef
from antiphon.entities.chat import ChatRequest
from antiphon.entities.dubbing import FragmentMetadata, ProcessingError, StageTimings, Status
from antiphon.entities.history import StoredItem
from antiphon.entities.priority import LIVE
from antiphon.entities.speech import Segment
from antiphon.errors import AntiphonError, RateLimited, Transient

ENTRY_BYTES = 128
"""Memory of an entry besides its text or audio."""

Queue = str
"""Name of a queue, as declared by a kind of work."""


class Work(msgspec.Struct, frozen=True):
    """The request of a job. Each kind is a tagged subclass, and registers itself."""

    kinds: ClassVar[list[type[Work]]] = []
    """All kinds that this process has imported."""
    queue: ClassVar[Queue]
    """Queue of this kind."""
    group: ClassVar[str]
    """Consumer group of its workers over Redis."""
    is_continued: ClassVar[bool] = False
    """True if a later attempt continues the entries of earlier ones; otherwise it starts over, and skips them."""
    carries_audio: ClassVar[bool] = False
    """True if ``audio`` may be stored elsewhere, in the parts that ``audio_refs`` lists in order."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Register this kind."""
        super().__init_subclass__(**options)
        Work.kinds.append(cls)

    def allowed_s(self, usual_s: float) -> float:
        """Return the timeout of this work, given the usual one of its kind."""
        return usual_s


def kind_of(queue: Queue) -> type[Work]:
    """Return the kind of work of ``queue``."""
    return next(kind for kind in Work.kinds if kind.queue == queue)


class Transcribe(Work, frozen=True, tag="transcribe"):
    """Transcribe ``audio``."""

    queue = "transcribe"
    group = "stt-workers"
    carries_audio = True
    audio: bytes
    """s16le, mono."""
    rate_hz: int
    language: str | None = None
    prompt: str = ""
    model: str = ""
    translate: bool = False
    word_timestamps: bool = False
    temperature: float = 0.0
    audio_refs: tuple[BlobRef, ...] = ()
    """Replaces audio above 64 KiB between processes; handlers never see it."""

    @property
    def duration_s(self) -> float:
        """Length of the audio in seconds."""
        return len(self.audio) / (2 * self.rate_hz)

    def allowed_s(self, usual_s: float) -> float:
        """Return ``usual_s`` plus the length of the audio."""
        return usual_s + int(self.duration_s)


class Respond(Work, frozen=True, tag="respond"):
    """Generate an answer. Text goes to the job's output and, by sentences, to ``speech_pipe`` if set."""

    queue = "respond"
    group = "llm-workers"
    is_continued = True
    request: ChatRequest
    speech_pipe: str = ""


class Speak(Work, frozen=True, tag="speak"):
    """Speak ``text`` or, if it is empty, the sentences of the job's input pipe."""

    queue = "speak"
    group = "tts-workers"
    text: str = ""
    voice: str = ""
    speed: float = 1.0
    language: str | None = None
    instructions: str = ""
    model: str = ""
    rate_hz: int = 24_000
    """Requested sample rate."""


class Translate(Work, frozen=True, tag="translate"):
    """Translate ``text``; ``source`` None detects the language."""

    queue = "translate"
    group = "translation-workers"
    text: str
    target: str
    source: str | None = None


class Score(Work, frozen=True, tag="score"):
    """Estimate the probability that the turn is over at the end of ``audio``."""

    queue = "score"
    group = "turn-workers"
    carries_audio = True
    audio: bytes
    rate_hz: int
    audio_refs: tuple[BlobRef, ...] = ()
    """Replaces audio above 64 KiB between processes; handlers never see it."""


class Persist(Work, frozen=True, tag="persist"):
    """Write rows of the history to the database. Writing a row again changes nothing."""

    queue = "persist"
    group = "persist-workers"
    items: tuple[StoredItem, ...] = ()


class Dub(Work, frozen=True, tag="dub", kw_only=True):
    """Dub ``audio`` into another language at the same length."""

    queue = "dub"
    group = "dub-workers"
    carries_audio = True
    stream_id: str
    fragment_id: str
    sequence_number: int
    audio: bytes
    """As sent by the client; a container overrides ``format``, ``rate_hz`` and ``channels``."""
    format: str
    rate_hz: int
    channels: int
    duration_ms: int
    until_s: float
    """Deadline of the fragment, wall clock. The job's own is a little later, to report the stage that timed out."""
    start_ms: int = 0
    """Start of the fragment in its stream."""
    source: str
    target: str
    prompt: str = ""
    """Prompt for speech recognition."""
    voice: str = ""
    voice_model: str = ""
    voice_profile: str = ""
    out_format: str
    out_rate_hz: int
    out_channels: int
    audio_refs: tuple[BlobRef, ...] = ()
    """Replaces audio above 64 KiB between processes; handlers never see it."""


Work_co = TypeVar("Work_co", bound=Work, default=Work, covariant=True)


class Job(msgspec.Struct, Generic[Work_co], frozen=True):
    """One job in a queue."""

    id: str
    queue: Queue
    work: Work_co
    output: str
    """Name of the pipe that takes the results."""
    input: str = ""
    """Name of the pipe that feeds the job, or empty."""
    tenant: str = "default"
    key_id: str = ""
    """Public name of the caller's key, for work with fair scheduling; else empty."""
    session_id: str = ""
    correlation_id: str = ""
    traceparent: str = ""
    """W3C trace context of the caller; empty if there is none."""
    deadline_s: float = 0.0
    """Deadline, wall clock; 0: none."""
    priority: int = LIVE
    """Higher goes first: `LIVE` is 0, less urgent work is negative."""
    retries: bool = True
    """False if a failure is final because the caller retries. Jobs of lost workers run again regardless."""
    attempt: int = 1


class PipeEntry(msgspec.Struct, frozen=True, tag_field="type"):
    """An entry of a pipe. Each kind is a tagged subclass, and registers itself."""

    kinds: ClassVar[list[type[PipeEntry]]] = []
    """All kinds that this process has imported."""
    is_last: ClassVar[bool] = False
    """True for the last entry of a job."""

    job_id: str

    def __init_subclass__(cls, **options: Any) -> None:
        """Register this kind."""
        super().__init_subclass__(**options)
        PipeEntry.kinds.append(cls)

    @property
    def payload_bytes(self) -> int:
        """Approximate memory of its text or audio, bytes."""
        return 0


class SegmentReady(PipeEntry, frozen=True, tag="segment"):
    """A segment of the transcript."""

    segment: Segment


class TranscriptReady(PipeEntry, frozen=True, tag="transcript"):
    """Transcription is done. Last entry of a transcribe job."""

    is_last = True
    text: str
    language: str
    duration_s: float
    segments: tuple[Segment, ...] = ()
    engine: str = ""
    """Name of the engine in the settings."""
    model: str = ""

    @property
    def payload_bytes(self) -> int:
        """Approximate memory, bytes."""
        return 2 * len(self.text) + ENTRY_BYTES * len(self.segments)


class TextReady(PipeEntry, frozen=True, tag="text"):
    """More text of an answer; empty while the model writes a call, as a sign of progress."""

    text: str

    @property
    def payload_bytes(self) -> int:
        """Approximate memory, bytes."""
        return len(self.text)


class CallReady(PipeEntry, frozen=True, tag="call"):
    """A complete function call, written at the end of the answer: a retry of an unfinished one may call differently."""

    index: int
    call_id: str
    name: str
    arguments: str

    @property
    def payload_bytes(self) -> int:
        """Approximate memory, bytes."""
        return len(self.arguments)


class AnswerDone(PipeEntry, frozen=True, tag="answer_done"):
    """The model has finished. Last entry of a respond job."""

    is_last = True
    finish_reason: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


class SentenceReady(PipeEntry, frozen=True, tag="sentence"):
    """A sentence to speak, in a speech pipe."""

    text: str

    @property
    def payload_bytes(self) -> int:
        """Approximate memory, bytes."""
        return len(self.text)


class SentencesDone(PipeEntry, frozen=True, tag="sentences_done"):
    """No more sentences. Last entry of a speech pipe."""


class AudioReady(PipeEntry, frozen=True, tag="audio"):
    """A piece of speech, s16le mono at the requested rate."""

    audio: bytes
    text: str = ""
    """The sentence that begins with this piece; empty on its later pieces."""

    @property
    def payload_bytes(self) -> int:
        """Approximate memory, bytes."""
        return len(self.audio)


class SentenceSpoken(PipeEntry, frozen=True, tag="sentence_spoken"):
    """The last sentence of the speech pipe was spoken to its end."""


class SpeechDone(PipeEntry, frozen=True, tag="speech_done"):
    """All was spoken. Last entry of a speak job."""

    is_last = True
    engine: str = ""
    """Name of the engine in the settings."""
    model: str = ""
    """Model of the engine."""
    instead_of: str = ""
    """The preferred engine that failed, if any."""


class TranslationReady(PipeEntry, frozen=True, tag="translation"):
    """The translated text. Last entry of a translate job."""

    is_last = True
    text: str
    engine: str = ""
    """Name of the engine in the settings."""
    model: str = ""
    """Model of the engine."""

    @property
    def payload_bytes(self) -> int:
        """Approximate memory, bytes."""
        return len(self.text)


class ScoreReady(PipeEntry, frozen=True, tag="score"):
    """The probability that the turn is over. Last entry of a score job."""

    is_last = True
    probability: float


class FragmentDubbed(PipeEntry, frozen=True, tag="dubbed", kw_only=True):
    """The result of a fragment, failed or not. Last entry of a dub job."""

    is_last = True
    status: Status
    audio: bytes = b""
    """In ``format``; empty if there is none."""
    format: str = ""
    rate_hz: int = 0
    channels: int = 0
    duration_ms: int = 0
    transcript: str | None = None
    translated_text: str | None = None
    timings: StageTimings = StageTimings()
    error: ProcessingError | None = None
    warnings: tuple[str, ...] = ()
    metadata: FragmentMetadata | None = None
    assets: tuple[dict[str, Any], ...] = ()
    """Inputs and outputs of the stages, without audio."""
    lineage: dict[str, str] = {}
    """Their ids, by kind."""


class JobFailed(PipeEntry, frozen=True, tag="failed"):
    """The job failed. Last entry of any failed job."""

    is_last = True
    error_type: str
    code: str | None
    message: str
    transient: bool = False
    retry_after_s: float | None = None
    """Wait that a rate-limited service asked for."""
    kind: str = ""
    """Name of the error's class: the waiting caller gets the same error."""
    param: str | None = None
    """The field that the error refers to."""

    @classmethod
    def of(cls, job_id: str, error: AntiphonError) -> Self:
        """Return the entry of a job that failed with ``error``."""
        return cls(
            job_id,
            error.type,
            error.code,
            error.message,
            transient=isinstance(error, Transient),
            retry_after_s=error.retry_after_s if isinstance(error, RateLimited) else None,
            kind=type(error).__name__,
            param=error.param,
        )
