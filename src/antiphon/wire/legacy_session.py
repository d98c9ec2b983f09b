"""The flat session of the retired beta interface, still returned by ``POST /v1/realtime/sessions``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from antiphon.wire.realtime_session import NoiseReduction, Transcription, TurnDetection
from antiphon.wire.secrets import ExpiresAfter

LegacyFormat = Literal["pcm16", "g711_ulaw", "g711_alaw"]


class LegacySecretOptions(msgspec.Struct, frozen=True):
    """When the secret ends; both spellings were in use."""

    expires_after: ExpiresAfter | None = None
    expires_at: ExpiresAfter | None = None


class LegacyTranscriptionSession(msgspec.Struct, frozen=True):
    """A session that only transcribes."""

    client_secret: LegacySecretOptions | None = None
    modalities: list[Literal["text", "audio"]] | UnsetType = UNSET
    input_audio_format: LegacyFormat = "pcm16"
    input_audio_transcription: Transcription | UnsetType | None = UNSET
    input_audio_noise_reduction: NoiseReduction | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET
    include: list[str] | UnsetType | None = UNSET


class LegacySession(msgspec.Struct, frozen=True):
    """A conversation."""

    client_secret: LegacySecretOptions | None = None
    model: str = "gpt-realtime"
    modalities: list[Literal["text", "audio"]] | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    voice: str | UnsetType = UNSET
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=1.5)] | UnsetType = UNSET
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.8
    """Accepted and echoed; sampling is the engine's own."""
    input_audio_format: LegacyFormat = "pcm16"
    output_audio_format: LegacyFormat = "pcm16"
    input_audio_transcription: Transcription | UnsetType | None = UNSET
    input_audio_noise_reduction: NoiseReduction | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET
    tools: list[dict[str, Any]] | UnsetType = UNSET
    tool_choice: str | UnsetType = UNSET
    tracing: Any = UNSET
    max_response_output_tokens: int | Literal["inf"] | UnsetType = UNSET


class LegacyClientSecret(msgspec.Struct, frozen=True):
    """The secret inside its session."""

    value: str
    expires_at: int


class LegacySessionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation, and the secret that opens it."""

    id: str
    object: Literal["realtime.session"] = "realtime.session"
    expires_at: int
    model: str
    modalities: list[str]
    instructions: str
    voice: str
    speed: float
    temperature: float
    input_audio_format: str
    output_audio_format: str
    input_audio_transcription: Transcription | None
    input_audio_noise_reduction: NoiseReduction | None
    turn_detection: Any
    tools: list[Any]
    tool_choice: Any
    tracing: Any
    max_response_output_tokens: int | Literal["inf"]
    client_secret: LegacyClientSecret


class LegacyTranscriptionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A session that only transcribes, and the secret that opens it."""

    id: str
    object: Literal["realtime.transcription_session"] = "realtime.transcription_session"
    expires_at: int
    modalities: list[str]
    input_audio_format: str
    input_audio_transcription: Transcription | None
    input_audio_noise_reduction: NoiseReduction | None
    turn_detection: Any
    include: Any
    client_secret: LegacyClientSecret
