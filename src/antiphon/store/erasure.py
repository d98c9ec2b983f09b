"""Erasure of a session of a tenant, with all that was made of it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.clock import Clock
from antiphon.entities.history import storable
from antiphon.store.memory_rows import LOCK, erasing
from antiphon.store.sql import SqlStore
from antiphon.store.tables import (
    analytics_events,
    conversation_items,
    function_calls,
    ltm_embeddings,
    outbox_events,
    sessions,
)

_OF_A_SESSION = (conversation_items, function_calls, outbox_events, analytics_events, ltm_embeddings, sessions)
"""Tables with rows of a session; usage, which is billed, and the audit stay."""


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
            if connection.dialect.name == "postgresql":
                await connection.execute(LOCK, {"tenant": tenant})
            removed = 0
            for table in _OF_A_SESSION:
                own = sa.delete(table).where(table.c.tenant_id == tenant, table.c.session_id == session_id)
                removed += (await connection.execute(own)).rowcount
            row = {"tenant_id": tenant, "kind": "session", "subject": session_id, "created_at": self._clock.wall()}
            await connection.execute(erasing(connection.dialect.name), row)
            return removed

        return await self._store.transact_as(tenant, work)
