"""The history in one SQLite file."""

from __future__ import annotations

import asyncio
import itertools
import random
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from antiphon.errors import ProviderBusy, ProviderUnavailable
from antiphon.folders import make_private
from antiphon.resilience.backoff import Backoff
from antiphon.store.sql import SqlStore

_PRAGMAS = ("busy_timeout = 1000", "journal_mode = WAL", "synchronous = FULL")
_START_ATTEMPTS = 20
_START_BACKOFF = Backoff(base_s=0.05, cap_s=0.5)


class SqliteStore(SqlStore):
    """A `Store` in one file, readable by its owner only.

    The journal is a write-ahead log, so that readers never wait for the writer. It is synced to the disk at every
    commit (``synchronous = FULL``): NORMAL survives a killed process, but a power cut could lose acknowledged rows.
    Writes come in batches, a few per second and outside any turn, so the sync delays no conversation.
    """

    def __init__(self, path: Path) -> None:
        super().__init__("sqlite")
        self._path = path

    async def start(self) -> None:
        """Open the file and migrate it to the schema of this release. Raises `ProviderUnavailable`."""
        await self.open()
        try:
            await self.upgrade()
        except BaseException:
            await self.close()
            raise

    async def open(self) -> None:
        """Open the file as it is. Raises `ProviderUnavailable`."""
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

    async def upgrade(self) -> None:
        """Migrate to the schema of this release; processes that start together on one file take turns."""
        for attempt in itertools.count(1):
            try:
                await super().upgrade()
            except ProviderBusy:  # SQLite does not wait while another connection changes the journal mode
                if attempt == _START_ATTEMPTS:
                    raise
                await asyncio.sleep(_START_BACKOFF.delay_s(attempt, random.random))
            else:
                return

    async def check(self) -> None:
        """Read from the file. Raises `ProviderBusy`, `ProviderUnavailable`."""
        try:
            is_there = await asyncio.to_thread(self._path.is_file)
        except OSError as exc:
            message = f"cannot look at {self._path}"
            raise ProviderUnavailable(message, code="store_unavailable", detail=str(exc)) from exc
        if not is_there:  # SQLite would continue with a deleted file
            raise ProviderUnavailable(f"{self._path} was deleted", code="store_unavailable")
        await super().check()


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
