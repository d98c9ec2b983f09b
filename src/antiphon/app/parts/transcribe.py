"""Speech to text as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antiphon.app.part import Added, Part, Workload
from antiphon.app.services import Services

_RECORDINGS = 4
"""Concurrent recordings per utterance slot: they take turns, so that a long one delays no other."""


def _work(services: Services) -> Added:
    from antiphon.observe.work_metrics import TranscriptionMetrics
    from antiphon.workers.transcribe import Transcriber

    settings, engine = services.settings, services.engines.stt
    work = Workload(
        "transcribe",
        Transcriber(engine).handle,
        slots=services.slots(engine, settings.stt_workers),
        patient_slots=services.slots(engine, settings.stt_workers * _RECORDINGS),
        measure=services.measures(TranscriptionMetrics).done,
    )
    return Added(work=(work,))


def _metrics() -> Sequence[Any]:
    from antiphon.observe.work_metrics import TranscriptionMetrics

    return (TranscriptionMetrics,)


PART = Part(adds={"transcribe": _work}, engines={"transcribe": "stt"}, metrics=_metrics)
