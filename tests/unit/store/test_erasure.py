"""Erasure of a session, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.clock import VirtualClock
from antiphon.entities.events import Event
from antiphon.entities.history import StoredCall, StoredItem, StoredSession, StoredUsage, Unit
from antiphon.entities.memories import DIMENSIONS, Memory
from antiphon.store.erasure import SqlErasure
from antiphon.store.memories import SqlMemories
from antiphon.store.opening import make_store
from antiphon.store.sql import SqlStore
from antiphon.store.tables import analytics_events, audit_logs, erasures, metadata
from tests.postgres import migrated

ERASED = {"sessions", "conversation_items", "function_calls", "outbox_events", "analytics_events", "ltm_embeddings"}
KEPT = {"usage_records", "audit_logs"}


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlStore]:
    url = ""
    if request.param == "postgresql":
        url = (await migrated(request.getfixturevalue("postgres_url"))).url("antiphon_app")
    made = make_store(url, tmp_path)
    await made.start()
    yield made
    await made.close()


async def fill(store: SqlStore, tenant: str, session: str) -> None:
    """Write a row of each kind."""
    await store.record(
        [
            Unit(
                items=(StoredItem(tenant, session, "i", 1, 1, b"{}", 1.0),),
                sessions=(StoredSession(tenant, session, "realtime", "disconnected", 1.0, 1),),
                calls=(StoredCall(tenant, session, "c", 1.0),),
                usage=(StoredUsage(tenant, session, "tokens", 1.0, 1.0, session_id=session),),
                events=(Event(tenant, f"{tenant} {session}", "a", b"{}", 1.0, session),),
            )
        ]
    )
    rows = {
        analytics_events: {"event_id": session, "type": "a", "session_id": session},
        audit_logs: {"event_id": session, "action": "a", "target": session},
    }

    async def insert(connection: AsyncConnection) -> None:
        for table, row in rows.items():
            await connection.execute(sa.insert(table).values(tenant_id=tenant, created_at=1.0, **row))

    await store.transact_as(tenant, insert)
    memory = Memory(tenant, session, "u", session, "habit", 1.0, 1.0, session_id=session)
    await SqlMemories(store, VirtualClock()).write([(memory, [1.0] * DIMENSIONS)])


async def counts(store: SqlStore, tenant: str) -> dict[str, int]:
    async def count(connection: AsyncConnection) -> dict[str, int]:
        found: dict[str, int] = {}
        for name in ERASED | KEPT:
            table = metadata.tables[name]
            query = sa.select(sa.func.count()).select_from(table).where(table.c.tenant_id == tenant)
            found[name] = (await connection.execute(query)).scalar_one()
        return found

    return await store.transact_as(tenant, count)


async def test_the_rows_of_a_session_go_and_those_of_others_and_of_billing_stay(store: SqlStore) -> None:
    for tenant, session in [("t", "s"), ("t", "other"), ("u", "s")]:
        await fill(store, tenant, session)
    assert await SqlErasure(store, VirtualClock()).erase_session("t", "s") == len(ERASED)
    assert await counts(store, "t") == {**dict.fromkeys(ERASED, 1), **dict.fromkeys(KEPT, 2)}
    assert await counts(store, "u") == dict.fromkeys(ERASED | KEPT, 1)


async def test_every_table_that_names_a_session_is_erased_or_kept_on_purpose() -> None:
    named = {name for name, table in metadata.tables.items() if "session_id" in table.columns}
    assert named - ERASED == {"usage_records"}


async def test_an_erasure_is_noted_also_for_a_session_without_rows_and_again(store: SqlStore) -> None:
    clock = VirtualClock()
    erasure = SqlErasure(store, clock)
    for _ in range(2):
        clock.advance(5)
        assert await erasure.erase_session("t", "none") == 0

    async def read(connection: AsyncConnection) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await connection.execute(sa.select(erasures))]

    assert await store.transact_as("t", read) == [("t", "session", "none", clock.wall())]
