"""Translation sessions: speech in, the same in another language out. Their events and their configuration."""

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
    """What is listened to."""

    transcription: SourceTranscription | UnsetType | None = UNSET
    noise_reduction: NoiseReduction | UnsetType | None = UNSET


class TranslationOutput(Partial, frozen=True):
    """What is spoken."""

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
    """What all client events share. Errors echo ``event_id``."""

    event_id: Annotated[str, msgspec.Meta(max_length=512)] | None = None


class SessionUpdate(TranslationClientEvent, frozen=True, tag="session.update"):
    """Change languages; absent fields stay."""

    session: TranslationSessionUpdate


class SessionInputAudioBufferAppend(TranslationClientEvent, frozen=True, tag="session.input_audio_buffer.append"):
    """More audio: base64, s16le mono at 24 kHz, silence included."""

    audio: str


class SessionClose(TranslationClientEvent, frozen=True, tag="session.close"):
    """Translate what was said so far, then end."""


TranslationClientMessage = SessionUpdate | SessionInputAudioBufferAppend | SessionClose


# -- server events ---------------------------------------------------------------------------------------------------
class TranslationServerEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all server events share. ``event_id`` grows within a session."""

    event_id: str


class SessionCreated(TranslationServerEvent, frozen=True, tag="session.created"):
    """The first event."""

    session: TranslationSession


class SessionUpdated(TranslationServerEvent, frozen=True, tag="session.updated"):
    """The whole configuration after a ``session.update``."""

    session: TranslationSession


class SessionClosed(TranslationServerEvent, frozen=True, tag="session.closed"):
    """Everything was translated; the last event."""


class SessionInputTranscriptDelta(TranslationServerEvent, frozen=True, tag="session.input_transcript.delta"):
    """More of what was said; only where transcription is set."""

    delta: str
    elapsed_ms: int
    """Where in the input the words begin."""


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
