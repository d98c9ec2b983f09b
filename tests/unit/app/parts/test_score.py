"""The score part: end-of-turn scoring as jobs."""

from __future__ import annotations

from pathlib import Path

from antiphon.app.roles import all_parts
from tests.unit.app.stage import added_by, services_of


async def test_a_local_engine_works_on_one_job_at_a_time(tmp_path: Path) -> None:
    async with services_of(tmp_path, service_calls=64) as services:
        (work,) = added_by("score", "score", services).work
    assert (work.queue, work.slots) == ("score", 1)


def test_its_process_loads_its_engine_and_no_gateway_has_it() -> None:
    part = all_parts()["score"]
    assert part.engines == {"score": "end_of_turn"}
    assert set(part.adds) == {"score"}
