"""The history in a fleet: rows go through a queue to the workers that write them."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon import ids
from antiphon.entities.history import Unit
from antiphon.ports.bus import Bus
from antiphon.wire.jobs import Job, Record


class QueuedRecorder:
    """A `Recorder` that writes through the queue ``record``.

    `record` returns once the rows are in the queue: they survive this process, and a worker that dies while writing.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def record(self, units: Sequence[Unit]) -> None:
        """Queue units. Raises `Overloaded`, `ProviderUnavailable`."""
        job_id = ids.new_id("rows")
        await self._bus.submit(Job(job_id, "record", Record(tuple(units)), output=f"antiphon:persist:{job_id}"))
