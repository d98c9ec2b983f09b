"""Client secrets over REST: short-lived keys for browsers, each bound to a session."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from antiphon.wire.realtime_session import AnySession, AnySessionUpdate
from antiphon.wire.translation import TranslationSession, TranslationSessionRequest


class ExpiresAfter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the secret expires; sessions it has opened continue."""

    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, msgspec.Meta(ge=10, le=7200)] | None = None
    """Default 600."""


Origin = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s]+$", max_length=300)]
"""As browsers send it: ``https://app.example``."""
ListeningField = Literal["audio", "include", "noise_reduction", "transcription", "turn_detection"]
"""The lockable fields of a transcription session."""
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
    """Restrictions of a secret; not part of OpenAI's protocol."""

    uses: Uses | None = None
    """Maximum sessions it may begin until it expires; resuming does not count. Null: any number."""
    origins: Origins | None = None
    """Allowed ``Origin`` headers; requests without one are refused. Null: any page and program."""
    max_sessions: MaxSessions = 2
    """Maximum concurrent sessions per gateway: one more closes the oldest."""


class SessionSecretBounds(SecretBounds, frozen=True, kw_only=True):
    """Restrictions of a secret for realtime and transcription sessions."""

    locked: tuple[LockedField, ...] = ()
    """Fields of the session that neither ``session.update`` nor ``response.create`` may set."""


NO_BOUNDS = SessionSecretBounds()
"""The default restrictions of a secret: none."""


class SecretBoundsWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requested restrictions of a secret. All are optional; null means absent."""

    uses: Uses | None = None
    origins: Origins | None = None
    max_sessions: MaxSessions | None = None


class SessionSecretBoundsWish(SecretBoundsWish, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requested restrictions of a secret for realtime and transcription sessions."""

    locked: tuple[LockedField, ...] | None = None


class ClientSecretRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Request a secret. Unknown fields are refused: they may be misspelt restrictions."""

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
    """Request a secret that opens a translation session."""

    session: TranslationSessionRequest
    expires_after: ExpiresAfter | None = None
    antiphon: SecretBoundsWish | None = None


class TranslationSecret(msgspec.Struct, frozen=True):
    """A secret, and the translation session that it opens."""

    value: str
    expires_at: int
    session: TranslationSession
    antiphon: SecretBounds
