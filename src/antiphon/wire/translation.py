"""Events and configuration of translation sessions."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from antiphon.wire.realtime_items import Name
from antiphon.wire.realtime_server import Error
from antiphon.wire.realtime_session import NoiseReduction, Partial

Language = Annotated[str, msgspec.Meta(max_length=35, pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
"""ISO 639, optionally with a region: ``es``, ``pt-BR``."""


class SourceTranscription(Partial, frozen=True):
    """Transcribe the source language as well."""

    model: Name


class TranslationInput(Partial, frozen=True):
    """Input audio."""

    transcription: SourceTranscription | UnsetType | None = UNSET
    noise_reduction: NoiseReduction | UnsetType | None = UNSET


class TranslationOutput(Partial, frozen=True):
    """Output audio."""

    language: Language | UnsetType | None = UNSET


class TranslationAudio(Partial, frozen=True):
    """Both directions."""

    input: TranslationInput = TranslationInput()
    output: TranslationOutput = TranslationOutput()


class TranslationSessionRequest(Partial, frozen=True):
    """What a client secret for translation is bound to."""

    model: Name
    audio: TranslationAudio = TranslationAudio()
    type: Literal["translation"] = "translation"


class TranslationSessionUpdate(Partial, frozen=True):
    """``session.update`` of a translation session."""

    audio: TranslationAudio | UnsetType | None = UNSET
    type: Literal["translation"] | UnsetType = UNSET


class TranslationSession(msgspec.Struct, frozen=True, kw_only=True):
    """A translation session's whole configuration."""

    id: str
    type: Literal["translation"] = "translation"
    model: str
    expires_at: int
    audio: TranslationAudio


# -- client events ---------------------------------------------------------------------------------------------------
class TranslationClientEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    """Base of all client events. Errors echo ``event_id``."""

    event_id: Annotated[str, msgspec.Meta(max_length=512)] | None = None


class SessionUpdate(TranslationClientEvent, frozen=True, tag="session.update"):
    """Change languages; absent fields stay."""

    session: TranslationSessionUpdate


class SessionInputAudioBufferAppend(TranslationClientEvent, frozen=True, tag="session.input_audio_buffer.append"):
    """More audio: base64, s16le mono at 24 kHz, silence included."""

    audio: str


class SessionClose(TranslationClientEvent, frozen=True, tag="session.close"):
    """Translate the audio so far, then end the session."""


TranslationClientMessage = SessionUpdate | SessionInputAudioBufferAppend | SessionClose


# -- server events ---------------------------------------------------------------------------------------------------
class TranslationServerEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all server events. ``event_id`` increases within a session."""

    event_id: str


class SessionCreated(TranslationServerEvent, frozen=True, tag="session.created"):
    """The first event."""

    session: TranslationSession


class SessionUpdated(TranslationServerEvent, frozen=True, tag="session.updated"):
    """The whole configuration after a ``session.update``."""

    session: TranslationSession


class SessionClosed(TranslationServerEvent, frozen=True, tag="session.closed"):
    """All audio was translated; the last event."""


class SessionInputTranscriptDelta(TranslationServerEvent, frozen=True, tag="session.input_transcript.delta"):
    """More of the source transcript; only if transcription is enabled."""

    delta: str
    elapsed_ms: int
    """Start of the text in the input audio."""


class SessionOutputTranscriptDelta(TranslationServerEvent, frozen=True, tag="session.output_transcript.delta"):
    """More of the translation."""

    delta: str
    elapsed_ms: int


class SessionOutputAudioDelta(TranslationServerEvent, frozen=True, kw_only=True, tag="session.output_audio.delta"):
    """More of the translated speech, base64."""

    delta: str
    sample_rate: int = 24_000
    channels: int = 1
    format: Literal["pcm16"] = "pcm16"
    elapsed_ms: int


TranslationServerMessage = (
    SessionCreated
    | SessionUpdated
    | SessionClosed
    | SessionInputTranscriptDelta
    | SessionOutputTranscriptDelta
    | SessionOutputAudioDelta
    | Error
)
