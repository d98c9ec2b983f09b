"""The buses under test, and what the tests of all of them need. An adapter joins by a line in `ADAPTERS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest

from antiphon.bus.embedded import EmbeddedBus
from antiphon.bus.limits import PipeLimit, QueueLimit
from antiphon.bus.redis.bus import RedisBus
from antiphon.bus.redis.jobs import all_dead_letters
from antiphon.clock import SystemClock
from antiphon.connections.redis import RedisConnection
from antiphon.ports.bus import Bus, Lease
from antiphon.wire.entries import PipeEntry, TextReady
from antiphon.wire.jobs import Job, Speak

LEASE_S = 0.4
LONG_LEASE_S = 60.0
"""So long that no stall of the machine ends it."""
ATTEMPTS = 3
PIPE_ENTRIES = 8
PIPE_BYTES = 64 * 1024
QUEUES = QueueLimit(LEASE_S, ATTEMPTS)
LONG_LEASES = QueueLimit(LONG_LEASE_S, ATTEMPTS)
PIPES = PipeLimit(PIPE_BYTES, PIPE_ENTRIES)
QUIET_S = 0.1
"""So long nothing may happen where nothing is to happen."""
WOKEN_S = 0.5
"""Who waits is woken: without a wake-up an adapter would look a second after it began to wait."""


@asynccontextmanager
async def embedded(_: str, queues: QueueLimit = QUEUES, *, strict: bool) -> AsyncGenerator[EmbeddedBus]:
    bus = EmbeddedBus(SystemClock(), queues, PIPES, strict=strict)
    yield bus
    await bus.close()


@asynccontextmanager
async def redis(url: str, queues: QueueLimit = QUEUES) -> AsyncGenerator[RedisBus]:
    connection = RedisConnection(url)
    await connection.command("FLUSHDB")
    bus = RedisBus(connection, queues, PIPES)
    await bus.start()
    yield bus
    await bus.close()
    await connection.close()


AnyBus = EmbeddedBus | RedisBus
ADAPTERS: dict[str, Callable[..., AbstractAsyncContextManager[AnyBus]]] = {
    "embedded": partial(embedded, strict=False),
    "embedded-strict": partial(embedded, strict=True),
    "redis": redis,
}


async def dead(bus: AnyBus) -> list[Any]:
    """Return the dead letters."""
    return list(bus.dead_letters()) if isinstance(bus, EmbeddedBus) else await all_dead_letters(bus._connection)


def job(job_id: str, *, priority: int = 0, text: str = "hello") -> Job:
    return Job(job_id, "speak", Speak(text), f"out:{job_id}", priority=priority, session_id="s")


def words(*texts: object) -> list[TextReady]:
    return [TextReady("j", str(text)) for text in texts]


async def soon(awaitable: Awaitable[Any], within_s: float = 20.0) -> Any:
    return await asyncio.wait_for(awaitable, within_s)


async def quickest(measure: Callable[[int], Awaitable[float]], tries: int = 3) -> float:
    """Return the best of a few measurements: one alone may meet a busy machine."""
    return min([await measure(number) for number in range(tries)])


async def never(awaitable: Awaitable[Any], for_s: float = QUIET_S) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(awaitable, for_s)


async def claim(bus: Bus, consumer: str = "worker") -> Lease:
    return await soon(anext(bus.claim("speak", consumer)))


async def take(bus: Bus, pipe: str, count: int, *, after: int = 0) -> list[PipeEntry]:
    taken: list[PipeEntry] = []
    async for position, entry in bus.read(pipe, after=after):
        assert position == after + len(taken) + 1
        taken.append(entry)
        if len(taken) == count:
            break
    return taken


async def present(bus: AnyBus, pipe: str, count: int) -> None:
    """Return when so many readers of a pipe are known: entries may be dropped before a reader that is not."""
    await asyncio.sleep(0)
    if isinstance(bus, RedisBus):
        async with asyncio.timeout(20):
            while await _known(bus, pipe) < count:
                await asyncio.sleep(0.001)


async def _known(bus: RedisBus, pipe: str) -> int:
    keys: list[bytes] = await bus._connection.command("KEYS", f"*{pipe}}}:pipe:readers")
    return sum([await bus._connection.command("HLEN", key) for key in keys])


def texts(entries: Iterable[PipeEntry]) -> list[str]:
    return [entry.text for entry in entries if isinstance(entry, TextReady)]
