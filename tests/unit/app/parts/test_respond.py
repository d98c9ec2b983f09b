"""The respond part: LLM answers as jobs."""

from __future__ import annotations

from pathlib import Path

from antiphon.app.roles import all_parts
from antiphon.observe.work_metrics import AnswerMetrics
from tests.unit.app.stage import added_by, services_of


async def test_answers_are_generated_in_the_slots_of_the_settings_and_measured(tmp_path: Path) -> None:
    async with services_of(tmp_path, llm_workers=3) as services:
        (work,) = added_by("respond", "respond", services).work
        work.measure("done", 0.5)
        count = services.metrics.registry.get_sample_value("llm_generation_count", {"outcome": "done"})
    assert (work.queue, work.slots, count) == ("respond", 3, 1.0)


def test_its_process_loads_the_llm_and_the_reference_knows_its_metrics() -> None:
    part = all_parts()["respond"]
    assert part.engines == {"respond": "llm"}
    assert tuple(part.metrics()) == (AnswerMetrics,)
