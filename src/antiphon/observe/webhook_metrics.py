"""Metrics of webhooks."""

from __future__ import annotations

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram

SendResult = Literal["delivered", "refused", "gone", "timeout", "unreachable", "busy"]
"""What became of one attempt; busy: too many were open to the endpoint, so it was not made."""
EventResult = Literal["delivered", "dead", "ignored"]


class WebhookMetrics:
    """What is sent to endpoints."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sent = Counter(
            "webhook_attempts",
            "Attempts to send an event to an endpoint: delivered, refused, gone (410), timeout, unreachable, busy "
            "(not made).",
            ["result"],
            registry=registry,
        )
        self._seconds = Histogram(
            "webhook_attempt_seconds",
            "Seconds of an attempt.",
            registry=registry,
            buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
        )
        self._events = Counter(
            "webhook_events",
            "Events that are done: delivered to every endpoint, dead, ignored (no webhook is configured for them).",
            ["result"],
            registry=registry,
        )

    def attempted(self, result: SendResult, seconds: float | None = None) -> None:
        """An attempt ended; ``seconds`` is None for one that was not made."""
        self._sent.labels(result).inc()
        if seconds is not None:
            self._seconds.observe(seconds)

    def done(self, result: EventResult, count: int = 1) -> None:
        """Events are done."""
        self._events.labels(result).inc(count)
