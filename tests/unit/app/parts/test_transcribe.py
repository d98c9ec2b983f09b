"""The transcribe part: speech to text as jobs."""

from __future__ import annotations

from pathlib import Path

from antiphon.app.roles import all_parts
from antiphon.observe.work_metrics import TranscriptionMetrics
from tests.unit.app.stage import added_by, services_of


async def test_recordings_have_slots_of_their_own_beside_those_of_utterances(tmp_path: Path) -> None:
    async with services_of(tmp_path, stt_workers=2) as services:
        (work,) = added_by("transcribe", "transcribe", services).work
        work.measure("failed", 0.5)
        failed = services.metrics.registry.get_sample_value("transcription_error_total")
    assert (work.queue, work.slots, work.patient_slots, failed) == ("transcribe", 2, 8, 1.0)


def test_its_process_loads_the_stt_engine_and_the_reference_knows_its_metrics() -> None:
    part = all_parts()["transcribe"]
    assert part.engines == {"transcribe": "stt"}
    assert tuple(part.metrics()) == (TranscriptionMetrics,)
