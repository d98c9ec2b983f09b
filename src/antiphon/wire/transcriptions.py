"""Speech to text over REST: the form, the JSON answers, and the events of the SSE form."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from antiphon.wire.usage import DurationUsage

MAX_FILE_BYTES = 25 * 2**20
"""Largest upload."""

TextFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
TranscriptionFormat = TextFormat | Literal["diarized_json"]
ShortText = Annotated[str, msgspec.Meta(max_length=256)]
PromptText = Annotated[str, msgspec.Meta(max_length=16_384)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=1)]


class TranscriptionOptions(msgspec.Struct, frozen=True):
    """The form fields besides ``file``. Lists may be named ``name[]``."""

    model: ShortText = ""
    language: ShortText | None = None
    """ISO 639-1; absent detects it."""
    languages: Annotated[list[ShortText], msgspec.Meta(max_length=100)] = []
    """Possible languages; one alone is taken as the language."""
    keywords: Annotated[list[ShortText], msgspec.Meta(max_length=500)] = []
    """Expected words, placed before the prompt."""
    prompt: PromptText | None = None
    response_format: TranscriptionFormat | None = "json"
    temperature: Temperature | None = 0.0
    timestamp_granularities: list[Literal["word", "segment"]] = []
    """For ``verbose_json``."""
    include: list[Literal["logprobs"]] = []
    """Accepted; the packaged engines give no log probabilities of tokens."""
    chunking_strategy: Any = None
    """Accepted; long audio is always split at silences."""
    known_speaker_names: Annotated[list[ShortText], msgspec.Meta(max_length=16)] = []
    known_speaker_references: Annotated[list[str], msgspec.Meta(max_length=16)] = []
    stream: bool | None = False


class TranslationOptions(msgspec.Struct, frozen=True):
    """The form fields besides ``file``; the result is English."""

    model: ShortText = ""
    prompt: PromptText | None = None
    response_format: TextFormat | None = "json"
    temperature: Temperature | None = 0.0


class LanguageCode(msgspec.Struct, frozen=True):
    """A detected language."""

    code: str
    """ISO 639-1."""


class TranscriptionJson(msgspec.Struct, frozen=True):
    """Response in ``json``."""

    text: str
    usage: DurationUsage
    languages: list[LanguageCode]


class TranscribedWord(msgspec.Struct, frozen=True):
    """One word; seconds from the start."""

    word: str
    start: float
    end: float


class TranscribedSegment(msgspec.Struct, frozen=True, omit_defaults=True):
    """One stretch of speech; seconds from the start.

    ``recognized`` is sent where it is false: somebody speaks there, the words are not known, and ``text`` is empty.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    recognized: bool = True


class TranscriptionVerbose(msgspec.Struct, frozen=True, omit_defaults=True):
    """Response in ``verbose_json``."""

    task: Literal["transcribe", "translate"]
    language: str
    duration: float
    text: str
    usage: DurationUsage
    segments: list[TranscribedSegment] | None = None
    words: list[TranscribedWord] | None = None


class TranscriptTextDelta(msgspec.Struct, frozen=True, tag_field="type", tag="transcript.text.delta"):
    """More of the text; the pieces join to the whole."""

    delta: str


class TranscriptTextDone(msgspec.Struct, frozen=True, tag_field="type", tag="transcript.text.done"):
    """The whole text."""

    text: str
    languages: list[LanguageCode]
