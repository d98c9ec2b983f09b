"""The persist worker: the rows of a job are written before it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from antiphon.entities.history import StoredItem
from antiphon.wire.entries import JobFailed
from antiphon.wire.jobs import Job, Persist, Speak
from antiphon.workers.persist import Persister
from tests.options import embedded_bus
from tests.working import working

ROW = StoredItem("ann", "sess_1", "item_1", 1, 1, b"{}", 0.0)


async def test_a_job_ends_only_when_its_rows_are_written() -> None:
    written: list[Sequence[StoredItem]] = []
    may_write = asyncio.Event()

    async def write(items: Sequence[StoredItem]) -> None:
        await may_write.wait()
        written.append(items)

    async def emit(entries: Sequence[object]) -> None:
        raise AssertionError(f"a persist job has no results: {entries}")

    job = Job("a", "persist", Persist((ROW,)), "out")
    handling = asyncio.create_task(Persister(write).handle(job, emit, embedded_bus()))
    await asyncio.sleep(0)
    assert not handling.done()
    may_write.set()
    await handling
    assert [list(items) for items in written] == [[ROW]]


async def test_a_job_of_another_kind_fails_and_writes_nothing() -> None:
    written: list[Sequence[StoredItem]] = []

    async def write(items: Sequence[StoredItem]) -> None:
        written.append(items)

    async with working("persist", Persister(write).handle) as bench:
        running = await bench.submit(Speak("hi"))
        (entry,) = await running.rest()
    assert isinstance(entry, JobFailed)
    assert entry.code == "wrong_queue"
    assert not written
