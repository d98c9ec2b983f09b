"""What both databases share: transactions, queries, and errors as ours."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from antiphon.entities.history import SessionKind, StoredItem, StoredSession, Unit
from antiphon.errors import AntiphonError, InvalidRequest, ProviderBusy, ProviderUnavailable
from antiphon.ports.store import ItemPlace, SessionPlace
from antiphon.store.queries import select_item_place, select_items, select_session, select_sessions
from antiphon.store.rows import RowWriter, to_item, to_session
from antiphon.store.schema import HEAD, revision_of
from antiphon.store.tables import conversation_items

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_CLOSE_S = 10.0
"""How long `close` waits for transactions of cancelled callers."""
_TRY_AGAIN = ("40", "53", "55", "57014")
"""Beginnings of PostgreSQL's codes: rolled back, out of resources, locked, cancelled by a timeout."""
_WRONG_VALUE = (IntegrityError, DataError, OverflowError, UnicodeError)
_REFUSED = ("22", "23", "54")
"""Beginnings of its codes: the data are wrong, break a constraint, or exceed a limit of the server."""


class SqlStore:
    """The part of a `Store` that does not depend on the kind of database."""

    def __init__(self, dialect: str) -> None:
        self._rows = RowWriter(dialect)
        self._engine: AsyncEngine | None = None
        self._under_way: set[asyncio.Task[Any]] = set()

    async def record(self, units: Sequence[Unit]) -> None:
        """Write units in one transaction. Raises `ProviderBusy`, `ProviderUnavailable`, `InvalidRequest`."""

        async def write(connection: AsyncConnection) -> None:
            entered: str | None = None
            for tenant, statement, parameters in self._rows.writes(units):
                if tenant != entered:
                    await self._enter(connection, tenant)
                    entered = tenant
                await connection.execute(statement, parameters)

        await self.transact(write)

    async def items(
        self,
        tenant: str,
        session_id: str,
        *,
        limit: int = 100,
        beyond: ItemPlace | None = None,
        oldest_first: bool = False,
    ) -> list[StoredItem]:
        """Return a page of a session's items that are not deleted."""
        query = select_items(tenant, session_id, limit, beyond, oldest_first=oldest_first)
        return [to_item(row) for row in await self.fetch(tenant, query)]

    async def item_place(self, tenant: str, session_id: str, item_id: str) -> ItemPlace | None:
        """Return where an item is or was; None for an unknown one."""
        found = await self.fetch(tenant, select_item_place(tenant, session_id, item_id))
        return (found[0].position, found[0].item_id) if found else None

    async def session(self, tenant: str, session_id: str) -> StoredSession | None:
        """Return a session; None for an unknown one."""
        found = await self.fetch(tenant, select_session(tenant, session_id))
        return to_session(found[0]) if found else None

    async def sessions(
        self,
        tenant: str,
        *,
        limit: int = 100,
        beyond: SessionPlace | None = None,
        oldest_first: bool = False,
        since: float | None = None,
        until: float | None = None,
        kind: SessionKind | None = None,
    ) -> list[StoredSession]:
        """Return a page of a tenant's sessions."""
        query = select_sessions(tenant, limit, beyond, oldest_first=oldest_first, since=since, until=until, kind=kind)
        return [to_session(row) for row in await self.fetch(tenant, query)]

    async def check(self) -> None:
        """Read from the database. Raises `ProviderBusy`, `ProviderUnavailable`."""
        await self.fetch("", sa.select(conversation_items.c.item_id).limit(1))

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

    async def fetch(self, tenant: str, query: sa.Select[*tuple[Any, ...]]) -> Sequence[sa.Row[Any]]:
        """Return the rows of a query as a tenant. Raises `ProviderBusy`, `ProviderUnavailable`."""

        async def read(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
            return (await connection.execute(query)).all()

        return await self.transact_as(tenant, read)

    async def transact_as(self, tenant: str, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do ``work`` in a transaction that sees rows of this tenant only; on SQLite its queries must name it."""

        async def entered(connection: AsyncConnection) -> T:
            await self._enter(connection, tenant)
            return await work(connection)

        return await self.transact(entered)

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
