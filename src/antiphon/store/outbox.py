"""The outbox of all tenants in one database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.clock import Clock
from antiphon.entities.events import Log, PendingEvent
from antiphon.ports.outbox import Undelivered
from antiphon.store.rows import to_pending_event
from antiphon.store.sql import SqlStore
from antiphon.store.tables import outbox_events

_DELIVERED, _REFUSED = 1, 2
"""States of a row that left the outbox; 0 is one inside."""
_row = outbox_events.c


class SqlOutbox:
    """An `Outbox` over an open store; on PostgreSQL that of the role ``antiphon_jobs``."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def pending_events(self, log: Log, limit: int) -> list[PendingEvent]:
        """Return events that are due, in the order of their rows."""
        query = sa.select(outbox_events).where(
            _row.delivered == 0, _row.log == log, _row.next_attempt_at <= self._clock.wall()
        )
        return [to_pending_event(row) for row in await self._read(query.order_by(_row.id).limit(limit))]

    async def pending_of(self, log: Log, sessions: Collection[tuple[str, str]], limit: int) -> list[PendingEvent]:
        """Return events of these sessions, due or not, by their numbers."""
        query = sa.select(outbox_events).where(_of(sessions), _row.log == log, _row.delivered == 0)
        rows = await self._read(query.order_by(_row.session_sequence, _row.id).limit(limit))
        return [to_pending_event(row) for row in rows]

    async def delivered_until(self, log: Log, sessions: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Return the highest delivered sequence number of each session that has one."""
        if not sessions:
            return {}
        key = (_row.tenant_id, _row.session_id)
        query = sa.select(*key, sa.func.max(_row.session_sequence)).where(
            _of(sessions), _row.log == log, _row.delivered != 0
        )
        return {(tenant, session): last for tenant, session, last in await self._read(query.group_by(*key))}

    async def mark_delivered(self, row_ids: Collection[int]) -> None:
        """Take events out of the outbox."""
        await self._mark(row_ids, _DELIVERED)

    async def mark_refused(self, row_ids: Collection[int]) -> None:
        """Take events out of the outbox that no log will take."""
        await self._mark(row_ids, _REFUSED)

    async def postpone(self, delays_s: Sequence[tuple[int, float]]) -> None:
        """Make rows due again after a delay, and count that."""
        now = self._clock.wall()
        statement = (
            sa.update(outbox_events)
            .where(_row.id == sa.bindparam("row"))
            .values({_row.attempts: _row.attempts + 1, _row.next_attempt_at: sa.bindparam("due")})
        )
        await self._run(statement, [{"row": row_id, "due": now + delay_s} for row_id, delay_s in delays_s])

    async def undelivered(self) -> list[Undelivered]:
        """Return what is undelivered in each log."""
        query = sa.select(_row.log, sa.func.count(), sa.func.min(_row.created_at)).where(_row.delivered == 0)
        found = {log: (count, oldest) for log, count, oldest in await self._read(query.group_by(_row.log))}
        now = self._clock.wall()
        return [
            Undelivered(log, count, max(0.0, now - oldest))
            for log in get_args(Log)
            for count, oldest in (found.get(log, (0, now)),)
        ]

    async def _mark(self, row_ids: Collection[int], state: int) -> None:
        await self._run(sa.update(outbox_events).where(_row.id.in_(row_ids)).values(delivered=state))

    async def _read(self, query: sa.Select[*tuple[Any, ...]]) -> Sequence[Any]:
        return await self._transact(lambda connection: _rows(connection, query))

    async def _run(self, statement: sa.Executable, parameters: Sequence[dict[str, Any]] | None = None) -> None:
        if parameters != []:
            await self._transact(lambda connection: connection.execute(statement, parameters))

    async def _transact(self, work: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
        return await self._store.transact(work)


def _of(sessions: Collection[tuple[str, str]]) -> sa.ColumnElement[bool]:
    """Return the condition of the events of these sessions: for pairs of columns SQLite would read the whole index."""
    tenants: dict[str, list[str]] = {}
    for tenant, session_id in sessions:
        tenants.setdefault(tenant, []).append(session_id)
    return sa.or_(*(sa.and_(_row.tenant_id == tenant, _row.session_id.in_(own)) for tenant, own in tenants.items()))


async def _rows(connection: AsyncConnection, query: sa.Select[*tuple[Any, ...]]) -> Sequence[Any]:
    return (await connection.execute(query)).all()
