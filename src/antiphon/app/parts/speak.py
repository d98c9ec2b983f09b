"""Text to speech as jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from antiphon.app.part import Added, Part, Workload
from antiphon.app.services import Services


def _work(services: Services) -> Added:
    from antiphon.observe.work_metrics import SpeechMetrics
    from antiphon.workers.speak import Speaker

    settings = services.settings
    # a speak job waits while its answer is generated; the engine itself limits concurrent sentences
    slots = max(settings.tts_workers, settings.service_calls)
    handler = Speaker(services.engines.tts, settings.realtime_delta_ms).handle
    return Added(work=(Workload("speak", handler, slots, measure=services.measures(SpeechMetrics).done),))


def _metrics() -> Sequence[Any]:
    from antiphon.observe.work_metrics import SpeechMetrics

    return (SpeechMetrics,)


PART = Part(adds={"speak": _work}, engines={"speak": "tts"}, metrics=_metrics)
