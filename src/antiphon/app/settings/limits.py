"""How much callers may have at a time, and in a time."""

from __future__ import annotations

from pydantic import Field

from antiphon.ports.settings import MANY, WEEK_S, Section


class LimitSettings(Section):
    """Limits of callers."""

    max_connections: int = Field(default=10_000, ge=1, le=MANY, description="Most WebSocket connections at a time.")
    max_connections_per_key: int = Field(
        default=2_000,
        ge=1,
        le=MANY,
        description="Most of them with one key and the client secrets that it has issued, where keys are configured; "
        "four fifths of all where there are several keys and that is less.",
    )
    max_handshakes: int = Field(
        default=200,
        ge=1,
        le=MANY,
        description="Most connections at a time without a whole request, or a key; beyond, the oldest is closed.",
    )
    handshake_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=WEEK_S,
        description="How long such a connection may take, seconds; also a TLS handshake, and a greeting of Socket.IO.",
    )
    max_undecoded_bytes: int = Field(
        default=64 * 2**20,
        ge=1,
        le=2**40,
        description="Most bytes of messages and bodies received and not yet decoded, over all connections.",
    )
    limit_requests_per_min: int = Field(
        default=0,
        ge=0,
        le=MANY,
        description="Requests per minute, key and gateway: answers, REST audio, new streams that are dubbed, and "
        "sessions that transcribe or translate. 0: no limit.",
    )
    limit_tokens_per_min: int = Field(
        default=0, ge=0, le=10**12, description="Tokens of language models per minute, key and gateway. 0: no limit."
    )
    limit_events_per_s: int = Field(
        default=1000, ge=1, le=MANY, description="Flood guard: client events per second and connection."
    )
