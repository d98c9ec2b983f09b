"""Client secrets over REST: short-lived keys for browsers, each bound to a session."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from antiphon.wire.realtime_session import AnySession, AnySessionUpdate, NoiseReduction


class ExpiresAfter(msgspec.Struct, frozen=True):
    """When the secret ends; sessions it has opened go on."""

    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, msgspec.Meta(ge=10, le=7200)] | None = None
    """Default 600."""


class ClientSecretRequest(msgspec.Struct, frozen=True):
    """Ask for a secret."""

    expires_after: ExpiresAfter | None = None
    session: AnySessionUpdate | None = None


class ClientSecret(msgspec.Struct, frozen=True):
    """A secret, and the session that it opens."""

    value: str
    expires_at: int
    """Seconds since the epoch, UTC."""
    session: AnySession


# -- translation sessions ------------------------------------------------------------------------------------------
class SourceTranscription(msgspec.Struct, frozen=True):
    """Transcribe the source language as well."""

    model: str


class TranslationInput(msgspec.Struct, frozen=True):
    """What is listened to."""

    transcription: SourceTranscription | UnsetType | None = UNSET
    noise_reduction: NoiseReduction | UnsetType | None = UNSET


class TranslationOutput(msgspec.Struct, frozen=True):
    """What is spoken."""

    language: str | UnsetType = UNSET
    """ISO 639-1."""


class TranslationAudio(msgspec.Struct, frozen=True):
    """Both directions."""

    input: TranslationInput = TranslationInput()
    output: TranslationOutput = TranslationOutput()


class TranslationSessionRequest(msgspec.Struct, frozen=True):
    """A session that translates speech into speech."""

    model: str
    audio: TranslationAudio = TranslationAudio()
    type: Literal["translation"] = "translation"


class TranslationSecretRequest(msgspec.Struct, frozen=True):
    """Ask for a secret that opens a translation session."""

    session: TranslationSessionRequest
    expires_after: ExpiresAfter | None = None


class TranslationSession(msgspec.Struct, frozen=True, kw_only=True):
    """A translation session's whole configuration."""

    id: str
    type: Literal["translation"] = "translation"
    model: str
    expires_at: int
    audio: TranslationAudio


class TranslationSecret(msgspec.Struct, frozen=True):
    """A secret, and the translation session that it opens."""

    value: str
    expires_at: int
    session: TranslationSession
