"""Metrics of analytics have a series for every latency, and none per tenant."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from antiphon.entities.analytics import COUNTERS, LATENCY_NAMES
from antiphon.observe.analytics_metrics import AnalyticsMetrics


def test_every_latency_is_a_histogram_without_labels() -> None:
    registry = CollectorRegistry()
    metrics = AnalyticsMetrics(registry)
    for name in LATENCY_NAMES:
        metrics.took(name, 120)
        assert registry.get_sample_value(f"{name}_sum") == 120.0
        assert registry.get_sample_value(f"{name}_bucket", {"le": "100.0"}) == 0.0


def test_counters_have_the_names_of_analytics() -> None:
    registry = CollectorRegistry()
    metrics = AnalyticsMetrics(registry)
    for name in COUNTERS:
        metrics.counted(name, 2.0)
    exported = {name for name in COUNTERS if registry.get_sample_value(name) == 2.0}
    assert exported == {
        "tokens_total",
        "ingest_connects_total",
        "ingest_disconnects_total",
        "ingest_errors_total",
        "provider_retries_total",
    }
