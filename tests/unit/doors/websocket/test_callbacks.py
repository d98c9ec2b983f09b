"""A callback that fails ends the task group it belongs to, and never raises into the event loop."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.doors.websocket.callbacks import FailGroupOnError


async def test_what_goes_wrong_ends_the_group() -> None:
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            with FailGroupOnError(group):
                raise ValueError("it broke")

    with pytest.raises(ExceptionGroup) as found:
        await run()
    assert found.group_contains(ValueError, match="it broke")


async def test_a_group_that_ends_already_takes_no_further_failure_and_nothing_is_raised() -> None:
    reached: list[str] = []

    async def fail() -> None:
        raise KeyError("first")

    async def linger(ending: FailGroupOnError) -> None:
        try:
            await asyncio.sleep(60)
        finally:  # the group is aborting now
            with ending:
                raise ValueError("second")
            reached.append("after")

    groups: list[asyncio.TaskGroup] = []

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            groups.append(group)
            group.create_task(linger(FailGroupOnError(group)))
            group.create_task(fail())

    with pytest.raises(ExceptionGroup) as found:
        await run()
    assert reached == ["after"]
    assert found.group_contains(KeyError)
    with FailGroupOnError(groups[0]):
        raise ValueError("after its end")


async def test_a_cancellation_passes_through() -> None:
    async with asyncio.TaskGroup() as group:
        with pytest.raises(asyncio.CancelledError), FailGroupOnError(group):
            raise asyncio.CancelledError
