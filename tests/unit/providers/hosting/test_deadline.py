from __future__ import annotations

import asyncio

import pytest

from antiphon.errors import ProviderTimeout
from antiphon.providers.hosting.deadline import deadline


async def test_what_takes_too_long_is_an_error_that_names_the_engine() -> None:
    with pytest.raises(ProviderTimeout, match=r"slow gave no answer within 0\.01 s"):
        async with deadline("slow", 0.01):
            await asyncio.sleep(5)


async def test_in_time_nothing_happens() -> None:
    async with deadline("quick", 5):
        done = await asyncio.sleep(0, "done")
    assert done == "done"


async def test_a_cancel_is_no_time_out() -> None:
    async def work() -> None:
        async with deadline("any", 5):
            await asyncio.sleep(5)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
