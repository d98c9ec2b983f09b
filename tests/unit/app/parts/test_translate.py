"""The translate part: translation of texts as jobs."""

from __future__ import annotations

from pathlib import Path

from antiphon.app.roles import all_parts
from tests.unit.app.stage import added_by, services_of


async def test_a_local_engine_works_on_one_job_at_a_time(tmp_path: Path) -> None:
    async with services_of(tmp_path, service_calls=64) as services:
        (work,) = added_by("translate", "translate", services).work
    assert (work.queue, work.slots) == ("translate", 1)


def test_its_process_loads_its_engine_and_no_gateway_has_it() -> None:
    part = all_parts()["translate"]
    assert part.engines == {"translate": "translation"}
    assert set(part.adds) == {"translate"}
