"""The persist worker: writes rows of the history."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from antiphon.entities.history import Unit
from antiphon.ports.bus import Bus
from antiphon.wire.jobs import Job, Persist, Record
from antiphon.workers.loop import Emit
from antiphon.workers.work import work_of


class Persister:
    """Handles jobs that write rows. A job ends when its rows are on disk, however long the database fails."""

    def __init__(self, write: Callable[[Sequence[Unit]], Awaitable[None]]) -> None:
        """``write`` returns when units are on disk, or were permanently refused."""
        self._write = write

    async def record(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Write the units of a ``record`` job."""
        del emit, bus
        await self._write(work_of(job, Record).units)

    async def persist(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Write the items of a ``persist`` job of an earlier release."""
        del emit, bus
        await self._write([Unit(items=(item,)) for item in work_of(job, Persist).items])
