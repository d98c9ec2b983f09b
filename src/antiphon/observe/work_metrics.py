"""What is measured of kinds of work: each kind has its own, so that a process shows what it does and nothing else."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from antiphon.observe.metrics import OUTCOMES, WORK_BUCKETS, listed


class WorkMetrics:
    """How long jobs of one kind take, by their outcome."""

    def __init__(self, registry: CollectorRegistry, name: str, text: str) -> None:
        self._seconds = Histogram(name, text, ["outcome"], registry=registry, buckets=WORK_BUCKETS)

    def done(self, outcome: str, seconds: float) -> None:
        """One job ended after so long."""
        self._seconds.labels(listed(outcome, OUTCOMES)).observe(seconds)


class TranscriptionMetrics(WorkMetrics):
    """Of transcribe jobs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry, "stt_transcription", "Seconds of one transcription job.")
        self._ended = {
            "done": Counter("transcription_success", "Transcriptions that were made.", registry=registry),
            "failed": Counter("transcription_error", "Transcriptions that failed for good.", registry=registry),
        }

    def done(self, outcome: str, seconds: float) -> None:
        """One job ended after so long."""
        super().done(outcome, seconds)
        if outcome in self._ended:
            self._ended[outcome].inc()


class AnswerMetrics(WorkMetrics):
    """Of respond jobs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry, "llm_generation", "Seconds of one answer of a language model.")


class SpeechMetrics(WorkMetrics):
    """Of speak jobs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry, "tts_synthesis", "Seconds of one speech job.")
        self._cancelled = Counter("tts_cancelled", "Speech jobs that were broken off.", registry=registry)

    def done(self, outcome: str, seconds: float) -> None:
        """One job ended after so long."""
        super().done(outcome, seconds)
        if outcome == "cancelled":
            self._cancelled.inc()
