"""The history in a fleet: rows go through a queue to the workers that write them."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon import ids
from antiphon.entities.history import StoredItem
from antiphon.ports.bus import Bus
from antiphon.ports.store import Store
from antiphon.wire.jobs import Job, Persist


class QueuedStore:
    """Writes through the queue ``persist``, and reads from the database, which may lag behind.

    `record` returns once the rows are in the queue: they survive this process, and a worker that dies while writing.
    """

    def __init__(self, bus: Bus, database: Store) -> None:
        self._bus = bus
        self._database = database

    async def start(self) -> None:
        """Open the database."""
        await self._database.start()

    async def record(self, rows: Sequence[StoredItem]) -> None:
        """Queue rows. Raises `Overloaded`, `ProviderUnavailable`."""
        job_id = ids.new_id("rows")
        await self._bus.submit(Job(job_id, "persist", Persist(tuple(rows)), output=f"antiphon:persist:{job_id}"))

    async def items(
        self, tenant: str, session_id: str, *, limit: int = 100, before: int | None = None
    ) -> list[StoredItem]:
        """Return the newest items that are not deleted, oldest first."""
        return await self._database.items(tenant, session_id, limit=limit, before=before)

    async def check(self) -> None:
        """Look at the database. Raises `ProviderBusy`, `ProviderUnavailable`."""
        await self._database.check()

    async def close(self) -> None:
        """Close the database; idempotent."""
        await self._database.close()
