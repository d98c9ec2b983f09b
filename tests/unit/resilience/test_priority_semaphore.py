from __future__ import annotations

import asyncio

from antiphon.clock import VirtualClock
from antiphon.entities.priority import LIVE, PATIENT, TOLERANT
from antiphon.resilience.priority_semaphore import PrioritySemaphore, priority
from tests.virtual_time import on_virtual_time


class Hall:
    """Turns, and who has had one, in order."""

    def __init__(self, at_once: int = 1) -> None:
        self.turns = PrioritySemaphore(at_once)
        self.had: list[str] = []
        self.inside = self.most_inside = 0

    def come(self, name: str, urgency: int = LIVE) -> asyncio.Task[None]:
        return asyncio.create_task(self._visit(name, urgency))

    async def _visit(self, name: str, urgency: int) -> None:
        priority.set(urgency)
        async with self.turns.turn():
            self.had.append(name)
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
            await asyncio.sleep(1)
            self.inside -= 1


@on_virtual_time
async def test_the_most_urgent_goes_first_then_the_oldest(clock: VirtualClock) -> None:
    del clock
    hall = Hall()
    wishes = (("a", LIVE), ("b", PATIENT), ("c", TOLERANT), ("d", LIVE), ("e", TOLERANT), ("f", LIVE))
    await asyncio.gather(*(hall.come(*wish) for wish in wishes))
    assert hall.had == ["a", "d", "f", "c", "e", "b"]


@on_virtual_time
async def test_no_more_are_inside_than_there_is_room_for(clock: VirtualClock) -> None:
    hall = Hall(3)
    await asyncio.gather(*(hall.come(str(number)) for number in range(10)))
    assert (hall.most_inside, clock.now()) == (3, 4.0)


@on_virtual_time
async def test_who_leaves_before_the_turn_comes_takes_none(clock: VirtualClock) -> None:
    del clock
    hall = Hall()
    stays, leaves, waits = (hall.come(name) for name in ("stays", "leaves", "waits"))
    await asyncio.sleep(0.5)
    leaves.cancel()
    await asyncio.gather(stays, waits)
    assert hall.had == ["stays", "waits"]


@on_virtual_time
async def test_a_turn_that_comes_as_its_caller_leaves_goes_to_the_next(clock: VirtualClock) -> None:
    del clock
    hall = Hall(1)
    await hall.turns.take()
    leaves, waits = hall.come("leaves"), hall.come("waits")
    await asyncio.sleep(0.5)
    hall.turns.give_back()
    leaves.cancel()
    await waits
    assert hall.had == ["waits"]
    await hall.come("later")
    assert hall.had == ["waits", "later"]
