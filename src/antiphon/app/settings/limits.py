"""Limits on connections, requests and events."""

from __future__ import annotations

from pydantic import Field

from antiphon.ports.settings import MANY, WEEK_S, Section


class LimitSettings(Section):
    """Limits of callers."""

    max_connections: int = Field(default=10_000, ge=1, le=MANY, description="Maximum concurrent WebSocket connections.")
    max_connections_per_key: int = Field(
        default=2_000,
        ge=1,
        le=MANY,
        description="Maximum WebSocket connections with one key and its client secrets, where keys are configured; "
        "with several keys also at most four fifths of all.",
    )
    max_handshakes: int = Field(
        default=200,
        ge=1,
        le=MANY,
        description="Maximum concurrent connections that have not yet sent a whole request or a key; beyond it the "
        "oldest is closed.",
    )
    handshake_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=WEEK_S,
        description="Timeout until a whole request and key have arrived, and of TLS and Socket.IO handshakes, seconds.",
    )
    max_undecoded_bytes: int = Field(
        default=64 * 2**20,
        ge=1,
        le=2**40,
        description="Maximum bytes of messages and bodies received and not yet decoded, over all connections.",
    )
    limit_requests_per_min: int = Field(
        default=0,
        ge=0,
        le=MANY,
        description="Requests per minute, key and gateway: answers, REST audio, new dubbing streams, and sessions that"
        " transcribe or translate. 0: no limit.",
    )
    limit_tokens_per_min: int = Field(
        default=0, ge=0, le=10**12, description="LLM tokens per minute, key and gateway. 0: no limit."
    )
    limit_events_per_s: int = Field(
        default=1000, ge=1, le=MANY, description="Maximum client events per second and connection."
    )
