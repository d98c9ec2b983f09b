"""Prometheus metrics, one set per process, with labels from closed lists only."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Media type of `Metrics.render`."""

DOORS = frozenset({"realtime", "speech", "dubbing", "dialog", "captions", "admin", "health", "site"})
OUTCOMES = frozenset({"done", "failed", "cancelled", "retried", "lost", "refused"})
COMPONENTS = frozenset({"stt", "llm", "tts", "translation", "redis", "database"})
LIMITS = frozenset({"requests", "tokens", "connections", "handshakes", "events", "bytes"})
AREAS = DOORS | {"worker", "bus", "state", "store", "policy", "provider", "conversation"}
ERROR_TYPES = frozenset(
    {
        "invalid_request_error",
        "authentication_error",
        "permission_error",
        "not_found_error",
        "rate_limit_error",
        "api_error",
        "overloaded_error",
        "timeout_error",
    }
)
OTHER = "other"
"""Label of every value on no list: a client cannot create time series."""

MESSAGE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
WORK_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)


def listed(value: str, known: frozenset[str]) -> str:
    """Return ``value`` if it is ``known``, else `OTHER`."""
    return value if value in known else OTHER


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._messages = Histogram(
            "websocket_message_processing",
            "Seconds from a client's message to the end of its processing.",
            ["door"],
            registry=registry,
            buckets=MESSAGE_BUCKETS,
        )
        self._tts_degraded = Counter("tts_degraded", "Failovers from one TTS engine to another.", registry=registry)
        self._connections = Gauge("active_connections", "Open connections.", ["door"], registry=registry)
        self._depth = Gauge("queue_depth", "Jobs waiting in the queue.", ["queue"], registry=registry)
        self._utilization = Gauge(
            "worker_utilization", "Share of the worker's slots in use, 0 to 1.", ["queue"], registry=registry
        )
        self._circuits = Gauge(
            "circuit_open",
            "1 while the circuit of an engine is open and calls to it are refused.",
            ["endpoint"],
            registry=registry,
        )
        self._services = Gauge(
            "service_up", "1 if the last health check of a remote engine succeeded.", ["endpoint"], registry=registry
        )
        self._redis_memory = Gauge(
            "redis_memory_used_share",
            "Memory use of the fullest Redis node as a share of its maxmemory; 0 if that is unset or unknown.",
            registry=registry,
        )
        self._mirror_dropped = Counter("mirror_dropped", "Messages dropped by the Redis mirror.", registry=registry)
        self._requests = Counter("requests", "Requests answered.", ["door", "outcome"], registry=registry)
        self._errors = Counter("errors", "Errors by area and type.", ["area", "type"], registry=registry)
        by_component = ["component", "leg"]  # `leg` is the old name, with the same value
        self._degraded = Counter(
            "degraded", "Conversations that entered degraded mode, by component.", by_component, registry=registry
        )
        self._recovered = Counter(
            "recovered", "Conversations that left degraded mode, by component.", by_component, registry=registry
        )
        self._rate_limits = Counter(
            "rate_limits", "Refusals by a rate or capacity limit.", ["limit"], registry=registry
        )

    def message_observer(self, door: str) -> Callable[[float], None]:
        """Return a function that records the seconds of one message; the label is looked up only once."""
        return self._messages.labels(listed(door, DOORS)).observe

    def tts_failover(self) -> None:
        """Speech failed over to another engine."""
        self._tts_degraded.inc()

    def connections(self, door: str, change: int) -> None:
        """Connections were opened (positive) or closed (negative)."""
        self._connections.labels(listed(door, DOORS)).inc(change)

    def queue_depth(self, queue: str, jobs: int) -> None:
        """Set the number of waiting jobs; queue names never come from a client."""
        self._depth.labels(queue).set(jobs)

    def watch_queue(self, queue: str, depth: Callable[[], int]) -> None:
        """Read the depth of a queue from ``depth`` at every scrape."""
        self._depth.labels(queue).set_function(depth)

    def worker_utilization(self, queue: str, share: float) -> None:
        """Set the share of the worker's slots in use."""
        self._utilization.labels(queue).set(share)

    def circuit(self, endpoint: str, is_open: bool) -> None:
        """Set whether the circuit of an endpoint is open; names come from the settings, never from a client."""
        self._circuits.labels(endpoint).set(is_open)

    def service(self, endpoint: str, is_up: bool) -> None:
        """Set the result of a health check; endpoint names come from the settings, never from a client."""
        self._services.labels(endpoint).set(is_up)

    def mirror_dropped(self, messages: int) -> None:
        """The mirror dropped messages."""
        self._mirror_dropped.inc(messages)

    def redis_memory(self, share: float) -> None:
        """Set the share of Redis' memory in use."""
        self._redis_memory.set(share)

    def request(self, door: str, outcome: str) -> None:
        """A request was answered."""
        self._requests.labels(listed(door, DOORS), listed(outcome, OUTCOMES)).inc()

    def error(self, area: str, error_type: str) -> None:
        """An error occurred; ``error_type`` is its `AntiphonError.type`."""
        self._errors.labels(listed(area, AREAS), listed(error_type, ERROR_TYPES)).inc()

    def engine_failure(self) -> None:
        """An engine failed outside of a job or request."""
        self.error("provider", "api_error")

    def component(self, component: str, *, is_down: bool) -> None:
        """A conversation lost a component, or recovered it."""
        name = listed(component, COMPONENTS)
        (self._degraded if is_down else self._recovered).labels(name, name).inc()

    def rate_limited(self, limit: str) -> None:
        """A limit refused a request."""
        self._rate_limits.labels(listed(limit, LIMITS)).inc()

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)
