"""Wake-ups between processes: one subscription per process, shared by all its waiting tasks.

A wake-up only means "look again". It may come twice, or be lost while Redis is unavailable: waiting tasks therefore
also poll, and look again after every reconnect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from antiphon.connections.redis import RedisConnection

CANCELS = "antiphon:cancels"
"""Channel with the ids of cancelled jobs."""


def queue_channel(queue: str) -> str:
    """Return the channel that announces jobs in ``queue``."""
    return f"antiphon:queue:{queue}"


class Wakeups:
    """The subscription of one process, and the events that it sets."""

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
        """Listen, endlessly; ``subscribed`` is set once the subscription is in place."""
        async for message in self._connection.listen(self._channels):
            if message is None:
                subscribed.set()
                self.wake_all()
            else:
                for event in self._waiting.get(message, ()):
                    event.set()

    def wake_all(self) -> None:
        """Wake all waiting tasks."""
        for events in self._waiting.values():
            for event in events:
                event.set()


async def woken(event: asyncio.Event, within_s: float) -> None:
    """Return when ``event`` is set, or after ``within_s``; clears it."""
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        pass
    event.clear()
