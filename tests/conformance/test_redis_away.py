"""What a bus and its jobs keep while nothing can be written to Redis for longer than a lease."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
import redis

from antiphon.bus.redis.bus import RedisBus
from antiphon.connections.redis import RedisConnection
from antiphon.errors import LeaseLost, ProviderUnavailable
from antiphon.ports.bus import Lease
from tests.conformance.buses import job, never, soon
from tests.options import pipe_limit, queue_limit
from tests.valkey import Valkey, valkey

LEASE_S = 1.0
"""Workers on a machine that stands still for longer lose their jobs: that is no defect of the bus."""


async def dies(server: Valkey) -> None:
    server.kill()
    await asyncio.sleep(LEASE_S * 1.5)
    await asyncio.to_thread(server.start)


async def stands_still(server: Valkey) -> None:
    with server.asleep():
        await asyncio.sleep(LEASE_S * 3)


async def stands_still_for_longer_than_anybody_waits(server: Valkey) -> None:
    with server.asleep():
        await asyncio.sleep(LEASE_S * 7)


async def refuses_to_write(server: Valkey) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.config_set("min-replicas-to-write", 1)
        await asyncio.sleep(LEASE_S * 3)
        client.config_set("min-replicas-to-write", 0)


async def keep(lease: Lease) -> None:
    while True:
        with contextlib.suppress(ProviderUnavailable):
            await lease.renew()
        await asyncio.sleep(LEASE_S / 3)


@pytest.mark.parametrize(
    "away",
    [dies, stands_still, stands_still_for_longer_than_anybody_waits, refuses_to_write],
    ids=lambda one: one.__name__,
)
async def test_who_works_keeps_the_job_and_who_is_dead_loses_it_a_lease_later(
    away: Callable[[Valkey], Awaitable[None]],
) -> None:
    with valkey() as server:
        connections = [RedisConnection(server.url), RedisConnection(server.url)]
        worker, other = (RedisBus(connection, queue_limit(lease_s=LEASE_S), pipe_limit()) for connection in connections)
        await worker.start()
        await other.start()
        await worker.submit(job("1"))
        lease = await soon(anext(worker.claim("speak", "worker")))
        keeping = asyncio.create_task(keep(lease))
        waiting = asyncio.ensure_future(anext(other.claim("speak", "other")))
        await never(asyncio.shield(waiting), LEASE_S * 1.2)  # a job without an owner would be taken by now
        keeping.cancel()
        await away(server)
        await never(asyncio.shield(waiting), LEASE_S / 4)  # the worker may notice so late
        keeping = asyncio.create_task(keep(lease))
        await never(asyncio.shield(waiting), LEASE_S * 2)
        assert not keeping.done()
        keeping.cancel()
        again = await soon(waiting)
        assert (again.job.id, again.job.attempt) == ("1", 2)
        with pytest.raises(LeaseLost):
            await lease.renew()
        for bus in (worker, other):
            await bus.close()
        for connection in connections:
            await connection.close()
