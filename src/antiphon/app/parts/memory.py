"""The long-term memory: what users said in one session is known in the next."""

from __future__ import annotations

from antiphon.app.part import Added, Part, Workload
from antiphon.app.services import Services
from antiphon.entities.events import LTM, LTM_WORKERS

_JOBS_AT_ONCE = 4


def _door(services: Services) -> Added:
    from antiphon.doors.http.route import bound
    from antiphon.doors.memory.routes import ROUTES, MemoryServices
    from antiphon.store.memories import SqlMemories

    return Added(routes=bound(ROUTES, MemoryServices(services.jobs, SqlMemories(services.rows.store, services.clock))))


def _work(services: Services) -> Added:
    from antiphon.app.consumers import consumer
    from antiphon.store.memories import SqlMemories
    from antiphon.workers.remember import Rememberer

    rememberer = Rememberer(
        services.engines.embedding, SqlMemories(services.rows.store, services.clock), services.clock
    )
    return Added(
        work=(
            Workload("recall", rememberer.recall, _JOBS_AT_ONCE),
            Workload("memorize", rememberer.memorize, _JOBS_AT_ONCE),
        ),
        tasks={"remember events": consumer(services, LTM, LTM_WORKERS, rememberer)},
    )


PART = Part(adds={"gateway": _door, "remember": _work}, engines={"remember": "embedding"})
