"""A semaphore that serves the highest priority first, then the oldest waiter."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from itertools import count

from antiphon.entities.priority import LIVE

priority: ContextVar[int] = ContextVar("priority", default=LIVE)
"""Priority of the current work; the worker loop sets it to that of the job."""


class PrioritySemaphore:
    """At most ``at_once`` turns at a time; waiting has no deadline except that of the caller.

    Long work takes a turn for each of its steps, so that more urgent work waits for one step at most.
    """

    def __init__(self, at_once: int) -> None:
        """``at_once`` is at least 1."""
        self._free = at_once
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._ages = count()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for the turn of `priority`, and hold it as long as the context lasts."""
        await self.take()
        try:
            yield
        finally:
            self.give_back()

    async def take(self) -> None:
        """Wait for the turn of `priority`."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = (-priority.get(), next(self._ages), turn)
        heapq.heappush(self._waiting, waiter)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(waiter)
            else:  # it was assigned in the same moment
                self.give_back()
            raise

    def give_back(self) -> None:
        """End a turn that was taken."""
        while self._waiting:
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _forget(self, waiter: tuple[int, int, asyncio.Future[None]]) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            heapq.heapify(self._waiting)
