"""Writes rows of the history to the database, for gateways that have none, and removes old ones."""

from __future__ import annotations

from antiphon.app.part import Added, Part, Workload
from antiphon.app.services import Services

_BATCHES_AT_ONCE = 8
"""Batches of rows written in one transaction."""


def _work(services: Services) -> Added:
    from antiphon.workers.persist import Persister

    rows, upkeep = services.rows, services.upkeep
    tasks = {} if upkeep is None else {"retention": upkeep.run}
    if rows.writer is rows.database:  # a single process writes without a queue
        return Added(tasks=tasks)
    persister = Persister(rows.database.write)
    return Added(
        work=(
            Workload("record", persister.record, _BATCHES_AT_ONCE),
            Workload("persist", persister.persist, _BATCHES_AT_ONCE),
        ),
        tasks=tasks,
    )


PART = Part(adds={"persist": _work})
