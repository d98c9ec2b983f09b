"""Wake-ups between processes: one subscription a process, for all that wait in it.

A wake-up says "look again" and nothing else. It may be doubled, and lost while Redis is away: whoever waits looks by
itself every so often, and after every reconnect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from antiphon.connections.redis import RedisConnection

CANCELS = "antiphon:cancels"
"""Channel with the ids of jobs that are cancelled."""


def queue_channel(queue: str) -> str:
    """Return the channel that tells of jobs in ``queue``."""
    return f"antiphon:queue:{queue}"


class Wakeups:
    """What one process is told."""

    def __init__(self, connection: RedisConnection, name: str, queues: tuple[str, ...]) -> None:
        self.name = name
        """Channel of this process; the messages are names of pipes."""
        self._connection = connection
        self._channels = (name, CANCELS, *(queue_channel(queue) for queue in queues))
        self._waiting: dict[tuple[str, str], set[asyncio.Event]] = {}

    @contextmanager
    def watch(self, channel: str, message: str = "") -> Generator[asyncio.Event]:
        """Give an event that is set whenever ``message`` comes through ``channel``, and after every reconnect."""
        event = asyncio.Event()
        events = self._waiting.setdefault((channel, message), set())
        events.add(event)
        try:
            yield event
        finally:
            events.discard(event)
            if not events:
                self._waiting.pop((channel, message), None)

    async def run(self, subscribed: asyncio.Event) -> None:
        """Listen, endlessly; ``subscribed`` is set as soon as nothing can be missed."""
        async for heard in self._connection.listen(self._channels):
            if heard is None:
                subscribed.set()
                self.wake_all()
            else:
                for event in self._waiting.get(heard, ()):
                    event.set()

    def wake_all(self) -> None:
        """Let everybody look."""
        for events in self._waiting.values():
            for event in events:
                event.set()


async def woken(event: asyncio.Event, within_s: float) -> None:
    """Return when ``event`` is set, or the time is over; clears it."""
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        pass
    event.clear()
