"""LLM answers as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antiphon.app.part import Added, Part, Workload
from antiphon.app.services import Services


def _work(services: Services) -> Added:
    from antiphon.observe.work_metrics import AnswerMetrics
    from antiphon.workers.recall import TimelyRecall
    from antiphon.workers.respond import Responder

    engine = services.engines.llm
    slots = services.slots(engine, services.settings.llm_workers)
    measure = services.measures(AnswerMetrics).done
    return Added(
        work=(Workload("respond", Responder(engine, TimelyRecall(services.jobs)).handle, slots, measure=measure),)
    )


def _metrics() -> Sequence[Any]:
    from antiphon.observe.work_metrics import AnswerMetrics

    return (AnswerMetrics,)


PART = Part(adds={"respond": _work}, engines={"respond": "llm"}, metrics=_metrics)
