from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from antiphon.clock import SystemClock
from antiphon.entities.events import Event
from antiphon.entities.history import StoredItem, Unit
from antiphon.errors import Overloaded
from antiphon.store.queued import QueuedRecorder
from antiphon.store.sqlite import SqliteStore
from antiphon.store.writer import StoreWriter
from antiphon.workers.loop import run
from antiphon.workers.persist import Persister
from tests.options import embedded_bus, worker_options


async def test_rows_reach_the_database_by_the_queue(tmp_path: Path) -> None:
    bus = embedded_bus(SystemClock(), lease_s=5.0, strict=True)
    database = SqliteStore(tmp_path / "history.db")
    await database.start()
    items = [StoredItem("t", "s", f"i{number}", number, 1, b"{}", 1.0) for number in range(3)]
    events = (Event("t", "evt_1", "x", b"{}", 1.0),)
    await QueuedRecorder(bus).record([Unit(items=(item,), events=events) for item in items])
    assert await database.items("t", "s") == [], "nobody has written them yet"
    writer = StoreWriter(database, flush_s=0.01)
    helpers = [
        asyncio.ensure_future(writer.run()),
        asyncio.ensure_future(run(bus, "record", Persister(writer.write).record, "w", worker_options())),
    ]
    async with asyncio.timeout(5):
        while not await database.items("t", "s"):
            await asyncio.sleep(0.01)
        while bus.depth("record"):
            await asyncio.sleep(0.01)
    assert await database.items("t", "s", oldest_first=True) == items
    await bus.close()
    for helper in helpers:
        helper.cancel()
    await database.close()


async def test_without_the_queue_the_rows_stay_with_whoever_has_them() -> None:
    bus = embedded_bus(SystemClock(), lease_s=5.0)
    await bus.close()
    with pytest.raises(Overloaded):
        await QueuedRecorder(bus).record([Unit(items=(StoredItem("t", "s", "i", 1, 1, b"{}", 1.0),))])
