"""Who may use what only so many can use at a time: those whose work has the highest priority, then the oldest."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from itertools import count

from antiphon.entities.priority import LIVE

priority: ContextVar[int] = ContextVar("priority", default=LIVE)
"""How soon the work under way is needed; the worker loop sets it to that of the job."""


class PrioritySemaphore:
    """Room for so many calls at a time; those that wait have no deadline but that of their caller.

    A long piece of work takes a turn for each of its steps: then what is more urgent waits for one step at the most.
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
            else:  # it came in the same moment
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
