"""Payloads of events. Each class is a type of event; `type_of` gives its name."""

from __future__ import annotations

import msgspec


class EventPayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The payload of an event; its type is the tag of its class."""


class SessionCreated(EventPayload, frozen=True, kw_only=True, tag="session.created"):
    """A session was opened."""

    session_id: str
    kind: str
    """realtime, translation, dubbing, dialog or captions."""
    model: str = ""


class SessionClosed(EventPayload, frozen=True, kw_only=True, tag="session.closed"):
    """A session has ended and cannot be resumed."""

    session_id: str
    kind: str
    model: str = ""
    status: str
    """disconnected, or expired when it was not resumed in time."""


class TranscriptionCompleted(EventPayload, frozen=True, kw_only=True, tag="transcription.completed"):
    """Speech of the user was transcribed, in a session whose client asked for transcripts."""

    session_id: str
    item_id: str
    transcript: str
    """Its first `MOST_CHARACTERS` characters."""
    duration_s: float


class AnalyticsPayload(EventPayload, frozen=True, kw_only=True):
    """The part that measurements of one turn share."""

    correlation_id: str = msgspec.field(name="correlationId")
    """``{session}#{turn}``."""
    session_id: str = msgspec.field(name="sessionId")
    turn: int
    """Number of the answer in its session, from 1."""
    ts: float
    """Seconds since the epoch."""


class ChatStats(AnalyticsPayload, frozen=True, kw_only=True, tag="AnalyticsChatStats"):
    """An answer has ended."""

    ttft_ms: float | None
    """From the end of the turn to the first text; None without text."""
    tokens: int
    """Tokens of the answer's text."""
    input_tokens: int
    output_tokens: int
    status: str
    """completed, cancelled, incomplete or failed."""


class AsrStats(AnalyticsPayload, frozen=True, kw_only=True, tag="AnalyticsAsrStats"):
    """Speech of the user was transcribed."""

    provider: str = ""
    latency_ms: float | None
    """From the end of the speech to its transcript; None if it was transcribed before the turn was over."""
    duration_seconds: float


class TtsStats(AnalyticsPayload, frozen=True, kw_only=True, tag="AnalyticsTtsStats"):
    """The speech of an answer has ended."""

    utterance_id: str = msgspec.field(name="utteranceId")
    provider: str = ""
    ttfa_ms: float | None
    """From the end of the turn to the first audio; None without audio."""
    chunks: int
    audio_ms: int
    outcome: str
    """completed, stopped or error."""


class ToolCall(AnalyticsPayload, frozen=True, kw_only=True, tag="AnalyticsToolCall"):
    """The model has called a function."""

    name: str
    call_id: str = msgspec.field(name="callId")


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """What user and assistant said in one turn."""

    text: str
    reply: str
    vectorize: bool = True


class LtmWriteRequested(EventPayload, frozen=True, kw_only=True, tag="LtmWriteRequested"):
    """A turn is to be remembered."""

    correlation_id: str = msgspec.field(name="correlationId")
    session_id: str = msgspec.field(name="sessionId")
    user_id: str = msgspec.field(name="userId")
    turn: int
    payload: Spoken
    ts: float


MOST_CHARACTERS = 64_000
"""Longest text in a payload: a log takes no larger event."""


def type_of(payload: EventPayload) -> str:
    """Return the type of the event."""
    return str(payload.__struct_config__.tag)


def encode(payload: EventPayload) -> bytes:
    """Return the payload as JSON."""
    return msgspec.json.encode(payload)
