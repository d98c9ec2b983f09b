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


async def test_what_does_not_end_is_waited_for_only_so_long_and_is_logged() -> None:
    asides = Asides("of a test")
    with structlog.testing.capture_logs() as logged:
        task = asides.do(asyncio.sleep(60))
        await asides.join(within_s=0.01)
    await asyncio.wait((task,))
    assert task.cancelled()
    assert [(line["event"], line["count"]) for line in logged] == [("background tasks did not end in time", 1)]


async def test_who_waits_for_a_task_may_leave_before_it_is_done() -> None:
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.05)
        done.append("work")

    asides = Asides("of a test")
    waiting = asyncio.create_task(asides.within(10, work()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asides.within(0.001, work())
    assert (waiting.cancelled(), done) == (True, [])
    await asides.join()
    assert done == ["work", "work"]
