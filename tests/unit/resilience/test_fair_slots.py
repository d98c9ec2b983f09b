from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from antiphon.clock import VirtualClock
from antiphon.errors import Overloaded
from antiphon.resilience.fair_slots import FairSlots
from tests.virtual_time import on_virtual_time


class Room:
    """Places, and who has had one, in order."""

    def __init__(self, places: int, *, wait_s: float = 60.0, most_waiting: int = 100) -> None:
        self.places = FairSlots("desk", places, wait_s=wait_s, most_waiting=most_waiting)
        self.entered: list[str] = []

    async def visit(self, caller: str, *, stays_s: float = 1.0) -> None:
        async with self.places.place(caller):
            self.entered.append(caller)
            await asyncio.sleep(stays_s)


@on_virtual_time
async def test_a_caller_with_much_work_leaves_a_place_to_others(clock: VirtualClock) -> None:
    del clock
    room = Room(2)
    many = [asyncio.create_task(room.visit("greedy", stays_s=100.0)) for _ in range(5)]
    await asyncio.sleep(1)
    assert room.entered == ["greedy"]
    async with asyncio.timeout(2):
        await room.visit("modest")
    for one in many:
        one.cancel()
    await asyncio.wait(many)


@on_virtual_time
async def test_callers_take_turns_however_many_files_each_has(clock: VirtualClock) -> None:
    del clock
    room = Room(1)
    visits = [asyncio.create_task(room.visit(caller)) for caller in "aaabbc"]
    await asyncio.gather(*visits)
    assert room.entered == ["a", "b", "c", "a", "b", "a"]


@on_virtual_time
async def test_one_who_waits_for_too_long_is_refused_and_takes_no_place(clock: VirtualClock) -> None:
    room = Room(1, wait_s=5.0)
    stays = asyncio.create_task(room.visit("first", stays_s=20.0))
    await asyncio.sleep(0)
    begin = clock.now()
    with pytest.raises(Overloaded, match="No desk came free in time"):
        await room.visit("second")
    assert clock.now() - begin == pytest.approx(5.0)
    await stays
    await room.visit("third")
    assert room.entered == ["first", "third"]


@on_virtual_time
async def test_of_one_caller_only_so_many_wait(clock: VirtualClock) -> None:
    del clock
    room = Room(1, most_waiting=2)
    visits = [asyncio.create_task(room.visit("a")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="wait for a desk"):
        await room.visit("a")
    await asyncio.gather(*visits, room.visit("b"))
    assert sorted(room.entered) == ["a", "a", "a", "b"]


@on_virtual_time
async def test_one_who_leaves_the_queue_or_fails_frees_the_place(clock: VirtualClock) -> None:
    del clock
    room = Room(1)
    stays = asyncio.create_task(room.visit("a", stays_s=2.0))
    waits = asyncio.create_task(room.visit("b"))
    await asyncio.sleep(1)
    waits.cancel()
    await asyncio.wait([waits])
    with suppress(ZeroDivisionError):
        async with room.places.place("c"):
            raise ZeroDivisionError
    await stays
    await room.visit("d")
    assert room.entered == ["a", "d"]


@on_virtual_time
async def test_a_place_that_comes_as_its_caller_is_cancelled_goes_to_the_next(clock: VirtualClock) -> None:
    del clock
    room = Room(1)
    stays = asyncio.create_task(room.visit("a", stays_s=1.0))
    waits = asyncio.create_task(room.visit("b"))
    await asyncio.sleep(0)
    stays.cancel()
    await asyncio.wait([stays])  # the place is given to b, whose task has not run since
    waits.cancel()
    await asyncio.wait([waits])
    async with asyncio.timeout(5):
        await room.visit("c")
    assert room.entered[-1] == "c"


@on_virtual_time
async def test_a_caller_who_leaves_just_before_a_place_comes_free_takes_none(clock: VirtualClock) -> None:
    del clock
    for others in (0, 1):
        room = Room(1)
        async with room.places.place("a"):
            leaving, *waiting = [asyncio.create_task(room.visit("b")) for _ in range(1 + others)]
            await asyncio.sleep(0)
            leaving.cancel()  # and the place comes free before its task runs
        await asyncio.wait([leaving])
        assert leaving.cancelled()
        async with asyncio.timeout(5):
            await asyncio.gather(*waiting, room.visit("c"))
        assert room.entered == ["b"] * others + ["c"]


@on_virtual_time
async def test_a_place_that_comes_free_as_a_wait_ends_is_not_lost(clock: VirtualClock) -> None:
    del clock
    room = Room(1, wait_s=5.0)
    await asyncio.gather(room.visit("a", stays_s=5.0), room.visit("b"), return_exceptions=True)
    async with asyncio.timeout(5):
        await room.visit("c")
    assert room.entered[-1] == "c"
