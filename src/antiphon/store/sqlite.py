"""The history in one SQLite file."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy import event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from antiphon.entities.history import StoredItem
from antiphon.errors import InvalidRequest, ProviderBusy, ProviderUnavailable
from antiphon.folders import make_private
from antiphon.resilience.backoff import Backoff
from antiphon.store.rows import item_columns, select_items, to_item
from antiphon.store.tables import VERSION, conversation_items, metadata

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_PRAGMAS = ("busy_timeout = 1000", "journal_mode = WAL", "synchronous = FULL")
_CLOSE_S = 10.0
"""How long `close` waits for transactions of cancelled callers."""
_START_ATTEMPTS = 20
_START_BACKOFF = Backoff(base_s=0.05, cap_s=0.5)


class SqliteStore:
    """A `Store` in one file, readable by its owner only.

    The journal is a write-ahead log, so that readers never wait for the writer. It is synced to the disk at every
    commit (``synchronous = FULL``): NORMAL survives a killed process, but a power cut could lose acknowledged rows.
    Writes come in batches, a few per second and outside any turn, so the sync delays no conversation.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine: AsyncEngine | None = None
        self._under_way: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Open the file, and create the schema where it is missing. Raises `ProviderUnavailable`."""
        try:
            make_private(self._path.parent)
            self._path.touch(mode=0o600)  # SQLite gives its log the same mode
        except OSError as exc:
            raise ProviderUnavailable(f"cannot write {self._path}", code="store_unavailable", detail=str(exc)) from exc
        engine = create_async_engine(
            f"sqlite+aiosqlite:///{self._path}", pool_size=4, max_overflow=0, hide_parameters=True
        )
        event.listen(engine.sync_engine, "connect", _prepare)
        self._engine = engine
        try:
            await self._create_schema()
        except BaseException:
            await self.close()
            raise

    async def _create_schema(self) -> None:
        """Create what is missing; processes that start together on a new file take turns."""
        for attempt in itertools.count(1):
            try:
                await self._create_missing()
            except ProviderBusy:  # SQLite does not wait while another connection changes the journal mode
                if attempt == _START_ATTEMPTS:
                    raise
                await asyncio.sleep(_START_BACKOFF.delay_s(attempt, random.random))
            else:
                return

    async def _create_missing(self) -> None:
        async def create(connection: AsyncConnection) -> None:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            found: int = (await connection.exec_driver_sql("PRAGMA user_version")).scalar_one()
            if found > VERSION:
                message = f"{self._path} was written by a newer release (schema {found}, this one knows {VERSION})"
                raise ProviderUnavailable(message, code="store_too_new")
            await connection.run_sync(metadata.create_all)
            await connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")

        await self._transact(create)

    async def record(self, rows: Sequence[StoredItem]) -> None:
        """Write rows in one transaction. Raises `ProviderBusy`, `ProviderUnavailable`, `InvalidRequest`."""

        async def write(connection: AsyncConnection) -> None:
            if rows:
                await connection.execute(_UPSERT_ITEM, [item_columns(row) for row in rows])

        await self._transact(write)

    async def items(
        self, tenant: str, session_id: str, *, limit: int = 100, before: int | None = None
    ) -> list[StoredItem]:
        """Return the newest items that are not deleted, oldest first."""
        rows = await self._fetch(select_items(tenant, session_id, limit, before))
        return [to_item(row) for row in reversed(rows)]

    async def check(self) -> None:
        """Read from the file. Raises `ProviderBusy`, `ProviderUnavailable`."""
        try:
            is_there = await asyncio.to_thread(self._path.is_file)
        except OSError as exc:
            message = f"cannot look at {self._path}"
            raise ProviderUnavailable(message, code="store_unavailable", detail=str(exc)) from exc
        if not is_there:  # SQLite would continue with a deleted file
            raise ProviderUnavailable(f"{self._path} was deleted", code="store_unavailable")
        await self._fetch(sa.select(conversation_items.c.item_id).limit(1))

    async def close(self) -> None:
        """Close; idempotent."""
        if self._engine is not None:
            engine, self._engine = self._engine, None
            if self._under_way and (await asyncio.wait(self._under_way, timeout=_CLOSE_S))[1]:
                _log.error("database close timed out", seconds=_CLOSE_S)
            await engine.dispose()

    async def _fetch(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        async def read(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
            return (await connection.execute(query)).all()

        return await self._transact(read)

    async def _transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
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
        except (IntegrityError, DataError, InterfaceError, OverflowError, UnicodeError) as exc:
            raise InvalidRequest("row refused by the store", code="row_refused", detail=str(exc)) from exc
        except OperationalError as exc:
            if "locked" in str(exc.orig):
                raise ProviderBusy("the database is locked", code="store_busy") from exc
            raise ProviderUnavailable("the database failed", code="store_unavailable", detail=str(exc.orig)) from exc
        except (DatabaseError, PoolTimeout) as exc:
            raise ProviderUnavailable("the database failed", code="store_unavailable", detail=str(exc)) from exc


def _log_abandoned(task: asyncio.Task[Any]) -> None:
    """Log the failure of a transaction without a caller; the message may hold a row and is left out."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.warning("transaction failed after its caller was cancelled", error=type(error).__name__)


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _upsert_item() -> sa.Executable:
    statement = insert(conversation_items)
    new = statement.excluded
    fields = ("position", "revision", "content", "created_at", "deleted")
    return statement.on_conflict_do_update(
        index_elements=list(conversation_items.primary_key.columns),
        set_={name: new[name] for name in fields},
        where=new.revision > conversation_items.c.revision,
    )


_UPSERT_ITEM = _upsert_item()
