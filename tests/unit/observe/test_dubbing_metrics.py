"""Metrics of dubbing: what is counted of a stream, and that its series end with it."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from antiphon.observe.dubbing_metrics import DubbingMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> DubbingMetrics:
    return DubbingMetrics(registry)


def test_a_delivery_counts_its_stages_and_the_time_outside_of_them(
    registry: CollectorRegistry, metrics: DubbingMetrics
) -> None:
    metrics.delivered("s", "success", 2.0, {"asr": 500, "tts": 250})
    assert registry.get_sample_value("ws_fragments_processed_total", {"stream_id": "s", "status": "success"}) == 1.0
    assert registry.get_sample_value("sts_asr_duration_seconds_sum") == 0.5
    assert registry.get_sample_value("sts_translation_duration_seconds_count") == 0.0
    assert registry.get_sample_value("ws_fragment_processing_ms_sum", {"stage": "tts"}) == 250.0
    assert registry.get_sample_value("ws_queue_wait_time_ms_sum", {"stream_id": "s"}) == 1250.0


def test_stages_that_overlap_leave_no_negative_wait(registry: CollectorRegistry, metrics: DubbingMetrics) -> None:
    metrics.delivered("s", "success", 0.5, {"asr": 400, "tts": 400})
    assert registry.get_sample_value("ws_queue_wait_time_ms_sum", {"stream_id": "s"}) == 0.0


def test_failures_refusals_and_workers_are_counted(registry: CollectorRegistry, metrics: DubbingMetrics) -> None:
    metrics.failed("s", "asr", "TIMEOUT")
    metrics.refused("s", "RATE_LIMIT")
    metrics.connected(accepted=True)
    metrics.connected(accepted=False)
    metrics.connected(accepted=False)
    failed = {"stream_id": "s", "stage": "asr", "error_code": "TIMEOUT"}
    assert registry.get_sample_value("sts_fragment_errors_total", failed) == 1.0
    assert registry.get_sample_value("ws_errors_total", {"stream_id": "s", "error_code": "RATE_LIMIT"}) == 1.0
    assert registry.get_sample_value("ws_connections_total", {"status": "accepted"}) == 1.0
    assert registry.get_sample_value("ws_connections_total", {"status": "refused"}) == 2.0


def test_connections_and_streams_are_asked_for_at_every_scrape(
    registry: CollectorRegistry, metrics: DubbingMetrics
) -> None:
    streams = [2, 2]
    metrics.watch(lambda: 4, lambda: len(streams))
    assert registry.get_sample_value("ws_active_streams") == 2.0
    streams.append(1)
    assert registry.get_sample_value("ws_active_streams") == 3.0
    assert registry.get_sample_value("sts_sessions_active") == 3.0


def test_the_series_of_a_stream_end_with_it_and_those_of_others_stay(
    registry: CollectorRegistry, metrics: DubbingMetrics
) -> None:
    for stream in ("gone", "here"):
        metrics.delivered(stream, "success", 1.0, {"asr": 100})
        metrics.failed(stream, "tts", "TIMEOUT")
        metrics.refused(stream, "QUEUE_FULL")
        metrics.in_flight(stream, 3, 2)
    metrics.forget("gone")
    streams = {
        sample.labels["stream_id"]
        for family in registry.collect()
        for sample in family.samples
        if "stream_id" in sample.labels
    }
    assert streams == {"here"}
    assert registry.get_sample_value("sts_fragments_in_flight", {"stream_id": "here"}) == 3.0
    assert registry.get_sample_value("ws_queue_depth", {"stream_id": "here"}) == 2.0


def test_gauges_of_a_gpu_are_there_without_one(registry: CollectorRegistry, metrics: DubbingMetrics) -> None:
    metrics.connected(accepted=True)
    assert registry.get_sample_value("sts_gpu_utilization_percent") == 0.0
    assert registry.get_sample_value("sts_gpu_memory_used_bytes") == 0.0
