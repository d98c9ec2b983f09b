"""Inputs of a translation session, from its client, its workers and the clock: events, never samples."""

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
    """The client appended this much audio."""

    ticks: int


@dataclass(frozen=True, slots=True)
class VoiceScored:
    """Speech probabilities of the next 32 ms windows."""

    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CloseAsked:
    """The client ends its input, or the maximum duration is reached. At least `CLOSE_TICKS` of silence follow."""


@dataclass(frozen=True, slots=True)
class Transcribed:
    """An utterance is transcribed."""

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
    """More of an utterance is spoken; the gateway holds the samples under ``ref``."""

    job_id: str
    ref: int


@dataclass(frozen=True, slots=True)
class SpeechMade:
    """All speech of an utterance is complete."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A job has failed."""

    job_id: str
    code: str | None
    message: str
    transient: bool = False
    """True if another job may succeed later."""


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
