from __future__ import annotations

import asyncio

import structlog

from antiphon.observe.tasks import unattended


async def fail() -> None:
    raise ValueError("oh")


async def test_what_goes_wrong_is_logged_though_nobody_waits() -> None:
    with structlog.testing.capture_logs() as logged:
        task = unattended(fail(), name="of a test")
        await asyncio.wait((task,))
        await asyncio.sleep(0)
    assert [(line["task"], repr(line["exc_info"])) for line in logged] == [("of a test", "ValueError('oh')")]


async def test_a_cancelled_task_is_no_failure() -> None:
    with structlog.testing.capture_logs() as logged:
        task = unattended(asyncio.sleep(60), name="of a test")
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        await asyncio.sleep(0)
    assert logged == []
