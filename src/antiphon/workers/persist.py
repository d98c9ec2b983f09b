"""The persist worker: writes rows of the history."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from antiphon.entities.history import StoredItem
from antiphon.ports.bus import Bus
from antiphon.wire.jobs import Job, Persist
from antiphon.workers.loop import Emit
from antiphon.workers.work import work_of


class Persister:
    """Handles ``persist`` jobs. A job ends when its rows are on disk, however long the database fails."""

    def __init__(self, write: Callable[[Sequence[StoredItem]], Awaitable[None]]) -> None:
        """``write`` returns when rows are on disk, or were permanently refused."""
        self._write = write

    async def handle(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Write the job's rows."""
        del emit, bus
        await self._write(work_of(job, Persist).items)
