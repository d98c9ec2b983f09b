"""Wake-ups of one process: to whom they go, and that a lost one costs a while only."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.bus.redis.wakeups import CANCELS, Wakeups, queue_channel, woken
from antiphon.clock import VirtualClock
from tests.unit.bus.redis.stage import emptied
from tests.virtual_time import on_virtual_time


async def test_a_message_wakes_those_who_watch_it_in_its_channel_and_no_others(redis_url: str) -> None:
    async with emptied(redis_url) as connection, asyncio.timeout(10):
        wakeups = Wakeups(connection, "inbox", ("speak",))
        subscribed = asyncio.Event()
        with (
            wakeups.watch("inbox", "p") as mine,
            wakeups.watch("inbox", "p") as too,
            wakeups.watch("inbox", "q") as other,
            wakeups.watch(CANCELS, "p") as cancel,
            wakeups.watch(queue_channel("speak")) as job,
        ):
            running = asyncio.ensure_future(wakeups.run(subscribed))
            await subscribed.wait()
            events = (mine, too, other, cancel, job)
            assert all(event.is_set() for event in events), "all look once they can miss nothing"
            for event in events:
                event.clear()
            await connection.command("PUBLISH", "inbox", "p")
            await asyncio.gather(mine.wait(), too.wait())
            await connection.command("PUBLISH", queue_channel("speak"), "")
            await job.wait()
            assert not other.is_set()
            assert not cancel.is_set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_who_watches_no_more_is_not_woken(redis_url: str) -> None:
    async with emptied(redis_url) as connection:
        wakeups = Wakeups(connection, "inbox", ())
        with wakeups.watch("inbox", "p") as gone, wakeups.watch("inbox", "p") as present:
            pass
        with wakeups.watch("inbox", "p") as present:
            wakeups.wake_all()
        assert present.is_set()
        assert not gone.is_set()


@pytest.mark.parametrize("is_set", [True, False])
def test_a_wait_ends_with_the_wake_up_or_with_its_time(is_set: bool) -> None:
    @on_virtual_time
    async def scenario(clock: VirtualClock) -> None:
        event = asyncio.Event()
        if is_set:
            event.set()
        await woken(event, 5.0)
        assert clock.now() == (0.0 if is_set else 5.0)
        assert not event.is_set(), "the next wait begins anew"

    scenario()
