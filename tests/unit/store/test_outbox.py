"""An outbox whose rows are committed in another order than they are counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from antiphon.clock import SystemClock
from antiphon.entities.events import ANALYTICS
from antiphon.store.outbox import SqlOutbox
from antiphon.store.postgres import PostgresStore
from tests.postgres import Database, address, migrated


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

    def __init__(self, outbox: SqlOutbox) -> None:
        self._outbox = outbox

    async def poll(self) -> list[str]:
        found = await self._outbox.pending_events(ANALYTICS, 100)
        await self._outbox.mark_delivered([one.row_id for one in found])
        return [one.event.event_id for one in found]


@pytest.fixture
async def database(postgres_url: str) -> Database:
    return await migrated(postgres_url)


@pytest.fixture
async def outbox(database: Database) -> AsyncIterator[SqlOutbox]:
    store = PostgresStore(address(database.url("antiphon_jobs")), role="antiphon_jobs")
    await store.start()
    yield SqlOutbox(store, SystemClock())
    await store.close()


async def add(connection: asyncpg.Connection[Any], event_id: str) -> int:
    """Insert an event in the transaction of a connection; return its id."""
    await connection.execute("SELECT set_config('antiphon.tenant', 't', true)")
    insert = "INSERT INTO outbox_events (tenant_id, event_id, type, payload, created_at) VALUES ('t', $1, 'a', '{}', 0)"
    return await connection.fetchval(f"{insert} RETURNING id", event_id)


async def test_a_row_that_is_committed_after_a_later_one_is_delivered(database: Database, outbox: SqlOutbox) -> None:
    relay, wrong = ByState(outbox), ByLastId(database)
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
