"""What a translation session is told: by its client, by its workers. Events, never samples."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.wire.translation import TranslationSessionUpdate


@dataclass(frozen=True, slots=True)
class Opened:
    """The client is connected."""


@dataclass(frozen=True, slots=True)
class Updated:
    """The client changes the session."""

    session: TranslationSessionUpdate


@dataclass(frozen=True, slots=True)
class Appended:
    """So much audio came."""

    ticks: int


@dataclass(frozen=True, slots=True)
class VoiceScored:
    """Speech probabilities of the next 32 ms windows."""

    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CloseAsked:
    """The client has said all; also when the longest session is over. At least `CLOSE_TICKS` follow."""


@dataclass(frozen=True, slots=True)
class Transcribed:
    """An utterance is understood."""

    job_id: str
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Translated:
    """An utterance is translated."""

    job_id: str
    text: str


@dataclass(frozen=True, slots=True)
class AudioMade:
    """More of an utterance is spoken; the samples lie at the door under ``ref``."""

    job_id: str
    ref: int


@dataclass(frozen=True, slots=True)
class SpeechMade:
    """An utterance is spoken."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A job was given up."""

    job_id: str
    code: str | None
    message: str
    transient: bool = False
    """True where it may pass by itself."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Input = (
    Opened
    | Updated
    | Appended
    | VoiceScored
    | CloseAsked
    | Transcribed
    | Translated
    | AudioMade
    | SpeechMade
    | Failed
    | Tick
)
