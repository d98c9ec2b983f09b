"""End-of-turn scoring as jobs."""

from __future__ import annotations

from antiphon.app.part import Added, Part, Workload
from antiphon.app.services import Services


def _work(services: Services) -> Added:
    from antiphon.workers.score import Scorer

    engine = services.engines.end_of_turn
    return Added(work=(Workload("score", Scorer(engine).handle, services.slots(engine, 1)),))


PART = Part(adds={"score": _work}, engines={"score": "end_of_turn"})
