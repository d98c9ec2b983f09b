"""The speak part: text to speech as jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.app.roles import all_parts
from antiphon.observe.work_metrics import SpeechMetrics
from tests.unit.app.stage import added_by, services_of


@pytest.mark.parametrize(("tts_workers", "service_calls", "slots"), [(4, 64, 64), (100, 64, 100), (2, 1, 2)])
async def test_a_speak_job_may_wait_for_its_answer_without_keeping_others_from_a_slot(
    tmp_path: Path, tts_workers: int, service_calls: int, slots: int
) -> None:
    async with services_of(tmp_path, tts_workers=tts_workers, service_calls=service_calls) as services:
        (work,) = added_by("speak", "speak", services).work
        work.measure("cancelled", 0.5)
        cancelled = services.metrics.registry.get_sample_value("tts_cancelled_total")
    assert (work.queue, work.slots, cancelled) == ("speak", slots, 1.0)


def test_its_process_loads_the_tts_engine_and_the_reference_knows_its_metrics() -> None:
    part = all_parts()["speak"]
    assert part.engines == {"speak": "tts"}
    assert tuple(part.metrics()) == (SpeechMetrics,)
