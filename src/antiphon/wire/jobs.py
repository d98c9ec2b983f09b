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
"""What any entry weighs besides its text or audio."""

Queue = str
"""Name of a queue: the one that a kind of work says it lies in."""


class Work(msgspec.Struct, frozen=True):
    """What a job asks for. Each kind is a subclass with a tag; whoever adds one adds it to no list."""

    kinds: ClassVar[list[type[Work]]] = []
    """All kinds that this process has imported."""
    queue: ClassVar[Queue]
    """Where jobs of this kind wait."""
    group: ClassVar[str]
    """Consumer group of its workers over Redis."""
    is_continued: ClassVar[bool] = False
    """True where another attempt goes on behind what was written; others do all once more and write what is new."""
    carries_audio: ClassVar[bool] = False
    """True where ``audio`` may lie elsewhere, in parts that ``audio_refs`` name in their order."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Know this kind."""
        super().__init_subclass__(**options)
        Work.kinds.append(cls)

    def allowed_s(self, usual_s: float) -> float:
        """Return how long this may take where work of its kind usually has ``usual_s``."""
        return usual_s


def kind_of(queue: Queue) -> type[Work]:
    """Return the kind of work that lies in ``queue``."""
    return next(kind for kind in Work.kinds if kind.queue == queue)


class Transcribe(Work, frozen=True, tag="transcribe"):
    """Write down what is said in ``audio``."""

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
    """Between processes, in place of audio above 64 KiB; a worker's handler never sees it."""

    @property
    def duration_s(self) -> float:
        """Length of the audio in seconds."""
        return len(self.audio) / (2 * self.rate_hz)

    def allowed_s(self, usual_s: float) -> float:
        """Return ``usual_s``, and as long again as the audio lasts."""
        return usual_s + int(self.duration_s)


class Respond(Work, frozen=True, tag="respond"):
    """Answer a conversation. Text goes to the job's output and, by sentences, to ``speech_pipe`` where one is set."""

    queue = "respond"
    group = "llm-workers"
    is_continued = True
    request: ChatRequest
    speech_pipe: str = ""


class Speak(Work, frozen=True, tag="speak"):
    """Speak ``text``, or, where it is empty, the sentences that come through the job's input pipe."""

    queue = "speak"
    group = "tts-workers"
    text: str = ""
    voice: str = ""
    speed: float = 1.0
    language: str | None = None
    instructions: str = ""
    model: str = ""
    rate_hz: int = 24_000
    """Sample rate of the audio that is asked for."""


class Translate(Work, frozen=True, tag="translate"):
    """Translate ``text``; ``source`` None detects the language."""

    queue = "translate"
    group = "translation-workers"
    text: str
    target: str
    source: str | None = None


class Score(Work, frozen=True, tag="score"):
    """Say how likely the turn is over at the end of ``audio``."""

    queue = "score"
    group = "turn-workers"
    carries_audio = True
    audio: bytes
    rate_hz: int
    audio_refs: tuple[BlobRef, ...] = ()
    """Between processes, in place of audio above 64 KiB; a worker's handler never sees it."""


class Persist(Work, frozen=True, tag="persist"):
    """Write rows of the history to the database. A row that was written before changes nothing."""

    queue = "persist"
    group = "persist-workers"
    items: tuple[StoredItem, ...] = ()


class Dub(Work, frozen=True, tag="dub", kw_only=True):
    """Say what is said in ``audio`` in another language, in the same time."""

    queue = "dub"
    group = "dub-workers"
    carries_audio = True
    stream_id: str
    fragment_id: str
    sequence_number: int
    audio: bytes
    """As the client sent it; a container wins over ``format``, ``rate_hz`` and ``channels``."""
    format: str
    rate_hz: int
    channels: int
    duration_ms: int
    until_s: float
    """Wall clock at which the fragment's time is over. The job itself lasts a little longer, to say where it stood."""
    start_ms: int = 0
    """Where the fragment begins in its stream."""
    source: str
    target: str
    prompt: str = ""
    """What the recogniser is told to expect."""
    voice: str = ""
    voice_model: str = ""
    voice_profile: str = ""
    out_format: str
    out_rate_hz: int
    out_channels: int
    audio_refs: tuple[BlobRef, ...] = ()
    """Between processes, in place of audio above 64 KiB; a worker's handler never sees it."""


Work_co = TypeVar("Work_co", bound=Work, default=Work, covariant=True)


class Job(msgspec.Struct, Generic[Work_co], frozen=True):
    """One piece of work, as it lies in a queue."""

    id: str
    queue: Queue
    work: Work_co
    output: str
    """Name of the pipe that takes the results."""
    input: str = ""
    """Name of the pipe that feeds the job, or empty."""
    tenant: str = "default"
    key_id: str = ""
    """Public name of the key that asked, for work whose callers take turns; else empty."""
    session_id: str = ""
    correlation_id: str = ""
    traceparent: str = ""
    """W3C trace context of whoever asked; empty where there is none."""
    deadline_s: float = 0.0
    """Wall clock after which the result is worthless; 0 is never."""
    priority: int = LIVE
    """Higher goes first: `LIVE` is 0, what is less urgent is negative."""
    retries: bool = True
    """False where a failure is final: whoever asked tries again itself. A lost worker's job is done again anyway."""
    attempt: int = 1


class PipeEntry(msgspec.Struct, frozen=True, tag_field="type"):
    """What lies in a pipe. Each kind is a subclass with a tag; whoever adds one adds it to no list."""

    kinds: ClassVar[list[type[PipeEntry]]] = []
    """All kinds that this process has imported."""
    is_last: ClassVar[bool] = False
    """True for the last entry of a job."""

    job_id: str

    def __init_subclass__(cls, **options: Any) -> None:
        """Know this kind."""
        super().__init_subclass__(**options)
        PipeEntry.kinds.append(cls)

    @property
    def payload_bytes(self) -> int:
        """About how many bytes its text or audio holds in memory."""
        return 0


class SegmentReady(PipeEntry, frozen=True, tag="segment"):
    """A part of the transcript is known."""

    segment: Segment


class TranscriptReady(PipeEntry, frozen=True, tag="transcript"):
    """Transcription is done. Last entry of a transcribe job."""

    is_last = True
    text: str
    language: str
    duration_s: float
    segments: tuple[Segment, ...] = ()
    engine: str = ""
    """Who did it, as the settings call it."""
    model: str = ""

    @property
    def payload_bytes(self) -> int:
        """About how many bytes it holds."""
        return 2 * len(self.text) + ENTRY_BYTES * len(self.segments)


class TextReady(PipeEntry, frozen=True, tag="text"):
    """More of an answer's text; none while the model writes a call, to say that it is at work."""

    text: str

    @property
    def payload_bytes(self) -> int:
        """About how many bytes it holds."""
        return len(self.text)


class CallReady(PipeEntry, frozen=True, tag="call"):
    """A whole function call, told when the answer is over: whoever goes on with a broken one may call otherwise."""

    index: int
    call_id: str
    name: str
    arguments: str

    @property
    def payload_bytes(self) -> int:
        """About how many bytes it holds."""
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
        """About how many bytes it holds."""
        return len(self.text)


class SentencesDone(PipeEntry, frozen=True, tag="sentences_done"):
    """No further sentence comes. Last entry of a speech pipe."""


class AudioReady(PipeEntry, frozen=True, tag="audio"):
    """A piece of speech, s16le mono at the rate that the job asked for."""

    audio: bytes
    text: str = ""
    """The sentence that begins with this piece; empty where one goes on."""

    @property
    def payload_bytes(self) -> int:
        """About how many bytes it holds."""
        return len(self.audio)


class SentenceSpoken(PipeEntry, frozen=True, tag="sentence_spoken"):
    """The sentence that came last through the speaker's pipe was spoken to its end."""


class SpeechDone(PipeEntry, frozen=True, tag="speech_done"):
    """All was spoken. Last entry of a speak job."""

    is_last = True
    engine: str = ""
    """Who did it, as the settings call it."""
    model: str = ""
    """What it did it with."""
    instead_of: str = ""
    """Who should have, and could not."""


class TranslationReady(PipeEntry, frozen=True, tag="translation"):
    """The translated text. Last entry of a translate job."""

    is_last = True
    text: str
    engine: str = ""
    """Who did it, as the settings call it."""
    model: str = ""
    """What it did it with."""

    @property
    def payload_bytes(self) -> int:
        """About how many bytes it holds."""
        return len(self.text)


class ScoreReady(PipeEntry, frozen=True, tag="score"):
    """The probability that the turn is over. Last entry of a score job."""

    is_last = True
    probability: float


class FragmentDubbed(PipeEntry, frozen=True, tag="dubbed", kw_only=True):
    """What became of a fragment, good or bad. Last entry of a dub job."""

    is_last = True
    status: Status
    audio: bytes = b""
    """In ``format``; empty where there is none."""
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
    """What each stage made, and from what, without the audio."""
    lineage: dict[str, str] = {}
    """Their ids, by kind."""


class JobFailed(PipeEntry, frozen=True, tag="failed"):
    """The job is given up. Last entry of any job that fails."""

    is_last = True
    error_type: str
    code: str | None
    message: str
    transient: bool = False
    retry_after_s: float | None = None
    """What a service asked for that was called too often."""
    kind: str = ""
    """The name of the error's class: who waits for the job meets the same error."""
    param: str | None = None
    """The field that the error means."""

    @classmethod
    def of(cls, job_id: str, error: AntiphonError) -> Self:
        """Return the entry of a job that ``error`` has ended."""
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
