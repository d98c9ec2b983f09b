"""The persist worker: the rows of a job are written before it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from antiphon.entities.history import StoredItem, Unit
from antiphon.wire.entries import JobFailed
from antiphon.wire.jobs import Job, Persist, Record, Speak
from antiphon.workers.persist import Persister
from tests.options import embedded_bus
from tests.working import working

ROW = StoredItem("ann", "sess_1", "item_1", 1, 1, b"{}", 0.0)


@pytest.mark.parametrize("work", [Record((Unit((ROW,)),)), Persist((ROW,))], ids=["record", "of an earlier release"])
async def test_a_job_ends_only_when_its_rows_are_written(work: Record | Persist) -> None:
    written: list[Sequence[Unit]] = []
    may_write = asyncio.Event()

    async def write(units: Sequence[Unit]) -> None:
        await may_write.wait()
        written.append(units)

    async def emit(entries: Sequence[object]) -> None:
        raise AssertionError(f"a persist job has no results: {entries}")

    job = Job("a", work.queue, work, "out")
    persister = Persister(write)
    handle = persister.record if isinstance(work, Record) else persister.persist
    handling = asyncio.create_task(handle(job, emit, embedded_bus()))
    await asyncio.sleep(0)
    assert not handling.done()
    may_write.set()
    await handling
    assert [list(units) for units in written] == [[Unit((ROW,))]]


async def test_a_job_of_another_kind_fails_and_writes_nothing() -> None:
    written: list[Sequence[Unit]] = []

    async def write(units: Sequence[Unit]) -> None:
        written.append(units)

    async with working("record", Persister(write).record) as bench:
        running = await bench.submit(Speak("hi"))
        (entry,) = await running.rest()
    assert isinstance(entry, JobFailed)
    assert entry.code == "wrong_queue"
    assert not written
