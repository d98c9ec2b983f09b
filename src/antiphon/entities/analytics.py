"""Analytics: one row for each event, and the figures that are made of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import msgspec

LatencyName = Literal["chat_ttft_ms", "tts_first_audio_ms", "stop_ack_ms", "stop_last_chunk_ms", "asr_latency_ms"]
"""Name of a latency, in milliseconds."""

LATENCY_NAMES: Final[tuple[LatencyName, ...]] = get_args(LatencyName)

LATENCIES: Mapping[LatencyName, tuple[str, str]] = {
    "chat_ttft_ms": ("AnalyticsChatStats", "ttft_ms"),
    "tts_first_audio_ms": ("AnalyticsTtsStats", "ttfa_ms"),
    "stop_ack_ms": ("AnalyticsStop", "stop_ack_ms"),
    "stop_last_chunk_ms": ("AnalyticsStop", "last_chunk_ms"),
    "asr_latency_ms": ("AnalyticsAsrStats", "latency_ms"),
}
"""Each latency: the type of its events, and the field with its values. Only numbers from 0 are values."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a counter counts."""

    type: str
    """Type of the events."""
    action: str = ""
    """If given, only events with this ``action`` count."""
    amount: str = ""
    """If given, the field that is added up, where it is a number from 0; else events are counted."""


COUNTERS: Mapping[str, Counted] = {
    "tokens_total": Counted("AnalyticsChatStats", amount="tokens"),
    "chats_total": Counted("AnalyticsChatStats"),
    "tool_calls_total": Counted("AnalyticsToolCall"),
    "stops_total": Counted("AnalyticsStop"),
    "ingest_connects_total": Counted("AnalyticsIngest", action="connect"),
    "ingest_disconnects_total": Counted("AnalyticsIngest", action="disconnect"),
    "ingest_errors_total": Counted("AnalyticsIngest", action="error"),
    "provider_retries_total": Counted("AnalyticsRetry"),
    "sessions_created_total": Counted("session.created"),
    "sessions_closed_total": Counted("session.closed"),
    "transcriptions_total": Counted("transcription.completed"),
}
"""The counters by name."""


@dataclass(frozen=True, slots=True)
class AnalyticsRow:
    """An event without personal data."""

    tenant: str
    event_id: str
    type: str
    session_id: str
    turn: int
    """Number of the turn in its session, 0 if the event names none."""
    correlation_id: str
    created_at: float
    """Seconds since the epoch, UTC."""
    fields: bytes = b"{}"
    """A JSON object: the rest of the payload, as far as it may be kept."""

    @property
    def key(self) -> tuple[str, str]:
        """What the row is unique by."""
        return self.tenant, self.event_id


@dataclass(frozen=True, slots=True)
class Latency:
    """The distribution of one latency, in milliseconds; percentiles are interpolated linearly between values."""

    metric: LatencyName
    count: int
    p50: float
    p95: float
    p99: float
    max: float


def latencies_of(row: AnalyticsRow) -> Iterator[tuple[LatencyName, float]]:
    """Yield the latencies that a row reports, in milliseconds."""
    fields: dict[str, Any] = msgspec.json.decode(row.fields)
    for metric, (kind, field) in LATENCIES.items():
        if row.type == kind and (value := _amount(fields.get(field))) is not None:
            yield metric, value


def counts_of(row: AnalyticsRow) -> Iterator[tuple[str, float]]:
    """Yield the counters that a row increases, and by how much."""
    fields: dict[str, Any] = msgspec.json.decode(row.fields)
    for name, counted in COUNTERS.items():
        if row.type == counted.type and counted.action in ("", fields.get("action")):
            amount = _amount(fields.get(counted.amount)) if counted.amount else 1.0
            if amount is not None:
                yield name, amount


def _amount(value: object) -> float | None:
    """Return a number from 0, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return float(value)
