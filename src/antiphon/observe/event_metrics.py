"""Metrics of the outbox, of the event logs and of their consumers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class RelayMetrics:
    """What the relay sees of the outbox and of the logs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._undelivered = Gauge(
            "outbox_undelivered", "Events of the outbox that no log has yet.", ["log"], registry=registry
        )
        self._oldest = Gauge(
            "outbox_oldest_seconds", "Age of the oldest undelivered event.", ["log"], registry=registry
        )
        labels = ["log", "group"]
        self._unread = Gauge("event_group_unread", "Events that a group has not taken.", labels, registry=registry)
        self._pending = Gauge(
            "event_group_pending", "Events that a group has not acknowledged.", labels, registry=registry
        )
        self._age = Gauge(
            "event_group_oldest_seconds", "Age of the oldest event not acknowledged.", labels, registry=registry
        )
        self._published = Counter("events_published", "Events that logs have taken.", ["log"], registry=registry)

    def outbox(self, log: str, count: int, oldest_s: float) -> None:
        """The undelivered events of a log were counted."""
        self._undelivered.labels(log).set(count)
        self._oldest.labels(log).set(oldest_s)

    def group(self, log: str, group: str, unread: int, pending: int, oldest_s: float) -> None:
        """The lag of a group was read."""
        self._unread.labels(log, group).set(unread)
        self._pending.labels(log, group).set(pending)
        self._age.labels(log, group).set(oldest_s)

    def published(self, log: str, count: int) -> None:
        """A log has taken events."""
        self._published.labels(log).inc(count)


class ConsumerMetrics:
    """What consumers of events do."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["group"]
        self._processed = Counter("events_processed", "Events that a group has processed.", labels, registry=registry)
        self._failed = Counter("events_failed", "Failures of a group to process events.", labels, registry=registry)
        self._dead = Counter("events_dead", "Events that a group could not process.", labels, registry=registry)

    def processed(self, group: str, count: int) -> None:
        """Events were processed."""
        self._processed.labels(group).inc(count)

    def failed(self, group: str) -> None:
        """Events could not be processed now."""
        self._failed.labels(group).inc()

    def dead(self, group: str) -> None:
        """An event was moved to the dead ones."""
        self._dead.labels(group).inc()
