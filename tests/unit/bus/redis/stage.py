"""A bus over an emptied Redis, as the unit tests of its modules need it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from antiphon.bus.redis.bus import RedisBus
from antiphon.connections.redis import RedisConnection
from antiphon.entities.priority import LIVE
from antiphon.wire.jobs import Job, Queue, Score, Speak
from tests.options import pipe_limit, queue_limit

NOWHERE = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def emptied(url: str) -> AsyncGenerator[RedisConnection]:
    connection = RedisConnection(url)
    try:
        await connection.command("FLUSHDB")
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def started(url: str, *, attempts: int = 3, held: int = 100) -> AsyncGenerator[tuple[RedisBus, RedisConnection]]:
    async with emptied(url) as connection:
        bus = RedisBus(connection, queue_limit(attempts=attempts, held=held), pipe_limit())
        await bus.start()
        try:
            yield bus, connection
        finally:
            await bus.close()


def job(job_id: str, queue: Queue = "speak", *, priority: int = LIVE) -> Job:
    work = Speak("hello") if queue == "speak" else Score(b"\x00\x00", 16_000)
    return Job(job_id, queue, work, f"out:{job_id}", priority=priority)
