"""Work on the rows of all tenants: removes those that are too old."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.clock import Clock
from antiphon.errors import AntiphonError
from antiphon.observe.failures import error_fields
from antiphon.store.queries import page
from antiphon.store.sql import SqlStore
from antiphon.store.tables import (
    analytics_events,
    audit_logs,
    conversation_items,
    function_calls,
    ltm_embeddings,
    outbox_events,
    sessions,
    tenants,
    usage_records,
)

_log = structlog.get_logger(__name__)

_FIRST_S = 60.0
"""From the start to the first removal: a process that starts has better things to do."""
_PERIOD_S = 86_400.0
"""It reads every row's key: about 10 s for each million rows."""
_JITTER = 0.25
"""Relative jitter of both, so that the processes of a fleet do not read the tables at the same time."""
_DAY_S = 86_400.0
_AUDIT_DAYS = 7 * 365 + 1
"""The database refuses to remove younger rows; a day more, as its clock is another."""
_OUTBOX_DAYS = 30
"""Delivered events are of no use to anybody: they go even without a retention."""
_LIMITED = (
    conversation_items,
    function_calls,
    usage_records,
    outbox_events,
    analytics_events,
    ltm_embeddings,
    sessions,
)
"""Tables with a retention per tenant."""


class Upkeep:
    """The rows of all tenants in one database. Any number of processes may do the same work at the same time.

    Methods raise `ProviderBusy` or `ProviderUnavailable` while the database is locked or away.
    """

    def __init__(self, store: SqlStore, clock: Clock, *, retention_days: int = 0, chunk: int = 1_000) -> None:
        """``store`` is open; on PostgreSQL as the role ``antiphon_jobs``.

        ``retention_days`` is for tenants without a row of their own, 0 for ever; ``chunk`` is the maximum number of
        rows that one statement reads and one transaction removes.
        """
        self._store = store
        self._clock = clock
        self._retention_days = retention_days
        self._chunk = chunk

    async def run(self, uniform: Callable[[], float] = random.random) -> None:
        """Remove old rows once a day, until cancelled; a failure is logged."""
        wait_s = _FIRST_S
        while True:
            await asyncio.sleep(wait_s * (1 - _JITTER + 2 * _JITTER * uniform()))
            wait_s = _PERIOD_S
            try:
                await self.remove_old()
            except AntiphonError as error:
                _log.warning("removal of old rows failed", **error_fields(error))

    async def remove_old(self) -> None:
        """Remove rows that are older than the retention of their tenant; of the outbox those that are delivered, at the
        latest after 30 days.
        """
        now = self._clock.wall()
        if await self._has_limits():
            own = sa.select(tenants.c.retention_days)
            for table in _LIMITED:
                days = own.where(tenants.c.tenant_id == table.c.tenant_id).scalar_subquery()
                await self._remove(table, sa.func.coalesce(days, self._retention_days), now)
        await self._remove(outbox_events, sa.literal(_OUTBOX_DAYS), now)
        await self._remove(audit_logs, sa.literal(_AUDIT_DAYS), now)

    async def _has_limits(self) -> bool:
        """Say whether any tenant has a retention: without one the tables are not read."""
        if self._retention_days:
            return True
        limited = sa.select(tenants.c.tenant_id).where(tenants.c.retention_days > 0)
        return bool(await self._read(limited.limit(1)))

    async def _remove(self, table: sa.Table, days: sa.ColumnElement[int], now: float) -> None:
        """Remove rows older than ``days``, 0 for never: walk through the table by its key, in pages.

        So no statement reads much, without an index by time, and no lock of SQLite is held while it is read.
        """
        key = tuple(table.primary_key.columns)
        columns = (*key, table.c.created_at)
        remove = sa.delete(table).where(*(column == sa.bindparam(column.name) for column in columns))
        beyond: tuple[Any, ...] | None = None
        removed = 0
        while found := await self._read(self._page(table, days, now, beyond)):
            old = [{column.name: row[place] for place, column in enumerate(columns)} for row in found if row.is_old]
            if old:
                await self._run(remove, old)
            removed += len(old)
            if found[-1].number < self._chunk:
                break
            beyond = tuple(found[-1][: len(key)])
        if removed:
            _log.info("old rows removed", table=table.name, rows=removed)

    def _page(
        self, table: sa.Table, days: sa.ColumnElement[int], now: float, beyond: tuple[Any, ...] | None
    ) -> sa.Select[Any]:
        """Return the query of the old rows among the next ``chunk`` of a table, and of the last if it is full."""
        key = tuple(table.primary_key.columns)
        is_old = sa.and_(days > 0, table.c.created_at < now - _DAY_S * days)
        if table is outbox_events:
            is_old = sa.and_(is_old, outbox_events.c.delivered != 0)
        number = sa.func.row_number().over(order_by=key).label("number")
        query = sa.select(*key, table.c.created_at, is_old.label("is_old"), number)
        read = page(query, key, self._chunk, beyond, oldest_first=True).subquery()
        return sa.select(read).where(sa.or_(read.c.is_old, read.c.number == self._chunk)).order_by(read.c.number)

    async def _read(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        async def work(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
            return (await connection.execute(query)).all()

        return await self._store.transact(work)

    async def _run(self, statement: sa.Executable, parameters: Sequence[dict[str, Any]] | None = None) -> None:
        async def work(connection: AsyncConnection) -> None:
            await connection.execute(statement, parameters)

        await self._store.transact(work)
