"""Each kind of work has its own metrics, by outcome."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from antiphon.observe.work_metrics import AnswerMetrics, SpeechMetrics, TranscriptionMetrics, WorkMetrics


@pytest.mark.parametrize(("kind", "name"), [
    (TranscriptionMetrics, "stt_transcription"),
    (AnswerMetrics, "llm_generation"),
    (SpeechMetrics, "tts_synthesis"),
])  # fmt: skip
def test_seconds_are_counted_by_outcome(kind: type[TranscriptionMetrics], name: str) -> None:
    registry = CollectorRegistry()
    metrics = kind(registry)
    metrics.done("done", 0.25)
    metrics.done("done", 0.5)
    metrics.done("failed", 1.0)
    assert registry.get_sample_value(f"{name}_sum", {"outcome": "done"}) == 0.75
    assert registry.get_sample_value(f"{name}_count", {"outcome": "failed"}) == 1.0


def test_an_unknown_outcome_makes_no_series_of_its_own() -> None:
    registry = CollectorRegistry()
    WorkMetrics(registry, "work", "Seconds.").done("surprise", 1.0)
    assert registry.get_sample_value("work_count", {"outcome": "other"}) == 1.0
    assert registry.get_sample_value("work_count", {"outcome": "surprise"}) is None


@pytest.mark.parametrize(("outcome", "success", "error"), [
    ("done", 1.0, 0.0),
    ("failed", 0.0, 1.0),
    ("retried", 0.0, 0.0),
    ("cancelled", 0.0, 0.0),
])  # fmt: skip
def test_only_final_outcomes_of_transcriptions_are_counted(outcome: str, success: float, error: float) -> None:
    registry = CollectorRegistry()
    TranscriptionMetrics(registry).done(outcome, 0.1)
    assert registry.get_sample_value("transcription_success_total") == success
    assert registry.get_sample_value("transcription_error_total") == error


def test_only_cancelled_speech_counts_as_cancelled() -> None:
    registry = CollectorRegistry()
    metrics = SpeechMetrics(registry)
    for outcome in ("done", "failed", "cancelled"):
        metrics.done(outcome, 0.1)
    assert registry.get_sample_value("tts_cancelled_total") == 1.0
