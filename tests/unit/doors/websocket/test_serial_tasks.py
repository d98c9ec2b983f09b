"""The pump: one thing after the other, and no task while there is nothing to do."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.doors.websocket.serial_tasks import SerialTasks


def tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks()}


async def idle(name: str) -> None:
    """Wait until the pump has nothing to do."""
    while name in tasks():
        await asyncio.sleep(0)


async def test_items_are_worked_on_in_order_and_never_two_at_a_time() -> None:
    done: list[int] = []
    working = 0

    async def work(item: int) -> None:
        nonlocal working
        working += 1
        assert working == 1
        await asyncio.sleep(0.001 * (item % 3))
        done.append(item)
        working -= 1

    async with asyncio.TaskGroup() as group:
        pump = SerialTasks(group, "pump", work)
        for item in range(20):
            pump.put(item)
            if item % 5 == 0:
                await asyncio.sleep(0.002)
        await idle("pump")
        assert done == list(range(20))


async def test_an_idle_pump_costs_no_task_and_starts_again() -> None:
    done: list[int] = []

    async def work(item: int) -> None:
        done.append(item)

    async with asyncio.TaskGroup() as group:
        pump = SerialTasks(group, "the pump", work)
        for item in range(3):
            assert "the pump" not in tasks()
            pump.put(item)
            assert "the pump" in tasks()
            await idle("the pump")
    assert done == [0, 1, 2]


async def test_work_that_fails_ends_the_group() -> None:
    async def work(item: int) -> None:
        raise ValueError(item)

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            pump = SerialTasks(group, "pump", work)
            pump.put(7)
            pump.put(8)
            await asyncio.sleep(10)

    with pytest.raises(ExceptionGroup) as failed:
        await run()
    assert [error.args for error in failed.value.exceptions] == [(7,)]
