"""Limits the events of a connection per second: further ones are delayed, none is lost."""

from __future__ import annotations

import asyncio

from antiphon.clock import Clock


class EventRateLimiter:
    """Counts the events of one connection, second by second."""

    __slots__ = ("_clock", "_count", "_most", "_second")

    def __init__(self, clock: Clock, events_per_s: int) -> None:
        self._clock = clock
        self._most = events_per_s
        self._second = 0
        self._count = 0

    async def hold(self) -> None:
        """Count an event, and wait for the next second when this one is used up."""
        now = self._clock.now()
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        self._count += 1
        if self._count > self._most:
            await asyncio.sleep(1 - now % 1)
