"""Metrics of webhooks."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from antiphon.observe.webhook_metrics import WebhookMetrics


def test_attempts_and_events_are_counted_by_their_result() -> None:
    registry = CollectorRegistry()
    metrics = WebhookMetrics(registry)
    metrics.attempted("delivered", 0.5)
    metrics.attempted("busy")
    metrics.done("ignored", 3)
    metrics.done("dead")
    assert registry.get_sample_value("webhook_attempts_total", {"result": "delivered"}) == 1.0
    assert registry.get_sample_value("webhook_attempts_total", {"result": "busy"}) == 1.0
    assert registry.get_sample_value("webhook_attempt_seconds_count") == 1.0
    assert registry.get_sample_value("webhook_attempt_seconds_sum") == 0.5
    assert registry.get_sample_value("webhook_events_total", {"result": "ignored"}) == 3.0
    assert registry.get_sample_value("webhook_events_total", {"result": "dead"}) == 1.0
