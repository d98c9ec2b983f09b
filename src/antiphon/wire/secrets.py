"""Client secrets over REST: short-lived keys for browsers, each bound to a session."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from antiphon.wire.realtime_session import AnySession, AnySessionUpdate
from antiphon.wire.translation import TranslationSession, TranslationSessionRequest


class ExpiresAfter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the secret ends; sessions it has opened go on."""

    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, msgspec.Meta(ge=10, le=7200)] | None = None
    """Default 600."""


Origin = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s]+$", max_length=300)]
"""As browsers send it: ``https://app.example``."""
ListeningField = Literal["audio", "include", "noise_reduction", "transcription", "turn_detection"]
"""What a session that only transcribes has of the fields that can be locked."""
LockedField = Literal[
    ListeningField,
    "instructions",
    "max_output_tokens",
    "model",
    "output_modalities",
    "parallel_tool_calls",
    "prompt",
    "reasoning",
    "speed",
    "tool_choice",
    "tools",
    "tracing",
    "truncation",
    "voice",
]
"""A field of the session; those of ``audio.input`` and ``audio.output`` by their own names."""
Uses = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Origins = Annotated[tuple[Origin, ...], msgspec.Meta(min_length=1, max_length=20)]
MaxSessions = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class SecretBounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a secret may do; none of it is OpenAI's."""

    uses: Uses | None = None
    """How many sessions it may begin until it expires; resuming one is none. Null: any number."""
    origins: Origins | None = None
    """Pages that may use it, by their ``Origin`` header; then nobody may without one. Null: any page and program."""
    max_sessions: MaxSessions = 2
    """How many sessions it may have open at a time, in one gateway: one more ends the oldest."""


class SessionSecretBounds(SecretBounds, frozen=True, kw_only=True):
    """What a secret for realtime and transcription sessions may do."""

    locked: tuple[LockedField, ...] = ()
    """Fields of the session that neither ``session.update`` nor ``response.create`` may set."""


NO_BOUNDS = SessionSecretBounds()
"""What a secret may do whose request says nothing of it."""


class SecretBoundsWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a secret shall be bound to. All of it is optional, and null is as if it were left out."""

    uses: Uses | None = None
    origins: Origins | None = None
    max_sessions: MaxSessions | None = None


class SessionSecretBoundsWish(SecretBoundsWish, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a secret for realtime and transcription sessions shall be bound to."""

    locked: tuple[LockedField, ...] | None = None


class ClientSecretRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask for a secret. A name that is not known is refused: it may be a bound that is misspelt."""

    expires_after: ExpiresAfter | None = None
    session: AnySessionUpdate | None = None
    antiphon: SessionSecretBoundsWish | None = None


class ClientSecret(msgspec.Struct, frozen=True):
    """A secret, and the session that it opens."""

    value: str
    expires_at: int
    """Seconds since the epoch, UTC."""
    session: AnySession
    antiphon: SessionSecretBounds


# -- translation sessions ------------------------------------------------------------------------------------------
class TranslationSecretRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ask for a secret that opens a translation session."""

    session: TranslationSessionRequest
    expires_after: ExpiresAfter | None = None
    antiphon: SecretBoundsWish | None = None


class TranslationSecret(msgspec.Struct, frozen=True):
    """A secret, and the translation session that it opens."""

    value: str
    expires_at: int
    session: TranslationSession
    antiphon: SecretBounds
