"""Figures of a tenant's events over REST."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from antiphon.entities.analytics import LATENCY_NAMES
from antiphon.wire.history import Seconds


class LatencyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The distribution of one latency, in milliseconds."""

    metric: str
    count: int
    p50: float
    p95: float
    p99: float
    max: float


class LatencyList(msgspec.Struct, frozen=True, kw_only=True):
    """The latencies of a window; those without a value in it are left out."""

    object: Literal["analytics.latencies"] = "analytics.latencies"
    since: float
    """Seconds since the epoch."""
    until: float
    data: list[LatencyEntry]


class CountList(msgspec.Struct, frozen=True, kw_only=True):
    """The counters of a window."""

    object: Literal["analytics.counts"] = "analytics.counts"
    since: float
    """Seconds since the epoch."""
    until: float
    data: dict[str, float]
    """By name of the counter."""


class WindowQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events the figures are of."""

    since: Seconds | None = None
    """Events of this time or later, seconds since the epoch; by default 24 hours before ``until``."""
    until: Seconds | None = None
    """Only earlier events; by default now."""


class LatencyQuery(WindowQuery, frozen=True, kw_only=True):
    """Which latencies, and of which events."""

    metric: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(LATENCY_NAMES)})] | None = None
    """Only this latency; by default all."""
