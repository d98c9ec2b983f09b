"""The long-term memory: what users said in one session is known in the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from antiphon.app.part import Added, Part, Workload
from antiphon.app.services import Services
from antiphon.entities.events import LTM, LTM_WORKERS

if TYPE_CHECKING:  # a process imports only the code of its own roles
    from antiphon.store.memories import SqlMemories

_JOBS_AT_ONCE = 4


def make_memories(services: Services) -> SqlMemories:
    """Return the memories; see `Services.once`: they hold a cache."""
    from antiphon.store.memories import SqlMemories

    return SqlMemories(services.rows.store, services.clock)


def _door(services: Services) -> Added:
    from antiphon.doors.http.route import bound
    from antiphon.doors.memory.routes import ROUTES, MemoryServices

    return Added(routes=bound(ROUTES, MemoryServices(services.jobs, services.once(make_memories))))


def _work(services: Services) -> Added:
    from antiphon.app.consumers import consumer
    from antiphon.workers.remember import Rememberer

    rememberer = Rememberer(services.engines.embedding, services.once(make_memories), services.clock)
    return Added(
        work=(
            Workload("recall", rememberer.recall, _JOBS_AT_ONCE),
            Workload("memorize", rememberer.memorize, _JOBS_AT_ONCE),
        ),
        tasks={"remember events": consumer(services, LTM, LTM_WORKERS, rememberer)},
    )


PART = Part(adds={"gateway": _door, "remember": _work}, engines={"remember": "embedding"})
