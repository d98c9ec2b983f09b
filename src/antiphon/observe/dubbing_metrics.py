"""Metrics of dubbing, under their established names. The series of a stream are dropped when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SLOW = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_MS = (10, 25, 50, 100, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)
_QUICK = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)


class DubbingMetrics:
    """All metrics of the dubbing endpoint, in the registry of the process."""

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
                ("asr", "Seconds of decoding and speech recognition.", _SLOW),
                ("translation", "Seconds of translation.", _QUICK),
                ("tts", "Seconds of speech synthesis, fitting and encoding.", _SLOW),
            )
        }
        self._in_flight = Gauge(
            "sts_fragments_in_flight", "Fragments accepted and not yet delivered.", ["stream_id"], registry=registry
        )
        self._sessions = Gauge("sts_sessions_active", "Streams with a connection.", registry=registry)
        self._errors = Counter(
            "sts_fragment_errors",
            "Fragments that failed, by stage and error code.",
            ["stream_id", "stage", "error_code"],
            registry=registry,
        )
        self._connections = Counter(
            "ws_connections", "Worker connections accepted or refused.", ["status"], registry=registry
        )
        self._open = Gauge("ws_active_connections", "Connected workers.", registry=registry)
        self._streams = Gauge("ws_active_streams", "Streams with a connection.", registry=registry)
        self._depth = Gauge(
            "ws_queue_depth", "Fragments that are queued or in process.", ["stream_id"], registry=registry
        )
        self._processed = Counter(
            "ws_fragments_processed", "Results delivered.", ["stream_id", "status"], registry=registry
        )
        self._refused = Counter("ws_errors", "Error events sent.", ["error_code", "stream_id"], registry=registry)
        self._stage_ms = Histogram(
            "ws_fragment_processing_ms", "Milliseconds per stage.", ["stage"], registry=registry, buckets=_MS
        )
        self._wait_ms = Histogram(
            "ws_queue_wait_time_ms",
            "Milliseconds that a fragment spent outside all stages.",
            ["stream_id"],
            registry=registry,
            buckets=_MS,
        )
        for name, text in (
            ("sts_gpu_utilization_percent", "GPU utilization; 0 without a GPU."),
            ("sts_gpu_memory_used_bytes", "GPU memory in use; 0 without a GPU."),
        ):
            Gauge(name, text, registry=registry).set(0)

    def delivered(self, stream_id: str, status: str, seconds: float, stages_ms: Mapping[str, int]) -> None:
        """A result was delivered for the first time; ``stages_ms`` has the stages that it went through."""
        self._processing.labels(status, stream_id).observe(seconds)
        self._processed.labels(stream_id, status).inc()
        for stage, spent_ms in stages_ms.items():
            self._stages[stage].observe(spent_ms / 1000)
            self._stage_ms.labels(stage).observe(spent_ms)
        self._wait_ms.labels(stream_id).observe(max(0.0, seconds * 1000 - sum(stages_ms.values())))

    def failed(self, stream_id: str, stage: str, error_code: str) -> None:
        """A fragment failed."""
        self._errors.labels(stream_id, stage, error_code).inc()

    def refused(self, stream_id: str, error_code: str) -> None:
        """An error event was sent."""
        self._refused.labels(error_code, stream_id).inc()

    def connected(self, *, accepted: bool) -> None:
        """A worker was accepted or refused."""
        self._connections.labels("accepted" if accepted else "refused").inc()

    def in_flight(self, stream_id: str, fragments: int, waiting: int) -> None:
        """Set the fragments in flight of a stream; ``waiting`` of them have no result yet."""
        self._in_flight.labels(stream_id).set(fragments)
        self._depth.labels(stream_id).set(waiting)

    def watch(self, connections: Callable[[], int], streams: Callable[[], int]) -> None:
        """Read the numbers of connections and of connected streams at every scrape."""
        self._open.set_function(connections)
        for gauge in (self._sessions, self._streams):
            gauge.set_function(streams)

    def forget(self, stream_id: str) -> None:
        """Drop the series of a stream that ended."""
        by_stream = (
            *(self._processing, self._in_flight, self._errors),
            *(self._depth, self._processed, self._refused, self._wait_ms),
        )
        for metric in by_stream:
            metric.remove_by_labels({"stream_id": stream_id})
