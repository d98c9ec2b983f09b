"""The bus over Redis: its start, its end, and the failure of a job that has no attempt left."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.bus.redis.bus import RedisBus
from antiphon.connections.redis import RedisConnection
from antiphon.errors import ProviderUnavailable
from antiphon.wire.entries import JobFailed
from tests.options import pipe_limit, queue_limit
from tests.unit.bus.redis.stage import NOWHERE, emptied, job, started
from tests.valkey import valkey


async def test_a_bus_does_not_start_without_its_server() -> None:
    with valkey() as server:
        server.kill()
        connection = RedisConnection(server.url, timeout_s=0.2)
        with pytest.raises(ProviderUnavailable):
            await RedisBus(connection, queue_limit(), pipe_limit()).start()
        await connection.close()


async def test_a_bus_that_never_started_is_closed_without_a_server() -> None:
    connection = RedisConnection(NOWHERE, timeout_s=0.1)
    await RedisBus(connection, queue_limit(), pipe_limit()).close()
    await connection.close()


async def test_a_closed_bus_leaves_its_connection_open(redis_url: str) -> None:
    async with emptied(redis_url) as connection:
        bus = RedisBus(connection, queue_limit(), pipe_limit())
        await bus.start()
        await bus.close()
        assert await connection.command("PING")


async def test_an_exhausted_job_fails_in_its_output_and_is_counted_no_more(redis_url: str) -> None:
    async with started(redis_url, attempts=1) as (bus, _), asyncio.timeout(10):
        await bus.submit(job("a"))
        await (await anext(bus.claim("speak", "w"))).release("busy")
        reader = bus.read("out:a")
        position, failed = await anext(reader)
        assert position == 1
        assert isinstance(failed, JobFailed)
        assert (failed.code, failed.message) == ("attempts_exhausted", "failed after 1 attempts: busy")
        assert await bus.depth("speak") == 0
        await reader.aclose()
