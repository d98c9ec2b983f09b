"""Writes rows of the history to the database, for gateways that have none."""

from __future__ import annotations

from antiphon.app.part import Added, Part, Workload
from antiphon.app.services import Services

_BATCHES_AT_ONCE = 8
"""Batches of rows written in one transaction."""


def _work(services: Services) -> Added:
    from antiphon.workers.persist import Persister

    rows = services.rows
    if rows.writer is rows.database:  # a single process writes without a queue
        return Added()
    persister = Persister(rows.database.write)
    return Added(
        work=(
            Workload("record", persister.record, _BATCHES_AT_ONCE),
            Workload("persist", persister.persist, _BATCHES_AT_ONCE),
        )
    )


PART = Part(adds={"persist": _work})
