"""A smoke test of the bus and the sessions over a cluster of six, and over a master that a sentinel replaces."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from redis.exceptions import NoPermissionError

from antiphon.bus.redis.bus import RedisBus
from antiphon.clock import SystemClock
from antiphon.connections.redis import RedisConnection
from antiphon.connections.redis_memory import ask
from antiphon.errors import ProviderUnavailable
from antiphon.jobs.audio import JobAudio
from antiphon.ports.sessions import Change
from antiphon.state.redis.blobs import RedisBlobs
from antiphon.state.redis.sessions import RedisSessions
from antiphon.wire.entries import TextReady
from antiphon.wire.jobs import Job, Score
from tests.options import pipe_limit, queue_limit
from tests.valkey import cluster, lone_master, sentinel, valkey

AUDIO = bytes(2**17)
FLEET = Path(__file__).parents[2] / "docs" / "how-to" / "fleet.md"


async def works(connection: RedisConnection, name: str) -> None:
    """A session, a job, its audio, its result and its cancel flag find their way."""
    audio = JobAudio(RedisBlobs(connection, tenant_bytes=len(AUDIO)), SystemClock())
    bus, sessions = RedisBus(connection, queue_limit(), pipe_limit(), audio=audio), RedisSessions(connection)
    await bus.start()
    pipe = f"t:t:session:{{{name}}}"
    record = await sessions.claim("t", name, "g")
    await sessions.save(record, Change(b"state", 1, items={"a": b"1"}))
    _, saved = await sessions.resume("t", name, "g2")
    assert saved.items == {"a": b"1"}
    async with asyncio.timeout(10):
        await bus.submit(Job(f"{name}.1", "score", Score(AUDIO, 16_000), pipe))
        lease = await anext(bus.claim("score", "worker"))
        assert (await audio.attach(lease.job)).work == Score(AUDIO, 16_000)
        assert lease.job.id == f"{name}.1"
        results = bus.read(pipe)
        waiting = asyncio.ensure_future(anext(results))
        await asyncio.sleep(0.05)
        await bus.write(pipe, [TextReady(lease.job.id, "hi")])
        assert await waiting == (1, TextReady(lease.job.id, "hi"))
        await results.aclose()
        flag = asyncio.create_task(bus.cancelled(lease.job.id, "speak"))
        await asyncio.sleep(0.05)
        await bus.cancel(lease.job.id)
        await flag
        await lease.acknowledge()
        assert await bus.depth("score") == 0
        assert not [one async for one in sessions.expired()]
    await bus.close()


async def test_a_cluster_of_six() -> None:
    with cluster() as url:
        connection = RedisConnection(url)
        for number in range(5):  # in different slots
            await works(connection, f"s{number}")
        assert len(await ask(connection)) == 3
        await connection.close()


async def test_a_cluster_of_one_is_asked_for_its_memory() -> None:
    with lone_master() as url:
        connection = RedisConnection(url)
        (memory,) = await ask(connection)
        assert memory.used_bytes > 0
        await connection.close()


async def test_a_master_that_dies_is_replaced_by_its_replica() -> None:
    with sentinel() as (url, master):
        connection = RedisConnection(url, timeout_s=15.0)
        await works(connection, "before")
        await asyncio.to_thread(master.kill)
        await works(connection, "after")
        await connection.close()


async def test_a_user_that_may_do_what_the_documents_say_and_nothing_else() -> None:
    (rights,) = re.findall(r"^ACL SETUSER antiphon (.*)$", FLEET.read_text(), re.MULTILINE)
    with valkey() as server:
        admin = RedisConnection(server.url)
        await admin.command("ACL", "SETUSER", "antiphon", *rights.split())
        connection = RedisConnection(server.url.replace("redis://", "redis://antiphon:PASSWORD@"))
        await works(connection, "limited")
        assert len(await ask(connection)) == 1
        for words in (("KEYS", "*"), ("CONFIG", "GET", "*"), ("FLUSHALL",), ("GET", "another:key")):
            with pytest.raises(ProviderUnavailable) as refused:
                await connection.command(*words)
            assert isinstance(refused.value.__cause__, NoPermissionError)
        await connection.close()
        await admin.close()
