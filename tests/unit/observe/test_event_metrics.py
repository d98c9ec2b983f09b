"""The metrics of events, by log and group."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from antiphon.observe.event_metrics import ConsumerMetrics, RelayMetrics


def test_the_relay_shows_what_waits_and_how_old_it_is() -> None:
    registry = CollectorRegistry()
    metrics = RelayMetrics(registry)
    metrics.outbox("events.ltm", 3, 1.5)
    metrics.group("events.ltm", "ltm-workers", 4, 2, 9.0)
    metrics.published("events.ltm", 5)
    log = {"log": "events.ltm"}
    group = {**log, "group": "ltm-workers"}
    assert registry.get_sample_value("outbox_undelivered", log) == 3
    assert registry.get_sample_value("outbox_oldest_seconds", log) == 1.5
    assert registry.get_sample_value("event_group_unread", group) == 4
    assert registry.get_sample_value("event_group_pending", group) == 2
    assert registry.get_sample_value("event_group_oldest_seconds", group) == 9
    assert registry.get_sample_value("events_published_total", log) == 5


def test_consumers_count_by_group() -> None:
    registry = CollectorRegistry()
    metrics = ConsumerMetrics(registry)
    metrics.processed("webhooks", 3)
    metrics.failed("webhooks")
    metrics.dead("webhooks")
    group = {"group": "webhooks"}
    for name, count in (("events_processed", 3), ("events_failed", 1), ("events_dead", 1)):
        assert registry.get_sample_value(f"{name}_total", group) == count
