from __future__ import annotations

import asyncio

import structlog

from antiphon.observe.tasks import Asides, unattended


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


async def test_what_is_done_aside_is_waited_for_at_the_end_even_if_it_fails() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(0.01)
        done.append(number)

    asides = Asides("of a test")
    await asides.join()
    with structlog.testing.capture_logs() as logged:
        asides.do(work(1))
        asides.do(fail())
        asides.do(work(2))
        await asides.join()
    assert done == [1, 2]
    assert [line["event"] for line in logged] == ["a task failed unexpectedly"]
