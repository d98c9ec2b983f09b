"""Slots that are shared fairly: no caller can block the others."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from antiphon.errors import Overloaded


class FairSlots:
    """Slots for work, assigned to callers in turn.

    One caller holds at most all slots but one, so that another caller never waits for work of the first alone.
    ``most_waiting`` requests of one caller may wait, each for ``wait_s``. Errors call a slot by its ``name``.
    """

    def __init__(self, name: str, places: int, *, wait_s: float, most_waiting: int) -> None:
        self._name = name
        self._free = places
        self._most_of_one = max(1, places - 1)
        self._wait_s = wait_s
        self._most_waiting = most_waiting
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Callers in the order of their turns."""

    @asynccontextmanager
    async def place(self, caller: str) -> AsyncGenerator[None]:
        """Hold a slot as long as the context lasts. Raises `Overloaded` when none is free in time."""
        await self._take(caller)
        try:
            yield
        finally:
            self._give_back(caller)

    async def _take(self, caller: str) -> None:
        waiting = self._waiting.setdefault(caller, deque())
        if len(waiting) >= self._most_waiting:
            raise Overloaded(f"Too many of your requests wait for a {self._name}; try again soon.")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        self._next()
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it was assigned in the same moment
                self._give_back(caller)
            else:
                self._forget(caller, turn)
            if isinstance(error, TimeoutError):
                raise Overloaded(f"No {self._name} came free in time; try again soon.") from error
            raise

    def _forget(self, caller: str, turn: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(caller, deque())
        with suppress(ValueError):  # `_next` has removed it
            waiting.remove(turn)
        if not waiting:
            self._waiting.pop(caller, None)

    def _give_back(self, caller: str) -> None:
        self._free += 1
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        if caller in self._waiting:
            self._waiting[caller] = self._waiting.pop(caller)  # the caller's next turn is after all others
        self._next()

    def _next(self) -> None:
        """Assign free slots to the callers whose turn it is."""
        while self._free and (caller := self._whose_turn()) is not None:
            waiting = self._waiting.pop(caller)
            turn = waiting.popleft()
            if waiting:
                self._waiting[caller] = waiting
            if turn.done():  # cancelled, and its task has not run since
                continue
            self._free -= 1
            self._held[caller] += 1
            turn.set_result(None)

    def _whose_turn(self) -> str | None:
        return next((caller for caller in self._waiting if self._held[caller] < self._most_of_one), None)
