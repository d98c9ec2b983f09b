"""Memories for an answer, recalled in time or left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from antiphon.errors import AntiphonError
from antiphon.jobs.client import JobClient
from antiphon.observe.failures import error_fields
from antiphon.observe.tasks import TrackedTasks
from antiphon.wire.entries import MemoriesRecalled
from antiphon.wire.jobs import MemoryScope, Recall

RECALL_S = 0.15
"""How long an answer waits for memories."""
_JOB_S = 1.0
"""Timeout of the job, whose result nobody reads any more when it is late."""

_log = structlog.get_logger(__name__)


class RecallMemories(Protocol):
    """Finds memories for an answer."""

    async def __call__(self, tenant: str, scope: MemoryScope, query: str) -> Sequence[str]:
        """Return the memories of a user that are similar to ``query``; none if that takes too long or fails."""
        ...


class TimelyRecall:
    """`RecallMemories` as jobs."""

    def __init__(self, jobs: JobClient, timeout_s: float = RECALL_S) -> None:
        self._jobs = jobs
        self._timeout_s = timeout_s
        self._tasks = TrackedTasks("recall of memories")

    async def __call__(self, tenant: str, scope: MemoryScope, query: str) -> Sequence[str]:
        """Return the memories that are found in time."""
        found: list[tuple[str, ...]] = []
        await self._tasks.within(self._timeout_s, self._recall(found, tenant, scope, query))
        if not found:
            _log.warning("memories left out", tenant_id=tenant, seconds=self._timeout_s)
        return found[0] if found else ()

    async def _recall(self, found: list[tuple[str, ...]], tenant: str, scope: MemoryScope, query: str) -> None:
        work = Recall(scope=scope, query=query)
        try:
            entry = await self._jobs.result(work, MemoriesRecalled, tenant=tenant, timeout_s=_JOB_S, retries=False)
        except AntiphonError as error:
            _log.warning("recall of memories failed", tenant_id=tenant, **error_fields(error))
        else:
            found.append(tuple(one.memory.content for one in entry.found))
