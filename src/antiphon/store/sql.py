"""What both databases share: transactions, queries, and errors as ours."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from antiphon.entities.history import StoredItem
from antiphon.errors import AntiphonError, InvalidRequest, ProviderBusy, ProviderUnavailable
from antiphon.store.rows import item_columns, select_items, to_item, upsert_items
from antiphon.store.schema import HEAD, revision_of
from antiphon.store.tables import conversation_items

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_CLOSE_S = 10.0
"""How long `close` waits for transactions of cancelled callers."""
_TRY_AGAIN = ("40", "53", "55", "57014")
"""Beginnings of PostgreSQL's codes: rolled back, out of resources, locked, cancelled by a timeout."""
_WRONG_VALUE = (IntegrityError, DataError, OverflowError, UnicodeError)
_REFUSED = ("22", "23")
"""Beginnings of its codes: the data are wrong, or break a constraint."""


class SqlStore:
    """The part of a `Store` that does not depend on the kind of database."""

    def __init__(self, dialect: str) -> None:
        self._upsert_items = upsert_items(dialect)
        self._engine: AsyncEngine | None = None
        self._under_way: set[asyncio.Task[Any]] = set()

    async def record(self, rows: Sequence[StoredItem]) -> None:
        """Write rows in one transaction. Raises `ProviderBusy`, `ProviderUnavailable`, `InvalidRequest`."""

        async def write(connection: AsyncConnection) -> None:
            # in one order: concurrent writers of the same rows must not wait for each other in a circle
            ordered = sorted(rows, key=attrgetter("tenant", "session_id", "item_id", "revision"))
            for tenant, own in groupby(ordered, key=attrgetter("tenant")):
                await self._enter(connection, tenant)
                await connection.execute(self._upsert_items, [item_columns(row) for row in own])

        await self.transact(write)

    async def items(
        self, tenant: str, session_id: str, *, limit: int = 100, before: int | None = None
    ) -> list[StoredItem]:
        """Return the newest items that are not deleted, oldest first."""
        rows = await self._fetch(tenant, select_items(tenant, session_id, limit, before))
        return [to_item(row) for row in reversed(rows)]

    async def check(self) -> None:
        """Read from the database. Raises `ProviderBusy`, `ProviderUnavailable`."""
        await self._fetch("", sa.select(conversation_items.c.item_id).limit(1))

    async def revision(self) -> str:
        """Return the revision of the schema; empty before the first migration."""

        async def read(connection: AsyncConnection) -> str:
            return await connection.run_sync(revision_of)

        return await self.transact(read)

    async def upgrade(self) -> None:
        """Migrate to the schema of this release, if it is older. Raises `ProviderUnavailable` for a newer one."""
        if await self.revision() != HEAD:
            from antiphon.store.migrate import upgrade

            await self.migrate(upgrade)

    async def migrate(self, change: Callable[[Connection], None]) -> None:
        """Change the schema in one transaction."""

        async def run(connection: AsyncConnection) -> None:
            await connection.run_sync(change)

        await self.transact(run)

    async def close(self) -> None:
        """Close; idempotent."""
        if self._engine is not None:
            engine, self._engine = self._engine, None
            if self._under_way and (await asyncio.wait(self._under_way, timeout=_CLOSE_S))[1]:
                _log.error("database close timed out", seconds=_CLOSE_S)
            await engine.dispose()

    async def _enter(self, connection: AsyncConnection, tenant: str) -> None:
        """See rows of this tenant only, until the transaction ends. SQLite relies on the queries, which all name it."""

    async def _fetch(self, tenant: str, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        async def read(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
            await self._enter(connection, tenant)
            return (await connection.execute(query)).all()

        return await self.transact(read)

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do ``work`` in a transaction, which is finished even when its caller is cancelled.

        A cancelled transaction would lose its connection, and one cancelled twice would never end: SQLAlchemy 2.1
        then tries to close a connection of aiosqlite 0.22 whose thread it has stopped.
        """
        task = asyncio.get_running_loop().create_task(self._one(work), name="store transaction")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_log_abandoned)
            raise

    async def _one(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do ``work``, and translate what the driver raises."""
        if self._engine is None:
            raise ProviderUnavailable("the store is closed", code="store_unavailable")
        try:
            async with self._engine.begin() as connection:
                return await work(connection)
        except (StatementError, PoolTimeout, OSError, TimeoutError, OverflowError, UnicodeError) as exc:
            raise translated(exc) from exc


def translated(error: Exception) -> AntiphonError:
    """Return our error for one of SQLAlchemy or of a driver: only what can never be written is refused for good."""
    original = getattr(error, "orig", None)
    state: str = getattr(original, "sqlstate", None) or ""
    if isinstance(error, _WRONG_VALUE) or state.startswith(_REFUSED) or _is_value(error, original):
        return InvalidRequest("row refused by the store", code="row_refused", detail=str(error))
    if state.startswith(_TRY_AGAIN) or "locked" in str(original):
        return ProviderBusy("the database is locked", code="store_busy")
    detail = str(original) if isinstance(error, OperationalError) else str(error)
    return ProviderUnavailable("the database failed", code="store_unavailable", detail=detail)


def _is_value(error: Exception, original: BaseException | None) -> bool:
    """Say whether a value never reached the database. For asyncpg an `InterfaceError` is a lost connection."""
    if isinstance(error, InterfaceError):
        return isinstance(original, sqlite3.Error)
    return isinstance(error, StatementError) and not isinstance(error, DBAPIError)


def _log_abandoned(task: asyncio.Task[Any]) -> None:
    """Log the failure of a transaction without a caller; the message may hold a row and is left out."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.warning("transaction failed after its caller was cancelled", error=type(error).__name__)
