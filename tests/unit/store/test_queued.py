from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from antiphon.clock import SystemClock
from antiphon.entities.history import StoredItem
from antiphon.errors import Overloaded
from antiphon.store.queued import QueuedStore
from antiphon.store.sqlite import SqliteStore
from antiphon.store.writer import StoreWriter
from antiphon.workers.loop import run
from antiphon.workers.persist import Persister
from tests.options import embedded_bus, worker_options


async def test_rows_reach_the_database_by_the_queue_and_are_read_from_there(tmp_path: Path) -> None:
    bus = embedded_bus(SystemClock(), lease_s=5.0, strict=True)
    database = SqliteStore(tmp_path / "history.db")
    store = QueuedStore(bus, database)
    await store.start()
    items = [StoredItem("t", "s", f"i{number}", number, 1, b"{}", 1.0) for number in range(3)]
    await store.record(items)
    assert await store.items("t", "s") == [], "nobody has written them yet"
    writer = StoreWriter(database, flush_s=0.01)
    helpers = [
        asyncio.ensure_future(writer.run()),
        asyncio.ensure_future(run(bus, "persist", Persister(writer.write).handle, "w", worker_options())),
    ]
    async with asyncio.timeout(5):
        while not await store.items("t", "s"):
            await asyncio.sleep(0.01)
        while bus.depth("persist"):
            await asyncio.sleep(0.01)
    assert await store.items("t", "s") == items
    await bus.close()
    for helper in helpers:
        helper.cancel()
    await store.close()


async def test_without_the_queue_the_rows_stay_with_whoever_has_them(tmp_path: Path) -> None:
    bus = embedded_bus(SystemClock(), lease_s=5.0)
    await bus.close()
    with pytest.raises(Overloaded):
        await QueuedStore(bus, SqliteStore(tmp_path / "history.db")).record(
            [StoredItem("t", "s", "i", 1, 1, b"{}", 1.0)]
        )
