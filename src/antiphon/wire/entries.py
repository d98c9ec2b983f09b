"""The entries of pipes: results of jobs, and the text that feeds them.

Entries are frozen, so a pipe may hand over the object itself (one process) or its msgpack bytes (a stream between
processes).
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import msgspec

from antiphon.entities.dubbing import FragmentMetadata, ProcessingError, StageTimings, Status
from antiphon.entities.memories import Found
from antiphon.entities.speech import Segment
from antiphon.errors import AntiphonError, RateLimited, Transient

ENTRY_BYTES = 128
"""Memory of an entry besides its text or audio."""


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
    """More text of an answer."""

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
    """A sentence to speak; an empty one in an answer is a sign of progress, which the former release ignores."""

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


class MemoriesRecalled(PipeEntry, frozen=True, tag="memories"):
    """The memories that were found, the most similar first. Last entry of a recall job."""

    is_last = True
    found: tuple[Found, ...]


class MemoryStored(PipeEntry, frozen=True, tag="memory_stored"):
    """The memory is stored. Last entry of a memorize job."""

    is_last = True
    memory_id: str


class FragmentDubbed(PipeEntry, frozen=True, tag="dubbed", kw_only=True, omit_defaults=True):
    """The result of a fragment, failed or not. Last entry of a dub job. The former release reads no null metadata."""

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
