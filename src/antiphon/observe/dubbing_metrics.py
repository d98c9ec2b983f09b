"""What is counted of dubbing, under the names that its operators know. Series of a stream go when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SLOW = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_QUICK = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)


class DubbingMetrics:
    """All metrics of the dubbing door, in the registry of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._processing = Histogram(
            "sts_fragment_processing_seconds",
            "Seconds from a fragment's arrival to its result.",
            ["status", "stream_id"],
            registry=registry,
            buckets=_SLOW,
        )
        self._stages = {
            stage: Histogram(f"sts_{stage}_duration_seconds", text, registry=registry, buckets=buckets)
            for stage, text, buckets in (
                ("asr", "Seconds of decoding and recognition.", _SLOW),
                ("translation", "Seconds of translation.", _QUICK),
                ("tts", "Seconds of speaking, fitting and encoding.", _SLOW),
            )
        }
        self._in_flight = Gauge(
            "sts_fragments_in_flight", "Fragments accepted and not delivered.", ["stream_id"], registry=registry
        )
        self._sessions = Gauge("sts_sessions_active", "Streams with a connection.", registry=registry)
        self._errors = Counter(
            "sts_fragment_errors",
            "Fragments that failed, by where and why.",
            ["stream_id", "stage", "error_code"],
            registry=registry,
        )
        for name, text in (
            ("sts_gpu_utilization_percent", "Share of the GPU at work; 0 without one."),
            ("sts_gpu_memory_used_bytes", "Memory of the GPU in use; 0 without one."),
        ):
            Gauge(name, text, registry=registry).set(0)

    def delivered(self, stream_id: str, status: str, seconds: float, stages_ms: Mapping[str, int]) -> None:
        """A result was delivered for the first time; ``stages_ms`` has the stages that it has come to."""
        self._processing.labels(status, stream_id).observe(seconds)
        for stage, spent_ms in stages_ms.items():
            self._stages[stage].observe(spent_ms / 1000)

    def failed(self, stream_id: str, stage: str, error_code: str) -> None:
        """A fragment failed."""
        self._errors.labels(stream_id, stage, error_code).inc()

    def in_flight(self, stream_id: str, fragments: int) -> None:
        """So many fragments of a stream are under way."""
        self._in_flight.labels(stream_id).set(fragments)

    def watch_sessions(self, count: Callable[[], int]) -> None:
        """Ask for the number of streams with a connection whenever the metrics are read."""
        self._sessions.set_function(count)

    def forget(self, stream_id: str) -> None:
        """The stream is over: drop its series."""
        for metric in (self._processing, self._in_flight, self._errors):
            metric.remove_by_labels({"stream_id": stream_id})
