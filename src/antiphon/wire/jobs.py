"""What a gateway asks of its workers: jobs.

A job has an input pipe (optional), an output pipe, a deadline and a cancel flag; nothing else. The entries of pipes
are in `antiphon.wire.entries`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic

import msgspec
from typing_extensions import TypeVar

from antiphon.entities.blobs import BlobRef
from antiphon.entities.chat import ChatRequest
from antiphon.entities.history import StoredItem, Unit
from antiphon.entities.memories import Category
from antiphon.entities.priority import LIVE

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
    has_last_attempt: ClassVar[bool] = True
    """False if its jobs have any number of attempts: what they carry is nowhere else."""
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


class MemoryScope(msgspec.Struct, frozen=True):
    """Which memories of a user to recall."""

    user_id: str
    limit: int = 5
    threshold: float = 0.7
    """Least similarity to the query, 0 to 1."""
    category: Category | None = None


class Recall(Work, frozen=True, tag="recall"):
    """Find memories that are similar to ``query``."""

    queue = "recall"
    group = "recall-workers"
    scope: MemoryScope
    query: str


class Memorize(Work, frozen=True, tag="memorize"):
    """Store a memory; ``category`` None is found by its words."""

    queue = "memorize"
    group = "memorize-workers"
    user_id: str
    content: str
    category: Category | None = None
    confidence: float = 0.8
    source: str = ""
    tags: tuple[str, ...] = ()
    session_id: str = ""


class Respond(Work, frozen=True, tag="respond"):
    """Generate an answer. Text goes to the job's output and, by sentences, to ``speech_pipe`` if set."""

    queue = "respond"
    group = "llm-workers"
    is_continued = True
    request: ChatRequest
    speech_pipe: str = ""
    memory: MemoryScope | None = None
    """Whose memories to recall for the answer; None for none."""


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


class Record(Work, frozen=True, tag="record"):
    """Write units of rows to the database. Writing them again changes nothing."""

    queue = "record"
    group = "record-workers"
    has_last_attempt = False
    units: tuple[Unit, ...] = ()


class Persist(Work, frozen=True, tag="persist"):
    """Write items to the database, as gateways of earlier releases ask.

    New kinds of rows need a queue that those releases do not read: their workers drop fields that they do not know.
    """

    queue = "persist"
    group = "persist-workers"
    has_last_attempt = False
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
