"""Events from the outbox of the database to their logs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from antiphon.app.part import Added, Part
from antiphon.app.services import Services
from antiphon.entities.events import ANALYTICS, LTM


def _work(services: Services) -> Added:
    from antiphon.observe.event_metrics import RelayMetrics
    from antiphon.workers.relay import Relay

    if services.outbox is None:
        return Added()
    relay = Relay(services.outbox, services.event_logs, services.measures(RelayMetrics))
    tasks = {f"relay {log}": partial(relay.run, log) for log in (LTM, ANALYTICS)}
    return Added(tasks={**tasks, "lag of events": relay.watch})


def _metrics() -> Sequence[Any]:
    from antiphon.observe.event_metrics import ConsumerMetrics, RelayMetrics

    return (RelayMetrics, ConsumerMetrics)


PART = Part(
    adds={"relay": _work},
    metrics=_metrics,
    commands={"events": ("antiphon.cli.events:events", "Show events, dead ones, and the lag of consumers.")},
)
