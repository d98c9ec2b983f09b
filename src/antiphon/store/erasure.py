"""Erasures: of a session with all that was made of it, and what keeps rows that come later out."""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.clock import Clock
from antiphon.entities.history import storable
from antiphon.store.sql import SqlStore
from antiphon.store.tables import (
    analytics_events,
    conversation_items,
    erasures,
    function_calls,
    ltm_embeddings,
    outbox_events,
    sessions,
)

_OF_A_SESSION = (conversation_items, function_calls, outbox_events, analytics_events, ltm_embeddings, sessions)
"""Tables with rows of a session; usage, which is billed, and the audit stay."""

_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('erasure ' || :tenant, 0))")
_LOCK_SHARED = sa.text("SELECT pg_advisory_xact_lock_shared(hashtextextended('erasure ' || :tenant, 0))")


async def exclude_erasures(connection: AsyncConnection, tenant: str) -> None:
    """Let no erasure of a tenant happen until the transaction ends: a row that it writes would survive it.

    SQLite has one writer at a time.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(_LOCK_SHARED, {"tenant": tenant})


async def note_erasure(
    connection: AsyncConnection, tenant: str, kind: Literal["session", "user"], subject: str, clock: Clock
) -> None:
    """Note an erasure, or that it happens again, before its rows are removed; writers wait until that is done."""
    is_postgresql = connection.dialect.name == "postgresql"
    if is_postgresql:
        await connection.execute(_LOCK, {"tenant": tenant})
    statement = (postgresql.insert if is_postgresql else sqlite.insert)(erasures)
    greatest = sa.func.greatest if is_postgresql else sa.func.max
    noted = statement.on_conflict_do_update(
        index_elements=list(erasures.primary_key.columns),
        set_={"created_at": greatest(erasures.c.created_at, statement.excluded.created_at)},
    )
    await connection.execute(noted, {"tenant_id": tenant, "kind": kind, "subject": subject, "created_at": clock.wall()})


class SqlErasure:
    """Erasures over an open store; on PostgreSQL that of the role ``antiphon_app``."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def erase_session(self, tenant: str, session_id: str) -> int:
        """Remove all rows of a session in one transaction, and note that; return how many there were.

        Memories of the session that arrive later are not written. Raises `ProviderBusy`, `ProviderUnavailable`.
        """
        tenant, session_id = storable(tenant), storable(session_id)

        async def work(connection: AsyncConnection) -> int:
            await note_erasure(connection, tenant, "session", session_id, self._clock)
            removed = 0
            for table in _OF_A_SESSION:
                own = sa.delete(table).where(table.c.tenant_id == tenant, table.c.session_id == session_id)
                removed += (await connection.execute(own)).rowcount
            return removed

        return await self._store.transact_as(tenant, work)
