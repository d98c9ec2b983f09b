"""When old rows are removed, and an outbox whose rows are committed in another order than they are counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from antiphon.clock import SystemClock, VirtualClock
from antiphon.errors import ProviderBusy
from antiphon.store.postgres import PostgresStore
from antiphon.store.sql import SqlStore
from antiphon.store.upkeep import Upkeep
from tests.postgres import Database, address, migrated
from tests.virtual_time import on_virtual_time


class Locked(SqlStore):
    """A database that fails, and remembers when it was asked."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__("sqlite")
        self._clock = clock
        self.asked_at: list[float] = []

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
        self.asked_at.append(self._clock.now())
        raise ProviderBusy("the database is locked", code="store_busy", detail="row 7")


@pytest.mark.parametrize(
    ("chance", "expected"), [(0.0, [45, 64_845, 129_645]), (0.5, [60, 86_460, 172_860]), (1.0, [75, 108_075, 216_075])]
)
def test_rows_are_removed_soon_after_the_start_and_then_every_day_though_the_database_fails(
    chance: float, expected: list[float]
) -> None:
    async def scenario(clock: VirtualClock) -> None:
        store = Locked(clock)
        with capture_logs() as logs, pytest.raises(TimeoutError):
            async with asyncio.timeout(expected[-1] + 1):
                await Upkeep(store, clock).run(lambda: chance)
        assert store.asked_at == expected
        assert [(entry["event"], entry["log_level"]) for entry in logs] == [
            ("removal of old rows failed", "warning")
        ] * 3
        assert logs[0]["reason"] == "the database is locked"

    on_virtual_time(scenario)()


# -- the outbox --------------------------------------------------------------------------------------------------------
class ByLastId:
    """A wrong relay: it asks for rows beyond the last one, as if they were committed in the order of their ids."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last = 0

    async def poll(self) -> list[str]:
        connection = await asyncpg.connect(self._database.url("antiphon_jobs"))
        rows = await connection.fetch("SELECT id, event_id FROM outbox_events WHERE id > $1 ORDER BY id", self._last)
        await connection.close()
        self._last = rows[-1]["id"] if rows else self._last
        return [row["event_id"] for row in rows]


class ByState:
    """A relay that reads pending events and marks them as delivered."""

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep

    async def poll(self) -> list[str]:
        found = await self._upkeep.pending_events(100)
        await self._upkeep.mark_delivered([one.row_id for one in found])
        return [one.event.event_id for one in found]


@pytest.fixture
async def database(postgres_url: str) -> Database:
    return await migrated(postgres_url)


@pytest.fixture
async def upkeep(database: Database) -> AsyncIterator[Upkeep]:
    store = PostgresStore(address(database.url("antiphon_jobs")), role="antiphon_jobs")
    await store.start()
    yield Upkeep(store, SystemClock())
    await store.close()


async def add(connection: asyncpg.Connection[Any], event_id: str) -> int:
    """Insert an event in the transaction of a connection; return its id."""
    await connection.execute("SELECT set_config('antiphon.tenant', 't', true)")
    insert = "INSERT INTO outbox_events (tenant_id, event_id, type, payload, created_at) VALUES ('t', $1, 'a', '{}', 0)"
    return await connection.fetchval(f"{insert} RETURNING id", event_id)


async def test_a_row_that_is_committed_after_a_later_one_is_delivered(database: Database, upkeep: Upkeep) -> None:
    relay, wrong = ByState(upkeep), ByLastId(database)
    slow, fast = [await asyncpg.connect(database.url("antiphon_app")) for _ in range(2)]
    async with slow.transaction():
        first = await add(slow, "first")
        async with fast.transaction():
            second = await add(fast, "second")
        assert first < second
        assert await relay.poll() == ["second"]
        assert await wrong.poll() == ["second"]
    assert await relay.poll() == ["first"]
    assert await wrong.poll() == [], "the wrong relay loses the row: this order of commits tells them apart"
    assert await relay.poll() == []
    await slow.close()
    await fast.close()
