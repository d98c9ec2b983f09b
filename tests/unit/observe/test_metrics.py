from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from antiphon.observe.metrics import DOORS, Metrics
from antiphon.observe.work_metrics import AnswerMetrics, SpeechMetrics, TranscriptionMetrics


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def filled() -> Metrics:
    metrics = Metrics()
    metrics.message_observer("realtime")(0.002)
    for kind in (TranscriptionMetrics, SpeechMetrics, AnswerMetrics):
        kind(metrics.registry).done("done", 0.3)
    metrics.connections("realtime", 1)
    metrics.queue_depth("speak", 4)
    metrics.worker_utilization("speak", 0.5)
    metrics.circuit("llm:openai", is_open=True)
    metrics.request("speech", "done")
    metrics.error("worker", "api_error")
    metrics.rate_limited("requests")
    return metrics


def test_the_stable_names_are_there() -> None:
    families = {family.name: family.type for family in text_string_to_metric_families(filled().render().decode())}
    expected = {
        "websocket_message_processing": "histogram",
        "stt_transcription": "histogram",
        "tts_synthesis": "histogram",
        "llm_generation": "histogram",
        "active_connections": "gauge",
        "queue_depth": "gauge",
        "worker_utilization": "gauge",
        "circuit_open": "gauge",
        "transcription_success": "counter",
        "transcription_error": "counter",
        "requests": "counter",
        "errors": "counter",
        "rate_limits": "counter",
    }
    assert expected.items() <= families.items()
    assert b"requests_total{" in filled().render()
    assert b"errors_total{" in filled().render()
    assert b"rate_limits_total{" in filled().render()


def test_what_is_counted_is_shown() -> None:
    metrics = filled()
    assert sample(metrics, "websocket_message_processing_count", door="realtime") == 1.0
    assert sample(metrics, "stt_transcription_sum", outcome="done") == pytest.approx(0.3)
    assert sample(metrics, "queue_depth", queue="speak") == 4.0
    assert sample(metrics, "worker_utilization", queue="speak") == 0.5
    assert sample(metrics, "circuit_open", endpoint="llm:openai") == 1.0
    metrics.circuit("llm:openai", is_open=False)
    assert sample(metrics, "circuit_open", endpoint="llm:openai") == 0.0
    metrics.connections("realtime", -1)
    assert sample(metrics, "active_connections", door="realtime") == 0.0


def test_no_caller_can_make_new_time_series() -> None:
    metrics = Metrics()
    speech = SpeechMetrics(metrics.registry)
    for number in range(1000):
        odd = f"made-up-{number}"
        metrics.message_observer(odd)(0.1)
        speech.done(odd, 0.1)
        metrics.connections(odd, 1)
        metrics.request(odd, odd)
        metrics.error(odd, odd)
        metrics.rate_limited(odd)
    text = metrics.render().decode()
    assert "made-up" not in text
    assert len(text.splitlines()) < 250
    assert sample(metrics, "errors_total", area="other", type="other") == 1000.0


def test_two_sets_do_not_share_anything() -> None:
    first, second = Metrics(), Metrics()
    first.error("worker", "api_error")
    assert sample(second, "errors_total", area="worker", type="api_error") is None


def test_the_lists_of_labels_are_short() -> None:
    assert len(DOORS) <= 10
