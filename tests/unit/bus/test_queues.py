"""Queues of one bus: order, limits, delays, dead letters, and one timer for all."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.clock import VirtualClock
from antiphon.entities.priority import LIVE, PATIENT, TOLERANT
from antiphon.errors import Overloaded
from antiphon.ports.bus import Share
from antiphon.wire.entries import TextReady
from tests.options import embedded_bus
from tests.unit.bus.stage import Queues, job
from tests.virtual_time import on_virtual_time


@pytest.mark.parametrize(
    ("share", "order"), [("all", "bdca"), ("prompt", "bdc"), ("patient", "a")], ids=["all", "prompt", "patient"]
)
async def test_a_share_gives_its_jobs_by_priority_then_by_age(share: Share, order: str) -> None:
    queues = Queues(VirtualClock())
    for name, priority in (("a", PATIENT), ("b", LIVE), ("c", TOLERANT), ("d", LIVE)):
        queues.submit(job(name, priority=priority))
    assert "".join(queues.lease(share=share).job.id for _ in order) == order
    assert queues.take("speak", "w", share) is None
    queues.close()


async def test_a_known_or_ended_job_is_not_queued_again_until_its_id_is_forgotten() -> None:
    clock = VirtualClock()
    queues = Queues(clock)
    queues.submit(job("a"))
    queues.submit(job("a"))
    assert queues.depth("speak") == 1
    queues.finish(queues.lease().record)
    queues.submit(job("a"))
    assert queues.depth("speak") == 0
    clock.advance(301)
    queues.submit(job("a"))
    assert queues.depth("speak") == 1
    queues.close()


async def test_a_full_queue_says_how_much_it_holds() -> None:
    queues = Queues(VirtualClock(), held=2)
    for name in "ab":
        queues.submit(job(name))
    with pytest.raises(Overloaded, match="2 jobs wait in the queue speak") as full:
        queues.submit(job("c"))
    assert full.value.code == "queue_full"


@pytest.mark.parametrize("leased", [False, True], ids=["waiting", "returned"])
async def test_a_cancelled_job_ends_instead_of_being_delivered(leased: bool) -> None:
    queues = Queues(VirtualClock())
    queues.submit(job("a"))
    lease = queues.lease() if leased else None
    queues.cancel("a")
    if lease is not None:
        await lease.release("cancelled")
    assert queues.take("speak", "w") is None
    assert (queues.failed, list(queues.dead), queues.flags.is_up("a")) == ([], [], False)
    queues.close()


async def test_a_job_without_an_attempt_left_is_dead_and_reported_with_its_last_reason() -> None:
    clock = VirtualClock()
    queues = Queues(clock, attempts=2)
    queues.submit(job("a"))
    await queues.lease("one").release("busy")
    queues.lease("two")
    clock.advance(10)
    queues.sweep()
    assert queues.failed == [("a", 2, "the lease of two ran out")]
    assert [(letter.job_id, letter.attempt, letter.at) for letter in queues.dead] == [("a", 2, clock.wall())]
    queues.close()


async def test_an_attempt_that_does_not_count_leaves_as_many_as_before() -> None:
    queues = Queues(VirtualClock(), attempts=1)
    queues.submit(job("a"))
    for _ in range(3):
        lease = queues.lease()
        assert lease.job.attempt == 1
        await lease.release("stopped", counts=False)
    await queues.lease().release("busy")
    assert queues.failed == [("a", 1, "busy")]
    queues.close()


async def test_a_claimer_that_is_cancelled_passes_its_wake_up_on() -> None:
    queues = Queues(VirtualClock())
    claimers = [asyncio.ensure_future(queues.available("speak", "all")) for _ in range(2)]
    await asyncio.sleep(0)
    queues.submit(job("a"))
    claimers[0].cancel()
    await claimers[1]
    assert claimers[0].cancelled()
    queues.close()


async def test_a_job_wakes_only_those_who_take_its_share() -> None:
    queues = Queues(VirtualClock())
    patient = asyncio.ensure_future(queues.available("speak", "patient"))
    prompt = asyncio.ensure_future(queues.available("speak", "prompt"))
    await asyncio.sleep(0)
    queues.submit(job("a"))
    await prompt
    assert not patient.done()
    queues.submit(job("b", priority=PATIENT))
    await patient
    queues.close()


@on_virtual_time
async def test_after_a_stall_of_the_loop_heartbeats_go_before_redelivery(clock: VirtualClock) -> None:
    bus = embedded_bus(clock, lease_s=10)
    await bus.submit(job("a"))
    lease = await anext(bus.claim("speak", "first"))
    other = asyncio.ensure_future(anext(bus.claim("speak", "second")))

    async def beat() -> None:
        for _ in range(3):
            await asyncio.sleep(3)
            await lease.renew()

    beating = asyncio.ensure_future(beat())
    await asyncio.sleep(1)
    clock.advance(20)  # as if the loop stood still: heartbeat and end of the lease are both late
    await beating
    assert not other.done()
    other.cancel()
    await bus.close()


@on_virtual_time
async def test_without_a_heartbeat_a_timer_delivers_the_job_again(clock: VirtualClock) -> None:
    bus = embedded_bus(clock, lease_s=10)
    await bus.submit(job("a"))
    await anext(bus.claim("speak", "first"))
    again = await anext(bus.claim("speak", "second"))
    assert (again.job.attempt, clock.now()) == (2, 10)
    await again.release("busy", delay_s=5)
    assert (await anext(bus.claim("speak", "third"))).job.attempt == 3
    assert clock.now() == 15
    await bus.close()


async def test_a_delayed_job_waits_by_the_clock() -> None:
    clock = VirtualClock()
    bus = embedded_bus(clock)
    await bus.submit(job("a"))
    await (await anext(bus.claim("speak", "w"))).release("busy", delay_s=30)
    clock.advance(29.9)
    bus.sweep()
    assert bus.depth("speak") == 0
    clock.advance(0.2)
    bus.sweep()
    assert (await anext(bus.claim("speak", "w"))).job.attempt == 2
    await bus.close()


async def test_a_full_queue_refuses_further_jobs() -> None:
    bus = embedded_bus(held=2)
    await bus.submit(job("a"))
    await bus.submit(job("b"))
    with pytest.raises(Overloaded):
        await bus.submit(job("c"))
    await anext(bus.claim("speak", "w"))
    await bus.submit(job("c"))
    assert bus.depth("speak") == 2
    await bus.close()


async def test_a_closed_bus_takes_no_job() -> None:
    bus = embedded_bus()
    await bus.close()
    with pytest.raises(Overloaded):
        await bus.submit(job("a"))


async def test_no_task_and_at_most_one_timer_is_made_for_many_jobs() -> None:
    bus = embedded_bus()
    tasks = len(asyncio.all_tasks())
    claims = bus.claim("speak", "w")
    for number in range(100):
        await bus.submit(job(str(number)))
        await anext(claims)
        await bus.write("p", [TextReady("j", str(number))])
    assert len(asyncio.all_tasks()) == tasks
    scheduled = asyncio.get_running_loop()._scheduled
    assert sum(not handle.cancelled() and "JobQueues" in repr(handle) for handle in scheduled) <= 1
    await bus.close()
