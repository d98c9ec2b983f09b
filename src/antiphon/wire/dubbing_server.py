"""Payloads of the Socket.IO events that the dubbing endpoint sends.

A field without a value is left out, never null; but for ``threshold_exceeded``, which is always there.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from antiphon.entities.dubbing import FragmentMetadata, ProcessingError, Stage, StageTimings, Status

Severity = Literal["low", "medium", "high"]
Action = Literal["none", "slow_down", "pause"]

CAPABILITIES = ("asr", "translation", "tts", "duration_matching", "async_delivery")


class ServerCapabilities(Struct, frozen=True):
    """The older form of the capabilities."""

    batch_processing: bool = False
    async_delivery: bool = True


class StreamReady(Struct, frozen=True, kw_only=True):
    """The stream may begin."""

    stream_id: str
    session_id: str
    max_inflight: int
    capabilities: tuple[str, ...] | ServerCapabilities
    server_capabilities: ServerCapabilities | UnsetType = UNSET


class FragmentAck(Struct, frozen=True, kw_only=True):
    """A fragment was received and queued."""

    fragment_id: str
    status: Literal["queued", "processing"]
    timestamp: int
    """Milliseconds since the epoch, UTC."""
    queue_position: int
    """Fragments of this stream before it."""
    estimated_completion_ms: int


class DubbedAudio(Struct, frozen=True, kw_only=True):
    """The spoken translation, in the format of the stream."""

    format: str
    sample_rate_hz: int
    channels: int
    duration_ms: int
    """Length after decoding."""
    data_base64: str


class FragmentProcessed(Struct, frozen=True, kw_only=True):
    """The result of one fragment."""

    fragment_id: str
    stream_id: str
    sequence_number: int
    status: Status
    processing_time_ms: int
    """From arrival to result."""
    dubbed_audio: DubbedAudio | UnsetType = UNSET
    transcript: str | UnsetType = UNSET
    translated_text: str | UnsetType = UNSET
    stage_timings: StageTimings = StageTimings()
    error: ProcessingError | UnsetType = UNSET
    warnings: tuple[str, ...] | UnsetType = UNSET
    metadata: FragmentMetadata | UnsetType = UNSET
    """Absent if the fragment failed before its length was known."""


class Backpressure(Struct, frozen=True, kw_only=True):
    """Load of the stream's window, sent on changes."""

    stream_id: str
    severity: Severity
    action: Action
    current_inflight: int
    max_inflight: int
    queue_depth: int
    """Fragments queued or in process; the rest of the window waits for earlier ones."""
    threshold_exceeded: Literal["medium", "high"] | None
    """The band that was entered; null at severity ``low``."""
    recommended_delay_ms: int | UnsetType = UNSET


class ErrorBreakdown(Struct, frozen=True, kw_only=True):
    """Failures by stage and code."""

    by_stage: dict[str, int] = field(default_factory=dict[str, int])
    by_code: dict[str, int] = field(default_factory=dict[str, int])


class Statistics(Struct, frozen=True, kw_only=True):
    """Results of the fragments of a session."""

    total_fragments: int
    success_count: int
    partial_count: int
    failed_count: int
    avg_processing_time_ms: float
    p95_processing_time_ms: int
    """Nearest rank."""
    error_breakdown: ErrorBreakdown


class StreamComplete(Struct, frozen=True, kw_only=True):
    """All results were delivered. The numbers are repeated under ``statistics``."""

    stream_id: str
    total_fragments: int
    total_duration_ms: int
    """Audio of all processed fragments."""
    success_count: int
    partial_count: int
    failed_count: int
    avg_processing_time_ms: float
    p95_processing_time_ms: int
    error_breakdown: ErrorBreakdown
    statistics: Statistics


class DubbingError(Struct, frozen=True, kw_only=True):
    """A message was refused; the stream continues."""

    code: str
    message: str
    retryable: bool
    severity: Literal["warning", "error", "fatal"]
    error_id: str
    stream_id: str | UnsetType = UNSET
    fragment_id: str | UnsetType = UNSET
    stage: Stage | UnsetType = UNSET
    details: dict[str, Any] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    """The same as ``details``."""


class SimulationAck(Struct, frozen=True, kw_only=True):
    """Echo mode: whether the rules were applied."""

    status: Literal["accepted", "rejected"]
    rules_count: int
    message: str | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    """The same as ``message``."""


class DisconnectAck(Struct, frozen=True, kw_only=True):
    """Echo mode: the connection will be closed."""

    status: Literal["scheduled"]
    disconnect_at_ms: int
    """Milliseconds since the epoch, UTC."""
    message: str


EVENTS: dict[str, type[Struct]] = {
    "stream:ready": StreamReady,
    "fragment:ack": FragmentAck,
    "fragment:processed": FragmentProcessed,
    "backpressure": Backpressure,
    "stream:complete": StreamComplete,
    "error": DubbingError,
    "config:error_simulation:ack": SimulationAck,
    "simulate:disconnect:ack": DisconnectAck,
}
"""Every event by its name."""
