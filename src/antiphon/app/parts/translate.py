"""Translation of texts as jobs."""

from __future__ import annotations

from antiphon.app.part import Added, Part, Workload
from antiphon.app.services import Services


def _work(services: Services) -> Added:
    from antiphon.workers.translate import Translator

    engine = services.engines.translation
    return Added(work=(Workload("translate", Translator(engine).handle, services.slots(engine, 1)),))


PART = Part(adds={"translate": _work}, engines={"translate": "translation"})
