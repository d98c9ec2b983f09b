"""What a bus and its jobs keep while Redis is away for longer than a lease."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.bus.redis.bus import RedisBus
from antiphon.bus.redis.jobs import QueueLimit
from antiphon.connections.redis import RedisConnection
from antiphon.errors import LeaseLost
from antiphon.ports.bus import Lease
from tests.conformance.buses import job, never, soon
from tests.valkey import valkey

LEASE_S = 1.0


async def keep(lease: Lease) -> None:
    while True:
        await lease.renew()
        await asyncio.sleep(LEASE_S / 10)


async def test_who_works_keeps_the_job_and_who_is_dead_loses_it_a_lease_later() -> None:
    with valkey() as server:
        connections = [RedisConnection(server.url), RedisConnection(server.url)]
        worker, other = (RedisBus(connection, queues=QueueLimit(lease_s=LEASE_S)) for connection in connections)
        await worker.start()
        await other.start()
        await worker.submit(job("1"))
        lease = await soon(anext(worker.claim("speak", "worker")))
        keeping = asyncio.create_task(keep(lease))
        waiting = asyncio.ensure_future(anext(other.claim("speak", "other")))
        await never(asyncio.shield(waiting), LEASE_S * 1.2)  # by now it would take what is nobody's
        server.kill()
        await asyncio.sleep(LEASE_S * 1.2)
        await asyncio.to_thread(server.start)
        await never(asyncio.shield(waiting), LEASE_S * 2)
        keeping.cancel()
        again = await soon(waiting, LEASE_S * 5)
        assert (again.job.id, again.job.attempt) == ("1", 2)
        with pytest.raises(LeaseLost):
            await lease.renew()
        for bus in (worker, other):
            await bus.close()
        for connection in connections:
            await connection.close()
