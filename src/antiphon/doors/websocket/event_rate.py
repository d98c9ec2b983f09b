"""A guard against floods: who sends too many events a second is held back, and loses none."""

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
        """Count an event, and wait for the next second where this one has had its share."""
        now = self._clock.now()
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        self._count += 1
        if self._count > self._most:
            await asyncio.sleep(1 - now % 1)
