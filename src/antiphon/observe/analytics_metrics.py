"""Metrics of the events that analytics has taken: latencies and counters over all tenants."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS_MS = (10, 25, 50, 75, 100, 150, 250, 400, 600, 800, 1_200, 2_000, 4_000, 8_000, 15_000, 30_000)


class AnalyticsMetrics:
    """What new events report."""

    def __init__(self, registry: CollectorRegistry) -> None:
        latencies = {
            "chat_ttft_ms": "Milliseconds from the end of a turn to the first text of its answer.",
            "tts_first_audio_ms": "Milliseconds from the end of a turn to the first audio of its answer.",
            "stop_ack_ms": "Milliseconds from a stop to its acknowledgement.",
            "stop_last_chunk_ms": "Milliseconds from a stop to the last audio that was sent.",
            "asr_latency_ms": "Milliseconds from the end of speech to its transcript.",
        }
        counters = {
            "tokens_total": ("tokens", "Tokens of answers."),
            "ingest_connects_total": ("ingest_connects", "Ingest connections that were opened."),
            "ingest_disconnects_total": ("ingest_disconnects", "Ingest connections that were closed."),
            "ingest_errors_total": ("ingest_errors", "Errors of ingest connections."),
            "provider_retries_total": ("provider_retries", "Calls of a provider that were repeated."),
        }
        self._latencies = {
            name: Histogram(name, text, registry=registry, buckets=_BUCKETS_MS) for name, text in latencies.items()
        }
        self._counters = {name: Counter(*given, registry=registry) for name, given in counters.items()}

    def took(self, latency: str, milliseconds: float) -> None:
        """An event reports a latency."""
        self._latencies[latency].observe(milliseconds)

    def counted(self, counter: str, amount: float) -> None:
        """An event increases a counter; those of analytics that are no metrics are ignored."""
        if counter in self._counters:
            self._counters[counter].inc(amount)
