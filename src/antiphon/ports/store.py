"""The store: what is kept after a session is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredSession:
    """One session of the history. Times are seconds since the epoch, UTC."""

    session_id: str
    tenant: str
    started_at: float
    model: str
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One version of one conversation item; a higher ``revision`` replaces a lower one."""

    tenant: str
    session_id: str
    item_id: str
    position: int
    """Order within the session."""
    revision: int
    content: bytes
    """The item as JSON, without audio."""
    created_at: float
    deleted: bool = False


class Store(Protocol):
    """Durable history, isolated by tenant.

    `record` returns once the rows are on disk (survive the death of the process). The same row twice, or an older
    revision after a newer one, changes nothing.
    """

    async def start(self) -> None:
        """Open, and create or migrate the schema."""
        ...

    async def record(self, rows: Sequence[StoredSession | StoredItem]) -> None:
        """Write rows in one transaction."""
        ...

    async def items(
        self, tenant: str, session_id: str, *, limit: int = 100, before: int | None = None
    ) -> list[StoredItem]:
        """Return the newest ``limit`` items that are not deleted, oldest first; ``before`` is a position (paging)."""
        ...

    async def sessions(self, tenant: str, *, limit: int = 100) -> list[StoredSession]:
        """Return the newest sessions, newest first."""
        ...

    async def close(self) -> None:
        """Close; idempotent."""
        ...
