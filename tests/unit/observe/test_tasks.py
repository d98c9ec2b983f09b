from __future__ import annotations

import asyncio

import structlog

from antiphon.observe.tasks import TrackedTasks, unattended


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


async def test_what_runs_in_the_background_is_waited_for_at_the_end_even_if_it_fails() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(0.01)
        done.append(number)

    background = TrackedTasks("of a test")
    await background.join()
    with structlog.testing.capture_logs() as logged:
        background.do(work(1))
        background.do(fail())
        background.do(work(2))
        await background.join()
    assert done == [1, 2]
    assert [line["event"] for line in logged] == ["background task failed"]


async def test_what_does_not_end_is_waited_for_only_so_long_and_is_logged() -> None:
    background = TrackedTasks("of a test")
    with structlog.testing.capture_logs() as logged:
        task = background.do(asyncio.sleep(60))
        await background.join(within_s=0.01)
    await asyncio.wait((task,))
    assert task.cancelled()
    assert [(line["event"], line["count"]) for line in logged] == [("background tasks cancelled after timeout", 1)]


async def test_who_waits_for_a_task_may_leave_before_it_is_done() -> None:
    done: list[str] = []
    may_end = asyncio.Event()

    async def work() -> None:
        await may_end.wait()
        done.append("work")

    background = TrackedTasks("of a test")
    waiting = asyncio.create_task(background.within(10, work()))
    await asyncio.sleep(0)
    waiting.cancel()
    await background.within(0.001, work())
    assert (waiting.cancelled(), done) == (True, [])
    may_end.set()
    await background.join()
    assert done == ["work", "work"]
