"""Metrics per kind of work: a process exports only those of the work it does."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from antiphon.observe.metrics import OUTCOMES, WORK_BUCKETS, listed


class WorkMetrics:
    """Duration of jobs of one kind, by outcome."""

    def __init__(self, registry: CollectorRegistry, name: str, text: str) -> None:
        self._seconds = Histogram(name, text, ["outcome"], registry=registry, buckets=WORK_BUCKETS)

    def done(self, outcome: str, seconds: float) -> None:
        """A job ended after ``seconds``."""
        self._seconds.labels(listed(outcome, OUTCOMES)).observe(seconds)


class TranscriptionMetrics(WorkMetrics):
    """Metrics of transcribe jobs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry, "stt_transcription", "Seconds of one transcription job.")
        self._ended = {
            "done": Counter("transcription_success", "Transcriptions that succeeded.", registry=registry),
            "failed": Counter(
                "transcription_error", "Transcriptions that failed and were not retried.", registry=registry
            ),
        }

    def done(self, outcome: str, seconds: float) -> None:
        """A job ended after ``seconds``."""
        super().done(outcome, seconds)
        if outcome in self._ended:
            self._ended[outcome].inc()


class AnswerMetrics(WorkMetrics):
    """Metrics of respond jobs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry, "llm_generation", "Seconds of one LLM answer.")


class SpeechMetrics(WorkMetrics):
    """Metrics of speak jobs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry, "tts_synthesis", "Seconds of one speech job.")
        self._cancelled = Counter("tts_cancelled", "Speech jobs that were cancelled.", registry=registry)

    def done(self, outcome: str, seconds: float) -> None:
        """A job ended after ``seconds``."""
        super().done(outcome, seconds)
        if outcome == "cancelled":
            self._cancelled.inc()
