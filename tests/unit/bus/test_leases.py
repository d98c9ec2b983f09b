"""Leases of one bus: kept by heartbeats, lost to another worker, and void once the job has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from antiphon.bus.leases import Claims, EmbeddedLease, JobRecord
from antiphon.clock import VirtualClock
from antiphon.errors import LeaseLost
from tests.options import embedded_bus
from tests.unit.bus.stage import Queues, job


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("deliveries", "attempt"), [(0, 1), (1, 1), (4, 4)])
def test_a_record_gives_the_job_with_the_number_of_its_deliveries(strict: bool, deliveries: int, attempt: int) -> None:
    sent = job("a")
    record = JobRecord(sent, 1, strict=strict)
    record.deliveries = deliveries
    assert (record.job().id, record.job().attempt) == ("a", attempt)
    assert (record.job() is sent) == (attempt == 1 and not strict)


async def test_leases_run_out_by_the_clock_that_was_passed_in() -> None:
    clock = VirtualClock()
    bus = embedded_bus(clock, lease_s=10)
    await bus.submit(job("a"))
    first = await anext(bus.claim("speak", "first"))
    clock.advance(9.9)
    await first.renew()
    clock.advance(9.9)
    bus.sweep()
    assert bus.depth("speak") == 0
    clock.advance(0.1)
    bus.sweep()
    assert bus.depth("speak") == 1
    second = await anext(bus.claim("speak", "second"))
    assert second.job.attempt == 2
    await bus.close()


async def test_a_heartbeat_after_a_stall_takes_the_job_back_while_nobody_else_has_it() -> None:
    clock = VirtualClock()
    bus = embedded_bus(clock, lease_s=10)
    await bus.submit(job("a"))
    lease = await anext(bus.claim("speak", "first"))
    clock.advance(60)
    bus.sweep()
    await lease.renew()
    waiting = asyncio.ensure_future(anext(bus.claim("speak", "second")))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    await lease.acknowledge()
    await bus.close()


ENDED: list[Callable[[EmbeddedLease], Awaitable[None]]] = [
    lambda lease: lease.acknowledge(),
    lambda lease: lease.bury("cannot be spoken"),
]


@pytest.mark.parametrize("end", ENDED, ids=["acknowledged", "buried"])
async def test_the_lease_of_an_ended_job_cannot_be_renewed(end: Callable[[EmbeddedLease], Awaitable[None]]) -> None:
    queues = Queues(VirtualClock())
    queues.submit(job("a"))
    lease = queues.lease()
    await end(lease)
    with pytest.raises(LeaseLost, match="ended"):
        await lease.renew()
    queues.close()


async def test_a_lost_lease_names_the_consumer_that_has_the_job() -> None:
    clock = VirtualClock()
    queues = Queues(clock)
    queues.submit(job("a"))
    first = queues.lease("first")
    clock.advance(10)
    queues.lease("second")
    with pytest.raises(LeaseLost, match="second"):
        await first.renew()
    queues.close()


async def test_a_lost_lease_neither_releases_nor_buries_and_still_acknowledges() -> None:
    clock = VirtualClock()
    queues = Queues(clock)
    queues.submit(job("a"))
    first = queues.lease()
    clock.advance(10)
    second = queues.lease()
    await first.release("late")
    await first.bury("late")
    assert (queues.depth("speak"), list(queues.dead)) == (0, [])
    await first.acknowledge()
    with pytest.raises(LeaseLost):
        await second.renew()
    queues.close()


async def test_claims_wait_for_a_job_and_end_when_the_queues_close() -> None:
    queues = Queues(VirtualClock())
    claims = Claims(queues, "speak", "w", "all")
    waiting = asyncio.ensure_future(anext(claims))
    await asyncio.sleep(0)
    assert not waiting.done()
    queues.submit(job("a"))
    assert (await waiting).job.id == "a"
    waiting = asyncio.ensure_future(anext(claims, None))
    await asyncio.sleep(0)
    queues.close()
    assert await waiting is None
