"""Jobs in Redis: where they lie, what a full queue says, and what is left of those that failed."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from antiphon.bus.redis.bus import RedisBus
from antiphon.bus.redis.jobs import all_dead_letters
from antiphon.connections.redis import RedisConnection
from antiphon.entities.priority import LIVE, PATIENT, TOLERANT
from antiphon.errors import Overloaded
from tests.options import pipe_limit, queue_limit
from tests.unit.bus.redis.stage import NOWHERE, job, started

CLASSES = ("high", "normal", "low", "patient")


@pytest.mark.parametrize(
    ("priority", "name"),
    [(LIVE + 5, "high"), (LIVE, "normal"), (TOLERANT, "low"), (PATIENT, "patient"), (PATIENT - 5, "patient")],
)
async def test_a_job_lies_in_the_stream_of_its_priority(redis_url: str, priority: int, name: str) -> None:
    async with started(redis_url) as (bus, connection):
        await bus.submit(job("a", priority=priority))
        streams = {one: await connection.command("XLEN", f"antiphon:queue:{{speak}}:{one}") for one in CLASSES}
        assert streams == {one: int(one == name) for one in CLASSES}
        assert await bus.depth("speak") == 1


async def test_jobs_at_work_count_for_a_full_queue_until_they_have_ended(redis_url: str) -> None:
    async with started(redis_url, held=2) as (bus, _), asyncio.timeout(10):
        for name, priority in (("a", LIVE), ("b", PATIENT)):
            await bus.submit(job(name, priority=priority))
        lease = await anext(bus.claim("speak", "w"))
        with pytest.raises(Overloaded, match="2 jobs are in the queue speak") as full:
            await bus.submit(job("c"))
        assert full.value.code == "queue_full"
        await lease.acknowledge()
        await bus.submit(job("c"))


async def test_an_ended_job_leaves_nothing_but_its_id_for_a_while(redis_url: str) -> None:
    async with started(redis_url) as (bus, connection), asyncio.timeout(10):
        await bus.submit(job("a"))
        await (await anext(bus.claim("speak", "w"))).acknowledge()
        key = "antiphon:queue:{speak}:job:a"
        assert await connection.command("HGETALL", key) == {b"ended": b"1"}
        assert 0 < await connection.command("PTTL", key) <= 60_000


async def test_dead_letters_of_all_queues_are_listed_by_their_time(redis_url: str) -> None:
    async with started(redis_url) as (bus, connection), asyncio.timeout(10):
        for name, queue in (("a", "speak"), ("b", "score"), ("c", "speak")):
            await bus.submit(job(name, queue))
            await (await anext(bus.claim(queue, "w"))).bury(f"why {name}")
        letters = await all_dead_letters(connection)
        found = [(letter.job_id, letter.queue, letter.attempt, letter.reason) for letter in letters]
        assert found == [("a", "speak", 1, "why a"), ("b", "score", 1, "why b"), ("c", "speak", 1, "why c")]


async def test_a_claim_without_redis_says_so_and_waits_until_the_bus_closes() -> None:
    connection = RedisConnection(NOWHERE, timeout_s=0.05)
    bus = RedisBus(connection, queue_limit(), pipe_limit())
    with capture_logs() as logs:
        claiming = asyncio.ensure_future(anext(bus.claim("speak", "w"), None))
        async with asyncio.timeout(10):
            while not logs:
                await asyncio.sleep(0.01)
            await bus.close()
            assert await claiming is None
    assert {(entry["event"], entry["queue"]) for entry in logs} == {("job claim failed", "speak")}
    await connection.close()


async def test_a_cancel_in_a_known_queue_is_one_flag_that_goes_with_the_job(redis_url: str) -> None:
    async with started(redis_url) as (bus, connection), asyncio.timeout(10):

        async def flags() -> list[bytes]:
            return sorted(await connection.command("KEYS", "*:cancelled:*"))

        await bus.submit(job("a"))
        lease = await anext(bus.claim("speak", "w"))
        await bus.cancel("a", "speak")
        assert await flags() == [b"antiphon:queue:{speak}:cancelled:a"]
        await lease.acknowledge()
        assert await flags() == []
