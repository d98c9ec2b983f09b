"""Cancel flags of jobs, watched by workers. A flag may be raised before its job is submitted."""

from __future__ import annotations

import asyncio

from antiphon.bus.ttl_set import TtlSet
from antiphon.clock import Clock


class CancelFlags:
    """Flags by job id. The flag of a known job stays up until `lower`; the flag of an unknown job expires."""

    def __init__(self, clock: Clock) -> None:
        self._up: set[str] = set()
        self._early = TtlSet(clock)
        self._watchers: dict[str, list[asyncio.Future[None]]] = {}

    def raise_flag(self, job_id: str, *, known: bool) -> None:
        """Raise the flag and wake its watchers."""
        if known:
            self._up.add(job_id)
        else:
            self._early.add(job_id)
        self.wake(job_id)

    def is_up(self, job_id: str) -> bool:
        """Say whether the flag is raised."""
        return job_id in self._up or job_id in self._early

    def adopt(self, job_id: str) -> None:
        """Mark the job as known: a flag that was raised early no longer expires."""
        if self._early.discard(job_id):
            self._up.add(job_id)

    def lower(self, job_id: str) -> None:
        """Forget the flag of a job that has ended."""
        self._up.discard(job_id)

    def wake(self, job_id: str) -> None:
        """Let all watchers of the job return."""
        for future in self._watchers.pop(job_id, ()):
            if not future.done():
                future.set_result(None)

    async def wait(self, job_id: str) -> None:
        """Return as soon as the flag is up."""
        if self.is_up(job_id):
            return
        future = asyncio.get_running_loop().create_future()
        self._watchers.setdefault(job_id, []).append(future)
        try:
            await future
        finally:
            self._forget(job_id, future)

    def _forget(self, job_id: str, future: asyncio.Future[None]) -> None:
        watchers = self._watchers.get(job_id, [])
        if future in watchers:
            watchers.remove(future)
            if not watchers:
                del self._watchers[job_id]
