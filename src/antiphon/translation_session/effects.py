"""Effects of a translation session: events to send, jobs to start or cancel."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.translation_session.state import Component
from antiphon.wire.translation import SessionOutputAudioDelta, TranslationServerMessage


@dataclass(frozen=True, slots=True)
class Send:
    """Send an event."""

    event: TranslationServerMessage


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Send an event whose ``delta`` is the speech under ``ref``."""

    event: SessionOutputAudioDelta
    ref: int


@dataclass(frozen=True, slots=True)
class StartTranscription:
    """Transcribe the input from ``start`` to ``end`` (ticks); the input before ``end`` is not needed afterwards."""

    job_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class StartTranslation:
    """Translate ``text``."""

    job_id: str
    text: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class StartSpeech:
    """Speak ``text``."""

    job_id: str
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class CancelJob:
    """Cancel a job; its further results are ignored."""

    job_id: str


@dataclass(frozen=True, slots=True)
class ComponentChanged:
    """A component of the session has failed, or works again."""

    component: Component
    is_down: bool


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop the input before ``end``."""

    end: int


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection with code 1000."""


Effect = (
    Send
    | SendAudio
    | StartTranscription
    | StartTranslation
    | StartSpeech
    | CancelJob
    | ComponentChanged
    | Forget
    | Close
)
