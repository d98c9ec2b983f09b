"""Client secrets over REST: short-lived keys for browsers, each bound to a session."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from antiphon.wire.realtime_session import AnySession, AnySessionUpdate
from antiphon.wire.translation import TranslationSession, TranslationSessionRequest


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
class TranslationSecretRequest(msgspec.Struct, frozen=True):
    """Ask for a secret that opens a translation session."""

    session: TranslationSessionRequest
    expires_after: ExpiresAfter | None = None


class TranslationSecret(msgspec.Struct, frozen=True):
    """A secret, and the translation session that it opens."""

    value: str
    expires_at: int
    session: TranslationSession
